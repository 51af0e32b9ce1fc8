//! Reports on disk, and what is known or news: files, lines and exit codes of the program.

use std::fs;
use std::path::Path;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use scim_conformance::report::json;
use scim_conformance::{Ended, Report};

use crate::binary::{last_line, run};
use crate::site::Site;

const SOME: &[&str] = &["--only", "capability,discovery", "--quiet", "--seed", "7"];

/// Our server, where these paths are not found.
async fn without(paths: &'static [&'static str]) -> Site {
    Site::with(move |request, next| async move {
        if paths.iter().any(|path| request.uri().path().ends_with(path)) {
            return StatusCode::NOT_FOUND.into_response();
        }
        next.run(request).await
    })
    .await
}

fn read(path: &Path) -> Report {
    json::read(&fs::read_to_string(path).unwrap()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn ids(report: &Report, ended: Ended) -> Vec<&str> {
    let found = report.checks.iter().filter(|one| one.result == ended);
    found.map(|one| one.id.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_is_written_and_says_the_same() {
    let site = without(&["/Schemas"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (page, xml, short, full) = (file("a.html"), file("a.xml"), file("a.md"), file("a.json"));
    let files = ["--html", text(&page), "--junit", text(&xml), "--markdown", text(&short)];
    let all = [&["run", &site.url, "--json", text(&full)], &files[..], SOME].concat();
    let output = run(&all).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report = read(&full);
    let failed = ids(&report, Ended::Failed);
    assert!(!failed.is_empty());
    let contents = [&page, &xml, &short].map(|path| fs::read_to_string(path).unwrap());
    for id in failed {
        assert!(contents.iter().all(|text| text.contains(id)), "{id}");
    }
    let [page, xml, short] = contents;
    assert!(page.contains("Not conformant"));
    assert!(xml.contains(&format!("failures=\"{}\"", report.counts.failed)), "{xml}");
    assert!(short.contains("not conformant"), "{short}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_baseline_only_news_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old.json"), folder.path().join("new.json"));
    let before = without(&["/Schemas"]).await;
    let output = run(&[&["run", &before.url, "--json", text(&old)], SOME].concat()).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");

    let again = [&["run", &before.url, "--baseline", text(&old), "--json", text(&new)], SOME];
    let output = run(&again.concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(last_line(&output).starts_with("conformant but for what is known"), "{output:?}");
    let (was, is) = (read(&old), read(&new));
    assert_eq!(ids(&is, Ended::Failed), [""; 0]);
    for id in ids(&was, Ended::Failed) {
        assert!(is.outcome(id).is_some_and(|one| one.result == Ended::Known), "{id}");
    }
    let output = run(&["diff", text(&old), text(&new)]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    let worse = without(&["/Schemas", "/ResourceTypes"]).await;
    let again = [&["run", &worse.url, "--baseline", text(&old), "--json", text(&new)], SOME];
    let output = run(&again.concat()).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let is = read(&new);
    for id in ids(&is, Ended::Failed) {
        assert!(was.outcome(id).is_some_and(|one| !one.deviates), "{id} is no news");
    }
    let output = run(&["diff", text(&old), text(&new)]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let news = ids(&is, Ended::Failed)[0];
    assert!(said.contains(&format!("new      {news}: passed -> failed")), "{said}");

    let whole = Site::ours().await;
    let again = [&["run", &whole.url, "--baseline", text(&old), "--json", text(&new)], SOME];
    let output = run(&again.concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let mended: Vec<_> = read(&new).mended.into_iter().map(|one| one.check).collect();
    for id in ids(&was, Ended::Failed) {
        assert!(mended.iter().any(|one| one == id), "{id} is not named: {mended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_says_why_a_deviation_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (full, list) = (folder.path().join("a.json"), folder.path().join("known.toml"));
    let site = without(&["/Schemas"]).await;
    run(&[&["run", &site.url, "--json", text(&full)], SOME].concat()).await;
    let report = read(&full);
    let against = report.checks.iter().filter(|one| one.counts_against(report.profile));
    let against: Vec<_> = against.map(|one| one.id.clone()).collect();
    let listed = |ids: &[String]| {
        format!(
            "product = \"a-server\"\n[[deviation]]\nchecks = {ids:?}\nreason = \"no schemas\"\n"
        )
    };
    fs::write(&list, listed(&against)).unwrap();
    let known = ["run", &site.url, "--known", text(&list), "--json", text(&full)];
    let output = run(&[&known[..], SOME].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("a-server: no schemas"), "{output:?}");

    let passed = "discovery.config.object".to_owned();
    fs::write(&list, listed(&[&against[1..], &[passed]].concat())).unwrap();
    let output = run(&[&known[..], SOME].concat()).await;
    assert_eq!(output.status.code(), Some(1), "one of them is no longer listed: {output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("mended  discovery.config.object: it passes"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_or_written_gives_2() {
    let site = Site::ours().await;
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    fs::write(&wrong, "{}").unwrap();
    let wrong = text(&wrong);
    let nowhere = folder.path().join("no/such/folder.html");
    let cases: &[&[&str]] = &[
        &["run", &site.url, "--baseline", wrong],
        &["run", &site.url, "--baseline", "/nonexistent"],
        &["run", &site.url, "--known", wrong],
        &["run", &site.url, "--known", "nosuchproduct"],
        &["run", &site.url, "--html", text(&nowhere)],
        &["run", &site.url, "--junit", text(folder.path())],
        &["diff", wrong, wrong],
        &["diff", wrong],
    ];
    for case in cases {
        let output = run(case).await;
        assert_eq!(output.status.code(), Some(2), "{case:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{case:?}: {output:?}");
    }
    assert_eq!(site.writes(), 0, "it is told before the run");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_reports_do_not_share_a_place() {
    let site = Site::ours().await;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let (one, same) = (folder.path().join("a"), folder.path().join("sub/../a"));
    let (one, same) = (text(&one), text(&same));
    let cases: &[&[&str]] = &[
        &["--json", one, "--html", one],
        &["--junit", one, "--markdown", same],
        &["--json", "-", "--markdown", "-"],
    ];
    for case in cases {
        let output = run(&[&["run", &site.url], *case].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{case:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(&format!("{} and {} both go to", case[0], case[2])), "{said}");
    }
    assert_eq!(site.writes(), 0, "it is told before the run");
    assert!(!folder.path().join("a").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_can_go_to_standard_output_alone() {
    let site = Site::ours().await;
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("a.html");
    let output =
        run(&[&["run", &site.url, "--json", "-", "--html", text(&page)], SOME].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let report = json::read(std::str::from_utf8(&output.stdout).unwrap()).unwrap();
    assert!(report.is_conformant());
    let said = String::from_utf8(output.stderr).unwrap();
    let verdict = said.lines().last().unwrap();
    assert!(verdict.starts_with("conformant (profile rfc)"), "{said}");
    assert!(fs::read_to_string(page).unwrap().contains("<html"));
    for flag in ["--html", "--junit", "--markdown"] {
        let output = run(&[&["run", &site.url, flag, "-"], SOME].concat()).await;
        assert!(!last_line(&output).starts_with("conformant (profile"), "{flag}: {output:?}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("conform"), "{flag}");
    }
    let help = String::from_utf8(run(&["run", "--help"]).await.stdout).unwrap();
    assert_eq!(help.matches("`-` for standard output").count(), 4, "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_names_the_file_and_says_everything_once() {
    let folder = tempfile::tempdir().unwrap();
    let (nothing, empty, broken) =
        (folder.path().join("nothing"), folder.path().join("empty"), folder.path().join("broken"));
    fs::write(&empty, "").unwrap();
    fs::write(&broken, "{\"format\": \"x\"").unwrap();
    let (nothing, empty, broken) = (text(&nothing), text(&empty), text(&broken));
    let url = "http://127.0.0.1:9/scim/v2";
    let cases: &[(&[&str], &str, &str)] = &[
        (&["run", url, "--baseline", nothing], nothing, "cannot be read"),
        (&["run", url, "--baseline", broken], broken, "no report as `run --json` writes it"),
        (&["diff", broken, broken], broken, "no report as `run --json` writes it"),
        (&["run", url, "--known", nothing], nothing, "no such file"),
        (&["run", url, "--known", broken], broken, "TOML parse error"),
        (&["run", url, "--token-file", nothing], nothing, "cannot be read"),
        (&["run", url, "--token-file", empty], empty, "is empty"),
        (&["run", url, "--insecure-ca", nothing], nothing, "cannot be read"),
        (&["run", url, "--insecure-ca", broken], broken, "no certificate in PEM"),
        (&["run", url, "--client-cert", broken], broken, "no certificate in PEM"),
        (&["run", url, "--html", text(folder.path())], text(folder.path()), "it is a folder"),
    ];
    for (case, name, what) in cases {
        let output = run(case).await;
        assert_eq!(output.status.code(), Some(2), "{case:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        let said = said.strip_prefix("scim-conformance: ");
        let said = said.unwrap_or_else(|| panic!("{case:?} is no error"));
        assert!(said.contains(name) && said.contains(what), "{case:?}: {said}");
        let mut parts: Vec<_> = said.split(": ").map(str::trim).collect();
        let all = parts.len();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), all, "said twice: {said}");
        assert_eq!(
            said.matches("TOML parse error").count(),
            said.matches("TOML").count(),
            "{said}"
        );
        assert!(said.matches("TOML").count() < 2, "{said}");
    }
}

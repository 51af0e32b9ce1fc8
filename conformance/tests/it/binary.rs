//! The program: exit codes, the last line, what it writes, and Ctrl-C.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use axum::response::IntoResponse;
use scim_conformance::Report;

use crate::site::{Site, TOKEN, dead_url};

pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scim-conformance"));
    command.args(args).env("SCIM_TOKEN", TOKEN).stdin(Stdio::null());
    command.env_remove("NO_COLOR");
    command
}

pub(crate) async fn run(args: &[&str]) -> Output {
    let mut command = program(args);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    for text in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(text).contains(TOKEN), "the token is shown");
    }
    output
}

pub(crate) fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

const SOME: &[&str] = &["--only", "capability,discovery"];

#[tokio::test(flavor = "multi_thread")]
async fn a_conformant_server_gives_0_and_the_verdict_last() {
    let site = Site::ours().await;
    let folder = tempfile::tempdir().unwrap();
    let json: PathBuf = folder.path().join("report.json");
    let path = json.to_str().unwrap();
    let output = run(&[&["run", &site.url, "--json", path], SOME].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(last_line(&output).starts_with("conformant (profile rfc): "), "{output:?}");
    let text = std::fs::read_to_string(json).unwrap();
    assert!(!text.contains(TOKEN));
    let report: Report = serde_json::from_str(&text).unwrap();
    assert!(report.is_conformant());
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(lines.contains("passed  discovery.schemas.list"), "{lines}");
    assert!(!lines.contains('\u{1b}'), "plain lines where nobody looks: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_conformant_gives_1() {
    let site = Site::with(|request, next| async move {
        if request.uri().path().ends_with("/Schemas") {
            return StatusCode::NOT_FOUND.into_response();
        }
        next.run(request).await
    })
    .await;
    let output = run(&[&["run", &site.url, "--quiet", "--color", "always"], SOME].concat()).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(last_line(&output).contains("not conformant (profile rfc): "), "{text}");
    assert!(text.contains("discovery.schemas.list") && text.contains("curl -i"), "{text}");
    assert!(text.contains("\u{1b}[31m"), "coloured when asked: {text:?}");
    assert!(output.stderr.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_run_gives_2() {
    let site = Site::ours().await;
    let dead = dead_url().await;
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "some-other-token-0123\n").unwrap();
    let wrong = wrong.to_str().unwrap();
    let cases: &[&[&str]] = &[
        &["run", &dead],
        &["run", &site.url, "--token-file", wrong],
        &["run", &site.url, "--token-file", "/nonexistent"],
        &["run", &site.url, "--only", "nosuchthing"],
        &["run", "not a url"],
        &["run", &site.url, "--profile", "nosuchthing"],
        &["explain", "no.such.check"],
        &["sweep", &dead],
        &[],
    ];
    for case in cases {
        let output = run(case).await;
        assert_eq!(output.status.code(), Some(2), "{case:?}: {output:?}");
    }
    let output = run(&["run", &dead]).await;
    assert!(last_line(&output).starts_with("could not run: no answer"), "{output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_listed_one_a_line_and_explained() {
    let output = run(&["list"]).await;
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), scim_conformance::Suite::all().checks().len());
    let line = text.lines().find(|line| line.starts_with("discovery.schemas.list ")).unwrap();
    assert!(line.contains(" must ") && line.contains("7644-4-03"), "{line}");
    let some = run(&["list", "--only", "discovery", "--skip", "discovery.config"]).await;
    let some = String::from_utf8(some.stdout).unwrap();
    assert!(some.lines().count() >= 2 && !some.contains("discovery.config."), "{some}");
    let output = run(&["explain", "discovery.schemas.list"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("https://www.rfc-editor.org/rfc/rfc7644#section-4"), "{text}");
    let output = run(&["schema"]).await;
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"]["checks"].is_object(), "{schema}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_explained_by_its_checks_and_a_slip_by_what_is_near() {
    let listed = |text: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(text);
        text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    for what in ["patch", "patch.add", "7644-3.5.2.1"] {
        let (explained, list) =
            (run(&["explain", what]).await, run(&["list", "--only", what]).await);
        assert_eq!(explained.status.code(), Some(0), "{explained:?}");
        assert_eq!(listed(&explained.stdout), listed(&list.stdout), "{what}");
    }
    for (slip, meant) in [("discovery.schema.list", "discovery.schemas.list"), ("ptach", "patch")] {
        for command in [&["explain", slip][..], &["list", "--only", slip]] {
            let output = run(command).await;
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains(&format!("did you mean {meant}")), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_jobs_that_make_no_sense_are_refused() {
    for jobs in ["0", "65", "100000", "-1", "many"] {
        let output = run(&["run", "http://127.0.0.1:9", &format!("--jobs={jobs}")]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("--jobs") && said.contains(jobs), "{said}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_names_what_it_removes_and_a_dry_one_removes_nothing() {
    let site = Site::ours().await;
    let ours = "scimconf-0000abcd-probe-0-x@example.org";
    for name in [ours, "scimconf-admin"] {
        let user = serde_json::json!({"schemas": [scim_core::urn::USER], "userName": name});
        site.request(http::Method::POST, "Users", &user.to_string()).await;
    }
    let said = |output: &Output| String::from_utf8(output.stdout.clone()).unwrap();
    let dry = run(&["sweep", &site.url, "--dry-run"]).await;
    assert!(said(&dry).contains(ours) && !said(&dry).contains("scimconf-admin"), "{dry:?}");
    assert!(last_line(&dry).starts_with("1 found, nothing removed"), "{dry:?}");
    assert_eq!(site.resources().await, [2, 0]);
    let wet = run(&["sweep", &site.url]).await;
    let lines: Vec<_> = said(&wet).lines().map(str::to_owned).collect();
    assert!(lines[0].ends_with(ours) && lines[1] == "removing 1", "{lines:?}");
    assert!(last_line(&wet).starts_with("1 found, 1 removed, 0 problems"), "{wet:?}");
    assert_eq!(site.resources().await, [1, 0]);
}

/// Each request takes a while, so that the run is under way when the signal comes.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_cleans_up() {
    for signal in ["-INT", "-TERM"] {
        let site = Site::with(|request, next| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            next.run(request).await
        })
        .await;
        let mut command = program(&["run", &site.url]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while site.resources().await[0] == 0 {
            assert!(Instant::now() < deadline, "nothing was ever created");
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
        let output = output.unwrap().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(last_line(&output).starts_with("could not run: interrupted"), "{output:?}");
        assert_eq!(site.resources().await, [0, 0], "{output:?}");
    }
}

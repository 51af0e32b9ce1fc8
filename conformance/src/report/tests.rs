//! A small made-up report, and what each format makes of it.

use super::*;
use crate::check::Peer;

/// An outcome of a check that never was.
pub(crate) fn outcome(id: &str, result: Ended) -> Outcome {
    let name = id.split('.').next().unwrap_or_default();
    let topic = Topic::ALL.iter().copied().find(|topic| topic.name() == name);
    let wrong = matches!(result, Ended::Failed | Ended::Noted | Ended::Known);
    Outcome {
        id: id.to_owned(),
        topic: topic.unwrap_or(Topic::Errors),
        level: Level::Must,
        clause: vec!["7644-3.5.2.1-05".to_owned()],
        reason: format!("{id} holds"),
        mend: format!("Mend {id}."),
        result,
        deviates: wrong,
        message: if result == Ended::Passed {
            String::new()
        } else {
            format!("{id} does not hold")
        },
        known: None,
        expected: None,
        got: None,
        notes: Vec::new(),
        evidence: Vec::new(),
        focus: None,
        curl: None,
        duration_ms: 7,
    }
}

/// A judged report of these outcomes.
pub(crate) fn report(checks: Vec<Outcome>) -> Report {
    let mut report = Report {
        format: FORMAT,
        tool: "scim-conformance 0.0.0".to_owned(),
        target: "https://host.example/scim/v2".to_owned(),
        profile: Profile::Rfc,
        seed: 7,
        read_only: false,
        started: DateTime::UNIX_EPOCH,
        duration_ms: 1234,
        verdict: Conclusion::CouldNotRun,
        why: None,
        counts: Counts::default(),
        profiles: Vec::new(),
        capabilities: Vec::new(),
        problems: Vec::new(),
        checks,
        leftovers: Vec::new(),
        known_from: Vec::new(),
        mended: Vec::new(),
    };
    report.judge();
    report
}

/// What a target could send to break out of a format.
const HOSTILE: &str = "<script>alert(1)</script> ]]> \" ' | ` @team #1 \u{1b}[31m \u{202e}";

fn sample() -> Report {
    let exchange = Exchange {
        method: "PATCH".to_owned(),
        url: "https://host.example/scim/v2/Users/1".to_owned(),
        request_headers: vec![("authorization".to_owned(), "Bearer ***".to_owned())],
        request_body: r#"{"Operations":[{"op":"add"}]}"#.to_owned(),
        request_bytes: 29,
        status: 200,
        response_headers: vec![("x".to_owned(), HOSTILE.to_owned())],
        response_body: format!("[1,2,\"{}\"]", HOSTILE.replace(['"', '\u{1b}'], "")),
        response_bytes: 99_999,
        error: None,
        duration_ms: 3,
        curl: "curl -i -X PATCH 'https://host.example/scim/v2/Users/1'".to_owned(),
    };
    let failed = Outcome {
        message: HOSTILE.to_owned(),
        expected: Some("2".to_owned()),
        got: Some(HOSTILE.to_owned()),
        notes: vec!["it was tried twice".to_owned()],
        evidence: vec![
            Exchange { method: "POST".to_owned(), ..exchange.clone() },
            exchange.clone(),
        ],
        focus: Some(1),
        curl: Some(exchange.curl),
        ..outcome("patch.add.multi-valued", Ended::Failed)
    };
    let known = Outcome {
        deviates: true,
        known: Some("a-server: since 1.0".to_owned()),
        ..outcome("filter.eq.string", Ended::Known)
    };
    let warned = Outcome {
        level: Level::Should,
        deviates: true,
        ..outcome("create.location", Ended::Warned)
    };
    let noted = Outcome {
        level: Level::Interop(Peer::Entra),
        ..outcome("interop.entra.disable", Ended::Noted)
    };
    let mut report = report(vec![
        outcome("patch.add.single", Ended::Passed),
        failed,
        outcome("patch.remove.value", Ended::Broken),
        known,
        warned,
        noted,
        outcome("bulk.cycles", Ended::Skipped),
    ]);
    report.known_from = vec!["a-server".to_owned()];
    report.mended = vec![Mended {
        check: "patch.add.single".to_owned(),
        from: "a-server".to_owned(),
        reason: "once".to_owned(),
    }];
    report.leftovers = vec![Leftover { path: "/Users/9".to_owned(), why: "500 no".to_owned() }];
    report.capabilities = vec![Capability {
        name: "patch".to_owned(),
        announced: Some(true),
        works: Some(false),
        detail: HOSTILE.to_owned(),
    }];
    report
}

#[test]
fn junit() {
    insta::assert_snapshot!(junit::render(&sample()).unwrap());
}

#[test]
fn junit_is_red_where_the_exit_code_is_not_0() {
    for ended in [
        Ended::Passed,
        Ended::Failed,
        Ended::Warned,
        Ended::Noted,
        Ended::Skipped,
        Ended::Broken,
        Ended::Known,
    ] {
        for level in [Level::Must, Level::Should, Level::Interop(Peer::Okta)] {
            let check = Outcome { level, ..outcome("patch.x", ended) };
            let report = report(vec![check, outcome("patch.y", Ended::Passed)]);
            let xml = junit::render(&report).unwrap();
            let red = xml.contains("<failure") || xml.contains("<error");
            assert_eq!(red, report.exit_code() != 0, "{ended:?} {level:?}\n{xml}");
        }
    }
    let nothing = report(Vec::new());
    assert_eq!(nothing.exit_code(), 2);
    assert!(junit::render(&nothing).unwrap().contains("<error"));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(markdown::render(&sample()));
}

#[test]
fn markdown_fits_into_a_comment() {
    let long = |n: usize| Outcome {
        message: HOSTILE.repeat(100),
        expected: Some("x".repeat(5000)),
        got: Some("`".repeat(5000)),
        curl: Some("y".repeat(5000)),
        ..outcome(&format!("patch.x{n}"), Ended::Failed)
    };
    let text = markdown::render(&report((0..300).map(long).collect()));
    assert!(text.len() < 65_000, "{}", text.len());
    assert!(text.contains("and 275 more"), "{text}");
    assert!(!text.contains("<script"), "{text}");
}

#[test]
fn json() {
    let text = json::render(&sample()).unwrap();
    insta::assert_snapshot!(text);
    let again = json::read(&text).unwrap();
    assert_eq!(json::render(&again).unwrap(), text);
}

#[test]
fn what_is_no_report_is_refused() {
    let text = json::render(&sample()).unwrap();
    let later = text.replace("\"format\": 1", "\"format\": 2");
    assert!(json::read(&later).unwrap_err().to_string().contains("format 2"));
    for wrong in ["", "{}", "[]", "{\"format\": 1}"] {
        assert!(json::read(wrong).is_err(), "{wrong}");
    }
}

/// `scim-conformance schema > docs/conformance-report.schema.json` writes it anew.
#[test]
fn the_committed_schema_is_that_of_a_report() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/conformance-report.schema.json");
    let committed = std::fs::read_to_string(path).unwrap();
    let schema = serde_json::to_string_pretty(&Report::schema()).unwrap();
    assert_eq!(committed.trim_end(), schema);
}

#[test]
fn the_page_has_every_check_and_only_its_own_code() {
    let report = sample();
    let page = html::render(&report);
    for outcome in &report.checks {
        let place = format!("id=\"check-{}\"", outcome.id);
        assert_eq!(page.matches(&place).count(), 1, "{place}");
    }
    for place in ["verdict", "first", "profiles", "capabilities", "topics", "checks", "filters"] {
        assert_eq!(page.matches(&format!("id=\"{place}\"")).count(), 1, "{place}");
    }
    let ids: Vec<_> = attribute(&page, "id").collect();
    for target in attribute(&page, "href").filter_map(|href| href.strip_prefix('#')) {
        assert_eq!(ids.iter().filter(|id| **id == target).count(), 1, "{target}");
    }
    assert_eq!(page.matches("<script>").count(), 1, "what a target sent stays text");
    assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    for outside in ["src=", "url(", "@import", "<link", "style=\"", "onclick"] {
        assert!(!page.contains(outside), "{outside}");
    }
    for href in attribute(&page, "href").filter(|href| !href.starts_with('#')) {
        assert!(href.starts_with("https://www.rfc-editor.org/"), "{href}");
    }
}

/// A changed script whose hash is not in the policy would not run, and one with an end tag would end early.
#[test]
fn the_policy_of_the_page_names_the_hashes_of_its_code() {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let page = html::render(&sample());
    for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
        let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
        let (code, _) = rest.split_once(&format!("</{tag}>")).unwrap();
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(code));
        assert!(page.contains(&format!("{directive} 'sha256-{hash}'")), "{tag}");
    }
}

fn attribute<'a>(page: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let begin = format!(" {name}=\"");
    let parts: Vec<_> = page.split(begin.as_str()).skip(1).collect();
    parts.into_iter().filter_map(|part| part.split('"').next())
}

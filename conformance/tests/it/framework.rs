//! What the frame promises: whatever a check does, its resources go, and its end means what it says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::IntoResponse;
use http::Method;
use scim_conformance::check::{Check, Need, Topic, must, should};
use scim_conformance::{
    Cx, Ended, Interrupt, MARKER, Observer, Outcome, Profile, Report, Stop, Suite, Verdict, sweep,
};
use serde_json::json;

use crate::site::{Site, TOKEN};

const CLAUSE: &[&str] = &["7644-3.3-01"];

const fn test_check(id: &'static str) -> scim_conformance::check::Draft {
    must(id, Topic::Create, CLAUSE).reason("a test of the frame").mend("Nothing to mend.")
}

async fn make(cx: &Cx) -> Verdict {
    let ada = cx.user().named("ada").create().await?;
    cx.group().named("pioneers").member(&ada).create().await?;
    cx.post("/Users", &cx.user().named("raw").body()?).await?;
    let operation =
        json!({"method": "POST", "path": "/Users", "bulkId": "b", "data": cx.user().body()?});
    let bulk = cx.bulk(json!([operation])).await?;
    cx.expect_status(&bulk, &[200])
}

const MAKES: Check = test_check("create.test.makes").body(|cx| Box::pin(make(cx)));
const FAILS: Check = test_check("create.test.fails").body(|cx| {
    Box::pin(async move {
        make(cx).await?;
        let user = cx.user().create().await?;
        let read = cx.read(&user).await?;
        make(cx).await?;
        cx.expect_on(&read, read.list("emails").len()).to_be(7, "seven e-mails")
    })
});
const PANICS: Check = test_check("create.test.panics").body(|cx| {
    Box::pin(async move {
        make(cx).await?;
        panic!("a bug in a check");
    })
});
const HANGS: Check = test_check("create.test.hangs").body(|cx| {
    Box::pin(async move {
        make(cx).await?;
        std::future::pending().await
    })
});
const PASSES: Check = test_check("create.test.passes").body(|_| Box::pin(async { Ok(()) }));

fn result(report: &Report, id: &str) -> Ended {
    report.outcome(id).unwrap().result
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_check_does_its_resources_are_removed() {
    let site = Site::ours().await;
    let suite = Suite::of([MAKES, FAILS, PANICS, HANGS]).timeout(Duration::from_secs(3));
    let report = suite.run(&site.target()).await;
    assert_eq!(result(&report, MAKES.id), Ended::Passed, "{report}");
    assert_eq!(result(&report, FAILS.id), Ended::Failed);
    assert_eq!(result(&report, PANICS.id), Ended::Broken);
    assert_eq!(result(&report, HANGS.id), Ended::Broken);
    assert!(report.outcome(PANICS.id).unwrap().message.contains("a bug in a check"));
    assert!(report.outcome(HANGS.id).unwrap().message.contains("longer than 3s"));
    assert_eq!(site.resources().await, [0, 0]);
    assert_eq!(report.leftovers, []);
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_what_was_compared_and_the_exchange_that_shows_it() {
    let site = Site::ours().await;
    let report = Suite::of([FAILS]).run(&site.target()).await;
    let outcome = report.outcome(FAILS.id).unwrap();
    assert_eq!(outcome.message, "seven e-mails");
    assert_eq!(outcome.expected.as_deref(), Some("7"));
    assert_eq!(outcome.got.as_deref(), Some("0"));
    let shown = outcome.shown_by().unwrap();
    assert_eq!((shown.method.as_str(), shown.status), ("GET", 200));
    let curl = outcome.curl.as_deref().unwrap();
    assert!(curl.contains("\"Authorization: Bearer $SCIM_TOKEN\"") && curl.contains(&shown.url));
    assert!(!serde_json::to_string(&report).unwrap().contains(TOKEN));
    let text = report.to_string();
    assert!(text.contains("seven e-mails") && text.contains("curl -i"), "{text}");
}

/// The answer comes long after the write, and the check is given up in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lost_request_created_is_removed_too() {
    let site = Site::with(|request, next| async move {
        let slow = request.method() == Method::POST;
        let answer = next.run(request).await;
        if slow {
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        answer
    })
    .await;
    const CREATES: Check = test_check("create.test.creates")
        .body(|cx| Box::pin(async move { cx.user().create().await.map(drop) }));
    let report = Suite::of([CREATES]).timeout(Duration::from_millis(200)).run(&site.target()).await;
    assert_eq!(result(&report, CREATES.id), Ended::Broken, "{report}");
    assert_eq!(site.resources().await, [0, 0]);
}

/// The write is done and its answer lost: no ledger knows the resource, its name tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_under_the_setup_of_a_check_is_no_judgement() {
    let turns = Arc::new(AtomicUsize::new(0));
    let site = Site::with(move |request, next| {
        let creates = *request.method() == Method::POST && request.uri().path().ends_with("/Users");
        let lost = creates && turns.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
        async move {
            assert!(!lost, "the connection ends without an answer");
            next.run(request).await
        }
    })
    .await;
    let report = Suite::all().only(["delete.answer.status"]).jobs(1).run(&site.target()).await;
    let outcome = report.outcome("delete.answer.status").unwrap();
    assert_eq!(outcome.result, Ended::Passed, "{}", outcome.message);
    assert_eq!(site.resources().await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_told_us_about_is_found_by_its_name() {
    let site = Site::with(|request, next| async move {
        let creates = request.method() == Method::POST && request.uri().path().ends_with("/Users");
        let answer = next.run(request).await;
        if creates { StatusCode::CREATED.into_response() } else { answer }
    })
    .await;
    let report = Suite::of([MAKES]).run(&site.target()).await;
    assert_eq!(result(&report, MAKES.id), Ended::Broken, "{report}");
    assert_eq!(site.resources().await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_data_set_is_made_once_and_removed_at_the_end() {
    let site = Site::ours().await;
    async fn look(cx: &Cx) -> Verdict {
        let data = cx.dataset().await?;
        let all = cx.matching("userName pr").await?;
        cx.expect(all).to_be(data.labels_where(|_| true), "everyone is found")?;
        for filter in ["title eq \"engineer\"", "not (active eq true)", "emails.type eq \"home\""] {
            let expected = data.expected(filter)?;
            cx.ensure(!expected.is_empty() && expected.len() < data.len(), filter)?;
            cx.expect(cx.matching(filter).await?).to_be(expected, filter)?;
        }
        let ids: Vec<_> = data.people().iter().map(|person| person.id.as_str()).collect();
        cx.note(ids.join(" "));
        Ok(())
    }
    const ONE: Check = test_check("create.test.one").body(|cx| Box::pin(look(cx)));
    const TWO: Check = test_check("create.test.two").body(|cx| Box::pin(look(cx)));
    let report = Suite::of([ONE, TWO]).run(&site.target()).await;
    assert!(report.is_conformant(), "{report}");
    let notes = |id| report.outcome(id).unwrap().notes.clone();
    assert_eq!(notes(ONE.id), notes(TWO.id));
    assert_eq!(site.resources().await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_run_writes_nothing() {
    let site = Site::ours().await;
    const SNEAKS: Check = test_check("create.test.sneaks").reads().body(|cx| Box::pin(make(cx)));
    let mut checks = Suite::all().checks().to_vec();
    checks.push(SNEAKS);
    let report = Suite::of(checks).read_only(true).run(&site.target()).await;
    assert_eq!(site.writes(), 0);
    assert!(report.counts.passed > 0, "{report}");
    assert_eq!(result(&report, SNEAKS.id), Ended::Skipped);
    assert_eq!(result(&report, "capability.patch"), Ended::Skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_and_missing_is_one_failure_and_skips_the_rest() {
    let site = Site::with(|request, next| async move {
        if request.method() == Method::PATCH {
            return StatusCode::NOT_IMPLEMENTED.into_response();
        }
        next.run(request).await
    })
    .await;
    const PATCHES: Check = test_check("create.test.patches").needs(&[Need::Patch]).body(|cx| {
        Box::pin(async move {
            let user = cx.user().create().await?;
            let answer = cx.patch(&user, json!([])).await?;
            cx.expect_status(&answer, &[200])
        })
    });
    let mut checks = Suite::all().only(["capability"]).checks().to_vec();
    checks.push(PATCHES);
    let report = Suite::of(checks).run(&site.target()).await;
    let failed: Vec<_> =
        report.checks.iter().filter(|one| one.result == Ended::Failed).map(|one| &one.id).collect();
    assert_eq!(failed, ["capability.patch"], "{report}");
    let skipped = report.outcome(PATCHES.id).unwrap();
    assert_eq!(skipped.result, Ended::Skipped);
    assert!(skipped.message.contains("announced and not there"), "{}", skipped.message);
    assert_eq!(report.exit_code(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schemas_do_not_announce_is_not_sent() {
    let site = Site::ours().await;
    const SENDS: Check = test_check("create.test.sends").body(|cx| {
        Box::pin(async move { cx.user().with("shoeSize", 43).create().await.map(drop) })
    });
    const SENDS_INSIDE: Check = test_check("create.test.sends-inside").body(|cx| {
        Box::pin(async move {
            let emails = json!([{"value": cx.unique_mail("a"), "colour": "red"}]);
            cx.user().with("emails", emails).create().await.map(drop)
        })
    });
    let report = Suite::of([SENDS, SENDS_INSIDE]).run(&site.target()).await;
    for (id, what) in [(SENDS.id, "no shoeSize"), (SENDS_INSIDE.id, "no emails.colour")] {
        let outcome = report.outcome(id).unwrap();
        assert_eq!(outcome.result, Ended::Skipped, "{report}");
        assert!(outcome.message.contains(what), "{}", outcome.message);
    }
    assert_eq!(report.exit_code(), 2, "nothing could be checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_decides_what_a_failure_counts_for() {
    let site = Site::ours().await;
    const SHOULD: Check = should("create.test.should", Topic::Create, CLAUSE)
        .reason("r")
        .mend("m")
        .body(|cx| Box::pin(async move { cx.fail("not so") }));
    const WARNS: Check = test_check("create.test.warns").body(|cx| {
        Box::pin(async move {
            cx.warn("doubtful");
            Ok(())
        })
    });
    let suite = Suite::of([SHOULD, WARNS, PASSES]);
    let report = suite.run(&site.target()).await;
    assert!(report.is_conformant(), "{report}");
    assert_eq!(result(&report, SHOULD.id), Ended::Warned);
    assert_eq!(result(&report, WARNS.id), Ended::Warned);
    let strict = report.profiles.iter().find(|one| one.profile == Profile::Strict).unwrap();
    assert!(!strict.conformant && strict.failed == 1, "{strict:?}");
    let report = suite.profile(Profile::Strict).run(&site.target()).await;
    assert_eq!(report.exit_code(), 1, "{report}");
    assert_eq!(result(&report, SHOULD.id), Ended::Failed);
    assert_eq!(result(&report, WARNS.id), Ended::Warned);
}

/// Interrupts the run when the first check has ended.
struct Impatient(Interrupt);

impl Observer for Impatient {
    fn ended(&mut self, _: &Outcome) {
        self.0.trigger();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_cleans_up_and_judges_nothing() {
    let site = Site::ours().await;
    let interrupt = Interrupt::new();
    let suite = Suite::of([MAKES, HANGS, PASSES]).jobs(2).interrupted_by(&interrupt);
    let report = suite.run_with(&site.target(), &mut Impatient(interrupt)).await;
    assert_eq!(report.exit_code(), 2, "{report}");
    assert_eq!(report.why.as_deref(), Some("interrupted"));
    assert_eq!(report.checks.len(), 3);
    assert_eq!(result(&report, HANGS.id), Ended::Broken);
    assert_eq!(site.resources().await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exclusive_checks_run_alone() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static RUNNING: AtomicUsize = AtomicUsize::new(0);
    async fn alone(cx: &Cx) -> Verdict {
        let before = RUNNING.fetch_add(1, Ordering::SeqCst);
        cx.get("/Users").await?;
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        cx.expect(before).to_be(0, "nothing else runs")
    }
    async fn together(cx: &Cx) -> Verdict {
        RUNNING.fetch_add(1, Ordering::SeqCst);
        cx.get("/Users").await?;
        RUNNING.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
    const A: Check = test_check("create.test.a").exclusive().body(|cx| Box::pin(alone(cx)));
    const B: Check = test_check("create.test.b").body(|cx| Box::pin(together(cx)));
    const C: Check = test_check("create.test.c").exclusive().body(|cx| Box::pin(alone(cx)));
    const D: Check = test_check("create.test.d").body(|cx| Box::pin(together(cx)));
    let site = Site::ours().await;
    let report = Suite::of([A, B, C, D]).run(&site.target()).await;
    assert!(report.is_conformant(), "{report}");
    let order: Vec<_> = report.checks.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(order, [A.id, B.id, C.id, D.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_makes_the_same_names() {
    const NAMES: Check = test_check("create.test.names").body(|cx| {
        Box::pin(async move {
            cx.note(cx.unique("x"));
            cx.note(cx.unique("x"));
            Ok(())
        })
    });
    let site = Site::ours().await;
    let mut notes = Vec::new();
    for seed in [7, 7, 8] {
        let report = Suite::of([NAMES]).seed(seed).run(&site.target()).await;
        notes.push(report.outcome(NAMES.id).unwrap().notes.clone());
    }
    assert_eq!(notes[0], notes[1]);
    assert_ne!(notes[0], notes[2]);
    assert_ne!(notes[0][0], notes[0][1]);
    assert!(notes[0][0].starts_with(MARKER));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_nowhere_else() {
    const ELSEWHERE: Check = test_check("create.test.elsewhere").body(|cx| {
        Box::pin(async move { cx.get("http://elsewhere.invalid/Users/1").await.map(drop) })
    });
    let site = Site::ours().await;
    let report = Suite::of([ELSEWHERE]).run(&site.target()).await;
    let outcome = report.outcome(ELSEWHERE.id).unwrap();
    assert_eq!(outcome.result, Ended::Failed, "{report}");
    assert!(outcome.message.contains("another origin"), "{}", outcome.message);
    assert!(outcome.evidence.is_empty());
}

/// After some silence the run ends; it does not wait for the patience of every check.
#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_dies_on_the_way_is_given_up() {
    const KNOCKS: Check = test_check("create.test.knocks").reads().body(|cx| {
        Box::pin(async move {
            match cx.request(Method::GET, "/Users").header("x-silence", "1").send().await {
                Err(Stop::Broken(text)) => cx.broken(text),
                other => other.map(drop),
            }
        })
    });
    let site = Site::with(|request, next| async move {
        if request.headers().contains_key("x-silence") {
            return std::future::pending().await;
        }
        next.run(request).await
    })
    .await;
    let suite = Suite::of(std::iter::repeat_n(KNOCKS, 200));
    let started = std::time::Instant::now();
    let report = suite.timeout(Duration::from_millis(300)).run(&site.target()).await;
    assert_eq!(report.counts.broken, 200, "{report}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let given_up = report.checks.iter().filter(|one| one.message.contains("stopped answering"));
    assert!(given_up.count() > 150);
    assert_eq!(report.exit_code(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_removes_what_the_suite_makes_and_nothing_else() {
    let site = Site::ours().await;
    for name in [
        format!("{MARKER}0000002a-811c9dc5-0-a"),
        format!("{MARKER}0000002A-DATA-12-data-ada@example.org"),
        "ada".to_owned(),
        format!("x{MARKER}0000002a-811c9dc5-0-a"),
        format!("{MARKER}service-account"),
        format!("{MARKER}0000002a-admin-1-x"),
    ] {
        let user = json!({"schemas": [scim_core::urn::USER], "userName": name});
        site.request(Method::POST, "Users", &user.to_string()).await;
    }
    let group = json!({"schemas": [scim_core::urn::GROUP], "displayName": format!("{MARKER}0000002a-probe-1-g")});
    site.request(Method::POST, "Groups", &group.to_string()).await;
    let looked = sweep(&site.target(), true).await.unwrap();
    assert_eq!((looked.found.len(), looked.removed), (3, 0));
    assert_eq!(site.resources().await, [6, 1]);
    let swept = sweep(&site.target(), false).await.unwrap();
    assert_eq!((swept.found.len(), swept.removed), (3, 3), "{swept:?}");
    assert_eq!(site.resources().await, [4, 0]);
}

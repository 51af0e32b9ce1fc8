//! A target that limits how often it may be asked says nothing about the rules that way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use http::Method;
use scim_conformance::check::{Check, Topic, must};
use scim_conformance::{Conclusion, Ended, Observer, Stop, Suite};

use crate::binary::{last_line, run};
use crate::site::Site;

fn refusal(status: u16, after: &'static str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("retry-after", after)], "slow down").into_response()
}

/// Counts the pauses that it is told of.
#[derive(Clone, Default)]
struct Pauses(Arc<Mutex<Vec<String>>>);

impl Observer for Pauses {
    fn waits(&mut self, wait: Duration, total: Duration, why: &str) {
        assert!(wait <= total);
        self.0.lock().unwrap().push(why.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_waited_for_and_told() {
    for status in [429, 503] {
        let asked = Arc::new(AtomicUsize::new(0));
        let site = Site::with(move |request, next| {
            let refused = asked.fetch_add(1, Ordering::Relaxed) % 7 == 3;
            async move { if refused { refusal(status, "0") } else { next.run(request).await } }
        })
        .await;
        let mut pauses = Pauses::default();
        let suite = Suite::all().only(["create.answer", "read.one", "patch.add"]);
        let report = suite.run_with(&site.target(), &mut pauses).await;
        assert_eq!(report.verdict, Conclusion::Conformant, "{status}: {report}");
        assert_eq!(report.counts.broken, 0, "{report}");
        assert_eq!(report.leftovers, []);
        let told = pauses.0.lock().unwrap().clone();
        assert!(told[0].contains(&format!("was answered {status}")), "{told:?}");
        assert_eq!(site.resources().await, [0, 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_does_not_end_fails_no_rule() {
    let site = Site::with(|request, next| async move {
        let changes = *request.method() == Method::PATCH;
        if changes { refusal(429, "3600") } else { next.run(request).await }
    })
    .await;
    let ids = ["patch.add.single", "capability.patch", "concurrency.members", "create.answer"];
    let report = Suite::all().only(ids).run(&site.target()).await;
    assert_eq!(report.counts.failed, 0, "{report}");
    let tried = report.outcome("capability.patch").unwrap();
    assert_eq!((tried.result, tried.deviates), (Ended::Broken, false), "{report}");
    assert!(tried.message.contains("limits how often it may be asked"), "{}", tried.message);
    assert!(tried.message.contains("PATCH /Users/… was answered 429"), "{}", tried.message);
    let raced = report.outcome("concurrency.members").unwrap();
    assert_eq!(raced.result, Ended::Broken, "{}", raced.message);
    assert_eq!(report.outcome("create.answer.status").unwrap().result, Ended::Passed);
}

/// What a check makes of a refusal, when it has asked to see it or goes on regardless.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_check_about_the_limit_sees_it() {
    const DRAFT: scim_conformance::check::Draft =
        must("create.test.limit", Topic::Create, &["7644-3.3-01"]).reads().reason("r").mend("m");
    const SEES: Check = DRAFT.body(|cx| {
        Box::pin(async move {
            let answer = cx.request(Method::GET, "/Groups").impatient().send().await?;
            cx.expect_status(&answer, &[429])
        })
    });
    const GOES_ON: Check = DRAFT.body(|cx| {
        Box::pin(async move {
            match cx.get("/Groups").await {
                Err(Stop::Broken(_)) => Ok(()),
                other => other.map(drop),
            }
        })
    });
    for (check, expected) in [(SEES, Ended::Passed), (GOES_ON, Ended::Broken)] {
        let site = Site::with(|request, next| async move {
            let limited = request.uri().path().ends_with("/Groups");
            if limited { refusal(429, "3600") } else { next.run(request).await }
        })
        .await;
        let report = Suite::of([check]).run(&site.target()).await;
        assert_eq!(report.outcome(check.id).unwrap().result, expected, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_for_everything_ends_the_run() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let site = Site::with(move |request, next| {
        let refused = asked.fetch_add(1, Ordering::Relaxed) > 150;
        async move { if refused { refusal(429, "1") } else { next.run(request).await } }
    })
    .await;
    let suite = Suite::all().patience(Duration::from_secs(3));
    let suite = suite.interrupted_by(&scim_conformance::Interrupt::new());
    let ended = tokio::spawn(async move { suite.run(&site.target()).await });
    // Cleaning up has a minute of its own.
    let report = tokio::time::timeout(Duration::from_secs(110), ended).await.unwrap().unwrap();
    assert_eq!(report.exit_code(), 2, "{report}");
    let why = report.why.as_deref().unwrap();
    assert!(why.contains("limits how often it may be asked"), "{why}");
    assert!(report.not_reached().is_some_and(|(count, _)| count > 300), "{report}");
    assert!(seen.load(Ordering::Relaxed) < 700, "{seen:?}");
    assert_eq!(report.counts.failed, 0, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_first_request_is_called_one() {
    let app = Router::new().fallback(|| async { refusal(429, "3600") });
    let site = Site::of(app).await;
    for command in [&["run", &site.url, "--patience", "0s"][..], &["run", &site.url]] {
        let output = run(command).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = last_line(&output);
        assert!(said.contains("limits how often it may be asked"), "{said}");
        assert!(said.contains("was answered 429") && !said.contains("credentials"), "{said}");
    }
}

//! Runs that end early: the target dies, or the user has had enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scim_conformance::{Ended, Suite};

use crate::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_in_mid_run_ends_the_run() {
    let asked = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&asked);
    let site = Site::with(move |request, next| {
        let dead = asked.fetch_add(1, Ordering::Relaxed) > 200;
        async move {
            assert!(!dead, "the connection ends without an answer");
            next.run(request).await
        }
    })
    .await;
    let report = Suite::all().run(&site.target()).await;
    assert_eq!(report.exit_code(), 2, "{report}");
    let why = report.why.as_deref().unwrap();
    let id = why.strip_prefix("the target stopped answering at ").unwrap();
    let (id, _) = id.split_once(": ").unwrap();
    let last = report.outcome(id).unwrap();
    assert!(last.result != Ended::Skipped && last.was_reached(), "{why}");
    assert!(report.counts.passed > 0 && report.counts.failed == 0, "{report}");
    let (missed, reason) = report.not_reached().unwrap();
    assert!(missed > 300 && reason.contains("stopped answering"), "{missed} {reason}");
    assert!(seen.load(Ordering::Relaxed) < 400, "{seen:?} requests to a dead server");
    assert!(!report.leftovers.is_empty(), "what cannot be removed is named");
}

/// A request that the server never survives is a matter of one check, not of the run.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_only_drops_some_requests_is_checked_to_the_end() {
    let site = Site::with(|request, next| async move {
        assert_ne!(request.method(), http::Method::PATCH, "the connection ends without an answer");
        next.run(request).await
    })
    .await;
    let report = Suite::all().only(["patch.add", "capability"]).run(&site.target()).await;
    assert_eq!(report.exit_code(), 1, "{report}");
    assert_eq!(report.not_reached(), None);
    assert_eq!(report.outcome("capability.users").unwrap().result, Ended::Passed);
}

#[cfg(unix)]
mod signals {
    use std::path::Path;
    use std::process::{Command, Output, Stdio};
    use std::time::{Duration, Instant};

    use scim_conformance::report::json;

    use super::*;
    use crate::binary::{last_line, program, run};

    /// A server where nothing can be deleted, because that is never answered.
    async fn clinging() -> Site {
        Site::with(|request, next| async move {
            if *request.method() == http::Method::DELETE {
                std::future::pending::<()>().await;
            }
            next.run(request).await
        })
        .await
    }

    /// Interrupts a run so many times, the next when the one before has had its effect.
    async fn interrupted(site: &Site, folder: &Path, times: usize) -> (Output, Duration) {
        let (report, told) = (folder.join("report.json"), folder.join("told"));
        let mut command = program(&["run", &site.url, "--json", report.to_str().unwrap()]);
        let stderr = std::fs::File::create(&told).unwrap();
        let child = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let pid = child.id().to_string();
        let deadline = Instant::now() + Duration::from_secs(20);
        while site.resources().await[0] < 3 {
            assert!(Instant::now() < deadline, "nothing was ever created");
        }
        let began = Instant::now();
        for turn in 0..times {
            assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
            let words = ["ending: what was created", "ended: the report says"][turn];
            while !std::fs::read_to_string(&told).unwrap().contains(words) {
                assert!(Instant::now() < deadline, "not told: {words}");
                tokio::task::yield_now().await;
            }
        }
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap();
        (output.unwrap().unwrap(), began.elapsed())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn cleaning_up_after_ctrl_c_has_an_end_and_the_second_ends_it_at_once() {
        for (times, most) in [(1, 20), (2, 8)] {
            let (site, folder) = (clinging().await, tempfile::tempdir().unwrap());
            let (output, took) = interrupted(&site, folder.path(), times).await;
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            assert!(took < Duration::from_secs(most), "{times}: {took:?}");
            assert!(last_line(&output).starts_with("could not run: interrupted"), "{output:?}");
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(said.contains("left over: /Users/") && said.contains("sweep"), "{said}");
            let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
            let report = json::read(&text).unwrap();
            assert_eq!(report.why.as_deref(), Some("interrupted"));
            let left = report.leftovers.iter().any(|one| one.path.starts_with("/Users/"));
            assert!(left, "{:?}", report.leftovers);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_report_of_an_interrupted_run_is_no_baseline() {
        let (site, folder) = (clinging().await, tempfile::tempdir().unwrap());
        interrupted(&site, folder.path(), 2).await;
        let report = folder.path().join("report.json");
        let report = report.to_str().unwrap();
        let before = site.writes();
        let output = run(&["run", &site.url, "--baseline", report]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(report) && said.contains("incomplete run (interrupted)"), "{said}");
        assert_eq!(site.writes(), before, "it is told before the run");
        let output = run(&["diff", report, report]).await;
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("warning: the old run is incomplete"), "{said}");
        assert!(said.contains("warning: the new run is incomplete"), "{said}");
    }
}

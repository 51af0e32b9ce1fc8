//! The report as JUnit XML: a suite for each topic, a case for each check.
//!
//! It is red exactly where the program's exit code is not 0. A check that fails where that decides is a failure, one
//! that could not be tried an error. JUnit has no word for what warns, is noted or known: these are skipped, with that
//! word as the type and the reason as the message.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as JUnit, SerializeError, TestCase, TestCaseStatus};
use quick_junit::{Property, TestSuite};

use super::{Conclusion, Ended, Outcome, Report, text};
use crate::check::Topic;
use crate::requirement::Requirement;

/// The report as JUnit XML.
///
/// # Errors
/// Where the XML cannot be written.
pub fn render(report: &Report) -> Result<String, SerializeError> {
    let mut junit = JUnit::new("scim-conformance");
    junit.set_timestamp(report.started);
    junit.set_time(Duration::from_millis(report.duration_ms));
    if report.verdict == Conclusion::CouldNotRun {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        let why = text::harmless(report.why.as_deref().unwrap_or("no verdict"));
        status.set_type("could-not-run").set_message(why);
        let mut suite = suite("run", report);
        suite.add_test_case(TestCase::new("the run has a verdict", status));
        junit.add_test_suite(suite);
    }
    for &topic in Topic::ALL {
        let mut checks = report.checks.iter().filter(|one| one.topic == topic).peekable();
        if checks.peek().is_none() {
            continue;
        }
        let mut suite = suite(topic.name(), report);
        let mut time = Duration::ZERO;
        for outcome in checks {
            let took = Duration::from_millis(outcome.duration_ms);
            time += took;
            let mut case = TestCase::new(outcome.id.as_str(), status(outcome, report));
            case.set_classname(format!("scim-conformance.{topic}")).set_time(took);
            suite.add_test_case(case);
        }
        suite.set_time(time);
        junit.add_test_suite(suite);
    }
    junit.to_string()
}

fn suite(name: &str, report: &Report) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.set_timestamp(report.started);
    suite.add_properties([
        Property::new("target", report.target.as_str()),
        Property::new("profile", report.profile.name()),
        Property::new("seed", report.seed.to_string()),
    ]);
    suite
}

fn status(outcome: &Outcome, report: &Report) -> TestCaseStatus {
    let mut status = match outcome.result {
        Ended::Passed => return TestCaseStatus::success(),
        Ended::Broken if outcome.counts_against(report.profile) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        _ if outcome.counts_against(report.profile) => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
        _ => TestCaseStatus::skipped(),
    };
    let message = outcome.known.as_ref().unwrap_or(&outcome.message);
    status.set_type(outcome.result.word()).set_message(text::harmless(message));
    if outcome.result != Ended::Skipped {
        status.set_description(description(outcome));
    }
    status
}

/// Everything that is needed to understand it without another report.
fn description(outcome: &Outcome) -> String {
    let mut lines = vec![format!("{}: {} ({})", outcome.id, outcome.reason, outcome.level)];
    lines.push(outcome.message.clone());
    for (name, text) in [("expected", &outcome.expected), ("got", &outcome.got)] {
        lines.extend(text.as_ref().map(|text| format!("{name}: {text}")));
    }
    // What could not be tried may have nothing to mend.
    if outcome.result != Ended::Broken {
        lines.push(format!("mend: {}", outcome.mend));
    }
    for id in &outcome.clause {
        let found = Requirement::find(id);
        lines.push(format!("{id} {}", found.map(|found| found.url()).unwrap_or_default()));
    }
    lines.extend(outcome.notes.iter().cloned());
    lines.extend(outcome.curl.clone());
    if let Some(shown) = outcome.shown_by() {
        let answer = match &shown.error {
            Some(error) => error.clone(),
            None => format!("{} {}", shown.status, text::cut(&shown.response_body, 2000)),
        };
        lines.push(format!("answer: {answer}"));
    }
    text::harmless(&lines.join("\n"))
}

//! The report as one HTML file: for the one who wants the verdict, and for the one who has to mend.
//!
//! Nothing is loaded from anywhere. The page's Content-Security-Policy allows its own style and script, by their
//! hashes, and nothing else, so that even a mistake in escaping would not run what a target sent.

mod check;
mod overview;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::text::harmless;
use super::{Conclusion, Ended, Outcome, Report};
use crate::check::Topic;

const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/script.js");

/// The ends of checks, in the order of a reader's interest.
const ENDS: [Ended; 7] = [
    Ended::Failed,
    Ended::Broken,
    Ended::Warned,
    Ended::Known,
    Ended::Noted,
    Ended::Skipped,
    Ended::Passed,
];

/// The report as an HTML page.
#[must_use]
pub fn render(report: &Report) -> String {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let verdict = match report.verdict {
        Conclusion::Conformant => "conformant",
        Conclusion::NotConformant => "not conformant",
        Conclusion::CouldNotRun => "could not run",
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="robots" content="noindex";
                title { "SCIM conformance of " (harmless(&report.target)) ": " (verdict) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a .skip href="#checks" { "Skip to the checks" }
                (overview::header(report))
                main {
                    (overview::verdict(report))
                    (overview::first(report))
                    (overview::problems(report))
                    div .pair {
                        (overview::profiles(report))
                        (overview::capabilities(report))
                    }
                    (overview::topics(report))
                    (checks(report))
                }
                (overview::footer(report))
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

fn checks(report: &Report) -> Markup {
    let of = |ended: Ended| report.checks.iter().filter(move |one| one.result == ended).count();
    html! {
        section #checks aria-labelledby="checks-title" {
            h2 #checks-title { "Checks" }
            form #filters hidden aria-label="Which checks are shown" {
                div .fields {
                    label { "Text" input #filter-text type="search" placeholder="id, rule, clause, body…" autocomplete="off"; }
                    label { "Topic" select #filter-topic {
                        option value="" { "every topic" }
                        @for topic in topics(report) { option value=(topic) { (topic) } }
                    } }
                    label { "Level" select #filter-level {
                        option value="" { "every level" }
                        @for level in ["must", "should", "may", "interop"] { option value=(level) { (level) } }
                    } }
                }
                fieldset {
                    legend { "Result" }
                    @for ended in ENDS.into_iter().filter(|&ended| of(ended) > 0) {
                        label .chip {
                            input type="checkbox" name="result" value=(ended.word());
                            (badge(ended)) span .count { (of(ended)) }
                        }
                    }
                }
                p .actions {
                    span #shown role="status" aria-live="polite" {}
                    button #open-all type="button" { "Open all" }
                    button #close-all type="button" { "Close all" }
                    button #reset type="reset" { "Show everything" }
                }
            }
            @for topic in topics(report) {
                section .topic id={ "topic-" (topic) } aria-labelledby={ "topic-" (topic) "-title" } {
                    h3 id={ "topic-" (topic) "-title" } { (topic) }
                    @for outcome in in_order(report, topic) { (check::card(outcome)) }
                }
            }
            p #nothing hidden { "No check fits. " button #nothing-reset type="button" { "Show everything" } }
        }
    }
}

/// The topics that have checks.
fn topics(report: &Report) -> impl Iterator<Item = Topic> + '_ {
    let has = |topic: &Topic| report.checks.iter().any(|one| one.topic == *topic);
    Topic::ALL.iter().copied().filter(has)
}

/// The checks of a topic, those that matter first.
fn in_order(report: &Report, topic: Topic) -> Vec<&Outcome> {
    let mut checks: Vec<_> = report.checks.iter().filter(|one| one.topic == topic).collect();
    checks.sort_by_key(|one| ENDS.iter().position(|&ended| ended == one.result));
    checks
}

/// The word for an end, told apart by its sign too and not by colour alone.
fn badge(ended: Ended) -> Markup {
    let sign = match ended {
        Ended::Passed => "✓",
        Ended::Failed => "✗",
        Ended::Broken => "⚡",
        Ended::Warned => "!",
        Ended::Known => "≈",
        Ended::Noted => "i",
        Ended::Skipped => "–",
    };
    html! { span class={ "badge " (ended.word()) } { span aria-hidden="true" { (sign) } " " (ended.word()) } }
}

/// The id of a check's place in the page.
fn anchor(id: &str) -> String {
    format!("check-{id}")
}

//! What a manager reads: the verdict, what to do first, profiles, topics, what the server can do.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::{ENDS, anchor, badge};
use crate::check::{Level, Topic};
use crate::profile::Profile;
use crate::report::text::harmless;
use crate::report::{Conclusion, Ended, Outcome, Report};

/// How many topics to begin with.
const FIRST: usize = 5;

/// What to mend, for each of them.
const MENDS: usize = 3;

pub(super) fn header(report: &Report) -> Markup {
    let seconds = std::time::Duration::from_millis(report.duration_ms).as_secs_f64();
    html! {
        header {
            h1 { "SCIM conformance" }
            p .target { (harmless(&report.target)) }
            p .facts {
                "Profile " strong { (report.profile) } " · "
                time datetime=(report.started.to_rfc3339()) { (report.started.format("%-d %B %Y, %H:%M UTC")) }
                " · " (format!("{seconds:.1} s")) " · seed " (report.seed)
                @if report.read_only { " · read-only" }
            }
            nav aria-label="Parts of the report" {
                a href="#verdict" { "Verdict" } " "
                a href="#profiles" { "Profiles" } " "
                a href="#capabilities" { "Capabilities" } " "
                a href="#topics" { "Topics" } " "
                a href="#checks" { "Checks" }
            }
        }
    }
}

pub(super) fn verdict(report: &Report) -> Markup {
    let of = |profile: Profile| report.profiles.iter().find(|one| one.profile == profile);
    let (failed, passed, known) =
        of(report.profile).map_or((0, 0, 0), |one| (one.failed, one.passed, one.known));
    let profile = report.profile;
    let decide = failed + passed + known;
    let (class, title, text) = match (report.verdict, &report.why) {
        (Conclusion::CouldNotRun, why) => {
            let why = why.as_deref().unwrap_or("there is no verdict");
            ("could-not-run", "Could not run", harmless(why))
        }
        (Conclusion::NotConformant, _) => (
            "not-conformant",
            "Not conformant",
            format!("{failed} of the {decide} checks that decide in profile {profile} fail."),
        ),
        (Conclusion::Conformant, _) if known > 0 => (
            "but-known",
            "Conformant but for what is known",
            format!(
                "Of the {decide} checks that decide in profile {profile}, {known} fail as was known before."
            ),
        ),
        (Conclusion::Conformant, _) => (
            "conformant",
            "Conformant",
            format!("All {decide} checks that decide in profile {profile} pass."),
        ),
    };
    html! {
        section #verdict class=(class) aria-labelledby="verdict-title" {
            div {
                h2 #verdict-title { (title) }
                p { (text) }
                @if let Some((count, why)) = report.not_reached() {
                    p { (count) " checks were not tried: " (harmless(why)) }
                }
            }
            dl #counts {
                @for ended in ENDS {
                    @let count = count(&report.checks, ended);
                    div class=(if count == 0 { "none" } else { ended.word() }) {
                        dt { (ended.word()) }
                        dd { (count) }
                    }
                }
            }
        }
    }
}

fn count(checks: &[Outcome], ended: Ended) -> usize {
    checks.iter().filter(|one| one.result == ended).count()
}

/// Topics with something to mend, most important first: what exposes data; what is announced and does not work, because
/// other checks stand on it; what loses data; then what fails most.
fn tasks(report: &Report, is_task: impl Fn(&Outcome) -> bool) -> Vec<(Topic, Vec<&Outcome>)> {
    let of_topic = |topic: Topic| {
        let mut checks: Vec<_> = of(report, topic).into_iter().filter(|one| is_task(one)).collect();
        checks.sort_by_key(|one| (one.result == Ended::Broken, one.level));
        (!checks.is_empty()).then_some((topic, checks))
    };
    let mut tasks: Vec<_> = super::topics(report).filter_map(of_topic).collect();
    tasks.sort_by_key(|(topic, checks)| {
        let weight = match topic {
            Topic::Auth | Topic::Security | Topic::Password => 0,
            Topic::Capability => 1,
            Topic::Concurrency | Topic::Uniqueness | Topic::Etag => 2,
            _ => 3,
        };
        let only_broken = checks.iter().all(|one| one.result == Ended::Broken);
        (only_broken, weight, Reverse(checks.len()))
    });
    tasks
}

pub(super) fn first(report: &Report) -> Markup {
    let mut found = tasks(report, |one| one.counts_against(report.profile) && one.was_reached());
    let (mut title, mut verb) = ("What to do first", "fail");
    if found.is_empty() {
        (title, verb) = ("What else to do", "warn");
        found = tasks(report, |one| one.result == Ended::Warned && one.level == Level::Should);
    }
    let rest = found.len().saturating_sub(FIRST);
    html! {
        @if !found.is_empty() {
            section #first aria-labelledby="first-title" {
                h2 #first-title { (title) }
                ol {
                    @for (topic, checks) in found.iter().take(FIRST) {
                        li { (task(*topic, checks, of(report, *topic).len(), verb)) }
                    }
                }
                @if rest > 0 {
                    p .more { "and " (rest) (if rest == 1 { " more topic" } else { " more topics" }) ", below" }
                }
            }
        }
    }
}

fn task(topic: Topic, checks: &[&Outcome], all: usize, verb: &str) -> Markup {
    // One change often mends several checks.
    let mut mends: Vec<(&str, Vec<&Outcome>)> = Vec::new();
    for outcome in checks {
        let mend = match outcome.result {
            // There may be nothing to mend.
            Ended::Broken => "Find out why these could not be tried.",
            _ => outcome.mend.as_str(),
        };
        match mends.iter_mut().find(|(one, _)| *one == mend) {
            Some((_, same)) => same.push(outcome),
            None => mends.push((mend, vec![outcome])),
        }
    }
    mends.sort_by_key(|(_, same)| Reverse(same.len()));
    let rest = mends.len().saturating_sub(MENDS);
    html! {
        p { strong { (topic) } ": " (checks.len()) " of " (all) " checks " (verb) }
        ul {
            @for (mend, same) in mends.iter().take(MENDS) {
                li {
                    (mend) " "
                    span .for {
                        @for (index, outcome) in same.iter().enumerate() {
                            @if index > 0 { ", " }
                            a href={ "#" (anchor(&outcome.id)) } { (outcome.id) }
                        }
                    }
                }
            }
            @if rest > 0 { li { a href={ "#topic-" (topic) } { "and " (rest) " more" } } }
        }
    }
}

/// What is wrong besides the checks: discovery, what is left over, what is on a list and passes.
pub(super) fn problems(report: &Report) -> Markup {
    let nothing =
        report.problems.is_empty() && report.leftovers.is_empty() && report.mended.is_empty();
    html! {
        @if !nothing {
            section #notices aria-labelledby="notices-title" {
                h2 #notices-title { "Also" }
                @if !report.problems.is_empty() {
                    h3 { "Discovery could not be read in full" }
                    ul { @for problem in &report.problems { li { (harmless(problem)) } } }
                }
                @if !report.leftovers.is_empty() {
                    h3 { "Left on the server" }
                    p { code { "scim-conformance sweep" } " tries again to remove them." }
                    ul { @for one in &report.leftovers { li { code { (harmless(&one.path)) } ": " (harmless(&one.why)) } } }
                }
                @if !report.mended.is_empty() {
                    h3 { "Known as deviations, and they pass now" }
                    p { "They can be taken off the list." }
                    ul { @for one in &report.mended {
                        li { a href={ "#" (anchor(&one.check)) } { (one.check) } " (" (harmless(&one.from)) ": " (harmless(&one.reason)) ")" }
                    } }
                }
            }
        }
    }
}

fn meaning(profile: Profile) -> &'static str {
    match profile {
        Profile::Rfc => "what the RFCs demand (MUST)",
        Profile::Strict => "what they recommend too (SHOULD)",
        Profile::Entra => "MUST, and what Microsoft Entra ID needs",
        Profile::Okta => "MUST, and what Okta needs",
        Profile::Interop => "MUST, and what peers in general need",
        Profile::Ipsie => "MUST, and the IPSIE profile",
    }
}

pub(super) fn profiles(report: &Report) -> Markup {
    let any_known = report.profiles.iter().any(|one| one.known > 0);
    html! {
        section #profiles aria-labelledby="profiles-title" {
            h2 #profiles-title { "Profiles" }
            div .scroll tabindex="0" role="region" aria-labelledby="profiles-title" {
                table {
                    thead { tr {
                        th scope="col" { "Profile" } th scope="col" { "Verdict" }
                        th .number scope="col" { "Fail" } @if any_known { th .number scope="col" { "Known" } } th .number scope="col" { "Pass" }
                    } }
                    tbody {
                        @for one in &report.profiles {
                            tr .own[one.profile == report.profile] {
                                th scope="row" { (one.profile) small { (meaning(one.profile)) } }
                                td {
                                    @if report.verdict == Conclusion::CouldNotRun { "none" }
                                    @else if !one.conformant { span .no { "✗ not conformant" } }
                                    @else if one.known > 0 { span .yes { "≈ but for what is known" } }
                                    @else { span .yes { "✓ conformant" } }
                                }
                                td .number { (one.failed) } @if any_known { td .number { (one.known) } } td .number { (one.passed) }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn capabilities(report: &Report) -> Markup {
    let word = |value: Option<bool>, yes: &'static str, no: &'static str| match value {
        Some(true) => yes,
        Some(false) => no,
        None => "",
    };
    html! {
        section #capabilities aria-labelledby="capabilities-title" {
            h2 #capabilities-title { "Capabilities" }
            @if report.capabilities.is_empty() { p { "None was tried." } }
            @else {
                div .scroll tabindex="0" role="region" aria-labelledby="capabilities-title" {
                    table {
                        thead { tr { th scope="col" { "Name" } th scope="col" { "Announced" } th scope="col" { "Works" } } }
                        tbody {
                            @for one in &report.capabilities {
                                tr {
                                    th scope="row" { (harmless(&one.name)) }
                                    td { (word(one.announced, "yes", "no")) }
                                    td {
                                        @if one.announced == Some(true) && one.works == Some(false) { span .no { "✗ no" } }
                                        @else { (word(one.works, "✓ yes", "no")) }
                                        @if !one.detail.is_empty() { small { (harmless(&one.detail)) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn topics(report: &Report) -> Markup {
    let ends: Vec<_> = ENDS.into_iter().filter(|&ended| count(&report.checks, ended) > 0).collect();
    html! {
        section #topics aria-labelledby="topics-title" {
            h2 #topics-title { "Topics" }
            div .scroll tabindex="0" role="region" aria-labelledby="topics-title" {
                table {
                    thead { tr {
                        th scope="col" { "Topic" } th .wide scope="col" { "Share" }
                        @for &ended in &ends { th .number scope="col" { (ended.word()) } }
                    } }
                    tbody {
                        @for topic in super::topics(report) {
                            @let checks = of(report, topic);
                            tr {
                                th scope="row" { a href={ "#topic-" (topic) } data-topic=(topic) { (topic) } }
                                td .wide { (bar(&checks)) }
                                @for &ended in &ends {
                                    @let count = checks.iter().filter(|one| one.result == ended).count();
                                    td class={ "number " @if count > 0 { (ended.word()) } @else { "none" } } { (count) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn of(report: &Report, topic: Topic) -> Vec<&Outcome> {
    report.checks.iter().filter(|one| one.topic == topic).collect()
}

/// The shares of the ends as a bar. The numbers stand beside it, so it is only for the eye.
fn bar(checks: &[&Outcome]) -> Markup {
    const WIDTH: usize = 1000;
    let mut begin = 0;
    let mut parts = Vec::new();
    for ended in ENDS {
        begin += parts.last().map_or(0, |&(_, _, width)| width);
        let count = checks.iter().filter(|one| one.result == ended).count();
        parts.push((ended, begin, count * WIDTH / checks.len().max(1)));
    }
    html! {
        svg .bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (ended, x, width) in parts {
                @if width > 0 { rect class=(ended.word()) x=(x) y="0" width=(width) height="10" {} }
            }
        }
    }
}

pub(super) fn footer(report: &Report) -> Markup {
    html! {
        footer {
            p { (harmless(&report.tool)) ", " (harmless(&report.verdict_line())) }
            @if !report.known_from.is_empty() {
                p { "Known deviations from: " (harmless(&report.known_from.join(", "))) }
            }
            dl #legend {
                @for (ended, text) in [
                    (Ended::Failed, "the server does not do what the clause asks, and that decides"),
                    (Ended::Broken, "it could not be tried; where the check decides, that counts as failed"),
                    (Ended::Warned, "it does not, and that does not decide in this profile; or something is doubtful"),
                    (Ended::Known, "it fails as a list of known deviations says"),
                    (Ended::Noted, "it does not do something optional, or that only another profile asks for"),
                    (Ended::Skipped, "the server does not have what the check is about"),
                    (Ended::Passed, "the server does what the clause asks"),
                ] {
                    div { dt { (badge(ended)) } dd { (text) } }
                }
            }
        }
    }
}

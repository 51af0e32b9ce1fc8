//! One look: whether everything is fine, and what needs somebody.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::Answer;
use super::agents::{Known, known};
use super::guard::Visit;
use super::jobs::{card, escrowed, name, path};
use super::layout::Place;
use super::words::{self, Tone, badge, visible};
use crate::agents::AgentState;
use crate::job::Glance;
use crate::job::wire::{ScheduleState, StatusCode, TaskState};
use crate::notify::{Delivery, Listed};

/// Something that somebody has to look at.
struct Need {
    tone: Tone,
    what: String,
    why: String,
    path: String,
    word: &'static str,
}

/// `GET /console`
pub(super) async fn get(visit: Visit) -> Answer {
    let now = visit.app.clock.now();
    let agents = known(&visit, now).await?;
    let agents: Vec<Known> =
        agents.into_iter().filter(|one| one.state != AgentState::Revoked).collect();
    let jobs = visit.app.jobs.glances(&visit.session.caller.tenant).await?;
    let mut needs: Vec<Need> = jobs.iter().filter_map(of_job).collect();
    let silent = silent_groups(&agents, &jobs);
    // Whose group is named already need not be named once more.
    let rest = agents.iter().filter(|one| {
        let mut groups = one.agent.groups.iter();
        one.connected.is_some() || groups.len() == 0 || !groups.all(|group| silent.contains(group))
    });
    needs.extend(rest.filter_map(|one| of_agent(&visit, now, one)));
    needs.extend(silent.iter().map(|group| of_group(group)));
    let told = visit.app.notifier.list(&visit.session.caller.tenant).await?;
    needs.extend(told.iter().flat_map(|listed| of_messages(now, listed)));
    needs.sort_by_key(|need| need.tone != Tone::Bad);
    let body = html! {
        div.head { h1 { "Overview" } }
        section id="live" aria-label="How everything is" hx-get="/console" hx-trigger="every 5s"
            hx-select="#live" hx-swap="outerHTML" hx-headers=r#"{"X-Poll":"1"}"# {
            (verdict(&agents, &jobs, &needs))
            (tiles(&agents, &jobs))
            @if !jobs.is_empty() {
                h2 { "Jobs" }
                div.cards { @for glance in &jobs { (card(now, glance)) } }
            }
        }
    };
    Ok(visit.page(Place::Overview, "Overview", &body))
}

fn verdict(agents: &[Known], jobs: &[Glance], needs: &[Need]) -> Markup {
    html! {
        @if agents.is_empty() || jobs.is_empty() {
            div.verdict.busy role="status" {
                p.title { "Two steps to the first synchronisation" }
                ol.steps {
                    li class=[(!agents.is_empty()).then_some("done")] {
                        a href="/console/agents" { "Let an agent in" }
                        " beside the directory" @if !agents.is_empty() { " – done" }
                    }
                    li class=[(!jobs.is_empty()).then_some("done")] {
                        a href="/console/jobs" { "Make a job" }
                        " that reads through it" @if !jobs.is_empty() { " – done" }
                    }
                }
            }
        } @else if needs.is_empty() {
            div.verdict.good role="status" {
                p.title { "Everything is fine" }
                p { "Nothing needs you." }
            }
        }
        @if !needs.is_empty() {
            @let worst = if needs.iter().any(|need| need.tone == Tone::Bad) { Tone::Bad } else { Tone::Warn };
            div class={ "verdict " (worst.class()) } role="status" {
                p.title { @if needs.len() == 1 { "One thing needs you" } @else { (needs.len()) " things need you" } }
                ul.needs {
                    @for need in needs {
                        li {
                            (badge(need.tone, need.word))
                            div { a href=(need.path) { (need.what) } p { (need.why) } }
                        }
                    }
                }
            }
        }
    }
}

fn tiles(agents: &[Known], jobs: &[Glance]) -> Markup {
    let connected = agents.iter().filter(|one| one.connected.is_some()).count();
    let running =
        jobs.iter().filter(|glance| glance.job.schedule.state == ScheduleState::Active).count();
    let entries = jobs.iter().flat_map(|it| &it.job.status.synchronized_entry_count_by_type);
    let entries: u64 = entries.map(|pair| pair.value).sum();
    let waiting: u64 = jobs.iter().map(escrowed).sum();
    html! {
        ul.tiles {
            li { a href="/console/agents" { span { "Agents connected" } strong { (connected) small { " of " (agents.len()) } } } }
            li { a href="/console/jobs" { span { "Jobs that run" } strong { (running) small { " of " (jobs.len()) } } } }
            li { a href="/console/jobs" { span { "Objects in sync" } strong { (words::number(entries)) } } }
            li { a href="/console/log?status=failure" { span { "To try again" } strong { (words::number(waiting)) } } }
        }
    }
}

/// What a job needs, if anything.
fn of_job(glance: &Glance) -> Option<Need> {
    let status = &glance.job.status;
    let what = visible(name(glance));
    let need =
        |tone, word, why: String, path: String| Need { tone, what: what.clone(), why, path, word };
    if let Some(plan) = glance.stops.first() {
        let reasons: Vec<String> = plan.stop.reasons.iter().map(ToString::to_string).collect();
        let why = format!("Nothing was written: {}.", visible(&reasons.join("; ")));
        return Some(need(Tone::Bad, "Decide", why, super::job::plan_path(glance)));
    }
    if let Some(why) = &glance.switched_off {
        return Some(need(Tone::Bad, "Switched off", visible(why), path(glance)));
    }
    if let Some(found) = &status.quarantine {
        let (plain, next) = words::quarantine(found.reason);
        return Some(need(Tone::Bad, "Quarantine", format!("{plain} {next}"), path(glance)));
    }
    match status.code {
        StatusCode::NotConfigured => {
            let why = "It does not know its target yet: save its address and its token.";
            return Some(need(Tone::Warn, "Not configured", why.to_owned(), path(glance)));
        }
        StatusCode::NotRun if glance.job.schedule.state != ScheduleState::Active => {
            let why = "It has all it needs and nobody has started it.";
            return Some(need(Tone::Warn, "Not started", why.to_owned(), path(glance)));
        }
        StatusCode::Paused => return None,
        _ => {}
    }
    let last = status.last_execution.as_ref()?;
    match last.state {
        TaskState::Succeeded => None,
        TaskState::Failed => {
            let why = last.error.as_ref().map(|error| visible(&error.message)).unwrap_or_default();
            Some(need(Tone::Warn, "Cycle failed", why, path(glance)))
        }
        TaskState::EntryLevelErrors => {
            let failed = words::count(last.count_escrowed_raw, "object", "objects");
            let why = format!("{failed} failed and will be tried again.");
            Some(need(Tone::Warn, "Failures", why, path(glance)))
        }
    }
}

/// Groups that running jobs read through and that nobody answers for.
fn silent_groups(agents: &[Known], jobs: &[Glance]) -> BTreeSet<String> {
    let answered: BTreeSet<&String> = agents
        .iter()
        .filter(|one| one.connected.is_some())
        .flat_map(|one| &one.agent.groups)
        .collect();
    jobs.iter()
        .filter(|glance| glance.job.schedule.state == ScheduleState::Active)
        .map(|glance| &glance.job.hybrid.source.group)
        .filter(|group| !answered.contains(group))
        .cloned()
        .collect()
}

fn of_group(group: &str) -> Need {
    Need {
        tone: Tone::Bad,
        what: format!("Group {}", visible(group)),
        why: "No agent of the group is connected, so its jobs cannot read.".to_owned(),
        path: Place::Agents.path().to_owned(),
        word: "No agent",
    }
}

/// Messages that were not taken: those that wait for another try, and those about what is still so that nobody will get.
fn of_messages(now: DateTime<Utc>, listed: &Listed) -> Vec<Need> {
    let told = &listed.notification;
    let path = if told.kind.is_of_job() {
        format!("/console/jobs/{}", told.object)
    } else {
        Place::Agents.path().to_owned()
    };
    let need = |to: &str, why: &str, then: String| Need {
        tone: Tone::Warn,
        what: format!("Message to {}", visible(to)),
        why: format!("{}. It is about {}. {then}", visible(why), visible(&told.name)),
        path: path.clone(),
        word: "Not delivered",
    };
    let waiting = listed.waiting.iter().filter_map(|waiting| {
        let then = format!("It is tried again {}.", words::from_now(now, waiting.next));
        Some(need(&waiting.to, waiting.error.as_ref()?, then))
    });
    let mut last: BTreeMap<&str, &Delivery> = BTreeMap::new();
    if told.resolved.is_none() {
        last.extend(told.deliveries.iter().map(|delivery| (delivery.to.as_str(), delivery)));
    }
    let lost = last.into_values().filter_map(|delivery| {
        Some(need(&delivery.to, delivery.error.as_ref()?, "It is not tried again.".to_owned()))
    });
    waiting.chain(lost).collect()
}

/// What an agent needs, if anything.
fn of_agent(visit: &Visit, now: DateTime<Utc>, one: &Known) -> Option<Need> {
    let need = |tone, word, why: String| Need {
        tone,
        what: format!("Agent {}", visible(&one.agent.name)),
        why,
        path: Place::Agents.path().to_owned(),
        word,
    };
    if one.connected.is_none() {
        let seen = words::from_now(now, one.agent.last_seen());
        let why = format!("It is not connected; it last asked for work {seen}.");
        return Some(need(Tone::Warn, "Not connected", why));
    }
    if one.overdue(visit, now) {
        let why = "Its certificate ends soon and was not renewed, as it should have been.";
        return Some(need(Tone::Warn, "Certificate", why.to_owned()));
    }
    None
}

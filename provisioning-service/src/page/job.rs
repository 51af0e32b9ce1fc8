//! One job: how it is doing, what it does next, and what can be done with it.

use std::collections::BTreeSet;

use axum::extract::Path;
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use scim_sync::run::Reset;
use scim_sync::store::EscrowStage;

use super::Answer;
use super::guard::Visit;
use super::jobs::{escrowed, name, path};
use super::layout::{Place, button, csrf, note};
use super::words::{self, Tone, badge, text, when};
use crate::job::wire::{QuarantineReason, ScheduleState, StatusCode, TaskExecution};
use crate::job::{Command, Glance, JobKey, Mode};
use crate::tokens::Role;

/// What a restart can forget. `ForceDeletes` is not among them: a plan is allowed where it can be seen.
const RESETS: [(Reset, bool, &str, &str); 5] = [
    (Reset::Watermark, true, "Read everything again", "Links are kept; nothing is made twice."),
    (Reset::Escrows, true, "Try all failures again", "Whatever their turn is."),
    (Reset::QuarantineState, true, "End the quarantine", "If it has one."),
    (
        Reset::ConnectorDataStore,
        false,
        "Forget all objects and links",
        "They are rebuilt from both sides. This takes as long as a first cycle.",
    ),
    (Reset::Full, false, "Forget everything", "The history and what was allowed too."),
];

/// The key of the job of a path.
pub(super) fn key(visit: &Visit, job: &str) -> JobKey {
    JobKey::new(&visit.session.caller.tenant, job)
}

/// Where the plan of a job is that waits.
pub(super) fn plan_path(glance: &Glance) -> String {
    match glance.stops.first() {
        Some(plan) => format!("{}/plans/{}", path(glance), plan.stop.digest),
        None => path(glance),
    }
}

/// `GET /console/jobs/{job}`
pub(super) async fn get(visit: Visit, Path(job): Path<String>) -> Answer {
    let now = visit.app.clock.now();
    let glance = visit.app.jobs.glance(&key(&visit, &job)).await?;
    let here = path(&glance);
    let body = html! {
        p.trail { a href="/console/jobs" { "Jobs" } }
        section id="live" aria-label="How the job is doing" hx-get=(here) hx-trigger="every 3s"
            hx-select="#live" hx-swap="outerHTML" hx-headers=r#"{"X-Poll":"1"}"# {
            (head(&visit, &glance, &here))
            (trouble(now, &glance))
            (staging(&visit, &glance, &here))
            (progress(&glance))
            (facts(now, &glance))
            (cycle(now, &glance))
            @if glance.job.status.last_execution.is_some() { (failures(&visit, &glance, &here)) }
        }
        @if visit.session.may(Role::Admin) {
            (super::setup::target(&visit, &here, glance.job.status.code == StatusCode::NotConfigured))
        }
        @if visit.session.may(Role::Operator) { (restart_form(&visit, &here)) }
    };
    Ok(visit.page(Place::Jobs, &words::visible(name(&glance)), &body))
}

fn head(visit: &Visit, glance: &Glance, here: &str) -> Markup {
    let (tone, word) = words::job_state(glance);
    let session = &visit.session;
    let runs = glance.job.schedule.state == ScheduleState::Active;
    let rests = glance.job.status.quarantine.is_some();
    html! {
        div.head {
            div {
                h1 { (text(name(glance))) }
                p.badges { (badge(tone, word)) @if let Some(mode) = words::mode(glance.job.hybrid.mode) { " " (mode) } }
            }
            div.actions {
                @if session.may(Role::Operator) {
                    @if glance.job.status.code != StatusCode::NotConfigured && (!runs || rests) {
                        (button(session, &format!("{here}/start"), "start", if glance.stops.is_empty() { "primary" } else { "" }, if rests { "Try now" } else { "Start" }))
                    }
                    @if runs { (button(session, &format!("{here}/pause"), "pause", "", "Pause")) }
                    a.button.plain href={ (here) "/preview" } { "Preview one object" }
                }
                a.button.plain href={ "/console/log?job=" (glance.job.id) } { "Its log" }
            }
        }
    }
}

fn trouble(now: DateTime<Utc>, glance: &Glance) -> Markup {
    let status = &glance.job.status;
    let failed = status.last_execution.as_ref().and_then(|last| last.error.as_ref());
    html! {
        @if !glance.stops.is_empty() {
            div.note.bad role="alert" {
                p.title { "A plan waits for you" }
                p { (words::quarantine(QuarantineReason::TooManyDeletes).0) }
                p { a.button.danger href=(plan_path(glance)) { "Look at the plan" } }
            }
        } @else if let Some(why) = &glance.switched_off {
            (note(Tone::Bad, "The job failed for too long and was switched off", &html! { p { (text(why)) } p { "Start it when the cause is mended." } }))
        } @else if let Some(found) = &status.quarantine {
            @let (plain, next) = words::quarantine(found.reason);
            (note(Tone::Bad, "The job is in quarantine", &html! {
                p { (plain) " " (next) }
                p.told { (text(&found.error.message)) }
                p.soft { "Since " (when(now, found.series_began)) ", tried " (words::count(found.series_count, "time", "times")) ", next " (when(now, found.next_attempt)) "." }
            }))
        } @else if let Some(error) = failed {
            (note(Tone::Warn, "The last cycle had trouble", &html! { p.told { (text(&error.message)) } }))
        }
    }
}

/// That nothing is written, and the way out of it.
fn staging(visit: &Visit, glance: &Glance, here: &str) -> Markup {
    if glance.job.hybrid.mode == Mode::Active {
        return html! {};
    }
    note(
        Tone::Busy,
        "The job is staged: it works everything out and writes nothing",
        &html! {
            @if visit.session.may(Role::Admin) {
                p { a.button href={ (here) "/go-live" } id="go-live" { "Look at what it would write" } }
            } @else {
                p { "An administrator ends that." }
            }
        },
    )
}

fn progress(glance: &Glance) -> Markup {
    html! {
        @for step in &glance.job.status.progress {
            div.panel.progress {
                @let done = words::number(step.completed_units);
                p {
                    (done)
                    @if let Some(all) = step.total_units { " of " (words::number(all)) }
                    " " (text(&step.units))
                }
                progress aria-label="How far the cycle is" value=[step.total_units.map(|_| step.completed_units)] max=[step.total_units.map(|all| all.max(1))] {}
            }
        }
    }
}

fn facts(now: DateTime<Utc>, glance: &Glance) -> Markup {
    let job = &glance.job;
    let settings = &job.hybrid;
    let entries = &job.status.synchronized_entry_count_by_type;
    html! {
        dl.facts.panel {
            div { dt { "Reads" } dd { (text(&settings.source.directory)) " through the group " span.chip { (text(&settings.source.group)) } } }
            div { dt { "Runs" } dd { (words::every(settings.interval)) ", next: " (words::next_run(now, glance)) } }
            div { dt { "In sync" } dd {
                @if entries.is_empty() { "nothing yet" }
                @for (place, pair) in entries.iter().enumerate() {
                    @if place > 0 { ", " }
                    (words::number(pair.value)) " " (text(&pair.key))
                }
            } }
            div { dt { "Template" } dd { (text(&job.template_id)) ", mapping version " (glance.mapping) } }
            @if let Some(first) = job.status.steady_state_first_achieved_time {
                div { dt { "Nothing left to do" } dd { "first " (when(now, first)) @if let Some(last) = job.status.steady_state_last_achieved_time { ", last " (when(now, last)) } } }
            }
            div { dt { "Id" } dd { code { (job.id) } } }
        }
    }
}

fn cycle(now: DateTime<Utc>, glance: &Glance) -> Markup {
    html! {
        section aria-labelledby="cycle" {
            h2 id="cycle" { "Last cycle" }
            @match &glance.job.status.last_execution {
                None => p.soft { "There was none yet." },
                Some(last) => (figures(now, last)),
            }
        }
    }
}

fn figures(now: DateTime<Utc>, last: &TaskExecution) -> Markup {
    let (tone, word) = words::task_state(last.state);
    html! {
        div.panel {
            p { (badge(tone, word)) " " span.soft { "began " (when(now, last.time_began)) ", took " (words::took(last.time_ended - last.time_began)) } }
            dl.figures {
                @for (name, count) in [
                    ("Read", last.count_imported),
                    ("Changed", last.count_imported_deltas),
                    ("Writes tried", last.count_exports),
                    ("Writes done", last.count_exported),
                    ("Failed", last.count_escrowed_raw),
                ] {
                    div { dt { (name) } dd { (words::number(count)) } }
                }
            }
        }
    }
}

fn failures(visit: &Visit, glance: &Glance, here: &str) -> Markup {
    let all = escrowed(glance);
    html! {
        section aria-labelledby="failures" {
            h2 id="failures" { "Objects to try again" }
            @if all == 0 {
                p.soft { "None: every object that the job looks at is as it should be." }
            } @else {
                div.panel {
                    p { (words::count(all, "object", "objects")) " could not be handled. Each is tried again by itself, less and less often." }
                    dl.figures {
                        @for (stage, count) in &glance.escrows {
                            div { dt { (stage_name(*stage)) } dd { (words::number(*count)) } }
                        }
                    }
                    div.actions {
                        a.button href={ "/console/log?job=" (glance.job.id) "&status=failure" } { "What failed, and why" }
                        @if visit.session.may(Role::Operator) {
                            form method="post" action={ (here) "/restart" } {
                                (csrf(&visit.session))
                                input type="hidden" name="reset" value=(Reset::Escrows);
                                button type="submit" id="retry" { "Try all now" }
                            }
                        }
                    }
                }
            }
        }
    }
}

const fn stage_name(stage: EscrowStage) -> &'static str {
    match stage {
        EscrowStage::Import => "As they were read",
        EscrowStage::Sync => "In a rule",
        EscrowStage::Outbound => "In a rule for the target",
        EscrowStage::Export => "Refused by the target",
        EscrowStage::Reference => "References",
    }
}

fn restart_form(visit: &Visit, here: &str) -> Markup {
    html! {
        details.panel.form {
            summary { "Begin anew" }
            form method="post" action={ (here) "/restart" } {
                (csrf(&visit.session))
                fieldset {
                    legend { "Before the next cycle" }
                    @for (reset, usual, title, help) in RESETS {
                        @let id = format!("reset-{reset}");
                        div.check {
                            input type="checkbox" id=(id) name="reset" value=(reset) checked[usual];
                            label for=(id) { (title) span.soft { (help) } }
                        }
                    }
                }
                button type="submit" { "Restart the job" }
            }
        }
    }
}

async fn command(visit: Visit, job: &str, command: &Command, done: &str) -> Answer {
    let actor = visit.session.caller.actor();
    visit.app.jobs.command(&key(&visit, job), command, &actor).await?;
    Ok(visit.done(&format!("/console/jobs/{job}"), done))
}

/// `POST /console/jobs/{job}/start`
pub(super) async fn start(visit: Visit, Path(job): Path<String>) -> Answer {
    command(visit, &job, &Command::Start, "started").await
}

/// `POST /console/jobs/{job}/pause`
pub(super) async fn pause(visit: Visit, Path(job): Path<String>) -> Answer {
    command(visit, &job, &Command::Pause, "paused").await
}

/// `POST /console/jobs/{job}/restart`
pub(super) async fn restart(visit: Visit, Path(job): Path<String>) -> Answer {
    let offered: BTreeSet<Reset> = RESETS.into_iter().map(|(reset, ..)| reset).collect();
    let asked = visit.form.all("reset").filter_map(|name| name.parse().ok());
    let resets: BTreeSet<Reset> = asked.filter(|reset| offered.contains(reset)).collect();
    command(visit, &job, &Command::Restart(resets), "restarted").await
}

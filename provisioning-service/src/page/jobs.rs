//! All jobs at a look.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use super::Answer;
use super::guard::Visit;
use super::layout::Place;
use super::words::{self, badge, text, when};
use crate::job::Glance;
use crate::tokens::Role;

/// `GET /console/jobs`
pub(super) async fn list(visit: Visit) -> Answer {
    let now = visit.app.clock.now();
    let all = visit.app.jobs.glances(&visit.session.caller.tenant).await?;
    let body = html! {
        div.head {
            h1 { "Jobs" }
            @if !all.is_empty() && visit.session.may(Role::Admin) { a.button.primary href="/console/jobs/new" { "Make a job" } }
        }
        section id="live" aria-label="Jobs" hx-get="/console/jobs" hx-trigger="every 5s"
            hx-select="#live" hx-swap="outerHTML" hx-headers=r#"{"X-Poll":"1"}"# {
            @if all.is_empty() { (empty(&visit)) }
            @else { div.cards { @for glance in &all { (card(now, glance)) } } }
        }
    };
    Ok(visit.page(Place::Jobs, "Jobs", &body))
}

/// What a job is called: by its name, or by its identifier where it has none.
pub(super) fn name(glance: &Glance) -> &str {
    match glance.job.hybrid.name.trim() {
        "" => &glance.job.id,
        name => name,
    }
}

/// Where a job is.
pub(super) fn path(glance: &Glance) -> String {
    format!("/console/jobs/{}", glance.job.id)
}

/// The failures that a job has to try again.
pub(super) fn escrowed(glance: &Glance) -> u64 {
    glance.escrows.values().sum()
}

pub(super) fn card(now: DateTime<Utc>, glance: &Glance) -> Markup {
    let (tone, word) = words::job_state(glance);
    let job = &glance.job;
    let source = &job.hybrid.source;
    let entries: u64 = job.status.synchronized_entry_count_by_type.iter().map(|it| it.value).sum();
    html! {
        article.card {
            header {
                h2 { a href=(path(glance)) { (text(name(glance))) } }
                (badge(tone, word))
            }
            p.soft { (text(&source.directory)) " through the group " (text(&source.group)) }
            @if let Some(mode) = words::mode(job.hybrid.mode) { p { (mode) } }
            dl.figures {
                div { dt { "In sync" } dd { (words::number(entries)) } }
                div { dt { "To try again" } dd { (words::number(escrowed(glance))) } }
                @match &job.status.last_execution {
                    Some(last) => {
                        div { dt { "Last cycle" } dd { (when(now, last.time_ended)) } }
                        div { dt { "It wrote" } dd { (words::number(last.count_exported)) } }
                    }
                    None => div { dt { "Last cycle" } dd { "none yet" } },
                }
                div { dt { "Next" } dd { (words::next_run(now, glance)) } }
            }
            @if !glance.stops.is_empty() {
                p { a.button.danger href=(super::job::plan_path(glance)) { "A plan waits for you" } }
            }
        }
    }
}

fn empty(visit: &Visit) -> Markup {
    html! {
        div.empty {
            h2 { "No job yet" }
            p { "A job reads one directory through a group of agents and keeps a cloud directory in step with it, every two minutes." }
            @if visit.session.may(Role::Admin) {
                a.button.primary href="/console/jobs/new" { "Make a job" }
            } @else {
                p { "An administrator makes one." }
            }
        }
    }
}

//! The end of the staging mode: what the job would write, and whether it may.

use axum::extract::Path;
use maud::{Markup, html};

use super::Answer;
use super::guard::Visit;
use super::job::key;
use super::jobs::{name, path};
use super::layout::{Place, csrf, note};
use super::words::{self, Tone, text, when};
use crate::job::{JobError, Mode, Planned};

/// What a plan counts, by the names that it has in the plan and on the page.
const COUNTS: [(&str, &str); 6] = [
    ("create", "Make"),
    ("update", "Change"),
    ("references", "Change members"),
    ("disable", "Switch off"),
    ("delete", "Delete"),
    ("replace", "Replace"),
];

/// `GET /console/jobs/{job}/go-live`
pub(super) async fn confirm(visit: Visit, Path(job): Path<String>) -> Answer {
    let key = key(&visit, &job);
    let glance = visit.app.jobs.glance(&key).await?;
    let here = path(&glance);
    let plan = match visit.app.jobs.plan(&key).await {
        Ok(plan) => Some(plan),
        Err(JobError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let body = html! {
        p.trail { a href=(here) { (text(name(&glance))) } }
        @match plan {
            _ if glance.job.hybrid.mode == Mode::Active => {
                div.head { h1 { "This job is live" } }
                (note(Tone::Good, "It writes what its cycles work out", &html! { p { a href=(here) { "Back to the job" } } }))
            }
            None => {
                div.head { h1 { "Nothing was worked out yet" } }
                (note(Tone::Busy, "No cycle has come so far as to say what it would write", &html! {
                    p { "Start the job, and come back after its first cycle. " a href=(here) { "Back to the job" } }
                }))
            }
            Some(plan) => {
                div.head { h1 { "Let " (text(name(&glance))) " write?" } }
                (question(&visit, &here, &plan))
                (steps(&plan))
            }
        }
    };
    Ok(visit.page(Place::Jobs, "End the staging", &body))
}

fn question(visit: &Visit, here: &str, plan: &Planned) -> Markup {
    let now = visit.app.clock.now();
    html! {
        @if let Some(why) = &plan.stopped {
            (note(Tone::Warn, "The guard would stop this plan", &html! { p { (text(why)) } p { "Live, the job waits until an operator allows it." } }))
        }
        dl.figures.panel {
            @for (key, name) in COUNTS {
                div { dt { (name) } dd { (words::number(plan.counts[key].as_u64().unwrap_or_default())) } }
            }
        }
        section.panel.form aria-labelledby="decide" {
            h2 id="decide" { "Is this meant?" }
            p { "It was worked out " (when(now, plan.at)) " for " (text(&plan.scope)) ". Live, the job writes this with its next cycle, and what changes after it." }
            div.actions {
                form method="post" action={ (here) "/go-live" } {
                    (csrf(&visit.session))
                    input type="hidden" name="digest" value=(plan.digest);
                    button.primary type="submit" id="go-live" { "Let it write" }
                }
                a.button.plain href=(here) { "Leave it staged" }
            }
        }
    }
}

fn steps(plan: &Planned) -> Markup {
    html! {
        section aria-labelledby="steps" {
            h2 id="steps" { "What it would write" }
            @if plan.lines.is_empty() {
                p.soft { "Nothing: the target has everything as it is to be." }
            } @else {
                div.panel { ul { @for line in &plan.lines { li { (text(line)) } } } }
                @if plan.omitted > 0 {
                    p.soft { "And " (words::number(plan.omitted)) " more; all of them are in the log, with the status skipped." }
                }
            }
        }
    }
}

/// `POST /console/jobs/{job}/go-live`
pub(super) async fn post(visit: Visit, Path(job): Path<String>) -> Answer {
    let actor = visit.session.caller.actor();
    // What nobody has looked at is not let through.
    let digest = visit.form.text("digest");
    visit.app.jobs.go_live(&key(&visit, &job), Some(digest), &actor).await?;
    Ok(visit.done(&format!("/console/jobs/{job}"), "live"))
}

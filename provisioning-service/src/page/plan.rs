//! A plan that the guard stopped: what it would take away, to be allowed or rejected.

use axum::extract::Path;
use maud::{Markup, html};
use scim_sync::guard::StopReason;

use super::Answer;
use super::guard::Visit;
use super::job::key;
use super::jobs::{name, path};
use super::layout::{Place, button, note};
use super::log::{object, properties, title};
use super::words::{self, Tone, text};
use crate::job::{Command, Glance, JobError, StagedObjects, StoppedPlan};
use crate::logs::ProvisioningObjectSummary;
use crate::tokens::Role;

/// Objects that are shown.
const OBJECTS: usize = 200;

/// `GET /console/jobs/{job}/plans/{digest}`
pub(super) async fn get(visit: Visit, Path((job, digest)): Path<(String, String)>) -> Answer {
    let key = key(&visit, &job);
    let glance = visit.app.jobs.glance(&key).await?;
    let Some(plan) = glance.stops.iter().find(|plan| plan.stop.digest == digest) else {
        return Ok(over(&visit, &glance));
    };
    let staged = match visit.app.jobs.staged(&key, &digest).await {
        // A cycle ended in between.
        Err(JobError::Missing { .. }) => return Ok(over(&visit, &glance)),
        staged => staged?,
    };
    let here = path(&glance);
    let body = html! {
        p.trail { a href=(here) { (text(name(&glance))) } }
        div.head { h1 { "A plan waits for you" } }
        div.note.bad role="status" {
            p.title { "Nothing was written" }
            @for reason in &plan.stop.reasons { p { (text(&sentence(&reason.to_string()))) } }
        }
        (counts(plan))
        (decision(&visit, &here, plan))
        (objects(&staged, &glance))
        p.soft { "The plan for " (text(&plan.stop.target)) " has the digest " code { (plan.stop.digest) } ". What is allowed is this very plan: if it takes away anything else by the time it runs, it is stopped again." }
    };
    Ok(visit.page(Place::Jobs, "A stopped plan", &body))
}

fn over(visit: &Visit, glance: &Glance) -> axum::response::Response {
    let here = path(glance);
    let body = html! {
        p.trail { a href=(here) { (text(name(glance))) } }
        div.head { h1 { "This plan waits no more" } }
        (note(Tone::Busy, "It was allowed, or the job came to another plan", &html! { p { a href=(super::job::plan_path(glance)) { "See what there is now" } } }))
    };
    visit.page(Place::Jobs, "A stopped plan", &body)
}

fn sentence(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if !text.ends_with('.') {
        text.push('.');
    }
    text
}

fn counts(plan: &StoppedPlan) -> Markup {
    let mut all: Vec<(&str, u64)> = Vec::new();
    for reason in &plan.stop.reasons {
        match reason {
            StopReason::FirstRun { delete, disable, references } => {
                all.extend([("Deletions", *delete), ("Disabled", *disable)]);
                all.push(("Members lost", *references));
            }
            StopReason::Deletes { delete, disable, switched_off, left_scope, linked, .. } => {
                all.extend([("Deletions", *delete), ("Disabled", *disable)]);
                all.extend([("Switched off", *switched_off), ("Left the scope", *left_scope)]);
                all.push(("Of linked objects", *linked));
            }
            StopReason::Members { removed, before, .. } => {
                all.extend([("Members lost", *removed), ("Of members", *before)]);
            }
            StopReason::Emptied { emptied, linked, .. } => {
                all.extend([("Groups emptied", *emptied), ("Of linked objects", *linked)]);
            }
        }
    }
    html! {
        dl.figures.panel { @for (name, count) in all { div { dt { (name) } dd { (words::number(count)) } } } }
    }
}

fn decision(visit: &Visit, here: &str, plan: &StoppedPlan) -> Markup {
    let digest = &plan.stop.digest;
    html! {
        @if visit.session.may(Role::Operator) {
            section.panel.form aria-labelledby="decide" {
                h2 id="decide" { "Is this meant?" }
                p { strong { "Allow" } " carries the plan out, once. " strong { "Reject" } " writes nothing and pauses the job, so that the directory or the scope can be mended; then start it." }
                div.actions {
                    (button(&visit.session, &format!("{here}/plans/{digest}/allow"), "allow", "danger", "Allow the plan"))
                    (button(&visit.session, &format!("{here}/plans/{digest}/reject"), "reject", "", "Reject it and pause"))
                }
            }
        } @else {
            (note(Tone::Quiet, "An operator decides", &html! { p { "Your token may look and not decide." } }))
        }
    }
}

fn objects(staged: &StagedObjects, glance: &Glance) -> Markup {
    let typed = staged.entries.iter().take(OBJECTS);
    let typed: Vec<ProvisioningObjectSummary> =
        typed.filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect();
    let hidden = staged.more || staged.entries.len() > typed.len();
    html! {
        section aria-labelledby="objects" {
            h2 id="objects" { "What it would take away" }
            @if typed.is_empty() {
                p.soft { "The log has no objects of this plan, as where groups would lose members and nothing would be removed." }
            } @else {
                div.panel {
                    table role="table" {
                        thead role="rowgroup" { tr role="row" {
                            th role="columnheader" scope="col" { "Object" }
                            th role="columnheader" scope="col" { "What would become of it" }
                        } }
                        tbody role="rowgroup" {
                            @for entry in &typed {
                                tr role="row" {
                                    th role="rowheader" scope="row" {
                                        (title(object(entry)))
                                        span.soft { (text(&entry.target_identity.identity_type)) }
                                    }
                                    td role="cell" {
                                        @if let Some(step) = entry.provisioning_steps.first() { p { (text(&sentence(&step.description))) } }
                                        (properties(&entry.modified_properties))
                                    }
                                }
                            }
                        }
                    }
                }
                @if hidden {
                    p { "There are more: " a href={ "/console/log?job=" (glance.job.id) "&action=stageddelete" } { "all of them are in the log" } "." }
                }
            }
        }
    }
}

/// `POST /console/jobs/{job}/plans/{digest}/allow`
pub(super) async fn allow(visit: Visit, Path((job, digest)): Path<(String, String)>) -> Answer {
    let actor = visit.session.caller.actor();
    visit.app.jobs.allow(&key(&visit, &job), &digest, &actor).await?;
    Ok(visit.done(&format!("/console/jobs/{job}"), "allowed"))
}

/// `POST /console/jobs/{job}/plans/{digest}/reject`
pub(super) async fn reject(visit: Visit, Path((job, digest)): Path<(String, String)>) -> Answer {
    let key = key(&visit, &job);
    let plans = visit.app.jobs.stopped_plans(&key).await?;
    if !plans.iter().any(|plan| plan.stop.digest == digest) {
        return Err(JobError::Missing { what: "stopped plan", id: digest }.into());
    }
    visit.app.jobs.command(&key, &Command::Pause, &visit.session.caller.actor()).await?;
    Ok(visit.done(&format!("/console/jobs/{job}"), "rejected"))
}

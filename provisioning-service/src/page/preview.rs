//! One object on demand: what becomes of it and why, in four sections; and, if asked, done at once.

use axum::extract::Path;
use maud::{Markup, html};
use scim_sync::AttributeValue;
use scim_sync::rules::Direction;
use scim_sync::space::ExportKind;
use scim_sync::sync::{ActionSection, Explanation};

use super::Answer;
use super::guard::Visit;
use super::job::key;
use super::jobs::{name, path};
use super::layout::{Place, csrf, note};
use super::log::{change, properties};
use super::words::{self, Tone, badge, text};
use crate::job::wire::{Links, OnDemandParameters, ProvisionOnDemand, Subject};
use crate::job::{Glance, JobError, OnDemand, OnDemandResult};
use crate::logs::joined;

/// `GET /console/jobs/{job}/preview`
pub(super) async fn get(visit: Visit, Path(job): Path<String>) -> Answer {
    let glance = visit.app.jobs.glance(&key(&visit, &job)).await?;
    let empty = html! { section id="result" aria-live="polite" {} };
    Ok(page(&visit, &glance, &empty))
}

/// `POST /console/jobs/{job}/preview`
pub(super) async fn post(visit: Visit, Path(job): Path<String>) -> Answer {
    let key = key(&visit, &job);
    let glance = visit.app.jobs.glance(&key).await?;
    // Whatever else is sent, nothing is written unless the button for it was pressed.
    let dry_run = visit.form.text("act") != "write";
    let members = visit.form.text("members").lines().map(str::trim);
    let members: Vec<Subject> = members.filter(|line| !line.is_empty()).map(subject).collect();
    let links = (!members.is_empty()).then_some(Links { members, manager: None });
    let subject = Subject { links, ..subject(visit.form.text("object")) };
    let parameters = vec![OnDemandParameters { rule_id: None, subjects: vec![subject] }];
    let asked = ProvisionOnDemand { parameters, dry_run };
    let actor = visit.session.caller.actor();
    let told = visit.app.jobs.on_demand(&key, &asked, &actor).await;
    let result = html! {
        section id="result" aria-live="polite" {
            @match told {
                Ok(told) => (found(&told)),
                Err(error) => (failed(error)),
            }
        }
    };
    Ok(page(&visit, &glance, &result))
}

fn subject(object: &str) -> Subject {
    Subject { object_id: object.to_owned(), ..Subject::default() }
}

fn page(visit: &Visit, glance: &Glance, result: &Markup) -> axum::response::Response {
    let here = path(glance);
    let action = format!("{here}/preview");
    let body = html! {
        p.trail { a href=(here) { (text(name(glance))) } }
        div.head { h1 { "Preview one object" } }
        form.panel.form.asks method="post" action=(action) hx-post=(action) hx-target="#result" hx-select="#result"
            hx-swap="outerHTML" hx-disabled-elt="find button" {
            (csrf(&visit.session))
            div.fields {
                div.wide {
                    label for="object" { "Object" }
                    input id="object" name="object" required maxlength="1000" value=(visit.form.text("object"))
                        placeholder="CN=Ada Lovelace,OU=People,DC=corp,DC=example" autocapitalize="none"
                        spellcheck="false" aria-describedby="object-help";
                    p.help id="object-help" { "Its distinguished name, or what identifies it in the directory, like its objectGUID." }
                }
                div.wide {
                    details open[visit.form.some("members").is_some()] {
                        summary { "It is a group: with these members" }
                        label for="members" { "Distinguished names, one a line, five at most" }
                        textarea id="members" name="members" rows="3" spellcheck="false" autocapitalize="none" { (visit.form.text("members")) }
                    }
                }
            }
            div.actions {
                button.primary type="submit" name="act" value="preview" id="preview" { "Preview" }
                button type="submit" name="act" value="write" id="write" { "Provision it now" }
            }
            p.help { "A preview reads and works everything out and writes nothing. The scope of the directory is not applied: whoever names an object means it." }
        }
        (result)
    };
    visit.page(Place::Jobs, "Preview one object", &body)
}

fn failed(error: JobError) -> Markup {
    let (_, message) = crate::api::told(error);
    note(Tone::Bad, "It could not be worked out", &html! { p.told { (text(&message)) } })
}

fn found(told: &OnDemand) -> Markup {
    html! { @for result in &told.hybrid { (one(result)) } }
}

fn one(result: &OnDemandResult) -> Markup {
    let (tone, word) = match (result.result.as_str(), result.dry_run) {
        ("Failure", _) => (Tone::Bad, "Failure".to_owned()),
        ("Skipped", _) => (Tone::Quiet, "Nothing to do".to_owned()),
        (_, true) => (Tone::Busy, format!("Would be: {}", result.action)),
        (_, false) => (Tone::Good, format!("Done: {}", result.action)),
    };
    html! {
        article.result {
            header.head {
                h2 { (text(&result.object_id)) }
                (badge(tone, &word))
            }
            p { (text(&result.message)) }
            ol.sections {
                li.panel { h3 { "1. Import" } (import(&result.explanation)) }
                li.panel { h3 { "2. In scope" } (scope(result)) }
                li.panel { h3 { "3. Match" } (matching(&result.explanation)) }
                li.panel { h3 { "4. Action" } (action(result)) }
            }
        }
    }
}

fn values(values: &[AttributeValue]) -> String {
    joined(values).unwrap_or_default()
}

fn import(explanation: &Explanation) -> Markup {
    html! {
        @match &explanation.import {
            None => p { "The object was not read." },
            Some(read) => {
                p { "Read from " (text(read.connector.as_str())) @if let Some(kind) = &read.object_type { " as " strong { (text(&kind.to_string())) } } "." }
                dl.changes {
                    @if let Some(anchor) = &read.anchor { div { dt { "identifier" } dd { (text(&anchor.to_string())) } } }
                    @for (name, given) in read.attributes.iter() {
                        div { dt { (text(&name.to_string())) } dd { (text(&values(given))) } }
                    }
                    @for (name, count) in &read.references {
                        div { dt { (text(&name.to_string())) } dd { (words::count(*count, "reference", "references")) } }
                    }
                }
            }
        }
    }
}

fn holds(is: bool) -> Markup {
    if is { badge(Tone::Good, "Yes") } else { badge(Tone::Warn, "No") }
}

fn scope(result: &OnDemandResult) -> Markup {
    html! {
        @if let Some(reason) = &result.left_out {
            (note(Tone::Warn, "The job leaves it out", &html! { p { (text(reason)) } p { "On demand it is taken in all the same." } }))
        }
        @if result.explanation.scope.is_empty() { p { "No rule was asked." } }
        ul.rules {
            @for rule in &result.explanation.scope {
                li {
                    div.head {
                        span { strong { (text(&rule.rule)) } span.soft { @if rule.direction == Direction::Inbound { " inbound" } @else { " outbound" } } }
                        (holds(rule.in_scope))
                    }
                    @for (place, group) in rule.clauses.iter().enumerate() {
                        @if place > 0 { p.soft { "or" } }
                        ul.clauses {
                            @for clause in group {
                                li {
                                    code { (text(&clause.clause)) }
                                    @if !clause.values.is_empty() { span.soft { "it is " (text(&values(&clause.values))) } }
                                    (holds(clause.holds))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn matching(explanation: &Explanation) -> Markup {
    html! {
        @if explanation.matching.is_empty() { p { "Nothing was looked for." } }
        ul.rules {
            @for search in &explanation.matching {
                li {
                    strong { (text(&search.rule)) }
                    p { "by " code { (text(&search.by)) } @if let Some(value) = &search.value { " = " (text(&values(std::slice::from_ref(value)))) } ": " (text(&search.told)) }
                }
            }
        }
    }
}

fn action(result: &OnDemandResult) -> Markup {
    let explanation = &result.explanation;
    html! {
        @for trouble in &explanation.troubles { (note(Tone::Bad, &words::visible(trouble), &html! {})) }
        @if explanation.actions.is_empty() && explanation.troubles.is_empty() { p { "Nothing would be written." } }
        @for one in &explanation.actions { (planned(one)) }
        @if !result.dry_run { (properties(&result.modified_properties)) }
        @if !explanation.flows.is_empty() {
            details.changes {
                summary { (words::count(explanation.flows.len() as u64, "mapping", "mappings")) " and what each gave" }
                dl.changes {
                    @for flow in &explanation.flows {
                        div { dt { (text(&flow.to.to_string())) } dd { code { (text(&flow.from)) } " gave " (text(&flow.gave)) } }
                    }
                }
            }
        }
    }
}

fn planned(one: &ActionSection) -> Markup {
    let (tone, word) = match one.action {
        Some(ExportKind::Add) => (Tone::Good, "Create"),
        Some(ExportKind::Update) => (Tone::Busy, "Update"),
        Some(ExportKind::Disable) => (Tone::Warn, "Disable"),
        Some(ExportKind::Delete) => (Tone::Bad, "Delete"),
        Some(ExportKind::DeleteAdd) => (Tone::Bad, "Delete and make anew"),
        None => (Tone::Quiet, "Nothing"),
    };
    html! {
        div.head {
            span { strong { (text(one.connector.as_str())) } @if let Some(kind) = &one.object_type { span.soft { " " (text(&kind.to_string())) } } }
            (badge(tone, word))
        }
        p { (text(&one.reason)) }
        dl.changes {
            @for (name, before, after) in &one.changes {
                div { dt { (text(&name.to_string())) } dd { (change(joined(before).as_deref(), joined(after).as_deref())) } }
            }
            @for name in &one.references { div { dt { (text(&name.to_string())) } dd { "references change" } } }
        }
    }
}

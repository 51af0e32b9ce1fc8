//! The provisioning log: what was done to whom, to search, to page through and to take away.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use http::HeaderValue;
use http::header::CONTENT_DISPOSITION;
use maud::{Markup, html};
use serde_json::Value;

use super::Answer;
use super::guard::{Fields, Visit};
use super::jobs::name;
use super::layout::{Place, note};
use super::words::{self, Tone, text, visible};
use crate::api;
use crate::logs::{ModifiedProperty, ProvisioningObjectSummary};
use crate::records::LogQuery;

/// Entries of a page.
const ENTRIES: usize = 50;
const ACTIONS: [(&str, &str); 6] = [
    ("create", "Create"),
    ("update", "Update"),
    ("delete", "Delete"),
    ("disable", "Disable"),
    ("stageddelete", "Held back"),
    ("other", "Other"),
];
const STATUSES: [(&str, &str); 4] = [
    ("success", "Success"),
    ("failure", "Failure"),
    ("skipped", "Skipped"),
    ("warning", "Warning"),
];

/// What is asked of the log, and what of it cannot be read.
fn asked(fields: &Fields) -> (LogQuery, Vec<String>) {
    let mut wrong = Vec::new();
    let known = |name: &str, among: &[(&str, &str)]| {
        fields.some(name).filter(|asked| among.iter().any(|(known, _)| known == asked))
    };
    let mut moment = |name: &str| {
        let text = fields.some(name)?;
        let found = time(text);
        if found.is_none() {
            wrong.push(format!("{:?} is no time: write it like 2026-01-31T08:00.", visible(text)));
        }
        found
    };
    let (since, until) = (moment("since"), moment("until"));
    let query = LogQuery {
        job: fields.some("job").map(str::to_owned),
        object: fields.some("object").map(str::to_owned),
        action: known("action", &ACTIONS).map(str::to_owned),
        status: known("status", &STATUSES).map(str::to_owned),
        since,
        until,
        after: fields.some("after").and_then(|after| after.parse().ok()),
        limit: ENTRIES,
        ..LogQuery::default()
    };
    (query, wrong)
}

/// A time as the field of a browser writes it, which is taken as UTC, or as the API does.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let plain = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    plain.map(|plain| plain.and_utc()).or_else(|| text.parse().ok())
}

/// `GET /console/log`
pub(super) async fn get(visit: Visit) -> Answer {
    let (query, wrong) = asked(&visit.query);
    let tenant = &visit.session.caller.tenant;
    let page = visit.app.jobs.log(tenant, &query).await?;
    let jobs = visit.app.jobs.glances(tenant).await?;
    let names: BTreeMap<&str, &str> =
        jobs.iter().map(|glance| (glance.job.id.as_str(), name(glance))).collect();
    let filters = visit.query.query_without(&["after", "done"]);
    let body = html! {
        div.head {
            h1 { "Log" }
            a.button id="export" href={ "/console/log.jsonl?" (filters) } download="provisioning-log.jsonl" { "Export as JSON lines" }
        }
        (search(&visit.query, &names))
        section id="found" aria-label="Entries" aria-live="polite" {
            @for words in &wrong { (note(Tone::Warn, words, &html! {})) }
            @if page.entries.is_empty() {
                (nothing(&filters, query.after.is_some()))
            } @else {
                (table(&page.entries, &names))
            }
            nav.pages aria-label="Pages" {
                @if query.after.is_some() { a.button.plain href={ "/console/log?" (filters) } { "Newest" } }
                @if let Some(next) = page.next {
                    @let more = if filters.is_empty() { "" } else { "&" };
                    a.button href={ "/console/log?" (filters) (more) "after=" (next) } { "Older entries" }
                }
            }
        }
    };
    Ok(visit.page(Place::Log, "Log", &body))
}

/// `GET /console/log.jsonl`
pub(super) async fn export(visit: Visit) -> Answer {
    let (query, wrong) = asked(&visit.query);
    if let Some(wrong) = wrong.into_iter().next() {
        return Err(crate::problem::Problem::invalid(wrong).into());
    }
    let tenant = visit.session.caller.tenant;
    let mut response = api::export(visit.app.jobs.clone(), tenant, query).await?;
    let file = HeaderValue::from_static("attachment; filename=\"provisioning-log.jsonl\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, file);
    Ok(response)
}

fn search(fields: &Fields, names: &BTreeMap<&str, &str>) -> Markup {
    let choice = |id: &str, label: &str, all: &str, options: &[(&str, &str)]| {
        html! {
            div.third {
                label for=(id) { (label) }
                select id=(id) name=(id) {
                    option value="" { (all) }
                    @for (value, name) in options {
                        option value=(value) selected[fields.text(id) == *value] { (visible(name)) }
                    }
                }
            }
        }
    };
    let jobs: Vec<(&str, &str)> = names.iter().map(|(id, name)| (*id, *name)).collect();
    html! {
        search {
            form.panel.filters method="get" action="/console/log" hx-get="/console/log" hx-target="#found"
                hx-select="#found" hx-select-oob="#export" hx-swap="outerHTML" hx-push-url="true"
                hx-trigger="submit, change, input delay:400ms from:#object" {
                div.fields {
                    div.broad {
                        label for="object" { "Object" }
                        input type="search" id="object" name="object" value=(fields.text("object"))
                            placeholder="Name, distinguished name or id" autocapitalize="none" spellcheck="false";
                    }
                    (choice("job", "Job", "All jobs", &jobs))
                    (choice("action", "Action", "All actions", &ACTIONS))
                    (choice("status", "Outcome", "All outcomes", &STATUSES))
                    div { label for="since" { "From (UTC)" } input type="datetime-local" id="since" name="since" value=(fields.text("since")); }
                    div { label for="until" { "Until (UTC)" } input type="datetime-local" id="until" name="until" value=(fields.text("until")); }
                }
                div.actions {
                    button.primary type="submit" { "Search" }
                    a.button.plain href="/console/log" { "Everything" }
                }
            }
        }
    }
}

fn nothing(filters: &str, paged: bool) -> Markup {
    html! {
        div.empty {
            @if filters.is_empty() && !paged {
                h2 { "Nothing was done yet" }
                p { "Every object that a job creates, changes or removes is noted here, with its values before and after." }
                p { a.button href="/console/jobs" { "To the jobs" } }
            } @else {
                h2 { "Nothing like this" }
                p { "No entry fits what was asked for. Entries are kept for thirty days." }
            }
        }
    }
}

fn table(entries: &[Value], names: &BTreeMap<&str, &str>) -> Markup {
    html! {
        div.panel {
            table.fixed.wider role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for name in ["Object", "Action", "Outcome", "What happened"] {
                            th role="columnheader" scope="col" { (name) }
                        }
                    }
                }
                tbody role="rowgroup" { @for entry in entries { (row(entry, names)) } }
            }
        }
    }
}

fn row(entry: &Value, names: &BTreeMap<&str, &str>) -> Markup {
    let Ok(entry) = serde_json::from_value::<ProvisioningObjectSummary>(entry.clone()) else {
        return html! {
            tr role="row" { td role="cell" colspan="4" { "This entry cannot be read here; the export has it as it is." } }
        };
    };
    let named = object(&entry);
    let reason = entry.provisioning_status_info.error_information.as_ref().map(|it| &it.reason);
    let told = reason.or(entry.provisioning_steps.first().map(|step| &step.description));
    let job = names.get(entry.job_id.as_str()).copied().unwrap_or(entry.job_id.as_str());
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                (title(named))
                span.soft {
                    time datetime=(entry.activity_date_time.to_rfc3339()) { (words::clock(entry.activity_date_time)) }
                    " · " (text(job))
                }
            }
            td role="cell" data-name="Action" { (words::log_action(&entry.provisioning_action)) }
            td role="cell" data-name="Outcome" { (words::log_status(&entry.provisioning_status_info.status)) }
            td role="cell" data-name="What happened" {
                div {
                    @if let Some(told) = told { p { (text(told)) } }
                    (properties(&entry.modified_properties))
                    @if entry.initiated_by.initiator_type == "user" { p.soft { "asked for by " (text(&entry.initiated_by.display_name)) } }
                }
            }
        }
    }
}

/// What an entry is about.
pub(super) fn object(entry: &ProvisioningObjectSummary) -> &str {
    let names = [
        &entry.source_identity.display_name,
        &entry.target_identity.display_name,
        &entry.source_identity.id,
        &entry.target_identity.id,
    ];
    names.into_iter().find(|name| !name.is_empty()).map_or("the whole cycle", String::as_str)
}

/// A name, with the whole of a distinguished one beneath its first part.
pub(super) fn title(named: &str) -> Markup {
    html! {
        @match first_part(named) {
            Some(first) => { strong { (text(first)) } span.soft.id { (text(named)) } }
            None => strong { (text(named)) },
        }
    }
}

/// `Ada` of `CN=Ada,OU=People`.
fn first_part(name: &str) -> Option<&str> {
    let (kind, rest) = name.split_once('=')?;
    let is_kind = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let end = rest.bytes().enumerate().position(|(at, byte)| {
        byte == b',' && (at == 0 || rest.as_bytes().get(at - 1) != Some(&b'\\'))
    })?;
    rest.get(..end).filter(|first| is_kind && !first.trim().is_empty())
}

/// Values before and after.
pub(super) fn properties(all: &[ModifiedProperty]) -> Markup {
    html! {
        @if !all.is_empty() {
            details.changes {
                summary { (words::count(all.len() as u64, "property", "properties")) }
                dl.changes {
                    @for one in all {
                        div {
                            dt { (text(&one.display_name)) }
                            dd { (change(one.old_value.as_deref(), one.new_value.as_deref())) }
                        }
                    }
                }
            }
        }
    }
}

/// A value before and after.
pub(super) fn change(old: Option<&str>, new: Option<&str>) -> Markup {
    html! {
        @if let Some(old) = old { del { (text(old)) } " " }
        @match new {
            Some(new) => ins { (text(new)) },
            None => span.soft { "removed" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_distinguished_name_is_its_title() {
        assert_eq!(first_part("CN=Ada,OU=People"), Some("Ada"));
        assert_eq!(first_part(r"CN=Lovelace\, Ada,OU=People"), Some(r"Lovelace\, Ada"));
        for none in ["Ada", "CN=Ada", "a b=c,d", "=x,y", "CN=,x", ""] {
            assert_eq!(first_part(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_asked_is_read_and_what_makes_no_sense_is_told() {
        let fields = Fields::parse(
            b"object=+Ada+&job=&action=create&status=nonsense&since=2026-01-31T08:00&until=soon&after=x",
        );
        let (query, wrong) = asked(&fields);
        assert_eq!((query.object.as_deref(), query.job), (Some("Ada"), None));
        assert_eq!((query.action.as_deref(), query.status), (Some("create"), None));
        assert_eq!(query.since.unwrap().to_rfc3339(), "2026-01-31T08:00:00+00:00");
        assert_eq!((query.until, query.after), (None, None));
        assert!(wrong.len() == 1 && wrong[0].contains("soon"), "{wrong:?}");
        assert!(time("2026-01-31T08:00:01Z").is_some());
    }
}

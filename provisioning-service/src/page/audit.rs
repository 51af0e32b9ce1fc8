//! The audit log: who did what to the service.

use maud::{Markup, html};
use serde_json::Value;

use super::Answer;
use super::guard::Visit;
use super::layout::Place;
use super::words::{clock, text};
use crate::records::{Journal, LogQuery, Logged};

/// Entries of a page.
const ENTRIES: usize = 50;

/// `GET /console/audit`
pub(super) async fn get(visit: Visit) -> Answer {
    let fields = &visit.query;
    let query = LogQuery {
        object: fields.some("object").map(str::to_owned),
        action: fields.some("action").map(str::to_owned),
        after: fields.some("after").and_then(|after| after.parse().ok()),
        limit: ENTRIES + 1,
        ..LogQuery::default()
    };
    let tenant = &visit.session.caller.tenant;
    let mut found = visit.app.records.log(tenant, Journal::Audit, &query).await?;
    let more = found.len() > ENTRIES;
    found.truncate(ENTRIES);
    let next = if more { found.last().map(|logged| logged.sequence) } else { None };
    let filters = fields.query_without(&["after", "done"]);
    let body = html! {
        div.head { h1 { "Audit" } }
        search {
            form.panel.filters method="get" action="/console/audit" {
                div.fields {
                    div {
                        label for="object" { "About" }
                        input type="search" id="object" name="object" value=(fields.text("object"))
                            placeholder="Agent, code, token, group or job" autocapitalize="none" spellcheck="false";
                    }
                    div {
                        label for="action" { "Act" }
                        input type="search" id="action" name="action" value=(fields.text("action"))
                            placeholder="agent.revoke" autocapitalize="none" spellcheck="false";
                    }
                }
                div.actions {
                    button.primary type="submit" { "Search" }
                    a.button.plain href="/console/audit" { "Everything" }
                }
            }
        }
        section aria-label="Entries" {
            @if found.is_empty() {
                div.empty { h2 { "Nothing like this" } p { "Every administrative act is noted here in the same commit as what it did." } }
            } @else {
                (table(&found))
            }
            nav.pages aria-label="Pages" {
                @if query.after.is_some() { a.button.plain href={ "/console/audit?" (filters) } { "Newest" } }
                @if let Some(next) = next {
                    @let more = if filters.is_empty() { "" } else { "&" };
                    a.button href={ "/console/audit?" (filters) (more) "after=" (next) } { "Older entries" }
                }
            }
        }
    };
    Ok(visit.page(Place::Audit, "Audit", &body))
}

fn table(found: &[Logged]) -> Markup {
    html! {
        div.panel {
            table.fixed role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for name in ["Act", "About", "By", "Details"] {
                            th role="columnheader" scope="col" { (name) }
                        }
                    }
                }
                tbody role="rowgroup" {
                    @for Logged { entry, .. } in found {
                        tr role="row" {
                            th role="rowheader" scope="row" {
                                strong { (text(&entry.action)) }
                                span.soft { time datetime=(entry.at.to_rfc3339()) { (clock(entry.at)) } }
                            }
                            td role="cell" data-name="About" { (text(&entry.object)) }
                            td role="cell" data-name="By" { (text(&entry.job)) }
                            td role="cell" data-name="Details" { (details(&entry.body)) }
                        }
                    }
                }
            }
        }
    }
}

fn details(body: &Value) -> Markup {
    let members = body.as_object().into_iter().flatten();
    let members: Vec<_> = members.filter(|(_, value)| !is_nothing(value)).collect();
    html! {
        @if members.is_empty() { span.soft { "none" } }
        @else {
            dl.changes {
                @for (name, value) in members {
                    div {
                        dt { (text(name)) }
                        dd { (shown(value)) }
                    }
                }
            }
        }
    }
}

fn shown(value: &Value) -> Markup {
    match value {
        Value::String(value) => text(value),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            let items: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            text(&items.join(", "))
        }
        Value::Object(_) | Value::Array(_) => {
            let pretty = serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string());
            html! { details.changes { summary { "Show" } pre { (text(&pretty)) } } }
        }
        value => text(&value.to_string()),
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

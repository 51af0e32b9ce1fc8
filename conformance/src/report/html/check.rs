//! One check: what an engineer works from.

use maud::{Markup, html};

use super::{anchor, badge};
use crate::evidence::Exchange;
use crate::report::Outcome;
use crate::report::text::{cut, harmless, indented};
use crate::requirement::Requirement;

/// Exchanges of one check in the page; the JSON report has them all.
const EXCHANGES: usize = 12;

/// Characters of a body in the exchange that shows the failure, and in the others.
const BODY: (usize, usize) = (12_000, 2_000);

/// Characters of what was expected and what came.
const VALUE: usize = 4_000;

pub(super) fn card(outcome: &Outcome) -> Markup {
    let why = outcome.known.as_ref().unwrap_or(&outcome.message);
    let line = why.lines().next().filter(|line| !line.is_empty()).unwrap_or(&outcome.reason);
    html! {
        article .check id=(anchor(&outcome.id)) data-result=(outcome.result.word()) data-topic=(outcome.topic) data-level=(outcome.level) {
            details {
                summary {
                    (badge(outcome.result))
                    span .what {
                        h4 { (outcome.id) }
                        span .line { (harmless(&cut(line, 200))) }
                    }
                    span .level { (outcome.level) }
                }
                (inside(outcome))
            }
        }
    }
}

fn inside(outcome: &Outcome) -> Markup {
    let value = |text: &Option<String>| text.as_ref().map(|text| harmless(&cut(text, VALUE)));
    html! {
        div .inside {
            dl {
                dt { "Rule" } dd { (outcome.reason) }
                @if !outcome.message.is_empty() { dt { (if outcome.deviates { "Failed at" } else { "Why" }) } dd { (harmless(&outcome.message)) } }
                @if let Some(known) = &outcome.known { dt { "Known" } dd { (harmless(known)) } }
                @if let Some(text) = value(&outcome.expected) { dt { "Expected" } dd { pre .value tabindex="0" { (text) } } }
                @if let Some(text) = value(&outcome.got) { dt { "Got" } dd { pre .value tabindex="0" { (text) } } }
                @if outcome.deviates { dt { "Mend" } dd { strong { (outcome.mend) } } }
                dt { "Clause" }
                dd { ul { @for id in &outcome.clause { li { (clause(id)) } } } }
                @if !outcome.notes.is_empty() {
                    dt { "Notes" }
                    dd { ul { @for note in &outcome.notes { li { (harmless(note)) } } } }
                }
                @if let Some(curl) = &outcome.curl {
                    dt { "Repeat" }
                    dd .repeat {
                        pre .curl tabindex="0" { (harmless(curl)) }
                        button .copy type="button" hidden { "Copy" }
                    }
                }
            }
            (evidence(outcome))
        }
    }
}

fn clause(id: &str) -> Markup {
    html! {
        @if let Some(found) = Requirement::find(id) {
            a href=(found.url()) rel="noreferrer" { "RFC " (found.rfc) " section " (found.section) }
            " " span .id { (found.id) ", " (found.level) } br;
            (found.text)
        } @else { (id) }
    }
}

fn evidence(outcome: &Outcome) -> Markup {
    let all = &outcome.evidence;
    // The one that shows it, and those before it; they lead there.
    let end = outcome.focus.map_or(all.len(), |focus| focus + 1).max(EXCHANGES).min(all.len());
    let begin = end.saturating_sub(EXCHANGES);
    html! {
        @if let Some(shown) = all.get(begin..end).filter(|shown| !shown.is_empty()) {
            h5 { "Requests and answers" }
            @if shown.len() < all.len() {
                p .more { (shown.len()) " of " (all.len()) " are shown; the JSON report has the others." }
            }
            ol .exchanges start=(begin + 1) {
                @for (index, exchange) in shown.iter().enumerate() {
                    li { (one(exchange, outcome.focus == Some(begin + index))) }
                }
            }
        }
    }
}

fn one(exchange: &Exchange, is_focus: bool) -> Markup {
    let most = if is_focus { BODY.0 } else { BODY.1 };
    let ended = match &exchange.error {
        Some(_) => "no answer".to_owned(),
        None => exchange.status.to_string(),
    };
    html! {
        details .exchange .focus[is_focus] open[is_focus] {
            summary {
                code { (exchange.method) " " (harmless(&cut(&exchange.url, 300))) }
                " → " strong { (ended) } " " span .ms { (exchange.duration_ms) " ms" }
            }
            div .sides {
                div {
                    h6 { "Request" }
                    (message(&exchange.request_headers, &exchange.request_body, exchange.request_bytes, most))
                }
                div {
                    h6 { "Answer" }
                    @if let Some(error) = &exchange.error { p { (harmless(error)) } }
                    (message(&exchange.response_headers, &exchange.response_body, exchange.response_bytes, most))
                }
            }
        }
    }
}

fn message(headers: &[(String, String)], body: &str, bytes: usize, most: usize) -> Markup {
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    html! {
        @if !headers.is_empty() { pre .headers tabindex="0" { (harmless(headers.trim_end())) } }
        @if body.is_empty() { p .none { "no body" } }
        @else {
            pre .body tabindex="0" { (harmless(&cut(&indented(body), most))) }
            @if body.len() < bytes || body.chars().nth(most).is_some() { p .none { "cut; " (bytes) " bytes in all" } }
        }
    }
}

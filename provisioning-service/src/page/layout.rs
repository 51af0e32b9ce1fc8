//! What all pages have in common.

use axum::response::Response;
use http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::{HTMX, ICON, SCRIPT, STYLE};
use super::guard::Visit;
use super::session::Session;
use super::words::{Tone, text};
use super::{answer, sign_in};
use crate::problem::Problem;

/// No code from texts, no styles in the page, nothing kept of pages in the browser.
const HTMX_CONFIG: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyEnabled":true,"historyCacheSize":0,"refreshOnHistoryMiss":true}"#;

/// The parts of the page, as the navigation has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Overview,
    Agents,
    Jobs,
    Log,
    Audit,
}

impl Place {
    const ALL: [Self; 5] = [Self::Overview, Self::Agents, Self::Jobs, Self::Log, Self::Audit];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Overview => "/console",
            Self::Agents => "/console/agents",
            Self::Jobs => "/console/jobs",
            Self::Log => "/console/log",
            Self::Audit => "/console/audit",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Agents => "Agents",
            Self::Jobs => "Jobs",
            Self::Log => "Log",
            Self::Audit => "Audit",
        }
    }

    /// Strokes on a field of 24 by 24.
    const fn strokes(self) -> &'static str {
        match self {
            Self::Overview => r#"<path d="M4 12.5 12 5l8 7.5M6.5 10.5V19h11v-8.5"/>"#,
            Self::Agents => {
                r#"<rect x="4" y="4.5" width="16" height="6" rx="1.5"/><rect x="4" y="13.5" width="16" height="6" rx="1.5"/><path d="M7.5 7.5h.01M7.5 16.5h.01"/>"#
            }
            Self::Jobs => {
                r#"<path d="M5 9.5a7.5 7.5 0 0 1 13.5-2M19 14.5a7.5 7.5 0 0 1-13.5 2M18.700 3.800v4h-4M5.300 20.200v-4h4"/>"#
            }
            Self::Log => r#"<path d="M5 6.5h14M5 12h14M5 17.5h8"/>"#,
            Self::Audit => {
                r#"<path d="M12 3.5 5 6.200v5.300c0 4.300 2.900 7.700 7 9 4.100-1.300 7-4.700 7-9V6.200L12 3.5Z"/><path d="m9 12 2.200 2.200L15.200 10"/>"#
            }
        }
    }
}

fn icon(strokes: &'static str) -> Markup {
    html! { svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" { (PreEscaped(strokes)) } }
}

/// The sign of the product.
fn mark() -> Markup {
    const STROKES: &str = r#"<rect class="mark" x="1.5" y="1.5" width="21" height="21" rx="6"/><path d="M7 9h7.5M12 6.5 14.5 9 12 11.5M17 15H9.5M12 12.5 9.5 15l2.5 2.5"/>"#;
    icon(STROKES)
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                meta name="htmx-config" content=(HTMX_CONFIG);
                title { (title) " – Provisioning" }
                link rel="icon" type="image/svg+xml" href=(ICON.path);
                link rel="stylesheet" href=(STYLE.path);
                script src=(HTMX.path) defer {}
                script src=(SCRIPT.path) defer {}
            }
            (body)
        }
    }
}

/// The hidden field that every form of a session has.
pub(super) fn csrf(session: &Session) -> Markup {
    html! { input type="hidden" name="csrf" value=(session.csrf); }
}

/// What becomes of whoever follows a link that is a button: a form of its own.
pub(super) fn button(session: &Session, action: &str, id: &str, class: &str, word: &str) -> Markup {
    html! {
        form method="post" action=(action) {
            (csrf(session))
            button type="submit" id=(id) class=(class) { (word) }
        }
    }
}

/// A sentence in a box.
pub(super) fn note(tone: Tone, title: &str, body: &Markup) -> Markup {
    let role = if tone == Tone::Bad { "alert" } else { "status" };
    html! {
        div class={ "note " (tone.class()) } role=(role) {
            p.title { (title) }
            (body)
        }
    }
}

/// A page of somebody who has signed in.
fn shell(session: &Session, here: Option<Place>, title: &str, body: &Markup) -> Markup {
    let caller = &session.caller;
    let body = html! {
        body {
            a.skip href="#main" { "Skip to the content" }
            div.frame {
                header.bar {
                    a.brand href="/console" { (mark()) span { "Provisioning" } }
                    nav aria-label="Main" {
                        ul {
                            @for place in Place::ALL {
                                li {
                                    a href=(place.path()) aria-current=[(here == Some(place)).then_some("page")] {
                                        (icon(place.strokes())) span { (place.name()) }
                                    }
                                }
                            }
                        }
                    }
                    div.who {
                        p {
                            span.name { (text(&caller.name)) }
                            span.role { (caller.role) " of " (caller.tenant) }
                        }
                        (button(session, "/console/sign-out", "sign-out", "plain", "Sign out"))
                    }
                }
                main id="main" tabindex="-1" { (body) }
            }
        }
    };
    document(title, &body)
}

impl Visit {
    /// A page with the notice of what was just done, where there is one.
    pub(super) fn page(&self, here: Place, title: &str, body: &Markup) -> Response {
        let done = said(self.query.text("done"));
        let whole = html! {
            @if let Some(done) = done { (note(Tone::Good, done, &html! {})) }
            (body)
        };
        answer(StatusCode::OK, shell(&self.session, Some(here), title, &whole))
    }

    /// Where a request ends that did something: back at a page, which says what was done.
    pub(super) fn done(&self, path: &str, what: &str) -> Response {
        super::guard::see_other(&format!("{path}?done={what}"))
    }
}

/// What was done, by the word in the address: no text of an address is ever shown.
fn said(word: &str) -> Option<&'static str> {
    Some(match word {
        "revoked" => "The agent was revoked. It gets no more work and its connection has ended.",
        "withdrawn" => "The code was withdrawn.",
        "joined" => "The agent answers for the group now.",
        "left" => "The agent answers for the group no more.",
        "created" => "The job was made. Say where it writes; then start it.",
        "saved" => "It is saved and holds from the next cycle on.",
        "reached" => "The service answered: its address and its token are good.",
        "started" => "The job was started.",
        "paused" => "The job is paused. Everything is kept; start it to go on.",
        "restarted" => "The job begins anew with its next cycle.",
        "allowed" => "The plan is allowed, once, and is being carried out.",
        "live" => "The job is live: from its next cycle on it writes.",
        "rejected" => "The plan was rejected: nothing was taken away, and the job is paused.",
        _ => return None,
    })
}

fn bad(title: &str, words: &str, back: &str) -> Markup {
    html! {
        h1 { (title) }
        div.note.bad role="alert" { p { (text(words)) } }
        p { a.button href=(back) { "Back to the overview" } }
    }
}

/// A refusal for somebody who has signed in.
pub(super) fn refused(session: &Session, status: StatusCode, title: &str, words: &str) -> Response {
    let body = bad(title, words, Place::Overview.path());
    answer(status, shell(session, None, title, &body))
}

/// A page for somebody who has not.
pub(super) fn bare(status: StatusCode, title: &str, words: &str) -> Response {
    answer(status, narrow(title, &bad(title, words, sign_in::PATH)))
}

/// A narrow page without navigation.
pub(super) fn narrow(title: &str, body: &Markup) -> Markup {
    let body = html! {
        body.narrow {
            main id="main" {
                div.brand { (mark()) span { "Provisioning" } }
                (body)
            }
        }
    };
    document(title, &body)
}

/// What went wrong, as a page.
pub(super) fn problem(session: Option<&Session>, problem: &Problem) -> Response {
    let title = match problem.status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::CONFLICT => "Not now",
        status if status.is_server_error() => "The service could not do it",
        _ => "That did not work",
    };
    let mut words = problem.detail.to_string();
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match session {
        Some(session) => refused(session, problem.status, title, &words),
        None => bare(problem.status, title, &words),
    }
}

/// Asks for the same page once more, from a page of ours.
pub(super) fn again(here: &str) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="refresh" content={ "0; url=" (super::guard::onward(here)) };
                title { "Provisioning" }
            }
            body { p { a href=(super::guard::onward(here)) { "Go on to the page" } } }
        }
    };
    answer(StatusCode::OK, page)
}

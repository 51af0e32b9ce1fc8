//! Agents: who they are, how they are, and how one gets in and out.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Path;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use secrecy::ExposeSecret as _;

use super::Answer;
use super::guard::Visit;
use super::layout::{Place, button, csrf, note};
use super::words::{self, Tone, badge, text, when};
use crate::agents::{Agent, AgentState, CodeSpec, NewCode};
use crate::problem::Problem;
use crate::tokens::Role;

/// Times that a code can be good for, in minutes.
const LIFETIMES: [(i64, &str); 4] =
    [(10, "10 minutes"), (30, "30 minutes"), (120, "2 hours"), (1_440, "a day")];

/// An agent with what only the running service knows of it.
pub(super) struct Known {
    pub(super) id: String,
    pub(super) agent: Agent,
    pub(super) state: AgentState,
    /// Requests that it was given, where it is connected.
    pub(super) connected: Option<u64>,
}

impl Known {
    /// Whether its certificate should have been renewed by now and was not.
    pub(super) fn overdue(&self, visit: &Visit, now: DateTime<Utc>) -> bool {
        let late = visit.app.agents.lifetimes().renew_before / 2;
        self.agent.certificate_expires().is_some_and(|expires| expires - now < late)
    }
}

/// The agents that are listed: those that were silent for ten days are not.
pub(super) async fn known(visit: &Visit, now: DateTime<Utc>) -> Result<Vec<Known>, super::Trouble> {
    let app = &visit.app;
    let tenant = &visit.session.caller.tenant;
    let connected: BTreeMap<String, u64> = app
        .hub
        .everywhere(tenant.as_str())
        .into_iter()
        .map(|status| (status.agent, status.served))
        .collect();
    let lifetimes = app.agents.lifetimes();
    let all = app.agents.list(tenant).await?.into_iter().map(|(id, agent)| Known {
        state: agent.state(now, &lifetimes),
        connected: connected.get(&id).copied(),
        id,
        agent,
    });
    let mut all: Vec<Known> = all.filter(|one| one.state != AgentState::Removed).collect();
    all.sort_by(|a, b| {
        let revoked = |one: &Known| one.state == AgentState::Revoked;
        (revoked(a), &a.agent.name, &a.id).cmp(&(revoked(b), &b.agent.name, &b.id))
    });
    Ok(all)
}

/// `GET /console/agents`
pub(super) async fn list(visit: Visit) -> Answer {
    let now = visit.app.clock.now();
    let all = known(&visit, now).await?;
    let tenant = &visit.session.caller.tenant;
    let groups: BTreeSet<String> =
        visit.app.agents.group_list(tenant).await?.into_iter().map(|(name, _)| name).collect();
    let codes = visit.app.agents.code_list(tenant).await?;
    let open: Vec<_> =
        codes.iter().filter(|(_, code)| code.used_by.is_none() && code.expires > now).collect();
    let admin = visit.session.may(Role::Admin);
    let body = html! {
        div.head {
            h1 { "Agents" }
            @if admin && !all.is_empty() { a.button.primary href="#new" { "Let an agent in" } }
        }
        section id="live" aria-label="Agents" hx-get="/console/agents" hx-trigger="every 5s"
            hx-select="#live" hx-swap="outerHTML" hx-headers=r#"{"X-Poll":"1"}"# {
            @if all.is_empty() {
                div.empty {
                    h2 { "No agent yet" }
                    p { "An agent runs beside the directory and opens one connection outwards, to this service. Nothing is opened in the firewall." }
                    p {
                        @if admin { "Make a code for it below, and give it the code." }
                        @else { "An administrator lets one in with a code that is made here." }
                    }
                }
            } @else {
                (table(&visit, now, &all))
            }
        }
        @if !open.is_empty() {
            section aria-labelledby="codes" {
                h2 id="codes" { "Codes that wait for their agent" }
                ul.rows {
                    @for (id, code) in &open {
                        li {
                            div {
                                @for group in &code.groups { span.chip { (text(group)) } " " }
                                @if !code.note.is_empty() { (text(&code.note)) " " }
                                span.soft { "good until " (words::clock(code.expires)) ", made " (when(now, code.created)) }
                            }
                            @if admin {
                                (button(&visit.session, &format!("/console/codes/{id}/withdraw"), &format!("withdraw-{id}"), "plain", "Withdraw"))
                            }
                        }
                    }
                }
            }
        }
        @if admin { (new_code(&visit, &groups)) }
    };
    Ok(visit.page(Place::Agents, "Agents", &body))
}

fn table(visit: &Visit, now: DateTime<Utc>, all: &[Known]) -> Markup {
    let admin = visit.session.may(Role::Admin);
    html! {
        div.panel {
            table role="table" {
                thead role="rowgroup" {
                    tr role="row" {
                        @for name in ["Agent", "State", "Groups", "Last bootstrap", "Certificate"] {
                            th role="columnheader" scope="col" { (name) }
                        }
                        @if admin { th role="columnheader" scope="col" { span.unseen { "What can be done" } } }
                    }
                }
                tbody role="rowgroup" {
                    @for one in all { (row(visit, now, one, admin)) }
                }
            }
        }
    }
}

fn row(visit: &Visit, now: DateTime<Utc>, one: &Known, admin: bool) -> Markup {
    let agent = &one.agent;
    let revoked = one.state == AgentState::Revoked;
    html! {
        tr role="row" class=[revoked.then_some("faded")] {
            th role="rowheader" scope="row" {
                strong { (text(&agent.name)) }
                span.soft { (text(&agent.hostname)) " · version " (text(&agent.version)) }
                @if agent.clock_ahead.abs() >= 300 {
                    span.warn-text { "Its clock is " (words::took(TimeDelta::seconds(agent.clock_ahead.abs()))) @if agent.clock_ahead > 0 { " ahead" } @else { " behind" } }
                }
            }
            td role="cell" data-name="State" {
                (words::agent_state(one.state, one.connected.is_some()))
                @if let Some(served) = one.connected { span.soft { (words::count(served, "request", "requests")) } }
            }
            td role="cell" data-name="Groups" {
                @if agent.groups.is_empty() { span.soft { "none, so it gets no work" } }
                @for group in &agent.groups { span.chip { (text(group)) } " " }
                @if !agent.directories.is_empty() {
                    span.soft { "reads " (words::visible(&agent.directories.join(", "))) }
                }
            }
            td role="cell" data-name="Last bootstrap" {
                @match agent.last_bootstrap { Some(at) => (when(now, at)), None => span.soft { "never" } }
            }
            td role="cell" data-name="Certificate" {
                @match agent.certificate_expires() {
                    Some(at) if at <= now => (badge(Tone::Bad, "Expired")),
                    Some(at) => {
                        span class=[one.overdue(visit, now).then_some("warn-text")] { "ends " (when(now, at)) }
                    }
                    None => span.soft { "none" },
                }
            }
            @if admin {
                td role="cell" class="act" {
                    @if !revoked {
                        a.button.plain href={ "/console/agents/" (one.id) "/revoke" }
                            aria-label={ "Revoke " (words::visible(&agent.name)) } { "Revoke" }
                    }
                }
            }
        }
    }
}

fn new_code(visit: &Visit, groups: &BTreeSet<String>) -> Markup {
    html! {
        section.panel.form id="new" aria-labelledby="new-title" {
            h2 id="new-title" { "Let an agent in" }
            p { "A code is good for one agent and is shown once. The agent answers for the group that is named here; a job reads its directory through a group." }
            form method="post" action="/console/codes" {
                (csrf(&visit.session))
                div.fields {
                    div {
                        label for="group" { "Group" }
                        input id="group" name="group" required maxlength="100" list="groups"
                            placeholder="corp.example.com" autocapitalize="none" spellcheck="false";
                        datalist id="groups" { @for group in groups { option value=(group) {} } }
                    }
                    div {
                        label for="lifetime" { "Good for" }
                        select id="lifetime" name="lifetime" {
                            @for (minutes, name) in LIFETIMES {
                                option value=(minutes) selected[minutes == 30] { (name) }
                            }
                        }
                    }
                    div.wide {
                        label for="note" { "Note" span.soft { " for people, may be empty" } }
                        input id="note" name="note" maxlength="100";
                    }
                }
                button type="submit" class="primary" { "Make a code" }
            }
        }
    }
}

/// `POST /console/codes`
pub(super) async fn create_code(visit: Visit) -> Answer {
    let minutes = visit.form.text("lifetime").parse().ok();
    let minutes =
        LIFETIMES.iter().find(|(known, _)| minutes == Some(*known)).map(|(known, _)| *known);
    let spec = CodeSpec {
        note: visit.form.text("note").to_owned(),
        groups: visit.form.some("group").map(str::to_owned).into_iter().collect(),
        lifetime: minutes.map(TimeDelta::minutes),
    };
    let caller = &visit.session.caller;
    let made = visit.app.agents.code_create(&caller.actor(), &caller.tenant, spec).await?;
    Ok(shown_once(&visit, &made))
}

fn shown_once(visit: &Visit, made: &NewCode) -> Response {
    let code = made.code.expose_secret();
    let command = format!("provisioning-agent setup --service {} --code {code}", visit.app.origin);
    let body = html! {
        div.head { h1 { "A code for one agent" } }
        div.note.warn role="status" {
            p.title { "It is shown this once" }
            p { "Only its digest is kept. It is good until " (words::clock(made.expires)) ", for one agent." }
        }
        section.panel.form aria-labelledby="how" {
            h2 id="how" { "On the machine beside the directory" }
            p { "Install the agent there, then run:" }
            pre.command id="command" { code { (command) } }
            button type="button" class="plain" data-copy="command" hidden { "Copy the command" }
            p { "The agent makes a key that never leaves its machine and is in the list of agents a moment later." }
        }
        p { a.button.primary href="/console/agents" { "To the agents" } }
    };
    visit.page(Place::Agents, "A code for one agent", &body)
}

/// `POST /console/codes/{id}/withdraw`
pub(super) async fn withdraw_code(visit: Visit, Path(id): Path<String>) -> Answer {
    let caller = &visit.session.caller;
    visit.app.agents.code_delete(&caller.actor(), &caller.tenant, &id).await?;
    Ok(visit.done("/console/agents", "withdrawn"))
}

/// `GET /console/agents/{id}/revoke`
pub(super) async fn confirm(visit: Visit, Path(id): Path<String>) -> Answer {
    let found = visit.app.agents.find(&visit.session.caller.tenant, &id).await?;
    let agent = found.ok_or_else(|| Problem::not_found("such agent"))?;
    let body = html! {
        div.head { h1 { "Revoke " (text(&agent.name)) "?" } }
        (note(Tone::Warn, "This cannot be taken back", &html! {
            p { "Its connection ends and its certificate is refused for good. To let the same machine in again, it needs a new code." }
        }))
        dl.facts {
            div { dt { "Host" } dd { (text(&agent.hostname)) } }
            div { dt { "Groups" } dd { @if agent.groups.is_empty() { "none" } @for group in &agent.groups { span.chip { (text(group)) } " " } } }
            div { dt { "Id" } dd { code { (id) } } }
        }
        div.actions {
            (button(&visit.session, &format!("/console/agents/{id}/revoke"), "revoke", "danger", "Revoke the agent"))
            a.button.plain href="/console/agents" { "Keep it" }
        }
    };
    Ok(visit.page(Place::Agents, "Revoke an agent", &body))
}

/// `POST /console/agents/{id}/revoke`
pub(super) async fn revoke(visit: Visit, Path(id): Path<String>) -> Answer {
    let caller = &visit.session.caller;
    visit.app.agents.revoke(&caller.actor(), &caller.tenant, &id).await?;
    visit.app.hub.disconnect(caller.tenant.as_str(), &id, "the agent was revoked");
    Ok(visit.done("/console/agents", "revoked"))
}

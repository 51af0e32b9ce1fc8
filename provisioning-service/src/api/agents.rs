//! `/api/agents` and `/api/codes`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Access, Body, Endpoint};
use crate::agents::{Agent, AgentState, Code, CodeSpec};
use crate::app::App;
use crate::problem::Problem;
use crate::tokens::{Caller, Role};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (reader, admin) = (Access::Role(Role::Reader), Access::Role(Role::Admin));
    vec![
        Endpoint::new(Method::GET, "/api/agents", reader, "listAgents", list),
        Endpoint::new(Method::GET, "/api/agents/{id}", reader, "getAgent", get),
        Endpoint::new(Method::POST, "/api/agents/{id}/revoke", admin, "revokeAgent", revoke),
        Endpoint::new(Method::GET, "/api/codes", reader, "listCodes", codes),
        Endpoint::new(Method::POST, "/api/codes", admin, "createCode", create_code),
        Endpoint::new(Method::DELETE, "/api/codes/{id}", admin, "deleteCode", delete_code),
    ]
}

/// An agent as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    hostname: String,
    version: String,
    state: AgentState,
    connected: bool,
    groups: BTreeSet<String>,
    directories: Vec<String>,
    enrolled: DateTime<Utc>,
    last_bootstrap: Option<DateTime<Utc>>,
    clock_ahead_seconds: i64,
    certificate_expires: Option<DateTime<Utc>>,
    requests_served: u64,
}

fn shown(app: &App, caller: &Caller, agents: Vec<(String, Agent)>) -> Vec<Shown> {
    let now = app.clock.now();
    let connected: BTreeMap<String, u64> = app
        .hub
        .everywhere(caller.tenant.as_str())
        .into_iter()
        .map(|status| (status.agent, status.served))
        .collect();
    agents
        .into_iter()
        .map(|(id, agent)| Shown {
            state: agent.state(now, &app.agents.lifetimes()),
            connected: connected.contains_key(&id),
            requests_served: connected.get(&id).copied().unwrap_or(0),
            certificate_expires: agent.certificate_expires(),
            id,
            name: agent.name,
            hostname: agent.hostname,
            version: agent.version,
            groups: agent.groups,
            directories: agent.directories,
            enrolled: agent.enrolled,
            last_bootstrap: agent.last_bootstrap,
            clock_ahead_seconds: agent.clock_ahead,
        })
        .collect()
}

/// Agents that have been silent for ten days are not in the list, but can be asked for by id.
async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Problem> {
    let mut agents = shown(&app, &caller, app.agents.list(&caller.tenant).await?);
    agents.retain(|agent| agent.state != AgentState::Removed);
    Ok(Json(json!({ "agents": agents })))
}

async fn get(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Json<Shown>, Problem> {
    let agent = app.agents.find(&caller.tenant, &id).await?;
    let agent = agent.ok_or_else(|| Problem::not_found("such agent"))?;
    let one = shown(&app, &caller, vec![(id, agent)]).pop();
    one.map(Json).ok_or_else(|| Problem::not_found("such agent"))
}

async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.agents.revoke(&caller.actor(), &caller.tenant, &id).await?;
    app.hub.disconnect(caller.tenant.as_str(), &id, "the agent was revoked");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize)]
struct ShownCode {
    id: String,
    #[serde(flatten)]
    code: Code,
}

async fn codes(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Problem> {
    let codes = app.agents.code_list(&caller.tenant).await?;
    let codes: Vec<_> = codes.into_iter().map(|(id, code)| ShownCode { id, code }).collect();
    Ok(Json(json!({ "codes": codes })))
}

/// What a code is asked for with; all of it may be left out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewCodeRequest {
    #[serde(default)]
    note: String,
    #[serde(default)]
    groups: BTreeSet<String>,
    lifetime_seconds: Option<u32>,
}

async fn create_code(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<NewCodeRequest>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let spec = CodeSpec {
        note: request.note,
        groups: request.groups,
        lifetime: request.lifetime_seconds.map(|seconds| TimeDelta::seconds(seconds.into())),
    };
    let made = app.agents.code_create(&caller.actor(), &caller.tenant, spec).await?;
    let answer = json!({
        "id": made.id,
        "code": made.code.expose_secret(),
        "expires": made.expires,
        "service": app.origin,
    });
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn delete_code(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.agents.code_delete(&caller.actor(), &caller.tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/groups`: agent groups and who is in them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Access, Body, Endpoint};
use crate::app::App;
use crate::gateway::look;
use crate::problem::Problem;
use crate::tokens::{Caller, Role};

pub(super) fn endpoints() -> Vec<Endpoint> {
    const GROUP: &str = "/api/groups/{group}";
    const MEMBER: &str = "/api/groups/{group}/agents/{id}";
    let (reader, operator) = (Access::Role(Role::Reader), Access::Role(Role::Operator));
    vec![
        Endpoint::new(Method::GET, "/api/groups", reader, "listGroups", list),
        Endpoint::new(Method::PUT, GROUP, operator, "putGroup", put),
        Endpoint::new(Method::DELETE, GROUP, operator, "deleteGroup", delete),
        Endpoint::new(Method::PUT, MEMBER, operator, "joinGroup", join),
        Endpoint::new(Method::DELETE, MEMBER, operator, "leaveGroup", leave),
    ]
}

async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Problem> {
    let agents = app.agents.list(&caller.tenant).await?;
    let groups = app.agents.group_list(&caller.tenant).await?;
    let groups: Vec<Value> = groups
        .into_iter()
        .map(|(name, group)| {
            let members: Vec<&str> = agents
                .iter()
                .filter(|(_, agent)| agent.revoked.is_none() && agent.groups.contains(&name))
                .map(|(id, _)| id.as_str())
                .collect();
            json!({"name": name, "note": group.note, "agents": members})
        })
        .collect();
    Ok(Json(json!({ "groups": groups })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupRequest {
    #[serde(default)]
    note: String,
}

async fn put(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(group): Path<String>,
    Body(request): Body<GroupRequest>,
) -> Result<StatusCode, Problem> {
    app.agents.group_put(&caller.actor(), &caller.tenant, &group, &request.note).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(group): Path<String>,
) -> Result<StatusCode, Problem> {
    app.agents.group_delete(&caller.actor(), &caller.tenant, &group).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn join(
    state: State<Arc<App>>,
    caller: Extension<Caller>,
    path: Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    member(state, caller, path, true).await
}

async fn leave(
    state: State<Arc<App>>,
    caller: Extension<Caller>,
    path: Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    member(state, caller, path, false).await
}

async fn member(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path((group, id)): Path<(String, String)>,
    member: bool,
) -> Result<StatusCode, Problem> {
    app.agents.group_member(&caller.actor(), &caller.tenant, &group, &id, member).await?;
    // A connected agent answers for its new groups at once.
    look(&app).await;
    Ok(StatusCode::NO_CONTENT)
}

//! `/api/tokens`: administrators' tokens.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Access, Body, Endpoint};
use crate::app::App;
use crate::problem::Problem;
use crate::tokens::{Caller, Role, TokenSpec};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let admin = Access::Role(Role::Admin);
    vec![
        Endpoint::new(Method::GET, "/api/tokens", admin, "listTokens", list),
        Endpoint::new(Method::POST, "/api/tokens", admin, "createToken", create),
        Endpoint::new(Method::DELETE, "/api/tokens/{id}", admin, "revokeToken", revoke),
    ]
}

async fn list(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Value>, Problem> {
    let tokens = app.tokens.list(Some(&caller.tenant)).await?;
    let tokens: Vec<Value> = tokens
        .into_iter()
        .map(|(id, token)| {
            json!({
                "id": id,
                "name": token.name,
                "role": token.role,
                "created": token.created,
                "expires": token.expires,
                "revoked": token.revoked,
                "lastUsed": token.last_used,
            })
        })
        .collect();
    Ok(Json(json!({ "tokens": tokens })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRequest {
    name: String,
    role: Role,
    expires: Option<DateTime<Utc>>,
}

async fn create(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Body(request): Body<TokenRequest>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let spec = TokenSpec { name: request.name, role: request.role, expires: request.expires };
    let made = app.tokens.create(&caller.actor(), &caller.tenant, spec).await?;
    let answer = json!({"id": made.id, "token": made.plain.expose_secret()});
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn revoke(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    if app.tokens.revoke(&caller.actor(), Some(&caller.tenant), &id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("such token that is not revoked"))
    }
}

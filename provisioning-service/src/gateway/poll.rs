//! The long poll, for agents whose network does not let WebSockets through.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode};
use scim_sync_link::long_poll::{MAX_BATCH, Refusal};

use super::LinkedAgent;
use super::channel::{attach, old_enough};
use crate::app::App;
use crate::problem::Problem;

/// `POST /agent/poll`
pub(crate) async fn poll(
    State(app): State<Arc<App>>,
    Extension(LinkedAgent(granted)): Extension<LinkedAgent>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    old_enough(&app, &granted)?;
    let owner = owner(&granted.tenant, &granted.agent_id);
    let polled = app.sessions.poll(&owner, &headers).await?;
    if let Some(connection) = polled.opened {
        tokio::spawn(attach(Arc::clone(&app), granted, connection));
    }
    Ok(polled.response.map(Body::from).into_response())
}

/// `POST /agent/result/{id}`
pub(crate) async fn result(
    State(app): State<Arc<App>>,
    Extension(LinkedAgent(granted)): Extension<LinkedAgent>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = to_bytes(body, MAX_BATCH).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the batch is too large, or was cut off")
    })?;
    let owner = owner(&granted.tenant, &granted.agent_id);
    let taken = app.sessions.result(&owner, &session, &headers, body).await?;
    Ok(taken.map(Body::from).into_response())
}

/// Neither part has a line break in it.
fn owner(tenant: &crate::tenant::TenantId, agent: &str) -> String {
    format!("{tenant}\n{agent}")
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.status, refusal.detail)
    }
}

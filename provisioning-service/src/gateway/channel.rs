//! The WebSocket that carries a link, and what all that carry one do.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use http::StatusCode;
use scim_sync_link::websocket::{self, MAX_MESSAGE, PROTOCOL, Received};
use scim_sync_link::{AgentIdentity, Connection};

use super::LinkedAgent;
use super::credential::Granted;
use super::handlers::is_older;
use crate::app::App;
use crate::problem::Problem;
use crate::tenant::TenantId;

/// The agents whose links are open here.
#[derive(Debug, Default)]
pub(crate) struct Links {
    open: Mutex<Vec<(TenantId, String)>>,
}

impl Links {
    /// Each agent once.
    pub(crate) fn agents(&self) -> BTreeSet<(TenantId, String)> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn opened(&self, tenant: &TenantId, agent: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.push((tenant.clone(), agent.to_owned()));
    }

    fn closed(&self, tenant: &TenantId, agent: &str) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // An agent that reconnects has two for a moment.
        if let Some(at) = open.iter().position(|(t, a)| t == tenant && a == agent) {
            open.swap_remove(at);
        }
    }
}

/// `GET /agent/channel`
pub(crate) async fn connect(
    State(app): State<Arc<App>>,
    Extension(LinkedAgent(granted)): Extension<LinkedAgent>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    old_enough(&app, &granted)?;
    let upgrade = upgrade
        .map_err(|_| Problem::invalid("this is for the upgrade to a WebSocket, version 13"))?
        .protocols([PROTOCOL])
        .max_message_size(MAX_MESSAGE)
        .max_frame_size(MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        return Err(Problem::invalid("the link needs the WebSocket subprotocol sync-link.1"));
    }
    Ok(upgrade.on_upgrade(move |socket| attach(app, granted, carry(socket))))
}

/// Whether the agent's program is one that gets work.
pub(super) fn old_enough(app: &App, granted: &Granted) -> Result<(), Problem> {
    let minimum = &app.config.minimum_agent_version;
    if is_older(&granted.agent.version, minimum) {
        let detail = format!("the agent is too old; the service needs {minimum} at least");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(())
}

/// Runs the link of an agent over a connection, to its end.
pub(super) async fn attach(app: Arc<App>, granted: Granted, connection: Connection) {
    let (tenant, id) = (granted.tenant, granted.agent_id);
    let mut identity = AgentIdentity::new(tenant.as_str(), id.clone()).valid_for(granted.left);
    identity.groups = granted.agent.groups;
    let transport = connection.transport().to_owned();
    tracing::info!(%tenant, agent = id, transport, "an agent is connected");
    app.links.opened(&tenant, &id);
    let ended = app.hub.attach(identity, connection).await;
    app.links.closed(&tenant, &id);
    tracing::info!(%tenant, agent = id, code = ?ended.code, reason = %ended, "an agent's link has ended");
}

/// A WebSocket as what the link needs.
fn carry(socket: WebSocket) -> Connection {
    websocket::wrap(socket, Message::Binary, |message| match message {
        Message::Binary(bytes) => Received::Message(bytes),
        Message::Text(_) => Received::Foreign,
        // Answered by the WebSocket itself.
        Message::Ping(_) | Message::Pong(_) => Received::Nothing,
        Message::Close(frame) => {
            Received::Closed(frame.map(|frame| frame.reason.to_string()).unwrap_or_default())
        }
    })
}

//! The WebSocket that carries a link.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use scim_sync_link::{AgentIdentity, Connection, TransportError};

use super::LinkedAgent;
use super::handlers::is_older;
use crate::app::App;
use crate::problem::Problem;
use crate::tenant::TenantId;

/// The subprotocol, whose number grows when old agents could not follow.
const PROTOCOL: &str = "sync-link.1";

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
    let minimum = &app.config.minimum_agent_version;
    if is_older(&granted.agent.version, minimum) {
        let detail = format!("the agent is too old; the service needs {minimum} at least");
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    let upgrade = upgrade
        .map_err(|_| Problem::invalid("this is for the upgrade to a WebSocket, version 13"))?
        .protocols([PROTOCOL])
        .max_message_size(scim_sync_link::frame::MAX_MESSAGE)
        .max_frame_size(scim_sync_link::frame::MAX_MESSAGE);
    if upgrade.selected_protocol().is_none() {
        return Err(Problem::invalid("the link needs the WebSocket subprotocol sync-link.1"));
    }
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (tenant, id) = (granted.tenant, granted.agent_id);
        let mut identity = AgentIdentity::new(tenant.as_str(), id.clone()).valid_for(granted.left);
        identity.groups = granted.agent.groups;
        tracing::info!(%tenant, agent = id, "an agent is connected");
        app.links.opened(&tenant, &id);
        let ended = app.hub.attach(identity, carry(socket)).await;
        app.links.closed(&tenant, &id);
        tracing::info!(%tenant, agent = id, code = ?ended.code, reason = %ended, "an agent's link has ended");
    }))
}

/// A WebSocket as what the link needs: binary messages both ways.
fn carry(socket: WebSocket) -> Connection {
    let (sending, receiving) = socket.split();
    let outgoing = sending
        .sink_map_err(TransportError::new)
        .with(|message: Bytes| ready(Ok::<_, TransportError>(Message::Binary(message))));
    let incoming = receiving.filter_map(|message| {
        ready(match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(Message::Text(_)) => Some(Err(TransportError::new("a text message"))),
            // Answered by the WebSocket itself; after a close the stream ends.
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => None,
            Err(error) => Some(Err(TransportError::new(error))),
        })
    });
    Connection::new("websocket", outgoing, incoming)
}

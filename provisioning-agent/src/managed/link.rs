//! The link, by whichever of the ways that the service offers gets through.

use anyhow::{Context as _, Result, bail};
use scim_sync_link::gateway::{BootstrapResponse, LinkKind};
use scim_sync_link::websocket::{Dial, Proxy};
use scim_sync_link::{Agent, Connection, Control, Ended, long_poll};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use super::way::Way;
use crate::identity::Identity;

/// A connection, and why it is not the one that the service prefers.
pub(crate) struct Connected {
    pub(crate) connection: Connection,
    /// In words, when another way was tried before it.
    pub(crate) instead_of: Option<String>,
}

/// Connects by the first of the ways that gets through.
///
/// # Errors
/// Why none of them did.
pub(crate) async fn connect(
    way: &Way<'_>,
    identity: &Identity,
    answer: &BootstrapResponse,
    control: &Control,
) -> Result<Connected> {
    let mut failed = Vec::new();
    for endpoint in &answer.links {
        let dial = dial(way, identity, answer, &endpoint.url)?;
        let dialled = match endpoint.kind {
            LinkKind::WebSocket => dial.connect().await,
            LinkKind::LongPoll => long_poll::connect(&dial, control).await,
            kind => {
                tracing::debug!(?kind, "the service offers a link that this agent does not use");
                continue;
            }
        };
        match dialled {
            Ok(connection) => {
                let instead_of = (!failed.is_empty()).then(|| failed.join("; "));
                return Ok(Connected { connection, instead_of });
            }
            Err(error) => failed.push(error.to_string()),
        }
    }
    // The same trouble needs to be told once.
    failed.dedup();
    if failed.is_empty() {
        bail!("the service offers none that this agent knows: install a newer agent");
    }
    bail!("{}", failed.join("; "))
}

/// Tries the WebSocket again, for an agent that is linked another way.
pub(crate) async fn websocket(
    way: &Way<'_>,
    identity: &Identity,
    answer: &BootstrapResponse,
) -> Option<Connection> {
    let endpoint = answer.links.iter().find(|endpoint| endpoint.kind == LinkKind::WebSocket)?;
    let dialled = async {
        Ok::<_, anyhow::Error>(dial(way, identity, answer, &endpoint.url)?.connect().await?)
    };
    match dialled.await {
        Ok(connection) => Some(connection),
        Err(error) => {
            tracing::debug!("WebSockets do not get through yet: {error:#}");
            None
        }
    }
}

fn dial(way: &Way<'_>, identity: &Identity, answer: &BootstrapResponse, url: &str) -> Result<Dial> {
    let url = Url::parse(url).with_context(|| format!("the service names {url:?} for the link"))?;
    let proxy = way.proxy().map(|proxy| Proxy::parse(proxy.as_str())).transpose()?;
    let dial = Dial::new(url, way.tls(identity)?);
    Ok(dial.with_credential(answer.credential.clone()).with_proxy(proxy))
}

/// What carries a link as it should be.
const WEBSOCKET: &str = "websocket";

/// A link that is served.
pub(crate) struct Link {
    task: JoinHandle<Ended>,
    pub(crate) since: Instant,
    pub(crate) transport: String,
}

impl Link {
    /// Serves a connection; `beside` an older one that is served still.
    pub(crate) fn serve(
        agent: &Agent,
        control: &Control,
        connection: Connection,
        beside: bool,
    ) -> Self {
        let transport = connection.transport().to_owned();
        let (agent, control) = (agent.clone(), control.clone());
        let task = tokio::spawn(async move {
            if beside {
                agent.serve_beside(connection, &control).await
            } else {
                agent.serve(connection, &control).await
            }
        });
        Self { task, since: Instant::now(), transport }
    }

    /// Whether it is carried by what is used when WebSockets do not get through.
    pub(crate) fn is_fallback(&self) -> bool {
        self.transport != WEBSOCKET
    }

    /// Waits for its end, in words. The link is not to be waited for again.
    pub(crate) async fn ended(&mut self) -> Result<Ended, String> {
        (&mut self.task).await.map_err(|error| format!("the link broke down: {error}"))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

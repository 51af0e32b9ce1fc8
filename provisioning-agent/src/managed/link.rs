//! The link, by whichever of the ways that the service offers gets through.

use anyhow::{Context as _, Result, bail};
use scim_sync_link::gateway::{BootstrapResponse, LinkKind};
use scim_sync_link::websocket::{Dial, Proxy};
use scim_sync_link::{Agent, Connection, Control, Ended};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use super::way::Way;
use crate::identity::Identity;

/// Connects by the first of the ways that gets through.
///
/// # Errors
/// Why none of them did.
pub(crate) async fn connect(
    way: &Way<'_>,
    identity: &Identity,
    answer: &BootstrapResponse,
) -> Result<Connection> {
    let tls = way.tls(identity)?;
    let mut failed = Vec::new();
    for endpoint in &answer.links {
        let url = Url::parse(&endpoint.url)
            .with_context(|| format!("the service names {:?} for the link", endpoint.url))?;
        match endpoint.kind {
            LinkKind::WebSocket => {
                let proxy = way.proxy().map(|proxy| Proxy::parse(proxy.as_str())).transpose()?;
                let dial = Dial::new(url, tls.clone())
                    .with_credential(answer.credential.clone())
                    .with_proxy(proxy);
                match dial.connect().await {
                    Ok(connection) => return Ok(connection),
                    Err(error) => failed.push(error.to_string()),
                }
            }
            kind => {
                tracing::debug!(?kind, "the service offers a link that this agent does not use")
            }
        }
    }
    if failed.is_empty() {
        bail!("the service offers none that this agent knows: install a newer agent");
    }
    bail!("{}", failed.join("; "))
}

/// A link that is served.
pub(crate) struct Link {
    task: JoinHandle<Ended>,
    pub(crate) since: Instant,
    pub(crate) transport: String,
}

impl Link {
    /// Serves a connection.
    pub(crate) fn serve(agent: &Agent, control: &Control, connection: Connection) -> Self {
        let transport = connection.transport().to_owned();
        let (agent, control) = (agent.clone(), control.clone());
        let task = tokio::spawn(async move { agent.serve(connection, &control).await });
        Self { task, since: Instant::now(), transport }
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

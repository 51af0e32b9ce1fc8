//! This service as one of several replicas, with NATS between them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use scim_sync_link::nats::{Nats, NatsConfig, ReplicaOptions, Replicas};
use scim_sync_link::{Backplane, Hub};
use secrecy::SecretString;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// Before the others are looked for again.
const AGAIN: Duration = Duration::from_secs(10);

/// The other replicas, before this one has a hub.
#[derive(Debug, Clone)]
pub struct Others(Replicas);

impl Others {
    /// Begins to connect to NATS, where the configuration names one. This replica works meanwhile, with its own agents.
    ///
    /// # Errors
    /// Where a file cannot be read, or the settings make no sense.
    pub async fn find(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(servers) = &config.nats else { return Ok(None) };
        let read = |path: &std::path::Path| {
            std::fs::read_to_string(path)
                .with_context(|| format!("{} cannot be read", path.display()))
        };
        let mut nats = NatsConfig::new(servers.clone());
        nats.credentials =
            config.nats_credentials.as_deref().map(read).transpose()?.map(SecretString::from);
        nats.ca_pem = config.nats_ca.as_deref().map(read).transpose()?;
        let nats = Nats::begin(&nats).await?;
        let mut options = ReplicaOptions::default();
        options.prefix.clone_from(&config.nats_prefix);
        Ok(Some(Self(Replicas::new(nats, options))))
    }

    /// For the hub.
    #[must_use]
    pub fn backplane(&self) -> Arc<dyn Backplane> {
        Arc::new(self.0.clone())
    }

    /// Answers the others with the agents of a hub, until `stop`.
    pub fn join(&self, hub: &Hub, stop: CancellationToken) -> JoinHandle<()> {
        let (replicas, hub) = (self.0.clone(), hub.clone());
        tokio::spawn(async move {
            tracing::info!(replica = replicas.name(), "one of several replicas");
            while let Err(error) = replicas.run(&hub, stop.clone()).await {
                tracing::error!(%error, "this replica is alone; it looks for the others again");
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        })
    }
}

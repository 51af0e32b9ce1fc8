//! The way from this agent to its service, with whatever identity it has.

use std::sync::Arc;

use anyhow::Result;
use scim_sync_link::gateway::BootstrapRequest;
use url::Url;

use super::gateway::Gateway;
use super::{proxy, tls};
use crate::clock;
use crate::config::{ManagedConfig, Process};
use crate::enroll::hostname;
use crate::identity::Identity;

/// What every connection to the service is made from.
pub(crate) struct Way<'a> {
    config: &'a ManagedConfig,
    proxy: Option<Url>,
    hostname: String,
}

impl<'a> Way<'a> {
    /// # Errors
    /// Where the proxy cannot be one.
    pub(crate) fn new(config: &'a ManagedConfig) -> Result<Self> {
        let settings = &config.settings;
        let proxy = proxy::of(&settings.proxy, &settings.service, &Process)?;
        Ok(Self { config, proxy, hostname: hostname() })
    }

    pub(crate) fn service(&self) -> &'a Url {
        &self.config.settings.service
    }

    pub(crate) fn proxy(&self) -> Option<&Url> {
        self.proxy.as_ref()
    }

    pub(crate) fn tls(&self, identity: &Identity) -> Result<Arc<rustls::ClientConfig>> {
        tls::of_identity(self.config, identity)
    }

    pub(crate) fn gateway(&self, identity: &Identity) -> Result<Gateway> {
        let tls = Arc::unwrap_or_clone(self.tls(identity)?);
        Gateway::new(self.service(), tls, self.proxy(), Some(identity))
    }

    /// What the agent says of itself.
    pub(crate) fn hello(&self) -> BootstrapRequest {
        let sources = &self.config.settings.sources;
        BootstrapRequest {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: self.hostname.clone(),
            directories: sources.iter().map(|source| source.name.clone()).collect(),
            clock: clock::now(),
        }
    }
}

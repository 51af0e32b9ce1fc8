//! The way from a job to the agents: a relay of the remote connector over the hub.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use scim_sync_connectors::remote::{Relay, RelayBody, RelayError};
use scim_sync_link::{GroupKey, Hub, LinkError, RequestOptions};

use crate::tenant::TenantId;

/// Makes the relays of jobs.
#[derive(Debug, Clone)]
pub struct HubSources {
    hub: Hub,
}

impl HubSources {
    /// Over this hub.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self { hub }
    }

    /// What carries requests to the agents of a group. That there is none shows when it is used.
    #[must_use]
    pub fn relay(&self, tenant: &TenantId, group: &str) -> Arc<dyn Relay> {
        Arc::new(HubRelay { hub: self.hub.clone(), group: GroupKey::new(tenant.as_str(), group) })
    }
}

struct HubRelay {
    hub: Hub,
    group: GroupKey,
}

#[async_trait]
impl Relay for HubRelay {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        let mut options = RequestOptions::within(deadline);
        options.total = Some(deadline);
        let answer = self.hub.request(&self.group, request, options).await.map_err(relay_error)?;
        Ok(answer.map(|body| body.map(|piece| piece.map_err(relay_error)).boxed()))
    }
}

/// What the link says, as the connector understands it.
fn relay_error(error: LinkError) -> RelayError {
    let text = error.to_string();
    match error {
        LinkError::TooLarge => RelayError::TooLarge(text),
        LinkError::Protocol(_) => RelayError::Protocol(text),
        _ => RelayError::Unreachable(text),
    }
}

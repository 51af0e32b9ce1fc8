//! The seam between several replicas of a service.

use async_trait::async_trait;
use bytes::Bytes;

use super::{AgentStatus, Answer, GroupKey, RequestOptions};
use crate::error::LinkError;

/// Reaches the agents that are connected to other replicas.
#[async_trait]
pub trait Backplane: Send + Sync + 'static {
    /// Sends a request to a replica that has an agent of the group, which answers it with
    /// [`Hub::request_here`](super::Hub::request_here).
    ///
    /// # Errors
    /// [`LinkError::NoAgent`] when no replica has one, and whatever the other replica came to.
    async fn request(
        &self,
        group: &GroupKey,
        request: http::Request<Bytes>,
        options: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError>;

    /// The number of agents of a group that are connected here and take requests has changed.
    fn present(&self, group: &GroupKey, agents: usize);

    /// The agents of a tenant that are connected to other replicas, as far as is known.
    fn agents(&self, tenant: &str) -> Vec<AgentStatus> {
        let _ = tenant;
        Vec::new()
    }
}

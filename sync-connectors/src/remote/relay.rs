//! What carries requests to an agent.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use scim_sync::ConnectorError;

/// The body of an answer, in pieces of any size.
pub type RelayBody = BoxStream<'static, Result<Bytes, RelayError>>;

/// The way to the agents that answer for a directory.
#[async_trait]
pub trait Relay: Send + Sync {
    /// Gives a request to one agent and answers with what it answers; at most one agent gets it, once.
    ///
    /// `deadline` is how long to wait for the answer to begin, and for each further part of it that is asked for. A body
    /// that could not be had whole ends with an error, never with its end. Dropping the body cancels the request.
    ///
    /// # Errors
    /// Any [`RelayError`].
    async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError>;
}

/// Why there is no answer, or no whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelayError {
    /// No agent is there, the connection to it broke, it had no time, or the deadline passed: it may work later.
    #[error("{0}")]
    Unreachable(String),
    /// The request or the answer is larger than what is carried.
    #[error("{0}")]
    TooLarge(String),
    /// The agent broke the rules of the link.
    #[error("{0}")]
    Protocol(String),
}

impl From<RelayError> for ConnectorError {
    fn from(error: RelayError) -> Self {
        match error {
            RelayError::Unreachable(text) => Self::Unreachable(text),
            RelayError::TooLarge(text) => Self::Incomplete(text),
            RelayError::Protocol(text) => Self::Protocol(text),
        }
    }
}

//! A connection between agent and service, whatever carries it.

use std::{fmt, pin::Pin, time::Duration};

use bytes::Bytes;
use futures::{Sink, SinkExt as _, Stream, StreamExt as _, stream::BoxStream};

/// Why a transport stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(String);

impl TransportError {
    /// In words, for the log; no secrets.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

pub(crate) type Outgoing = Pin<Box<dyn Sink<Bytes, Error = TransportError> + Send>>;
pub(crate) type Incoming = BoxStream<'static, Result<Bytes, TransportError>>;

/// A transport that carries messages (encoded frames) both ways, and nothing else.
///
/// It should keep messages whole and in order, refuse those above [`MAX_MESSAGE`](crate::frame::MAX_MESSAGE), and slow the
/// sender when the receiver does not read. Messages that get lost, doubled or out of order end the link or are put right;
/// they are never taken for something else.
pub struct Connection {
    pub(crate) outgoing: Outgoing,
    pub(crate) incoming: Incoming,
    transport: String,
}

impl Connection {
    /// Joins the two directions of a transport; `transport` names it for people (`websocket`).
    pub fn new<O, I>(transport: impl Into<String>, outgoing: O, incoming: I) -> Self
    where
        O: Sink<Bytes, Error = TransportError> + Send + 'static,
        I: Stream<Item = Result<Bytes, TransportError>> + Send + 'static,
    {
        Self {
            outgoing: Box::pin(outgoing),
            incoming: incoming.boxed(),
            transport: transport.into(),
        }
    }

    /// What carries it.
    #[must_use]
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// Sends one message outside of a link, for tests of transports.
    ///
    /// # Errors
    /// When the transport has stopped.
    pub async fn send(&mut self, message: Bytes) -> Result<(), TransportError> {
        self.outgoing.send(message).await
    }

    /// Receives one message outside of a link, for tests of transports; `None` at the end.
    pub async fn receive(&mut self) -> Option<Result<Bytes, TransportError>> {
        self.incoming.next().await
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// When a silent link is pinged and when it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Between two pings; 20 seconds.
    pub ping: Duration,
    /// Without any frame from the other side; 60 seconds.
    pub dead: Duration,
    /// To the other side's hello; 10 seconds.
    pub hello: Duration,
    /// For a frame that others have overtaken; 10 seconds.
    pub hole: Duration,
    /// For the last frames when a link ends; 5 seconds.
    pub farewell: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(20),
            dead: Duration::from_secs(60),
            hello: Duration::from_secs(10),
            hole: Duration::from_secs(10),
            farewell: Duration::from_secs(5),
        }
    }
}

//! The seam to the network: one HTTP exchange.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

#[cfg(feature = "reqwest")]
pub use crate::transport_reqwest::{ReqwestBuilder, ReqwestTransport};

/// Carries one request to the peer and brings its answer back.
///
/// An implementation does nothing else: it follows no redirect, repeats no request, adds no credentials and judges no
/// status. All of that is decided above it, in one place. It must hand over the body undecoded by media type, but with
/// any content encoding that it announced itself undone, and it must bound the body (see [`TransportErrorKind::TooLarge`]).
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`TransportError`], whose kind says whether the peer may have acted on the request.
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError>;
}

#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    async fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, TransportError> {
        (**self).send(request).await
    }
}

/// How far an exchange came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransportErrorKind {
    /// No connection: name, port, TLS. The peer has not seen the request.
    Connect,
    /// The request may have reached the peer, and its answer is lost: a reset, a close or a broken body.
    Lost,
    /// No answer within the time. The request may have reached the peer.
    Timeout,
    /// The answer's body is larger than the transport is set to accept. The peer has acted.
    TooLarge,
    /// The request could not be formed; nothing was sent.
    Request,
}

/// An exchange that brought no answer.
#[derive(Clone, Debug)]
pub struct TransportError {
    kind: TransportErrorKind,
    source: Arc<dyn StdError + Send + Sync>,
}

impl TransportError {
    /// An error of this kind, with what caused it.
    pub fn new(
        kind: TransportErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { kind, source: Arc::from(source.into()) }
    }

    /// How far the exchange came.
    #[must_use]
    pub fn kind(&self) -> TransportErrorKind {
        self.kind
    }

    /// Whether the peer may have acted on the request.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        !matches!(self.kind, TransportErrorKind::Connect | TransportErrorKind::Request)
    }

    /// Whether the same exchange may succeed later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        !matches!(self.kind, TransportErrorKind::TooLarge | TransportErrorKind::Request)
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TransportErrorKind::Connect => "no connection",
            TransportErrorKind::Lost => "the answer was lost",
            TransportErrorKind::Timeout => "no answer in time",
            TransportErrorKind::TooLarge => "the answer is too large",
            TransportErrorKind::Request => "the request cannot be sent",
        })?;
        // The causes of HTTP libraries say the useful part last ("connection refused").
        let mut cause: Option<&dyn StdError> = Some(self.source.as_ref());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for TransportError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(self.source.as_ref())
    }
}

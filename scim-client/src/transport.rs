//! The seam to the network: one HTTP exchange.

#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod body;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod settings;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
#[cfg(feature = "reqwest")]
use url::Url;

#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub(crate) use body::Incoming;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub(crate) use settings::Settings;

#[cfg(feature = "hyper")]
pub use crate::transport_hyper::{HyperBuilder, HyperTransport};
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

/// The URL of a request as it was put together, beside its text in the request line: a transport that needs it in this
/// form need not read it again. It is only to be believed where the texts agree, as a transport in between may have
/// changed the other.
#[cfg(feature = "reqwest")]
#[derive(Clone, Debug)]
pub(crate) struct ParsedUrl(pub(crate) Url);

#[cfg(feature = "reqwest")]
impl ParsedUrl {
    /// The URL, if it is this one.
    pub(crate) fn of(self, uri: &http::Uri) -> Option<Url> {
        let rest = self.0.as_str().strip_prefix(uri.scheme_str()?)?.strip_prefix("://")?;
        let rest = rest.strip_prefix(uri.authority()?.as_str())?;
        (rest == uri.path_and_query()?.as_str()).then_some(self.0)
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

#[cfg(all(test, feature = "reqwest"))]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_believed_where_the_request_says_the_same() {
        let parsed = |url: &str| ParsedUrl(url.parse().unwrap());
        for url in [
            "https://scim.example/v2/Users/7?attributes=userName",
            "http://127.0.0.1:8080/scim/v2/Users/a%20b",
            "https://[::1]:8443/",
            "https://scim.example/",
        ] {
            let own = parsed(url);
            assert_eq!(own.clone().of(&url.parse().unwrap()), Some(own.0), "{url}");
        }
        for (url, uri) in [
            ("https://scim.example/v2/Users", "https://scim.example/v2/Users?count=1"),
            ("https://scim.example/v2/Users", "https://scim.example/v2/User"),
            ("https://scim.example/v2/Users", "http://scim.example/v2/Users"),
            ("https://scim.example/v2/Users", "https://scim.example.net/v2/Users"),
            ("https://scim.example/v2/Users", "https://scim.example:8443/v2/Users"),
            ("https://scim.example/v2/Users", "/v2/Users"),
        ] {
            assert_eq!(parsed(url).of(&uri.parse().unwrap()), None, "{uri}");
        }
    }
}

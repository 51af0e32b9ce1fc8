//! The body of an agent's answer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt as _, Stream, StreamExt as _, stream, stream::BoxStream};

/// Why a handler could not go on in the middle of an answer, in words that the service may see.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HandlerError(String);

impl HandlerError {
    /// In words; no secrets.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self(reason.to_string())
    }
}

/// A stream of bytes. It is read no faster than the service reads the answer, so that it need not fit into memory.
pub struct Body(BoxStream<'static, Result<Bytes, HandlerError>>);

impl Body {
    /// No bytes.
    #[must_use]
    pub fn empty() -> Self {
        Self(stream::empty().boxed())
    }

    /// The bytes that a stream brings. An error ends the answer as [`LinkError::Refused`](crate::LinkError::Refused).
    pub fn from_stream<S>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, HandlerError>> + Send + 'static,
    {
        // Empty pieces would be frames for nothing.
        Self(
            stream
                .filter(|piece| {
                    std::future::ready(!piece.as_ref().is_ok_and(|bytes| bytes.is_empty()))
                })
                .boxed(),
        )
    }

    /// The next piece, if it is there without waiting.
    pub(crate) fn ready(&mut self) -> Option<Option<Result<Bytes, HandlerError>>> {
        self.next().now_or_never()
    }
}

impl Stream for Body {
    type Item = Result<Bytes, HandlerError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return Self::empty();
        }
        // Fused, because it is asked again after its end.
        Self(stream::iter([Ok(bytes)]).fuse().boxed())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

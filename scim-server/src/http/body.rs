//! Request and response bodies.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body as AxumBody;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use scim_core::media;

use super::problem::Failure;

/// What an answer says.
pub(crate) enum Body {
    /// It is all there; its length is known.
    Whole(Full<Bytes>),
    /// It is made while it is sent, because it is large ([`super::parts`]).
    Parts(Parts),
}

/// The parts of an answer. An error breaks the connection off, which is how a client learns that the rest is missing.
pub(crate) type Parts = Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>;

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Whole(Full::from(bytes))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::from(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Parts(parts) => parts.as_mut().poll_next(cx).map_ok(Frame::data),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Parts(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

/// Reads a JSON body up to `limit` bytes. A declared length over the limit is refused before a byte is read.
///
/// # Errors
/// [`Failure::MediaType`], [`Failure::ContentEncoding`], [`Failure::BodyTooLarge`], [`Failure::BodyCutOff`].
pub(crate) async fn read(
    headers: &HeaderMap,
    mut body: AxumBody,
    limit: usize,
) -> Result<Bytes, Failure> {
    let content_type = headers.get(CONTENT_TYPE);
    if content_type.is_some_and(|value| !value.to_str().is_ok_and(media::is_accepted)) {
        return Err(Failure::MediaType);
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Failure::ContentEncoding);
    }
    let declared = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok());
    if declared.is_some_and(|n| n > limit as u64) {
        return Err(Failure::BodyTooLarge { limit });
    }
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(Failure::BodyCutOff) };
        let Ok(data) = frame.into_data() else { continue };
        let so_far = first.as_ref().map_or(0, Bytes::len) + rest.len();
        if so_far + data.len() > limit {
            return Err(Failure::BodyTooLarge { limit });
        }
        // Most bodies come in one piece, which then is not copied.
        match &first {
            None => first = Some(data),
            Some(head) => {
                if rest.is_empty() {
                    rest.reserve(declared.map_or(data.len(), |n| (n as usize).min(limit)));
                    rest.extend_from_slice(head);
                    first = Some(Bytes::new());
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    if rest.is_empty() { Ok(first.unwrap_or_default()) } else { Ok(rest.freeze()) }
}

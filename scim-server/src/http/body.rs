//! Request and response bodies.

use axum::body::Body as AxumBody;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::BodyExt;
use scim_core::media;

use super::problem::Failure;

/// Responses are whole in memory: bounded by the page size, and for groups by how many members they show.
pub(crate) type Body = http_body_util::Full<Bytes>;

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

//! The JSON heads of frames.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::{CancelCode, Frame, FrameError, Hello, Times};
use crate::error::EndCode;

/// A frame without its body. Headers are pairs; a value's bytes are the characters U+0000 to U+00FF.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub(super) enum Head {
    Hello(Hello),
    Request {
        id: u64,
        method: String,
        target: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        #[serde(flatten)]
        times: Times,
        window: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        length: u64,
        #[serde(default)]
        last: bool,
    },
    Response {
        id: u64,
        status: u16,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
        #[serde(default)]
        last: bool,
    },
    Body {
        id: u64,
        #[serde(default)]
        last: bool,
    },
    Credit {
        id: u64,
        bytes: u32,
    },
    Cancel {
        id: u64,
        code: CancelCode,
        #[serde(default)]
        reason: String,
    },
    Ping {
        nonce: u64,
    },
    Pong {
        nonce: u64,
    },
    Renew {
        credential: String,
    },
    Renewed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        valid_ms: Option<u64>,
    },
    Drain,
    Drained,
    Bye {
        code: EndCode,
        #[serde(default)]
        reason: String,
    },
    #[serde(other)]
    Unknown,
}

impl Head {
    pub(super) fn id(&self) -> Option<u64> {
        match self {
            Self::Request { id, .. }
            | Self::Response { id, .. }
            | Self::Body { id, .. }
            | Self::Credit { id, .. }
            | Self::Cancel { id, .. } => Some(*id),
            Self::Hello(_)
            | Self::Ping { .. }
            | Self::Pong { .. }
            | Self::Renew { .. }
            | Self::Renewed { .. }
            | Self::Drain
            | Self::Drained
            | Self::Bye { .. }
            | Self::Unknown => None,
        }
    }

    /// The frame, with the rest of its message.
    pub(super) fn join(self, body: Bytes) -> Result<Frame, FrameError> {
        if !body.is_empty()
            && !matches!(
                self,
                Self::Request { .. } | Self::Response { .. } | Self::Body { .. } | Self::Unknown
            )
        {
            return Err(FrameError::UnexpectedBody);
        }
        Ok(match self {
            Self::Hello(hello) => Frame::Hello(hello),
            Self::Request { id, method, target, headers, times, window, length, last } => {
                let request = http::Request::builder()
                    .method(method.as_str())
                    .uri(target.as_str())
                    .body(())
                    .map_err(|_| FrameError::Malformed("method or target".to_owned()))?;
                let (mut head, ()) = request.into_parts();
                head.headers = header_map(headers)?;
                Frame::Request { id, head: Box::new(head), times, window, length, body, last }
            }
            Self::Response { id, status, headers, last } => {
                let response = http::Response::builder()
                    .status(status)
                    .body(())
                    .map_err(|_| FrameError::Malformed("status".to_owned()))?;
                let (mut head, ()) = response.into_parts();
                head.headers = header_map(headers)?;
                Frame::Response { id, head: Box::new(head), body, last }
            }
            Self::Body { id, last } => Frame::Body { id, body, last },
            Self::Credit { id, bytes } => Frame::Credit { id, bytes },
            Self::Cancel { id, code, reason } => Frame::Cancel { id, code, reason },
            Self::Ping { nonce } => Frame::Ping { nonce },
            Self::Pong { nonce } => Frame::Pong { nonce },
            Self::Renew { credential } => Frame::Renew { credential: credential.into() },
            Self::Renewed { valid_ms } => Frame::Renewed { valid_ms },
            Self::Drain => Frame::Drain,
            Self::Drained => Frame::Drained,
            Self::Bye { code, reason } => Frame::Bye { code, reason },
            Self::Unknown => Frame::Unknown,
        })
    }
}

/// Head and body of a frame.
pub(super) fn split(frame: Frame) -> (Head, Bytes) {
    match frame {
        Frame::Hello(hello) => (Head::Hello(hello), Bytes::new()),
        Frame::Request { id, head, times, window, length, body, last } => (
            Head::Request {
                id,
                method: head.method.as_str().to_owned(),
                target: head.uri.to_string(),
                headers: pairs(&head.headers),
                times,
                window,
                length,
                last,
            },
            body,
        ),
        Frame::Response { id, head, body, last } => (
            Head::Response {
                id,
                status: head.status.as_u16(),
                headers: pairs(&head.headers),
                last,
            },
            body,
        ),
        Frame::Body { id, body, last } => (Head::Body { id, last }, body),
        Frame::Credit { id, bytes } => (Head::Credit { id, bytes }, Bytes::new()),
        Frame::Cancel { id, code, reason } => (Head::Cancel { id, code, reason }, Bytes::new()),
        Frame::Ping { nonce } => (Head::Ping { nonce }, Bytes::new()),
        Frame::Pong { nonce } => (Head::Pong { nonce }, Bytes::new()),
        Frame::Renew { credential } => {
            (Head::Renew { credential: credential.expose_secret().to_owned() }, Bytes::new())
        }
        Frame::Renewed { valid_ms } => (Head::Renewed { valid_ms }, Bytes::new()),
        Frame::Drain => (Head::Drain, Bytes::new()),
        Frame::Drained => (Head::Drained, Bytes::new()),
        Frame::Bye { code, reason } => (Head::Bye { code, reason }, Bytes::new()),
        Frame::Unknown => (Head::Unknown, Bytes::new()),
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = value.as_bytes().iter().copied().map(char::from).collect();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

fn header_map(pairs: Vec<(String, String)>) -> Result<HeaderMap, FrameError> {
    let mut headers = HeaderMap::with_capacity(pairs.len().min(64));
    for (name, value) in pairs {
        let wrong = || FrameError::Malformed("a header".to_owned());
        let name = HeaderName::try_from(name).map_err(|_| wrong())?;
        let value = value
            .chars()
            .map(|c| u8::try_from(c).map_err(|_| wrong()))
            .collect::<Result<Vec<u8>, _>>()?;
        let value = HeaderValue::try_from(value).map_err(|_| wrong())?;
        headers.try_append(name, value).map_err(|_| wrong())?;
    }
    Ok(headers)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(length: &u64) -> bool {
    *length == 0
}

//! The frames of the link, the same for every transport.
//!
//! One frame is one message: its number (8 bytes, big endian), the length of its head (4 bytes), the head in JSON and,
//! where it has one, a binary body to the end of the message. Frames are numbered from 1 in each direction. A head with an
//! unknown `type` comes from a newer minor version and is passed over; unknown members are ignored.

mod head;
mod sequence;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use secrecy::SecretString;

use crate::error::EndCode;

use head::Head;
pub(crate) use sequence::Sequence;

/// Name and major version of the protocol: the subprotocol of the WebSocket.
pub const PROTOCOL: &str = "sync-link.1";
/// The minor version; higher ones only add.
pub const MINOR: u32 = 0;
/// The largest head of a frame.
pub const MAX_HEAD: usize = 64 * 1024;
/// The largest body of one frame.
pub const MAX_BODY: usize = 256 * 1024;
/// The largest message; what a transport should refuse above.
pub const MAX_MESSAGE: usize = PREFIX + MAX_HEAD + MAX_BODY;
/// The largest piece of a body that this implementation sends at once.
pub(crate) const CHUNK: usize = 64 * 1024;
/// What a piece of a body takes of the window at least, so that crumbs cost too.
pub(crate) const CRUMB: usize = 64;

const PREFIX: usize = 12;

/// What the two sides say to each other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Frame {
    /// The first frame of each side.
    Hello(Hello),
    /// A request for the agent.
    Request {
        /// Chosen by the service, once for each connection.
        id: u64,
        /// Method, target, headers; version is not carried.
        head: Box<http::request::Parts>,
        /// How long the answer may take.
        times: Times,
        /// How many bytes of the answer's body may be sent before the first credit.
        window: u32,
        /// How long the whole body is.
        length: u64,
        /// The first piece of the body.
        body: Bytes,
        /// Whether that was all of it.
        last: bool,
    },
    /// The answer of the agent.
    Response {
        /// Of the request.
        id: u64,
        /// Status and headers.
        head: Box<http::response::Parts>,
        /// The first piece of the body.
        body: Bytes,
        /// Whether that was all of it.
        last: bool,
    },
    /// A further piece of a body, in either direction. Only the last may be empty.
    Body {
        /// Of the request.
        id: u64,
        /// The bytes.
        body: Bytes,
        /// Whether the body is complete.
        last: bool,
    },
    /// The reader of a body has room for more.
    Credit {
        /// Of the request.
        id: u64,
        /// How many bytes more.
        bytes: u32,
    },
    /// The request is over. From the service: nobody waits any more, and the agent confirms with the same frame or its last
    /// piece. From the agent: there will be no (further) answer.
    Cancel {
        /// Of the request.
        id: u64,
        /// Why.
        code: CancelCode,
        /// Why, in words.
        reason: String,
    },
    /// Are you there?
    Ping {
        /// Comes back in the pong.
        nonce: u64,
    },
    /// I am.
    Pong {
        /// As in the ping.
        nonce: u64,
    },
    /// The agent's next credential, before the present one expires.
    Renew {
        /// The credential.
        credential: SecretString,
    },
    /// The service took it.
    Renewed {
        /// For how long from now, if it is bounded.
        valid_ms: Option<u64>,
    },
    /// No new requests, please. The service answers with `Drained`; from the service it says that it is about to stop.
    Drain,
    /// After this the agent gets no more requests.
    Drained,
    /// The last frame of a side.
    Bye {
        /// What kind of end.
        code: EndCode,
        /// In words.
        reason: String,
    },
    /// A frame of a newer minor version.
    Unknown,
}

/// What a side says of itself first.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Minor version of the protocol.
    #[serde(default)]
    pub minor: u32,
    /// Name and version of the program.
    #[serde(default)]
    pub software: String,
    /// How many requests it takes at once (agent).
    #[serde(default)]
    pub capacity: u32,
    /// The largest body of a request that it takes (agent).
    #[serde(default)]
    pub max_request: u64,
    /// How many bytes of a request's body may be sent before the first credit (agent).
    #[serde(default)]
    pub window: u32,
    /// Whether the agent's older link lives and answers what it has; without it, whatever was there before is dead (agent).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub beside: bool,
}

/// How long an answer may take, counted by each side from when it sent or got the request: clocks need not agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// Milliseconds to its head.
    pub deadline_ms: u64,
    /// Milliseconds without a further piece, while there is room for one.
    pub idle_ms: u64,
    /// Milliseconds to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u64>,
}

/// Why a request is over before its answer is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CancelCode {
    /// Nobody waits for the answer, or: stopped as you wished.
    Cancelled,
    /// The time is over.
    Deadline,
    /// Larger than the agent takes.
    TooLarge,
    /// The agent has as many requests as it takes.
    Busy,
    /// The handler failed.
    Failed,
    /// One that this version does not know.
    #[serde(other)]
    Other,
}

/// Why a message is no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Shorter than its own length says.
    #[error("a frame is cut off")]
    Short,
    /// The head is larger than [`MAX_HEAD`].
    #[error("the head of a frame has {0} bytes, more than {MAX_HEAD}")]
    HeadTooLarge(usize),
    /// The body is larger than [`MAX_BODY`].
    #[error("the body of a frame has {0} bytes, more than {MAX_BODY}")]
    BodyTooLarge(usize),
    /// A body where none belongs.
    #[error("a frame that has no body came with one")]
    UnexpectedBody,
    /// The head is not what it should be.
    #[error("the head of a frame is malformed: {0}")]
    Malformed(String),
}

/// A frame ready to be sent, but for its number.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) id: Option<u64>,
    pub(crate) opens: bool,
    head: Vec<u8>,
    body: Bytes,
}

impl Packet {
    /// The message with its number.
    pub(crate) fn message(&self, number: u64) -> Bytes {
        let mut message = BytesMut::with_capacity(PREFIX + self.head.len() + self.body.len());
        message.put_u64(number);
        // At most MAX_HEAD, as `Frame::pack` has checked.
        message.put_u32(u32::try_from(self.head.len()).unwrap_or(u32::MAX));
        message.put_slice(&self.head);
        message.put_slice(&self.body);
        message.freeze()
    }
}

impl Frame {
    /// Makes it ready to be sent.
    pub(crate) fn pack(self) -> Result<Packet, FrameError> {
        let opens = matches!(self, Self::Request { .. });
        let (head, body) = head::split(self);
        let id = head.id();
        let head =
            serde_json::to_vec(&head).map_err(|error| FrameError::Malformed(error.to_string()))?;
        if head.len() > MAX_HEAD {
            return Err(FrameError::HeadTooLarge(head.len()));
        }
        if body.len() > MAX_BODY {
            return Err(FrameError::BodyTooLarge(body.len()));
        }
        Ok(Packet { id, opens, head, body })
    }

    /// The message with this number.
    ///
    /// # Errors
    /// [`FrameError::HeadTooLarge`] or [`FrameError::BodyTooLarge`].
    pub fn encode(self, number: u64) -> Result<Bytes, FrameError> {
        Ok(self.pack()?.message(number))
    }

    /// Reads a message; the body is a view into it.
    ///
    /// # Errors
    /// Whatever is wrong with it: no input panics.
    pub fn decode(mut message: Bytes) -> Result<(u64, Self), FrameError> {
        if message.len() < PREFIX {
            return Err(FrameError::Short);
        }
        let number = message.get_u64();
        let length = usize::try_from(message.get_u32()).unwrap_or(usize::MAX);
        if length > MAX_HEAD {
            return Err(FrameError::HeadTooLarge(length));
        }
        if length > message.len() {
            return Err(FrameError::Short);
        }
        let head = message.split_to(length);
        if message.len() > MAX_BODY {
            return Err(FrameError::BodyTooLarge(message.len()));
        }
        let head: Head = serde_json::from_slice(&head).map_err(|error| malformed(&error))?;
        Ok((number, head.join(message)?))
    }

    /// The name of its kind, for messages to people.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Hello(_) => "hello",
            Self::Request { .. } => "request",
            Self::Response { .. } => "response",
            Self::Body { .. } => "body",
            Self::Credit { .. } => "credit",
            Self::Cancel { .. } => "cancel",
            Self::Ping { .. } => "ping",
            Self::Pong { .. } => "pong",
            Self::Renew { .. } => "renew",
            Self::Renewed { .. } => "renewed",
            Self::Drain => "drain",
            Self::Drained => "drained",
            Self::Bye { .. } => "bye",
            Self::Unknown => "unknown",
        }
    }
}

/// What a piece of a body takes of the window.
pub(crate) fn cost(bytes: usize) -> usize {
    bytes.max(CRUMB)
}

fn malformed(error: &serde_json::Error) -> FrameError {
    // Where, and not what: a head may hold a credential.
    FrameError::Malformed(format!(
        "{:?} error at line {}, column {}",
        error.classify(),
        error.line(),
        error.column()
    ))
}

#[cfg(test)]
mod tests;

//! An answer's body, read into memory up to a limit.

use std::error::Error as StdError;
use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{TransportError, TransportErrorKind};

/// A body that is coming in.
#[derive(Debug)]
pub(crate) struct Incoming {
    limit: usize,
    announced: Option<usize>,
    read: BytesMut,
}

impl Incoming {
    /// A body of this length, where its length is known.
    ///
    /// # Errors
    /// [`TransportErrorKind::TooLarge`] where the length is beyond the limit already.
    pub(crate) fn new(limit: usize, announced: Option<u64>) -> Result<Self, TransportError> {
        let announced = announced.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        Ok(Self { limit, announced, read: BytesMut::new() })
    }

    /// Takes the next piece; gives the body back when this was all of it. Most bodies come as a whole: they are not
    /// copied.
    ///
    /// # Errors
    /// [`TransportErrorKind::TooLarge`] where it passes the limit.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, TransportError> {
        if chunk.len() > self.limit - self.read.len() {
            return Err(too_large(self.limit));
        }
        if self.read.is_empty() {
            if self.announced == Some(chunk.len()) {
                return Ok(Some(chunk));
            }
            self.read.reserve(self.announced.unwrap_or(0));
        }
        self.read.extend_from_slice(&chunk);
        Ok(None)
    }

    /// The body, when nothing more comes.
    pub(crate) fn end(self) -> Bytes {
        self.read.freeze()
    }
}

#[derive(Debug)]
struct BodyLimit(usize);

impl fmt::Display for BodyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {} bytes; ask for smaller pages or raise the limit", self.0)
    }
}

impl StdError for BodyLimit {}

fn too_large(limit: usize) -> TransportError {
    TransportError::new(TransportErrorKind::TooLarge, BodyLimit(limit))
}

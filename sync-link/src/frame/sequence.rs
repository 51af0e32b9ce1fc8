//! What a transport loses, repeats or reorders, noticed by the numbers of the frames.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::{Frame, FrameError};

/// As many frames may come before one that is missing.
const HELD: usize = 64;
/// As many bytes of bodies, too.
const HELD_BYTES: usize = 1 << 20;

/// Frames in the order in which they were sent, each once.
#[derive(Debug)]
pub(crate) struct Sequence {
    next: u64,
    held: BTreeMap<u64, (usize, Frame)>,
    held_bytes: usize,
}

/// A message that can no longer be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hole;

impl Default for Sequence {
    fn default() -> Self {
        Self { next: 1, held: BTreeMap::new(), held_bytes: 0 }
    }
}

impl Sequence {
    /// Takes the next message of the transport. A repeated one is dropped; one that came too early is held.
    pub(crate) fn put(&mut self, message: Bytes) -> Result<Result<(), Hole>, FrameError> {
        let size = message.len();
        let (number, frame) = Frame::decode(message)?;
        if number < self.next || self.held.contains_key(&number) {
            return Ok(Ok(()));
        }
        if number > self.next && (self.held.len() >= HELD || self.held_bytes + size > HELD_BYTES) {
            return Ok(Err(Hole));
        }
        self.held_bytes += size;
        self.held.insert(number, (size, frame));
        Ok(Ok(()))
    }

    /// The next frame in order, if it has come.
    pub(crate) fn take(&mut self) -> Option<Frame> {
        let (size, frame) = self.held.remove(&self.next)?;
        self.held_bytes -= size;
        self.next = self.next.saturating_add(1);
        Some(frame)
    }

    /// Whether later frames wait for one that is missing.
    pub(crate) fn has_hole(&self) -> bool {
        !self.held.is_empty() && !self.held.contains_key(&self.next)
    }
}

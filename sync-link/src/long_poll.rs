//! The link over HTTPS requests that wait for an answer, for networks that do not let WebSockets through.
//!
//! | request of the agent | answer |
//! |---|---|
//! | `POST …/poll` without a session, [`HEADER_PROTOCOL`] | 201, [`HEADER_SESSION`]: its name |
//! | `POST …/poll`, [`HEADER_SESSION`], [`HEADER_BATCH`]: the last batch that came | 200, [`HEADER_BATCH`] and the next batch as body; 204 when there was nothing for a while |
//! | `POST …/result/{session}`, [`HEADER_BATCH`], a batch as body | 204 when it is taken, now or before |
//! | any of a session that is over | 410 |
//!
//! A batch is a number of messages, each with its length before it (4 bytes, big endian). Batches are numbered from 1 in each
//! direction, and each is kept until the other side has said that it came: so a request that is lost, repeated or late
//! neither loses nor doubles a message. A session without a request for a minute is over.

mod dial;
mod line;
mod sessions;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use crate::frame::MAX_MESSAGE;

pub use dial::connect;
pub use sessions::{Polled, Refusal, SessionOptions, Sessions};

/// The header with the name and version of the protocol, when a session is opened.
pub const HEADER_PROTOCOL: &str = "sync-link-protocol";
/// The header with the name of the session.
pub const HEADER_SESSION: &str = "sync-link-session";
/// The header with the number of a batch.
pub const HEADER_BATCH: &str = "sync-link-batch";
/// The largest batch, which is the largest body of a request and of an answer.
pub const MAX_BATCH: usize = 2 * (MAX_MESSAGE + 4);

/// A batch takes messages up to this, and one more.
const FULL: usize = MAX_MESSAGE + 4;

/// Messages on their way into one batch.
#[derive(Debug, Default)]
struct Packing(BytesMut);

impl Packing {
    fn is_full(&self) -> bool {
        self.0.len() >= FULL
    }

    /// Adds a message, which is no larger than [`MAX_MESSAGE`].
    fn add(&mut self, message: &Bytes) {
        self.0.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        self.0.put_slice(message);
    }

    fn batch(&mut self) -> Bytes {
        self.0.split().freeze()
    }
}

/// The messages of a batch, as views into it.
fn unpacked(mut batch: Bytes) -> Result<Vec<Bytes>, &'static str> {
    let mut messages = Vec::new();
    while !batch.is_empty() {
        if batch.len() < 4 {
            return Err("a batch is cut off");
        }
        let length = usize::try_from(batch.get_u32()).unwrap_or(usize::MAX);
        if length > MAX_MESSAGE {
            return Err("a message of a batch is too large");
        }
        if length > batch.len() {
            return Err("a batch is cut off");
        }
        messages.push(batch.split_to(length));
    }
    Ok(messages)
}

/// The number of a batch in a header.
fn number(headers: &http::HeaderMap) -> Option<u64> {
    headers.get(HEADER_BATCH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::{MAX_BATCH, MAX_MESSAGE, Packing, unpacked};

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
        ) {
            let messages: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
            let mut packing = Packing::default();
            for message in &messages {
                packing.add(message);
            }
            prop_assert_eq!(unpacked(packing.batch()), Ok(messages));
            prop_assert!(packing.batch().is_empty());
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(messages) = unpacked(bytes.clone().into()) {
                let length: usize = messages.iter().map(|message| message.len() + 4).sum();
                prop_assert_eq!(length, bytes.len());
            }
        }
    }

    #[test]
    fn a_batch_has_its_limit() {
        let mut packing = Packing::default();
        let message = Bytes::from(vec![0; MAX_MESSAGE]);
        let small = Bytes::from_static(b"x");
        packing.add(&small);
        assert!(!packing.is_full());
        packing.add(&message);
        assert!(packing.is_full());
        let batch = packing.batch();
        assert!(batch.len() <= MAX_BATCH);
        assert_eq!(unpacked(batch.clone()).unwrap(), [small, message]);
        assert_eq!(unpacked(batch.slice(..batch.len() - 1)), Err("a batch is cut off"));
        assert_eq!(unpacked(Bytes::from_static(b"\0\0")), Err("a batch is cut off"));
        let large = Bytes::from_static(b"\xff\xff\xff\xff");
        assert_eq!(unpacked(large), Err("a message of a batch is too large"));
    }
}

//! Two ends of a connection within one process, for tests and for a service with an agent inside.

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _, channel::mpsc};

use crate::connection::{Connection, TransportError};

/// Messages that wait in one direction before the sender does.
const DEPTH: usize = 16;

/// A connection's two ends.
#[must_use]
pub fn pair() -> (Connection, Connection) {
    let (there, out) = mpsc::channel::<Bytes>(DEPTH);
    let (back, home) = mpsc::channel::<Bytes>(DEPTH);
    let end = |sender: mpsc::Sender<Bytes>, receiver: mpsc::Receiver<Bytes>| {
        Connection::new(
            "memory",
            sender.sink_map_err(|_| TransportError::new("the other end is gone")),
            receiver.map(Ok),
        )
    };
    (end(there, home), end(back, out))
}

//! What waits to be sent on one connection.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, Semaphore};

use crate::{
    error::EndCode,
    frame::{Frame, Packet},
};

/// Pieces of bodies, requests and answers that may wait; who has more waits itself, in turn.
const BULK: usize = 8;

/// Small frames first, then the others in the order in which they came.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    ready: Notify,
    room: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    control: VecDeque<Packet>,
    bulk: VecDeque<Packet>,
    /// The last ping that is not answered: a flood of them costs one pong.
    pong: Option<u64>,
    bye: Option<Packet>,
    closed: bool,
}

/// The next messages to send, in order.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) packets: VecDeque<Packet>,
    /// Whether these were the last.
    pub(crate) last: bool,
}

/// The connection is closing; nothing more is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing;

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), ready: Notify::new(), room: Semaphore::new(BULK) }
    }

    /// Sends a small frame before everything that has a body. What it is made from is bounded, so that it fits.
    pub(crate) fn control(&self, frame: Frame) {
        let kind = frame.kind();
        match frame.pack() {
            Ok(packet) => {
                let mut state = self.state();
                if !state.closed {
                    state.control.push_back(packet);
                }
            }
            Err(error) => tracing::error!(%error, kind, "a frame cannot be sent"),
        }
        self.ready.notify_one();
    }

    pub(crate) fn pong(&self, nonce: u64) {
        self.state().pong = Some(nonce);
        self.ready.notify_one();
    }

    /// Sends a frame with a body in turn; waits while too much is before it.
    pub(crate) async fn bulk(&self, packet: Packet) -> Result<(), Closing> {
        let room = self.room.acquire().await.map_err(|_| Closing)?;
        let mut state = self.state();
        if state.closed {
            return Err(Closing);
        }
        state.bulk.push_back(packet);
        room.forget();
        drop(state);
        self.ready.notify_one();
        Ok(())
    }

    /// Takes back what belongs to a request and is not yet sent; whether the request itself was among it.
    pub(crate) fn recall(&self, id: u64) -> bool {
        let mut state = self.state();
        let before = state.bulk.len();
        let mut unsent = false;
        state.bulk.retain(|packet| {
            let recalled = packet.id == Some(id);
            unsent |= recalled && packet.opens;
            !recalled
        });
        self.room.add_permits(before - state.bulk.len());
        unsent
    }

    /// Says goodbye after what waits (`drop_rest`: instead of it) and takes nothing more.
    pub(crate) fn close(&self, code: EndCode, reason: &str, drop_rest: bool) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        if drop_rest {
            state.control.clear();
            state.bulk.clear();
        }
        // Bounded, because it may be the other side's words.
        let reason = reason.chars().take(500).collect();
        state.bye = Frame::Bye { code, reason }.pack().ok();
        state.closed = true;
        drop(state);
        self.room.close();
        self.ready.notify_one();
    }

    /// The connection is gone: whoever waits to send learns it.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        *state = State { closed: true, ..State::default() };
        drop(state);
        self.room.close();
    }

    /// What to send next; waits for it. Loses nothing when dropped.
    pub(crate) async fn next(&self) -> Batch {
        loop {
            if let Some(batch) = self.take() {
                return batch;
            }
            self.ready.notified().await;
        }
    }

    fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        let mut packets = mem::take(&mut state.control);
        packets.extend(state.pong.take().and_then(|nonce| Frame::Pong { nonce }.pack().ok()));
        self.room.add_permits(state.bulk.len());
        packets.append(&mut state.bulk);
        packets.extend(state.bye.take());
        let last = state.closed;
        (last || !packets.is_empty()).then_some(Batch { packets, last })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

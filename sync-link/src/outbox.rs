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
/// Small frames that may wait. Only who asks and asks and never reads brings so many together.
const CONTROL: usize = 4096;

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
    flooded: bool,
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
                if state.control.len() >= CONTROL {
                    state.flooded = true;
                } else if !state.closed {
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
        self.bulk_after(packet, || ()).await
    }

    /// The same; what is to be done before the other side can have got it is done when there is room for it.
    pub(crate) async fn bulk_after(
        &self,
        packet: Packet,
        first: impl FnOnce(),
    ) -> Result<(), Closing> {
        let room = self.room.acquire().await.map_err(|_| Closing)?;
        let mut state = self.state();
        if state.closed {
            return Err(Closing);
        }
        first();
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

    /// Whether a frame could not wait any more: the link is no good.
    pub(crate) fn is_flooded(&self) -> bool {
        self.state().flooded
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{BULK, CONTROL, Closing, Outbox};
    use crate::{
        error::EndCode,
        frame::{Frame, Packet},
    };

    fn piece(id: u64) -> Packet {
        Frame::Body { id, body: Bytes::from_static(b"x"), last: false }.pack().unwrap()
    }

    fn request(id: u64) -> Packet {
        let (head, ()) = http::Request::new(()).into_parts();
        let times = crate::frame::Times { deadline_ms: 1, idle_ms: 1, total_ms: None };
        let (body, window, length) = (Bytes::new(), 0, 0);
        Frame::Request { id, head: Box::new(head), times, window, length, body, last: true }
            .pack()
            .unwrap()
    }

    /// Kind and request of what comes next.
    async fn sent(outbox: &Outbox) -> Vec<(&'static str, Option<u64>)> {
        let batch = outbox.next().await;
        let read = |packet: &Packet| Frame::decode(packet.message(1)).unwrap().1.kind();
        batch.packets.iter().map(|packet| (read(packet), packet.id)).collect()
    }

    #[tokio::test]
    async fn small_frames_overtake_bodies_and_goodbye_is_last() {
        let outbox = Outbox::new();
        outbox.bulk(piece(1)).await.unwrap();
        outbox.control(Frame::Drain);
        outbox.pong(1);
        outbox.pong(2);
        outbox.close(EndCode::Drained, "", false);
        let expected = [("drain", None), ("pong", None), ("body", Some(1)), ("bye", None)];
        assert_eq!(sent(&outbox).await, expected);
        assert_eq!(outbox.bulk(piece(1)).await, Err(Closing));
    }

    #[tokio::test]
    async fn who_has_much_to_send_waits() {
        let outbox = Outbox::new();
        for _ in 0..BULK {
            outbox.bulk(piece(1)).await.unwrap();
        }
        let mut next = Box::pin(outbox.bulk(piece(2)));
        assert!(futures::poll!(&mut next).is_pending());
        assert_eq!(sent(&outbox).await.len(), BULK);
        next.await.unwrap();
        // What is taken back makes room, too, and only what is not yet sent.
        for _ in 1..BULK {
            outbox.bulk(request(3)).await.unwrap();
        }
        assert!(!outbox.recall(1));
        assert!(!outbox.recall(2));
        assert!(outbox.recall(3));
        assert!(!outbox.recall(3));
        for _ in 0..BULK {
            outbox.bulk(piece(4)).await.unwrap();
        }
        assert!(futures::poll!(Box::pin(outbox.bulk(piece(5)))).is_pending());
    }

    #[test]
    fn a_flood_is_noticed_and_bounded() {
        let outbox = Outbox::new();
        for _ in 0..CONTROL {
            outbox.control(Frame::Drain);
        }
        assert!(!outbox.is_flooded());
        outbox.control(Frame::Drain);
        assert!(outbox.is_flooded());
        assert_eq!(outbox.take().unwrap().packets.len(), CONTROL);
    }
}

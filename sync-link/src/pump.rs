//! Moves frames between a connection and its two queues; notices silence, holes and the end.

use std::{collections::VecDeque, sync::Arc};

use futures::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::{
    connection::{Connection, Incoming, Outgoing, Timing},
    error::{EndCode, Ended},
    frame::{Frame, Sequence},
    outbox::Outbox,
};

/// The sending half.
pub(crate) struct Writer {
    outgoing: Outgoing,
    outbox: Arc<Outbox>,
    number: u64,
}

/// The receiving half.
pub(crate) struct Reader {
    incoming: Incoming,
    outbox: Arc<Outbox>,
    sequence: Sequence,
    timing: Timing,
    heard: Instant,
    hole_since: Option<Instant>,
    tick: Interval,
    pings: Instant,
    nonce: u64,
}

/// What the receiving half has for its owner.
pub(crate) enum Event {
    /// A frame that is not about the connection itself.
    Frame(Frame),
    /// Time has passed; a moment to look at deadlines.
    Tick,
}

pub(crate) fn split(
    connection: Connection,
    outbox: &Arc<Outbox>,
    timing: Timing,
) -> (Reader, Writer) {
    let now = Instant::now();
    let every = timing.ping.min(timing.hole).min(timing.dead) / 4;
    let mut tick = interval_at(now + every, every.max(std::time::Duration::from_millis(1)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let reader = Reader {
        incoming: connection.incoming,
        outbox: Arc::clone(outbox),
        sequence: Sequence::default(),
        timing,
        heard: now,
        hole_since: None,
        tick,
        pings: now + timing.ping,
        nonce: 0,
    };
    let writer = Writer { outgoing: connection.outgoing, outbox: Arc::clone(outbox), number: 0 };
    (reader, writer)
}

impl Writer {
    /// Sends until the outbox is closed. A message that was begun is lost with this future.
    pub(crate) async fn run(mut self) -> Result<(), Ended> {
        loop {
            let batch = self.outbox.next().await;
            self.send(batch.packets).await.map_err(|error| Ended::lost(error.to_string()))?;
            if batch.last {
                // The other side may be gone already, which is what was wanted.
                self.outgoing.close().await.unwrap_or_default();
                return Ok(());
            }
        }
    }

    async fn send(
        &mut self,
        packets: VecDeque<crate::frame::Packet>,
    ) -> Result<(), crate::connection::TransportError> {
        for packet in packets {
            self.number += 1;
            self.outgoing.feed(packet.message(self.number)).await?;
        }
        self.outgoing.flush().await
    }
}

impl Reader {
    /// The next event; may be dropped and called again at any point.
    pub(crate) async fn next(&mut self) -> Result<Event, Ended> {
        loop {
            while let Some(frame) = self.sequence.take() {
                match frame {
                    Frame::Ping { nonce } => self.outbox.pong(nonce),
                    Frame::Pong { .. } | Frame::Unknown => {}
                    Frame::Bye { code, reason } => {
                        return Err(Ended::by_peer(code, &reason));
                    }
                    other @ (Frame::Hello(_)
                    | Frame::Request { .. }
                    | Frame::Response { .. }
                    | Frame::Body { .. }
                    | Frame::Credit { .. }
                    | Frame::Cancel { .. }
                    | Frame::Renew { .. }
                    | Frame::Renewed { .. }
                    | Frame::Drain
                    | Frame::Drained) => return Ok(Event::Frame(other)),
                }
            }
            tokio::select! {
                message = self.incoming.next() => match message {
                    Some(Ok(message)) => {
                        self.heard = Instant::now();
                        self.sequence.put(message)?.map_err(|_| holes())?;
                        self.watch_hole();
                    }
                    Some(Err(error)) => return Err(Ended::lost(error.to_string())),
                    None => return Err(Ended::lost("the connection was closed without a word")),
                },
                now = self.tick.tick() => {
                    self.check(now)?;
                    return Ok(Event::Tick);
                }
            }
        }
    }

    fn watch_hole(&mut self) {
        if !self.sequence.has_hole() {
            self.hole_since = None;
        } else if self.hole_since.is_none() {
            self.hole_since = Some(self.heard);
        }
    }

    fn check(&mut self, now: Instant) -> Result<(), Ended> {
        if now.duration_since(self.heard) >= self.timing.dead {
            let reason = format!("nothing was heard for {:?}", self.timing.dead);
            return Err(Ended::new(EndCode::Silent, reason));
        }
        if self.hole_since.is_some_and(|since| now.duration_since(since) >= self.timing.hole) {
            return Err(holes());
        }
        if self.outbox.is_flooded() {
            return Err(Ended::protocol("the other side asks and does not read"));
        }
        if now >= self.pings {
            self.pings = now + self.timing.ping;
            self.nonce += 1;
            self.outbox.control(Frame::Ping { nonce: self.nonce });
        }
        Ok(())
    }
}

fn holes() -> Ended {
    Ended::lost("the transport lost messages")
}

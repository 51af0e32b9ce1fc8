//! One connected agent: its requests, and what may still come for each.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    AgentIdentity, Answer, Inner, RequestOptions,
    answer::{LinkAnswer, Piece},
    registry::Slot,
};
use crate::{
    credit::{Allowance, Credit, Regrant},
    error::{Ended, LinkError, REASON, short},
    frame::{CHUNK, CancelCode, Frame, Hello, Times},
    outbox::Outbox,
};

/// An agent has this long to stop what was cancelled.
const STOPPING: Duration = Duration::from_secs(60);

/// A connected agent.
pub(super) struct Attached {
    pub(super) identity: AgentIdentity,
    pub(super) hello: Hello,
    pub(super) transport: String,
    window: u32,
    outbox: Arc<Outbox>,
    pending: Mutex<Pending>,
    /// Requests that it was given and that are not over, those that are still to be sent among them.
    given: AtomicU32,
    end: watch::Sender<Option<Ended>>,
    retired: watch::Sender<bool>,
}

#[derive(Default)]
struct Pending {
    last_id: u64,
    asked: BTreeMap<u64, Asked>,
    closed: bool,
}

/// One request that the agent has.
struct Asked {
    state: State,
    credit: Arc<Credit>,
    /// Given back when the agent is done with the request, and not before.
    _slot: Slot,
}

enum State {
    Waiting(oneshot::Sender<Result<Head, LinkError>>),
    Streaming {
        pieces: mpsc::UnboundedSender<Piece>,
        allowance: Allowance,
    },
    /// Nobody waits, and the agent has not yet said that it stopped.
    Cancelled {
        since: Instant,
    },
}

/// The head of an answer, and where the rest comes.
struct Head {
    parts: http::response::Parts,
    pieces: mpsc::UnboundedReceiver<Piece>,
}

/// Cancels a request when it is dropped, unless that has come to its end.
pub(super) struct Guard {
    attached: Arc<Attached>,
    id: u64,
    queued: bool,
}

/// Gives one request to the agent of a slot.
pub(super) async fn ask(
    slot: Slot,
    request: http::Request<Bytes>,
    options: RequestOptions,
    deadline: Instant,
) -> Result<http::Response<Answer>, LinkError> {
    let attached = Arc::clone(&slot.attached);
    let (parts, mut body) = request.into_parts();
    let length = body.len() as u64;
    if length > attached.hello.max_request {
        return Err(LinkError::TooLarge);
    }
    let (answered, mut head) = oneshot::channel();
    let credit = Arc::new(Credit::new(attached.hello.window));
    let asked = Asked { state: State::Waiting(answered), credit: Arc::clone(&credit), _slot: slot };
    let id = attached.register(asked)?;
    let mut guard = Guard { attached: Arc::clone(&attached), id, queued: false };

    let now = Instant::now();
    let times = Times {
        deadline_ms: millis(deadline.saturating_duration_since(now)),
        idle_ms: millis(options.idle),
        total_ms: options.total.map(millis),
    };
    let whole = body.len() <= CHUNK;
    let first = if whole { mem::take(&mut body) } else { Bytes::new() };
    let frame = Frame::Request {
        id,
        head: Box::new(parts),
        times,
        window: attached.window,
        length,
        body: first,
        last: whole,
    };
    let packet = frame.pack().map_err(|_| LinkError::TooLarge)?;
    attached.outbox.bulk(packet).await.map_err(|_| LinkError::Lost)?;
    guard.queued = true;

    let sending = send_body(&attached.outbox, id, &credit, body);
    let answered = tokio::select! {
        biased;
        // An agent may refuse before it has all of the body.
        answered = &mut head => answered,
        sent = sending => {
            sent?;
            head.await
        }
    };
    let Head { parts, pieces } = answered.map_err(|_| LinkError::Lost)??;
    let answer = LinkAnswer {
        regrant: Regrant::new(attached.window),
        guard,
        pieces,
        idle: options.idle,
        until: options.total.and_then(|total| now.checked_add(total)),
        patience: None,
    };
    Ok(http::Response::from_parts(parts, Answer::new(answer)))
}

async fn send_body(
    outbox: &Outbox,
    id: u64,
    credit: &Credit,
    mut body: Bytes,
) -> Result<(), LinkError> {
    while !body.is_empty() {
        let granted = credit.take(body.len().min(CHUNK)).await;
        let piece = body.split_to(granted);
        let frame = Frame::Body { id, body: piece, last: body.is_empty() };
        let packet = frame.pack().map_err(|_| LinkError::TooLarge)?;
        outbox.bulk(packet).await.map_err(|_| LinkError::Lost)?;
    }
    Ok(())
}

impl Attached {
    pub(super) fn new(
        hub: &Inner,
        identity: AgentIdentity,
        hello: Hello,
        transport: String,
        outbox: &Arc<Outbox>,
    ) -> Self {
        Self {
            identity,
            hello,
            transport,
            window: hub.options.window,
            outbox: Arc::clone(outbox),
            pending: Mutex::default(),
            given: AtomicU32::new(0),
            end: watch::Sender::new(None),
            retired: watch::Sender::new(false),
        }
    }

    /// Ends the link; the first reason counts.
    pub(super) fn end(&self, ended: Ended) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                *end = Some(ended);
            }
            first
        });
    }

    /// Says when somebody ended the link.
    pub(super) fn ending(&self) -> watch::Receiver<Option<Ended>> {
        self.end.subscribe()
    }

    pub(super) fn tell(&self, frame: Frame) {
        self.outbox.control(frame);
    }

    /// The agent has a newer link: this one ends when it has nothing more to answer.
    pub(super) fn retire(&self) {
        self.retired.send_replace(true);
    }

    /// Says when it has a newer one.
    pub(super) fn retiring(&self) -> watch::Receiver<bool> {
        self.retired.subscribe()
    }

    /// One more request is for this link.
    pub(super) fn give(&self) {
        self.given.fetch_add(1, Ordering::AcqRel);
    }

    /// One is over.
    pub(super) fn give_back(&self) {
        self.given.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.given.load(Ordering::Acquire) == 0
    }

    fn register(&self, asked: Asked) -> Result<u64, LinkError> {
        let mut pending = self.pending();
        if pending.closed {
            drop(pending);
            return Err(LinkError::Lost);
        }
        pending.last_id += 1;
        let id = pending.last_id;
        pending.asked.insert(id, asked);
        Ok(id)
    }

    pub(super) fn frame(&self, frame: Frame) -> Result<(), Ended> {
        match frame {
            Frame::Response { id, head, body, last } => self.response(id, *head, body, last),
            Frame::Body { id, body, last } => self.piece(id, body, last),
            Frame::Credit { id, bytes } => {
                // One that is unknown was answered before its body was sent.
                if let Some(asked) = self.pending().asked.get(&id) {
                    asked.credit.add(bytes);
                }
                Ok(())
            }
            Frame::Cancel { id, code, reason } => self.given_up(id, code, reason),
            Frame::Hello(_)
            | Frame::Request { .. }
            | Frame::Renew { .. }
            | Frame::Renewed { .. }
            | Frame::Drain
            | Frame::Drained
            | Frame::Ping { .. }
            | Frame::Pong { .. }
            | Frame::Bye { .. }
            | Frame::Unknown => {
                Err(Ended::protocol(format!("{} is not for a service", frame.kind())))
            }
        }
    }

    fn response(
        &self,
        id: u64,
        parts: http::response::Parts,
        body: Bytes,
        last: bool,
    ) -> Result<(), Ended> {
        let mut pending = self.pending();
        let Some(asked) = pending.asked.get_mut(&id) else { return Err(not_asked(id)) };
        match &mut asked.state {
            State::Cancelled { .. } => {}
            State::Streaming { .. } => {
                return Err(self.broke(pending, id, "a request was answered twice"));
            }
            State::Waiting(_) => {
                let mut allowance = Allowance::new(self.window);
                if !body.is_empty() && !allowance.spend(body.len()) {
                    return Err(self.broke(pending, id, MORE_THAN_GRANTED));
                }
                let (sender, pieces) = mpsc::unbounded_channel();
                if !body.is_empty() {
                    drop(sender.send(Piece::Data(body)));
                }
                if last {
                    drop(sender.send(Piece::End));
                }
                let streaming = State::Streaming { pieces: sender, allowance };
                if let State::Waiting(answered) = mem::replace(&mut asked.state, streaming) {
                    // Who does not wait any more cancels by its guard.
                    drop(answered.send(Ok(Head { parts, pieces })));
                }
            }
        }
        finish(pending, id, last);
        Ok(())
    }

    fn piece(&self, id: u64, body: Bytes, last: bool) -> Result<(), Ended> {
        let mut pending = self.pending();
        let Some(asked) = pending.asked.get_mut(&id) else { return Err(not_asked(id)) };
        match &mut asked.state {
            State::Cancelled { .. } => {}
            State::Waiting(_) => {
                return Err(self.broke(pending, id, "a body came before its answer"));
            }
            State::Streaming { pieces, allowance } => {
                if body.is_empty() && !last {
                    return Err(self.broke(pending, id, "an empty piece of a body"));
                }
                if !body.is_empty() {
                    if !allowance.spend(body.len()) {
                        return Err(self.broke(pending, id, MORE_THAN_GRANTED));
                    }
                    // Who does not read any more cancels by its guard.
                    drop(pieces.send(Piece::Data(body)));
                }
                if last {
                    drop(pieces.send(Piece::End));
                }
            }
        }
        finish(pending, id, last);
        Ok(())
    }

    fn given_up(&self, id: u64, code: CancelCode, reason: String) -> Result<(), Ended> {
        let asked = self.pending().asked.remove(&id).ok_or_else(|| not_asked(id))?;
        let error = match code {
            CancelCode::Deadline => LinkError::Deadline,
            CancelCode::TooLarge => LinkError::TooLarge,
            CancelCode::Busy => LinkError::Busy { waiting: 0 },
            // It stopped by itself: as good as lost.
            CancelCode::Cancelled => LinkError::Lost,
            CancelCode::Failed | CancelCode::Other => LinkError::Refused(short(&reason, REASON)),
        };
        asked.fail(error);
        Ok(())
    }

    /// The agent did what it must not: its request fails with that, and the link ends.
    fn broke(&self, mut pending: MutexGuard<'_, Pending>, id: u64, how: &str) -> Ended {
        let asked = pending.asked.remove(&id);
        drop(pending);
        if let Some(asked) = asked {
            asked.fail(LinkError::Protocol(how.to_owned()));
        }
        Ended::protocol(how)
    }

    pub(super) fn check(&self) -> Result<(), Ended> {
        let pending = self.pending();
        let overdue = pending.asked.values().any(|asked| match asked.state {
            State::Cancelled { since } => since.elapsed() >= STOPPING,
            State::Waiting(_) | State::Streaming { .. } => false,
        });
        if overdue {
            return Err(Ended::protocol("the agent does not stop what was cancelled"));
        }
        Ok(())
    }

    /// No request is answered any more.
    pub(super) fn fail_all(&self) {
        let asked = {
            let mut pending = self.pending();
            pending.closed = true;
            mem::take(&mut pending.asked)
        };
        for asked in asked.into_values() {
            asked.fail(LinkError::Lost);
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    fn fail(self, error: LinkError) {
        match self.state {
            State::Waiting(answered) => drop(answered.send(Err(error))),
            State::Streaming { pieces, .. } => drop(pieces.send(Piece::Failed(error))),
            State::Cancelled { .. } => {}
        }
    }
}

impl Guard {
    /// The reader has room for more.
    pub(super) fn grant(&self, bytes: u32) {
        let mut pending = self.attached.pending();
        if let Some(asked) = pending.asked.get_mut(&self.id)
            && let State::Streaming { allowance, .. } = &mut asked.state
        {
            allowance.grant(bytes);
            self.attached.outbox.control(Frame::Credit { id: self.id, bytes });
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let id = self.id;
        let mut pending = self.attached.pending();
        let Some(asked) = pending.asked.get_mut(&id) else { return };
        let unsent = !self.queued || self.attached.outbox.recall(id);
        if unsent {
            let never_sent = pending.asked.remove(&id);
            drop(pending);
            drop(never_sent);
            return;
        }
        let cancelled = State::Cancelled { since: Instant::now() };
        let _before = mem::replace(&mut asked.state, cancelled);
        let reason = String::new();
        self.attached.outbox.control(Frame::Cancel { id, code: CancelCode::Cancelled, reason });
    }
}

const MORE_THAN_GRANTED: &str = "more of a body than was granted";

fn not_asked(id: u64) -> Ended {
    Ended::protocol(format!("the agent answers {id}, which it was not asked"))
}

/// After the last piece the agent is done with the request, and its place is free.
fn finish(mut pending: MutexGuard<'_, Pending>, id: u64, last: bool) {
    if last {
        let done = pending.asked.remove(&id);
        drop(pending);
        drop(done);
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

//! The service's end: sessions, whatever server their requests come through.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    future::Future as _,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{Sink, Stream, task::AtomicWaker};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until, timeout_at},
};

use super::{HEADER_BATCH, HEADER_PROTOCOL, HEADER_SESSION, Packing, number, unpacked};
use crate::{
    connection::{Connection, TransportError},
    frame::{MAX_MESSAGE, PROTOCOL},
};

/// Messages that wait for the next poll before the sender does.
const DEPTH: usize = 32;
/// Sessions of one agent at once: one that works, and those that it has given up.
const PER_OWNER: usize = 8;

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// A session without a request for so long is over; 60 seconds.
    pub idle: Duration,
    /// A poll waits for so long when there is nothing to tell, and at most three quarters of `idle`; 45 seconds.
    pub wait: Duration,
    /// A batch of the agent waits for so long when the hub does not take it; 30 seconds.
    pub room: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            wait: Duration::from_secs(45),
            room: Duration::from_secs(30),
        }
    }
}

/// The sessions of a service. Cheap to clone; clones are the same sessions.
///
/// Whoever calls it has proven for each request which agent it comes from, and names it as `owner`: a session answers
/// nobody else.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    options: SessionOptions,
    open: Mutex<BTreeMap<String, Arc<Session>>>,
}

/// What a poll comes to.
#[derive(Debug)]
pub struct Polled {
    /// For the agent.
    pub response: http::Response<Bytes>,
    /// A new connection, for [`Hub::attach`](crate::Hub::attach).
    pub opened: Option<Connection>,
}

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The HTTP status.
    pub status: StatusCode,
    /// In words, for the agent's log.
    pub detail: &'static str,
}

impl Refusal {
    fn new(status: StatusCode, detail: &'static str) -> Self {
        Self { status, detail }
    }

    fn gone() -> Self {
        Self::new(StatusCode::GONE, "the session is over")
    }
}

struct Session {
    owner: String,
    options: SessionOptions,
    state: Mutex<State>,
    /// Told whenever a request that waits should look again.
    changed: Notify,
    /// The hub's writer, when it waits for room or for the last batch to be fetched.
    writer: AtomicWaker,
    /// The hub's reader.
    reader: AtomicWaker,
}

struct State {
    /// For the agent, not yet in a batch.
    waiting: VecDeque<Bytes>,
    /// The last batch, until the agent has said that it came.
    kept: Option<Bytes>,
    /// The number of the last batch that was made.
    made: u64,
    /// Polls so far: only the newest is answered with a batch.
    polls: u64,
    /// From the agent, not yet read.
    arrived: VecDeque<Bytes>,
    /// The number of the last batch that was taken.
    taken: u64,
    heard: Instant,
    over: bool,
}

impl Sessions {
    /// With the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(SessionOptions::default())
    }

    /// With other options.
    #[must_use]
    pub fn with_options(mut options: SessionOptions) -> Self {
        // A poll that waits longer than its session lives would end it.
        options.wait = options.wait.min(options.idle * 3 / 4);
        Self(Arc::new(Inner { options, open: Mutex::default() }))
    }

    /// Answers `POST …/poll`: opens a session, or waits for the next batch of one. May be dropped at any point.
    ///
    /// # Errors
    /// [`Refusal`], to be sent as an error document.
    pub async fn poll(&self, owner: &str, headers: &HeaderMap) -> Result<Polled, Refusal> {
        let Some(id) = headers.get(HEADER_SESSION) else { return self.open(owner, headers) };
        let id = id.to_str().map_err(|_| Refusal::gone())?;
        let session = self.session(owner, id)?;
        let came = number(headers).ok_or_else(|| {
            Refusal::new(StatusCode::BAD_REQUEST, "the poll does not say which batch came last")
        })?;
        let response = match session.poll(came).await? {
            Some((number, batch)) => {
                let mut response = answer(StatusCode::OK, batch);
                response.headers_mut().insert(HEADER_BATCH, number.into());
                let binary = HeaderValue::from_static("application/octet-stream");
                response.headers_mut().insert(header::CONTENT_TYPE, binary);
                response
            }
            None => answer(StatusCode::NO_CONTENT, Bytes::new()),
        };
        Ok(Polled { response, opened: None })
    }

    /// Answers `POST …/result/{session}`, with the whole body, which the server has limited to
    /// [`MAX_BATCH`](super::MAX_BATCH). May be dropped at any point.
    ///
    /// # Errors
    /// [`Refusal`], to be sent as an error document.
    pub async fn result(
        &self,
        owner: &str,
        session: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<http::Response<Bytes>, Refusal> {
        let session = self.session(owner, session)?;
        let wrong = |detail| Refusal::new(StatusCode::BAD_REQUEST, detail);
        let number = number(headers).ok_or_else(|| wrong("the batch has no number"))?;
        let messages = unpacked(body).map_err(wrong)?;
        session.result(number, messages).await?;
        Ok(answer(StatusCode::NO_CONTENT, Bytes::new()))
    }

    fn open(&self, owner: &str, headers: &HeaderMap) -> Result<Polled, Refusal> {
        let spoken = headers.get(HEADER_PROTOCOL).is_some_and(|protocol| protocol == PROTOCOL);
        if !spoken {
            let detail = "the link needs the protocol sync-link.1";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
        }
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 18]>());
        let session = Arc::new(Session {
            owner: owner.to_owned(),
            options: self.0.options,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                kept: None,
                made: 0,
                polls: 0,
                arrived: VecDeque::new(),
                taken: 0,
                heard: Instant::now(),
                over: false,
            }),
            changed: Notify::new(),
            writer: AtomicWaker::new(),
            reader: AtomicWaker::new(),
        });
        {
            let mut open = self.0.open();
            if open.values().filter(|session| session.owner == owner).count() >= PER_OWNER {
                let detail = "the agent has too many sessions at once";
                return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, detail));
            }
            open.insert(id.clone(), Arc::clone(&session));
        }
        let end = Arc::new(End { all: Arc::downgrade(&self.0), id: id.clone(), session });
        let incoming = Incoming { end: Arc::clone(&end), idle: None, ended: false };
        let connection = Connection::new("long-poll", Outgoing(end), incoming);
        let mut response = answer(StatusCode::CREATED, Bytes::new());
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert(HEADER_SESSION, id);
        }
        Ok(Polled { response, opened: Some(connection) })
    }

    fn session(&self, owner: &str, id: &str) -> Result<Arc<Session>, Refusal> {
        let session = self.0.open().get(id).cloned();
        // Another agent's session is none.
        session.filter(|session| session.owner == owner).ok_or_else(Refusal::gone)
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Inner {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: StatusCode, body: Bytes) -> http::Response<Bytes> {
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Session {
    /// The batch after the one that `came`, or nothing for a while.
    async fn poll(&self, came: u64) -> Result<Option<(u64, Bytes)>, Refusal> {
        let turn = {
            let mut state = self.state();
            if state.over {
                return Err(Refusal::gone());
            }
            if came > state.made {
                let detail = "the poll names a batch that was never sent";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, detail));
            }
            if came + 1 < state.made {
                // An old request, which comes late: its agent has asked again since.
                return Ok(None);
            }
            state.heard = Instant::now();
            state.polls += 1;
            state.polls
        };
        // An older poll goes home: whoever sent it has asked again.
        self.changed.notify_waiters();
        let until = Instant::now() + self.options.wait;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if state.polls != turn {
                    return Ok(None);
                }
                if let Some(found) = state.batch_after(came) {
                    state.heard = Instant::now();
                    self.writer.wake();
                    return Ok(Some(found));
                }
                if state.over {
                    return Err(Refusal::gone());
                }
            }
            if timeout_at(until, changed).await.is_err() {
                self.state().heard = Instant::now();
                return Ok(None);
            }
        }
    }

    /// Takes a batch, once.
    async fn result(&self, number: u64, messages: Vec<Bytes>) -> Result<(), Refusal> {
        let until = Instant::now() + self.options.room;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if state.over {
                    return Err(Refusal::gone());
                }
                state.heard = Instant::now();
                if number <= state.taken {
                    return Ok(());
                }
                if number != state.taken + 1 {
                    let detail = "a batch is missing before this one";
                    return Err(Refusal::new(StatusCode::CONFLICT, detail));
                }
                if state.arrived.is_empty() {
                    state.taken = number;
                    state.arrived.extend(messages);
                    self.reader.wake();
                    return Ok(());
                }
            }
            if timeout_at(until, changed).await.is_err() {
                let detail = "the service has no room for the batch now";
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail));
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn batch_after(&mut self, came: u64) -> Option<(u64, Bytes)> {
        if came == self.made {
            self.kept = None;
            if self.waiting.is_empty() {
                return None;
            }
            let mut packing = Packing::default();
            while !packing.is_full()
                && let Some(message) = self.waiting.pop_front()
            {
                packing.add(&message);
            }
            self.made += 1;
            self.kept = Some(packing.batch());
        }
        self.kept.clone().map(|batch| (self.made, batch))
    }
}

/// The connection's hold on its session: with it the session ends.
struct End {
    all: Weak<Inner>,
    id: String,
    session: Arc<Session>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.session.state().over = true;
        self.session.changed.notify_waiters();
        if let Some(all) = self.all.upgrade() {
            all.open().remove(&self.id);
        }
    }
}

/// What the hub sends.
struct Outgoing(Arc<End>);

impl Sink<Bytes> for Outgoing {
    type Error = TransportError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let session = &self.0.session;
        session.writer.register(cx.waker());
        if session.state().waiting.len() < DEPTH { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), TransportError> {
        if message.len() > MAX_MESSAGE {
            return Err(TransportError::new("a message is too large"));
        }
        self.0.session.state().waiting.push_back(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        // What waits goes with the next poll; how much may wait is bounded.
        self.0.session.changed.notify_waiters();
        Poll::Ready(Ok(()))
    }

    /// Waits until the agent has fetched everything.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        let session = &self.0.session;
        session.changed.notify_waiters();
        session.writer.register(cx.waker());
        if session.state().waiting.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

/// What the agent sends, until it has been silent for too long.
struct Incoming {
    end: Arc<End>,
    idle: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Stream for Incoming {
    type Item = Result<Bytes, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let session = &this.end.session;
        session.reader.register(cx.waker());
        loop {
            let dead = {
                let mut state = session.state();
                if let Some(message) = state.arrived.pop_front() {
                    let empty = state.arrived.is_empty();
                    drop(state);
                    if empty {
                        session.changed.notify_waiters();
                    }
                    return Poll::Ready(Some(Ok(message)));
                }
                state.heard + session.options.idle
            };
            let idle = this.idle.get_or_insert_with(|| Box::pin(sleep_until(dead)));
            if idle.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= dead {
                this.ended = true;
                let text = format!("the agent sent no request for {:?}", session.options.idle);
                return Poll::Ready(Some(Err(TransportError::new(text))));
            }
            idle.as_mut().reset(dead);
        }
    }
}

#[cfg(test)]
mod tests;

//! One connected agent: its requests, and what may still come for each.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::SecretString;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    AgentIdentity, Answer, Inner, RequestOptions,
    answer::{LinkAnswer, Piece},
    registry::Slot,
};
use crate::{
    connection::Connection,
    credit::{Allowance, Credit, Regrant},
    error::{EndCode, Ended, LinkError},
    frame::{CHUNK, CancelCode, Frame, Hello, MINOR, Times},
    outbox::Outbox,
    pump::{self, Event, Reader},
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
    end: watch::Sender<Option<Ended>>,
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

/// Runs the link of one agent.
pub(super) async fn run(
    hub: &Arc<Inner>,
    identity: AgentIdentity,
    connection: Connection,
) -> Ended {
    let timing = hub.options.timing;
    let transport = connection.transport().to_owned();
    let outbox = Arc::new(Outbox::new());
    let (mut reader, writer) = pump::split(connection, &outbox, timing);
    outbox.control(Frame::Hello(Hello {
        minor: MINOR,
        software: concat!("scim-sync-link/", env!("CARGO_PKG_VERSION")).to_owned(),
        capacity: 0,
        max_request: 0,
        window: 0,
    }));
    let mut writing = pin!(writer.run());
    let serving = async {
        let mut hello = match timeout(timing.hello, first_frame(&mut reader)).await {
            Ok(hello) => hello?,
            Err(_) => return Err(Ended::protocol("the agent did not say hello")),
        };
        hello.capacity = hello.capacity.clamp(1, hub.options.capacity.max(1));
        let mut expires = identity.credential_expires;
        let attached = Arc::new(Attached {
            identity,
            hello,
            transport,
            window: hub.options.window,
            outbox: Arc::clone(&outbox),
            pending: Mutex::default(),
            end: watch::Sender::new(None),
        });
        let member = Member::join(hub, &attached)
            .ok_or_else(|| Ended::new(EndCode::Stopping, "the service is stopping"))?;
        member.serve(&mut reader, &mut expires).await
    };
    let ended = tokio::select! {
        ended = serving => match ended {
            Ok(never) => match never {},
            Err(ended) => ended,
        },
        done = &mut writing => {
            outbox.abandon();
            return done.err().unwrap_or_else(|| Ended::lost("closed"));
        }
    };
    if ended.code != EndCode::Lost {
        outbox.close(ended.code, &ended.reason, true);
        // The last words are a courtesy: whether they arrive changes nothing here.
        drop(timeout(timing.farewell, &mut writing).await);
    }
    outbox.abandon();
    ended
}

async fn first_frame(reader: &mut Reader) -> Result<Hello, Ended> {
    loop {
        match reader.next().await? {
            Event::Frame(Frame::Hello(hello)) => return Ok(hello),
            Event::Frame(other) => {
                return Err(Ended::protocol(format!("{} came before hello", other.kind())));
            }
            Event::Tick => {}
        }
    }
}

/// A connection that is in the registry; dropped, it is not.
struct Member<'a> {
    hub: &'a Arc<Inner>,
    attached: Arc<Attached>,
    connection: u64,
}

impl<'a> Member<'a> {
    fn join(hub: &'a Arc<Inner>, attached: &Arc<Attached>) -> Option<Self> {
        let joined = hub.registry().join(hub, attached)?;
        let connection = joined.connection;
        if let Some(older) = joined.replaced {
            older.end(Ended::new(EndCode::Replaced, "the agent has a newer connection"));
        }
        let member = Self { hub, attached: Arc::clone(attached), connection };
        hub.announce(&attached.identity.tenant, &attached.identity.groups);
        Some(member)
    }

    async fn serve(
        &self,
        reader: &mut Reader,
        expires: &mut Option<Instant>,
    ) -> Result<std::convert::Infallible, Ended> {
        let mut end = self.attached.end.subscribe();
        let mut renewing: Option<BoxFuture<'_, Result<Duration, String>>> = None;
        let mut draining = false;
        loop {
            let quiet = self.hub.quiet.notified();
            if draining && self.attached.is_quiet(self.hub) {
                // Only now: a request that was on its way when the agent asked is answered, too.
                self.attached.outbox.control(Frame::Drained);
                draining = false;
            }
            tokio::select! {
                event = reader.next() => match event? {
                    Event::Frame(Frame::Renew { credential }) => {
                        renewing = Some(self.renew(credential, *expires));
                    }
                    Event::Frame(Frame::Drain) => {
                        draining = true;
                        self.hub.registry().drain(&self.attached, self.connection);
                        self.hub.announce(
                            &self.attached.identity.tenant,
                            &self.groups(),
                        );
                    }
                    Event::Frame(frame) => self.attached.frame(frame)?,
                    Event::Tick => self.attached.check()?,
                },
                ended = wanted(&mut end) => return Err(ended),
                () = at(*expires) => {
                    return Err(Ended::new(EndCode::Expired, "the credential has expired"));
                }
                renewed = optional(&mut renewing) => {
                    renewing = None;
                    match renewed {
                        Ok(valid) => {
                            *expires = Instant::now().checked_add(valid);
                            self.attached.outbox.control(Frame::Renewed { valid_ms: Some(millis(valid)) });
                        }
                        Err(reason) => {
                            let reason = format!("the new credential is not accepted: {reason}");
                            return Err(Ended::new(EndCode::Expired, reason));
                        }
                    }
                }
                () = quiet, if draining => {}
            }
        }
    }

    fn renew(
        &self,
        credential: SecretString,
        expires: Option<Instant>,
    ) -> BoxFuture<'_, Result<Duration, String>> {
        let Some(credentials) = self.hub.options.credentials.as_ref() else {
            // Nothing changes: what is left of the old one is what the agent is told.
            let left = expires.map_or(Duration::MAX, |at| at.duration_since(Instant::now()));
            return std::future::ready(Ok(left)).boxed();
        };
        let patience = self.hub.options.timing.hello;
        async move {
            timeout(patience, credentials.renew(&self.attached.identity, &credential))
                .await
                .unwrap_or_else(|_| Err("it could not be checked in time".to_owned()))
        }
        .boxed()
    }

    fn groups(&self) -> BTreeSet<String> {
        let identity = &self.attached.identity;
        let agents = self.hub.registry().statuses(&identity.tenant);
        agents
            .into_iter()
            .find(|agent| agent.agent == identity.agent)
            .map(|agent| agent.groups)
            .unwrap_or_default()
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let groups = self.groups();
        self.hub.registry().leave(&self.attached, self.connection);
        self.attached.outbox.abandon();
        self.attached.fail_all();
        self.hub.announce(&self.attached.identity.tenant, &groups);
    }
}

impl Attached {
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

    pub(super) fn tell(&self, frame: Frame) {
        self.outbox.control(frame);
    }

    fn is_quiet(&self, hub: &Inner) -> bool {
        let identity = &self.identity;
        !hub.registry()
            .statuses(&identity.tenant)
            .iter()
            .any(|agent| agent.agent == identity.agent && agent.in_flight > 0)
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

    fn frame(&self, frame: Frame) -> Result<(), Ended> {
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
            CancelCode::Failed | CancelCode::Other => LinkError::Refused(reason),
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

    fn check(&self) -> Result<(), Ended> {
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

    fn fail_all(&self) {
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

async fn wanted(end: &mut watch::Receiver<Option<Ended>>) -> Ended {
    match end.wait_for(Option::is_some).await.map(|ended| ended.clone()) {
        Ok(Some(ended)) => ended,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

async fn optional<T>(future: &mut Option<BoxFuture<'_, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

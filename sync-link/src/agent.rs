//! The agent's end of the link.

mod control;
mod task;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    body::Body,
    connection::{Connection, Timing},
    credit::{Allowance, Credit, Regrant},
    error::{EndCode, Ended},
    frame::{CancelCode, Frame, Hello, MINOR, Times},
    outbox::Outbox,
    pump::{self, Event, Reader},
};

pub use control::Control;
pub(crate) use control::Credentials as RenewedCredentials;

/// Answers the requests of the service.
///
/// Handlers have to be idempotent: the service asks again when a link is lost before an answer is complete.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. The future and the body are dropped when nobody waits for them any more.
    async fn handle(
        &self,
        request: http::Request<Bytes>,
        context: RequestContext,
    ) -> http::Response<Body>;
}

/// What a handler knows of a request beside the request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// When nobody waits any more for the head of the answer.
    pub deadline: Instant,
    /// Cancelled when the request is over, however that came: for work that a dropped future does not stop.
    pub cancelled: CancellationToken,
}

/// How much an agent takes on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentOptions {
    /// Requests at once; 16.
    pub capacity: u32,
    /// The largest body of a request; 16 MiB. All requests together may hold `capacity` times as much.
    pub max_request: u64,
    /// Bytes of a request's body that may be on their way; 256 KiB.
    pub window: u32,
    /// Name and version of the program, for operators.
    pub software: String,
    /// Pings and patience.
    pub timing: Timing,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            capacity: 16,
            max_request: 16 << 20,
            window: 256 * 1024,
            software: concat!("scim-sync-link/", env!("CARGO_PKG_VERSION")).to_owned(),
            timing: Timing::default(),
        }
    }
}

/// Serves connections with one handler.
#[derive(Clone)]
pub struct Agent {
    handler: Arc<dyn Handler>,
    options: AgentOptions,
}

impl Agent {
    /// With the default options.
    pub fn new(handler: impl Handler) -> Self {
        Self { handler: Arc::new(handler), options: AgentOptions::default() }
    }

    /// With other options.
    #[must_use]
    pub fn with_options(mut self, options: AgentOptions) -> Self {
        self.options = options;
        self
    }

    /// Answers what comes over a connection until it ends. Dropping the future stops at once.
    pub async fn serve(&self, connection: Connection, control: &Control) -> Ended {
        self.link(connection, control, false).await
    }

    /// The same for a link that takes the place of an older one of this agent which lives: that one is given nothing more,
    /// answers what it has and is ended by the service ([`EndCode::Replaced`]), so that no request is lost on the way.
    pub async fn serve_beside(&self, connection: Connection, control: &Control) -> Ended {
        self.link(connection, control, true).await
    }

    async fn link(&self, connection: Connection, control: &Control, beside: bool) -> Ended {
        let outbox = Arc::new(Outbox::new());
        let (reader, writer) = pump::split(connection, &outbox, self.options.timing);
        outbox.control(Frame::Hello(Hello {
            minor: MINOR,
            software: self.options.software.clone(),
            capacity: self.options.capacity,
            max_request: self.options.max_request,
            window: self.options.window,
            beside,
        }));
        let mut serving = Serving {
            agent: self,
            outbox: Arc::clone(&outbox),
            active: BTreeMap::new(),
            taken: Arc::default(),
            tasks: JoinSet::new(),
            greeted: false,
            drained: false,
            started: Instant::now(),
        };
        let mut writing = std::pin::pin!(writer.run());
        let ended = tokio::select! {
            ended = serving.run(reader, control) => ended,
            done = &mut writing => {
                outbox.abandon();
                return done.err().unwrap_or_else(|| Ended::lost("closed"));
            }
        };
        serving.stop();
        if ended.code != EndCode::Lost {
            outbox.close(ended.code, &ended.reason, ended.code != EndCode::Drained);
            // The last words are a courtesy: whether they arrive changes nothing here.
            drop(timeout(self.options.timing.farewell, &mut writing).await);
        }
        outbox.abandon();
        ended
    }
}

/// One connection while it is served.
struct Serving<'a> {
    agent: &'a Agent,
    outbox: Arc<Outbox>,
    active: BTreeMap<u64, Active>,
    /// Requests that the service has not got the last frame of, as far as can be known here.
    taken: Arc<AtomicU32>,
    tasks: JoinSet<u64>,
    greeted: bool,
    /// No further requests will come.
    drained: bool,
    started: Instant,
}

/// What one request takes of the agent's capacity.
///
/// It is free before the last frame of an answer can be seen by the service, because the service may then send the next
/// request at once; what is left of the old one by then is its task's end.
struct Place {
    taken: Arc<AtomicU32>,
    held: AtomicBool,
}

impl Place {
    /// Takes one of `capacity`, if there is one.
    fn take(taken: &Arc<AtomicU32>, capacity: u32) -> Option<Self> {
        let room = |taken| (taken < capacity).then_some(taken + 1);
        taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Self { taken: Arc::clone(taken), held: AtomicBool::new(true) })
    }

    fn free(&self) {
        if self.held.swap(false, Ordering::AcqRel) {
            self.taken.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free();
    }
}

/// One request.
struct Active {
    cancelled: CancellationToken,
    credit: Arc<Credit>,
    incoming: Option<IncomingBody>,
}

/// The body of a request while it arrives.
struct IncomingBody {
    bytes: BytesMut,
    length: usize,
    allowance: Allowance,
    regrant: Regrant,
    complete: oneshot::Sender<Bytes>,
}

/// A request as it arrives.
struct Arrival {
    id: u64,
    head: http::request::Parts,
    times: Times,
    window: u32,
    length: u64,
    body: Bytes,
    last: bool,
}

impl Serving<'_> {
    async fn run(&mut self, mut reader: Reader, control: &Control) -> Ended {
        let mut drain = control.drain_wanted();
        let mut credentials = control.credentials();
        let mut drain_sent = false;
        loop {
            if self.drained && self.active.is_empty() {
                return Ended::new(EndCode::Drained, "the agent stops, with everything answered");
            }
            let turn = tokio::select! {
                event = reader.next() => event.and_then(|event| match event {
                    Event::Frame(frame) => self.frame(frame),
                    Event::Tick => self.tick(),
                }),
                Some(done) = self.tasks.join_next() => {
                    done.map(|id| self.finished(id))
                        .map_err(|error| Ended::protocol(format!("a task of the agent died: {error}")))
                }
                () = drain.wanted(), if !drain_sent => {
                    drain_sent = true;
                    self.outbox.control(Frame::Drain);
                    Ok(())
                }
                credential = credentials.next() => {
                    self.outbox.control(Frame::Renew { credential });
                    Ok(())
                }
            };
            if let Err(ended) = turn {
                return ended;
            }
        }
    }

    fn frame(&mut self, frame: Frame) -> Result<(), Ended> {
        if !self.greeted && !matches!(frame, Frame::Hello(_)) {
            return Err(Ended::protocol(format!("{} came before hello", frame.kind())));
        }
        match frame {
            Frame::Hello(hello) if !self.greeted => {
                tracing::debug!(service = hello.software, minor = hello.minor, "linked");
                self.greeted = true;
            }
            Frame::Request { id, head, times, window, length, body, last } => {
                let arrival = Arrival { id, head: *head, times, window, length, body, last };
                self.request(arrival)?;
            }
            Frame::Body { id, body, last } => self.piece(id, &body, last)?,
            Frame::Credit { id, bytes } => {
                if let Some(active) = self.active.get(&id) {
                    active.credit.add(bytes);
                }
            }
            Frame::Cancel { id, .. } => {
                if let Some(active) = self.active.get(&id) {
                    active.cancelled.cancel();
                }
            }
            Frame::Renewed { valid_ms } => {
                tracing::debug!(?valid_ms, "the service took the next credential");
            }
            Frame::Drain => tracing::info!("the service is about to stop"),
            Frame::Drained => self.drained = true,
            Frame::Hello(_)
            | Frame::Response { .. }
            | Frame::Renew { .. }
            | Frame::Ping { .. }
            | Frame::Pong { .. }
            | Frame::Bye { .. }
            | Frame::Unknown => {
                return Err(Ended::protocol(format!("{} is not for an agent", frame.kind())));
            }
        }
        Ok(())
    }

    fn request(&mut self, arrival: Arrival) -> Result<(), Ended> {
        let Arrival { id, head, times, window, length, body, last } = arrival;
        if self.active.contains_key(&id) {
            return Err(Ended::protocol(format!("request {id} came twice")));
        }
        let options = &self.agent.options;
        let refuse = |code, reason: &str| {
            self.outbox.control(Frame::Cancel { id, code, reason: reason.to_owned() });
            Ok(())
        };
        let Some(place) = Place::take(&self.taken, options.capacity) else {
            return refuse(CancelCode::Busy, "the agent has as many requests as it takes");
        };
        let fits = usize::try_from(length).ok().filter(|_| length <= options.max_request);
        let Some(length) = fits else {
            return refuse(CancelCode::TooLarge, "the request is larger than the agent takes");
        };
        let (complete, whole) = oneshot::channel();
        let mut incoming = IncomingBody {
            bytes: BytesMut::new(),
            length,
            allowance: Allowance::new(options.window),
            regrant: Regrant::new(options.window),
            complete,
        };
        let incoming = if last {
            if body.len() != length {
                return Err(Ended::protocol(format!("request {id} is not as long as it says")));
            }
            // Its reader is the task that is about to start.
            drop(incoming.complete.send(body));
            None
        } else {
            if !body.is_empty() {
                incoming.take(id, &body)?;
            }
            Some(incoming)
        };
        let cancelled = CancellationToken::new();
        let credit = Arc::new(Credit::new(window));
        let active = Active { cancelled: cancelled.clone(), credit: Arc::clone(&credit), incoming };
        self.active.insert(id, active);
        let task = task::Task {
            id,
            head,
            times,
            whole,
            place,
            cancelled,
            credit,
            outbox: Arc::clone(&self.outbox),
            handler: Arc::clone(&self.agent.handler),
        };
        self.tasks.spawn(task.run());
        Ok(())
    }

    fn piece(&mut self, id: u64, body: &Bytes, last: bool) -> Result<(), Ended> {
        // One that is unknown has just been refused or has ended early.
        let Some(active) = self.active.get_mut(&id) else { return Ok(()) };
        let Some(incoming) = active.incoming.as_mut() else {
            return Err(Ended::protocol(format!("request {id} has more body than it said")));
        };
        if !body.is_empty() {
            if let Some(bytes) = incoming.take(id, body)? {
                self.outbox.control(Frame::Credit { id, bytes });
            }
        } else if !last {
            return Err(Ended::protocol(format!("request {id} has an empty piece of body")));
        }
        if last && let Some(incoming) = active.incoming.take() {
            if incoming.bytes.len() != incoming.length {
                return Err(Ended::protocol(format!("request {id} is not as long as it said")));
            }
            // The task may have answered already.
            drop(incoming.complete.send(incoming.bytes.freeze()));
        }
        Ok(())
    }

    fn finished(&mut self, id: u64) {
        self.active.remove(&id);
    }

    fn tick(&mut self) -> Result<(), Ended> {
        let timing = &self.agent.options.timing;
        if !self.greeted && self.started.elapsed() >= timing.hello {
            return Err(Ended::protocol("the service did not say hello"));
        }
        Ok(())
    }

    fn stop(&mut self) {
        for active in self.active.values() {
            active.cancelled.cancel();
        }
        self.tasks.abort_all();
    }
}

impl IncomingBody {
    /// Takes a piece; what may be granted to the service now.
    fn take(&mut self, id: u64, piece: &Bytes) -> Result<Option<u32>, Ended> {
        if !self.allowance.spend(piece.len()) {
            return Err(Ended::protocol(format!("request {id} has more body than was granted")));
        }
        if self.bytes.len() + piece.len() > self.length {
            return Err(Ended::protocol(format!("request {id} has more body than it said")));
        }
        self.bytes.extend_from_slice(piece);
        let granted = self.regrant.read(piece.len());
        if let Some(bytes) = granted {
            self.allowance.grant(bytes);
        }
        Ok(granted)
    }
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").field("options", &self.options).finish_non_exhaustive()
    }
}

/// How long a time on the wire is here; none is longer than a day.
fn bounded(ms: u64) -> Duration {
    Duration::from_millis(ms.min(24 * 60 * 60 * 1000))
}

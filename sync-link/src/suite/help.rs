//! A hub, agents on connections of the transport, and a handler that does what its path says.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::Link;
use crate::{
    Agent, AgentIdentity, AgentOptions, Answer, Body, Control, Ended, GroupKey, Handler,
    HandlerError, Hub, HubOptions, LinkError, RequestContext, RequestOptions, Timing,
};

/// Makes a new connection.
pub type Pair<'a> = &'a (dyn Fn() -> Pin<Box<dyn Future<Output = Link> + Send>> + Send + Sync);

/// Nothing here takes longer, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What comes, or the end of the case.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("never: {what}"),
    }
}

/// Bytes that tell where they are from.
pub fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| u8::try_from((at / 7 + at % 251) % 256).unwrap()).collect()
}

/// What the handlers of a case have done.
#[derive(Debug)]
pub struct Counts {
    pub handled: AtomicU64,
    pub produced: AtomicU64,
    /// Requests whose context was cancelled while they were at work.
    pub cancelled: AtomicU64,
    pub gate: Semaphore,
}

impl Counts {
    pub fn handled(&self) -> u64 {
        self.handled.load(Ordering::SeqCst)
    }

    pub fn produced(&self) -> u64 {
        self.produced.load(Ordering::SeqCst)
    }

    pub fn cancelled(&self) -> u64 {
        self.cancelled.load(Ordering::SeqCst)
    }
}

/// Does what the path of a request says.
#[derive(Clone)]
pub struct Scripted {
    pub name: String,
    pub counts: Arc<Counts>,
}

/// Counts a request that is dropped before it is done.
struct AtWork(Option<Arc<Counts>>);

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some(counts) = self.0.take() {
            counts.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl Handler for Scripted {
    async fn handle(
        &self,
        request: http::Request<Bytes>,
        context: RequestContext,
    ) -> http::Response<Body> {
        self.counts.handled.fetch_add(1, Ordering::SeqCst);
        let mut at_work = AtWork(Some(Arc::clone(&self.counts)));
        let path = request.uri().path().to_owned();
        let mut words = path.split('/').skip(1);
        let word = words.next().unwrap_or_default();
        let number = words.next().and_then(|number| number.parse().ok()).unwrap_or(0_usize);
        let body = match word {
            "echo" => Body::from(request.into_body()),
            "name" => Body::from(self.name.clone()),
            "path" => Body::from(path.clone()),
            "empty" => Body::empty(),
            "bytes" => self.produce(number, 10_000),
            "crumbs" => self.produce(number, 1),
            "broken" => Body::from_stream(stream::iter([
                Ok(pattern(number)),
                Err(HandlerError::new("the directory is gone")),
            ])),
            "stall" => {
                let first = stream::iter([Ok(Bytes::from_static(b"first"))]);
                // Goes with the answer's body.
                let held = at_work.0.take().map(|counts| AtWork(Some(counts)));
                Body::from_stream(first.chain(stream::once(async move {
                    let _held = held;
                    std::future::pending().await
                })))
            }
            "never" => {
                context.cancelled.cancelled().await;
                std::future::pending().await
            }
            "gate" => {
                self.counts.gate.acquire().await.unwrap().forget();
                Body::from(self.name.clone())
            }
            "panic" => panic!("as asked"),
            _ => Body::from("?"),
        };
        at_work.0 = None;
        let mut response = http::Response::new(body);
        for (name, value) in request_headers(&path) {
            response.headers_mut().append(name, value);
        }
        response
    }
}

fn request_headers(path: &str) -> Vec<(http::HeaderName, http::HeaderValue)> {
    if path.starts_with("/echo") {
        return Vec::new();
    }
    let odd = http::HeaderValue::from_bytes(b"caf\xe9").unwrap();
    vec![
        (http::HeaderName::from_static("x-odd"), odd),
        (http::HeaderName::from_static("x-two"), http::HeaderValue::from_static("1")),
        (http::HeaderName::from_static("x-two"), http::HeaderValue::from_static("2")),
    ]
}

impl Scripted {
    fn produce(&self, length: usize, piece: usize) -> Body {
        let counts = Arc::clone(&self.counts);
        let whole = pattern(length);
        Body::from_stream(stream::unfold(whole, move |mut rest| {
            let counts = Arc::clone(&counts);
            async move {
                let next = rest.split_to(piece.min(rest.len()));
                counts.produced.fetch_add(next.len() as u64, Ordering::SeqCst);
                (!next.is_empty()).then_some((Ok(next), rest))
            }
        }))
    }
}

/// Makes two hubs: one that agents connect to, and one that is asked. Usually they are the same.
pub type Replicas = Arc<dyn Fn(HubOptions) -> (Hub, Hub) + Send + Sync>;

tokio::task_local! {
    /// What the rigs of a case are made of.
    pub static REPLICAS: Replicas;
}

/// How many links an answer of this case passes.
pub fn links() -> u64 {
    if REPLICAS.try_with(|_| ()).is_ok() { 2 } else { 1 }
}

/// A hub with its agents.
pub struct Rig {
    pub hub: Hub,
    /// Where requests are born.
    pub front: Hub,
    pub counts: Arc<Counts>,
    pub options: AgentOptions,
}

/// One agent of a rig.
pub struct Joined {
    pub control: Control,
    pub agent: JoinHandle<Ended>,
    pub service: JoinHandle<Ended>,
    pub keep: Box<dyn std::any::Any + Send>,
}

pub fn group() -> GroupKey {
    GroupKey::new("tenant", "group")
}

pub fn identity(agent: &str) -> AgentIdentity {
    AgentIdentity::new("tenant", agent).in_group("group")
}

/// Times that a case can wait for.
pub fn hurried() -> Timing {
    Timing {
        ping: Duration::from_millis(200),
        dead: Duration::from_secs(20),
        hello: Duration::from_secs(20),
        hole: Duration::from_millis(500),
        farewell: Duration::from_secs(2),
    }
}

impl Rig {
    pub fn new() -> Self {
        Self::with(HubOptions::default())
    }

    pub fn with(options: HubOptions) -> Self {
        let agent = AgentOptions { timing: options.timing, ..AgentOptions::default() };
        let (hub, front) = match REPLICAS.try_with(Arc::clone) {
            Ok(replicas) => replicas(options),
            Err(_) => {
                let hub = Hub::with_options(options);
                (hub.clone(), hub)
            }
        };
        Self {
            hub,
            front,
            counts: Arc::new(Counts {
                handled: AtomicU64::new(0),
                produced: AtomicU64::new(0),
                cancelled: AtomicU64::new(0),
                gate: Semaphore::new(0),
            }),
            options: agent,
        }
    }

    /// Connects an agent of the usual group and waits until the hub knows it.
    pub async fn join(&self, pair: Pair<'_>, name: &str) -> Joined {
        self.join_as(identity(name), pair().await).await
    }

    pub async fn join_as(&self, identity: AgentIdentity, link: Link) -> Joined {
        self.join_with(identity, link, false).await
    }

    /// Connects an agent anew whose older link lives.
    pub async fn join_beside(&self, pair: Pair<'_>, name: &str) -> Joined {
        self.join_with(identity(name), pair().await, true).await
    }

    async fn join_with(&self, identity: AgentIdentity, link: Link, beside: bool) -> Joined {
        let Link { agent: agent_end, service: service_end, keep } = link;
        let handler = Scripted { name: identity.agent.clone(), counts: Arc::clone(&self.counts) };
        let control = Control::new();
        let agent = tokio::spawn({
            let agent = Agent::new(handler).with_options(self.options.clone());
            let control = control.clone();
            async move {
                if beside {
                    agent.serve_beside(agent_end, &control).await
                } else {
                    agent.serve(agent_end, &control).await
                }
            }
        });
        let before = self.since(&identity);
        let service = tokio::spawn({
            let (hub, identity) = (self.hub.clone(), identity.clone());
            async move { hub.attach(identity, service_end).await }
        });
        eventually("the agent joins", || self.since(&identity) > before || service.is_finished())
            .await;
        let known = |agent: &crate::AgentStatus| {
            agent.agent == identity.agent && agent.groups == identity.groups
        };
        eventually("it is known where requests are born", || {
            self.front.everywhere(&identity.tenant).iter().any(known) || service.is_finished()
        })
        .await;
        Joined { control, agent, service, keep }
    }

    fn since(&self, identity: &AgentIdentity) -> Option<Instant> {
        self.hub
            .connected(&identity.tenant)
            .into_iter()
            .find(|agent| agent.agent == identity.agent)
            .map(|agent| agent.connected)
    }

    pub async fn ask(&self, path: &str) -> Result<http::Response<Answer>, LinkError> {
        self.ask_with(path, Bytes::new(), RequestOptions::within(PATIENCE)).await
    }

    pub async fn ask_with(
        &self,
        path: &str,
        body: Bytes,
        options: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError> {
        let request = http::Request::post(path).body(body).unwrap();
        soon(path, self.front.request(&group(), request, options)).await
    }

    /// The text of a small answer.
    pub async fn text(&self, path: &str) -> Result<String, LinkError> {
        let answer = self.ask(path).await?;
        let bytes = soon(path, answer.into_body().collect(1 << 20)).await?;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    /// Requests that agents have and nobody has finished.
    pub fn in_flight(&self) -> u32 {
        self.hub.agents(&group()).iter().map(|agent| agent.in_flight).sum()
    }

    pub async fn quiet(&self) {
        eventually("all requests are over", || self.in_flight() == 0).await;
    }
}

impl Default for Rig {
    fn default() -> Self {
        Self::new()
    }
}

/// How a side of a link came to its end.
pub async fn ended(side: JoinHandle<Ended>) -> Ended {
    soon("the link ends", side).await.unwrap()
}

/// Reads an answer to its end and holds it against the pattern.
pub async fn check_pattern(answer: Answer, length: usize) {
    let mut answer = answer;
    let expected = pattern(length);
    let mut at = 0;
    while let Some(piece) = soon("the next piece", answer.next()).await {
        let piece = piece.unwrap();
        assert!(expected.get(at..at + piece.len()) == Some(&piece[..]), "wrong bytes at {at}");
        at += piece.len();
    }
    assert_eq!(at, length);
}

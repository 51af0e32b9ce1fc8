//! This replica among the others.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Nats, carry,
    presence::{Peers, Word, joined, told},
    relay::{Relay, passed_on, unwrapped, wrapped},
};
use crate::{
    agent::{Agent, AgentOptions, Control},
    connection::{Connection, Timing, TransportError},
    error::LinkError,
    hub::{
        AgentIdentity, AgentStatus, Answer, Backplane, GroupKey, Hub, HubOptions, RequestOptions,
    },
};

/// The other replicas, as the hub of the links to them calls their tenant.
const REPLICAS: &str = "replicas";
/// Requests on their way to one replica at once; more wait.
const AT_ONCE: u32 = 256;
/// For a message that NATS should take at once.
const MOMENT: Duration = Duration::from_secs(1);

/// How replicas find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaOptions {
    /// What all subjects begin with: replicas of one service have the same, others another; `sync-link`.
    pub prefix: String,
    /// How often each tells the others whom it has, when nothing has changed; 2 seconds.
    pub beat: Duration,
    /// A replica that was silent for so long is gone; 7 seconds.
    pub patience: Duration,
    /// How long a request waits for the link to a replica that has an agent and was just found; 3 seconds.
    pub settle: Duration,
}

impl Default for ReplicaOptions {
    fn default() -> Self {
        Self {
            prefix: "sync-link".to_owned(),
            beat: Duration::from_secs(2),
            patience: Duration::from_secs(7),
            settle: Duration::from_secs(3),
        }
    }
}

/// Asks another replica to answer on a connection.
#[derive(Debug, Serialize, Deserialize)]
struct Open {
    replica: String,
    connection: String,
}

/// The replicas of a service: the [`Backplane`] of a hub, and what answers for the others. Cheap to clone.
///
/// Made first, given to the hub's options, and then [run](Self::run) with that hub.
#[derive(Clone)]
pub struct Replicas(Arc<Inner>);

struct Inner {
    nats: Nats,
    options: ReplicaOptions,
    me: String,
    /// The links to the other replicas, which are its agents.
    others: Hub,
    peers: Mutex<Peers>,
    /// Told when agents have come or gone here.
    here: Notify,
    /// Told when something about the other replicas has changed.
    there: Arc<Notify>,
    /// Told when a link to one is there.
    joined: Arc<Notify>,
}

/// Tells when a replica's link is there.
struct Joined {
    /// For requests that wait.
    there: Arc<Notify>,
    /// For whoever tells the hub of the links the groups of each.
    joined: Arc<Notify>,
}

#[async_trait]
impl Backplane for Joined {
    async fn request(
        &self,
        _: &GroupKey,
        _: http::Request<Bytes>,
        _: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError> {
        Err(LinkError::NoAgent)
    }

    fn present(&self, _: &GroupKey, _: usize) {
        self.joined.notify_one();
        self.there.notify_waiters();
    }
}

impl Replicas {
    /// A replica with a name of its own.
    #[must_use]
    pub fn new(nats: Nats, options: ReplicaOptions) -> Self {
        let (there, joined) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let telling = Joined { there: Arc::clone(&there), joined: Arc::clone(&joined) };
        let others = HubOptions {
            capacity: AT_ONCE,
            timing: between(),
            backplane: Some(Arc::new(telling)),
            ..HubOptions::default()
        };
        Self(Arc::new(Inner {
            nats,
            options,
            me: format!("{:032x}", rand::random::<u128>()),
            others: Hub::with_options(others),
            peers: Mutex::default(),
            here: Notify::new(),
            there,
            joined,
        }))
    }

    /// This replica's name among the others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.me
    }

    /// The names of the other replicas that are there.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        self.0.peers().names()
    }

    /// Finds the others and answers them with the agents of `hub`, until `stop`. While NATS is away, nobody else is there;
    /// when it comes back, so do they.
    ///
    /// # Errors
    /// When NATS takes no messages of the size that the link needs, or its connection is closed for good.
    pub async fn run(&self, hub: &Hub, stop: CancellationToken) -> Result<(), TransportError> {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            ready = self.0.nats.ready() => ready.map_err(TransportError::new)?,
        }
        Running::new(&self.0, hub).await?.run(stop).await
    }
}

impl fmt::Debug for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas").field("me", &self.0.me).finish_non_exhaustive()
    }
}

/// Links between replicas are on one network: what is not there for seconds is gone.
fn between() -> Timing {
    Timing {
        ping: Duration::from_secs(2),
        dead: Duration::from_secs(8),
        hello: Duration::from_secs(5),
        hole: Duration::from_secs(2),
        farewell: Duration::from_secs(1),
    }
}

fn key(group: &GroupKey) -> GroupKey {
    GroupKey::new(REPLICAS, joined(&group.tenant, &group.group))
}

#[async_trait]
impl Backplane for Replicas {
    async fn request(
        &self,
        group: &GroupKey,
        request: http::Request<Bytes>,
        options: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError> {
        let inner = &self.0;
        let request = wrapped(group, request, options)?;
        let settled = Instant::now() + options.deadline.min(inner.options.settle);
        loop {
            let mut there = std::pin::pin!(inner.there.notified());
            there.as_mut().enable();
            let asked = inner.others.request(&key(group), request.clone(), options).await;
            // An agent that has just left, or has just come and whose replica has no link to here yet: nobody has begun.
            match asked.map_err(passed_on).and_then(unwrapped) {
                Err(LinkError::NoAgent) if inner.peers().has(group) => {
                    if timeout_at(settled, there).await.is_err() {
                        return Err(LinkError::NoAgent);
                    }
                }
                other => return other,
            }
        }
    }

    fn present(&self, _: &GroupKey, _: usize) {
        self.0.here.notify_one();
    }

    fn agents(&self, tenant: &str) -> Vec<AgentStatus> {
        self.0.peers().agents(tenant)
    }
}

impl Inner {
    fn peers(&self) -> MutexGuard<'_, Peers> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subject(&self, rest: &str) -> String {
        format!("{}.{rest}", self.options.prefix)
    }

    async fn publish(&self, subject: &str, payload: Vec<u8>) {
        let published = self.nats.client.publish(self.subject(subject), payload.into());
        // What does not get out now is said again with the next beat.
        match timeout(MOMENT, published).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, subject, "NATS took no message"),
            Err(_) => tracing::debug!(subject, "NATS took no message in time"),
        }
    }

    /// The groups of a replica for the hub of the links; one more is always there, so that its coming is noticed.
    fn groups(&self, replica: &str) -> BTreeSet<String> {
        let mut groups = self.peers().groups(replica);
        groups.insert(String::new());
        groups
    }

    /// Opens a link to a replica and keeps it while it lasts.
    async fn link(self: Arc<Self>, replica: String) -> String {
        match self.open(&replica).await {
            Ok(connection) => {
                let mut identity = AgentIdentity::new(REPLICAS, replica.clone());
                identity.groups = self.groups(&replica);
                tracing::info!(replica, "linked to another replica");
                let ended = self.others.attach(identity, connection).await;
                tracing::info!(replica, reason = %ended, "the link to another replica has ended");
            }
            Err(error) => tracing::debug!(replica, %error, "no link to another replica yet"),
        }
        replica
    }

    async fn open(&self, replica: &str) -> Result<Connection, TransportError> {
        let connection = format!("{:032x}", rand::random::<u128>());
        let side = |side: &str| self.subject(&format!("link.{connection}.{side}"));
        let carried = self.nats.connection(&side("agent"), &side("service")).await?;
        let open = Open { replica: self.me.clone(), connection: connection.clone() };
        let open = serde_json::to_vec(&open).map_err(TransportError::new)?;
        let asked = self.nats.client.request(self.subject(&format!("open.{replica}")), open.into());
        timeout(between().hello, asked)
            .await
            .map_err(TransportError::new)?
            .map_err(TransportError::new)?;
        Ok(carried)
    }

    /// Answers another replica on the connection that it asked for.
    async fn answer(self: Arc<Self>, hub: Hub, open: Open, reply: async_nats::Subject) {
        let side = |side: &str| {
            self.subject(&format!("link.{connection}.{side}", connection = open.connection))
        };
        let Ok(incoming) = self.nats.subscribe(&side("agent")).await else { return };
        let carried = carry(&self.nats.client, &side("service"), incoming);
        if self.nats.client.publish(reply, Bytes::new()).await.is_err() {
            return;
        }
        let options = AgentOptions {
            capacity: AT_ONCE,
            software: concat!("scim-sync-link/", env!("CARGO_PKG_VERSION")).to_owned(),
            timing: between(),
            ..AgentOptions::default()
        };
        let agent = Agent::new(Relay(hub)).with_options(options);
        let ended = agent.serve(carried, &Control::new()).await;
        tracing::debug!(replica = open.replica, reason = %ended, "another replica's link here has ended");
    }
}

/// One run.
struct Running<'a> {
    inner: &'a Arc<Inner>,
    hub: &'a Hub,
    heard: async_nats::Subscriber,
    asked: async_nats::Subscriber,
    opened: async_nats::Subscriber,
    /// The links to others, by replica, and those of others to here.
    links: JoinSet<String>,
    linked: BTreeSet<String>,
    answers: JoinSet<()>,
    version: u64,
}

impl<'a> Running<'a> {
    async fn new(inner: &'a Arc<Inner>, hub: &'a Hub) -> Result<Self, TransportError> {
        let subscribe = |rest: String| {
            let subject = inner.subject(&rest);
            async move { inner.nats.subscribe(&subject).await }
        };
        Ok(Self {
            inner,
            hub,
            heard: subscribe("here".to_owned()).await?,
            asked: subscribe("ask".to_owned()).await?,
            opened: subscribe(format!("open.{}", inner.me)).await?,
            links: JoinSet::new(),
            linked: BTreeSet::new(),
            answers: JoinSet::new(),
            version: 0,
        })
    }

    async fn run(mut self, stop: CancellationToken) -> Result<(), TransportError> {
        let closed = || TransportError::new("the connection to NATS is closed");
        let mut up = self.inner.nats.up.clone();
        up.mark_changed();
        let mut beat = interval(self.inner.options.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                changed = up.changed() => {
                    changed.map_err(|_| closed())?;
                    let up = *up.borrow_and_update();
                    self.up(up).await;
                }
                message = self.heard.next() => self.word(&message.ok_or_else(closed)?.payload),
                message = self.asked.next() => {
                    message.ok_or_else(closed)?;
                    self.tell().await;
                }
                message = self.opened.next() => {
                    let message = message.ok_or_else(closed)?;
                    let open = serde_json::from_slice(&message.payload).ok();
                    if let (Some(open), Some(reply)) = (open, message.reply) {
                        self.answers.spawn(Arc::clone(self.inner).answer(self.hub.clone(), open, reply));
                    }
                }
                () = self.inner.here.notified() => self.tell().await,
                () = self.inner.joined.notified() => self.regroup(),
                _ = beat.tick() => {
                    let silent = self.inner.peers().expire(self.inner.options.patience);
                    for replica in silent {
                        tracing::warn!(replica, "another replica is silent");
                        self.gone(&replica);
                    }
                    self.tell().await;
                    self.link_all();
                }
                Some(done) = self.links.join_next() => {
                    if let Ok(replica) = done {
                        self.linked.remove(&replica);
                    }
                    self.inner.there.notify_waiters();
                }
                Some(_) = self.answers.join_next() => {}
            }
        }
        let gone = Word::Gone { replica: self.inner.me.clone() };
        self.inner.publish("here", serde_json::to_vec(&gone).unwrap_or_default()).await;
        self.inner.others.stop(Duration::ZERO).await;
        drop(timeout(MOMENT, self.inner.nats.client.flush()).await);
        Ok(())
    }

    /// NATS has come or gone.
    async fn up(&mut self, up: bool) {
        if up {
            self.inner.publish("ask", Vec::new()).await;
            self.tell().await;
            return;
        }
        tracing::warn!("NATS is away: other replicas and their agents cannot be reached");
        let names = self.inner.peers().names();
        for replica in names {
            self.inner.peers().forget(&replica);
            self.gone(&replica);
        }
        // What others asked is not answered any more, and stops here.
        self.answers.abort_all();
    }

    fn gone(&mut self, replica: &str) {
        self.inner.others.disconnect(REPLICAS, replica, "the replica is gone");
        self.inner.there.notify_waiters();
    }

    fn word(&mut self, payload: &[u8]) {
        match serde_json::from_slice(payload) {
            Ok(Word::Here(part)) if part.replica != self.inner.me => {
                self.inner.peers().heard(part);
                self.regroup();
                self.link_all();
            }
            Ok(Word::Gone { replica }) => {
                self.inner.peers().forget(&replica);
                self.gone(&replica);
            }
            Ok(Word::Here(_)) => {}
            Err(error) => tracing::debug!(%error, "a message that no replica sends"),
        }
    }

    /// Tells the hub of the links what each replica answers for.
    fn regroup(&self) {
        let names = self.inner.peers().names();
        for replica in names {
            let groups = self.inner.groups(&replica);
            self.inner.others.regroup(REPLICAS, &replica, groups);
        }
        self.inner.there.notify_waiters();
    }

    fn link_all(&mut self) {
        let names = self.inner.peers().names();
        for replica in names {
            if self.linked.insert(replica.clone()) {
                self.links.spawn(Arc::clone(self.inner).link(replica));
            }
        }
    }

    async fn tell(&mut self) {
        self.version += 1;
        for word in told(&self.inner.me, self.version, self.hub.everybody()) {
            self.inner.publish("here", serde_json::to_vec(&word).unwrap_or_default()).await;
        }
    }
}

//! The service's end of the links: who is connected, and who gets the next request.

mod answer;
mod attached;
mod backplane;
mod member;
mod registry;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use secrecy::SecretString;
use tokio::{
    sync::{Notify, oneshot},
    time::{Instant, timeout_at},
};

use crate::{
    connection::{Connection, Timing},
    error::{EndCode, Ended, LinkError},
    frame::Frame,
};

pub use answer::Answer;
#[cfg(feature = "nats")]
pub(crate) use attached::millis;
pub use backplane::Backplane;

use attached::Attached;
use registry::{Registry, Reserved, Slot};

/// A group of agents of a tenant: any of them may answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The tenant.
    pub tenant: String,
    /// The group, within the tenant.
    pub group: String,
}

impl GroupKey {
    /// A group of a tenant.
    pub fn new(tenant: impl Into<String>, group: impl Into<String>) -> Self {
        Self { tenant: tenant.into(), group: group.into() }
    }
}

/// Who is at the other end of a connection, as the service has proven it.
#[derive(Debug, Clone)]
pub struct AgentIdentity {
    /// The tenant; an agent gets requests of its own tenant only.
    pub tenant: String,
    /// The agent's id within the tenant.
    pub agent: String,
    /// The groups that it answers for.
    pub groups: BTreeSet<String>,
    /// When the connection ends unless the agent renews; `None` for never.
    pub credential_expires: Option<Instant>,
}

impl AgentIdentity {
    /// An agent without groups, whose credential does not expire.
    pub fn new(tenant: impl Into<String>, agent: impl Into<String>) -> Self {
        Self {
            tenant: tenant.into(),
            agent: agent.into(),
            groups: BTreeSet::new(),
            credential_expires: None,
        }
    }

    /// Adds a group.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.groups.insert(group.into());
        self
    }

    /// Sets for how long the credential is good from now.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.credential_expires = Instant::now().checked_add(time);
        self
    }
}

/// Judges the credential that an agent sends over its live connection before the old one expires.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// For how long from now the new credential is good.
    ///
    /// # Errors
    /// Why it is not accepted, for the agent's log; its link ends.
    async fn renew(
        &self,
        agent: &AgentIdentity,
        credential: &SecretString,
    ) -> Result<Duration, String>;
}

/// How a hub works.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubOptions {
    /// Bytes of an answer that may be on their way before its reader has taken them; 256 KiB.
    pub window: u32,
    /// Requests of one group that may wait for an agent that has room; 1024.
    pub waiting: usize,
    /// The most requests that an agent gets at once, whatever it says itself; 256.
    pub capacity: u32,
    /// Pings and patience.
    pub timing: Timing,
    /// Who judges renewed credentials. Without it none is taken, and links end when their credential does.
    pub credentials: Option<Arc<dyn Credentials>>,
    /// Who is asked when no agent of a group is connected here.
    pub backplane: Option<Arc<dyn Backplane>>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            window: 256 * 1024,
            waiting: 1024,
            capacity: 256,
            timing: Timing::default(),
            credentials: None,
            backplane: None,
        }
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("window", &self.window)
            .field("waiting", &self.waiting)
            .field("capacity", &self.capacity)
            .field("timing", &self.timing)
            .field("credentials", &self.credentials.is_some())
            .field("backplane", &self.backplane.is_some())
            .finish()
    }
}

/// How long one request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestOptions {
    /// To the head of the answer, with the wait for an agent; 60 seconds.
    pub deadline: Duration,
    /// Between two pieces of its body, while the reader waits for one; 60 seconds.
    pub idle: Duration,
    /// To the end of the body; no limit, because a slow reader may take its time.
    pub total: Option<Duration>,
}

impl Default for RequestOptions {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(60), idle: Duration::from_secs(60), total: None }
    }
}

impl RequestOptions {
    /// With another deadline.
    #[must_use]
    pub fn within(deadline: Duration) -> Self {
        Self { deadline, ..Self::default() }
    }
}

/// A connected agent, for operators.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentStatus {
    /// The agent's id.
    pub agent: String,
    /// The groups that it answers for.
    pub groups: BTreeSet<String>,
    /// Name and version of its program, in its own words.
    pub software: String,
    /// What carries its link.
    pub transport: String,
    /// Since when.
    pub connected: Instant,
    /// Requests that it works on.
    pub in_flight: u32,
    /// Requests that it takes at once.
    pub capacity: u32,
    /// Requests that it was given since it connected.
    pub served: u64,
    /// Whether it gets no new ones.
    pub draining: bool,
}

/// The links of a service. Cheap to clone; clones are the same hub.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

pub(crate) struct Inner {
    options: HubOptions,
    registry: Mutex<Registry>,
    /// Told when a request is over, for who waits for all of them.
    quiet: Notify,
}

impl Hub {
    /// With the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(HubOptions::default())
    }

    /// With other options.
    #[must_use]
    pub fn with_options(mut options: HubOptions) -> Self {
        // A window that is too small for a piece and its grant would stand still.
        options.window = options.window.max(4096);
        let registry = Mutex::default();
        Self(Arc::new(Inner { options, registry, quiet: Notify::new() }))
    }

    /// Runs the link of an agent until it ends: whoever calls this has proven the identity.
    ///
    /// A newer connection of the same agent replaces the older one: at once, or, where the agent says that the older one
    /// lives ([`Agent::serve_beside`](crate::Agent::serve_beside)), when it has answered what it has. Dropping the future ends
    /// the link at once.
    pub async fn attach(&self, identity: AgentIdentity, connection: Connection) -> Ended {
        member::run(&self.0, identity, connection).await
    }

    /// Sends a request to the agent of the group that has the least to do, and gives the head of its answer.
    ///
    /// The request goes to one agent and is not sent again. Dropping the future, or the answer before its end, cancels
    /// it there too.
    ///
    /// # Errors
    /// As [`LinkError`] says; [`LinkError::is_retryable`] tells whether to ask again.
    pub async fn request(
        &self,
        group: &GroupKey,
        request: http::Request<Bytes>,
        options: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError> {
        let deadline = later(options.deadline);
        let asked = async {
            match self.reserve(group).await {
                Err(LinkError::NoAgent) => match &self.0.options.backplane {
                    Some(backplane) => backplane.request(group, request, options).await,
                    None => Err(LinkError::NoAgent),
                },
                Err(error) => Err(error),
                Ok(slot) => attached::ask(slot, request, options, deadline).await,
            }
        };
        timeout_at(deadline, asked).await.map_err(|_| LinkError::Deadline)?
    }

    /// The same for agents that are connected here, without the backplane: what a backplane calls on the other replica.
    ///
    /// # Errors
    /// As [`Hub::request`].
    pub async fn request_here(
        &self,
        group: &GroupKey,
        request: http::Request<Bytes>,
        options: RequestOptions,
    ) -> Result<http::Response<Answer>, LinkError> {
        let deadline = later(options.deadline);
        let asked = async {
            let slot = self.reserve(group).await?;
            attached::ask(slot, request, options, deadline).await
        };
        timeout_at(deadline, asked).await.map_err(|_| LinkError::Deadline)?
    }

    /// The agents of a group that are connected here.
    #[must_use]
    pub fn agents(&self, group: &GroupKey) -> Vec<AgentStatus> {
        let mut agents = self.connected(&group.tenant);
        agents.retain(|agent| agent.groups.contains(&group.group));
        agents
    }

    /// All agents of a tenant that are connected here.
    #[must_use]
    pub fn connected(&self, tenant: &str) -> Vec<AgentStatus> {
        self.0.registry().statuses(tenant)
    }

    /// All agents of a tenant that are connected, here or to another replica.
    #[must_use]
    pub fn everywhere(&self, tenant: &str) -> Vec<AgentStatus> {
        let mut agents = self.connected(tenant);
        if let Some(backplane) = &self.0.options.backplane {
            for other in backplane.agents(tenant) {
                // One that has just moved is still told of by the replica that it was at.
                if agents.iter().all(|agent| agent.agent != other.agent) {
                    agents.push(other);
                }
            }
            agents.sort_by(|one, two| one.agent.cmp(&two.agent));
        }
        agents
    }

    /// All agents that are connected here, with their tenants.
    #[cfg(feature = "nats")]
    pub(crate) fn everybody(&self) -> Vec<(String, AgentStatus)> {
        self.0.registry().everybody()
    }

    /// Ends the link of an agent at once, because it was revoked; whether it was connected here.
    pub fn disconnect(&self, tenant: &str, agent: &str, reason: &str) -> bool {
        let links = self.0.registry().links(tenant, agent);
        for attached in &links {
            attached.end(Ended::new(EndCode::Revoked, reason));
        }
        !links.is_empty()
    }

    /// Changes the groups of a connected agent; whether it was connected here.
    pub fn regroup(&self, tenant: &str, agent: &str, groups: BTreeSet<String>) -> bool {
        let changed = self.0.registry().regroup(&self.0, tenant, agent, groups);
        self.0.announce(tenant, &changed.groups);
        changed.found
    }

    /// Stops: no new requests and no new agents; what is at work may be answered for as long as `grace`, then every link
    /// ends.
    pub async fn stop(&self, grace: Duration) {
        let deadline = later(grace);
        let all = self.0.registry().stop();
        for attached in &all {
            attached.tell(Frame::Drain);
            self.0.announce(&attached.identity.tenant, &attached.identity.groups);
        }
        let quiet = async {
            loop {
                let over = self.0.quiet.notified();
                if self.0.registry().is_quiet() {
                    return;
                }
                over.await;
            }
        };
        if timeout_at(deadline, quiet).await.is_err() {
            tracing::warn!("some requests were not answered before the links were ended");
        }
        for attached in all {
            attached.end(Ended::new(EndCode::Stopping, "the service is stopping"));
        }
    }

    async fn reserve(&self, group: &GroupKey) -> Result<Slot, LinkError> {
        let reserved = self.0.registry().reserve(&self.0, group)?;
        match reserved {
            Reserved::Now(slot) => Ok(slot),
            Reserved::Later(slot) => {
                slot.await.map_err(|_: oneshot::error::RecvError| LinkError::NoAgent)
            }
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("options", &self.0.options).finish_non_exhaustive()
    }
}

impl Inner {
    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the backplane how many agents some groups now have here.
    fn announce(&self, tenant: &str, groups: &BTreeSet<String>) {
        let Some(backplane) = &self.options.backplane else { return };
        for group in groups {
            let key = GroupKey::new(tenant, group);
            let agents = self.registry().present(&key);
            backplane.present(&key, agents);
        }
    }
}

fn later(time: Duration) -> Instant {
    let now = Instant::now();
    // An instant beyond what the clock can say is as good as a year from now.
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 60 * 60))
}

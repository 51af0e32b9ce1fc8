//! Who is connected, how busy each is, and who waits for an agent.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use tokio::{sync::oneshot, time::Instant};

use super::{AgentStatus, Attached, GroupKey, Inner};
use crate::error::LinkError;

/// Everything behind the hub's lock. Nothing here waits.
#[derive(Default)]
pub(super) struct Registry {
    agents: BTreeMap<AgentKey, Entry>,
    /// Older links of agents that have a newer one and answer here what they have.
    retired: BTreeMap<u64, Arc<Attached>>,
    waiting: BTreeMap<GroupKey, VecDeque<Waiter>>,
    waiters: u64,
    connections: u64,
    stopped: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct AgentKey {
    tenant: String,
    agent: String,
}

struct Entry {
    attached: Arc<Attached>,
    connection: u64,
    groups: BTreeSet<String>,
    in_flight: u32,
    served: u64,
    draining: bool,
    connected: Instant,
}

struct Waiter {
    turn: u64,
    slot: oneshot::Sender<Slot>,
}

/// The right to give one request to one agent. Whoever drops it gives the place to the next.
pub(super) struct Slot {
    pub(super) attached: Arc<Attached>,
    hub: Option<Arc<Inner>>,
    connection: u64,
}

/// What a reservation comes to.
pub(super) enum Reserved {
    Now(Slot),
    Later(oneshot::Receiver<Slot>),
}

/// What joining comes to.
pub(super) struct Joined {
    pub(super) connection: u64,
    /// The same agent's older connections, which are to end.
    pub(super) replaced: Vec<Arc<Attached>>,
}

/// What regrouping comes to.
#[derive(Default)]
pub(super) struct Regrouped {
    pub(super) found: bool,
    /// The groups whose agents are more or fewer now.
    pub(super) groups: BTreeSet<String>,
}

impl Registry {
    /// Adds an agent that has said hello; `None` when the hub is stopping.
    pub(super) fn join(&mut self, hub: &Arc<Inner>, attached: &Arc<Attached>) -> Option<Joined> {
        if self.stopped {
            return None;
        }
        self.connections += 1;
        let connection = self.connections;
        let key = key(&attached.identity.tenant, &attached.identity.agent);
        let entry = Entry {
            attached: Arc::clone(attached),
            connection,
            groups: attached.identity.groups.clone(),
            in_flight: 0,
            served: 0,
            draining: false,
            connected: Instant::now(),
        };
        let older = self.agents.insert(key.clone(), entry);
        let replaced = if attached.hello.beside {
            if let Some(older) = older {
                older.attached.retire();
                self.retired.insert(older.connection, older.attached);
            }
            Vec::new()
        } else {
            let retired = self.retired_of(&key);
            older.into_iter().map(|older| older.attached).chain(retired).collect()
        };
        self.hand_out(hub, &key);
        Some(Joined { connection, replaced })
    }

    fn retired_of(&self, key: &AgentKey) -> Vec<Arc<Attached>> {
        let is_of = |attached: &&Arc<Attached>| {
            attached.identity.tenant == key.tenant && attached.identity.agent == key.agent
        };
        self.retired.values().filter(is_of).cloned().collect()
    }

    /// Removes a connection; an agent's newer one stays.
    pub(super) fn leave(&mut self, attached: &Attached, connection: u64) {
        self.retired.remove(&connection);
        let key = key(&attached.identity.tenant, &attached.identity.agent);
        if self.agents.get(&key).is_some_and(|entry| entry.connection == connection) {
            self.agents.remove(&key);
            self.dismiss(&key.tenant);
        }
    }

    /// An agent takes no further requests.
    pub(super) fn drain(&mut self, attached: &Attached, connection: u64) {
        let key = key(&attached.identity.tenant, &attached.identity.agent);
        if let Some(entry) = self.agents.get_mut(&key)
            && entry.connection == connection
        {
            entry.draining = true;
            self.dismiss(&key.tenant);
        }
    }

    pub(super) fn regroup(
        &mut self,
        hub: &Arc<Inner>,
        tenant: &str,
        agent: &str,
        groups: BTreeSet<String>,
    ) -> Regrouped {
        let key = key(tenant, agent);
        let Some(entry) = self.agents.get_mut(&key) else { return Regrouped::default() };
        let changed = entry.groups.symmetric_difference(&groups).cloned().collect();
        entry.groups = groups;
        self.hand_out(hub, &key);
        self.dismiss(tenant);
        Regrouped { found: true, groups: changed }
    }

    /// Takes no more requests and no more agents; the links that are there.
    pub(super) fn stop(&mut self) -> Vec<Arc<Attached>> {
        self.stopped = true;
        self.waiting.clear();
        for entry in self.agents.values_mut() {
            entry.draining = true;
        }
        let current = self.agents.values().map(|entry| &entry.attached);
        current.chain(self.retired.values()).cloned().collect()
    }

    pub(super) fn is_quiet(&self) -> bool {
        let current = self.agents.values().map(|entry| &entry.attached);
        current.chain(self.retired.values()).all(|attached| attached.is_quiet())
    }

    /// A place at the agent of the group that has the least to do, or a turn in the queue.
    pub(super) fn reserve(
        &mut self,
        hub: &Arc<Inner>,
        group: &GroupKey,
    ) -> Result<Reserved, LinkError> {
        let best = self
            .of_group(group)
            .min_by_key(|(_, entry)| {
                // By share of its capacity, then by what it has done, so that idle agents take turns.
                (!entry.has_room(), entry.load(), entry.served)
            })
            .map(|(key, entry)| (key.clone(), entry.has_room()));
        match best {
            None => Err(LinkError::NoAgent),
            Some((key, true)) => self
                .agents
                .get_mut(&key)
                .map(|entry| Reserved::Now(entry.slot(hub)))
                .ok_or(LinkError::NoAgent),
            Some((_, false)) => {
                let queue = self.waiting.entry(group.clone()).or_default();
                queue.retain(|waiter| !waiter.slot.is_closed());
                if queue.len() >= hub.options.waiting {
                    return Err(LinkError::Busy { waiting: queue.len() });
                }
                let (slot, later) = oneshot::channel();
                self.waiters += 1;
                queue.push_back(Waiter { turn: self.waiters, slot });
                Ok(Reserved::Later(later))
            }
        }
    }

    /// A request is over: its place goes to who has waited longest for one of the agent's groups.
    fn release(&mut self, hub: &Arc<Inner>, attached: &Attached, connection: u64) {
        let key = key(&attached.identity.tenant, &attached.identity.agent);
        if let Some(entry) = self.agents.get_mut(&key)
            && entry.connection == connection
        {
            entry.in_flight = entry.in_flight.saturating_sub(1);
            self.hand_out(hub, &key);
        }
    }

    fn hand_out(&mut self, hub: &Arc<Inner>, key: &AgentKey) {
        let Some(entry) = self.agents.get_mut(key) else { return };
        while entry.has_room() && !entry.draining {
            let oldest = entry
                .groups
                .iter()
                .map(|group| GroupKey::new(&key.tenant, group))
                .filter_map(|group| {
                    let turn = self.waiting.get(&group)?.front()?.turn;
                    Some((turn, group))
                })
                .min();
            let Some((_, group)) = oldest else { return };
            let Some(queue) = self.waiting.get_mut(&group) else { return };
            let waiter = queue.pop_front();
            if queue.is_empty() {
                self.waiting.remove(&group);
            }
            let Some(waiter) = waiter else { continue };
            let slot = entry.slot(hub);
            if let Err(slot) = waiter.slot.send(slot) {
                entry.take_back(slot);
            }
        }
    }

    /// Sends away who waits for a group that has nobody left.
    fn dismiss(&mut self, tenant: &str) {
        let groups: Vec<_> =
            self.waiting.keys().filter(|group| group.tenant == tenant).cloned().collect();
        for group in groups {
            if self.present(&group) == 0 {
                self.waiting.remove(&group);
            }
        }
    }

    /// How many agents of a group take requests.
    pub(super) fn present(&self, group: &GroupKey) -> usize {
        self.of_group(group).count()
    }

    fn of_group<'a>(
        &'a self,
        group: &'a GroupKey,
    ) -> impl Iterator<Item = (&'a AgentKey, &'a Entry)> {
        self.of_tenant(&group.tenant)
            .filter(|(_, entry)| !entry.draining && entry.groups.contains(&group.group))
    }

    fn of_tenant<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = (&'a AgentKey, &'a Entry)> {
        self.agents.range(key(tenant, "")..).take_while(move |(key, _)| key.tenant == tenant)
    }

    /// The links of an agent, with those that only answer what they have.
    pub(super) fn links(&self, tenant: &str, agent: &str) -> Vec<Arc<Attached>> {
        let key = key(tenant, agent);
        let current = self.agents.get(&key).map(|entry| Arc::clone(&entry.attached));
        current.into_iter().chain(self.retired_of(&key)).collect()
    }

    pub(super) fn statuses(&self, tenant: &str) -> Vec<AgentStatus> {
        self.of_tenant(tenant).map(|(key, entry)| entry.status(key)).collect()
    }

    #[cfg(feature = "nats")]
    pub(super) fn everybody(&self) -> Vec<(String, AgentStatus)> {
        self.agents.iter().map(|(key, entry)| (key.tenant.clone(), entry.status(key))).collect()
    }
}

impl Entry {
    fn status(&self, key: &AgentKey) -> AgentStatus {
        AgentStatus {
            agent: key.agent.clone(),
            groups: self.groups.clone(),
            software: self.attached.hello.software.clone(),
            transport: self.attached.transport.clone(),
            connected: self.connected,
            in_flight: self.in_flight,
            capacity: self.attached.hello.capacity,
            served: self.served,
            draining: self.draining,
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight < self.attached.hello.capacity
    }

    /// Thousandths of its capacity.
    fn load(&self) -> u64 {
        u64::from(self.in_flight) * 1000 / u64::from(self.attached.hello.capacity.max(1))
    }

    fn slot(&mut self, hub: &Arc<Inner>) -> Slot {
        self.in_flight += 1;
        self.served += 1;
        self.attached.give();
        Slot {
            attached: Arc::clone(&self.attached),
            hub: Some(Arc::clone(hub)),
            connection: self.connection,
        }
    }

    /// For a slot that nobody took, under the lock that its drop would ask for.
    fn take_back(&mut self, mut slot: Slot) {
        slot.hub = None;
        self.in_flight -= 1;
        self.served -= 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.attached.give_back();
        if let Some(hub) = self.hub.take() {
            hub.registry().release(&hub, &self.attached, self.connection);
            hub.quiet.notify_waiters();
        }
    }
}

fn key(tenant: &str, agent: &str) -> AgentKey {
    AgentKey { tenant: tenant.to_owned(), agent: agent.to_owned() }
}

//! Who is where: what replicas tell each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::hub::{AgentStatus, GroupKey};

/// So many bytes of agents go into one message, which stays below what NATS has to take for the link.
const PART: usize = crate::frame::MAX_MESSAGE / 2;

/// What goes to `here`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Word {
    /// A part of what a replica has.
    Here(Part),
    /// It stops.
    Gone { replica: String },
}

/// All agents of a replica, in parts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) replica: String,
    /// Grows with each telling.
    version: u64,
    part: usize,
    parts: usize,
    agents: Vec<Present>,
}

/// An agent at another replica.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Present {
    tenant: String,
    agent: String,
    groups: BTreeSet<String>,
    software: String,
    transport: String,
    connected_ms: u64,
    in_flight: u32,
    capacity: u32,
    served: u64,
    draining: bool,
}

/// What is to be said of the agents that are here.
pub(super) fn told(replica: &str, version: u64, agents: Vec<(String, AgentStatus)>) -> Vec<Word> {
    let now = Instant::now();
    let agents: Vec<Present> = agents
        .into_iter()
        .map(|(tenant, status)| Present {
            tenant,
            agent: status.agent,
            groups: status.groups,
            software: status.software,
            transport: status.transport,
            connected_ms: crate::hub::millis(now.saturating_duration_since(status.connected)),
            in_flight: status.in_flight,
            capacity: status.capacity,
            served: status.served,
            draining: status.draining,
        })
        .collect();
    let parts = parted_by_size(agents);
    let count = parts.len();
    let word = |(part, agents)| {
        Word::Here(Part { replica: replica.to_owned(), version, part, parts: count, agents })
    };
    parts.into_iter().enumerate().map(word).collect()
}

/// The agents in parts that each fit into a message: at least one part, because nobody is told, too.
fn parted_by_size(agents: Vec<Present>) -> Vec<Vec<Present>> {
    let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
    for agent in agents {
        let bytes = serde_json::to_vec(&agent).map_or(0, |json| json.len() + 1);
        if size + bytes > PART && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            size = 0;
        }
        size += bytes;
        part.push(agent);
    }
    parts.push(part);
    parts
}

/// The other replicas.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<String, Peer>);

#[derive(Debug)]
struct Peer {
    heard: Instant,
    version: u64,
    agents: Vec<Present>,
    /// The parts of the next version that have come.
    coming: BTreeMap<usize, Vec<Present>>,
    coming_version: u64,
}

impl Peers {
    /// Takes a part.
    pub(super) fn heard(&mut self, part: Part) {
        let peer = self.0.entry(part.replica).or_insert_with(|| Peer {
            heard: Instant::now(),
            version: 0,
            agents: Vec::new(),
            coming: BTreeMap::new(),
            coming_version: 0,
        });
        peer.heard = Instant::now();
        if part.version <= peer.version || part.version < peer.coming_version {
            return;
        }
        if part.version > peer.coming_version {
            peer.coming.clear();
            peer.coming_version = part.version;
        }
        peer.coming.insert(part.part, part.agents);
        if peer.coming.len() == part.parts {
            peer.agents = std::mem::take(&mut peer.coming).into_values().flatten().collect();
            peer.version = part.version;
        }
    }

    pub(super) fn forget(&mut self, replica: &str) {
        self.0.remove(replica);
    }

    /// Forgets those that were silent, and names them.
    pub(super) fn expire(&mut self, patience: Duration) -> Vec<String> {
        let silent: Vec<String> = self
            .0
            .iter()
            .filter(|(_, peer)| peer.heard.elapsed() >= patience)
            .map(|(replica, _)| replica.clone())
            .collect();
        for replica in &silent {
            self.0.remove(replica);
        }
        silent
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// The groups that a replica answers for, as the link between replicas calls them.
    pub(super) fn groups(&self, replica: &str) -> BTreeSet<String> {
        let agents = self.0.get(replica).into_iter().flat_map(|peer| &peer.agents);
        agents
            .filter(|agent| !agent.draining)
            .flat_map(|agent| agent.groups.iter().map(|group| joined(&agent.tenant, group)))
            .collect()
    }

    pub(super) fn has(&self, group: &GroupKey) -> bool {
        self.0.values().flat_map(|peer| &peer.agents).any(|agent| {
            !agent.draining && agent.tenant == group.tenant && agent.groups.contains(&group.group)
        })
    }

    pub(super) fn agents(&self, tenant: &str) -> Vec<AgentStatus> {
        let now = Instant::now();
        self.0
            .values()
            .flat_map(|peer| &peer.agents)
            .filter(|agent| agent.tenant == tenant)
            .map(|agent| AgentStatus {
                agent: agent.agent.clone(),
                groups: agent.groups.clone(),
                software: agent.software.clone(),
                transport: agent.transport.clone(),
                connected: now
                    .checked_sub(Duration::from_millis(agent.connected_ms))
                    .unwrap_or(now),
                in_flight: agent.in_flight,
                capacity: agent.capacity,
                served: agent.served,
                draining: agent.draining,
            })
            .collect()
    }
}

/// Tenant and group in one word, whatever is in them.
pub(super) fn joined(tenant: &str, group: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(tenant), URL_SAFE_NO_PAD.encode(group))
}

/// What [`joined`] has joined.
pub(super) fn parted(word: &str) -> Option<GroupKey> {
    let (tenant, group) = word.split_once('.')?;
    let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    Some(GroupKey::new(text(tenant)?, text(group)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tokio::time::{Duration, Instant};

    use super::{Peers, Word, joined, parted, told};
    use crate::frame::MAX_MESSAGE;
    use crate::hub::{AgentStatus, GroupKey};

    fn statuses(many: usize) -> Vec<(String, AgentStatus)> {
        let status = |number: usize| AgentStatus {
            agent: format!("agent {number}"),
            groups: BTreeSet::from(["g".to_owned()]),
            software: "x".to_owned(),
            transport: "websocket".to_owned(),
            connected: Instant::now(),
            in_flight: 1,
            capacity: 2,
            served: 3,
            draining: number == 0,
        };
        (0..many).map(|number| ("t".to_owned(), status(number))).collect()
    }

    fn hear(peers: &mut Peers, words: Vec<Word>) {
        for word in words {
            let word = serde_json::from_slice(&serde_json::to_vec(&word).unwrap()).unwrap();
            match word {
                Word::Here(part) => peers.heard(part),
                Word::Gone { replica } => peers.forget(&replica),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_agents_come_in_parts_and_count_when_all_are_there() {
        let mut peers = Peers::default();
        let group = GroupKey::new("t", "g");
        let many = 3000;
        let mut words = told("a", 1, statuses(many));
        assert_eq!(words.len(), 3);
        for word in &words {
            let size = serde_json::to_vec(word).unwrap().len();
            assert!(size < MAX_MESSAGE, "{size}");
        }
        let last = words.remove(0);
        hear(&mut peers, words);
        assert!(!peers.has(&group));
        hear(&mut peers, vec![last]);
        assert!(peers.has(&group));
        assert_eq!(peers.agents("t").len(), many);
        assert!(peers.agents("u").is_empty());
        // An older telling that comes late says nothing; a newer one says everything.
        hear(&mut peers, told("a", 3, statuses(1)));
        hear(&mut peers, told("a", 2, statuses(9)));
        assert_eq!(peers.agents("t").len(), 1);
        assert!(!peers.has(&group), "the only one drains");
        hear(&mut peers, told("b", 1, statuses(2)));
        tokio::time::advance(Duration::from_secs(5)).await;
        hear(&mut peers, told("a", 4, statuses(0)));
        assert_eq!(peers.expire(Duration::from_secs(5)), ["b"]);
        assert_eq!(peers.names(), ["a"]);
    }

    proptest! {
        #[test]
        fn names_are_joined_and_parted(tenant in any::<String>(), group in any::<String>()) {
            let word = joined(&tenant, &group);
            prop_assert!(word.bytes().all(|byte| byte.is_ascii_graphic()));
            prop_assert_eq!(parted(&word), Some(GroupKey::new(tenant, group)));
        }
    }
}

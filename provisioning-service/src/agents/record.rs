//! What is kept of an agent, and the states that follow from it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use scim_sync_link::gateway::BootstrapRequest;
use serde::{Deserialize, Serialize};

use super::Lifetimes;
use crate::authority::Issued;

/// Names of directories that an agent may tell.
const DIRECTORIES: usize = 100;

/// An enrolled agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    /// How operators call it.
    pub name: String,
    /// The machine that it runs on, in its own words.
    pub hostname: String,
    /// The version of its program, in its own words.
    pub version: String,
    /// The directories that it can read, in its own words.
    pub directories: Vec<String>,
    /// The groups that it answers for.
    pub groups: BTreeSet<String>,
    /// Changes when what the service wants of it changes.
    pub config_version: u64,
    /// When it came in.
    pub enrolled: DateTime<Utc>,
    /// When it last proved itself and asked what to do.
    pub last_bootstrap: Option<DateTime<Utc>>,
    /// Seconds that its clock was ahead then.
    pub clock_ahead: i64,
    /// The certificates that are good, oldest first: one, or two while it renews.
    pub certificates: Vec<Certificate>,
    /// Since when it is refused.
    pub revoked: Option<DateTime<Utc>>,
}

/// A certificate of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The SHA-256 of its public key in hexadecimal.
    pub key: String,
    /// When it was issued.
    pub issued: DateTime<Utc>,
    /// When it ends.
    pub expires: DateTime<Utc>,
}

impl Certificate {
    pub(super) fn new(issued: &Issued, now: DateTime<Utc>) -> Self {
        Self {
            serial: issued.serial.clone(),
            key: issued.key.clone(),
            issued: now,
            expires: issued.expires,
        }
    }
}

/// How an agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentState {
    /// It bootstraps.
    Active,
    /// It has been silent for an hour.
    Inactive,
    /// It has been silent for ten days: it is listed no more, until it comes back. It is forgotten when its certificate
    /// has expired.
    Removed,
    /// An administrator refused it for good.
    Revoked,
}

impl Agent {
    /// How the agent stands now.
    #[must_use]
    pub fn state(&self, now: DateTime<Utc>, lifetimes: &Lifetimes) -> AgentState {
        let silence = now.signed_duration_since(self.last_seen());
        if self.revoked.is_some() {
            AgentState::Revoked
        } else if silence >= lifetimes.removed {
            AgentState::Removed
        } else if silence >= lifetimes.inactive {
            AgentState::Inactive
        } else {
            AgentState::Active
        }
    }

    /// When it was last heard of.
    #[must_use]
    pub fn last_seen(&self) -> DateTime<Utc> {
        self.last_bootstrap.unwrap_or(self.enrolled)
    }

    /// When its newest certificate ends.
    #[must_use]
    pub fn certificate_expires(&self) -> Option<DateTime<Utc>> {
        self.certificates.iter().map(|certificate| certificate.expires).max()
    }

    /// Takes over what it says of itself.
    pub(super) fn note(&mut self, request: &BootstrapRequest, skew: TimeDelta, now: DateTime<Utc>) {
        self.hostname = short(&request.hostname);
        self.version = short(&request.version);
        self.directories = request.directories.iter().take(DIRECTORIES).map(|d| short(d)).collect();
        self.last_bootstrap = Some(now);
        self.clock_ahead = skew.num_seconds();
    }

    /// Which of the good certificates this is.
    pub(super) fn place_of(&self, serial: &str) -> Option<usize> {
        self.certificates.iter().position(|known| known.serial == serial)
    }
}

/// What a stranger says, fit for lists and logs: at most 200 printable characters.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::config::Config;

    #[test]
    fn silence_makes_inactive_after_an_hour_and_removed_after_ten_days() {
        let now = from_millis(1_780_000_000_000);
        let lifetimes = Lifetimes::from(&Config::default());
        let mut agent = Agent {
            name: "dc1".to_owned(),
            hostname: String::new(),
            version: String::new(),
            directories: Vec::new(),
            groups: BTreeSet::new(),
            config_version: 1,
            enrolled: now,
            last_bootstrap: None,
            clock_ahead: 0,
            certificates: Vec::new(),
            revoked: None,
        };
        let hour = TimeDelta::hours(1);
        let days = TimeDelta::days(10);
        let tick = TimeDelta::milliseconds(1);
        for (silence, state) in [
            (TimeDelta::zero(), AgentState::Active),
            (hour - tick, AgentState::Active),
            (hour, AgentState::Inactive),
            (days - tick, AgentState::Inactive),
            (days, AgentState::Removed),
        ] {
            assert_eq!(agent.state(now + silence, &lifetimes), state, "{silence}");
        }
        agent.last_bootstrap = Some(now + hour);
        assert_eq!(agent.state(now + hour + hour - tick, &lifetimes), AgentState::Active);
        agent.revoked = Some(now);
        assert_eq!(agent.state(now, &lifetimes), AgentState::Revoked);
        assert_eq!(short("a\n\u{7}b"), "ab");
    }
}

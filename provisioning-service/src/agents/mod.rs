//! Agents: how they come in, how they prove who they are, and what becomes of those that are silent.

mod codes;
mod enrol;
mod groups;
mod record;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use scim_sync_link::gateway::{BootstrapRequest, RenewRequest, RenewResponse};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::audit::{self, Actor};
use crate::authority::{Authority, AuthorityError, CertifiedAgent, Issued};
use crate::clock::Clock;
use crate::config::Config;
use crate::records::{Batch, Expect, Key, Records, RecordsError, Write};
use crate::tenant::TenantId;

pub use codes::{Code, CodeSpec, NewCode};
pub use groups::Group;
pub use record::{Agent, AgentState, Certificate};

/// The kind of the records.
pub(crate) const KIND: &str = "agent";
/// How often a change is tried again when someone else changed the record meanwhile.
const TRIES: usize = 8;
/// Records that are looked at with one call.
const PAGE: usize = 500;
/// A difference of clocks that is worth telling.
const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why an agent, or an administrator, is not given what it asks for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// No such code; it was never made, or deleted.
    #[error("the enrolment code is not known")]
    UnknownCode,
    /// The code was used.
    #[error("the enrolment code was used already; each is good for one agent")]
    UsedCode,
    /// The code has expired.
    #[error("the enrolment code has expired; ask for a new one")]
    ExpiredCode,
    /// There is no agent of this id, or the certificate is not one of its current ones.
    #[error("the agent, or this certificate of it, is not known; enrol it again")]
    Unknown,
    /// The certificate has ended.
    #[error("the agent's certificate has expired; enrol it again")]
    Expired,
    /// An administrator revoked the agent.
    #[error("the agent was revoked")]
    Revoked,
    /// The new key is one that the agent had before.
    #[error("the certificate request has a key that the agent has used before; make a new one")]
    SameKey,
    /// There is nothing of this name.
    #[error("there is no {0}")]
    NotFound(&'static str),
    /// Something given has a form that it cannot have.
    #[error("{0}")]
    Invalid(String),
    /// Something is still in use.
    #[error("{0}")]
    InUse(String),
    /// The authority cannot sign.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// How long things last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// An enrolment code, unless its maker says otherwise.
    pub code: TimeDelta,
    /// An agent's certificate.
    pub certificate: TimeDelta,
    /// From when on before its end a certificate is renewed.
    pub renew_before: TimeDelta,
    /// The silence after which an agent is inactive.
    pub inactive: TimeDelta,
    /// The silence after which an agent is removed.
    pub removed: TimeDelta,
}

impl From<&Config> for Lifetimes {
    fn from(config: &Config) -> Self {
        Self {
            code: delta(config.code_lifetime),
            certificate: delta(config.certificate_lifetime),
            renew_before: delta(config.renew_before),
            inactive: delta(config.inactive_after),
            removed: delta(config.removed_after),
        }
    }
}

/// A configured time, which is at most ten years.
pub(crate) fn delta(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::days(3650))
}

/// The agents of all tenants.
#[derive(Debug, Clone)]
pub struct Agents {
    records: Arc<dyn Records>,
    clock: Arc<dyn Clock>,
    authority: Arc<Authority>,
    lifetimes: Lifetimes,
}

impl Agents {
    /// Over these records, with certificates of this authority.
    #[must_use]
    pub fn new(
        records: Arc<dyn Records>,
        clock: Arc<dyn Clock>,
        authority: Arc<Authority>,
        lifetimes: Lifetimes,
    ) -> Self {
        Self { records, clock, authority, lifetimes }
    }

    /// How long things last.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// The authority that signs agents.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The same, to keep.
    #[must_use]
    pub fn shared_authority(&self) -> Arc<Authority> {
        Arc::clone(&self.authority)
    }

    /// An agent, whatever its state.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn find(&self, tenant: &TenantId, id: &str) -> Result<Option<Agent>, AgentError> {
        let record = self.records.get(&Key::new(tenant, KIND, id)).await?;
        record.map(|record| read(record.value)).transpose()
    }

    /// All agents of a tenant with their ids, whatever their state, by id.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<(String, Agent)>, AgentError> {
        self.all(tenant, KIND).await
    }

    /// All agents of all tenants with their ids, whatever their state.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn every(&self) -> Result<Vec<(TenantId, String, Agent)>, AgentError> {
        let mut found = Vec::new();
        let mut after: Option<Key> = None;
        loop {
            let page = self.records.scan(KIND, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, record) in page {
                match read(record.value) {
                    Ok(agent) => found.push((key.tenant, key.id, agent)),
                    Err(error) => tracing::error!(%key, "an agent cannot be read: {error}"),
                }
            }
        }
        Ok(found)
    }

    /// Whether the agent of a certificate, whose issuer was verified, is still wanted; gives what is known of it.
    ///
    /// # Errors
    /// [`AgentError::Expired`], [`AgentError::Unknown`], [`AgentError::Revoked`], [`AgentError::Records`].
    pub async fn admit(&self, certified: &CertifiedAgent) -> Result<Agent, AgentError> {
        let now = self.clock.now();
        if certified.expires <= now {
            return Err(AgentError::Expired);
        }
        let agent =
            self.find(&certified.tenant, &certified.agent).await?.ok_or(AgentError::Unknown)?;
        if agent.revoked.is_some() {
            return Err(AgentError::Revoked);
        }
        let known = agent.certificates.iter().find(|known| known.serial == certified.serial);
        match known {
            None => Err(AgentError::Unknown),
            Some(known) if known.expires <= now => Err(AgentError::Expired),
            Some(_) => Ok(agent),
        }
    }

    /// Notes what an agent says of itself. It has bootstrapped, and what came before its certificate is retired.
    ///
    /// # Errors
    /// As [`Agents::admit`].
    pub async fn bootstrap(
        &self,
        certified: &CertifiedAgent,
        request: &BootstrapRequest,
    ) -> Result<Agent, AgentError> {
        self.admit(certified).await?;
        let now = self.clock.now();
        let skew = request.clock.signed_duration_since(now);
        if skew.abs() > SKEW {
            tracing::warn!(
                tenant = %certified.tenant,
                agent = certified.agent,
                seconds = skew.num_seconds(),
                "the agent's clock differs from the service's"
            );
        }
        let (tenant, id) = (&certified.tenant, &certified.agent);
        self.update(tenant, id, |agent| {
            if agent.revoked.is_some() {
                return Err(AgentError::Revoked);
            }
            let back = agent.state(now, &self.lifetimes) == AgentState::Removed;
            agent.note(request, skew, now);
            // The agent shows that it has this certificate; those before it are of no more use.
            let place = agent.place_of(&certified.serial).ok_or(AgentError::Unknown)?;
            agent.certificates.drain(..place);
            let action = if back { Some("agent.return") } else { None };
            Ok(action.map(|action| (Actor::Agent(id.clone()), action, json!({}))))
        })
        .await
    }

    /// Signs a new key for an agent, which proved itself with the current one. Both certificates are good until the new
    /// one is used to bootstrap.
    ///
    /// # Errors
    /// As [`Agents::admit`]; [`AgentError::SameKey`]; [`AgentError::Authority`] for what cannot be signed.
    pub async fn renew(
        &self,
        certified: &CertifiedAgent,
        request: &RenewRequest,
    ) -> Result<RenewResponse, AgentError> {
        let agent = self.admit(certified).await?;
        let now = self.clock.now();
        let (tenant, id) = (&certified.tenant, &certified.agent);
        let issued = self.authority.sign_agent(
            &request.csr_pem,
            tenant,
            id,
            self.lifetimes.certificate,
            now,
        )?;
        if agent.certificates.iter().any(|known| known.key == issued.key) {
            return Err(AgentError::SameKey);
        }
        self.update(tenant, id, |agent| {
            if agent.revoked.is_some() {
                return Err(AgentError::Revoked);
            }
            let place = agent.place_of(&certified.serial).ok_or(AgentError::Unknown)?;
            // A renewal whose answer was lost is not heard of again; only its successor is.
            agent.certificates.truncate(place + 1);
            agent.certificates.push(Certificate::new(&issued, now));
            let details = json!({"serial": issued.serial, "expires": issued.expires});
            Ok(Some((Actor::Agent(id.clone()), "agent.renew", details)))
        })
        .await?;
        Ok(RenewResponse {
            renew_after: self.renew_after(&issued),
            certificate_pem: issued.pem,
            ca_pem: self.authority.pem().to_owned(),
        })
    }

    /// Revokes an agent for good. Gives whether this call did it.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Records`].
    pub async fn revoke(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        id: &str,
    ) -> Result<bool, AgentError> {
        let now = self.clock.now();
        let mut first = false;
        self.update(tenant, id, |agent| {
            first = agent.revoked.is_none();
            if !first {
                return Ok(None);
            }
            agent.revoked = Some(now);
            Ok(Some((actor.clone(), "agent.revoke", json!({"name": agent.name}))))
        })
        .await?;
        Ok(first)
    }

    /// When a certificate is to be renewed.
    fn renew_after(&self, issued: &Issued) -> DateTime<Utc> {
        issued.expires - self.lifetimes.renew_before
    }

    /// Forgets codes that expired a day ago, and agents that cannot come back: whose certificates have all expired, a
    /// while after that. Gives how many records went.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn forget(&self) -> Result<usize, AgentError> {
        let now = self.clock.now();
        let mut gone = self.forget_codes(now).await?;
        let mut after: Option<Key> = None;
        loop {
            let page = self.records.scan(KIND, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (key, record) in page {
                let agent: Agent = read(record.value)?;
                let ended = agent.certificates.iter().all(|c| c.expires <= now);
                let silent = now.signed_duration_since(agent.last_seen()) > self.lifetimes.removed;
                if !(ended && silent) {
                    continue;
                }
                let entry = audit::entry(
                    &key.tenant,
                    &Actor::Service,
                    "agent.forget",
                    format!("agent {}", key.id),
                    json!({"name": agent.name, "lastSeen": agent.last_seen()}),
                    now,
                );
                let batch = Batch {
                    writes: vec![Write::delete(key, record.version)],
                    entries: vec![entry],
                    fence: None,
                };
                match self.records.commit(batch).await {
                    Ok(()) => gone += 1,
                    Err(RecordsError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(gone)
    }

    /// Changes an agent as it stands, with an audit entry where the change asks for one.
    async fn update(
        &self,
        tenant: &TenantId,
        id: &str,
        mut change: impl FnMut(&mut Agent) -> Result<Option<(Actor, &'static str, Value)>, AgentError>,
    ) -> Result<Agent, AgentError> {
        let key = Key::new(tenant, KIND, id);
        for _ in 0..TRIES {
            let record = self.records.get(&key).await?.ok_or(AgentError::NotFound("such agent"))?;
            let mut agent: Agent = read(record.value)?;
            let before = agent.clone();
            let noted = change(&mut agent)?;
            if agent == before && noted.is_none() {
                return Ok(agent);
            }
            let entries = noted.map(|(actor, action, details)| {
                let object = format!("agent {id}");
                audit::entry(tenant, &actor, action, object, details, self.clock.now())
            });
            let batch = Batch {
                writes: vec![Write::replace(key.clone(), record.version, json!(agent))],
                entries: entries.into_iter().collect(),
                fence: None,
            };
            match self.records.commit(batch).await {
                Ok(()) => return Ok(agent),
                Err(RecordsError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(RecordsError::Busy.into())
    }

    /// All records of a kind of a tenant.
    async fn all<T: DeserializeOwned>(
        &self,
        tenant: &TenantId,
        kind: &'static str,
    ) -> Result<Vec<(String, T)>, AgentError> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.records.list(tenant, kind, after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            for (id, record) in page {
                found.push((id, read(record.value)?));
            }
        }
        Ok(found)
    }
}

/// A write of a record that replaces what is there.
fn put(key: Key, expect: Expect, value: Value) -> Write {
    Write { key, expect, value: Some(value) }
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, AgentError> {
    serde_json::from_value(value)
        .map_err(|error| RecordsError::Damaged(format!("a record of the agents: {error}")).into())
}

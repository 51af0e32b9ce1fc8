//! The short-lived credential of a link: what the bootstrap gives and the channel takes. Nothing of it is kept; it is
//! sealed, and whether its agent is still wanted is asked of the records each time.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use scim_sync_link::AgentIdentity;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::agents::{Agent, AgentError, Agents};
use crate::authority::CertifiedAgent;
use crate::clock::Clock;
use crate::seal::{SealError, Sealer};
use crate::tenant::TenantId;

/// Where credentials are kept, for the seal: nowhere.
const PLACE: &str = "$service/link-credential";

#[derive(Serialize, Deserialize)]
struct Inside {
    tenant: TenantId,
    agent: String,
    expires: DateTime<Utc>,
}

/// Why a credential is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("the link's credential is not one of this service")]
    Foreign,
    #[error("the link's credential has expired; bootstrap again")]
    Expired,
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Makes and judges credentials.
#[derive(Clone)]
pub(crate) struct Credentials {
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    agents: Agents,
    good: TimeDelta,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("good", &self.good).finish_non_exhaustive()
    }
}

/// What a credential says, once it was judged.
#[derive(Debug, Clone)]
pub(crate) struct Granted {
    pub(crate) tenant: TenantId,
    pub(crate) agent_id: String,
    pub(crate) agent: Agent,
    /// For how long from now.
    pub(crate) left: Duration,
}

impl Credentials {
    pub(crate) fn new(
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        agents: Agents,
        good: TimeDelta,
    ) -> Self {
        Self { sealer, clock, agents, good }
    }

    /// A credential for an agent that was admitted, and its end.
    pub(crate) fn make(
        &self,
        certified: &CertifiedAgent,
    ) -> Result<(SecretString, DateTime<Utc>), SealError> {
        let expires = (self.clock.now() + self.good).min(certified.expires);
        let inside =
            Inside { tenant: certified.tenant.clone(), agent: certified.agent.clone(), expires };
        let plain = serde_json::to_vec(&inside).map_err(|_| SealError::Damaged)?;
        Ok((self.sealer.seal(PLACE, &plain)?.into(), expires))
    }

    /// Judges a credential, and whether its agent is still wanted.
    pub(crate) async fn judge(&self, text: &str) -> Result<Granted, CredentialError> {
        let plain = self.sealer.open(PLACE, text).map_err(|_| CredentialError::Foreign)?;
        let inside: Inside =
            serde_json::from_slice(&plain).map_err(|_| CredentialError::Foreign)?;
        let left = inside.expires.signed_duration_since(self.clock.now());
        let left = left.to_std().ok().filter(|left| !left.is_zero());
        let left = left.ok_or(CredentialError::Expired)?;
        let agent = match self.agents.find(&inside.tenant, &inside.agent).await? {
            None => return Err(AgentError::Unknown.into()),
            Some(agent) if agent.revoked.is_some() => return Err(AgentError::Revoked.into()),
            Some(agent) => agent,
        };
        Ok(Granted { tenant: inside.tenant, agent_id: inside.agent, agent, left })
    }
}

#[async_trait]
impl scim_sync_link::Credentials for Credentials {
    async fn renew(
        &self,
        agent: &AgentIdentity,
        credential: &SecretString,
    ) -> Result<Duration, String> {
        let granted =
            self.judge(credential.expose_secret()).await.map_err(|error| error.to_string())?;
        if granted.tenant.as_str() != agent.tenant || granted.agent_id != agent.agent {
            return Err("the credential is another agent's".to_owned());
        }
        Ok(granted.left)
    }
}

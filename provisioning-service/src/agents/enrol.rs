//! Enrolment: a code and a key against a certificate.

use scim_sync_link::gateway::{EnrollRequest, EnrollResponse, EnrolmentCode};
use serde_json::json;

use super::codes::{self, Code};
use super::record::short;
use super::{Agent, AgentError, Agents, Certificate, KIND, read};
use crate::audit::{self, Actor};
use crate::records::{Batch, Key, RecordsError, Write};
use crate::tokens::is_name;

impl Agents {
    /// Enrols an agent. The code is used up in the same commit that makes the agent.
    ///
    /// # Errors
    /// [`AgentError::UnknownCode`], [`AgentError::UsedCode`], [`AgentError::ExpiredCode`]; [`AgentError::Invalid`] for a
    /// name that is none; [`AgentError::Authority`] for a request that cannot be signed: the code stays good then.
    pub async fn enrol(&self, request: &EnrollRequest) -> Result<EnrollResponse, AgentError> {
        let code = EnrolmentCode::try_from(&request.code)
            .map_err(|error| AgentError::Invalid(error.to_string()))?;
        let key = codes::key(&code.digest());
        let record = self.records.get(&key).await?.ok_or(AgentError::UnknownCode)?;
        let mut kept: Code = read(record.value)?;
        let now = self.clock.now();
        if kept.used_by.is_some() {
            return Err(AgentError::UsedCode);
        }
        if kept.expires <= now {
            return Err(AgentError::ExpiredCode);
        }
        if !is_name(&request.agent_name) {
            return Err(AgentError::Invalid(
                "an agent's name has 1 to 100 printable characters".to_owned(),
            ));
        }
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid().to_string();
        let tenant = kept.tenant.clone();
        let lifetime = self.lifetimes.certificate;
        let issued = self.authority.sign_agent(&request.csr_pem, &tenant, &id, lifetime, now)?;
        let agent = Agent {
            name: request.agent_name.clone(),
            hostname: short(&request.hostname),
            version: short(&request.version),
            directories: Vec::new(),
            groups: kept.groups.clone(),
            config_version: 1,
            enrolled: now,
            last_bootstrap: None,
            clock_ahead: 0,
            certificates: vec![Certificate::new(&issued, now)],
            revoked: None,
        };
        kept.used_by = Some(id.clone());
        let details = json!({
            "name": agent.name,
            "hostname": agent.hostname,
            "groups": agent.groups,
            "serial": issued.serial,
        });
        let actor = Actor::Agent(id.clone());
        let entry =
            audit::entry(&tenant, &actor, "agent.enrol", format!("agent {id}"), details, now);
        let batch = Batch {
            writes: vec![
                Write::replace(key, record.version, json!(kept)),
                Write::create(Key::new(&tenant, KIND, id.clone()), json!(agent)),
            ],
            entries: vec![entry],
            fence: None,
        };
        match self.records.commit(batch).await {
            Ok(()) => {}
            // Someone else came with the same code between.
            Err(RecordsError::Conflict(_)) => return Err(AgentError::UsedCode),
            Err(error) => return Err(error.into()),
        }
        Ok(EnrollResponse {
            agent_id: id,
            tenant: tenant.to_string(),
            renew_after: self.renew_after(&issued),
            certificate_pem: issued.pem,
            ca_pem: self.authority.pem().to_owned(),
        })
    }
}

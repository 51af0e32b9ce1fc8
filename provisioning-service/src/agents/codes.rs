//! One-use enrolment codes. Only their digest is kept.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng as _;
use scim_sync_link::gateway::EnrolmentCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::groups::check_group;
use super::{AgentError, Agents, PAGE, read};
use crate::audit::{self, Actor};
use crate::records::{Batch, Key, RecordsError, Write};
use crate::tenant::TenantId;

/// The kind of the records. They are the service's, because a code comes without the name of its tenant.
pub(super) const KIND: &str = "enrolment-code";
/// The longest life of a code.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// How much of the digest names a code in lists.
const ID_LEN: usize = 12;

/// What is kept of a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Code {
    /// The tenant that the agent will belong to.
    pub tenant: TenantId,
    /// A note for people.
    pub note: String,
    /// The groups that the agent will answer for.
    pub groups: BTreeSet<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// From when on it is refused.
    pub expires: DateTime<Utc>,
    /// The agent that used it.
    pub used_by: Option<String>,
}

/// What to make a code for.
#[derive(Debug, Clone, Default)]
pub struct CodeSpec {
    /// A note for people.
    pub note: String,
    /// The groups that the agent will answer for; made where they do not exist.
    pub groups: BTreeSet<String>,
    /// How long it is good; as configured without this.
    pub lifetime: Option<TimeDelta>,
}

/// A code just made.
#[derive(Debug)]
pub struct NewCode {
    /// Its id in lists.
    pub id: String,
    /// The code itself. It cannot be had again.
    pub code: SecretString,
    /// From when on it is refused.
    pub expires: DateTime<Utc>,
}

impl Agents {
    /// Makes a code.
    ///
    /// # Errors
    /// [`AgentError::Invalid`], [`AgentError::Records`].
    pub async fn code_create(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        spec: CodeSpec,
    ) -> Result<NewCode, AgentError> {
        let now = self.clock.now();
        let lifetime = spec.lifetime.unwrap_or(self.lifetimes.code);
        if lifetime <= TimeDelta::zero() || lifetime > LONGEST {
            return Err(AgentError::Invalid(
                "a code is good for a second to seven days".to_owned(),
            ));
        }
        if spec.note.len() > 200 || spec.note.chars().any(char::is_control) {
            return Err(AgentError::Invalid(
                "a note has at most 200 printable characters".to_owned(),
            ));
        }
        for group in &spec.groups {
            check_group(group)?;
            self.group_make(actor, tenant, group).await?;
        }
        let mut secret = [0; 15];
        rand::rng().fill_bytes(&mut secret);
        let code = EnrolmentCode::new(self.authority.fingerprint(), secret);
        let digest = code.digest();
        let id = digest[..ID_LEN].to_owned();
        let kept = Code {
            tenant: tenant.clone(),
            note: spec.note,
            groups: spec.groups,
            created: now,
            expires: now + lifetime,
            used_by: None,
        };
        let details = json!({"note": kept.note, "groups": kept.groups, "expires": kept.expires});
        let entry = audit::entry(tenant, actor, "code.create", format!("code {id}"), details, now);
        let batch = Batch {
            writes: vec![Write::create(key(&digest), json!(kept))],
            entries: vec![entry],
            fence: None,
        };
        self.records.commit(batch).await?;
        Ok(NewCode { id, code: code.text(), expires: kept.expires })
    }

    /// The codes of a tenant with their ids, used and expired ones of the last day included, oldest first.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn code_list(&self, tenant: &TenantId) -> Result<Vec<(String, Code)>, AgentError> {
        let mut codes: Vec<(String, Code)> = self.all(&TenantId::service(), KIND).await?;
        codes.retain(|(_, code)| code.tenant == *tenant);
        codes.sort_by_key(|(_, code)| code.created);
        for (digest, _) in &mut codes {
            digest.truncate(ID_LEN);
        }
        Ok(codes)
    }

    /// Deletes a code of a tenant by the id of the list.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Records`].
    pub async fn code_delete(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        id: &str,
    ) -> Result<(), AgentError> {
        let codes: Vec<(String, Code)> = self.all(&TenantId::service(), KIND).await?;
        let found = codes
            .into_iter()
            .find(|(digest, code)| code.tenant == *tenant && digest.get(..ID_LEN) == Some(id));
        let (digest, _) = found.ok_or(AgentError::NotFound("such code"))?;
        let now = self.clock.now();
        let entry =
            audit::entry(tenant, actor, "code.delete", format!("code {id}"), json!({}), now);
        let write = Write { key: key(&digest), expect: crate::records::Expect::Any, value: None };
        let batch = Batch { writes: vec![write], entries: vec![entry], fence: None };
        Ok(self.records.commit(batch).await?)
    }

    /// Forgets codes that expired a day ago.
    pub(super) async fn forget_codes(&self, now: DateTime<Utc>) -> Result<usize, AgentError> {
        let mut gone = 0;
        let mut after: Option<Key> = None;
        loop {
            let page = self.records.scan(KIND, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            after = Some(last.clone());
            for (key, record) in page {
                let code: Code = read(record.value)?;
                if code.expires + TimeDelta::days(1) > now {
                    continue;
                }
                match self.records.write(vec![Write::delete(key, record.version)]).await {
                    Ok(()) => gone += 1,
                    Err(RecordsError::Conflict(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

pub(super) fn key(digest: &str) -> Key {
    Key::new(&TenantId::service(), KIND, digest)
}

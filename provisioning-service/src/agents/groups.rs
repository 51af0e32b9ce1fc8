//! Agent groups: any live agent of a group answers what is asked of the group.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AgentError, Agents, put};
use crate::audit::{self, Actor};
use crate::records::{Batch, Expect, Key, RecordsError};
use crate::tenant::TenantId;

/// The kind of the records.
pub(super) const KIND: &str = "agent-group";

/// A group. Its members are noted with the agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// A note for people.
    pub note: String,
}

impl Agents {
    /// The groups of a tenant with their names.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn group_list(&self, tenant: &TenantId) -> Result<Vec<(String, Group)>, AgentError> {
        self.all(tenant, KIND).await
    }

    /// Whether there is this group.
    ///
    /// # Errors
    /// [`AgentError::Records`].
    pub async fn group_exists(&self, tenant: &TenantId, group: &str) -> Result<bool, AgentError> {
        Ok(self.records.get(&Key::new(tenant, KIND, group)).await?.is_some())
    }

    /// Makes a group, or gives one another note.
    ///
    /// # Errors
    /// [`AgentError::Invalid`], [`AgentError::Records`].
    pub async fn group_put(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &str,
        note: &str,
    ) -> Result<(), AgentError> {
        check_group(group)?;
        if note.len() > 200 || note.chars().any(char::is_control) {
            return Err(AgentError::Invalid(
                "a note has at most 200 printable characters".to_owned(),
            ));
        }
        let value = json!(Group { note: note.to_owned() });
        let write = put(Key::new(tenant, KIND, group), Expect::Any, value);
        let batch = self.group_batch(actor, tenant, group, "group.put", write);
        Ok(self.records.commit(batch).await?)
    }

    /// Deletes a group that no agent answers for.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::InUse`], [`AgentError::Records`].
    pub async fn group_delete(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &str,
    ) -> Result<(), AgentError> {
        if !self.group_exists(tenant, group).await? {
            return Err(AgentError::NotFound("such group"));
        }
        let agents = self.list(tenant).await?;
        let members = agents
            .iter()
            .filter(|(_, agent)| agent.revoked.is_none() && agent.groups.contains(group))
            .count();
        if members > 0 {
            return Err(AgentError::InUse(format!(
                "{members} agents answer for the group; take them out first"
            )));
        }
        let mut write = put(Key::new(tenant, KIND, group), Expect::Any, json!(null));
        write.value = None;
        let batch = self.group_batch(actor, tenant, group, "group.delete", write);
        Ok(self.records.commit(batch).await?)
    }

    /// Lets an agent answer for a group, or no more. Gives whether that changed anything.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Records`].
    pub async fn group_member(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &str,
        agent: &str,
        member: bool,
    ) -> Result<bool, AgentError> {
        if member && !self.group_exists(tenant, group).await? {
            return Err(AgentError::NotFound("such group"));
        }
        let mut changed = false;
        self.update(tenant, agent, |agent| {
            changed = if member {
                agent.groups.insert(group.to_owned())
            } else {
                agent.groups.remove(group)
            };
            if !changed {
                return Ok(None);
            }
            agent.config_version += 1;
            let action = if member { "group.join" } else { "group.leave" };
            Ok(Some((actor.clone(), action, json!({"group": group}))))
        })
        .await?;
        Ok(changed)
    }

    /// Makes a group that may be there already.
    pub(super) async fn group_make(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &str,
    ) -> Result<(), AgentError> {
        let value = json!(Group { note: String::new() });
        let write = put(Key::new(tenant, KIND, group), Expect::Absent, value);
        match self.records.commit(self.group_batch(actor, tenant, group, "group.put", write)).await
        {
            Ok(()) | Err(RecordsError::Conflict(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn group_batch(
        &self,
        actor: &Actor,
        tenant: &TenantId,
        group: &str,
        action: &str,
        write: crate::records::Write,
    ) -> Batch {
        let object = format!("group {group}");
        let entry = audit::entry(tenant, actor, action, object, json!({}), self.clock.now());
        Batch { writes: vec![write], entries: vec![entry], fence: None }
    }
}

/// Checks the name of a group: 1 to 100 letters, digits, `.`, `-` and `_`, like `corp.example.com`.
pub(super) fn check_group(name: &str) -> Result<(), AgentError> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > 100 || !name.bytes().all(fits) {
        return Err(AgentError::Invalid(
            "a group's name has 1 to 100 letters, digits, '.', '-' and '_', like corp.example.com"
                .to_owned(),
        ));
    }
    Ok(())
}

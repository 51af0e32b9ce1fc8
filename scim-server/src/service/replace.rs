//! Replace (RFC 7644 section 3.5.1).

use scim_core::patch::{MemberEdit, MemberOp};
use scim_core::{ChangeSet, Error, Resource, ResourceSchema, check};

use super::create::name_members;
use super::retry::ATTEMPTS;
use super::split::{draft, member_ids, split};
use super::{Cx, Guard, Result, ServiceError, at, has_members, refer};
use crate::store::{Include, Stored, Write, WriteIf};

/// Replaces all attributes that a client may write. A body without `password` keeps the password; one without
/// `members` empties the group, as it does every other attribute that is not named.
pub(crate) async fn replace(
    cx: &mut Cx<'_>,
    schema: &ResourceSchema,
    id: &str,
    resource: Resource,
    guard: &Guard,
) -> Result<Stored> {
    let key = cx.key(schema, id)?;
    let locks = &cx.app.locks;
    let _turn = locks.turn(&key).await;
    let profile = cx.leniency.clone();
    for _ in 0..ATTEMPTS {
        let stored = cx.app.store.get(&key, Include::default()).await?;
        guard.check(stored.version)?;
        let before = stored_attributes(&stored)?;
        cx.leniency = profile.clone();
        let checked = check::replace(resource.clone(), &before, schema, &mut cx.leniency)?;
        let mut parts = split(cx, schema, checked.into_inner());
        let before_it = Some(&before);
        parts.relative_refs |= refer::complete(cx, schema, before_it, &mut parts.resource).await?;
        let members = match has_members(schema) {
            true => {
                let members = parts.members.unwrap_or_default();
                member_ids(&members)?;
                vec![MemberEdit { operation: 0, op: MemberOp::Replace(members) }]
            }
            false => Vec::new(),
        };
        let mut changes = ChangeSet::between(&before, &parts.resource, schema);
        if let (Some(_), Some(attribute)) = (&parts.password, schema.attribute("password")) {
            changes.push_secret(attribute.name.clone());
        }
        let unchanged = changes.is_empty();
        if unchanged && members.is_empty() {
            return Ok(stored);
        }
        let (draft, condition) = if unchanged {
            let condition = if guard.is_empty() { WriteIf::Any } else { at(stored.version) };
            (None, condition)
        } else {
            let draft =
                draft(cx, parts.resource, parts.password, parts.relative_refs, changes).await?;
            (Some(draft), at(stored.version))
        };
        let write = Write::Update {
            key: key.clone(),
            guard: condition,
            draft,
            members,
            allow_cycles: cx.allow_cycles,
        };
        match cx.write(write).await {
            Ok(written) => return Ok(written.stored),
            // As for PATCH: the next reading tells whether the precondition still holds.
            Err(ServiceError::Scim(Error::PreconditionFailed)) => {}
            Err(ServiceError::Scim(error)) => return Err(ServiceError::Scim(name_members(error))),
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict { detail: "the resource keeps changing; try again".to_owned() }.into())
}

/// The attributes of a stored resource.
pub(super) fn stored_attributes(stored: &Stored) -> Result<Resource> {
    serde_json::from_slice(&stored.body)
        .map_err(|e| ServiceError::Store(crate::store::StoreError::Backend(Box::new(e))))
}

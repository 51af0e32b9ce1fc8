//! Create (RFC 7644 section 3.3).

use scim_core::{ChangeSet, Resource, ResourceId, ResourceSchema, check};

use super::split::{draft, member_ids, split};
use super::{Cx, Result, ServiceError, refer};
use crate::store::{Key, StoreError, Stored, Write};

/// Creates a resource. It never adopts one that exists: an equal unique value is an error.
pub(crate) async fn create(
    cx: &mut Cx<'_>,
    schema: &ResourceSchema,
    resource: Resource,
) -> Result<Stored> {
    let checked = check::create(resource, schema, &mut cx.leniency)?;
    let mut parts = split(cx, schema, checked.into_inner());
    parts.relative_refs |= refer::complete(cx, schema, None, &mut parts.resource).await?;
    let members = member_ids(parts.members.as_deref().unwrap_or_default())?;
    let id = cx.app.ids.next_id().to_string();
    let id = ResourceId::new(&id).ok_or_else(|| {
        ServiceError::Store(StoreError::Backend("the id source made no id".into()))
    })?;
    let key = Key { tenant: cx.tenant.clone(), resource_type: schema.name().into(), id };
    let draft =
        draft(cx, parts.resource, parts.password, parts.relative_refs, ChangeSet::default())
            .await?;
    let write = Write::Create { key, draft, members, allow_cycles: cx.allow_cycles };
    match cx.write(write).await {
        Ok(written) => Ok(written.stored),
        // A creation has no operations; the place is the body's list.
        Err(ServiceError::Scim(error)) => Err(ServiceError::Scim(name_members(error))),
        Err(error) => Err(error),
    }
}

/// Says `members[i].value` where the store spoke of operations.
pub(super) fn name_members(error: scim_core::Error) -> scim_core::Error {
    match error {
        scim_core::Error::InvalidValue { at, detail } => {
            let at = match at.strip_prefix("Operations[0].value") {
                Some(rest) => format!("members{rest}"),
                None => at,
            };
            scim_core::Error::InvalidValue { at, detail }
        }
        other => other,
    }
}

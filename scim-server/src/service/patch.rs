//! Modify with PATCH (RFC 7644 section 3.5.2).
//!
//! Membership operations go straight to rows: a request that does nothing else neither reads nor rewrites the group,
//! so it costs the same whatever the group's size.

use scim_core::{ChangeSet, Error, Object, Patch, ResourceSchema, check};

use super::replace::stored_attributes;
use super::retry::ATTEMPTS;
use super::split::{draft, is_password, split};
use super::{Cx, Guard, Result, ServiceError, at, has_members, refer};
use crate::assembled::assemble;
use crate::references::{self, Spelling};
use crate::store::{Include, Stored, Write, WriteIf};

/// Stands for the password, whose hash is not an attribute, while operations are applied; the store knows whether there
/// is one. A client cannot send it: NUL is refused in every value.
const KEPT_PASSWORD: &str = "\0kept";

/// Applies a PATCH message: all operations or none.
pub(crate) async fn patch(
    cx: &mut Cx<'_>,
    schema: &ResourceSchema,
    id: &str,
    message: Object,
    guard: &Guard,
) -> Result<Stored> {
    let key = cx.key(schema, id)?;
    let parsed = Patch::from_object(message, &cx.app.limits, &mut cx.leniency)?;
    let mut resolved = parsed.resolve(schema, &mut cx.leniency)?;
    resolved.rewrite_equal(&mut references::compared(schema, cx.links.base_url(), Spelling::Shown));
    let (attributes, members) = match has_members(schema) {
        true => resolved.split_members("members"),
        false => (resolved, Vec::new()),
    };
    let turn = match attributes.is_empty() {
        true => None,
        false => Some(cx.app.locks.turn(&key).await),
    };
    let profile = cx.leniency.clone();
    let password = schema
        .attribute("password")
        .filter(|_| is_password(schema))
        .map(|attribute| attribute.name.clone());
    for _ in 0..ATTEMPTS {
        let (mut condition, mut change) = (WriteIf::Any, None);
        if !attributes.is_empty() || !guard.is_empty() {
            let stored = cx.app.store.get(&key, Include::default()).await?;
            guard.check(stored.version)?;
            if !guard.is_empty() {
                condition = at(stored.version);
            }
            if !attributes.is_empty() {
                cx.leniency = profile.clone();
                let before = stored_attributes(&stored)?;
                let mut after = assemble(&stored, schema, cx.links);
                if password.is_some() {
                    after.set("password", KEPT_PASSWORD);
                }
                attributes.apply(&mut after, schema, &mut cx.leniency)?;
                let kept = after.get_str("password") == Some(KEPT_PASSWORD);
                if kept {
                    after.remove("password");
                }
                let clear_password = password.is_some() && after.get("password").is_none() && !kept;
                let checked = check::patched(after, schema)?;
                let mut parts = split(cx, schema, checked.into_inner());
                let before_it = Some(&before);
                parts.relative_refs |=
                    refer::complete(cx, schema, before_it, &mut parts.resource).await?;
                let mut changes = ChangeSet::between(&before, &parts.resource, schema);
                if let (true, Some(password)) =
                    (parts.password.is_some() || clear_password, &password)
                {
                    changes.push_secret(password.clone());
                }
                if changes.is_empty() && members.is_empty() {
                    return Ok(stored);
                }
                if !changes.is_empty() {
                    let mut draft =
                        draft(cx, parts.resource, parts.password, parts.relative_refs, changes)
                            .await?;
                    draft.clear_password = clear_password;
                    change = Some(draft);
                    condition = at(stored.version);
                }
            } else if members.is_empty() {
                return Ok(stored);
            }
        } else if members.is_empty() {
            // Nothing is left to do, such as after operations that only repeat what is there.
            return Ok(cx.app.store.get(&key, Include::default()).await?);
        }
        let write = Write::Update {
            key: key.clone(),
            guard: condition,
            draft: change,
            members: members.clone(),
            allow_cycles: cx.allow_cycles,
        };
        match cx.write(write).await {
            Ok(written) => {
                drop(turn);
                return Ok(written.stored);
            }
            // Another writer was faster; whether the client's precondition still holds is seen on the next reading.
            Err(ServiceError::Scim(Error::PreconditionFailed)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Conflict { detail: "the resource keeps changing; try again".to_owned() }.into())
}

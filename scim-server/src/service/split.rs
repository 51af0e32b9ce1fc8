//! Takes apart what is stored apart: the password goes to its hash, members to rows, references become relative.

use scim_core::{AttributeType, Error, Object, Resource, ResourceId, ResourceSchema, Value};
use secrecy::SecretString;

use super::{Cx, Result, has_groups, has_members};
use crate::references;
use crate::store::Draft;

/// A checked resource, taken apart.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The attributes that are stored as they are.
    pub(crate) resource: Resource,
    /// A new password.
    pub(crate) password: Option<SecretString>,
    /// The members, when the resource is a group and names any.
    pub(crate) members: Option<Vec<Value>>,
    /// Whether references to resources were made relative.
    pub(crate) relative_refs: bool,
}

/// Takes a checked resource apart.
pub(crate) fn split(cx: &Cx<'_>, schema: &ResourceSchema, mut resource: Resource) -> Parts {
    let password = match (is_password(schema), resource.get("password")) {
        (true, Some(Value::String(text))) => Some(SecretString::from(text.to_string())),
        _ => None,
    };
    if is_password(schema) {
        resource.remove("password");
    }
    let members = match has_members(schema) {
        true => resource.remove("members").map(|members| match members {
            Value::Array(items) => items,
            single => vec![single],
        }),
        false => None,
    };
    // What the server shows of its own is not stored again.
    for own in ["id", "meta"] {
        resource.remove(own);
    }
    if has_groups(schema) {
        resource.remove("groups");
    }
    let relative_refs = references::make_relative(&mut resource, schema, cx.links.base_url());
    Parts { resource, password, members, relative_refs }
}

/// Whether the type's `password` is one: a secret text, which is kept as a hash.
pub(crate) fn is_password(schema: &ResourceSchema) -> bool {
    schema.attribute("password").is_some_and(|attribute| {
        attribute.is_secret() && attribute.kind == AttributeType::String && !attribute.multi_valued
    })
}

/// The ids of checked member objects.
///
/// # Errors
/// [`Error::InvalidValue`] for an id that could not be one of ours: such a member does not exist.
pub(crate) fn member_ids(members: &[Value]) -> Result<Vec<ResourceId>> {
    members
        .iter()
        .enumerate()
        .map(|(i, member)| {
            member
                .as_object()
                .and_then(|m: &Object| m.get_str("value"))
                .and_then(ResourceId::new)
                .ok_or_else(|| {
                    let detail = "there is no such resource; create it before adding it to a group";
                    Error::value(format!("members[{i}].value"), detail).into()
                })
        })
        .collect()
}

/// The attributes to store, with the password hashed.
pub(crate) async fn draft(
    cx: &mut Cx<'_>,
    resource: Resource,
    password: Option<SecretString>,
    relative_refs: bool,
    changes: scim_core::ChangeSet,
) -> Result<Draft> {
    let password_hash = match password {
        Some(password) => Some(match cx.hashes.take(&password) {
            Some(ready) => ready,
            None => cx.app.passwords.hash(&password).await?,
        }),
        None => None,
    };
    Ok(Draft { resource, password_hash, clear_password: false, relative_refs, changes })
}

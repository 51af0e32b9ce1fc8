//! From stored resource to the bytes of an answer.
//!
//! The usual answer (all default attributes) is made by splicing: the stored JSON is copied, `id` is put in front and
//! `groups`, `members` and `meta` behind. Nothing is parsed. Only projections, references relative to the base URL and
//! types with attributes that are not returned by default take the slow way over [`assemble`].

use scim_core::{Resource, ResourceSchema, Returned, Value};

use super::view::View;
use crate::assembled::{Links, assemble, member_value, opaque_version, timestamp};
use crate::store::{GroupRow, Member, Stored};

/// Whether the stored attributes can be shown as they are: none of them is `returned` never or request.
pub(crate) fn is_plain(schema: &ResourceSchema) -> bool {
    let plain = |attributes: &[scim_core::Attribute]| {
        attributes.iter().all(|a| {
            // The password is never part of the stored attributes.
            let outside = a.is_secret() && a.name == "password";
            let default = matches!(a.returned, Returned::Default | Returned::Always);
            outside
                || (default
                    && a.sub_attributes
                        .iter()
                        .all(|s| matches!(s.returned, Returned::Default | Returned::Always)))
        })
    };
    plain(&schema.base().attributes) && schema.extensions().all(|(e, _)| plain(&e.attributes))
}

/// Appends members to the representation of a group whose last brace is not there yet. `begun` says whether some stand
/// there already.
pub(crate) fn write_members(
    out: &mut Vec<u8>,
    members: &[Member],
    links: &Links,
    view: &View,
    begun: &mut bool,
) {
    let mut next = |out: &mut Vec<u8>| {
        let first = !std::mem::replace(begun, true);
        out.extend_from_slice(if first { b",\"members\":[".as_slice() } else { b"," });
    };
    if view.is_whole() {
        for member in members {
            next(out);
            write_member(out, member, links);
        }
        return;
    }
    let elements: Vec<Value> = members.iter().map(|member| member_value(member, links)).collect();
    let mut resource = Resource::new();
    resource.set("members", elements);
    view.apply(&mut resource);
    for element in resource.get("members").map(Value::values).unwrap_or_default() {
        next(out);
        let _ = serde_json::to_writer(&mut *out, element);
    }
}

/// Appends the representation of a resource, without those of its members that were not read.
pub(crate) fn write(
    out: &mut Vec<u8>,
    stored: &Stored,
    schema: &ResourceSchema,
    links: &Links,
    view: &View,
) {
    if view.is_whole() && !stored.relative_refs && stored.body.len() >= 2 {
        splice(out, stored, schema, links);
        return;
    }
    let mut resource = assemble(stored, schema, links);
    view.apply(&mut resource);
    // Serialising to memory fails only for values that JSON cannot hold; `Value` has none.
    let _ = serde_json::to_writer(&mut *out, &resource);
}

fn splice(out: &mut Vec<u8>, stored: &Stored, schema: &ResourceSchema, links: &Links) {
    let body = &stored.body[1..stored.body.len() - 1];
    out.reserve(body.len() + 320 + 200 * stored.groups.len() + 200 * stored.members.len());
    out.extend_from_slice(b"{\"id\":\"");
    out.extend_from_slice(stored.id.as_str().as_bytes());
    out.push(b'"');
    if !body.is_empty() {
        out.push(b',');
        out.extend_from_slice(body);
    }
    if !stored.groups.is_empty() {
        out.extend_from_slice(b",\"groups\":[");
        for (i, group) in stored.groups.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_group(out, group, links);
        }
        out.push(b']');
    }
    if !stored.members.is_empty() {
        out.extend_from_slice(b",\"members\":[");
        for (i, member) in stored.members.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_member(out, member, links);
        }
        out.push(b']');
    }
    out.extend_from_slice(b",\"meta\":{\"resourceType\":\"");
    out.extend_from_slice(schema.name().as_bytes());
    out.extend_from_slice(b"\",\"created\":\"");
    out.extend_from_slice(timestamp(stored.created).as_bytes());
    out.extend_from_slice(b"\",\"lastModified\":\"");
    out.extend_from_slice(timestamp(stored.modified).as_bytes());
    out.extend_from_slice(b"\",\"location\":\"");
    out.extend_from_slice(links.base_url().as_bytes());
    out.extend_from_slice(schema.resource_type().endpoint.as_bytes());
    out.push(b'/');
    out.extend_from_slice(stored.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"version\":\"W/\\\"");
    out.extend_from_slice(opaque_version(stored).as_bytes());
    out.extend_from_slice(b"\\\"\"}}");
}

fn write_group(out: &mut Vec<u8>, group: &GroupRow, links: &Links) {
    out.extend_from_slice(b"{\"value\":\"");
    out.extend_from_slice(group.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"$ref\":\"");
    out.extend_from_slice(links.base_url().as_bytes());
    out.extend_from_slice(b"/Groups/");
    out.extend_from_slice(group.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"display\":");
    write_text(out, &group.display);
    out.extend_from_slice(match group.direct {
        true => b",\"type\":\"direct\"}".as_slice(),
        false => b",\"type\":\"indirect\"}",
    });
}

fn write_member(out: &mut Vec<u8>, member: &Member, links: &Links) {
    out.extend_from_slice(b"{\"value\":\"");
    out.extend_from_slice(member.id.as_str().as_bytes());
    out.extend_from_slice(b"\",\"$ref\":\"");
    out.extend_from_slice(links.base_url().as_bytes());
    out.extend_from_slice(links.endpoint(&member.resource_type).as_bytes());
    out.push(b'/');
    out.extend_from_slice(member.id.as_str().as_bytes());
    out.push(b'"');
    if let Some(display) = &member.display {
        out.extend_from_slice(b",\"display\":");
        write_text(out, display);
    }
    out.extend_from_slice(b",\"type\":\"");
    out.extend_from_slice(member.resource_type.as_bytes());
    out.extend_from_slice(b"\"}");
}

/// A text as JSON string.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use proptest::prelude::*;
    use scim_core::{Registry, ResourceId, Version};
    use serde_json::json;

    use super::*;
    use crate::store::IdList;

    proptest! {
        /// The fast way and the slow way say the same.
        #[test]
        fn splicing_is_assembling(
            name in "\\PC{0,12}",
            labels in proptest::collection::vec(("\\PC{0,8}", any::<bool>()), 0..4),
            version in 1u64..u64::MAX,
            millis in 0i64..4_102_444_800_000,
            empty in any::<bool>(),
        ) {
            let registry = Arc::new(Registry::standard());
            let links = Links::new("https://scim.test/scim/v2".to_owned(), Arc::clone(&registry));
            let body = if empty { json!({}) } else { json!({ "schemas": ["urn:x:y"], "displayName": name }) };
            let id = |n: usize| ResourceId::new(&format!("id-{n}")).unwrap();
            let at = DateTime::from_timestamp_millis(millis).unwrap();
            let group = |(n, (label, direct)): (usize, &(String, bool))| {
                GroupRow { id: id(n), display: label.as_str().into(), direct: *direct }
            };
            let member = |(n, (label, named)): (usize, &(String, bool))| Member {
                id: id(n),
                resource_type: if *named { "User".into() } else { "Contact".into() },
                display: named.then(|| label.as_str().into()),
            };
            let stored = Stored {
                resource_type: "User".into(),
                id: id(7),
                version: Version(version),
                created: at,
                modified: at,
                body: body.to_string().into(),
                relative_refs: false,
                groups: labels.iter().enumerate().map(group).collect(),
                members: labels.iter().enumerate().map(member).collect(),
                other_members: IdList::default(),
            };
            let mut bytes = Vec::new();
            splice(&mut bytes, &stored, registry.user(), &links);
            let spliced: Resource = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(spliced, assemble(&stored, registry.user(), &links));
        }
    }
}

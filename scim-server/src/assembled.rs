//! A stored resource as a whole: with `id`, `meta` and what memberships add, and how it is addressed.
//!
//! The use cases work on it (PATCH, sort keys), `http/representation.rs` makes answers of it.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use scim_core::{Object, Registry, Resource, ResourceSchema, Value};

use crate::references;
use crate::store::{GroupRow, Member, Stored};

/// What the answers of one tenant have in common.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    base_url: String,
    registry: Arc<Registry>,
}

impl Links {
    /// `base_url` is the absolute URL of the endpoints' parent, without a slash at the end.
    pub(crate) fn new(base_url: String, registry: Arc<Registry>) -> Self {
        Self { base_url, registry }
    }

    /// The endpoint of a resource type, with its slash.
    pub(crate) fn endpoint(&self, resource_type: &str) -> &str {
        self.registry.get(resource_type).map_or("", |schema| &schema.resource_type().endpoint)
    }

    /// The base URL.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL of a resource.
    pub(crate) fn location(&self, schema: &ResourceSchema, id: &str) -> String {
        [&*self.base_url, &*schema.resource_type().endpoint, "/", id].concat()
    }
}

/// The version that a representation shows, without `W/` and quotes.
///
/// Versions count changes of the resource itself. `groups` is derived from other resources, so a user's representation
/// can change while its version does not; the suffix makes the entity tag tell those apart. Writes are guarded by the
/// counter alone ([`scim_core::TagList::matches`]). The `display` of members is not part of it: `docs/decisions`, 4.
pub(crate) fn opaque_version(stored: &Stored) -> String {
    if stored.groups.is_empty() {
        return stored.version.0.to_string();
    }
    // FNV-1a: the suffix tells representations apart, it guards nothing.
    let mut hash: u32 = 0x811c_9dc5;
    let mut eat = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    for group in &stored.groups {
        eat(group.id.as_str().as_bytes());
        eat(group.display.as_bytes());
        eat(&[u8::from(group.direct), 0xff]);
    }
    format!("{}.{hash:08x}", stored.version.0)
}

/// The whole resource with `id`, `groups`, `members` and `meta`, for projections and evaluation.
pub(crate) fn assemble(stored: &Stored, schema: &ResourceSchema, links: &Links) -> Resource {
    let attributes: Object = serde_json::from_slice(&stored.body).unwrap_or_default();
    let mut resource = Resource::new();
    resource.set("id", stored.id.as_str());
    for (name, value) in attributes {
        resource.set(&name, value);
    }
    if stored.relative_refs {
        references::complete(&mut resource, schema, links.base_url());
    }
    if !stored.groups.is_empty() {
        let groups: Vec<Value> = stored.groups.iter().map(|g| group_value(g, links)).collect();
        resource.set("groups", Value::Array(groups));
    }
    if !stored.members.is_empty() {
        let members: Vec<Value> = stored.members.iter().map(|m| member_value(m, links)).collect();
        resource.set("members", Value::Array(members));
    }
    let meta = Object::from_iter([
        ("resourceType", Value::from(schema.name())),
        ("created", Value::from(timestamp(stored.created))),
        ("lastModified", Value::from(timestamp(stored.modified))),
        ("location", Value::from(links.location(schema, stored.id.as_str()))),
        ("version", Value::from(format!("W/\"{}\"", opaque_version(stored)))),
    ]);
    resource.set("meta", meta);
    resource
}

fn group_value(group: &GroupRow, links: &Links) -> Value {
    Value::Object(Object::from_iter([
        ("value", Value::from(group.id.as_str())),
        ("$ref", Value::from(format!("{}/Groups/{}", links.base_url, group.id))),
        ("display", Value::from(group.display.clone())),
        ("type", Value::from(if group.direct { "direct" } else { "indirect" })),
    ]))
}

/// A member as an element of `members`.
pub(crate) fn member_value(member: &Member, links: &Links) -> Value {
    let reference =
        format!("{}{}/{}", links.base_url, links.endpoint(&member.resource_type), member.id);
    let mut object = Object::from_iter([
        ("value", Value::from(member.id.as_str())),
        ("$ref", Value::from(reference)),
    ]);
    if let Some(display) = &member.display {
        object.insert("display", display.clone());
    }
    object.insert("type", member.resource_type.clone());
    Value::Object(object)
}

/// RFC 3339 in UTC with milliseconds, which is what the store keeps.
pub(crate) fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

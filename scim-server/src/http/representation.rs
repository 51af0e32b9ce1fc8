//! From stored resource to the bytes of an answer.
//!
//! The usual answer (all default attributes) is made by splicing: the stored JSON is copied, `id` is put in front and
//! `groups`, `members` and `meta` behind. Nothing is parsed. Only projections, references relative to the base URL and
//! types with attributes that are not returned by default take the slow way over [`Resource`].

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use scim_core::{Object, Registry, Resource, ResourceSchema, Returned, Value};

use super::view::View;
use crate::service::references;
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
    fn endpoint(&self, resource_type: &str) -> &str {
        self.registry.get(resource_type).map_or("", |schema| &schema.resource_type().endpoint)
    }

    /// The base URL.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The URL of a resource.
    pub(crate) fn location(&self, schema: &ResourceSchema, id: &str) -> String {
        format!("{}{}/{}", self.base_url, schema.resource_type().endpoint, id)
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

/// Appends the representation of a resource.
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
    out.extend_from_slice(links.base_url.as_bytes());
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
    out.extend_from_slice(links.base_url.as_bytes());
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
    out.extend_from_slice(links.base_url.as_bytes());
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

fn member_value(member: &Member, links: &Links) -> Value {
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
fn timestamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

//! Stored resources as filters and sort orders see them: the stored attributes and those that the store adds.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use scim_core::filter::TypedFilter;
use scim_core::{AttrName, Object, Registry, Resource, SchemaUri, Value, Version};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use smol_str::SmolStr;

use super::index::top_level;
use super::{GroupRow, Member, StoreError};

/// The attributes that something looks at: only these are read from a stored resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// Members of the stored object.
    names: Vec<SmolStr>,
    pub(super) id: bool,
    pub(super) meta: bool,
    pub(super) groups: bool,
    pub(super) members: bool,
}

impl Needs {
    /// Those of members of the stored object only.
    pub(super) fn of_names(names: &[SmolStr]) -> Self {
        Self { names: names.to_vec(), ..Self::default() }
    }

    /// Those of a filter.
    pub(super) fn of_filter(filter: &TypedFilter) -> Self {
        let mut needs = Self::default();
        for field in filter.fields() {
            needs.add(field.extension.as_ref(), &field.name);
        }
        needs
    }

    /// Adds an attribute.
    pub(super) fn add(&mut self, extension: Option<&SchemaUri>, name: &AttrName) {
        if extension.is_none() {
            let computed = if *name == "id" {
                &mut self.id
            } else if *name == "meta" {
                &mut self.meta
            } else if *name == "groups" {
                &mut self.groups
            } else if *name == "members" {
                &mut self.members
            } else {
                return self.add_name(top_level(None, name));
            };
            *computed = true;
        } else {
            self.add_name(top_level(extension, name));
        }
    }

    fn add_name(&mut self, name: SmolStr) {
        if !self.names.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
            self.names.push(name);
        }
    }

    /// The needed part of a stored object.
    pub(super) fn read(&self, body: &[u8]) -> Result<Resource, StoreError> {
        if self.names.is_empty() {
            return Ok(Resource::new());
        }
        let mut deserializer = serde_json::Deserializer::from_slice(body);
        let object = self.deserialize(&mut deserializer).map_err(damaged)?;
        Ok(Resource::from(object))
    }
}

/// A stored text that should be JSON and is not.
pub(super) fn damaged(error: serde_json::Error) -> StoreError {
    StoreError::backend(format!("a stored resource is damaged: {error}"))
}

impl<'de> DeserializeSeed<'de> for &Needs {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &Needs {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Object::new();
        while let Some(Name(name)) = map.next_key()? {
            if self.names.iter().any(|n| n.eq_ignore_ascii_case(&name)) {
                object.insert(&name, map.next_value::<Value>()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(object)
    }
}

/// A member name, borrowed from the text where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The facts about a stored resource that `meta` shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) resource_type: &'a str,
    pub(super) id: &'a str,
    pub(super) version: Version,
    pub(super) created: DateTime<Utc>,
    pub(super) modified: DateTime<Utc>,
    /// What stands before the id in `meta.location`.
    pub(super) location: &'a str,
}

impl Facts<'_> {
    /// Adds `id` and `meta`, as far as they are needed.
    pub(super) fn add_to(&self, resource: &mut Resource, needs: &Needs) {
        if needs.id {
            resource.set("id", self.id);
        }
        if needs.meta {
            let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
            let mut meta = Object::new();
            meta.insert("resourceType", self.resource_type);
            meta.insert("created", time(self.created));
            meta.insert("lastModified", time(self.modified));
            meta.insert("location", format!("{}{}", self.location, self.id));
            meta.insert("version", self.version.to_string());
            resource.set("meta", meta);
        }
    }
}

/// Makes the URIs of members and groups, for filters on `$ref`.
#[derive(Debug, Clone)]
pub(super) struct References<'a> {
    registry: &'a Registry,
    base: Option<&'a str>,
}

impl<'a> References<'a> {
    /// With the base URL, which ends in a slash.
    pub(super) const fn of_base(registry: &'a Registry, base_url: &'a str) -> Self {
        Self { registry, base: Some(base_url) }
    }

    /// With the base URL of a location that ends in the endpoint of its type.
    pub(super) fn of_location(
        registry: &'a Registry,
        resource_type: &str,
        location: &'a str,
    ) -> Self {
        let base = registry.get(resource_type).and_then(|schema| {
            let endpoint = schema.resource_type().endpoint.trim_start_matches('/');
            location.strip_suffix('/')?.strip_suffix(endpoint)
        });
        Self { registry, base }
    }

    fn to(&self, resource_type: &str, id: &str) -> Option<String> {
        let schema = self.registry.get(resource_type)?;
        let endpoint = schema.resource_type().endpoint.trim_start_matches('/');
        Some(format!("{}{endpoint}/{id}", self.base?))
    }

    /// A member as an element of `members`.
    pub(super) fn member(&self, member: &Member) -> Value {
        let mut element = Object::new();
        element.insert("value", member.id.as_str());
        if let Some(reference) = self.to(&member.resource_type, member.id.as_str()) {
            element.insert("$ref", reference);
        }
        element.insert("type", member.resource_type.as_str());
        if let Some(display) = &member.display {
            element.insert("display", display.clone());
        }
        Value::Object(element)
    }

    /// A group as an element of `groups`.
    pub(super) fn group(&self, group: &GroupRow) -> Value {
        let mut element = Object::new();
        element.insert("value", group.id.as_str());
        if let Some(reference) = self.to("Group", group.id.as_str()) {
            element.insert("$ref", reference);
        }
        element.insert("display", group.display.clone());
        element.insert("type", if group.direct { "direct" } else { "indirect" });
        Value::Object(element)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_is_read() {
        let body =
            br#"{"schemas":["a"],"userName":"ada","n\u0061me":{"familyName":"L"},"x":[1,{"y":2}]}"#;
        let needs = Needs::of_names(&["NAME".into(), "x".into(), "nothing".into()]);
        let resource = needs.read(body).unwrap();
        assert_eq!(
            serde_json::to_string(&resource).unwrap(),
            r#"{"name":{"familyName":"L"},"x":[1,{"y":2}]}"#
        );
        assert_eq!(Needs::default().read(b"not even looked at").unwrap(), Resource::new());
        assert!(needs.read(b"{\"name\":").is_err());
    }

    #[test]
    fn references_follow_the_location() {
        let registry = Registry::standard();
        let member = Member {
            id: scim_core::ResourceId::new("7").unwrap(),
            resource_type: "User".into(),
            display: None,
        };
        let known = References::of_location(&registry, "Group", "https://h/scim/v2/Groups/");
        assert_eq!(
            known.member(&member).to_string(),
            r#"{"value":"7","$ref":"https://h/scim/v2/Users/7","type":"User"}"#
        );
        let of_base = References::of_base(&registry, "https://h/scim/v2/");
        assert_eq!(of_base.member(&member), known.member(&member));
    }
}

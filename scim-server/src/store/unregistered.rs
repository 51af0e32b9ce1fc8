//! Stored data of attributes, schemas and resource types that are not registered (any more).
//!
//! A store that is opened with other schemas than before sets aside what the new ones have no name for: it is neither
//! shown nor can a write lose it. Registered again, it is put back. `docs/decisions`, 10.

use std::fmt;

use scim_core::{Attribute, AttributeType, Object, Resource, ResourceSchema, Value, check};
use smol_str::SmolStr;

/// Stored data that is kept but not served, because what it belongs to is not registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unregistered {
    /// The resource type.
    pub resource_type: SmolStr,
    /// The extension's URI or the attribute; `None` when the resource type itself is not registered.
    pub name: Option<SmolStr>,
    /// How many resources of all tenants hold such data.
    pub resources: u64,
}

impl fmt::Display for Unregistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource_type = &self.resource_type;
        let resources = if self.resources == 1 { "resource" } else { "resources" };
        write!(f, "{} stored {resources} of type {resource_type} ", self.resources)?;
        match &self.name {
            None => f.write_str("cannot be reached: the type is not registered")?,
            Some(name) => write!(f, "hold data of {name}, which is not registered")?,
        }
        f.write_str("; it is kept, and shown again once a schema file registers it")
    }
}

/// All names that resources of a type can have, one after the other: equal texts stand for equal names.
pub(super) fn names(schema: &ResourceSchema) -> String {
    fn list(out: &mut String, prefix: &str, attributes: &[Attribute]) {
        for attribute in attributes {
            let name = format!("{prefix}{}", attribute.name);
            out.push_str(&name);
            out.push(' ');
            list(out, &format!("{name}."), &attribute.sub_attributes);
        }
    }
    let mut out = String::new();
    list(&mut out, "", &schema.base().attributes);
    for (extension, _) in schema.extensions() {
        list(&mut out, &format!("{}:", extension.id), &extension.attributes);
    }
    out
}

/// Puts back what was set aside and is registered now, and sets aside what is not. Answers whether the resource is
/// another one now.
pub(super) fn settle(resource: &mut Resource, aside: &mut Object, schema: &ResourceSchema) -> bool {
    let before = resource.clone();
    let object = resource.object_mut();
    let left = join(object, std::mem::take(aside));
    *aside = part(object, schema);
    // What is in the way of something set aside cannot come from a client, who had no name for it; it is kept still.
    let _ = join(aside, left);
    if *resource == before {
        *resource = before;
        return false;
    }
    if before.get("schemas").is_some() {
        check::derive_schemas(resource, schema);
    }
    true
}

/// Moves the entries of one object into another, and answers those whose place is taken.
fn join(object: &mut Object, other: Object) -> Object {
    let mut left = Object::new();
    for (name, value) in other {
        match (object.get_mut(&name), value) {
            (None, value) => {
                object.insert(&name, value);
            }
            (Some(Value::Object(there)), Value::Object(inner)) => {
                let inner = join(there, inner);
                if !inner.is_empty() {
                    left.insert(&name, inner);
                }
            }
            (Some(_), value) => {
                left.insert(&name, value);
            }
        }
    }
    left
}

/// Takes out what has no name in the schemas of the type.
fn part(object: &mut Object, schema: &ResourceSchema) -> Object {
    take(object, &|name| {
        if let Some(attribute) = schema.attribute(name) {
            return Known::of(attribute);
        }
        schema.extension(name).map_or(Known::Not, |extension| Known::Parts(&extension.attributes))
    })
}

/// What the schemas say about a name.
enum Known<'a> {
    Not,
    Whole,
    Parts(&'a [Attribute]),
}

impl<'a> Known<'a> {
    fn of(attribute: &'a Attribute) -> Self {
        match attribute.kind {
            AttributeType::Complex => Self::Parts(&attribute.sub_attributes),
            _ => Self::Whole,
        }
    }
}

fn take<'a>(object: &mut Object, known: &dyn Fn(&str) -> Known<'a>) -> Object {
    let mut taken = Object::new();
    object.retain(|name, value| match (known(name), &mut *value) {
        (Known::Not, _) => {
            taken.insert(name, std::mem::take(value));
            false
        }
        // The elements of a list have no identity: none could be found again to be completed.
        (Known::Parts(attributes), Value::Object(inner)) => {
            let parts = take(inner, &|name| {
                let found = attributes.iter().find(|attribute| attribute.name == *name);
                found.map_or(Known::Not, Known::of)
            });
            let emptied = inner.is_empty() && !parts.is_empty();
            if !parts.is_empty() {
                taken.insert(name, parts);
            }
            !emptied
        }
        _ => true,
    });
    taken
}

#[cfg(test)]
mod tests {
    use scim_core::Registry;

    use super::*;
    use crate::store::suite::help::resource;

    fn with(file: &str) -> Registry {
        let mut registry = Registry::standard();
        registry.add_json(file).unwrap();
        registry
    }

    const WIDE: &str = r#"{"schemas":[
        {"id":"urn:x:Badge","attributes":[{"name":"serial"},{"name":"room"},
            {"name":"door","type":"complex","subAttributes":[{"name":"key"},{"name":"side"}]}]},
        {"id":"urn:x:Desk","attributes":[{"name":"floor","type":"integer"}]}],
        "extensions":{"User":[{"schema":"urn:x:Badge"},{"schema":"urn:x:Desk"}]}}"#;
    const NARROW: &str = r#"{"schemas":[{"id":"urn:x:Badge","attributes":[{"name":"room"},
            {"name":"door","type":"complex","subAttributes":[{"name":"key"}]}]}],
        "extensions":{"User":[{"schema":"urn:x:Badge"}]}}"#;

    #[test]
    fn what_is_set_aside_comes_back_as_it_was() {
        let (wide, narrow, none) = (with(WIDE), with(NARROW), Registry::standard());
        let user = resource(
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:x:Badge","urn:x:Desk"],
                "userName":"a","urn:x:Badge":{"serial":"1","room":"r","door":{"key":"k","side":"l"}},
                "urn:x:Desk":{"floor":3}}"#,
        );
        let (mut now, mut aside) = (user.clone(), Object::new());
        assert!(!settle(&mut now, &mut aside, wide.user()));
        assert!(aside.is_empty());
        assert!(settle(&mut now, &mut aside, narrow.user()));
        let narrowed = resource(
            r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:x:Badge"],
                "userName":"a","urn:x:Badge":{"room":"r","door":{"key":"k"}}}"#,
        );
        assert_eq!(now, narrowed);
        assert!(settle(&mut now, &mut aside, none.user()));
        let plain = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}"#;
        assert_eq!(now, resource(plain));
        assert!(settle(&mut now, &mut aside, narrow.user()));
        assert_eq!(now, narrowed);
        assert!(!settle(&mut now, &mut aside, narrow.user()));
        assert!(settle(&mut now, &mut aside, wide.user()));
        assert_eq!((now, aside), (user, Object::new()));
    }

    #[test]
    fn names_tell_schemas_apart() {
        let (wide, narrow, none) = (with(WIDE), with(NARROW), Registry::standard());
        let user = |registry: &Registry| names(registry.user());
        assert_eq!(user(&wide), user(&with(WIDE)));
        assert_ne!(user(&wide), user(&narrow));
        assert_ne!(user(&narrow), user(&none));
        assert_eq!(names(wide.group()), names(none.group()));
    }
}

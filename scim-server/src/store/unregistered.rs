//! Stored data of attributes, schemas and resource types that are not registered (any more), or with another type.
//!
//! A store that is opened with other schemas than before sets aside what the new ones have no place for: it is neither
//! shown nor can a write lose it. Registered again, it is put back. `docs/decisions`, 10.

use std::fmt;

use scim_core::check::{self, Owner, Place};
use scim_core::{
    Attribute, AttributeType, Leniency, Object, Profile, Resource, ResourceSchema, Value,
};
use smol_str::SmolStr;

/// Stored data that is kept but not served, because what it belongs to is not registered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unregistered {
    /// The resource type.
    pub resource_type: SmolStr,
    /// The extension's URI or the attribute; `None` when the resource type itself is not registered.
    pub name: Option<SmolStr>,
    /// Whether the name is registered, but the data does not fit: it is of another type, or of attributes that the
    /// extension has no more.
    pub registered: bool,
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
            Some(name) if self.registered => {
                write!(f, "hold data of {name} that does not fit the schema which is registered")?;
                return f.write_str(
                    "; it is kept, and shown again once a schema file has its attributes and types as before",
                );
            }
            Some(name) => write!(f, "hold data of {name}, which is not registered")?,
        }
        f.write_str("; it is kept, and shown again once a schema file registers it")
    }
}

/// All names that resources of a type can have, with their types, one after the other: equal texts stand for equal
/// schemas as far as stored data is concerned.
pub(super) fn names(schema: &ResourceSchema) -> String {
    fn list(out: &mut String, prefix: &str, attributes: &[Attribute]) {
        for attribute in attributes {
            let name = format!("{prefix}{}", attribute.name);
            let many = if attribute.multi_valued { "[]" } else { "" };
            out.push_str(&format!("{name}={}{many} ", attribute.kind.as_str()));
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

/// Puts back what was set aside and has a place now, and sets aside what has none. Answers whether the resource is
/// another one now.
pub(super) fn settle(resource: &mut Resource, aside: &mut Object, schema: &ResourceSchema) -> bool {
    let before = resource.clone();
    let object = resource.object_mut();
    // What does not fit leaves first, so that it is in the way of nothing that comes back.
    let leaving = part(object, schema);
    let mut staying = part(aside, schema);
    let left = join(object, std::mem::take(aside));
    // Values of one name and several types: none of them is lost.
    beside(&mut staying, left);
    beside(&mut staying, leaving);
    *aside = staying;
    if *resource == before {
        *resource = before;
        return false;
    }
    if before.get("schemas").is_some() {
        check::derive_schemas(resource, schema);
    }
    true
}

/// Moves the entries of one object into another; those whose place is taken, under a name that is not.
fn beside(object: &mut Object, other: Object) {
    let mut left = join(object, other);
    while !left.is_empty() {
        let renamed = left.iter().map(|(name, value)| (format!("{name} (earlier)"), value.clone()));
        left = join(object, renamed.collect());
    }
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

/// Takes out what has no place in the schemas of the type: no name, or one with another type.
fn part(object: &mut Object, schema: &ResourceSchema) -> Object {
    take(object, Owner::of(schema, None), &|name| {
        if let Some(attribute) = schema.attribute(name) {
            return Known::of(attribute);
        }
        schema.extension(name).map_or(Known::Not, |extension| Known::Parts(&extension.attributes))
    })
}

/// Whether the schemas of the type have this name for an attribute or an extension.
pub(super) fn is_registered(schema: &ResourceSchema, name: &str) -> bool {
    schema.attribute(name).is_some() || schema.extension(name).is_some()
}

/// What the schemas say about a name.
enum Known<'a> {
    Not,
    /// A value that stays or goes as a whole.
    Whole(&'a Attribute),
    /// An object, each of whose parts stays or goes.
    Parts(&'a [Attribute]),
}

impl<'a> Known<'a> {
    fn of(attribute: &'a Attribute) -> Self {
        match attribute.kind {
            AttributeType::Complex if !attribute.multi_valued => {
                Self::Parts(&attribute.sub_attributes)
            }
            _ => Self::Whole(attribute),
        }
    }
}

/// Whether a stored value is of the attribute's type. Rules on its content are not asked: they may have become stricter
/// since it was written.
fn fits(value: &Value, attribute: &Attribute, owner: Owner<'_>) -> bool {
    match (attribute.multi_valued, value) {
        (true, Value::Array(items)) => items.iter().all(|item| fits_one(item, attribute, owner)),
        (true, _) => false,
        (false, one) => fits_one(one, attribute, owner),
    }
}

fn fits_one(value: &Value, attribute: &Attribute, owner: Owner<'_>) -> bool {
    match (attribute.kind, value) {
        (_, Value::Null)
        | (AttributeType::Boolean, Value::Bool(_))
        | (AttributeType::Decimal, Value::Number(_))
        | (
            AttributeType::String | AttributeType::Binary | AttributeType::Reference,
            Value::String(_),
        ) => true,
        (AttributeType::Integer, Value::Number(_))
        | (AttributeType::DateTime, Value::String(_)) => {
            let mut leniency = Leniency::new(Profile::default());
            check::element(value.clone(), attribute, owner, "", Place::Body, &mut leniency).is_ok()
        }
        // A name that the elements of a list have no more is no reason to hide the list.
        (AttributeType::Complex, Value::Object(object)) => object
            .iter()
            .all(|(name, value)| attribute.sub(name).is_none_or(|sub| fits(value, sub, owner))),
        _ => false,
    }
}

fn take<'a>(object: &mut Object, owner: Owner<'_>, known: &dyn Fn(&str) -> Known<'a>) -> Object {
    let mut taken = Object::new();
    object.retain(|name, value| match (known(name), &mut *value) {
        // The elements of a list have no identity: none could be found again to be completed.
        (Known::Whole(attribute), value) if fits(value, attribute, owner) => true,
        (Known::Parts(attributes), Value::Object(inner)) => {
            let parts = take(inner, owner, &|name| {
                let found = attributes.iter().find(|attribute| attribute.name == *name);
                found.map_or(Known::Not, Known::of)
            });
            let emptied = inner.is_empty() && !parts.is_empty();
            if !parts.is_empty() {
                taken.insert(name, parts);
            }
            !emptied
        }
        (_, value) => {
            taken.insert(name, std::mem::take(value));
            false
        }
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

    /// A user of a registry with this attribute in an extension of its own.
    fn typed(attribute: &str) -> Registry {
        with(&format!(
            r#"{{"schemas":[{{"id":"urn:x:Desk","attributes":[{{"name":"floor",{attribute}}},{{"name":"side"}}]}}],
                "extensions":{{"User":[{{"schema":"urn:x:Desk"}}]}}}}"#
        ))
    }

    fn desk(floor: &str) -> Resource {
        resource(&format!(r#"{{"userName":"a","urn:x:Desk":{{"side":"l"{floor}}}}}"#))
    }

    #[test]
    fn what_is_of_another_type_is_set_aside() {
        let types = [
            (r#""type":"string""#, r#""3""#),
            (r#""type":"integer""#, "3"),
            (r#""type":"decimal""#, "2.5"),
            (r#""type":"boolean""#, "true"),
            (r#""type":"string","multiValued":true"#, r#"["3"]"#),
            (r#""type":"complex","subAttributes":[{"name":"n"}]"#, r#"{"n":"3"}"#),
            (
                r#""type":"complex","multiValued":true,"subAttributes":[{"name":"n"}]"#,
                r#"[{"n":"3"}]"#,
            ),
            (
                r#""type":"complex","multiValued":true,"subAttributes":[{"name":"n","type":"integer"}]"#,
                r#"[{"n":3}]"#,
            ),
        ];
        for (old, value) in types {
            for (new, other) in types.into_iter().filter(|(new, _)| *new != old) {
                let (before, after) = (typed(old), typed(new));
                let user = desk(&format!(r#","floor":{value}"#));
                let (mut now, mut aside) = (user.clone(), Object::new());
                assert!(!settle(&mut now, &mut aside, before.user()));
                // Whole numbers are decimals too.
                let (whole, decimal) = (types[1].0, types[2].0);
                if (old, new) == (whole, decimal) {
                    assert!(!settle(&mut now, &mut aside, after.user()));
                    continue;
                }
                assert!(settle(&mut now, &mut aside, after.user()), "{old} {new}");
                assert_eq!(now, desk(""), "{old} {new}");
                assert!(is_registered(after.user(), aside.iter().next().unwrap().0));
                if (old, new) == (decimal, whole) {
                    continue;
                }
                // A value of the new type is written; then the schemas are what they were.
                now = desk(&format!(r#","floor":{other}"#));
                assert!(!settle(&mut now, &mut aside, after.user()), "{old} {new}");
                assert!(settle(&mut now, &mut aside, before.user()), "{old} {new}");
                assert_eq!(now, user, "{old} {new}");
                assert!(settle(&mut now, &mut aside, after.user()));
                assert_eq!(now, desk(&format!(r#","floor":{other}"#)), "{old} {new}");
            }
        }
        // Of a third type, so that both are aside: neither is lost.
        let (mut now, mut aside) = (desk(r#","floor":true"#), Object::new());
        let (text, flag, list) = (typed(types[0].0), typed(types[3].0), typed(types[4].0));
        assert!(settle(&mut now, &mut aside, text.user()));
        now = desk(r#","floor":"3""#);
        assert!(settle(&mut now, &mut aside, list.user()));
        let kept = serde_json::to_string(&aside).unwrap();
        assert!(kept.contains("true") && kept.contains(r#""3""#), "{kept}");
        assert!(settle(&mut now, &mut aside, flag.user()));
        assert_eq!(now, desk(r#","floor":true"#));
        assert!(serde_json::to_string(&aside).unwrap().contains(r#""3""#));
    }

    #[test]
    fn text_that_is_no_date_is_set_aside_too() {
        let dated = typed(r#""type":"dateTime""#);
        for (floor, stays) in [("2011-05-13T04:42:34Z", true), ("third", false)] {
            let (mut now, mut aside) = (desk(&format!(r#","floor":"{floor}""#)), Object::new());
            assert_eq!(settle(&mut now, &mut aside, dated.user()), !stays);
            assert_eq!(aside.is_empty(), stays);
        }
    }

    #[test]
    fn names_tell_schemas_apart() {
        let (wide, narrow, none) = (with(WIDE), with(NARROW), Registry::standard());
        let user = |registry: &Registry| names(registry.user());
        assert_eq!(user(&wide), user(&with(WIDE)));
        assert_ne!(user(&wide), user(&narrow));
        assert_ne!(user(&narrow), user(&none));
        let [text, number, list] =
            [r#""type":"string""#, r#""type":"integer""#, r#""type":"string","multiValued":true"#]
                .map(|attribute| user(&typed(attribute)));
        assert!(text != number && text != list && number != list);
        assert_eq!(names(wide.group()), names(none.group()));
    }
}

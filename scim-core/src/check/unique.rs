//! The values that no other resource may have.

use std::collections::BTreeSet;

use crate::name::AttrPath;
use crate::resource::{Object, Resource, Value};
use crate::schema::{Attribute, Mutability, ResourceSchema, Uniqueness};
use crate::text::TextRule;

/// A value of an attribute with uniqueness `server` or `global`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueValue {
    /// The attribute or sub-attribute.
    pub path: AttrPath,
    /// How its strings are compared.
    pub rule: TextRule,
    /// The comparison key: no two resources of the type may have the same key at the same path.
    pub key: String,
}

/// The values of a resource that must be unique among the resources of its type, `id` aside, which the server makes.
///
/// ```
/// use scim_core::{Registry, Resource, check};
/// let registry = Registry::standard();
/// let user: Resource = serde_json::from_str(r#"{"id":"1","userName":"Ada"}"#)?;
/// let values = check::unique_values(&user, registry.user());
/// assert_eq!((values[0].path.to_string(), &*values[0].key), ("userName".to_owned(), "ada"));
/// assert_eq!(values.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn unique_values(resource: &Resource, schema: &ResourceSchema) -> Vec<UniqueValue> {
    let mut found = Vec::new();
    let base = schema.base().attributes.iter().chain(schema.common());
    for attribute in base {
        let path = AttrPath::from(attribute.name.clone());
        collect(resource.object(), attribute, &path, &mut found);
    }
    for (extension, _) in schema.extensions() {
        let Some(data) = resource.extension(extension.id.as_str()) else { continue };
        for attribute in &extension.attributes {
            let path = AttrPath::new(Some(extension.id.clone()), attribute.name.clone(), None);
            collect(data, attribute, &path, &mut found);
        }
    }
    // A resource may hold the same value twice; it must not be in its own way.
    let mut seen = BTreeSet::new();
    found.retain(|v| seen.insert((v.path.clone(), v.key.clone())));
    found
}

fn collect(object: &Object, attribute: &Attribute, path: &AttrPath, found: &mut Vec<UniqueValue>) {
    let subs = attribute.sub_attributes.iter().filter(|s| s.uniqueness != Uniqueness::None);
    let own = attribute.uniqueness != Uniqueness::None && !attribute.is_complex();
    if attribute.mutability == Mutability::ReadOnly || (!own && subs.clone().next().is_none()) {
        return;
    }
    let Some(value) = object.get(attribute.name.as_str()) else { return };
    for element in value.values() {
        match element {
            Value::Object(element) => {
                for sub in subs.clone() {
                    collect(element, sub, &path.clone().with_sub(sub.name.clone()), found);
                }
            }
            Value::Null => {}
            simple => {
                let rule = attribute.text_rule();
                let key = match simple {
                    Value::String(text) => rule.key(text).into_owned(),
                    other => other.to_string(),
                };
                found.push(UniqueValue { path: path.clone(), rule, key });
            }
        }
    }
}

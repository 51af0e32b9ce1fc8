//! Which attributes the stores keep an index of, and the keys in it.
//!
//! Unique values come from the schema's `uniqueness`. The rest is a short list: what identity providers look resources up
//! by. Keys are made by [`TextRule`], as filters make theirs, so an index and a filter cannot disagree.

use std::collections::BTreeSet;

use scim_core::filter::Field;
use scim_core::text::TextRule;
use scim_core::{
    AttrName, AttrPath, Attribute, AttributeType, Mutability, Object, Resource, ResourceSchema,
    SchemaUri, Uniqueness, Value,
};
use smol_str::SmolStr;

use super::StoreError;

/// Attributes that are indexed although they need not be unique, as `name` or `name.sub`.
const LOOKED_UP: [(&str, Option<&str>); 3] =
    [("externalId", None), ("displayName", None), ("emails", Some("value"))];

/// The indexed attributes of a resource type.
#[derive(Debug, Clone)]
pub(super) struct TypeIndex {
    attributes: Vec<Indexed>,
    /// The top-level members that the keys are made of.
    names: Vec<SmolStr>,
}

/// An indexed attribute or sub-attribute.
#[derive(Debug, Clone)]
pub(super) struct Indexed {
    pub(super) path: AttrPath,
    pub(super) rule: TextRule,
    /// Whether only one resource of the type may have a value.
    pub(super) unique: bool,
    /// Whether every resource has exactly one value, a text, so that the index gives an order of all.
    pub(super) total: bool,
    /// Whether all values are texts.
    pub(super) text: bool,
}

/// A value of an indexed attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The attribute's place in [`TypeIndex::attributes`].
    pub(super) attribute: usize,
    /// The comparison key.
    pub(super) key: String,
}

impl TypeIndex {
    /// The index of a resource type.
    pub(super) fn of(schema: &ResourceSchema) -> Self {
        let mut attributes = Vec::new();
        for attribute in schema.base().attributes.iter().chain(schema.common()) {
            collect(None, attribute, &mut attributes);
        }
        for (extension, _) in schema.extensions() {
            for attribute in &extension.attributes {
                collect(Some(&extension.id), attribute, &mut attributes);
            }
        }
        Self::with(attributes)
    }

    /// The part of the index that the attributes chosen make up.
    pub(super) fn only(mut self, chosen: impl FnMut(&Indexed) -> bool) -> Self {
        self.attributes.retain(chosen);
        Self::with(self.attributes)
    }

    fn with(attributes: Vec<Indexed>) -> Self {
        let mut names: Vec<SmolStr> = Vec::new();
        for indexed in &attributes {
            let name = top_level(indexed.path.uri(), indexed.path.name());
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Self { attributes, names }
    }

    /// The indexed attributes.
    pub(super) fn attributes(&self) -> &[Indexed] {
        &self.attributes
    }

    /// The top-level members that the keys are made of.
    pub(super) fn names(&self) -> &[SmolStr] {
        &self.names
    }

    /// Whether every attribute that must have a value has one.
    ///
    /// # Errors
    /// [`StoreError::Refused`]: an index that gives an order of all resources would lose this one. The checks in front of
    /// a store let no such resource through.
    pub(super) fn check_total(&self, entries: &BTreeSet<Entry>) -> Result<(), StoreError> {
        for (place, indexed) in self.attributes.iter().enumerate().filter(|(_, i)| i.total) {
            if !entries.iter().any(|entry| entry.attribute == place) {
                return Err(StoreError::Refused(format!("a resource without {}", indexed.path)));
            }
        }
        Ok(())
    }

    /// The indexed attribute that a filter's field stands for.
    pub(super) fn find(&self, field: &Field) -> Option<usize> {
        self.attributes.iter().position(|indexed| {
            indexed.text
                && indexed.path.name() == &field.name
                && indexed.path.sub() == field.sub.as_ref()
                && indexed.path.uri() == field.extension.as_ref()
                && indexed.rule == field.rule
        })
    }

    /// The keys of a resource, in order and each once.
    pub(super) fn entries(&self, resource: &Resource) -> BTreeSet<Entry> {
        let mut entries = BTreeSet::new();
        for (attribute, indexed) in self.attributes.iter().enumerate() {
            let object = match indexed.path.uri() {
                None => Some(resource.object()),
                Some(uri) => resource.extension(uri.as_str()),
            };
            let Some(value) = object.and_then(|o| o.get(indexed.path.name().as_str())) else {
                continue;
            };
            for element in value.values() {
                match indexed.path.sub() {
                    None => entries.extend(indexed.entry(attribute, element)),
                    Some(sub) => {
                        let values = element.as_object().and_then(|o: &Object| o.get(sub.as_str()));
                        for value in values.map(Value::values).unwrap_or_default() {
                            entries.extend(indexed.entry(attribute, value));
                        }
                    }
                }
            }
        }
        entries
    }
}

impl Indexed {
    /// How the keys are made, as text: an index whose text differs must be made again.
    pub(super) fn recipe(&self) -> String {
        let rule = match self.rule {
            TextRule::Exact => "exact",
            TextRule::Fold => "fold",
            TextRule::UserName => "userName",
        };
        let unique = if self.unique { " unique" } else { "" };
        let total = if self.total { " total" } else { "" };
        format!("{rule}{unique}{total} {FOLD_VERSION}")
    }

    fn entry(&self, attribute: usize, value: &Value) -> Option<Entry> {
        let key = match value {
            Value::String(text) => self.rule.key(text).into_owned(),
            Value::Bool(_) | Value::Number(_) if self.unique => value.to_string(),
            _ => return None,
        };
        Some(Entry { attribute, key })
    }
}

/// Raised when the folding of texts or this module changes, so that stores make their keys again.
const FOLD_VERSION: u32 = 1;

/// The name of the top-level member that holds an attribute.
pub(super) fn top_level(extension: Option<&SchemaUri>, name: &AttrName) -> SmolStr {
    match extension {
        None => SmolStr::new(name.as_str()),
        Some(uri) => SmolStr::new(uri.as_str()),
    }
}

/// What a resource is called in lists: its `displayName`, or else its `userName`.
pub(super) fn label(resource: &Resource) -> Option<SmolStr> {
    ["displayName", "userName"]
        .into_iter()
        .filter_map(|name| resource.get_str(name))
        .find(|text| !text.is_empty())
        .map(SmolStr::new)
}

fn collect(extension: Option<&SchemaUri>, attribute: &Attribute, found: &mut Vec<Indexed>) {
    // What the server makes itself (`id`) is unique by construction; what is never in the stored attributes is not.
    if attribute.mutability == Mutability::ReadOnly || attribute.is_secret() {
        return;
    }
    let own = (!attribute.is_complex()).then_some((attribute, None));
    let subs = attribute.sub_attributes.iter().map(|sub| (sub, Some(sub.name.clone())));
    for (leaf, sub) in own.into_iter().chain(subs) {
        let unique = leaf.uniqueness != Uniqueness::None
            && leaf.mutability != Mutability::ReadOnly
            && !leaf.is_secret();
        let listed = extension.is_none()
            && LOOKED_UP.iter().any(|(name, wanted)| {
                attribute.name == *name && sub.as_ref().map(AttrName::as_str) == *wanted
            });
        let text = is_text(leaf.kind);
        if unique || (listed && text) {
            let single = !attribute.multi_valued && sub.is_none();
            found.push(Indexed {
                path: AttrPath::new(extension.cloned(), attribute.name.clone(), sub),
                rule: leaf.text_rule(),
                unique,
                total: unique && text && single && leaf.required && extension.is_none(),
                text,
            });
        }
    }
}

const fn is_text(kind: AttributeType) -> bool {
    matches!(kind, AttributeType::String | AttributeType::Reference | AttributeType::Binary)
}

#[cfg(test)]
mod tests {
    use scim_core::{Registry, check};

    use super::*;

    fn resource(text: &str) -> Resource {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn the_built_in_types_index_what_providers_look_up() {
        let registry = Registry::standard();
        let paths = |name: &str| -> Vec<String> {
            let index = TypeIndex::of(registry.get(name).unwrap());
            index
                .attributes()
                .iter()
                .map(|a| format!("{}{}", a.path, if a.unique { " unique" } else { "" }))
                .collect()
        };
        assert_eq!(paths("User"), ["userName unique", "displayName", "emails.value", "externalId"]);
        assert_eq!(paths("Group"), ["displayName", "externalId"]);
        let contact = paths("Contact");
        assert!(contact.contains(&"externalId".to_owned()), "{contact:?}");
    }

    #[test]
    fn unique_entries_are_those_of_the_checks() {
        let mut registry = Registry::standard();
        registry
            .add_json(
                r#"{"schemas":[{"id":"urn:x:Badge","attributes":[
                    {"name":"serial","type":"integer","uniqueness":"server"},
                    {"name":"codes","type":"string","multiValued":true,"uniqueness":"global","caseExact":true},
                    {"name":"owner","type":"complex","subAttributes":[{"name":"key","type":"string","uniqueness":"server"}]}]}],
                "resourceTypes":[{"name":"Badge","endpoint":"/Badges","schema":"urn:x:Badge"}]}"#,
            )
            .unwrap();
        for (name, text) in [
            ("User", r#"{"userName":"ＡDA","displayName":"Ada","emails":[{"value":"a@b"}]}"#),
            ("Badge", r#"{"serial":7,"codes":["A","a","A"],"owner":{"key":"Straße"}}"#),
        ] {
            let schema = registry.get(name).unwrap();
            let index = TypeIndex::of(schema);
            let resource = resource(text);
            let mut ours: Vec<(String, String)> = index
                .entries(&resource)
                .into_iter()
                .filter(|e| index.attributes()[e.attribute].unique)
                .map(|e| (index.attributes()[e.attribute].path.to_string(), e.key))
                .collect();
            ours.sort();
            let mut theirs: Vec<(String, String)> = check::unique_values(&resource, schema)
                .into_iter()
                .map(|v| (v.path.to_string(), v.key))
                .collect();
            theirs.sort();
            assert_eq!(ours, theirs, "{name}");
            assert!(!ours.is_empty());
        }
    }
}

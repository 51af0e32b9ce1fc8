//! A line of the input: what is created of it, and what it refers to.

use scim_client::scim_core::{
    AttrName, Attribute, Mutability, Object, Registry, Resource, ResourceSchema, SchemaUri, Value,
    json, urn,
};

use crate::input::limits;

/// A line that was understood.
#[derive(Debug)]
pub(super) struct Line {
    /// From one.
    pub(super) number: u64,
    /// By which other lines refer to it: its `id`.
    pub(super) name: Option<String>,
    /// Where its type lives.
    pub(super) endpoint: String,
    /// What is created, without references.
    pub(super) resource: Resource,
    /// What it refers to.
    pub(super) links: Vec<Link>,
}

/// The references of one attribute.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// The extension that the attribute is of.
    pub(super) extension: Option<SchemaUri>,
    pub(super) name: AttrName,
    pub(super) multi_valued: bool,
    /// Whether they are the members of a group, for which targets have limits.
    pub(super) members: bool,
    /// Objects with the name of another line as `value`, and no `$ref`: that is one of the server they are from.
    pub(super) values: Vec<Object>,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(number: u64, text: &[u8], registry: &Registry) -> Result<Self, String> {
        let mut object = json::parse_object(text, &limits()).map_err(|error| {
            // The parser knows bodies of requests; this is one line of many.
            let text = error.to_string().replace(" at line 1 column ", " at column ");
            text.strip_prefix("the body ").map_or(text.clone(), |rest| format!("it {rest}"))
        })?;
        let schema = type_of(&object, registry)?;
        let name = match object.get("id") {
            Some(Value::String(id)) if !id.is_empty() => Some(id.to_string()),
            _ => None,
        };
        let mut links = Vec::new();
        let group = schema.base().id == *urn::GROUP;
        let own: Vec<&Attribute> =
            schema.common().iter().chain(&schema.base().attributes).collect();
        strip(&mut object, &own, None, group, &mut links);
        for (extension, _) in schema.extensions() {
            let uri = extension.id.as_str();
            if let Some(Value::Object(inside)) = object.get_mut(uri) {
                let own: Vec<&Attribute> = extension.attributes.iter().collect();
                strip(inside, &own, Some(&extension.id), false, &mut links);
                if inside.is_empty() {
                    object.remove(uri);
                }
            }
        }
        if !object.contains("schemas") {
            let used = schema.extensions().map(|(extension, _)| extension.id.as_str());
            let used = used.filter(|uri| object.contains(uri));
            let uris: Vec<&str> = std::iter::once(schema.base().id.as_str()).chain(used).collect();
            object.insert("schemas", uris);
        }
        let endpoint = schema.resource_type().endpoint.trim_matches('/').to_owned();
        Ok(Self { number, name, endpoint, resource: Resource::from(object), links })
    }
}

/// The type that a line says it is.
fn type_of<'r>(object: &Object, registry: &'r Registry) -> Result<&'r ResourceSchema, String> {
    let meta = object.get("meta").and_then(Value::as_object);
    let named = meta.and_then(|meta| meta.get_str("resourceType"));
    if let Some(found) = named.and_then(|name| registry.get(name)) {
        return Ok(found);
    }
    let schemas = object.get("schemas").map(Value::values).unwrap_or_default();
    let found = registry.resource_types().find(|schema| {
        let base = schema.base().id.as_str();
        schemas.iter().filter_map(Value::as_str).any(|uri| uri.eq_ignore_ascii_case(base))
    });
    found.map(|schema| &**schema).ok_or_else(|| match named {
        Some(name) => format!("the server has no resource type {name}"),
        None => {
            "it does not say its type: meta.resourceType and schemas name none that the server has"
                .to_owned()
        }
    })
}

/// Takes out what only the server writes, and the references.
fn strip(
    object: &mut Object,
    attributes: &[&Attribute],
    extension: Option<&SchemaUri>,
    group: bool,
    links: &mut Vec<Link>,
) {
    for attribute in attributes {
        let name = attribute.name.as_str();
        if attribute.mutability == Mutability::ReadOnly {
            object.remove(name);
            continue;
        }
        if !attribute.is_complex() || !object.contains(name) {
            continue;
        }
        let whole = object.remove(name).unwrap_or_default();
        let many = matches!(whole, Value::Array(_));
        let mut values = match whole {
            Value::Array(values) => values,
            Value::Null => continue,
            value => vec![value],
        };
        for value in values.iter_mut().filter_map(Value::as_object_mut) {
            for sub in &attribute.sub_attributes {
                if sub.mutability == Mutability::ReadOnly {
                    value.remove(sub.name.as_str());
                }
            }
        }
        if attribute.is_resource_reference() {
            let (referring, rest): (Vec<Value>, Vec<Value>) =
                values.into_iter().partition(|value| refers_to(value).is_some());
            values = rest;
            let referring: Vec<Object> = referring.into_iter().filter_map(reference).collect();
            if !referring.is_empty() {
                links.push(Link {
                    extension: extension.cloned(),
                    name: attribute.name.clone(),
                    multi_valued: attribute.multi_valued,
                    members: group && attribute.name == "members",
                    values: referring,
                });
            }
        }
        match (many, values.pop()) {
            (_, None) => {}
            (false, Some(value)) => drop(object.insert(name, value)),
            (true, Some(last)) => {
                values.push(last);
                object.insert(name, values);
            }
        }
    }
}

/// What an element refers to: its `value`, or the end of its `$ref`.
fn refers_to(value: &Value) -> Option<String> {
    let object = value.as_object()?;
    let named = object.get_str("value").filter(|name| !name.is_empty());
    let end = || object.get_str("$ref")?.rsplit('/').next().filter(|name| !name.is_empty());
    named.or_else(end).map(str::to_owned)
}

fn reference(value: Value) -> Option<Object> {
    let name = refers_to(&value)?;
    let Value::Object(mut object) = value else { return None };
    object.remove("$ref");
    object.insert("value", name);
    Some(object)
}

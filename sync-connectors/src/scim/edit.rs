//! Attribute values of rules as bodies of requests: a new resource, a PATCH, a changed resource.

use std::collections::BTreeMap;

use scim_client::scim_core::patch::PatchPath;
use scim_client::scim_core::{Object, Op, Operation, Patch, Resource, ResourceSchema, Value};
use scim_sync::connector::AttributeEdit;
use scim_sync::{Anchor, AttributeName, AttributeSet, Values};

use super::path::TargetPath;
use super::value;

/// What is to become of an object, with its names looked up.
#[derive(Debug)]
pub(super) struct Edit<'a> {
    /// All attributes that the target was last known to have at places that rules name.
    pub(super) current: &'a AttributeSet,
    /// The places whose values change.
    pub(super) changes: Vec<(TargetPath, &'a AttributeEdit)>,
    /// Single references that change, with the new one.
    pub(super) pointers: Vec<(TargetPath, Option<&'a Anchor>)>,
}

/// A new resource.
///
/// # Errors
/// A sentence where a value does not fit its attribute.
pub(super) fn new_resource(
    schema: &ResourceSchema,
    attributes: &AttributeSet,
    references: &BTreeMap<AttributeName, Vec<Anchor>>,
) -> Result<Resource, String> {
    let mut object = Object::new();
    for (name, values) in attributes.iter() {
        put(&mut object, &TargetPath::resolve(name, schema)?, values)?;
    }
    for (name, anchors) in references {
        let path = TargetPath::resolve(name, schema)?;
        let mut elements = anchors.iter().map(pointer);
        let container = container_mut(&mut object, &path)?;
        match path.multi_valued {
            true => {
                container.insert(path.attribute.as_str(), Value::Array(elements.collect()));
            }
            false => {
                if let Some(element) = elements.next() {
                    container.insert(path.attribute.as_str(), element);
                }
            }
        }
    }
    name_schemas(&mut object, schema);
    Ok(Resource::from(object))
}

/// The value of a reference attribute.
pub(super) fn pointer(anchor: &Anchor) -> Value {
    let mut element = Object::new();
    element.insert("value", anchor.as_str());
    Value::Object(element)
}

/// Sets `schemas` to the base schema and the extensions that the resource has.
fn name_schemas(object: &mut Object, schema: &ResourceSchema) {
    let mut schemas = vec![Value::from(schema.base().id.as_str())];
    for (extension, _) in schema.extensions() {
        if object.get(extension.id.as_str()).is_some_and(|value| !value.is_unassigned()) {
            schemas.push(Value::from(extension.id.as_str()));
        }
    }
    object.insert("schemas", Value::Array(schemas));
}

fn container_mut<'a>(object: &'a mut Object, path: &TargetPath) -> Result<&'a mut Object, String> {
    let Some(uri) = &path.extension else { return Ok(object) };
    as_object(object.entry(uri.as_str()), path)
}

/// The object at this place, made where there is none.
fn as_object<'a>(value: &'a mut Value, path: &TargetPath) -> Result<&'a mut Object, String> {
    if matches!(value, Value::Null) {
        *value = Value::Object(Object::new());
    }
    let kind = value.kind();
    value.as_object_mut().ok_or_else(|| format!("{}: the server has {kind} there", path.name))
}

/// Puts values in their place in a resource that is written whole; none clear it.
fn put(
    object: &mut Object,
    path: &TargetPath,
    values: &[scim_sync::AttributeValue],
) -> Result<(), String> {
    let mut written = Vec::with_capacity(values.len());
    for value in values {
        written.push(value::write(value, path)?);
    }
    if !path.is_list() && written.len() > 1 {
        return Err(format!("{}: {} values are one too many for it", path.name, written.len()));
    }
    let container = container_mut(object, path)?;
    let place = container.entry(path.attribute.as_str());
    match (&path.sub, path.multi_valued) {
        (None, true) if path.select.is_empty() => *place = Value::Array(written),
        (None, false) => *place = written.pop().unwrap_or_default(),
        (Some(sub), false) => {
            let object = as_object(place, path)?;
            object.insert(sub.as_str(), written.pop().unwrap_or_default());
        }
        (Some(sub), true) if path.select.is_empty() => {
            let elements = written.into_iter().map(|value| {
                let mut element = Object::new();
                element.insert(sub.as_str(), value);
                Value::Object(element)
            });
            *place = Value::Array(elements.collect());
        }
        (sub, true) => {
            let mut elements = match std::mem::take(place) {
                Value::Array(elements) => elements,
                _ => Vec::new(),
            };
            let found = elements.iter().position(|element| path.selects(element));
            match (written.pop(), found) {
                (Some(value), found) => {
                    let element = match found {
                        Some(index) => &mut elements[index],
                        None => {
                            elements.push(Value::Object(path.new_element()));
                            let last = elements.len() - 1;
                            &mut elements[last]
                        }
                    };
                    set_in(as_object(element, path)?, sub.as_ref().map(|sub| sub.as_str()), value);
                }
                (None, Some(index)) => match (sub, elements[index].as_object_mut()) {
                    (Some(sub), Some(element)) => {
                        element.remove(sub.as_str());
                        if is_bare(element, path) {
                            elements.remove(index);
                        }
                    }
                    _ => {
                        elements.remove(index);
                    }
                },
                (None, None) => {}
            }
            *place = Value::Array(elements);
        }
    }
    if place.is_unassigned() {
        container.remove(path.attribute.as_str());
    }
    Ok(())
}

/// Sets a sub-attribute of an element, or all that a complex value has.
fn set_in(element: &mut Object, sub: Option<&str>, value: Value) {
    match (sub, value) {
        (Some(sub), value) => {
            element.insert(sub, value);
        }
        (None, Value::Object(fields)) => {
            for (name, value) in fields {
                element.insert(&name, value);
            }
        }
        (None, value) => {
            element.insert("value", value);
        }
    }
}

/// Whether an element has nothing left but what it was selected by.
fn is_bare(element: &Object, path: &TargetPath) -> bool {
    let selectors = path.new_element();
    element.iter().all(|(name, value)| value.is_unassigned() || selectors.contains(name))
}

/// The resource as it is to be, from the resource as it is.
///
/// # Errors
/// As [`new_resource`].
pub(super) fn changed_resource(
    resource: Resource,
    schema: &ResourceSchema,
    edit: &Edit<'_>,
) -> Result<Resource, String> {
    let mut object = resource.into_object();
    for (path, change) in &edit.changes {
        put(&mut object, path, &change.after)?;
    }
    for (path, anchor) in &edit.pointers {
        let container = container_mut(&mut object, path)?;
        match anchor {
            Some(anchor) => {
                container.insert(path.attribute.as_str(), pointer(anchor));
            }
            None => {
                container.remove(path.attribute.as_str());
            }
        }
    }
    name_schemas(&mut object, schema);
    object.remove("meta");
    Ok(Resource::from(object))
}

/// The change as PATCH operations.
///
/// An element of a list is changed where it is when the target is known to have one, added whole when not, and removed
/// when nothing of it is left. Source: RFC 7644 section 3.5.2.
///
/// # Errors
/// As [`new_resource`].
pub(super) fn patch(edit: &Edit<'_>) -> Result<Patch, String> {
    let mut patch = Patch::new();
    let mut elements: Vec<Element<'_>> = Vec::new();
    for (path, change) in &edit.changes {
        if !path.is_list() && change.after.len() > 1 {
            return Err(format!(
                "{}: {} values are one too many for it",
                path.name,
                change.after.len()
            ));
        }
        if path.select.is_empty() {
            patch.push(simple(path, &change.after)?);
        } else {
            match elements.iter_mut().find(|element| element.first().same_elements(path)) {
                Some(element) => element.changes.push((path, *change)),
                None => elements.push(Element { changes: vec![(path, *change)] }),
            }
        }
    }
    for element in elements {
        element.push_to(&mut patch, edit.current)?;
    }
    for (path, anchor) in &edit.pointers {
        patch.push(match anchor {
            Some(anchor) => operation(Op::Replace, path.whole().into(), Some(pointer(anchor))),
            None => operation(Op::Remove, path.whole().into(), None),
        });
    }
    Ok(patch)
}

fn operation(op: Op, path: PatchPath, value: Option<Value>) -> Operation {
    Operation { op, path: Some(path), value }
}

/// The operation for a place without a selection.
fn simple(path: &TargetPath, after: &Values) -> Result<Operation, String> {
    let whole = path.multi_valued && path.sub.is_some();
    let at = if whole { path.whole() } else { path.plain() };
    if after.is_empty() {
        return Ok(operation(Op::Remove, at.into(), None));
    }
    let mut values = Vec::with_capacity(after.len());
    for value in after {
        let value = value::write(value, path)?;
        values.push(match &path.sub {
            Some(sub) if whole => {
                let mut element = Object::new();
                element.insert(sub.as_str(), value);
                Value::Object(element)
            }
            _ => value,
        });
    }
    let value =
        if path.is_list() { Value::Array(values) } else { values.pop().unwrap_or_default() };
    Ok(operation(Op::Replace, at.into(), Some(value)))
}

/// Changes of one element of a list.
struct Element<'a> {
    changes: Vec<(&'a TargetPath, &'a AttributeEdit)>,
}

impl Element<'_> {
    fn first(&self) -> &TargetPath {
        self.changes[0].0
    }

    fn push_to(self, patch: &mut Patch, current: &AttributeSet) -> Result<(), String> {
        let first = self.first();
        let others: Vec<&AttributeName> = current
            .iter()
            .map(|(name, _)| name)
            .filter(|name| !self.changes.iter().any(|(path, _)| path.name == **name))
            .filter(|name| names_same_element(name, first))
            .collect();
        let there =
            !others.is_empty() || self.changes.iter().any(|(_, change)| !change.before.is_empty());
        let left =
            !others.is_empty() || self.changes.iter().any(|(_, change)| !change.after.is_empty());
        if !there {
            let mut element = first.new_element();
            for (path, change) in &self.changes {
                if let Some(after) = change.after.first() {
                    set_in(
                        &mut element,
                        path.sub.as_ref().map(|sub| sub.as_str()),
                        value::write(after, path)?,
                    );
                }
            }
            patch.push(operation(
                Op::Add,
                first.whole().into(),
                Some(Value::Array(vec![Value::Object(element)])),
            ));
            return Ok(());
        }
        if !left {
            if let Some(path) = first.selected(None) {
                patch.push(operation(Op::Remove, path, None));
            }
            return Ok(());
        }
        for (path, change) in &self.changes {
            let Some(at) = path.selected(path.sub.clone()) else { continue };
            match change.after.first() {
                Some(after) => {
                    let mut value = value::write(after, path)?;
                    if let (None, Value::Object(element)) = (&path.sub, &mut value) {
                        // A replaced element keeps what it is found by.
                        for (name, selector) in path.new_element() {
                            element.insert(&name, selector);
                        }
                    }
                    patch.push(operation(Op::Replace, at, Some(value)));
                }
                None if !change.before.is_empty() => patch.push(operation(Op::Remove, at, None)),
                None => {}
            }
        }
        Ok(())
    }
}

/// Whether an attribute name of the space is about the same element as `path`.
fn names_same_element(name: &AttributeName, path: &TargetPath) -> bool {
    let head = |text: &str| text.rsplit_once(']').map(|(head, _)| head.to_ascii_lowercase());
    head(name.as_str()).is_some() && head(name.as_str()) == head(path.name.as_str())
}

//! The outline of a body: which names it may have, and what becomes of the others.

use super::at::At;
use super::schemas;
use super::value::{Checker, Owner, Place};
use crate::error::Error;
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};
use crate::schema::{Attribute, Mutability, ResourceSchema, Schema};

/// A body with canonical names and values, without `schemas` and what only the server writes.
pub(super) fn body(
    mut object: Object,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
) -> Result<Object, Error> {
    schemas::take(&mut object, schema, leniency)?;
    let mut kept = Object::new();
    let root = At::ROOT;
    for (name, value) in object {
        if let Some(attribute) = schema.attribute(&name) {
            let (owner, at) = (Owner::of(schema, None), root.name(attribute.name.as_str()));
            keep(&mut kept, attribute, value, owner, &at, leniency)?;
        } else if let Some(extension) = schema.extension(&name) {
            if let Some(data) = extension_body(value, extension, leniency)? {
                kept.push_new(extension.id.to_smol(), Value::Object(data));
            }
        } else if !value.is_unassigned() {
            unknown(schema.name(), &root.name(&name), leniency)?;
        }
    }
    Ok(kept)
}

/// The data of one extension; `None` when nothing is left of it.
fn extension_body(
    value: Value,
    extension: &Schema,
    leniency: &mut Leniency,
) -> Result<Option<Object>, Error> {
    let root = At::Uri(extension.id.as_str());
    let object = match value {
        Value::Null => return Ok(None),
        Value::Object(object) => object,
        other => {
            let detail = format!(
                "must be an object with the attributes of the extension, but is {}",
                other.kind()
            );
            return Err(Error::value(root, detail));
        }
    };
    let mut kept = Object::new();
    for (name, value) in object {
        if let Some(attribute) = extension.attribute(&name) {
            let at = root.name(attribute.name.as_str());
            keep(&mut kept, attribute, value, extension.into(), &at, leniency)?;
        } else if !value.is_unassigned() && !extension.names_itself(&name, &value) {
            unknown(extension.id.as_str(), &root.name(&name), leniency)?;
        }
    }
    Ok((!kept.is_empty()).then_some(kept))
}

fn keep(
    kept: &mut Object,
    attribute: &Attribute,
    value: Value,
    owner: Owner<'_>,
    at: &At<'_>,
    leniency: &mut Leniency,
) -> Result<(), Error> {
    // Ignored, not refused: RFC 7644 section 3.3 and 3.5.1.
    if attribute.mutability == Mutability::ReadOnly {
        return Ok(());
    }
    let value = Checker { owner, place: Place::Body, leniency }.attribute(value, attribute, at)?;
    if value != Value::Null {
        kept.push_new(attribute.name.to_smol(), value);
    }
    Ok(())
}

fn unknown(owner: &str, at: &At<'_>, leniency: &mut Leniency) -> Result<(), Error> {
    match leniency.allows(Tolerance::DropUnknownAttributes, at) {
        true => Ok(()),
        false => {
            Err(Error::syntax(format!("{at}: {owner} has no attribute of this name; leave it out")))
        }
    }
}

/// Refuses a list with two primary values (RFC 7643 section 2.4).
pub(super) fn one_primary(list: &Value, at: &At<'_>) -> Result<(), Error> {
    let Value::Array(items) = list else { return Ok(()) };
    let primary =
        |item: &&Value| item.as_object().and_then(|o| o.get("primary")) == Some(&Value::Bool(true));
    match items.iter().filter(primary).nth(1) {
        None => Ok(()),
        Some(_) => Err(Error::value(at, "only one value may have \"primary\": true")),
    }
}

/// Takes out what is unassigned: attributes, sub-attributes, extensions without data.
pub(super) fn prune(object: &mut Object, schema: &ResourceSchema) {
    object.retain(|name, value| {
        if let Value::Object(inner) = value {
            inner.retain(|_, value| {
                if schema.extension(name).is_some()
                    && let Value::Object(complex) = value
                {
                    complex.retain(|_, value| !value.is_unassigned());
                }
                !value.is_unassigned()
            });
        }
        !value.is_unassigned()
    });
}

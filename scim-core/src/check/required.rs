//! Required attributes (RFC 7643 section 2.2 and 7).

use super::at::At;
use crate::error::Error;
use crate::resource::{Object, Value};
use crate::schema::{Attribute, Mutability, ResourceSchema};

/// Checks that required attributes have values, that required extensions have data, and that the complex values which
/// are there have their required sub-attributes.
pub(super) fn check(object: &Object, schema: &ResourceSchema) -> Result<(), Error> {
    attributes(object, &schema.base().attributes, &At::ROOT)?;
    for (extension, required) in schema.extensions() {
        let at = At::Uri(extension.id.as_str());
        match object.get(extension.id.as_str()) {
            Some(Value::Object(data)) => attributes(data, &extension.attributes, &at)?,
            _ if required => {
                let detail = format!("every {} must have this extension", schema.name());
                return Err(Error::value(at, detail));
            }
            _ => {}
        }
    }
    Ok(())
}

fn attributes(object: &Object, attributes: &[Attribute], at: &At<'_>) -> Result<(), Error> {
    for attribute in attributes {
        self::attribute(object, attribute, &at.name(attribute.name.as_str()))?;
    }
    Ok(())
}

fn attribute(object: &Object, attribute: &Attribute, at: &At<'_>) -> Result<(), Error> {
    // What only the server writes is the server's to require.
    let required = attribute.required && attribute.mutability != Mutability::ReadOnly;
    let inside = attribute.sub_attributes.iter().any(|s| s.required);
    if !required && !inside {
        return Ok(());
    }
    match object.get(attribute.name.as_str()) {
        Some(Value::String(text)) if required && text.is_empty() => {
            Err(Error::value(at, "is required and must not be empty"))
        }
        Some(value) if !value.is_unassigned() => {
            if !inside {
                return Ok(());
            }
            for (i, element) in value.values().iter().enumerate() {
                let Value::Object(element) = element else { continue };
                let index = at.index(i);
                let at = if attribute.multi_valued { &index } else { at };
                attributes(element, &attribute.sub_attributes, at)?;
            }
            Ok(())
        }
        _ if required => Err(Error::value(at, "is required; give it a value")),
        _ => Ok(()),
    }
}

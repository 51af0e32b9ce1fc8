//! The state after the last edit: required attributes of what was touched, and `schemas`.

use super::locate::Journal;
use crate::error::Error;
use crate::resource::{Object, Value};
use crate::schema::{Attribute, Mutability, ResourceSchema};

/// Checks what was touched as [`crate::check::patched`] checks the whole.
pub(super) fn check(
    object: &Object,
    journal: &Journal,
    schema: &ResourceSchema,
) -> Result<(), Error> {
    for name in journal.touched() {
        let value = object.get(name);
        if let Some(extension) = schema.extension(name) {
            let Some(Value::Object(data)) = value.filter(|v| !v.is_unassigned()) else { continue };
            for attribute in &extension.attributes {
                let at = format_args!("{}:{}", extension.id, attribute.name);
                check_value(data.get(attribute.name.as_str()), attribute, &at)?;
            }
        } else if let Some(attribute) = schema.attribute(name) {
            check_value(value, attribute, &attribute.name)?;
        }
    }
    Ok(())
}

fn check_value(
    value: Option<&Value>,
    attribute: &Attribute,
    at: &dyn std::fmt::Display,
) -> Result<(), Error> {
    if attribute.required && attribute.mutability != Mutability::ReadOnly {
        match value {
            Some(Value::String(text)) if text.is_empty() => {
                return Err(Error::value(at, "is required and must not be empty"));
            }
            Some(value) if !value.is_unassigned() => {}
            _ => return Err(Error::value(at, "is required; give it a value")),
        }
    }
    if attribute.sub_attributes.iter().any(|sub| sub.required) {
        for element in value.map(Value::values).unwrap_or_default() {
            let Value::Object(element) = element else { continue };
            for sub in &attribute.sub_attributes {
                check_value(
                    element.get(sub.name.as_str()),
                    sub,
                    &format_args!("{at}.{}", sub.name),
                )?;
            }
        }
    }
    Ok(())
}

/// The base schema and the extensions that have data.
pub(super) fn derived_schemas(object: &Object, schema: &ResourceSchema) -> Vec<Value> {
    let assigned = |uri: &str| object.get(uri).is_some_and(|data| !data.is_unassigned());
    std::iter::once(&schema.base().id)
        .chain(
            schema
                .extensions()
                .map(|(extension, _)| &extension.id)
                .filter(|uri| assigned(uri.as_str())),
        )
        .map(|uri| Value::String(uri.to_smol()))
        .collect()
}

/// Brings `schemas` in line with the data. A resource that goes without it, as test data may, stays so.
pub(super) fn derive_schemas(object: &mut Object, schema: &ResourceSchema) {
    let derived = derived_schemas(object, schema);
    if let Some(schemas) = object.get_mut("schemas") {
        *schemas = Value::Array(derived);
    }
}

//! Values of resources and values of rules.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use scim_client::scim_core::filter::Literal;
use scim_client::scim_core::{Attribute, AttributeType, Object, Value};
use scim_sync::{AttributeName, AttributeValue};

use super::path::TargetPath;

/// Reads a value by its type. What does not fit its type is kept as the text that came, so that it differs from what a
/// rule asks for and is written over.
pub(super) fn read(value: &Value, kind: AttributeType, parts: &[Attribute]) -> AttributeValue {
    match (kind, value) {
        (_, Value::Bool(boolean)) => AttributeValue::Boolean(*boolean),
        (AttributeType::DateTime, Value::String(text)) => {
            match DateTime::parse_from_rfc3339(text) {
                Ok(moment) => AttributeValue::DateTime(moment.with_timezone(&Utc)),
                Err(_) => AttributeValue::Text(text.clone()),
            }
        }
        (AttributeType::Binary, Value::String(text)) => match STANDARD.decode(text.as_bytes()) {
            Ok(bytes) => AttributeValue::Binary(bytes),
            Err(_) => AttributeValue::Text(text.clone()),
        },
        (_, Value::String(text)) => AttributeValue::Text(text.clone()),
        (_, Value::Number(number)) => match number.as_i64() {
            Some(whole) => AttributeValue::Integer(whole),
            None => AttributeValue::text(number.to_string()),
        },
        (_, Value::Object(object)) => AttributeValue::Complex(
            object
                .iter()
                .filter(|(_, value)| !value.is_unassigned())
                .map(|(name, value)| {
                    let part = parts.iter().find(|part| part.name == *name);
                    let kind = part.map_or(AttributeType::String, |part| part.kind);
                    (AttributeName::new(name), read(value, kind, &[]))
                })
                .collect(),
        ),
        (_, other) => AttributeValue::text(text_of(other)),
    }
}

fn text_of(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Writes a value as its type asks.
///
/// # Errors
/// A sentence where the value is none of that type.
pub(super) fn write(value: &AttributeValue, path: &TargetPath) -> Result<Value, String> {
    write_as(value, path.kind, &path.parts).map_err(|problem| format!("{}: {problem}", path.name))
}

fn write_as(
    value: &AttributeValue,
    kind: AttributeType,
    parts: &[Attribute],
) -> Result<Value, String> {
    let wrong = |what: &str| Err(format!("{} is not {what}", shown(value)));
    Ok(match (kind, value) {
        (AttributeType::Boolean, AttributeValue::Boolean(boolean)) => Value::Bool(*boolean),
        // The provisioning functions give texts where they mean booleans.
        (AttributeType::Boolean, AttributeValue::Text(text))
            if text.eq_ignore_ascii_case("true") =>
        {
            Value::Bool(true)
        }
        (AttributeType::Boolean, AttributeValue::Text(text))
            if text.eq_ignore_ascii_case("false") =>
        {
            Value::Bool(false)
        }
        (AttributeType::Boolean, AttributeValue::Integer(number @ (0 | 1))) => {
            Value::Bool(*number == 1)
        }
        (AttributeType::Boolean, _) => return wrong("a boolean"),
        (AttributeType::Integer, AttributeValue::Integer(number)) => {
            Value::Number((*number).into())
        }
        (AttributeType::Integer, AttributeValue::Text(text)) => match text.trim().parse::<i64>() {
            Ok(number) => Value::Number(number.into()),
            Err(_) => return wrong("a whole number"),
        },
        (AttributeType::Integer, _) => return wrong("a whole number"),
        (AttributeType::Decimal, AttributeValue::Integer(number)) => {
            Value::Number((*number).into())
        }
        (AttributeType::Decimal, AttributeValue::Text(text)) => {
            match text.trim().parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
                Some(number) => Value::Number(number),
                None => return wrong("a number"),
            }
        }
        (AttributeType::Decimal, _) => return wrong("a number"),
        (AttributeType::DateTime, AttributeValue::DateTime(moment)) => {
            Value::String(moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
        }
        (AttributeType::DateTime, AttributeValue::Text(text)) => {
            match DateTime::parse_from_rfc3339(text) {
                Ok(_) => Value::String(text.clone()),
                Err(_) => return wrong("a moment such as 2026-01-31T12:00:00Z"),
            }
        }
        (AttributeType::DateTime, _) => return wrong("a moment"),
        (AttributeType::Binary, AttributeValue::Binary(bytes)) => {
            Value::String(STANDARD.encode(bytes).into())
        }
        (AttributeType::Binary, AttributeValue::Text(text))
            if STANDARD.decode(text.as_bytes()).is_ok() =>
        {
            Value::String(text.clone())
        }
        (AttributeType::Binary, _) => return wrong("Base64"),
        (AttributeType::Complex, AttributeValue::Complex(fields)) => {
            Value::Object(write_parts(fields, parts)?)
        }
        (AttributeType::Complex, AttributeValue::Text(_))
            if parts.iter().any(|part| part.name == *"value") =>
        {
            let mut object = Object::new();
            object.insert("value", text(value)?);
            Value::Object(object)
        }
        (AttributeType::Complex, _) => return wrong("a value with parts"),
        (AttributeType::String | AttributeType::Reference, _) => text(value)?,
    })
}

fn write_parts(
    fields: &BTreeMap<AttributeName, AttributeValue>,
    parts: &[Attribute],
) -> Result<Object, String> {
    let mut object = Object::new();
    for (name, value) in fields {
        let Some(part) = parts.iter().find(|part| part.name == *name.as_str()) else {
            return Err(format!("there is no sub-attribute {name}"));
        };
        object.insert(part.name.as_str(), write_as(value, part.kind, &part.sub_attributes)?);
    }
    Ok(object)
}

fn text(value: &AttributeValue) -> Result<Value, String> {
    Ok(Value::String(match value {
        AttributeValue::Text(text) => text.clone(),
        AttributeValue::Integer(number) => number.to_string().into(),
        AttributeValue::Boolean(boolean) => boolean.to_string().into(),
        AttributeValue::DateTime(moment) => {
            moment.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
        }
        AttributeValue::Binary(bytes) => STANDARD.encode(bytes).into(),
        AttributeValue::Complex(_) => return Err("a value with parts is not text".to_owned()),
    }))
}

/// The value of a filter.
///
/// # Errors
/// As [`write`]; a value with parts cannot be searched for.
pub(super) fn literal(value: &AttributeValue, path: &TargetPath) -> Result<Literal, String> {
    match write(value, path)? {
        Value::Bool(boolean) => Ok(Literal::Bool(boolean)),
        Value::Number(number) => Ok(Literal::Number(number)),
        Value::String(text) => Ok(Literal::String(text)),
        _ => Err(format!("{}: a value with parts cannot be searched for", path.name)),
    }
}

/// A value in a message: what kind it is, and the beginning of it.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Text(text) => {
            let start: String = text.chars().take(40).collect();
            format!("the text {start:?}")
        }
        AttributeValue::Integer(number) => format!("the number {number}"),
        AttributeValue::Boolean(boolean) => format!("the boolean {boolean}"),
        AttributeValue::DateTime(moment) => format!("the moment {moment}"),
        AttributeValue::Binary(bytes) => format!("a binary value of {} bytes", bytes.len()),
        AttributeValue::Complex(_) => "a value with parts".to_owned(),
    }
}

//! Values inside an evaluation, and how one kind becomes another.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::dotnet_date;
use super::error::{Fault, Given};
use crate::AttributeValue;

/// What a part of an expression gives.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    AuthoritativeNull,
    Ignore,
    One(AttributeValue),
    /// Two or more.
    Many(Vec<AttributeValue>),
}

impl Value {
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::One(AttributeValue::text(text))
    }

    pub(crate) fn from_values(mut values: Vec<AttributeValue>) -> Self {
        match values.len() {
            0 => Self::Null,
            1 => values.pop().map_or(Self::Null, Self::One),
            _ => Self::Many(values),
        }
    }

    pub(crate) fn from_slice(values: &[AttributeValue]) -> Self {
        match values {
            [] => Self::Null,
            [one] => Self::One(one.clone()),
            many => Self::Many(many.to_vec()),
        }
    }

    pub(crate) fn values(&self) -> &[AttributeValue] {
        match self {
            Self::Null | Self::AuthoritativeNull | Self::Ignore => &[],
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }

    pub(crate) fn into_values(self) -> Vec<AttributeValue> {
        match self {
            Self::Null | Self::AuthoritativeNull | Self::Ignore => Vec::new(),
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null | Self::AuthoritativeNull)
    }

    /// Nothing, or nothing but empty text.
    pub(crate) fn is_null_or_empty(&self) -> bool {
        self.values().iter().all(|value| matches!(value, AttributeValue::Text(t) if t.is_empty()))
            && !matches!(self, Self::Ignore)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::One(AttributeValue::Boolean(value))
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::One(AttributeValue::Integer(value))
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(value: DateTime<Utc>) -> Self {
        Self::One(AttributeValue::DateTime(value))
    }
}

/// What a value is called in a sentence.
pub(crate) fn name_of(value: &AttributeValue) -> &'static str {
    match value {
        AttributeValue::Text(_) => "text",
        AttributeValue::Integer(_) => "a number",
        AttributeValue::Boolean(_) => "True or False",
        AttributeValue::DateTime(_) => "a date",
        AttributeValue::Binary(_) => "bytes",
        AttributeValue::Complex(_) => "a value with parts",
    }
}

/// The value as text: numbers in decimal, `True` and `False`, dates as `M/d/yyyy h:mm:ss tt` in UTC.
pub(crate) fn to_text(value: &AttributeValue) -> Given<Cow<'_, str>> {
    Ok(match value {
        AttributeValue::Text(text) => Cow::Borrowed(text.as_str()),
        AttributeValue::Integer(number) => Cow::Owned(number.to_string()),
        AttributeValue::Boolean(true) => Cow::Borrowed("True"),
        AttributeValue::Boolean(false) => Cow::Borrowed("False"),
        AttributeValue::DateTime(moment) => Cow::Owned(dotnet_date::general(*moment)),
        AttributeValue::Binary(_) | AttributeValue::Complex(_) => {
            return Err(Fault::kind(format!("{} cannot be used as text", name_of(value))));
        }
    })
}

/// Reads a whole number as a directory or an operator writes it.
pub(crate) fn parse_number(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(digits) = text.strip_prefix("&H").or_else(|| text.strip_prefix("&h")) {
        return u64::from_str_radix(digits, 16).ok().map(u64::cast_signed);
    }
    text.parse().ok()
}

pub(crate) fn to_number(value: &AttributeValue) -> Given<i64> {
    match value {
        AttributeValue::Integer(number) => Ok(*number),
        AttributeValue::Text(text) => parse_number(text)
            .ok_or_else(|| Fault::value("this text is not a whole number").about(text)),
        other => Err(Fault::kind(format!("{} is not a number", name_of(other)))),
    }
}

pub(crate) fn to_boolean(value: &AttributeValue) -> Given<bool> {
    match value {
        AttributeValue::Boolean(boolean) => Ok(*boolean),
        AttributeValue::Integer(number) => Ok(*number != 0),
        AttributeValue::Text(text) => parse_boolean(text)
            .or_else(|| parse_number(text).map(|number| number != 0))
            .ok_or_else(|| Fault::value("this text is neither True nor False").about(text)),
        other => Err(Fault::kind(format!("{} is neither True nor False", name_of(other)))),
    }
}

pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

pub(crate) fn to_date(value: &AttributeValue) -> Given<DateTime<Utc>> {
    match value {
        AttributeValue::DateTime(moment) => Ok(*moment),
        AttributeValue::Text(text) => dotnet_date::parse_general(text)
            .ok_or_else(|| Fault::value("this text is not a date").about(text)),
        other => Err(Fault::kind(format!("{} is not a date", name_of(other)))),
    }
}

//! Values of attributes as JSON, and back.
//!
//! Text, bytes and moments are all strings in JSON. The schema says which is which, but a value can be other than its schema
//! says (bytes where text was promised), and a schema can change between two requests. So a resource itself tells which of its
//! strings are no text, in `types`: the attribute, where in it (nothing for all of its values), and the type.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use scim_core::resource::{Object, Value};
use scim_sync::{AttributeName, AttributeValue, ConnectorError, Values};
use smol_str::{SmolStr, ToSmolStr as _};

use super::fault::protocol;
use super::name;

/// What a string is when it is not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextType {
    Binary,
    DateTime,
}

impl TextType {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::DateTime => "dateTime",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Binary, Self::DateTime].into_iter().find(|known| known.as_str() == text)
    }

    pub(super) const fn of(value: &AttributeValue) -> Option<Self> {
        match value {
            AttributeValue::Binary(_) => Some(Self::Binary),
            AttributeValue::DateTime(_) => Some(Self::DateTime),
            _ => None,
        }
    }

    /// The value that a string stands for.
    pub(super) fn value(self, text: &str) -> Option<AttributeValue> {
        match self {
            Self::Binary => STANDARD.decode(text).ok().map(AttributeValue::Binary),
            Self::DateTime => text.parse::<DateTime<Utc>>().ok().map(AttributeValue::DateTime),
        }
    }
}

/// A moment in UTC with as many digits behind the second as it has.
pub(super) fn moment(moment: &DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Bytes as text.
pub(super) fn bytes(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Writes the values of an attribute; what JSON does not tell of them goes to `types`.
pub(super) fn write(
    name: &AttributeName,
    values: &[AttributeValue],
    multi_valued: bool,
    types: &mut Vec<Value>,
) -> Value {
    let first = values.first().and_then(TextType::of);
    let whole = first.filter(|_| values.iter().all(|value| TextType::of(value) == first));
    if let Some(whole) = whole {
        types.push(typed(name, &[], whole));
    }
    let mut written = Vec::with_capacity(values.len());
    for (position, value) in values.iter().enumerate() {
        let mut at = vec![position.to_smolstr()];
        let mut note = |at: &[SmolStr], kind| {
            if whole.is_none() {
                types.push(typed(name, at, kind));
            }
        };
        written.push(write_value(value, &mut at, &mut note));
    }
    if multi_valued || written.len() != 1 {
        return Value::Array(written);
    }
    written.pop().unwrap_or_default()
}

fn write_value(
    value: &AttributeValue,
    at: &mut Vec<SmolStr>,
    note: &mut dyn FnMut(&[SmolStr], TextType),
) -> Value {
    if let Some(kind) = TextType::of(value) {
        note(at, kind);
    }
    match value {
        AttributeValue::Text(text) => Value::String(text.clone()),
        AttributeValue::Integer(number) => Value::from(*number),
        AttributeValue::Boolean(boolean) => Value::Bool(*boolean),
        AttributeValue::DateTime(at) => Value::from(moment(at)),
        AttributeValue::Binary(octets) => Value::from(bytes(octets)),
        AttributeValue::Complex(parts) => {
            let mut object = Object::new();
            for (name, part) in parts {
                let member = name::member(name);
                at.push(member.as_str().into());
                object.insert(member.as_str(), write_value(part, at, note));
                at.pop();
            }
            Value::Object(object)
        }
    }
}

fn typed(name: &AttributeName, at: &[SmolStr], kind: TextType) -> Value {
    let mut object = Object::new();
    object.insert("attribute", name::member(name).as_str());
    if !at.is_empty() {
        object.insert("at", at.to_vec());
    }
    object.insert("type", kind.as_str());
    Value::Object(object)
}

/// What a resource tells of its strings, by attribute.
#[derive(Debug, Default)]
pub(super) struct Types(BTreeMap<AttributeName, Vec<(Vec<SmolStr>, TextType)>>);

impl Types {
    /// Reads `types`.
    pub(super) fn read(value: Option<&Value>) -> Result<Self, ConnectorError> {
        let mut types = Self::default();
        for entry in value.map(Value::values).unwrap_or_default() {
            let wrong = || protocol("types has an entry that is none");
            let entry = entry.as_object().ok_or_else(wrong)?;
            let name = entry.get_str("attribute").and_then(name::attribute).ok_or_else(wrong)?;
            let kind = entry.get_str("type").and_then(TextType::parse).ok_or_else(wrong)?;
            let at = entry.get("at").map(Value::values).unwrap_or_default();
            let at = at.iter().map(|part| part.as_str().map(SmolStr::new));
            let at = at.collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
            types.0.entry(name).or_default().push((at, kind));
        }
        Ok(types)
    }

    /// Reads the values of an attribute.
    pub(super) fn values(
        &mut self,
        name: &AttributeName,
        value: Value,
    ) -> Result<Values, ConnectorError> {
        let values = match value {
            Value::Array(items) => items,
            single => vec![single],
        };
        let mut values: Values = values.into_iter().map(read_value).collect::<Result<_, _>>()?;
        for (at, kind) in self.0.remove(name).unwrap_or_default() {
            apply(&mut values, &at, kind).ok_or_else(|| {
                protocol(format!("{name} has no {} where types says so", kind.as_str()))
            })?;
        }
        Ok(values)
    }

    /// Every entry must have been about something.
    pub(super) fn finish(self) -> Result<(), ConnectorError> {
        match self.0.into_keys().next() {
            Some(name) => Err(protocol(format!("types names {name}, which has no values"))),
            None => Ok(()),
        }
    }
}

fn read_value(value: Value) -> Result<AttributeValue, ConnectorError> {
    Ok(match value {
        Value::String(text) => AttributeValue::Text(text),
        Value::Bool(boolean) => AttributeValue::Boolean(boolean),
        Value::Number(number) => AttributeValue::Integer(
            number.as_i64().ok_or_else(|| protocol("a number is no whole number of 64 bits"))?,
        ),
        Value::Object(object) => {
            let parts = object.into_iter().map(|(member, part)| {
                let name = name::attribute(&member)
                    .ok_or_else(|| protocol("a part of a value has a name that is none"))?;
                Ok((name, read_value(part)?))
            });
            AttributeValue::Complex(parts.collect::<Result<_, ConnectorError>>()?)
        }
        Value::Null | Value::Array(_) => return Err(protocol("a value is null or a list")),
    })
}

/// Gives strings their type; `None` when there is none of that form.
fn apply(values: &mut [AttributeValue], at: &[SmolStr], kind: TextType) -> Option<()> {
    let retype = |value: &mut AttributeValue| {
        *value = kind.value(value.as_text()?)?;
        Some(())
    };
    let Some((position, parts)) = at.split_first() else {
        return values.iter_mut().try_for_each(retype);
    };
    let mut value = values.get_mut(position.parse::<usize>().ok()?)?;
    for part in parts {
        let AttributeValue::Complex(inner) = value else { return None };
        value = inner.get_mut(&name::attribute(part)?)?;
    }
    retype(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(values: &[AttributeValue], multi_valued: bool) -> (String, Values) {
        let (name, mut types) = ("photo".into(), Vec::new());
        let written = write(&name, values, multi_valued, &mut types);
        let shown = format!("{written} {}", Value::Array(types.clone()));
        let mut types = Types::read(Some(&Value::Array(types))).unwrap();
        let read = types.values(&name, written).unwrap();
        types.finish().unwrap();
        (shown, read)
    }

    #[test]
    fn what_json_tells_needs_no_types() {
        let values = ["a".into(), 7.into(), true.into()];
        assert_eq!(back(&values, true), (r#"["a",7,true] []"#.to_owned(), values.to_vec()));
        assert_eq!(back(&values[..1], false).0, r#""a" []"#);
        assert_eq!(back(&values[..1], true).0, r#"["a"] []"#);
    }

    #[test]
    fn strings_that_are_no_text_are_told() {
        let octets = [AttributeValue::Binary(vec![0, 255])];
        assert_eq!(
            back(&octets, false),
            (r#""AP8=" [{"attribute":"photo","type":"binary"}]"#.to_owned(), octets.to_vec())
        );
        let moments = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, DateTime::UNIX_EPOCH];
        let moments = moments.map(AttributeValue::DateTime);
        assert_eq!(back(&moments, true).1, moments);
        let part = [("since;x".into(), moments[2].clone()), ("n".into(), 1.into())];
        let mixed = ["AP8=".into(), octets[0].clone(), AttributeValue::Complex(part.into())];
        let (shown, read) = back(&mixed, true);
        assert_eq!(read, mixed);
        assert!(shown.contains(r#""at":["2","$since_3Bx"],"type":"dateTime""#), "{shown}");
    }

    #[test]
    fn types_that_fit_nothing_are_refused() {
        for (value, types) in [
            (r#""x""#, r#"[{"attribute":"photo","type":"float"}]"#),
            (r#""x""#, r#"[{"attribute":"photo","type":"binary"}]"#),
            (r#"5"#, r#"[{"attribute":"photo","type":"binary"}]"#),
            (r#"["AA=="]"#, r#"[{"attribute":"photo","at":["1"],"type":"binary"}]"#),
            (r#"["AA=="]"#, r#"[{"attribute":"photo","at":["0","x"],"type":"binary"}]"#),
            (r#""AA==""#, r#"[{"attribute":"other","type":"binary"}]"#),
            (r#""AA==""#, r#"[7]"#),
            ("1.5", "[]"),
            ("18446744073709551615", "[]"),
            ("null", "[]"),
            ("[[1]]", "[]"),
            (r#"{"a b":1}"#, "[]"),
        ] {
            let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let read = Types::read(Some(&parse(types))).and_then(|mut types| {
                types.values(&"photo".into(), parse(value))?;
                types.finish()
            });
            assert!(matches!(read, Err(ConnectorError::Protocol(_))), "{value} {types}: {read:?}");
        }
    }
}

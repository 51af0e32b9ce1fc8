//! Values as they are written in a rule file: one, or a list of them.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{AttributeName, AttributeValue, Values};

/// Values written down: text, whole numbers, truth values, tables with parts, and lists of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constant(pub Values);

impl<'de> Deserialize<'de> for Constant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor).map(Self)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true or false, a table, or a list of these")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Values, E> {
        OneVisitor.visit_str(text).map(|one| vec![one])
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Values, E> {
        Ok(vec![AttributeValue::Boolean(value)])
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Values, E> {
        Ok(vec![AttributeValue::Integer(value)])
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Values, E> {
        OneVisitor.visit_u64(value).map(|one| vec![one])
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Values, A::Error> {
        OneVisitor.visit_map(map).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
        let mut values = Values::new();
        while let Some(One(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
}

/// One value.
struct One(AttributeValue);

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneVisitor).map(Self)
    }
}

struct OneVisitor;

impl<'de> Visitor<'de> for OneVisitor {
    type Value = AttributeValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true or false, or a table")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AttributeValue, E> {
        Ok(AttributeValue::text(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<AttributeValue, E> {
        i64::try_from(value)
            .map(AttributeValue::Integer)
            .map_err(|_| E::custom("a number greater than 9223372036854775807"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AttributeValue, A::Error> {
        let mut parts = std::collections::BTreeMap::new();
        while let Some((name, One(value))) = map.next_entry::<AttributeName, One>()? {
            parts.insert(name, value);
        }
        Ok(AttributeValue::Complex(parts))
    }
}

impl Serialize for Constant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let [one] = self.0.as_slice() {
            return Plain(one).serialize(serializer);
        }
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for value in &self.0 {
            seq.serialize_element(&Plain(value))?;
        }
        seq.end()
    }
}

/// A value without the name of its kind.
struct Plain<'a>(&'a AttributeValue);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            AttributeValue::Boolean(value) => serializer.serialize_bool(*value),
            AttributeValue::Integer(value) => serializer.serialize_i64(*value),
            AttributeValue::Complex(parts) => {
                let mut map = serializer.serialize_map(Some(parts.len()))?;
                for (name, value) in parts {
                    map.serialize_entry(name.as_str(), &Plain(value))?;
                }
                map.end()
            }
            other => serializer.serialize_str(&super::text_of(other)),
        }
    }
}

//! Conversion between dynamic values and Rust types, without going through text.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde::ser::Serialize;
use smol_str::SmolStr;

use super::{Object, Value};
use crate::error::Error;

/// Why a value does not fit a Rust type. Says where and what was expected, never what the value was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertError {
    at: String,
    detail: String,
}

impl ConvertError {
    pub(super) fn expected(wanted: &str, found: &Value) -> Self {
        Self { at: String::new(), detail: format!("must be {wanted}, but is {}", found.kind()) }
    }

    pub(super) fn missing(name: &str) -> Self {
        Self { at: name.to_owned(), detail: "is missing".to_owned() }
    }

    /// The same error, seen from the object that has the value under this name.
    pub(super) fn inside(mut self, name: &str) -> Self {
        self.at = match self.at.as_str() {
            "" => name.to_owned(),
            at if at.starts_with('[') => format!("{name}{at}"),
            at => format!("{name}.{at}"),
        };
        self
    }

    /// The same error, seen from the list that has the value at this place.
    pub(super) fn in_list(mut self, index: usize) -> Self {
        self.at = match self.at.as_str() {
            "" => format!("[{index}]"),
            at => format!("[{index}].{at}"),
        };
        self
    }

    /// Where the value stands, such as `emails[0].type`; empty for the value as a whole.
    pub fn at(&self) -> &str {
        &self.at
    }
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at.as_str() {
            "" => f.write_str(&self.detail),
            at => write!(f, "{at}: {}", self.detail),
        }
    }
}

impl std::error::Error for ConvertError {}

impl From<ConvertError> for Error {
    fn from(error: ConvertError) -> Self {
        let at = if error.at.is_empty() { "the resource" } else { &error.at };
        Error::value(at, error.detail)
    }
}

impl de::Error for ConvertError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { at: String::new(), detail: message.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("must be {expected}, but is {}", kind(&found)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("must be {expected}"))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("must be one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::missing(field)
    }
}

fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a string",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        Unexpected::Unit | Unexpected::Option => "null",
        _ => "something else",
    }
}

/// Reads a Rust type out of a value. Names of struct fields are found in any letter case, and `null` counts as absent.
///
/// ```
/// use scim_core::resource::from_value;
/// #[derive(serde::Deserialize, PartialEq, Debug)]
/// struct Badge { serial: u32, #[serde(default)] doors: Vec<String> }
/// let value = serde_json::from_str(r#"{"SERIAL":7,"doors":null}"#)?;
/// assert_eq!(from_value::<Badge>(value)?, Badge { serial: 7, doors: vec![] });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ConvertError`] with the place.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, ConvertError> {
    T::deserialize(ValueDeserializer(value))
}

/// Writes a Rust type as a value, without the fields that are `null`.
///
/// # Errors
/// [`ConvertError`] when its `Serialize` fails, for example for a map whose keys are no strings.
pub fn to_value<T: Serialize>(value: &T) -> Result<Value, ConvertError> {
    let json = serde_json::to_value(value).map_err(de::Error::custom)?;
    let mut value = Value::from(json);
    without_null(&mut value);
    Ok(value)
}

fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => object.retain(|_, value| {
            without_null(value);
            *value != Value::Null
        }),
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

struct ValueDeserializer(Value);

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = ConvertError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(b),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(n), _, _) => visitor.visit_u64(n),
                (_, Some(n), _) => visitor.visit_i64(n),
                (_, _, n) => visitor.visit_f64(n.unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(&text),
            Value::Array(items) => visitor.visit_seq(Items { items: items.into_iter(), index: 0 }),
            Value::Object(object) => visitor.visit_map(Members::new(object, &[])),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::Object(mut object) => {
                object.retain(|_, value| *value != Value::Null);
                visitor.visit_map(Members::new(object, fields))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConvertError> {
        match self.0 {
            Value::String(text) => {
                let name: StrDeserializer<'_, ConvertError> = text.as_str().into_deserializer();
                visitor.visit_enum(name)
            }
            Value::Object(object) => {
                visitor.visit_enum(MapAccessDeserializer::new(Members::new(object, &[])))
            }
            other => Err(ConvertError::expected("a string", &other)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items {
    items: std::vec::IntoIter<Value>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = ConvertError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ConvertError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(ValueDeserializer(item)).map(Some).map_err(|e| e.in_list(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The members of an object; names in the spelling of the struct that reads them.
struct Members {
    members: std::vec::IntoIter<(SmolStr, Value)>,
    fields: &'static [&'static str],
    next: Option<(SmolStr, Value)>,
}

impl Members {
    fn new(object: Object, fields: &'static [&'static str]) -> Self {
        Self { members: object.into_iter(), fields, next: None }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = ConvertError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ConvertError> {
        self.next = self.members.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        let field = self.fields.iter().find(|field| field.eq_ignore_ascii_case(name));
        let spelled = field.copied().unwrap_or(name);
        seed.deserialize(IntoDeserializer::<ConvertError>::into_deserializer(spelled)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ConvertError> {
        let Some((name, value)) = self.next.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        seed.deserialize(ValueDeserializer(value)).map_err(|e| e.inside(&name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Badge {
        serial: u32,
        level: Option<Level>,
        #[serde(default)]
        doors: Vec<Door>,
        weight: Option<f64>,
    }

    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Level {
        Guest,
        Staff { since: i16 },
        Other(String),
    }

    #[derive(Debug, PartialEq, serde::Serialize, Deserialize)]
    struct Door(char);

    fn read(text: &str) -> Result<Badge, String> {
        from_value(serde_json::from_str(text).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn types_round_trip() {
        for badge in [
            Badge { serial: 7, level: None, doors: vec![], weight: Some(1.5) },
            Badge { serial: 0, level: Some(Level::Guest), doors: vec![Door('a')], weight: None },
            Badge {
                serial: 1,
                level: Some(Level::Staff { since: -3 }),
                doors: vec![],
                weight: None,
            },
            Badge { serial: 1, level: Some(Level::Other("x".into())), doors: vec![], weight: None },
        ] {
            assert_eq!(from_value::<Badge>(to_value(&badge).unwrap()).unwrap(), badge);
        }
        let value =
            to_value(&Badge { serial: 7, level: None, doors: vec![], weight: None }).unwrap();
        assert_eq!(value.as_object().map(Object::len), Some(2), "null is left out");
    }

    #[test]
    fn names_in_any_case_and_null_as_absent() {
        let badge = read(r#"{"SERIAL":7,"Doors":null,"level":"guest","unknown":[{}]}"#).unwrap();
        assert_eq!(
            badge,
            Badge { serial: 7, level: Some(Level::Guest), doors: vec![], weight: None }
        );
    }

    #[test]
    fn errors_say_where_and_not_what() {
        for (text, message) in [
            (r#"{"level":"guest"}"#, "serial: is missing"),
            (r#"{"serial":"s3cr3t"}"#, "serial: must be u32, but is a string"),
            (r#"{"serial":-1}"#, "serial: must be u32"),
            (r#"{"serial":1,"doors":["a","s3cr3t"]}"#, "doors[1]: must be a character"),
            (r#"{"serial":1,"level":"s3cr3t"}"#, "level: must be one of guest, staff, other"),
            (r#"{"serial":1,"level":{"staff":{}}}"#, "level.staff.since: is missing"),
            (r#"{"serial":1,"level":5}"#, "level: must be a string, but is a number"),
        ] {
            assert_eq!(read(text).unwrap_err(), message, "{text}");
        }
    }
}

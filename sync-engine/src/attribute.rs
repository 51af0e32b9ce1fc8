//! Attribute values as they travel between a directory and a target, whatever the two call them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of an attribute: an LDAP name (`sAMAccountName`), a metaverse name, or a SCIM path (`name.givenName`,
/// `emails[type eq "work"].value`). Compared without regard to ASCII case, shown as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeName(SmolStr);

impl AttributeName {
    /// A name as written.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(SmolStr::new(name))
    }

    /// The name as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name in lower case: equal names have equal folded forms. What stores key by.
    #[must_use]
    pub fn folded(&self) -> SmolStr {
        if self.0.bytes().any(|b| b.is_ascii_uppercase()) {
            SmolStr::new(self.0.to_ascii_lowercase())
        } else {
            self.0.clone()
        }
    }
}

impl From<&str> for AttributeName {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl fmt::Display for AttributeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn compare(left: &str, right: &str) -> Ordering {
    left.bytes().map(|b| b.to_ascii_lowercase()).cmp(right.bytes().map(|b| b.to_ascii_lowercase()))
}

impl PartialEq for AttributeName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for AttributeName {}

impl PartialOrd for AttributeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for AttributeName {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl std::hash::Hash for AttributeName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

/// One value. References to other objects are not values: they are edges of the connector space, so that a group of a
/// million members is not one value of a million parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttributeValue {
    /// Text.
    Text(SmolStr),
    /// A whole number; FILETIMEs and bit masks of a directory are these.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A moment.
    DateTime(DateTime<Utc>),
    /// Bytes, such as an `objectGUID` or a certificate; Base64 in JSON.
    Binary(#[serde(with = "base64_text")] Vec<u8>),
    /// A value with parts, such as a role with its display name.
    Complex(BTreeMap<AttributeName, AttributeValue>),
}

/// Bytes as Base64 text: a photo as a list of numbers would be four times its size.
mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text.as_bytes()).map_err(de::Error::custom)
    }
}

impl AttributeValue {
    /// Text.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(SmolStr::new(text))
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for AttributeValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<DateTime<Utc>> for AttributeValue {
    fn from(moment: DateTime<Utc>) -> Self {
        Self::DateTime(moment)
    }
}

/// The values of one attribute, in the order of the system that holds them; never empty within an [`AttributeSet`].
pub type Values = Vec<AttributeValue>;

/// The attributes of one object, by name. An attribute without values is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributeSet(BTreeMap<AttributeName, Values>);

impl AttributeSet {
    /// No attributes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The values of `name`; an empty slice where there are none.
    #[must_use]
    pub fn get(&self, name: &AttributeName) -> &[AttributeValue] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The first value of `name`.
    #[must_use]
    pub fn first(&self, name: &AttributeName) -> Option<&AttributeValue> {
        self.get(name).first()
    }

    /// Sets the values of `name`; none removes the attribute.
    pub fn set(&mut self, name: AttributeName, values: Values) {
        if values.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, values);
        }
    }

    /// The same set with one attribute more, for building one in place.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<AttributeValue>) -> Self {
        self.0.entry(AttributeName::new(name)).or_default().push(value.into());
        self
    }

    /// Removes `name` and gives its values.
    pub fn remove(&mut self, name: &AttributeName) -> Option<Values> {
        self.0.remove(name)
    }

    /// Name and values, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&AttributeName, &[AttributeValue])> {
        self.0.iter().map(|(name, values)| (name, values.as_slice()))
    }

    /// How many attributes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(AttributeName, Values)> for AttributeSet {
    fn from_iter<I: IntoIterator<Item = (AttributeName, Values)>>(items: I) -> Self {
        Self(items.into_iter().filter(|(_, values)| !values.is_empty()).collect())
    }
}

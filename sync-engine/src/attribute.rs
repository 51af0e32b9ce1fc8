//! Attribute values as they travel between a directory and a target, whatever the two call them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use chrono::{DateTime, Utc};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;

use crate::rules::{boolean_of, moment_of, text_of};

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

/// As the folded forms compare. Names are the keys of all maps here, and those of extensions share long beginnings: what is
/// the same is passed over eight bytes at a time, without being folded.
fn compare(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.as_bytes(), right.as_bytes());
    while let (Some((one, left_rest)), Some((other, right_rest))) =
        (left.split_first_chunk::<8>(), right.split_first_chunk::<8>())
        && one == other
    {
        (left, right) = (left_rest, right_rest);
    }
    for (one, other) in left.iter().zip(right) {
        if one != other {
            let unlike = one.to_ascii_lowercase().cmp(&other.to_ascii_lowercase());
            if unlike.is_ne() {
                return unlike;
            }
        }
    }
    left.len().cmp(&right.len())
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

/// Whether two values are one: they are equal, or they are of two kinds and say the same, because systems keep numbers,
/// moments and truth values as text. Text is compared letter by letter: a change of case is a change.
pub(crate) fn same_value(left: &AttributeValue, right: &AttributeValue) -> bool {
    if left == right {
        return true;
    }
    if std::mem::discriminant(left) == std::mem::discriminant(right) {
        return false;
    }
    match (left, right) {
        (AttributeValue::Complex(_), _) | (_, AttributeValue::Complex(_)) => false,
        (AttributeValue::Boolean(_), _) | (_, AttributeValue::Boolean(_)) => {
            let both = boolean_of(left).zip(boolean_of(right));
            both.is_some_and(|(left, right)| left == right)
        }
        (AttributeValue::DateTime(_), _) | (_, AttributeValue::DateTime(_)) => {
            let both = moment_of(left).zip(moment_of(right));
            both.is_some_and(|(left, right)| left == right)
        }
        _ => text_of(left) == text_of(right),
    }
}

/// Whether two lists are the same values of an attribute: each as often as in the other, by [`same_value`]. Their order
/// does not count: neither directories nor SCIM keep one.
///
/// What is written, what is read back and what is asked for are compared by this one rule. By two, a value that one takes
/// for the same and the other does not would be written again for ever.
pub(crate) fn same_values(left: &[AttributeValue], right: &[AttributeValue]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    if left == right {
        return true;
    }
    let (mut left, mut right): (Vec<_>, Vec<_>) = (left.iter().collect(), right.iter().collect());
    left.sort_unstable();
    right.sort_unstable();
    // Equal ones first, which leaves few or none to be compared each with each.
    let (mut only_left, mut only_right) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        match one.cmp(other) {
            Ordering::Less => only_left.extend(left.next()),
            Ordering::Greater => only_right.extend(right.next()),
            Ordering::Equal => {
                left.next();
                right.next();
            }
        }
    }
    only_left.extend(left);
    only_right.extend(right);
    only_left.iter().all(|value| {
        let found = only_right.iter().position(|other| same_value(value, other));
        found.map(|at| only_right.swap_remove(at)).is_some()
    })
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
pub struct AttributeSet(#[serde(deserialize_with = "by_name")] BTreeMap<AttributeName, Values>);

/// A map by names, read at once: written in their order, they need not each be looked for.
pub(crate) fn by_name<'de, V: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<AttributeName, V>, D::Error> {
    struct ByName<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for ByName<V> {
        type Value = BTreeMap<AttributeName, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map by names of attributes")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut from: M) -> Result<Self::Value, M::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = from.next_entry()? {
                entries.push(entry);
            }
            Ok(entries.into_iter().collect())
        }
    }

    from.deserialize_map(ByName(PhantomData))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&str]) -> Values {
        texts.iter().map(AttributeValue::text).collect()
    }

    #[test]
    fn the_order_of_values_does_not_count_and_their_number_and_letter_case_do() {
        assert!(same_values(&values(&["a", "b", "a"]), &values(&["b", "a", "a"])));
        assert!(!same_values(&values(&["a", "b", "a"]), &values(&["b", "a", "b"])));
        assert!(!same_values(&values(&["a"]), &values(&["a", "a"])));
        assert!(!same_values(&values(&["Ada"]), &values(&["ada"])));
        assert!(same_values(&[], &[]));
    }

    #[test]
    fn a_value_that_is_kept_as_text_is_the_same_value() {
        let moment = DateTime::UNIX_EPOCH;
        let typed = [7_i64.into(), true.into(), moment.into(), AttributeValue::Binary(vec![1, 2])];
        let texts = values(&["1970-01-01T01:00:00+01:00", "AQI=", "TRUE", "7"]);
        assert!(same_values(&typed, &texts));
        assert!(same_values(&texts, &typed));
        assert!(!same_values(&typed, &values(&["1970-01-01T01:00:00Z", "AQI=", "TRUE", "7"])));
        let parts = AttributeValue::Complex(BTreeMap::from([("value".into(), "7".into())]));
        assert!(!same_value(&parts, &7_i64.into()), "one with parts is not its value");
    }
}

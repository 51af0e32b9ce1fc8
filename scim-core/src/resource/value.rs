//! JSON values with case-insensitive member names: what resources and messages are made of.

use std::fmt;

use serde_json::Number;
use smol_str::SmolStr;

mod json;

pub(crate) use json::ValueSeed;

/// A JSON value. Member names of objects are found without regard to case (RFC 7643 section 2.1).
///
/// Short texts are kept in place, so cloning and comparing attribute values rarely allocates.
#[derive(Clone, PartialEq, Default)]
pub enum Value {
    /// `null`: unassigned (RFC 7643 section 2.5).
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as `serde_json` keeps it: 64-bit integers exactly, the rest as double precision.
    Number(Number),
    /// Text: also dates, references and base64, which JSON has no types for.
    String(SmolStr),
    /// A list; multi-valued attributes.
    Array(Vec<Value>),
    /// An object; complex attributes and extensions.
    Object(Object),
}

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if it is one.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object to change, if it is one.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The values of an attribute: the elements of a list, or the one value itself; nothing when unassigned.
    pub fn values(&self) -> &[Value] {
        match self {
            Value::Null => &[],
            Value::Array(items) => items,
            single => std::slice::from_ref(single),
        }
    }

    /// Whether the value counts as no value: `null`, an empty list, or an object with nothing in it but such values.
    /// Source: RFC 7643 section 2.5.
    pub fn is_unassigned(&self) -> bool {
        match self {
            Value::Null => true,
            Value::Array(items) => items.iter().all(Value::is_unassigned),
            Value::Object(object) => object.values().all(Value::is_unassigned),
            _ => false,
        }
    }

    /// What the value is, in the words of an error message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => fmt::Debug::fmt(b, f),
            Value::Number(n) => fmt::Display::fmt(n, f),
            Value::String(s) => fmt::Debug::fmt(s.as_str(), f),
            Value::Array(items) => f.debug_list().entries(items).finish(),
            Value::Object(object) => fmt::Debug::fmt(object, f),
        }
    }
}

/// Compact JSON.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(SmolStr::new(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(SmolStr::from(text))
    }
}

impl From<SmolStr> for Value {
    fn from(text: SmolStr) -> Self {
        Value::String(text)
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Value::Number(n.into())
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Value::Object(object)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(b),
            serde_json::Value::Number(n) => Value::Number(n),
            serde_json::Value::String(s) => Value::String(s.into()),
            serde_json::Value::Array(items) => {
                Value::Array(items.into_iter().map(Into::into).collect())
            }
            serde_json::Value::Object(map) => {
                let mut object = Object::new();
                for (name, value) in map {
                    object.insert(&name, value);
                }
                Value::Object(object)
            }
        }
    }
}

impl From<Value> for serde_json::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => serde_json::Value::Bool(b),
            Value::Number(n) => serde_json::Value::Number(n),
            Value::String(s) => serde_json::Value::String(s.into()),
            Value::Array(items) => {
                serde_json::Value::Array(items.into_iter().map(Into::into).collect())
            }
            Value::Object(object) => serde_json::Value::Object(
                object.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            ),
        }
    }
}

/// An ordered JSON object whose member names compare without regard to ASCII case.
///
/// Two members may not have the same name; reading JSON in which they do is an error (RFC 8259 section 4 leaves it
/// open, and readers that disagree about the winner have been used to smuggle values).
#[derive(Clone, Default)]
pub struct Object {
    members: Vec<(SmolStr, Value)>,
}

impl Object {
    /// An object without members.
    pub const fn new() -> Self {
        Self { members: Vec::new() }
    }

    /// An object without members that has room for so many.
    pub(crate) fn with_capacity(members: usize) -> Self {
        Self { members: Vec::with_capacity(members) }
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.members.iter().position(|(n, _)| n.eq_ignore_ascii_case(name))
    }

    /// The member of this name, in any letter case.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.position(name).map(|i| &self.members[i].1)
    }

    /// The member to change.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        self.position(name).map(|i| &mut self.members[i].1)
    }

    /// The text of a member.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Whether there is a member of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Sets a member, keeping its place and spelling when it was there; answers the old value.
    pub fn insert(&mut self, name: &str, value: impl Into<Value>) -> Option<Value> {
        match self.position(name) {
            Some(i) => Some(std::mem::replace(&mut self.members[i].1, value.into())),
            None => {
                self.members.push((SmolStr::new(name), value.into()));
                None
            }
        }
    }

    /// Appends a member that is known not to be there yet.
    pub(crate) fn push_new(&mut self, name: SmolStr, value: Value) {
        debug_assert!(!self.contains(&name));
        self.members.push((name, value));
    }

    /// Sets a member, in front of the others when it was not there.
    pub(crate) fn set_first(&mut self, name: &str, value: Value) {
        match self.position(name) {
            Some(i) => self.members[i].1 = value,
            None => self.members.insert(0, (SmolStr::new(name), value)),
        }
    }

    /// The member of this name, made `null` first when it was not there.
    pub fn entry(&mut self, name: &str) -> &mut Value {
        let i = match self.position(name) {
            Some(i) => i,
            None => {
                self.members.push((SmolStr::new(name), Value::Null));
                self.members.len() - 1
            }
        };
        &mut self.members[i].1
    }

    /// Takes a member out, keeping the order of the others.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.position(name).map(|i| self.members.remove(i).1)
    }

    /// Keeps the members for which the closure says so.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Value) -> bool) {
        self.members.retain_mut(|(name, value)| keep(name, value));
    }

    /// The members in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.members.iter().map(|(n, v)| (n.as_str(), v))
    }

    /// The members in order, to change their values.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut Value)> {
        self.members.iter_mut().map(|(n, v)| (n.as_str(), v))
    }

    /// The values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.members.iter().map(|(_, v)| v)
    }

    /// Puts each member that has one of these names, in any letter case, into the place of the name; answers the others.
    pub(super) fn sort_out(self, names: &[&str], places: &mut [Value]) -> Self {
        let mut others = Self::new();
        // Most peers keep to the order of the schema: what comes next is looked for behind what came last.
        let mut next = 0;
        for (name, value) in self.members {
            match place(names, next, &name) {
                Some(i) => {
                    places[i] = value;
                    next = i + 1;
                }
                None => others.members.push((name, value)),
            }
        }
        others
    }

    /// The first name that occurs twice without regard to case. Objects read from JSON have none.
    fn duplicate(&self) -> Option<&str> {
        // Attribute objects are small; a hostile one is not, so large ones are sorted instead of compared pairwise.
        if self.members.len() <= 16 {
            let mut seen = 0_u64;
            return self.members.iter().enumerate().find_map(|(i, (name, _))| {
                let mark = 1 << (sketch(name) % 64);
                let maybe = seen & mark != 0;
                seen |= mark;
                let mut before = self.members[..i].iter();
                (maybe && before.any(|(n, _)| n.eq_ignore_ascii_case(name))).then_some(&**name)
            });
        }
        let mut names: Vec<&str> = self.members.iter().map(|(n, _)| n.as_str()).collect();
        names.sort_unstable_by(|a, b| crate::name::cmp_ignore_ascii_case(a, b));
        names.windows(2).find(|w| w[0].eq_ignore_ascii_case(w[1])).map(|w| w[1])
    }
}

/// Where the name stands among these, in any letter case; looked for from `next` on, and then before it.
fn place(names: &[&str], next: usize, name: &str) -> Option<usize> {
    let (before, behind) = names.split_at_checked(next)?;
    if behind.first().is_some_and(|first| *first == name) {
        return Some(next);
    }
    let found = |names: &[&str]| names.iter().position(|known| known.eq_ignore_ascii_case(name));
    found(behind).map(|i| next + i).or_else(|| found(before))
}

/// A number that is the same for names that differ in letter case only, and mostly another one for others.
fn sketch(name: &str) -> usize {
    let bytes = name.as_bytes();
    let at = |i: usize| bytes.get(i).map_or(0, |byte| usize::from(byte | 0x20));
    let last = at(bytes.len().wrapping_sub(1));
    bytes.len() + 5 * at(0) + at(1) + 3 * last
}

/// Equal when the same names have equal values, in whatever order and letter case.
impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.members.len() == other.members.len()
            && self.members.iter().enumerate().all(|(i, (name, value))| {
                match other.members.get(i) {
                    Some((n, v)) if n.eq_ignore_ascii_case(name) => v == value,
                    _ => other.get(name) == Some(value),
                }
            })
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Resources are logged and panicked with; a password must not come along.
        let shown = |(name, value): (&str, &Value)| match name.eq_ignore_ascii_case("password") {
            true => (name.to_owned(), Value::from("[redacted]")),
            false => (name.to_owned(), value.clone()),
        };
        f.debug_map().entries(self.iter().map(shown)).finish()
    }
}

impl IntoIterator for Object {
    type Item = (SmolStr, Value);
    type IntoIter = std::vec::IntoIter<(SmolStr, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.members.into_iter()
    }
}

/// Later members of the same name replace earlier ones.
impl<N: AsRef<str>, V: Into<Value>> FromIterator<(N, V)> for Object {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Self {
        let mut object = Object::new();
        for (name, value) in members {
            object.insert(name.as_ref(), value);
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn names_ignore_case_and_keep_spelling() {
        let mut value = parse(r#"{"userName":"ada","Active":true}"#);
        let object = value.as_object_mut().unwrap();
        assert_eq!(object.get_str("USERNAME"), Some("ada"));
        object.insert("username", "grace");
        assert_eq!(value.to_string(), r#"{"userName":"grace","Active":true}"#);
    }

    #[test]
    fn duplicate_names_are_refused_in_any_case_and_size() {
        assert!(serde_json::from_str::<Value>(r#"{"a":1,"A":2}"#).is_err());
        assert!(serde_json::from_str::<Value>(r#"{"x":{"id":1,"id":1}}"#).is_err());
        let many: Vec<String> = (0..40).map(|i| format!("\"n{i}\":1")).collect();
        assert!(serde_json::from_str::<Value>(&format!("{{{}}}", many.join(","))).is_ok());
        assert!(
            serde_json::from_str::<Value>(&format!("{{{},\"N7\":2}}", many.join(","))).is_err()
        );
    }

    proptest! {
        /// Against a set of the names in small letters; `@` and the backtick differ as two letters of one kind do.
        #[test]
        fn a_name_that_occurs_twice_is_found(names in prop::collection::vec("[abAB@`]{0,2}", 0..24)) {
            let members: Vec<String> = names.iter().map(|name| format!("{name:?}:1")).collect();
            let different: BTreeSet<String> = names.iter().map(|n| n.to_ascii_lowercase()).collect();
            let read = serde_json::from_str::<Value>(&format!("{{{}}}", members.join(",")));
            prop_assert_eq!(read.is_ok(), different.len() == names.len(), "{:?}", names);
        }
    }

    #[test]
    fn depth_is_limited() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(serde_json::from_str::<Value>(&deep(64)).is_ok());
        assert!(serde_json::from_str::<Value>(&deep(66)).is_err());
    }

    #[test]
    fn unassigned() {
        for (text, expected) in [
            ("null", true),
            ("[]", true),
            ("{}", true),
            (r#"{"a":null,"b":[]}"#, true),
            ("[null]", true),
            ("\"\"", false),
            ("0", false),
            ("false", false),
        ] {
            assert_eq!(parse(text).is_unassigned(), expected, "{text}");
        }
    }

    #[test]
    fn equality_ignores_order() {
        assert_eq!(parse(r#"{"a":1,"b":2}"#), parse(r#"{"B":2,"A":1}"#));
        assert_ne!(parse(r#"{"a":1,"b":2}"#), parse(r#"{"a":1,"c":2}"#));
    }
}

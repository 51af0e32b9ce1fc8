//! What a PATCH really changed.

use std::collections::BTreeMap;
use std::fmt;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::name::{AttrName, AttrPath, SchemaUri};
use crate::resource::{Object, Resource, Value};
use crate::schema::{Attribute, ResourceSchema};

/// What stands in the place of a value that nobody may read.
const MASK: &str = "***";

/// One value that is different now.
///
/// Single-valued attributes and sub-attributes have their own change each. Of a multi-valued attribute, each element
/// that came, went or became another is a change under the attribute's path. Values of secret attributes
/// (`returned` never) are masked when the change is recorded, so they cannot leak from here.
#[derive(Clone, PartialEq)]
pub struct Change {
    path: AttrPath,
    before: Option<Value>,
    after: Option<Value>,
}

impl Change {
    fn new(path: AttrPath, before: Option<Value>, after: Option<Value>, secret: bool) -> Self {
        let mask = |value: Value| if secret { Value::from(MASK) } else { value };
        Self { path, before: before.map(mask), after: after.map(mask) }
    }

    /// The attribute or sub-attribute.
    pub fn path(&self) -> &AttrPath {
        &self.path
    }

    /// The value, or the element, that was there.
    pub fn before(&self) -> Option<&Value> {
        self.before.as_ref()
    }

    /// The value, or the element, that is there now.
    pub fn after(&self) -> Option<&Value> {
        self.after.as_ref()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path)?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{before} -> {after}"),
            (Some(before), None) => write!(f, "{before} removed"),
            (None, Some(after)) => write!(f, "{after} added"),
            (None, None) => f.write_str("unchanged"),
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut change = serializer.serialize_struct("Change", 3)?;
        change.serialize_field("path", &self.path.to_string())?;
        match &self.before {
            Some(before) => change.serialize_field("before", before)?,
            None => change.skip_field("before")?,
        }
        match &self.after {
            Some(after) => change.serialize_field("after", after)?,
            None => change.skip_field("after")?,
        }
        change.end()
    }
}

/// What a PATCH really changed, in the order of the resource's attributes; empty when it changed nothing.
///
/// `schemas` and `meta` follow from the rest and are not listed. Another order of the elements of a multi-valued
/// attribute is no change.
///
/// ```
/// use scim_core::{Profile, Registry, Resource, patch::Patch};
/// let registry = Registry::standard();
/// let mut user: Resource = serde_json::from_str(
///     r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","name":{"familyName":"Lovelace"}}"#,
/// ).unwrap();
/// let patch = Patch::new().replace("name.familyName".parse()?, "King");
/// let changes = patch.apply(&mut user, registry.user(), Profile::strict())?;
/// assert_eq!(changes.to_string(), r#"name.familyName: "Lovelace" -> "King""#);
/// # Ok::<(), scim_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct ChangeSet {
    changes: Vec<Change>,
}

impl ChangeSet {
    /// What is different between two states of a resource.
    ///
    /// ```
    /// use scim_core::{ChangeSet, Registry, Resource};
    /// let registry = Registry::rfc7643();
    /// let [before, after]: [Resource; 2] = [r#"{"title":"Dr"}"#, r#"{"title":"Prof"}"#]
    ///     .map(|text| serde_json::from_str(text).unwrap_or_default());
    /// let changes = ChangeSet::between(&before, &after, registry.user());
    /// assert_eq!(changes.to_string(), r#"title: "Dr" -> "Prof""#);
    /// ```
    pub fn between(before: &Resource, after: &Resource, schema: &ResourceSchema) -> Self {
        let mut changes = Self::default();
        for_each_pair(before.object(), after.object(), |name, old, new| {
            let follows = ["schemas", "meta"].iter().any(|n| name.eq_ignore_ascii_case(n));
            if !follows {
                changes.record(name, old, new, schema);
            }
        });
        changes
    }

    /// Records that a secret that is kept outside the resource, such as a password, was set or taken away.
    pub fn push_secret(&mut self, name: AttrName) {
        self.push(name.into(), None, Some(Value::Null), true);
    }

    /// Whether nothing changed: then neither version nor `meta.lastModified` may move (RFC 7644 section 3.5.2.1).
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// The changes.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.changes.iter()
    }

    /// Whether this attribute, or one of its sub-attributes, changed. Takes the bare name of an extension's attribute.
    pub fn touches(&self, name: &str) -> bool {
        self.changes.iter().any(|c| *c.path.name() == *name)
    }

    /// Compares two states of a top-level member and records how they differ.
    pub(super) fn record(
        &mut self,
        name: &str,
        before: Option<&Value>,
        after: Option<&Value>,
        schema: &ResourceSchema,
    ) {
        if let Some(extension) = schema.extension(name) {
            let empty = Object::new();
            let [old, new] =
                [before, after].map(|v| v.and_then(Value::as_object).unwrap_or(&empty));
            for_each_pair(old, new, |sub, old, new| {
                self.record_attribute(Some(&extension.id), sub, old, new, extension.attribute(sub));
            });
        } else {
            self.record_attribute(None, name, before, after, schema.attribute(name));
        }
    }

    fn record_attribute(
        &mut self,
        uri: Option<&SchemaUri>,
        name: &str,
        before: Option<&Value>,
        after: Option<&Value>,
        attribute: Option<&Attribute>,
    ) {
        let secret = attribute.is_some_and(Attribute::is_secret);
        let Some(path) = path_of(uri, name, None, attribute) else { return };
        match (before.filter(|v| !v.is_unassigned()), after.filter(|v| !v.is_unassigned())) {
            (Some(Value::Array(before)), Some(Value::Array(after))) => {
                self.record_elements(&path, before, after, attribute);
            }
            (Some(Value::Array(before)), None) => {
                self.record_elements(&path, before, &[], attribute);
            }
            (None, Some(Value::Array(after))) => {
                self.record_elements(&path, &[], after, attribute);
            }
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                for_each_pair(before, after, |sub, old, new| {
                    let definition = attribute.and_then(|a| a.sub(sub));
                    let Some(path) = path_of(uri, name, Some(sub), attribute) else { return };
                    let secret = secret || definition.is_some_and(Attribute::is_secret);
                    self.push(path, old.cloned(), new.cloned(), secret);
                });
            }
            (before, after) if before != after => {
                self.push(path, before.cloned(), after.cloned(), secret);
            }
            _ => {}
        }
    }

    fn record_elements(
        &mut self,
        path: &AttrPath,
        before: &[Value],
        after: &[Value],
        attribute: Option<&Attribute>,
    ) {
        let secret = attribute.is_some_and(Attribute::is_secret);
        // One member is never another; an address of the same type may well be the same one with a new value.
        let identified = attribute.is_some_and(Attribute::is_resource_reference);
        let pairing: &[&str] = if identified { &["value"] } else { &["value", "type"] };
        let (gone, come) = unmatched(before, after);
        let mut partner = vec![None; gone.len()];
        let mut taken = vec![false; come.len()];
        for name in pairing {
            let mut open: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (i, new) in come.iter().enumerate().rev().filter(|(i, _)| !taken[*i]) {
                if let Some(text) = member(new, name) {
                    open.entry(text).or_default().push(i);
                }
            }
            for (slot, old) in partner.iter_mut().zip(&gone).filter(|(slot, _)| slot.is_none()) {
                let found =
                    member(old, name).and_then(|text| open.get_mut(text)).and_then(Vec::pop);
                if let Some(i) = found {
                    taken[i] = true;
                    *slot = Some(come[i].clone());
                }
            }
        }
        for (old, new) in gone.into_iter().zip(partner) {
            self.push(path.clone(), Some(old.clone()), new, secret);
        }
        for new in come.into_iter().zip(taken).filter_map(|(new, taken)| (!taken).then_some(new)) {
            self.push(path.clone(), None, Some(new.clone()), secret);
        }
    }

    fn push(&mut self, path: AttrPath, before: Option<Value>, after: Option<Value>, secret: bool) {
        self.changes.push(Change::new(path, before, after, secret));
    }
}

impl IntoIterator for ChangeSet {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.into_iter()
    }
}

impl<'a> IntoIterator for &'a ChangeSet {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.changes.iter()
    }
}

/// One change a line.
impl fmt::Display for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, change) in self.changes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{change}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.changes).finish()
    }
}

/// The path in the schema's spelling where the schema has it. A member that can be named by no path yields nothing.
fn path_of(
    uri: Option<&SchemaUri>,
    name: &str,
    sub: Option<&str>,
    attribute: Option<&Attribute>,
) -> Option<AttrPath> {
    let spelled = match attribute {
        Some(attribute) => attribute.name.clone(),
        None => AttrName::new(name).ok()?,
    };
    let sub = match sub {
        Some(sub) => Some(match attribute.and_then(|a| a.sub(sub)) {
            Some(sub) => sub.name.clone(),
            None => AttrName::new(sub).ok()?,
        }),
        None => None,
    };
    Some(AttrPath::new(uri.cloned(), spelled, sub))
}

/// Visits the members that differ in two objects, in the order of the second, then what only the first has.
fn for_each_pair(
    before: &Object,
    after: &Object,
    mut visit: impl FnMut(&str, Option<&Value>, Option<&Value>),
) {
    for (name, new) in after.iter() {
        let old = before.get(name);
        if old != Some(new) {
            visit(name, old, Some(new));
        }
    }
    for (name, old) in before.iter() {
        if !after.contains(name) {
            visit(name, Some(old), None);
        }
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.as_object().and_then(|object| object.get_str(name))
}

/// The elements of each list that have no equal in the other, in whatever order the lists are.
pub(super) fn unmatched<'a>(
    before: &'a [Value],
    after: &'a [Value],
) -> (Vec<&'a Value>, Vec<&'a Value>) {
    // Most changes touch one end or one element of the list, so equal ends are passed over first.
    let head = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[head..], &after[head..]);
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[..before.len() - tail], &after[..after.len() - tail]);
    if before.is_empty() || after.is_empty() {
        return (before.iter().collect(), after.iter().collect());
    }
    // Sorted by a key, so that long lists do not take quadratic time.
    let mut open: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, value) in before.iter().enumerate().rev() {
        open.entry(element_key(value)).or_default().push(i);
    }
    let mut come = Vec::new();
    for value in after {
        if open.get_mut(&element_key(value)).and_then(Vec::pop).is_none() {
            come.push(value);
        }
    }
    let mut gone: Vec<usize> = open.into_values().flatten().collect();
    gone.sort_unstable();
    (gone.into_iter().map(|i| &before[i]).collect(), come)
}

/// A text that is equal for equal elements only.
fn element_key(value: &Value) -> String {
    let Value::Object(object) = value else { return value.to_string() };
    let mut members: Vec<(String, String)> =
        object.iter().map(|(name, v)| (name.to_ascii_lowercase(), element_key(v))).collect();
    members.sort_unstable();
    members
        .into_iter()
        .fold(String::from("{"), |text, (name, value)| text + &name + ":" + &value + ",")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Registry;

    fn changes(before: &str, after: &str) -> ChangeSet {
        let registry = Registry::standard();
        let [before, after]: [Object; 2] =
            [before, after].map(|t| serde_json::from_str(t).unwrap());
        let mut set = ChangeSet::default();
        for_each_pair(&before, &after, |name, old, new| {
            set.record(name, old, new, registry.user());
        });
        set
    }

    #[test]
    fn reads_as_a_sentence() {
        assert_eq!(
            changes(
                r#"{"name":{"familyName":"Lovelace","givenName":"Ada"},"title":"Dr","active":true}"#,
                r#"{"NAME":{"familyname":"King","givenName":"Ada"},"nickName":"A","active":true}"#,
            )
            .to_string(),
            "name.familyName: \"Lovelace\" -> \"King\"\nnickName: \"A\" added\ntitle: \"Dr\" removed"
        );
    }

    #[test]
    fn elements_are_paired_by_value_then_type() {
        let set = changes(
            r#"{"emails":[{"value":"a","type":"work"},{"value":"b","type":"home"},{"value":"c"}]}"#,
            r#"{"emails":[{"value":"b","type":"other"},{"value":"x","type":"work"},{"value":"n"}]}"#,
        );
        assert_eq!(
            set.to_string(),
            "emails: {\"value\":\"a\",\"type\":\"work\"} -> {\"value\":\"x\",\"type\":\"work\"}\n\
             emails: {\"value\":\"b\",\"type\":\"home\"} -> {\"value\":\"b\",\"type\":\"other\"}\n\
             emails: {\"value\":\"c\"} removed\nemails: {\"value\":\"n\"} added"
        );
        assert!(set.touches("EMAILS"));
        assert!(!set.touches("name"));
        let order = changes(
            r#"{"emails":[{"value":"a"},{"value":"b"}]}"#,
            r#"{"emails":[{"value":"b"},{"value":"a"}]}"#,
        );
        assert!(order.is_empty());
    }

    #[test]
    fn extensions_have_their_uri_in_front() {
        let uri = crate::urn::ENTERPRISE_USER;
        let set = changes(
            &format!(r#"{{"{uri}":{{"department":"A","manager":{{"value":"1"}}}}}}"#),
            &format!(r#"{{"{uri}":{{"department":"B","manager":{{"value":"2"}}}}}}"#),
        );
        assert_eq!(
            set.to_string(),
            format!("{uri}:department: \"A\" -> \"B\"\n{uri}:manager.value: \"1\" -> \"2\"")
        );
    }

    #[test]
    fn secrets_are_masked_everywhere() {
        let set = changes(r#"{"password":"old secret"}"#, r#"{"password":"new secret"}"#);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"[{"path":"password","before":"***","after":"***"}]"#);
        for text in [set.to_string(), format!("{set:?}"), json] {
            assert!(!text.contains("secret"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn unmatched_is_the_difference_of_bags(
            before in proptest::collection::vec(0_i64..5, 0..8),
            after in proptest::collection::vec(0_i64..5, 0..8),
        ) {
            let [a, b] = [&before, &after].map(|v| v.iter().map(|n| Value::from(*n)).collect::<Vec<_>>());
            let (gone, come) = unmatched(&a, &b);
            for n in 0..5 {
                let count = |list: &[i64]| list.iter().filter(|m| **m == n).count();
                let left = |list: &[&Value]| list.iter().filter(|v| ***v == Value::from(n)).count();
                prop_assert_eq!(left(&gone), count(&before).saturating_sub(count(&after)));
                prop_assert_eq!(left(&come), count(&after).saturating_sub(count(&before)));
            }
        }
    }
}

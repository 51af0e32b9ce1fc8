//! Where an edit works: attributes found in a resource, and the journal that can put them back.

use std::fmt;

use smol_str::SmolStr;

use super::change::ChangeSet;
use crate::error::Error;
use crate::name::{AttrName, SchemaUri};
use crate::resource::{Object, Value};
use crate::schema::{Attribute, ResourceSchema};

/// An attribute of the resource or of an extension, by its names in the schema's spelling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) extension: Option<SchemaUri>,
    pub(super) name: AttrName,
}

impl Slot {
    /// The member of the resource that holds the attribute.
    pub(super) fn top(&self) -> &str {
        self.extension.as_ref().map_or(self.name.as_str(), SchemaUri::as_str)
    }

    /// The definition.
    pub(super) fn attribute<'s>(&self, schema: &'s ResourceSchema) -> Option<&'s Attribute> {
        match &self.extension {
            Some(uri) => schema.extension(uri.as_str())?.attribute(self.name.as_str()),
            None => schema.attribute(self.name.as_str()),
        }
    }

    /// The value, `null` when there is none. What this adds without filling it, [`Journal::finish`] takes out again.
    pub(super) fn value<'o>(&self, object: &'o mut Object) -> &'o mut Value {
        let Some(uri) = &self.extension else { return object.entry(self.name.as_str()) };
        let data = object.entry(uri.as_str());
        if !matches!(data, Value::Object(_)) {
            *data = Value::Object(Object::new());
        }
        match data {
            Value::Object(data) => data.entry(self.name.as_str()),
            other => other,
        }
    }
}

/// An attribute in the words of an error message.
impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uri) = &self.extension {
            write!(f, "{uri}:")?;
        }
        write!(f, "{}", self.name)
    }
}

/// The operation and attribute that an edit is at, printed only when something is wrong.
#[derive(Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) operation: usize,
    pub(super) slot: &'a Slot,
}

impl Spot<'_> {
    pub(super) fn mutability(self, sub: Option<&AttrName>, detail: &str) -> Error {
        match sub {
            Some(sub) => Error::mutability(format_args!("{self}.{sub}"), detail),
            None => Error::mutability(self, detail),
        }
    }
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Operations[{}], {}", self.operation, self.slot)
    }
}

/// The members of the resource that were touched, as they were before.
///
/// While operations run, members are never taken out, only set to `null`, and new ones are appended. So putting the
/// old values back restores the resource exactly, order included.
#[derive(Default)]
pub(super) struct Journal {
    entries: Vec<Entry>,
}

struct Entry {
    name: SmolStr,
    before: Option<Value>,
}

impl Journal {
    /// Keeps the member as it is now, unless it was kept before.
    pub(super) fn touch(&mut self, object: &Object, name: &str) {
        if self.entries.iter().any(|e| e.name.eq_ignore_ascii_case(name)) {
            return;
        }
        self.entries.push(Entry { name: SmolStr::new(name), before: object.get(name).cloned() });
    }

    /// The names of the touched members.
    pub(super) fn touched(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.name.as_str())
    }

    /// Puts everything back.
    pub(super) fn roll_back(self, object: &mut Object) {
        // Appended members go in the opposite order of their coming, so that no position moves.
        for Entry { name, before } in self.entries.into_iter().rev() {
            match before {
                Some(before) => *object.entry(&name) = before,
                None => {
                    object.remove(&name);
                }
            }
        }
    }

    /// Takes out what is unassigned now, restores what ended up as it was, and says what is different.
    pub(super) fn finish(self, object: &mut Object, schema: &ResourceSchema) -> ChangeSet {
        let mut changes = ChangeSet::default();
        for Entry { name, before } in self.entries {
            if schema.extension(&name).is_some()
                && let Some(Value::Object(data)) = object.get_mut(&name)
            {
                data.retain(|_, value| *value != Value::Null);
            }
            let recorded = changes.len();
            changes.record(&name, before.as_ref(), object.get(&name), schema);
            match before {
                Some(before) if changes.len() == recorded => *object.entry(&name) = before,
                _ => {
                    if object.get(&name).is_some_and(Value::is_unassigned) {
                        object.remove(&name);
                    }
                }
            }
        }
        changes
    }
}

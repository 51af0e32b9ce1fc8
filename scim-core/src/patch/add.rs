//! `add` (RFC 7644 section 3.5.2.1).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::locate::Spot;
use super::primary;
use crate::check::element_key;
use crate::error::Error;
use crate::resource::Value;
use crate::schema::{Attribute, AttributeType, Mutability};

/// What identifies an element: equal for elements that count as the same (AMBIGUITIES 12).
pub(super) fn identity<'v>(attribute: &Attribute, element: &'v Value) -> Cow<'v, str> {
    if attribute.is_resource_reference()
        && let Some(id) = element.as_object().and_then(|e| e.get_str("value"))
        && let Some(sub) = attribute.sub("value")
    {
        return sub.text_rule().key(id);
    }
    Cow::Owned(element_key(element, attribute))
}

/// Appends the values that the list does not hold yet, each once; answers the places of the new ones.
pub(super) fn append(
    list: &mut Vec<Value>,
    values: &[Value],
    identity: impl for<'v> Fn(&'v Value) -> Cow<'v, str>,
) -> Vec<usize> {
    // The index is over what is to be added, which is short even when the list is long.
    let keys: Vec<Cow<'_, str>> = values.iter().map(&identity).collect();
    let mut fresh: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, key) in keys.iter().enumerate() {
        fresh.entry(key).or_insert(i);
    }
    for element in list.iter() {
        if fresh.is_empty() {
            break;
        }
        fresh.remove(&*identity(element));
    }
    let mut indices: Vec<usize> = fresh.into_values().collect();
    indices.sort_unstable();
    let start = list.len();
    list.extend(indices.into_iter().map(|i| values[i].clone()));
    (start..list.len()).collect()
}

/// Tells in a moment that an element of a long list is none of those that are to be added: its `value` is that of none.
struct Screen<'a> {
    value: Option<&'a Attribute>,
    keys: BTreeSet<Cow<'a, str>>,
}

impl<'a> Screen<'a> {
    fn of(attribute: &'a Attribute, values: &'a [Value]) -> Self {
        let value = attribute.sub("value").filter(|sub| {
            sub.kind == AttributeType::String && sub.mutability != Mutability::ReadOnly
        });
        let key = |element: &'a Value| Some(value?.text_rule().key(text(element)?));
        match values.iter().map(key).collect() {
            Some(keys) => Self { value, keys },
            None => Self { value: None, keys: BTreeSet::new() },
        }
    }

    fn passes(&self, element: &Value) -> bool {
        match (self.value, text(element)) {
            (Some(value), Some(text)) => self.keys.contains(&value.text_rule().key(text)),
            _ => true,
        }
    }
}

fn text(element: &Value) -> Option<&str> {
    element.as_object()?.get_str("value")
}

/// Adds values to a multi-valued attribute.
pub(super) fn to_list(
    place: &mut Value,
    values: &[Value],
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let mut list = take_list(place);
    let screen = Screen::of(attribute, values);
    let written = append(&mut list, values, |v| match screen.passes(v) {
        true => identity(attribute, v),
        // No element has this one.
        false => Cow::Borrowed("\0"),
    });
    primary::settle(&mut list, &written, attribute, spot)?;
    put_list(place, list);
    Ok(())
}

/// The elements of an attribute, taken out of their place; a single value counts as a list of one.
pub(super) fn take_list(place: &mut Value) -> Vec<Value> {
    match std::mem::take(place) {
        Value::Null => Vec::new(),
        Value::Array(items) => items,
        single => vec![single],
    }
}

/// Puts a list back; an empty one is no value.
pub(super) fn put_list(place: &mut Value, list: Vec<Value>) {
    *place = if list.is_empty() { Value::Null } else { Value::Array(list) };
}

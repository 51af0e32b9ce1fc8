//! `replace` (RFC 7644 section 3.5.2.3), and what setting sub-attributes has in common with `add`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::add::{append, identity, put_list, take_list};
use super::edit::{ElementChange, ElementEdit};
use super::locate::Spot;
use super::{budget, primary, remove};
use crate::error::Error;
use crate::name::AttrName;
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};
use crate::schema::{Attribute, Mutability};

/// Sub-attributes that say what a reference's `value` stands for, and are wrong when it changes.
const DERIVED: [&str; 3] = ["$ref", "display", "displayName"];

/// Whether two values of the attribute count as the same; the order of lists does not matter.
pub(super) fn same(attribute: &Attribute, a: &Value, b: &Value) -> bool {
    let keys = |value: &'_ Value| {
        let mut keys: Vec<String> =
            value.values().iter().map(|v| identity(attribute, v).into_owned()).collect();
        keys.sort_unstable();
        keys
    };
    a == b || keys(a) == keys(b)
}

/// Replaces all elements.
pub(super) fn list(
    place: &mut Value,
    values: &[Value],
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let old = take_list(place);
    let mut list = match attribute.is_resource_reference() {
        true => replaced_references(&old, values, |v| identity(attribute, v)),
        false => values.to_vec(),
    };
    let all: Vec<usize> = (0..list.len()).collect();
    primary::settle(&mut list, &all, attribute, spot)?;
    put_list(place, list);
    Ok(())
}

/// The new list, in which references that were there before stay as they were, with what the server knows of them,
/// as long as the new value says nothing else.
pub(super) fn replaced_references(
    old: &[Value],
    values: &[Value],
    identity: impl for<'v> Fn(&'v Value) -> Cow<'v, str>,
) -> Vec<Value> {
    let known: BTreeMap<Cow<'_, str>, &Value> = old.iter().map(|v| (identity(v), v)).collect();
    let mut list = Vec::with_capacity(values.len());
    append(&mut list, values, &identity);
    for value in &mut list {
        let stays = known.get(&identity(value)).copied();
        if let Some(stays) = stays.filter(|old| covers(old, value)) {
            *value = stays.clone();
        }
    }
    list
}

/// Whether the first object has every member of the second.
pub(super) fn covers(all: &Value, some: &Value) -> bool {
    match (all, some) {
        (Value::Object(all), Value::Object(some)) => {
            some.iter().all(|(name, value)| value.is_unassigned() || all.get(name) == Some(value))
        }
        (all, some) => all == some,
    }
}

/// Sets sub-attributes of a single-valued complex attribute.
pub(super) fn merge(
    place: &mut Value,
    members: &[(AttrName, Value)],
    (append, whole): (bool, bool),
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let mut object = match std::mem::take(place) {
        Value::Object(object) => object,
        _ => Object::new(),
    };
    let named = |name: &str| members.iter().any(|(member, _)| *member == *name);
    if whole {
        object.retain(|name, _| {
            named(name)
                || attribute.sub(name).is_some_and(|sub| sub.mutability != Mutability::ReadWrite)
        });
    }
    let referred = object.get("value").cloned();
    for (name, value) in members {
        let Some(sub) = attribute.sub(name.as_str()) else { continue };
        match value {
            Value::Null => remove::sub(&mut object, sub, None, spot)?,
            value => set_sub(&mut object, sub, value, append, spot)?,
        }
    }
    if attribute.is_resource_reference()
        && referred.is_some()
        && referred.as_ref() != object.get("value")
    {
        object.retain(|name, _| {
            named(name) || !DERIVED.iter().any(|derived| derived.eq_ignore_ascii_case(name))
        });
    }
    *place = if object.is_empty() { Value::Null } else { Value::Object(object) };
    Ok(())
}

/// Sets one sub-attribute.
pub(super) fn set_sub(
    object: &mut Object,
    sub: &Attribute,
    value: &Value,
    grow: bool,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let name = sub.name.as_str();
    if sub.mutability == Mutability::Immutable
        && let Some(old) = object.get(name).filter(|v| !v.is_unassigned())
    {
        if same(sub, old, value) {
            return Ok(());
        }
        return Err(spot.mutability(Some(&sub.name), "it is immutable and has a value already"));
    }
    if sub.multi_valued && grow {
        let place = object.entry(name);
        let mut list = take_list(place);
        append(&mut list, value.values(), |v| identity(sub, v));
        put_list(place, list);
    } else {
        object.insert(name, value.clone());
    }
    Ok(())
}

/// Works on the elements that a filter selects.
pub(super) fn elements(
    place: &mut Value,
    edit: &ElementEdit,
    attribute: &Attribute,
    leniency: Option<&mut Leniency>,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let mut list = take_list(place);
    let matches = |element: &Value| edit.filter.as_ref().is_none_or(|f| f.matches_element(element));
    let mut matched: Vec<usize> =
        list.iter().enumerate().filter(|(_, e)| matches(e)).map(|(i, _)| i).collect();
    match &edit.change {
        ElementChange::Set { value, .. }
        | ElementChange::Merge(value)
        | ElementChange::Replace(value) => budget::copies(value, matched.len())?,
        ElementChange::Remove { .. } | ElementChange::Unset { .. } => {}
    }
    let mut sets_primary = false;
    match &edit.change {
        ElementChange::Remove { only } => remove::elements(&mut list, &matched, only, attribute),
        ElementChange::Unset { sub, only } => {
            if let Some(sub) = attribute.sub(sub.as_str()) {
                for object in objects(&mut list, &matched) {
                    remove::sub(object, sub, only.as_deref(), spot)?;
                }
                list.retain(|element| !element.is_unassigned());
            }
        }
        ElementChange::Set { sub, value, append } => {
            if matched.is_empty() {
                let element = made(edit, attribute, leniency, spot)?;
                matched.push(list.len());
                sets_primary = primary::is_primary(&element);
                list.push(element);
            }
            if let Some(sub) = attribute.sub(sub.as_str()) {
                for object in objects(&mut list, &matched) {
                    set_sub(object, sub, value, *append, spot)?;
                }
                sets_primary |= sub.name == "primary";
            }
        }
        ElementChange::Merge(value) => {
            found(&matched, spot)?;
            sets_primary = primary::is_primary(value);
            for i in matched.iter().copied() {
                merge_element(&mut list[i], value, attribute, spot)?;
            }
        }
        ElementChange::Replace(value) => {
            found(&matched, spot)?;
            sets_primary = primary::is_primary(value);
            for i in matched.iter().copied() {
                replace_element(&mut list[i], value, &edit.pins, attribute, spot)?;
            }
        }
    }
    if sets_primary {
        primary::settle(&mut list, &matched, attribute, spot)?;
    }
    match attribute.multi_valued {
        true => put_list(place, list),
        false => *place = list.pop().unwrap_or_default(),
    }
    Ok(())
}

fn objects<'l>(list: &'l mut [Value], matched: &[usize]) -> impl Iterator<Item = &'l mut Object> {
    let mut wanted = matched.iter().copied().peekable();
    list.iter_mut().enumerate().filter_map(move |(i, element)| {
        wanted.next_if_eq(&i)?;
        element.as_object_mut()
    })
}

fn found(matched: &[usize], spot: Spot<'_>) -> Result<(), Error> {
    match matched.is_empty() {
        true => Err(no_target(spot)),
        false => Ok(()),
    }
}

fn no_target(spot: Spot<'_>) -> Error {
    Error::no_target(
        format_args!("Operations[{}].path", spot.operation),
        format!("no value of {} matches the filter", spot.slot),
    )
}

/// A new element for a sub-attribute to be set in: what the filter describes (AMBIGUITIES 2 and 3).
fn made(
    edit: &ElementEdit,
    attribute: &Attribute,
    leniency: Option<&mut Leniency>,
    spot: Spot<'_>,
) -> Result<Value, Error> {
    if edit.filter.is_some() {
        let at = format_args!("Operations[{}].path", spot.operation);
        let allowed = edit.creates
            && attribute.multi_valued
            && leniency.is_none_or(|l| l.allows(Tolerance::CreateOnFilterMiss, at));
        if !allowed {
            return Err(no_target(spot));
        }
    }
    let pins = edit.pins.iter().map(|(name, value)| (name.as_str(), value.clone()));
    Ok(Value::Object(pins.collect()))
}

/// `add` of an object to an element: its sub-attributes are set, the others stay.
fn merge_element(
    element: &mut Value,
    value: &Value,
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let (Value::Object(object), Value::Object(members)) = (&mut *element, value) else {
        *element = value.clone();
        return Ok(());
    };
    for (name, value) in members.iter() {
        if let Some(sub) = attribute.sub(name) {
            set_sub(object, sub, value, true, spot)?;
        }
    }
    Ok(())
}

/// `replace` of an element: it becomes the new one, and keeps what the filter says of it and what the client may not
/// write (AMBIGUITIES 10).
fn replace_element(
    element: &mut Value,
    value: &Value,
    pins: &[(AttrName, Value)],
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let mut new = value.clone();
    if let (Value::Object(old), Value::Object(new)) = (&*element, &mut new) {
        for (name, _) in pins {
            if let Some(kept) = old.get(name.as_str()).filter(|_| !new.contains(name.as_str())) {
                new.insert(name.as_str(), kept.clone());
            }
        }
        for sub in attribute.sub_attributes.iter() {
            let name = sub.name.as_str();
            let Some(kept) = old.get(name).filter(|v| !v.is_unassigned()) else { continue };
            match sub.mutability {
                Mutability::ReadOnly => {
                    new.insert(name, kept.clone());
                }
                Mutability::Immutable => {
                    if new.get(name).is_some_and(|value| !same(sub, kept, value)) {
                        let detail = "it is immutable and has a value already";
                        return Err(spot.mutability(Some(&sub.name), detail));
                    }
                    new.insert(name, kept.clone());
                }
                Mutability::ReadWrite | Mutability::WriteOnly => {}
            }
        }
    }
    *element = new;
    Ok(())
}

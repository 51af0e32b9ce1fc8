//! `remove` (RFC 7644 section 3.5.2.2). Removing what is not there is no error and no change (AMBIGUITIES 4 and 5).

use std::collections::BTreeSet;

use super::add::{identity, put_list, take_list};
use super::locate::Spot;
use super::replace::same;
use crate::error::Error;
use crate::resource::{Object, Value};
use crate::schema::{Attribute, Mutability, Schema};

const REQUIRED: &str = "it is required and cannot be taken away; replace it instead";

/// Takes an attribute away, or only these of its values.
pub(super) fn attribute(
    place: &mut Value,
    only: Option<&[Value]>,
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    match only {
        None => {
            if attribute.required {
                return Err(spot.mutability(None, REQUIRED));
            }
            *place = Value::Null;
        }
        Some(only) if attribute.multi_valued => {
            let gone: BTreeSet<_> = only.iter().map(|v| identity(attribute, v)).collect();
            let mut list = take_list(place);
            list.retain(|element| !gone.contains(&identity(attribute, element)));
            put_list(place, list);
        }
        Some(only) => {
            if only.iter().any(|value| same(attribute, place, value)) {
                *place = Value::Null;
            }
        }
    }
    Ok(())
}

/// Refuses to leave a required attribute without a value.
pub(super) fn check_required(
    place: &Value,
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    match attribute.required && place.is_unassigned() {
        true => Err(spot.mutability(None, REQUIRED)),
        false => Ok(()),
    }
}

/// Takes a sub-attribute away, or only if it has one of these values.
pub(super) fn sub(
    object: &mut Object,
    sub: &Attribute,
    only: Option<&[Value]>,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let name = sub.name.as_str();
    let Some(value) = object.get(name).filter(|v| !v.is_unassigned()) else { return Ok(()) };
    if only.is_some_and(|only| !only.iter().any(|v| same(sub, value, v))) {
        return Ok(());
    }
    if sub.required {
        return Err(spot.mutability(Some(&sub.name), REQUIRED));
    }
    if sub.mutability == Mutability::Immutable {
        return Err(spot.mutability(Some(&sub.name), "it is immutable and has a value already"));
    }
    object.remove(name);
    Ok(())
}

/// Takes the matched elements away, or those of them that are among these values.
pub(super) fn elements(
    list: &mut Vec<Value>,
    matched: &[usize],
    only: &Option<Vec<Value>>,
    attribute: &Attribute,
) {
    let only: Option<BTreeSet<_>> =
        only.as_ref().map(|only| only.iter().map(|v| identity(attribute, v)).collect());
    let mut matched = matched.iter().copied().peekable();
    let mut i = 0;
    list.retain(|element| {
        let hit = matched.next_if_eq(&i).is_some();
        i += 1;
        !hit || only.as_ref().is_some_and(|only| !only.contains(&identity(attribute, element)))
    });
}

/// Takes the data of an extension away, except what only the server writes.
pub(super) fn extension(
    data: &mut Object,
    schema: &Schema,
    required: bool,
    operation: usize,
) -> Result<(), Error> {
    let refused = |at: &dyn std::fmt::Display, detail: &str| {
        Err(Error::mutability(format_args!("Operations[{operation}], {at}"), detail))
    };
    if required {
        return refused(&schema.id, "every resource of this type must have the extension");
    }
    for attribute in schema.attributes.iter().filter(|a| a.mutability == Mutability::Immutable) {
        if data.get(attribute.name.as_str()).is_some_and(|v| !v.is_unassigned()) {
            let at = format_args!("{}:{}", schema.id, attribute.name);
            return refused(&at, "it is immutable and has a value already");
        }
    }
    for (name, value) in data.iter_mut() {
        if schema.attribute(name).is_none_or(|a| a.mutability != Mutability::ReadOnly) {
            *value = Value::Null;
        }
    }
    Ok(())
}

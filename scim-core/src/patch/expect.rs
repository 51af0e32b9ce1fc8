//! What a client may repeat but not change: `id`, `schemas` and `meta` in a value without path (AMBIGUITIES 17).

use super::locate::Spot;
use super::replace::covers;
use super::settle::derived_schemas;
use crate::error::Error;
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Value};
use crate::schema::ResourceSchema;

/// Compares what was sent with what is stored.
pub(super) fn check(
    sent: &Value,
    object: &Object,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
    spot: Spot<'_>,
) -> Result<(), Error> {
    let stored = object.get(spot.slot.name.as_str());
    let fits = if spot.slot.name == "schemas" {
        // What the value itself adds to the resource counts: the whole resource may be sent back with an extension
        // that it did not have before.
        same_uris(sent, stored.map(Value::values).unwrap_or_default())
            || same_uris(sent, &derived_schemas(object, schema))
    } else if spot.slot.name == "meta" {
        stored.is_some_and(|stored| covers(stored, sent))
            || leniency.allows(Tolerance::IgnoreMeta, spot)
    } else {
        stored == Some(sent)
    };
    match fits {
        true => Ok(()),
        false => Err(spot.mutability(None, "it cannot be changed; leave it out")),
    }
}

fn same_uris(sent: &Value, uris: &[Value]) -> bool {
    let has = |uris: &[Value], uri: &Value| {
        let Some(uri) = uri.as_str() else { return false };
        uris.iter().any(|u| u.as_str().is_some_and(|u| u.eq_ignore_ascii_case(uri)))
    };
    sent.values().iter().all(|uri| has(uris, uri)) && uris.iter().all(|uri| has(sent.values(), uri))
}

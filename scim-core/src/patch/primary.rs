//! At most one value of a multi-valued attribute is the primary one.

use super::locate::Spot;
use crate::error::Error;
use crate::resource::Value;
use crate::schema::{Attribute, AttributeType};

/// Whether the element says that it is the primary one.
pub(super) fn is_primary(element: &Value) -> bool {
    element.as_object().and_then(|e| e.get("primary")) == Some(&Value::Bool(true))
}

/// After `written` elements were made or set: when one of them is the new primary value, no other stays it
/// (RFC 7644 section 3.5.2).
///
/// # Errors
/// [`Error::InvalidValue`] when one operation makes two of them primary (AMBIGUITIES 24).
pub(super) fn settle(
    list: &mut [Value],
    written: &[usize],
    attribute: &Attribute,
    spot: Spot<'_>,
) -> Result<(), Error> {
    if !attribute.sub("primary").is_some_and(|p| p.kind == AttributeType::Boolean) {
        return Ok(());
    }
    let mut fresh = written.iter().copied().filter(|i| list.get(*i).is_some_and(is_primary));
    let Some(winner) = fresh.next() else { return Ok(()) };
    if fresh.next().is_some() {
        return Err(Error::value(spot, "only one value may have \"primary\": true"));
    }
    for (i, element) in list.iter_mut().enumerate() {
        if i != winner
            && is_primary(element)
            && let Some(object) = element.as_object_mut()
        {
            object.insert("primary", false);
        }
    }
    Ok(())
}

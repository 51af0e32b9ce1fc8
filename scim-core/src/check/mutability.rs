//! What a replacement may not take away or change (RFC 7644 section 3.5.1).

use super::at::At;
use super::canonical;
use crate::error::Error;
use crate::resource::{Object, Resource, Value};
use crate::schema::{Attribute, Mutability, ResourceSchema};

/// Carries over from what is stored: immutable attributes, and those that a client cannot read back. An immutable
/// attribute without a stored value may be given one.
pub(super) fn keep(
    object: &mut Object,
    stored: &Resource,
    schema: &ResourceSchema,
) -> Result<(), Error> {
    keep_all(object, stored.object(), &schema.base().attributes, &At::ROOT)?;
    for (extension, _) in schema.extensions() {
        let uri = extension.id.as_str();
        if let Some(old) = stored.extension(uri) {
            keep_inside(object, uri, old, &extension.attributes, &At::Uri(uri))?;
        }
    }
    Ok(())
}

/// As [`keep_all`], in the object that a member holds or comes to hold.
fn keep_inside(
    object: &mut Object,
    name: &str,
    old: &Object,
    attributes: &[Attribute],
    at: &At<'_>,
) -> Result<(), Error> {
    if !attributes.iter().any(is_protected) {
        return Ok(());
    }
    if let Some(Value::Object(inner)) = object.get_mut(name) {
        return keep_all(inner, old, attributes, at);
    }
    let mut inner = Object::new();
    keep_all(&mut inner, old, attributes, at)?;
    if !inner.is_empty() {
        object.insert(name, inner);
    }
    Ok(())
}

fn keep_all(
    object: &mut Object,
    stored: &Object,
    attributes: &[Attribute],
    at: &At<'_>,
) -> Result<(), Error> {
    for attribute in attributes.iter().filter(|a| is_protected(a)) {
        let name = attribute.name.as_str();
        let Some(old) = stored.get(name).filter(|v| !v.is_unassigned()) else { continue };
        let at = at.name(name);
        if attribute.mutability == Mutability::Immutable {
            if object.get(name).is_some_and(|new| !canonical::same(new, old, attribute)) {
                return Err(Error::mutability(at, "it is immutable and has a value already"));
            }
            object.insert(name, old.clone());
        } else if attribute.is_secret() {
            if !object.contains(name) {
                object.insert(name, old.clone());
            }
        } else if let Value::Object(old) = old {
            keep_inside(object, name, old, &attribute.sub_attributes, &at)?;
        }
    }
    Ok(())
}

/// Whether a replacement has to look at what is stored. The elements of a list are replaced as wholes, so that what
/// they hold is not compared (AMBIGUITIES 19).
fn is_protected(attribute: &Attribute) -> bool {
    match attribute.mutability {
        Mutability::ReadOnly => false,
        Mutability::Immutable => true,
        _ if attribute.is_secret() => true,
        _ => !attribute.multi_valued && attribute.sub_attributes.iter().any(is_protected),
    }
}

//! Finding the values of a path in a message.

use scim_core::{AttrPath, Object, Value};

use crate::target::fields::Path;

/// The object that holds the attribute: the message itself, or that of the extension.
fn home<'o>(object: &'o Object, path: &AttrPath) -> Option<&'o Object> {
    match crate::target::fields::extension(path) {
        Some(uri) => object.get(uri.as_str()).and_then(Value::as_object),
        None => Some(object),
    }
}

/// The values at a path, those of every element of a list.
pub(super) fn values<'o>(object: &'o Object, path: &Path) -> Vec<&'o Value> {
    let path = path.as_attr_path();
    // The URI of an extension reads as an attribute of a shorter URI.
    if let Some(whole) = object.get(&path.to_string()) {
        return whole.values().iter().filter(|value| !value.is_unassigned()).collect();
    }
    let found = home(object, path).and_then(|home| home.get(path.name().as_str()));
    let values = found.map(Value::values).unwrap_or_default().iter();
    match path.sub() {
        None => values.filter(|value| !value.is_unassigned()).collect(),
        Some(sub) => values
            .filter_map(|value| value.as_object().and_then(|element| element.get(sub.as_str())))
            .flat_map(Value::values)
            .filter(|value| !value.is_unassigned())
            .collect(),
    }
}

/// Takes the attribute out; whether it was there.
pub(super) fn remove(object: &mut Object, path: &Path) -> bool {
    let path = path.as_attr_path();
    if object.remove(&path.to_string()).is_some() {
        return true;
    }
    let home = match crate::target::fields::extension(path) {
        Some(uri) => object.get_mut(uri.as_str()).and_then(Value::as_object_mut),
        None => Some(object),
    };
    let Some(home) = home else { return false };
    let Some(sub) = path.sub() else { return home.remove(path.name().as_str()).is_some() };
    match home.get_mut(path.name().as_str()) {
        Some(Value::Object(element)) => element.remove(sub.as_str()).is_some(),
        Some(Value::Array(elements)) => {
            let mut removed = false;
            for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                removed |= element.remove(sub.as_str()).is_some();
            }
            removed
        }
        _ => false,
    }
}

//! `bulkId:` references: finding, replacing and withholding them, always on the parsed values (RFC 7644 section 3.7.2).
//!
//! A reference is a string that is `bulkId:` and a bulkId and nothing else, wherever it stands in the data: members,
//! manager, any attribute of any extension.

use std::collections::BTreeSet;

use smol_str::SmolStr;

use crate::name::urn;
use crate::resource::{Object, Value};

const PREFIX: &str = "bulkId:";

/// The bulkId that a text refers to.
pub(super) fn reference(text: &str) -> Option<&str> {
    text.strip_prefix(PREFIX).filter(|id| !id.is_empty())
}

/// All bulkIds that a path and values refer to, each once, in the order of their first mention.
pub fn references<'a>(
    path: Option<&SmolStr>,
    values: impl Iterator<Item = &'a Value>,
) -> Vec<SmolStr> {
    let mut found: Vec<SmolStr> = path.cloned().into_iter().collect();
    let mut seen: BTreeSet<SmolStr> = found.iter().cloned().collect();
    for value in values {
        visit(value, &mut |id| {
            if !seen.contains(id) {
                seen.insert(SmolStr::new(id));
                found.push(SmolStr::new(id));
            }
        });
    }
    found
}

fn visit(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => {
            if let Some(id) = reference(text) {
                found(id);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        Value::Object(object) => object.values().for_each(|value| visit(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Puts ids in the place of the references, as far as `id_of` knows them.
///
/// # Errors
/// The first bulkId that it does not know; the value is then changed in part and of no more use.
pub fn rewrite(value: &mut Value, id_of: &impl Fn(&str) -> Option<SmolStr>) -> Result<(), SmolStr> {
    match value {
        Value::String(text) => {
            if let Some(bulk_id) = reference(text) {
                match id_of(bulk_id) {
                    Some(id) => *text = id,
                    None => return Err(SmolStr::new(bulk_id)),
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| rewrite(item, id_of)),
        Value::Object(object) => object.iter_mut().try_for_each(|(_, value)| rewrite(value, id_of)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// A value that was taken out of the data of a POST, to be added once its references can be resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct Withheld {
    /// The attribute, with its extension's URI in front.
    path: String,
    value: Value,
}

/// Takes everything that refers to one of these bulkIds out of a resource: elements of lists, other attributes whole.
pub fn withhold(object: &mut Object, bulk_ids: &BTreeSet<SmolStr>) -> Vec<Withheld> {
    let mut withheld = Vec::new();
    object.retain(|name, value| match value {
        // A member whose name is a URI is an extension: its attributes are withheld one by one.
        Value::Object(extension) if name.contains(':') => {
            extension.retain(|attribute, value| {
                take(format!("{name}:{attribute}"), value, bulk_ids, &mut withheld)
            });
            !extension.is_empty()
        }
        value => take(name.to_owned(), value, bulk_ids, &mut withheld),
    });
    withheld
}

/// Moves what refers to one of the bulkIds to the list; answers whether something is left.
fn take(
    path: String,
    value: &mut Value,
    bulk_ids: &BTreeSet<SmolStr>,
    withheld: &mut Vec<Withheld>,
) -> bool {
    let refers = |value: &Value| {
        let mut found = false;
        visit(value, &mut |id| found |= bulk_ids.contains(id));
        found
    };
    match value {
        Value::Array(items) => {
            let taken: Vec<Value> = items.extract_if(.., |item| refers(item)).collect();
            if !taken.is_empty() {
                withheld.push(Withheld { path, value: Value::Array(taken) });
            }
            !items.is_empty()
        }
        value if refers(value) => {
            withheld.push(Withheld { path, value: std::mem::take(value) });
            false
        }
        _ => true,
    }
}

/// The PATCH that adds what was withheld.
pub fn link_patch(withheld: Vec<Withheld>) -> Object {
    let operations: Vec<Value> = withheld
        .into_iter()
        .map(|Withheld { path, value }| {
            let members =
                [("op", Value::from("add")), ("path", Value::from(path)), ("value", value)];
            Value::Object(members.into_iter().collect())
        })
        .collect();
    [("schemas", Value::from([urn::PATCH_OP])), ("Operations", Value::Array(operations))]
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(text: &str) -> Object {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_whole_strings_refer() {
        let value: Value = serde_json::from_str(
            r#"{"a":"bulkId:x","b":["bulkId:y",{"c":"bulkId:x"}],"d":"see bulkId:z","e":"bulkId:","f":"BULKID:q"}"#,
        )
        .unwrap();
        let path = SmolStr::new("p");
        assert_eq!(references(Some(&path), std::iter::once(&value)), ["p", "x", "y"]);
    }

    #[test]
    fn withheld_values_leave_the_rest_in_place() {
        let mut group = object(
            r#"{"displayName":"A","members":[{"value":"7"},{"value":"bulkId:b"},{"value":"bulkId:c"}],
                "owner":{"value":"bulkId:b"},
                "urn:x:Y":{"manager":{"value":"bulkId:b"}},"urn:x:Z":{"n":1}}"#,
        );
        let withheld = withhold(&mut group, &[SmolStr::new("b")].into());
        assert_eq!(
            group,
            object(
                r#"{"displayName":"A","members":[{"value":"7"},{"value":"bulkId:c"}],"urn:x:Z":{"n":1}}"#
            )
        );
        assert_eq!(
            link_patch(withheld),
            object(
                r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[
                {"op":"add","path":"members","value":[{"value":"bulkId:b"}]},
                {"op":"add","path":"owner","value":{"value":"bulkId:b"}},
                {"op":"add","path":"urn:x:Y:manager","value":{"value":"bulkId:b"}}]}"#
            )
        );
    }

    #[test]
    fn rewriting_names_what_is_missing() {
        let ids = |bulk_id: &str| (bulk_id == "x").then(|| SmolStr::new("42"));
        let mut value: Value = serde_json::from_str(r#"[{"value":"bulkId:x"},"plain"]"#).unwrap();
        rewrite(&mut value, &ids).unwrap();
        assert_eq!(value.to_string(), r#"[{"value":"42"},"plain"]"#);
        let mut missing = Value::from(["bulkId:y"]);
        assert_eq!(rewrite(&mut missing, &ids), Err(SmolStr::new("y")));
    }
}

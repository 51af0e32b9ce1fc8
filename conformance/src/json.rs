//! Reading JSON the way SCIM names things: without regard to letter case, along paths.

use serde_json::Value;

/// The member of an object, whatever the case of its name.
pub(crate) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v))
}

/// The value at a path: `name.familyName`, `urn:…:User:manager.value`, `emails.0.value`; `None` for null too, because
/// null is no value (RFC 7643 section 2.5).
pub(crate) fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    if let Some(found) = member(value, path) {
        return (!found.is_null()).then_some(found);
    }
    match value {
        Value::Object(members) => members.iter().find_map(|(key, inner)| {
            let rest = strip_ignoring_case(path, key)?;
            at(inner, rest.strip_prefix(['.', ':'])?)
        }),
        Value::Array(items) => {
            let (index, rest) = path.split_once('.').unwrap_or((path, ""));
            let item = items.get(index.parse::<usize>().ok()?)?;
            if rest.is_empty() { Some(item) } else { at(item, rest) }
        }
        _ => None,
    }
}

/// What follows a prefix, whatever its case.
pub(crate) fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

/// The values of an attribute: all of an array, a single one as it is, none where it is missing.
pub(crate) fn values(value: Option<&Value>) -> &[Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(one) => std::slice::from_ref(one),
    }
}

/// The resources of a list answer; a bare array counts as one (AMBIGUITIES 86).
pub(crate) fn resources(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        _ => member(value, "Resources").and_then(Value::as_array).map_or(&[], Vec::as_slice),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_they_name() {
        const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let body = json!({
            "UserName": "ada", "name": {"familyName": "King"}, "title": null,
            "emails": [{"value": "a@x"}, {"value": "b@x"}],
            ENTERPRISE: {"manager": {"value": "7"}},
        });
        let text = |path: &str| at(&body, path).and_then(Value::as_str);
        assert_eq!(text("username"), Some("ada"));
        assert_eq!(text("name.FAMILYNAME"), Some("King"));
        assert_eq!(text("emails.1.value"), Some("b@x"));
        assert_eq!(text(&format!("{ENTERPRISE}:manager.value")), Some("7"));
        assert_eq!(text(&format!("{ENTERPRISE}.manager.value")), Some("7"));
        for missing in ["title", "name.givenName", "emails.2.value", "x", "userNames", "name."] {
            assert_eq!(at(&body, missing), None, "{missing}");
        }
    }
}

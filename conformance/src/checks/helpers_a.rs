//! What the checks of discovery and of single resources share.

use serde_json::{Map, Value, json};
use url::Url;

use crate::check::{Failure, Stop, Verdict};
use crate::context::{Answer, Cx, Fixture};
use crate::json::{at, member, values};
use crate::served::ServedAttribute;

/// One attribute definition of a served schema, as it came.
pub(crate) struct Attribute<'a> {
    /// The URI of its schema.
    pub(crate) schema: &'a str,
    /// Schema, attribute and sub-attribute: `urn:…:User:name.familyName`.
    pub(crate) path: String,
    /// The definition.
    pub(crate) definition: &'a Value,
    /// 0 for an attribute of the schema, 1 for its sub-attributes, and so on.
    pub(crate) depth: usize,
}

/// The string member of an object.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    member(value, name)?.as_str()
}

/// The items of a member that is an array; none where it is missing.
pub(crate) fn list_of<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    values(member(value, name))
}

/// Every definition of a schema, sub-attributes included.
pub(crate) fn attributes_of(schema: &Value) -> Vec<Attribute<'_>> {
    fn walk<'a>(
        schema: &'a str,
        path: &str,
        definitions: &'a [Value],
        depth: usize,
        found: &mut Vec<Attribute<'a>>,
    ) {
        for definition in definitions {
            let name = text(definition, "name").unwrap_or_default();
            let path = format!("{path}{}{name}", if depth == 0 { ':' } else { '.' });
            walk(schema, &path, list_of(definition, "subAttributes"), depth + 1, found);
            found.push(Attribute { schema, path, definition, depth });
        }
    }
    let mut found = Vec::new();
    let id = text(schema, "id").unwrap_or_default();
    walk(id, id, list_of(schema, "attributes"), 0, &mut found);
    found
}

/// The Schema resources of the target, as they came.
pub(crate) async fn schemas(cx: &Cx) -> Result<Vec<Value>, Stop> {
    Ok(cx.read("/Schemas").await?.resources().to_vec())
}

/// The ResourceType resources of the target, as they came.
pub(crate) async fn resource_types(cx: &Cx) -> Result<Vec<Value>, Stop> {
    Ok(cx.read("/ResourceTypes").await?.resources().to_vec())
}

/// Passes when nothing was found wrong; otherwise fails with the list.
pub(crate) fn none(found: &[String], rule: &str) -> Verdict {
    if found.is_empty() {
        return Ok(());
    }
    Err(Stop::Failed(Failure {
        expected: Some("no exception".to_owned()),
        got: Some(found.join("; ")),
        ..Failure::new(rule)
    }))
}

/// Whether a schema URI stands in `schemas`, whatever its case.
pub(crate) fn has_schema(body: &Value, uri: &str) -> bool {
    list_of(body, "schemas")
        .iter()
        .any(|one| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(uri)))
}

/// Whether an answer says no: a client error, or 501 for what is not supported.
pub(crate) fn is_refusal(answer: &Answer) -> bool {
    matches!(answer.status(), 400..=499 | 501)
}

/// A refusal, with any of these statuses; where the answer names a cause in `scimType`, it is one of these. The keyword
/// itself is optional (RFC 7644 section 3.12).
pub(crate) fn refused(cx: &Cx, answer: &Answer, statuses: &[u16], causes: &[&str]) -> Verdict {
    cx.expect_scim_error(answer, statuses, None)?;
    match answer.scim_type() {
        Some(cause) if !causes.contains(&cause) => cx
            .expect_on(answer, cause)
            .to_be_one_of(causes, "the error names its cause by the keyword that fits"),
        _ => Ok(()),
    }
}

/// The bodies of an object without the members that the server alone decides about, for comparing resources.
pub(crate) fn without(value: &Value, names: &[&str]) -> Value {
    let Value::Object(members) = value else { return value.clone() };
    let kept: Map<String, Value> = members
        .iter()
        .filter(|(name, _)| !names.iter().any(|one| one.eq_ignore_ascii_case(name)))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Value::Object(kept)
}

/// A resource for comparing two representations: without `meta`, and with arrays in one order, because theirs means
/// nothing (RFC 7643 section 2.4).
pub(crate) fn comparable(resource: &Value) -> Value {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(sorted).collect();
                items.sort_by_key(Value::to_string);
                Value::Array(items)
            }
            Value::Object(members) => {
                Value::Object(members.iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
            }
            other => other.clone(),
        }
    }
    sorted(&without(resource, &["meta"]))
}

/// Every string in a value, at any depth.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// A writable single-valued attribute of users of this data type that every read shows, as a path; top-level ones of
/// the base schema first, then those of extensions.
pub(crate) fn user_attribute(
    cx: &Cx,
    fits: impl Fn(&ServedAttribute) -> bool,
) -> Option<(String, ServedAttribute)> {
    let served = cx.served();
    let kind = served.type_of("User")?;
    let uris = std::iter::once(&kind.schema).chain(kind.extensions.iter().map(|(uri, _)| uri));
    for uri in uris {
        let Some(schema) = served.schema(uri) else { continue };
        let found = schema.attributes.iter().find(|a| {
            let common = ["id", "externalid", "meta", "schemas", "username", "password"]
                .contains(&a.name.to_ascii_lowercase().as_str());
            !common && !a.multi_valued && fits(a)
        });
        if let Some(found) = found {
            let path = if *uri == kind.schema {
                found.name.clone()
            } else {
                format!("{uri}:{}", found.name)
            };
            return Some((path, found.clone()));
        }
    }
    None
}

/// Whether two URLs name the same resource: equal, or equal once resolved against the base.
pub(crate) fn same_url(cx: &Cx, one: &str, other: &str) -> bool {
    resolve(cx, one) == resolve(cx, other)
}

/// A location as an absolute URL. A relative one is resolved against the base URL, everything before the endpoint
/// (RFC 7643 section 2.3.7); with a slash in front that is either the path of the whole URL or that below the base.
pub(crate) fn resolve(cx: &Cx, location: &str) -> String {
    resolve_at(&cx.base(), location)
}

fn resolve_at(base: &str, location: &str) -> String {
    let Ok(base) = Url::parse(&format!("{}/", base.trim_end_matches('/'))) else {
        return location.to_owned();
    };
    let below = location.starts_with('/') && !location.starts_with(base.path());
    let location = if below { location.trim_start_matches('/') } else { location };
    base.join(location).map_or_else(|_| location.to_owned(), String::from)
}

/// The string at a path of a resource that came as JSON.
pub(crate) fn text_at<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    at(value, path)?.as_str()
}

/// A free-text attribute of users that the target announces as plain: writable, returned, neither unique nor limited to
/// a vocabulary.
///
/// # Errors
/// [`Stop::Skipped`] when there is none.
pub(crate) fn plain_attribute(cx: &Cx) -> Result<&'static str, Stop> {
    const CANDIDATES: &[&str] =
        &["nickName", "displayName", "title", "name.familyName", "name.givenName"];
    let kind = cx.served().type_of("User");
    let plain = |path: &&&str| {
        kind.and_then(|kind| cx.served().attribute(kind, path)).is_some_and(|a| {
            a.kind.eq_ignore_ascii_case("string")
                && !a.multi_valued
                && a.mutability.eq_ignore_ascii_case("readWrite")
                && a.returned.eq_ignore_ascii_case("default")
                && a.uniqueness.eq_ignore_ascii_case("none")
                && a.canonical_values.is_empty()
        })
    };
    CANDIDATES.iter().find(plain).copied().ok_or_else(|| {
        Stop::Skipped(format!("users have none of {} as plain text", CANDIDATES.join(", ")))
    })
}

/// A user with as much as the target announces of what any directory has.
pub(crate) fn rich(cx: &Cx) -> Fixture<'_> {
    let mail = cx.unique_mail("work");
    cx.user()
        .with_if_announced("name", json!({"familyName": "Lovelace", "givenName": "Ada"}))
        .with_if_announced("displayName", cx.unique("display"))
        .with_if_announced("nickName", "Countess")
        .with_if_announced("title", "Analyst")
        .with_if_announced("active", true)
        .with_if_announced(
            "emails",
            json!([
                {"value": mail, "type": "work", "primary": true},
                {"value": cx.unique_mail("home"), "type": "home"},
            ]),
        )
}

/// The path of a resource whose creation was answered so.
///
/// # Errors
/// [`Stop::Broken`] when the answer does not say where it is.
pub(crate) fn made_path(cx: &Cx, answer: &Answer) -> Result<String, Stop> {
    match (answer.id(), answer.header("location")) {
        (Some(id), _) => Ok(format!("{}/{id}", cx.served().users())),
        (None, Some(location)) => Ok(resolve(cx, location)),
        (None, None) => Err(Stop::Broken("the 201 has neither an id nor a Location".to_owned())),
    }
}

/// The text with the case of each ASCII letter changed.
pub(crate) fn swapped_case(text: &str) -> String {
    let swap = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(swap).collect()
}

/// The value as JSON text with the members of every object in reverse order, the first ones last.
pub(crate) fn reversed(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        Value::Object(members) => {
            let members = members.iter().rev();
            let members: Vec<String> = members
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), reversed(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
        other => other.to_string(),
    }
}

/// Text as it is compared where letter case does not count.
pub(crate) fn folded(text: Option<&str>) -> Option<String> {
    text.map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reversing_moves_members_and_loses_nothing() {
        let value = json!({"a": 1, "b": [{"x": "1", "y": "2"}], "c\"d": null});
        let text = reversed(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_ne!(text, value.to_string());
        assert!(text.find("\"y\"").unwrap() < text.find("\"x\"").unwrap(), "{text}");
    }

    #[test]
    fn resources_are_compared_without_meta_and_without_order() {
        let one = json!({"id": "1", "meta": {"version": "a"}, "emails": [{"value": "a"}, {"value": "b"}]});
        let other = json!({"emails": [{"value": "b"}, {"value": "a"}], "Meta": 1, "id": "1"});
        assert_eq!(comparable(&one), comparable(&other));
        let fewer = json!({"id": "1", "emails": [{"value": "a"}]});
        assert_ne!(comparable(&one), comparable(&fewer));
    }

    #[test]
    fn definitions_are_walked_with_their_paths() {
        let schema = json!({"id": "urn:x", "attributes": [
            {"name": "a", "subAttributes": [{"name": "b"}]},
            {"name": "c"},
        ]});
        let mut found: Vec<(String, usize)> =
            attributes_of(&schema).into_iter().map(|a| (a.path, a.depth)).collect();
        found.sort();
        let expected = [("urn:x:a", 0), ("urn:x:a.b", 1), ("urn:x:c", 0)];
        assert_eq!(found, expected.map(|(path, depth)| (path.to_owned(), depth)));
    }

    #[test]
    fn locations_are_resolved_against_the_base() {
        let wanted = "https://host/scim/v2/Users/1";
        for location in [wanted, "/scim/v2/Users/1", "/Users/1", "Users/1"] {
            assert_eq!(resolve_at("https://host/scim/v2", location), wanted, "{location}");
            assert_eq!(resolve_at("https://host/scim/v2/", location), wanted, "{location}");
        }
        assert_eq!(resolve_at("https://host", "/Users/1"), "https://host/Users/1");
        assert_eq!(
            resolve_at("https://host/scim", "https://other/Users/1"),
            "https://other/Users/1"
        );
    }

    #[test]
    fn case_is_swapped_for_letters_only() {
        assert_eq!(swapped_case("aB-1é"), "Ab-1é");
    }
}

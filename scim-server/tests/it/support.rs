//! What the data-driven tests share: fixtures, placeholders, and resources without what the server adds.

use std::collections::BTreeMap;

use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(crate) const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
pub(crate) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";
pub(crate) const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
pub(crate) const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

/// The base URL of the servers in memory.
pub(crate) const BASE: &str = "https://scim.test/scim/v2";

/// Both profiles, by the names that the fixtures use.
pub(crate) fn profiles() -> [(&'static str, Profile); 2] {
    [("strict", Profile::strict()), ("default", Profile::default())]
}

/// The path of a fixture.
pub(crate) fn fixture_path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The text of a fixture.
pub(crate) fn fixture_text(name: &str) -> String {
    let path = fixture_path(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A fixture that is JSON.
pub(crate) fn fixture(name: &str) -> Value {
    serde_json::from_str(&fixture_text(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of a table with a header line, as maps by column.
pub(crate) fn table(name: &str) -> Vec<BTreeMap<String, String>> {
    let text = fixture_text(name);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &str| {
        let cells = line.split('\t').map(str::to_owned);
        header.iter().map(|name| (*name).to_owned()).zip(cells).collect()
    };
    lines.filter(|line| !line.is_empty()).map(row).collect()
}

/// What placeholders stand for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vars(BTreeMap<String, String>);

impl Vars {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("nothing stands for {name}"))
    }

    /// Replaces `{{name}}`; what is not known stays and fails the test where it must not.
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.0 {
            text = text.replace(&format!("{{{{{name}}}}}"), value);
        }
        assert!(!text.contains("{{"), "a placeholder is left in {text}");
        text
    }

    pub(crate) fn fill_json(&self, json: &Value) -> Value {
        serde_json::from_str(&self.fill(&json.to_string())).unwrap()
    }
}

/// A PATCH message.
pub(crate) fn patch_op(operations: &Value) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// Creates a resource that the test takes for granted.
pub(crate) async fn made(server: &TestServer, path: &str, body: &Value) -> Value {
    let answer = server.post(path, body).await;
    assert_eq!(answer.status, 201, "{body}: {}", answer.text);
    answer.body
}

/// Creates a user with this name and hands back its id.
pub(crate) async fn user(server: &TestServer, name: &str) -> String {
    let body = json!({ "schemas": [USER], "userName": name, "displayName": name });
    made(server, "/Users", &body).await["id"].as_str().unwrap().to_owned()
}

/// Creates a group with these members and hands back its id.
pub(crate) async fn group(server: &TestServer, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    let body = json!({ "schemas": [GROUP], "displayName": name, "members": members });
    made(server, "/Groups", &body).await["id"].as_str().unwrap().to_owned()
}

/// The ids of a group's members, sorted.
pub(crate) fn member_ids(group: &Value) -> Vec<&str> {
    let members = group["members"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut ids: Vec<&str> = members.iter().map(|m| m["value"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// The ids of a list response, in its order.
pub(crate) fn listed_ids(list: &Value) -> Vec<&str> {
    assert_eq!(list["schemas"], json!([LIST]), "{list}");
    list["Resources"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect()
}

/// A header of an answer.
pub(crate) fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().unwrap())
}

/// Checks that an answer is a SCIM error of this status, with one of these `scimType`s (none: without one).
#[track_caller]
pub(crate) fn assert_error(answer: &Answer, status: u16, scim_types: &[&str], at: &str) {
    assert_eq!(answer.status, status, "{at}: {}", answer.text);
    assert_eq!(answer.body["schemas"], json!([ERROR]), "{at}");
    assert_eq!(answer.body["status"], json!(status.to_string()), "{at}: the status is a string");
    assert!(answer.body["detail"].as_str().is_some_and(|d| !d.is_empty()), "{at}");
    assert_eq!(header(answer, "content-type"), Some("application/scim+json"), "{at}");
    match answer.scim_type() {
        Some(found) => {
            assert!(
                scim_types.contains(&found),
                "{at}: {found}, not {scim_types:?}: {}",
                answer.text
            );
        }
        None => assert!(scim_types.is_empty(), "{at}: no scimType in {}", answer.text),
    }
}

/// A resource without what the server adds: `id`, `meta`, `schemas`, `groups`, what it fills in for members, false
/// `primary` flags and a defaulted `active`; lists in one order.
pub(crate) fn comparable(resource: &Value) -> Value {
    fn normal(json: &Value) -> Value {
        match json {
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(normal).collect();
                items.sort_by_key(ToString::to_string);
                Value::Array(items)
            }
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .filter(|(name, value)| *name != "primary" || **value != json!(false))
                    .filter(|(_, value)| !unassigned(value))
                    .map(|(name, value)| (name.clone(), normal(value)))
                    .collect(),
            ),
            other => other.clone(),
        }
    }
    let mut json = resource.clone();
    let object = json.as_object_mut().unwrap();
    for name in ["id", "meta", "schemas", "groups"] {
        object.remove(name);
    }
    if object.get("active") == Some(&json!(true)) {
        object.remove("active");
    }
    for member in object.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten() {
        let value = member["value"].clone();
        *member = json!({ "value": value });
    }
    normal(&json)
}

fn unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(unassigned),
        _ => false,
    }
}

//! What resources look like in answers.

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{each_text, uuid_like};
use crate::proxy::{Asked, Mutant, asked, told};

/// A later time at each call.
fn made_up_time() -> String {
    let since = chrono::Duration::milliseconds(crate::ticks());
    chrono::DateTime::UNIX_EPOCH.checked_add_signed(since).unwrap_or_default().to_rfc3339()
}

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let each = |id: &str, change: fn(&mut Value)| {
        told(format!("resources.{id}"), move |asked, told| {
            if !told.is_error()
                && (asked.below("/Users") || asked.below("/Groups") || asked.is_search())
            {
                told.each(change);
            }
        })
    };
    let on = |id: &str, method: Method, change: fn(&Asked, &mut Value)| {
        told(format!("resources.{id}"), move |asked, told| {
            if !told.is_error()
                && asked.method == method
                && (asked.below("/Users") || asked.below("/Groups"))
            {
                let asked = asked.clone();
                told.each(|one| change(&asked, one));
            }
        })
    };
    fn remove(v: &mut Value, name: &str) {
        if let Some(members) = v.as_object_mut() {
            members.remove(name);
        }
    }
    fn remove_meta(v: &mut Value, name: &str) {
        if let Some(members) = v.get_mut("meta").and_then(Value::as_object_mut) {
            members.remove(name);
        }
    }
    vec![
        each("without-id", |v| remove(v, "id")),
        each("without-schemas", |v| remove(v, "schemas")),
        each("without-meta", |v| remove(v, "meta")),
        each("without-resource-type", |v| remove_meta(v, "resourceType")),
        each("without-created", |v| remove_meta(v, "created")),
        each("without-last-modified", |v| remove_meta(v, "lastModified")),
        each("without-location", |v| remove_meta(v, "location")),
        each("wrong-resource-type", |v| {
            if v.get("meta").is_some() {
                v["meta"]["resourceType"] = json!("Person");
            }
        }),
        each("epoch-seconds", |v| {
            if v.get("meta").is_some() {
                v["meta"]["created"] = json!(1_700_000_000);
                v["meta"]["lastModified"] = json!(1_700_000_000);
            }
        }),
        each("date-only", |v| {
            if v.get("meta").is_some() {
                v["meta"]["created"] = json!("2026-01-01");
                v["meta"]["lastModified"] = json!("2026-01-01");
            }
        }),
        each("created-moves", |v| {
            if v.get("meta").is_some() {
                v["meta"]["created"] = json!(made_up_time());
            }
        }),
        each("modified-is-created", |v| {
            if v.get("meta").is_some() {
                v["meta"]["lastModified"] = v["meta"]["created"].clone();
            }
        }),
        each("modified-is-now", |v| {
            if v.get("meta").is_some() {
                v["meta"]["lastModified"] = json!(made_up_time());
            }
        }),
        each("location-elsewhere", |v| {
            if v.get("meta").is_some() {
                v["meta"]["location"] = json!("https://elsewhere.example/scim/v2/Users/1");
            }
        }),
        each("location-of-the-list", |v| {
            if v.get("meta").is_some() {
                v["meta"]["location"] = json!("/scim/v2/Users");
            }
        }),
        each("schemas-twice", |v| {
            if let Some(list) = v.get_mut("schemas").and_then(Value::as_array_mut) {
                let first = list.first().cloned();
                list.extend(first);
            }
        }),
        each("schemas-extra", |v| {
            if let Some(list) = v.get_mut("schemas").and_then(Value::as_array_mut) {
                list.push(json!("urn:example:undeclared"));
            }
        }),
        each("schemas-wrong", |v| {
            if v.get("schemas").is_some() {
                v["schemas"] = json!(["urn:example:user"]);
            }
        }),
        each("schemas-base-only", |v| {
            if let Some(list) = v.get_mut("schemas").and_then(Value::as_array_mut) {
                list.truncate(1);
            }
        }),
        each("id-from-name", |v| {
            if let Some(name) = v["userName"].as_str().map(str::to_owned) {
                v["id"] = json!(name);
            }
        }),
        each("id-changes", |v| {
            if v.get("id").is_some() {
                v["id"] = json!(uuid_like());
            }
        }),
        each("id-upper-case", |v| {
            if let Some(id) = v["id"].as_str().map(str::to_uppercase) {
                v["id"] = json!(id);
            }
        }),
        each("password-shown", |v| {
            if v.get("userName").is_some() {
                v["password"] = json!("t1meMa$heen");
            }
        }),
        each("nulls", |v| {
            if v.get("userName").is_some() && v.get("nickName").is_none() {
                v["nickName"] = Value::Null;
                v["title"] = v.get("title").cloned().unwrap_or_default();
            }
        }),
        each("external-id-invented", |v| {
            if v.get("externalId").is_none() && v.get("userName").is_some() {
                v["externalId"] = v["id"].clone();
            }
        }),
        each("external-id-lower-case", |v| {
            if let Some(id) = v["externalId"].as_str().map(str::to_lowercase) {
                v["externalId"] = json!(id);
            }
        }),
        each("active-text", |v| {
            if let Some(active) = v["active"].as_bool() {
                v["active"] = json!(active.to_string());
            }
        }),
        each("flat-names", |v| {
            if let Some(family) = v["name"]["familyName"].as_str().map(str::to_owned) {
                remove(v, "name");
                v["name.familyName"] = json!(family);
            }
        }),
        each("extension-at-the-top", |v| {
            let uri = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
            if let Some(inner) = v.get(uri).cloned() {
                remove(v, uri);
                if let (Some(members), Some(inner)) = (v.as_object_mut(), inner.as_object()) {
                    members.extend(inner.clone());
                }
            }
        }),
        each("without-groups", |v| remove(v, "groups")),
        each("groups-by-name", |v| {
            if let Some(list) = v.get_mut("groups").and_then(Value::as_array_mut) {
                for one in list {
                    one["value"] = one["display"].clone();
                }
            }
        }),
        each("groups-type", |v| {
            if let Some(list) = v.get_mut("groups").and_then(Value::as_array_mut) {
                for one in list {
                    one["type"] = json!("nested");
                }
            }
        }),
        each("references-elsewhere", |v| {
            each_object(v, &mut |m| {
                if m.contains_key("$ref") {
                    m.insert("$ref".to_owned(), json!("https://elsewhere.example/Users/1"));
                }
            })
        }),
        each("references-broken", |v| {
            each_object(v, &mut |m| {
                if m.contains_key("$ref") {
                    m.insert("$ref".to_owned(), json!("/Users/nobody"));
                }
            })
        }),
        each("members-by-name", |v| {
            if let Some(list) = v.get_mut("members").and_then(Value::as_array_mut) {
                for one in list {
                    one["value"] = json!(format!("name-of-{}", one["value"]));
                }
            }
        }),
        each("members-hidden", |v| remove(v, "members")),
        each("members-twice", |v| {
            if let Some(list) = v.get_mut("members").and_then(Value::as_array_mut) {
                let copy = list.clone();
                list.extend(copy);
            }
        }),
        each("two-primaries", |v| {
            if let Some(list) = v.get_mut("emails").and_then(Value::as_array_mut) {
                for one in list {
                    one["primary"] = json!(true);
                }
            }
        }),
        each("emails-without-type", |v| {
            if let Some(list) = v.get_mut("emails").and_then(Value::as_array_mut) {
                for one in list {
                    remove(one, "type");
                }
            }
        }),
        each("emails-texts", |v| {
            if let Some(list) = v.get_mut("emails").and_then(Value::as_array_mut) {
                for one in list {
                    *one = one["value"].clone();
                }
            }
        }),
        each("emails-first-only", |v| {
            if let Some(list) = v.get_mut("emails").and_then(Value::as_array_mut) {
                list.truncate(1);
            }
        }),
        each("manager-display-kept", |v| {
            if let Some(manager) = v
                .get_mut("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")
                .and_then(|e| e.get_mut("manager"))
            {
                manager["displayName"] = json!("scim-conformance made-up name");
            }
        }),
        each("manager-without-ref", |v| {
            if let Some(manager) = v
                .get_mut("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")
                .and_then(|e| e.get_mut("manager"))
                .and_then(Value::as_object_mut)
            {
                manager.remove("$ref");
            }
        }),
        each("ascii-only", |v| {
            each_text(v, &|t| t.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect())
        }),
        each("trimmed", |v| each_text(v, &|t| t.trim().to_owned())),
        each("lower-case", |v| each_text(v, &str::to_lowercase)),
        each("html-escaped", |v| {
            each_text(v, &|t| t.replace('"', "&quot;").replace('\'', "&#39;"))
        }),
        on("create-echo", Method::POST, |asked, v| {
            if !asked.is_search() {
                let id = v["id"].clone();
                *v = asked.json();
                v["id"] = id;
            }
        }),
        on("create-empty", Method::POST, |asked, v| {
            if !asked.is_search() {
                *v = json!({});
            }
        }),
        on("put-echo", Method::PUT, |asked, v| {
            *v = asked.json();
        }),
        on("password-echo", Method::POST, |asked, v| {
            if let Some(password) = asked.json().get("password") {
                v["password"] = password.clone();
            }
        }),
        on("password-echo-put", Method::PUT, |asked, v| {
            if let Some(password) = asked.json().get("password") {
                v["password"] = password.clone();
            }
        }),
        on("password-echo-patch", Method::PATCH, |_, v| v["password"] = json!("t1meMa$heen")),
        on("password-asked-for", Method::GET, |asked, v| {
            if asked.parameter("attributes").is_some_and(|a| a.contains("password")) {
                v["password"] = json!("secret");
            }
        }),
        on("password-in-lists", Method::GET, |asked, v| {
            if !asked.names_one() {
                v["password"] = json!("secret");
            }
        }),
        on("password-in-reads", Method::GET, |asked, v| {
            if asked.names_one() {
                v["password"] = json!("secret");
            }
        }),
        told("read.empty", |asked, told| {
            if asked.method == Method::GET && asked.names_one() && told.status == StatusCode::OK {
                told.body = "{}".into();
            }
        }),
        told("read.wrapped", |asked, told| {
            if asked.method == Method::GET && asked.names_one() && told.status == StatusCode::OK {
                told.edit(|v| *v = json!({"user": v.clone()}));
            }
        }),
        told("read.content-location", |_, told| {
            drop(
                told.headers.insert(
                    "content-location",
                    HeaderValue::from_static("https://elsewhere.example/"),
                ),
            )
        }),
        asked("read.any-id", |asked| {
            if asked.names_one() && asked.method == Method::GET {
                let lower = asked
                    .url
                    .path()
                    .to_lowercase()
                    .replace("/users/", "/Users/")
                    .replace("/groups/", "/Groups/");
                asked.url.set_path(&lower);
            }
        }),
        asked("read.encoded-not-decoded", |asked| {
            if asked.url.path().contains('%') {
                let doubled = asked.url.path().replace('%', "%25");
                asked.url.set_path(&doubled);
            }
        }),
        asked("read.any-version", |asked| {
            let path = asked.url.path().to_owned();
            if let Some((_, rest)) = path.split_once("/v").filter(|_| !path.contains("/v2")) {
                let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                asked.url.set_path(&format!("/scim/v2{rest}"));
            }
        }),
    ]
}

/// Keeps attribute values out of the way: runs over every object below a value.
fn each_object(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(members) => {
            change(members);
            members.values_mut().for_each(|inner| each_object(inner, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| each_object(inner, change)),
        _ => {}
    }
}

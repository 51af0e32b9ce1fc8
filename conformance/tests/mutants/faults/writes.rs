//! What a write does.

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::uuid_like;
use crate::proxy::{Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let drops = |id: &str, name: &'static str| {
        asked(format!("writes.drops-{id}"), move |asked| {
            if matches!(asked.method, Method::POST | Method::PUT) && asked.path() != "/Bulk" {
                asked.edit(|v| drop(v.as_object_mut().map(|m| m.remove(name))));
            }
        })
    };
    vec![
        instead("writes.put-not-done", |server, asked| async move {
            if asked.method != Method::PUT {
                return server.ask(&asked).await;
            }
            let mut read = asked.clone();
            read.method = Method::GET;
            read.body = bytes::Bytes::new();
            let mut told = server.ask(&read).await?;
            if !told.is_error() {
                let sent = asked.json();
                told.edit(|v| {
                    if let (Some(v), Some(sent)) = (v.as_object_mut(), sent.as_object()) {
                        v.extend(sent.clone());
                    }
                });
            }
            Ok(told)
        }),
        instead("writes.patch-not-done", |server, asked| async move {
            if asked.method == Method::PATCH {
                Ok(Told::empty(204))
            } else {
                server.ask(&asked).await
            }
        }),
        instead("writes.delete-not-done", |server, asked| async move {
            if asked.method == Method::DELETE {
                Ok(Told::empty(204))
            } else {
                server.ask(&asked).await
            }
        }),
        instead("writes.put-creates", |server, asked| async move {
            let told = server.ask(&asked).await?;
            if asked.method == Method::PUT && told.status == StatusCode::NOT_FOUND {
                return Ok(Told::of(201, &asked.json()));
            }
            Ok(told)
        }),
        told("writes.create-200", |asked, told| {
            if asked.method == Method::POST && told.status == StatusCode::CREATED {
                told.status = StatusCode::OK;
            }
        }),
        told("writes.delete-200", |asked, told| {
            if asked.method == Method::DELETE && told.status == StatusCode::NO_CONTENT {
                *told = Told::of(200, &json!({"deleted": true}));
            }
        }),
        told("writes.delete-with-body", |asked, told| {
            if asked.method == Method::DELETE && told.status == StatusCode::NO_CONTENT {
                told.body = "{}".into();
            }
        }),
        told("writes.no-location", |_, told| drop(told.headers.remove("location"))),
        told("writes.wrong-location", |asked, told| {
            if asked.method == Method::POST && told.headers.contains_key("location") {
                told.headers.insert(
                    "location",
                    HeaderValue::from_static("https://elsewhere.example/Users/7"),
                );
            }
        }),
        told("writes.patch-answers-request", |asked, told| {
            if asked.method == Method::PATCH && told.status == StatusCode::OK {
                *told = Told::of(200, &asked.json());
            }
        }),
        told("writes.patch-204-always", |asked, told| {
            if asked.method == Method::PATCH && told.status == StatusCode::OK {
                *told = Told::empty(204);
            }
        }),
        told("writes.patch-204-with-body", |asked, told| {
            if asked.method == Method::PATCH && told.status == StatusCode::OK {
                told.status = StatusCode::NO_CONTENT;
            }
        }),
        told("writes.put-204", |asked, told| {
            if asked.method == Method::PUT && told.status == StatusCode::OK {
                *told = Told::empty(204);
            }
        }),
        asked("writes.put-merges", |asked| {
            if asked.method == Method::PUT {
                let mut members = asked.json();
                if let Some(members) = members.as_object_mut() {
                    members.remove("members");
                }
                let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "value": members}]});
                asked.method = Method::PATCH;
                asked.set_json(&body);
            }
        }),
        asked("writes.post-on-resource", |asked| {
            if asked.method == Method::POST && asked.names_one() {
                asked.method = Method::PUT;
            }
        }),
        instead("writes.lost-updates", |server, asked| async move {
            if asked.method != Method::PATCH || !asked.names_one() {
                return server.ask(&asked).await;
            }
            // Reads, lets the others read too, applies the change to a scratch copy, and writes the whole of it.
            let mut read = asked.clone();
            read.method = Method::GET;
            read.url.set_query(None);
            read.body = bytes::Bytes::new();
            let before = server.ask(&read).await?;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let told = server.ask(&asked).await?;
            if told.is_error() || before.is_error() {
                return Ok(told);
            }
            let after = server.ask(&read).await?;
            let mut put = asked.clone();
            put.method = Method::PUT;
            let (old, new) = (before.json(), after.json());
            let change = asked.json();
            let mut body = old.clone();
            for operation in change["Operations"].as_array().into_iter().flatten() {
                let name = operation["path"]
                    .as_str()
                    .unwrap_or_default()
                    .split(['[', '.'])
                    .next()
                    .unwrap_or_default();
                if name == "members" {
                    let mut members = old["members"].as_array().cloned().unwrap_or_default();
                    members.extend(operation["value"].as_array().cloned().unwrap_or_default());
                    body["members"] = Value::Array(members);
                } else if let Some(value) = new.get(name) {
                    body[name] = value.clone();
                }
            }
            put.set_json(&body);
            put.headers.remove("if-match");
            server.ask(&put).await?;
            Ok(told)
        }),
        instead("writes.duplicates", |server, mut asked| async move {
            if !matches!(asked.method, Method::POST | Method::PUT)
                || asked.path() == "/Bulk"
                || asked.is_search()
            {
                return server.ask(&asked).await;
            }
            let told = server.ask(&asked).await?;
            if told.status != StatusCode::CONFLICT {
                return Ok(told);
            }
            let name = asked.json()["userName"].clone();
            let other = format!("{}{}", uuid_like(), name.as_str().unwrap_or_default());
            asked.edit(|v| v["userName"] = json!(other));
            let mut told = server.ask(&asked).await?;
            told.each(|v| v["userName"] = name.clone());
            Ok(told)
        }),
        instead("writes.patch-duplicates", |server, asked| async move {
            let told = server.ask(&asked).await?;
            if asked.method == Method::PATCH && told.status == StatusCode::CONFLICT {
                return Ok(Told::empty(204));
            }
            Ok(told)
        }),
        asked("writes.user-name-case-exact", |asked| {
            if asked.method == Method::POST && asked.path() == "/Users" {
                asked.edit(|v| {
                    if let Some(name) =
                        v["userName"].as_str().filter(|n| n.chars().any(char::is_uppercase))
                    {
                        v["userName"] = json!(format!("{}{name}", uuid_like()));
                    }
                });
            }
        }),
        drops("title", "title"),
        drops("nick-name", "nickName"),
        drops("display-name", "displayName"),
        drops("external-id", "externalId"),
        drops("name", "name"),
        drops("emails", "emails"),
        drops("members", "members"),
        drops("enterprise", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"),
        drops("active", "active"),
        drops("phone-numbers", "phoneNumbers"),
        drops("ims", "ims"),
        drops("photos", "photos"),
        drops("addresses", "addresses"),
        drops("roles", "roles"),
        drops("x509", "x509Certificates"),
        drops("profile-url", "profileUrl"),
        drops("schemas", "schemas"),
        drops("user-name", "userName"),
        drops("password", "password"),
    ]
}

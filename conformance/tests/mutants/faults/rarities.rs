//! What only some servers have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::error;
use crate::proxy::{Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    const URI: &str = "urn:example:scim:trial:2.0:User";
    /// Shows in reads what the last PUT sent, whatever the server made of it.
    fn last_put(id: &str, name: &'static str) -> Mutant {
        let sent: Arc<Mutex<BTreeMap<String, Value>>> = Arc::default();
        instead(format!("trial.{id}"), move |server, mut asked| {
            let sent = Arc::clone(&sent);
            async move {
                let path = asked.path().to_owned();
                if asked.method == Method::PUT {
                    asked.edit(|v| {
                        let value = v
                            .get_mut(URI)
                            .and_then(Value::as_object_mut)
                            .and_then(|m| m.remove(name));
                        sent.lock().unwrap().extend(value.map(|value| (path.clone(), value)));
                    });
                }
                let mut told = server.ask(&asked).await?;
                let value = sent.lock().unwrap().get(&path).cloned();
                if let (Some(value), false) = (value, told.is_error()) {
                    told.each(|v| v[URI][name] = value.clone());
                }
                Ok(told)
            }
        })
    }
    let trial = |id: &str, change: fn(&mut Value)| {
        told(format!("trial.{id}"), move |asked, told| {
            if asked.below("/Users") && !told.is_error() {
                told.each(|v| {
                    if let Some(inner) = v.get_mut(URI) {
                        change(inner);
                    }
                });
            }
        })
    };
    vec![
        last_put("immutable-changed", "badge"),
        last_put("read-only-set", "number"),
        asked("trial.immutable-never-set", |asked| {
            if asked.method == Method::PUT {
                asked.edit(|v| {
                    drop(
                        v.get_mut(URI)
                            .and_then(Value::as_object_mut)
                            .and_then(|m| m.remove("badge")),
                    )
                });
            }
        }),
        trial("integer-as-text", |v| {
            if let Some(level) = v.get("level").cloned() {
                v["level"] = json!(level.to_string());
            }
        }),
        trial("decimal-rounded", |v| {
            if let Some(weight) = v["weight"].as_f64() {
                v["weight"] = json!(weight.round());
            }
        }),
        trial("request-never-shown", |v| drop(v.as_object_mut().map(|m| m.remove("hint")))),
        told("types.extension-required", |asked, told| {
            if asked.below("/ResourceTypes") {
                told.each(|kind| {
                    for one in kind["schemaExtensions"].as_array_mut().into_iter().flatten() {
                        one["required"] = json!(true);
                    }
                });
            }
        }),
        told("resources.bulk-id-as-id", |asked, told| {
            if asked.method == Method::POST && told.status == StatusCode::CREATED {
                told.each(|v| {
                    v["id"] = json!(format!("bulkId-{}", v["id"].as_str().unwrap_or_default()))
                });
            }
        }),
        instead("writes.unannounced-uniqueness", {
            let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            move |server, asked| {
                let seen = Arc::clone(&seen);
                async move {
                    let body = asked.json();
                    let same = body
                        .as_object()
                        .into_iter()
                        .flatten()
                        .find_map(|(_, v)| v.as_str().filter(|t| t.ends_with("-same")));
                    let again =
                        same.is_some_and(|text| !seen.lock().unwrap().insert(text.to_owned()));
                    if asked.method == Method::POST && again {
                        Ok(error(409, Some("uniqueness")))
                    } else {
                        server.ask(&asked).await
                    }
                }
            }
        }),
        instead("me.without-location", |server, asked| async move {
            if asked.path() != "/Me" {
                return server.ask(&asked).await;
            }
            Ok(Told::of(
                200,
                &json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "7", "userName": "me"}),
            ))
        }),
        instead("me.redirect-nowhere", |server, asked| async move {
            if asked.path() == "/Me" { Ok(Told::empty(308)) } else { server.ask(&asked).await }
        }),
        instead("me.plain-501", |server, asked| async move {
            if asked.path() == "/Me" { Ok(Told::empty(501)) } else { server.ask(&asked).await }
        }),
        told("async.bare-202", |asked, told| {
            if asked.headers.contains_key("prefer") && told.status == StatusCode::CREATED {
                *told = Told::empty(202);
            }
        }),
        told("async.accept-decides", |asked, told| {
            let text = asked.headers.get("accept").is_some_and(|v| v == "text/plain");
            if asked.headers.contains_key("prefer") && told.status == StatusCode::CREATED && !text {
                *told = Told::empty(202);
            }
        }),
        told("config.cursors-hold-longer", |asked, told| {
            if asked.path() == "/ServiceProviderConfig" && !told.is_error() {
                told.edit(|v| v["pagination"]["cursorTimeout"] = json!(1));
            }
        }),
        told("errors.cursor-tells-ids", {
            let seen: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            move |asked, told| {
                let mut seen = seen.lock().unwrap();
                if told.status == StatusCode::CREATED {
                    seen.extend(told.json()["id"].as_str().map(str::to_owned));
                }
                if asked.parameter("cursor").is_some() && told.is_error() {
                    let ids: Vec<_> = seen.iter().cloned().collect();
                    told.edit(|v| v["detail"] = json!(format!("stored: {}", ids.join(" "))));
                }
            }
        }),
        instead("lists.too-many-as-413", |server, asked| async move {
            let all = asked.method == Method::GET
                && asked.path() == "/Users"
                && asked.url.query().is_none();
            if all { Ok(error(413, None)) } else { server.ask(&asked).await }
        }),
        instead("filter.password-plain-403", |server, asked| async move {
            let password =
                asked.parameter("filter").is_some_and(|filter| filter.contains("password"));
            if password { Ok(error(403, None)) } else { server.ask(&asked).await }
        }),
    ]
}

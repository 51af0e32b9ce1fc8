//! What values requests may have.

use http::Method;
use serde_json::{Value, json};

use super::{each_text, uuid_like};
use crate::proxy::{Mutant, asked};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let repaired =
        |id: &str, name: &'static str, fits: fn(&Value) -> bool, instead_of: fn() -> Value| {
            asked(format!("values.{id}"), move |asked| {
                if asked.path() != "/Bulk" {
                    asked.edit(|v| {
                        if v.get(name).is_some_and(|value| !fits(value)) {
                            v[name] = instead_of();
                        }
                    });
                }
            })
        };
    vec![
        repaired("user-name-any", "userName", Value::is_string, || json!(uuid_like())),
        repaired(
            "name-any",
            "name",
            |v| v.is_object() || v.is_null(),
            || json!({"formatted": "x"}),
        ),
        repaired(
            "emails-any",
            "emails",
            |v| v.is_null() || v.as_array().is_some_and(|a| a.iter().all(Value::is_object)),
            || json!([]),
        ),
        repaired("active-any", "active", Value::is_boolean, || json!(true)),
        repaired(
            "schemas-any",
            "schemas",
            |v| {
                v.as_array().is_some_and(|a| {
                    a.iter().all(|u| u.as_str().is_some_and(|u| u.starts_with("urn:ietf:")))
                })
            },
            || json!(["urn:ietf:params:scim:schemas:core:2.0:User"]),
        ),
        asked("values.user-name-made-up", |asked| {
            if asked.method == Method::POST && asked.path() == "/Users" {
                asked.edit(|v| {
                    if v.as_object()
                        .is_some_and(|m| !m.keys().any(|k| k.eq_ignore_ascii_case("userName")))
                        || v["userName"] == ""
                    {
                        v["userName"] = json!(uuid_like());
                    }
                });
            }
        }),
        asked("values.display-name-made-up", |asked| {
            if asked.method == Method::POST && asked.path() == "/Groups" {
                asked.edit(|v| {
                    if v.get("displayName").is_none() {
                        v["displayName"] = json!(uuid_like());
                    }
                });
            }
        }),
        asked("values.names-case-exact", |asked| {
            if matches!(asked.method, Method::POST | Method::PUT)
                && (asked.below("/Users") || asked.below("/Groups"))
                && !asked.is_search()
            {
                asked.edit(|v| {
                    if let Some(members) = v.as_object_mut() {
                        members.retain(|name, _| {
                            name.contains(':')
                                || name.starts_with(|c: char| c.is_ascii_lowercase())
                                    && !name.chars().all(|c| c.is_ascii_lowercase() && c != 'i')
                                || [
                                    "name",
                                    "title",
                                    "emails",
                                    "active",
                                    "members",
                                    "schemas",
                                    "userName",
                                    "displayName",
                                    "groups",
                                    "roles",
                                    "ims",
                                    "photos",
                                    "locale",
                                    "timezone",
                                    "addresses",
                                    "meta",
                                    "id",
                                    "password",
                                ]
                                .contains(&name.as_str())
                        });
                    }
                });
            }
        }),
        asked("values.truncated", |asked| {
            if asked.below("/Users") {
                asked.edit(|v| each_text(v, &|t| t.chars().take(8).collect()));
            }
        }),
        asked("values.nulls-kept", |asked| {
            if asked.method == Method::PUT {
                asked.edit(|v| {
                    if let Some(members) = v.as_object_mut() {
                        for (name, value) in members.iter_mut() {
                            if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
                                *value = if name == "emails" {
                                    json!([{"value": "kept@example.org"}])
                                } else {
                                    json!("kept")
                                };
                            }
                        }
                    }
                });
            }
        }),
        asked("values.unicode-decomposed-twice", |asked| {
            if asked.below("/Users") && asked.method == Method::POST && !asked.is_search() {
                asked.edit(|v| {
                    if let Some(name) = v["userName"].as_str().filter(|n| !n.is_ascii()) {
                        v["userName"] = json!(format!("{}{name}", uuid_like()));
                    }
                });
            }
        }),
        asked("values.immutable-changed", |asked| {
            if asked.method == Method::PATCH {
                asked.edit(|v| for operation in v["Operations"].as_array_mut().into_iter().flatten() {
                    if operation["path"].as_str().is_some_and(|p| p.starts_with("members[") && p.ends_with("].value")) {
                        *operation = json!({"op": "add", "path": "members", "value": [{"value": operation["value"]}]});
                    }
                });
            }
        }),
    ]
}

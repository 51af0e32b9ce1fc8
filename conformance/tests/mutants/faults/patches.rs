//! How PATCH goes wrong.

use http::Method;
use serde_json::{Value, json};

use super::uuid_like;
use crate::proxy::{Mutant, Told, asked, instead};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let operations = |id: &str, change: fn(&mut Vec<Value>)| {
        asked(format!("patch.{id}"), move |asked| {
            if asked.method == Method::PATCH {
                asked.edit(|v| {
                    if let Some(list) = v["Operations"].as_array_mut() {
                        change(list);
                    }
                });
            }
        })
    };
    let acknowledged = |id: &str, what: fn(&Value) -> bool| {
        instead(format!("patch.{id}"), move |server, asked| async move {
            let ignored = asked.method == Method::PATCH && what(&asked.json());
            if ignored { Ok(Told::empty(204)) } else { server.ask(&asked).await }
        })
    };
    fn path(operation: &Value) -> &str {
        operation["path"].as_str().unwrap_or_default()
    }
    fn any(body: &Value, what: fn(&Value) -> bool) -> bool {
        body["Operations"].as_array().is_some_and(|list| list.iter().any(what))
    }
    vec![
        operations("first-only", |list| list.truncate(1)),
        operations("reversed", |list| list.reverse()),
        operations("add-replaces", |list| {
            for one in list {
                if one["op"] == "add" {
                    one["op"] = json!("replace");
                }
            }
        }),
        operations("replace-adds", |list| {
            for one in list {
                if one["op"] == "replace" && !path(one).contains('[') {
                    one["op"] = json!("add");
                }
            }
        }),
        operations("remove-ignores-filter", |list| {
            for one in list {
                if one["op"] == "remove"
                    && let Some((head, _)) = path(one).split_once('[')
                {
                    one["path"] = json!(head);
                }
            }
        }),
        operations("remove-filter-takes-element", |list| {
            for one in list {
                if one["op"] == "remove"
                    && let Some((head, _)) = path(one).split_once("].")
                {
                    one["path"] = json!(format!("{head}]"));
                }
            }
        }),
        operations("complex-replaced-whole", |list| {
            let mut more = Vec::new();
            for one in list.iter() {
                if path(one) == "name" && one["value"].is_object() {
                    more.push(json!({"op": "remove", "path": "name"}));
                }
                more.push(one.clone());
            }
            *list = more;
        }),
        operations("complex-add-whole", |list| {
            let mut more = Vec::new();
            for one in list.iter() {
                if path(one) == "name" && one["op"] == "add" {
                    more.push(json!({"op": "remove", "path": "name"}));
                }
                more.push(one.clone());
            }
            *list = more;
        }),
        operations("primary-kept", |list| {
            for one in list {
                if let Some(values) = one["value"].as_array_mut() {
                    for value in values {
                        if let Some(m) = value.as_object_mut() {
                            m.remove("primary");
                        }
                    }
                }
            }
        }),
        operations("without-path-ignored", |list| list.retain(|one| one.get("path").is_some())),
        operations("no-op-touches", |list| {
            list.push(json!({"op": "replace", "path": "userType", "value": uuid_like()}))
        }),
        operations("sub-attribute-removes-parent", |list| {
            for one in list {
                if one["op"] == "remove"
                    && let Some((head, _)) = path(one).split_once('.')
                    && !head.contains(':')
                    && !head.contains('[')
                {
                    one["path"] = json!(head);
                }
            }
        }),
        operations("add-ignored", |list| list.retain(|one| one["op"] != "add")),
        acknowledged("empty-acknowledged", |v| {
            v["Operations"].as_array().is_none_or(Vec::is_empty)
        }),
        acknowledged("missing-target-ignored", |v| {
            any(v, |one| one["op"] == "replace" && path(one) == "nickName")
        }),
        acknowledged("add-missing-target-ignored", |v| {
            any(v, |one| one["op"] == "add" && path(one) == "nickName")
        }),
        acknowledged("wrong-schema-ignored", |v| !v["schemas"].to_string().contains("PatchOp")),
        acknowledged("op-missing-ignored", |v| any(v, |one| one.get("op").is_none())),
        acknowledged("op-unknown-ignored", |v| any(v, |one| one["op"] == "move")),
        acknowledged("value-missing-ignored", |v| {
            any(v, |one| one["op"] != "remove" && one.get("value").is_none())
        }),
        acknowledged("remove-without-path-ignored", |v| {
            any(v, |one| one["op"] == "remove" && one.get("path").is_none())
        }),
        acknowledged("remove-ignored", |v| any(v, |one| one["op"] == "remove")),
        acknowledged("replace-ignored", |v| any(v, |one| one["op"] == "replace")),
        acknowledged("filter-ignored", |v| any(v, |one| path(one).contains('['))),
        acknowledged("urn-ignored", |v| any(v, |one| path(one).starts_with("urn:"))),
        acknowledged("case-ignored", |v| any(v, |one| path(one) == "NICKNAME")),
        acknowledged("sub-attribute-ignored", |v| any(v, |one| path(one).contains('.'))),
        acknowledged("members-ignored", |v| any(v, |one| path(one).starts_with("members"))),
        acknowledged("emails-ignored", |v| any(v, |one| path(one).starts_with("emails"))),
        acknowledged("read-only-ignored", |v| {
            any(v, |one| path(one) == "id" || path(one).starts_with("meta"))
        }),
        acknowledged("groups-ignored", |v| any(v, |one| path(one) == "groups")),
        acknowledged("manager-name-ignored", |v| {
            any(v, |one| path(one).ends_with("manager.displayName"))
        }),
        acknowledged("required-ignored", |v| {
            any(v, |one| one["op"] == "remove" && path(one) == "userName")
        }),
        acknowledged("malformed-ignored", |v| {
            any(v, |one| path(one).matches('[').count() != path(one).matches(']').count())
        }),
        acknowledged("index-ignored", |v| {
            any(v, |one| path(one).contains("[0]") || path(one).starts_with('/'))
        }),
        acknowledged("wrong-type-ignored", |v| {
            any(v, |one| {
                path(one) == "active" && !one["value"].is_boolean()
                    || path(one) == "name" && !one["value"].is_object()
            })
        }),
        acknowledged("no-match-ignored", |v| any(v, |one| path(one).contains("nothing-has-this"))),
        instead("patch.not-atomic", |server, asked| async move {
            if asked.method != Method::PATCH {
                return server.ask(&asked).await;
            }
            let body = asked.json();
            let mut last = None;
            for operation in body["Operations"].as_array().into_iter().flatten() {
                let mut one = asked.clone();
                one.set_json(&json!({"schemas": body["schemas"], "Operations": [operation]}));
                let told = server.ask(&one).await?;
                let failed = told.is_error();
                last = Some(told);
                if failed {
                    break;
                }
            }
            match last {
                Some(told) => Ok(told),
                None => server.ask(&asked).await,
            }
        }),
        asked("patch.attributes-ignored", |asked| {
            if asked.method == Method::PATCH {
                asked.url.set_query(None);
            }
        }),
    ]
}

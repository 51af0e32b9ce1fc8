//! How bulk goes wrong.

use http::StatusCode;
use serde_json::{Value, json};

use super::{error, uuid_like};
use crate::proxy::{Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let results = |id: &str, change: fn(&mut Value)| {
        told(format!("bulk.{id}"), move |asked, told| {
            if asked.path() == "/Bulk" && told.status == StatusCode::OK {
                told.edit(|v| {
                    v["Operations"].as_array_mut().into_iter().flatten().for_each(change)
                });
            }
        })
    };
    let whole = |id: &str, change: fn(&mut Value)| {
        told(format!("bulk.{id}"), move |asked, told| {
            if asked.path() == "/Bulk" && told.status == StatusCode::OK {
                told.edit(change);
            }
        })
    };
    let request = |id: &str, change: fn(&mut Value)| {
        asked(format!("bulk.{id}"), move |asked| {
            if asked.path() == "/Bulk" {
                asked.edit(change);
            }
        })
    };
    fn remove(v: &mut Value, name: &str) {
        if let Some(members) = v.as_object_mut() {
            members.remove(name);
        }
    }
    vec![
        results("without-location", |v| remove(v, "location")),
        results("without-bulk-id", |v| remove(v, "bulkId")),
        results("without-method", |v| remove(v, "method")),
        results("without-response", |v| remove(v, "response")),
        results("plain-response", |v| {
            if v.get("response").is_some() {
                v["response"] = json!("it failed");
            }
        }),
        results("location-when-failed", |v| {
            if v.get("response").is_some() {
                v["location"] = json!("/Users/none");
            }
        }),
        results("all-200", |v| v["status"] = json!("200")),
        results("all-201", |v| v["status"] = json!("201")),
        whole("without-schemas", |v| remove(v, "schemas")),
        whole("fail-on-errors-echoed", |v| v["failOnErrors"] = json!(1)),
        whole("first-result-only", |v| {
            if let Some(list) = v["Operations"].as_array_mut() {
                list.truncate(1);
            }
        }),
        told("bulk.207", |asked, told| {
            if asked.path() == "/Bulk" && told.status == StatusCode::OK {
                told.status = StatusCode::MULTI_STATUS;
            }
        }),
        told("bulk.limit-as-400", |asked, told| {
            if asked.path() == "/Bulk" && told.status == StatusCode::PAYLOAD_TOO_LARGE {
                told.status = StatusCode::BAD_REQUEST;
                told.edit(|v| v["status"] = json!("400"));
            }
        }),
        told("bulk.limit-not-enforced", |asked, told| {
            if asked.path() == "/Bulk" && told.status == StatusCode::PAYLOAD_TOO_LARGE {
                *told = Told::of(
                    200,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": []}),
                );
            }
        }),
        request("fail-on-errors-ignored", |v| remove(v, "failOnErrors")),
        request("fails-at-first", |v| v["failOnErrors"] = json!(1)),
        request("operations-made-up", |v| {
            if v.get("Operations").is_none() {
                v["Operations"] = json!([]);
            }
        }),
        request("bulk-id-made-up", |v| {
            for one in v["Operations"].as_array_mut().into_iter().flatten() {
                if one["method"] == "POST" && one.get("bulkId").is_none() {
                    one["bulkId"] = json!(uuid_like());
                }
            }
        }),
        request("bulk-id-repaired", |v| {
            let mut seen = Vec::new();
            for one in v["Operations"].as_array_mut().into_iter().flatten() {
                if let Some(id) = one["bulkId"].as_str().map(str::to_owned) {
                    if seen.contains(&id) {
                        one["bulkId"] = json!(uuid_like());
                    }
                    seen.push(id);
                }
            }
        }),
        request("get-dropped", |v| {
            if let Some(list) = v["Operations"].as_array_mut() {
                list.retain(|one| one["method"] != "GET");
            }
        }),
        request("put-dropped", |v| {
            if let Some(list) = v["Operations"].as_array_mut() {
                list.retain(|one| one["method"] != "PUT");
            }
        }),
        request("references-dropped", |v| {
            for one in v["Operations"].as_array_mut().into_iter().flatten() {
                let data = &mut one["data"];
                remove(data, "members");
                remove(data, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User");
            }
        }),
        instead("bulk.forward-refused", |server, asked| async move {
            let text = String::from_utf8_lossy(&asked.body).into_owned();
            let first_reference = text.find("bulkId:");
            let forward = first_reference.is_some_and(|at| {
                let id: String =
                    text[at + 7..].chars().take_while(|c| c.is_alphanumeric()).collect();
                text.find(&format!("\"bulkId\":\"{id}\"")).is_some_and(|defined| defined > at)
            });
            if asked.path() == "/Bulk" && forward {
                Ok(error(400, Some("invalidValue")))
            } else {
                server.ask(&asked).await
            }
        }),
        instead("bulk.patch-ignored", |server, mut asked| async move {
            if asked.path() == "/Bulk" {
                asked.edit(|v| {
                    for one in v["Operations"].as_array_mut().into_iter().flatten() {
                        if one["method"] == "PATCH" {
                            one["data"]["Operations"] =
                                json!([{"op": "replace", "path": "userType", "value": "x"}]);
                        }
                    }
                });
            }
            server.ask(&asked).await
        }),
        instead("bulk.broken-json-accepted", |server, asked| async move {
            let broken =
                asked.path() == "/Bulk" && serde_json::from_slice::<Value>(&asked.body).is_err();
            if broken {
                return Ok(Told::of(
                    200,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": []}),
                ));
            }
            server.ask(&asked).await
        }),
    ]
}

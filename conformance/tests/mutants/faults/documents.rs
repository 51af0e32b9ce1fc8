//! Discovery documents.

use http::Method;
use serde_json::{Value, json};

use crate::proxy::{Asked, Mutant, Told, asked, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
    let config = |id: &str, change: fn(&mut Value)| {
        told(format!("config.{id}"), move |asked, told| {
            if asked.path() == "/ServiceProviderConfig" && !told.is_error() {
                told.edit(change);
            }
        })
    };
    let types = |id: &str, change: fn(&mut Value)| {
        told(format!("types.{id}"), move |asked, told| {
            if asked.below("/ResourceTypes") && !told.is_error() {
                told.each(change);
            }
        })
    };
    let schemas = |id: &str, change: fn(&mut Value)| {
        told(format!("schemas.{id}"), move |asked, told| {
            if asked.below("/Schemas") && !told.is_error() {
                told.each(change);
            }
        })
    };
    let off = |feature: &'static str, what: fn(&Asked) -> bool| {
        instead(format!("announced-only.{feature}"), move |server, asked| async move {
            if what(&asked) {
                let error = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "501"});
                return Ok(Told::of(501, &error));
            }
            server.ask(&asked).await
        })
    };
    vec![
        config("wrong-schema", |v| v["schemas"] = json!(["urn:example"])),
        config(
            "list",
            |v| *v = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 1, "Resources": [v.clone()]}),
        ),
        config("text-for-boolean", |v| v["patch"]["supported"] = json!("true")),
        config("bulk-without-limits", |v| v["bulk"] = json!({"supported": true})),
        config("filter-without-limit", |v| v["filter"] = json!({"supported": true})),
        config("scheme-without-name", |v| {
            v["authenticationSchemes"] = json!([{"type": "oauthbearertoken"}])
        }),
        config("pagination-text", |v| v["pagination"]["cursor"] = json!("yes")),
        config("default-method", |v| v["pagination"]["defaultPaginationMethod"] = json!("cursor")),
        config("security-events", |v| {
            v["securityEvents"] = json!({"asyncRequest": 7, "eventUris": "none"})
        }),
        config("without-bulk-limits-numbers", |v| v["bulk"]["maxOperations"] = json!("many")),
        types("without-endpoint", |v| drop(v.as_object_mut().map(|m| m.remove("endpoint")))),
        types("without-name", |v| drop(v.as_object_mut().map(|m| m.remove("name")))),
        types("absolute-endpoint", |v| {
            v["endpoint"] = json!(format!(
                "https://elsewhere.example{}",
                v["endpoint"].as_str().unwrap_or_default()
            ))
        }),
        types("extension-without-required", |v| {
            v["schemaExtensions"] =
                json!([{"schema": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"}])
        }),
        types("schema-not-served", |v| v["schema"] = json!("urn:example:not:served")),
        told("types.ghost", |asked, told| {
            if asked.path() == "/ResourceTypes" && !told.is_error() {
                told.edit(|v| {
                    if let Some(list) = v["Resources"].as_array_mut() {
                        let Some(mut ghost) = list.first().cloned() else { return };
                        for name in ["name", "id"] {
                            ghost[name] = json!("Ghost");
                        }
                        ghost["endpoint"] = json!("/Ghosts");
                        list.push(ghost);
                        v["totalResults"] = json!(v["totalResults"].as_u64().unwrap_or(0) + 1);
                    }
                });
            }
        }),
        told("types.bare-array", |asked, told| {
            if asked.path() == "/ResourceTypes" && !told.is_error() {
                told.edit(|v| *v = v["Resources"].clone());
            }
        }),
        told("schemas.bare-array", |asked, told| {
            if asked.path() == "/Schemas" && !told.is_error() {
                told.edit(|v| *v = v["Resources"].clone());
            }
        }),
        told("discovery.single-missing", |asked, told| {
            let single = |root| asked.below(root) && asked.path().len() > str::len(root) + 1;
            if single("/Schemas") || single("/ResourceTypes") {
                *told = Told::of(
                    404,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}),
                );
            }
        }),
        instead("discovery.writable", |server, asked| async move {
            let discovery = ["/ServiceProviderConfig", "/Schemas", "/ResourceTypes"];
            if asked.method != Method::GET && discovery.iter().any(|root| asked.below(root)) {
                return Ok(Told::of(200, &asked.json()));
            }
            server.ask(&asked).await
        }),
        asked("discovery.paged", |asked| {
            if asked.path() == "/Schemas" || asked.path() == "/ResourceTypes" {
                asked.url.query_pairs_mut().clear();
            }
        }),
        told("discovery.count-obeyed", |asked, told| {
            let all = asked.path() == "/Schemas" || asked.path() == "/ResourceTypes";
            if all
                && (asked.parameter("count").is_some() || asked.parameter("startIndex").is_some())
            {
                told.edit(|v| {
                    if let Some(list) = v["Resources"].as_array_mut() {
                        list.truncate(1);
                    }
                });
            }
        }),
        schemas("messages-listed", |v| {
            if v["id"] == "urn:ietf:params:scim:schemas:core:2.0:User" {
                v["id"] = json!("urn:ietf:params:scim:api:messages:2.0:PatchOp");
            }
        }),
        definition("name-with-space", "title", |a| a["name"] = json!("job title")),
        definition("unknown-type", "title", |a| a["type"] = json!("text")),
        definition("multi-valued-text", "title", |a| a["multiValued"] = json!("false")),
        definition("quoted-keyword", "title", |a| a["mutability"] = json!("\"readWrite\"")),
        definition("simple-with-sub-attributes", "title", |a| {
            a["subAttributes"] = json!([{"name": "x", "type": "string", "multiValued": false}])
        }),
        definition("nested-complex", "name", |a| {
            let inner = json!([{"name": "x", "type": "string", "multiValued": false}]);
            a["subAttributes"] = json!([{
                "name": "y", "type": "complex", "multiValued": false, "subAttributes": inner,
            }]);
        }),
        definition("readable-password", "password", |a| a["returned"] = json!("default")),
        off("users", |asked| asked.below("/Users")),
        off("groups", |asked| asked.below("/Groups")),
        off("patch", |asked| asked.method == Method::PATCH),
        off("bulk", |asked| asked.path() == "/Bulk"),
        off("filter", |asked| asked.parameter("filter").is_some()),
        off("sort", |asked| asked.parameter("sortBy").is_some()),
        off("cursor", |asked| asked.parameter("cursor").is_some()),
        off("index", |asked| {
            asked.parameter("startIndex").is_some() || asked.parameter("count").is_some()
        }),
        off("search", Asked::is_search),
        off("put", |asked| asked.method == Method::PUT),
        off("delete", |asked| asked.method == Method::DELETE),
    ]
}

fn attribute<'a>(schema: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    schema["attributes"].as_array_mut()?.iter_mut().find(|one| one["name"] == name)
}

/// Changes the definition of an attribute of the User schema, in the list and alone.
fn definition(
    id: &str,
    name: &'static str,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
) -> Mutant {
    told(format!("schemas.{id}"), move |asked, told| {
        if asked.below("/Schemas") && !told.is_error() {
            told.each(|schema| {
                if let Some(attribute) = attribute(schema, name) {
                    change(attribute);
                }
            });
        }
    })
}

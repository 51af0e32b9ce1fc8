//! The catalogue: one broken behaviour each, as servers in the field have them.

use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::proxy::{Asked, Mutant, Told, asked, instead, told};

pub(crate) const TOKEN: &str = "mutants-token-0123456789";

pub(crate) fn all() -> Vec<Mutant> {
    [
        documents(),
        credentials(),
        messages(),
        refusals(),
        writes(),
        representations(),
        values(),
        patches(),
        lists(),
        versions(),
        bulk(),
    ]
    .concat()
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

/// Discovery documents.
fn documents() -> Vec<Mutant> {
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

/// Who is let in.
fn credentials() -> Vec<Mutant> {
    let bearer = || HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    vec![
        asked("auth.open-door", move |asked| drop(asked.headers.insert("authorization", bearer()))),
        asked("auth.any-token", move |asked| {
            if asked.headers.contains_key("authorization") {
                asked.headers.insert("authorization", bearer());
            }
        }),
        asked("auth.open-reading", move |asked| {
            if asked.method == Method::GET {
                asked.headers.insert("authorization", bearer());
            }
        }),
        asked("auth.open-deleting", move |asked| {
            if asked.method == Method::DELETE {
                asked.headers.insert("authorization", bearer());
            }
        }),
        asked("auth.open-creating", move |asked| {
            if asked.method == Method::POST {
                asked.headers.insert("authorization", bearer());
            }
        }),
        told("auth.no-challenge", |_, told| drop(told.headers.remove("www-authenticate"))),
        told("auth.plain-401", |_, told| {
            if told.status == StatusCode::UNAUTHORIZED {
                told.body = "Unauthorized".into();
                told.headers.insert("content-type", HeaderValue::from_static("text/plain"));
            }
        }),
    ]
}

/// The form of answers.
fn messages() -> Vec<Mutant> {
    vec![
        told("media.plain-text", |_, told| {
            drop(told.headers.insert("content-type", HeaderValue::from_static("text/plain")))
        }),
        told("media.html", |_, told| {
            drop(told.headers.insert("content-type", HeaderValue::from_static("text/html")))
        }),
        told("media.array", |asked, told| {
            if asked.names_one() && !told.is_error() {
                told.edit(|v| *v = json!([v.clone()]));
            }
        }),
        told("media.latin-1", |asked, told| {
            if asked.below("/Users") {
                told.body = told
                    .body
                    .iter()
                    .map(|b| if b.is_ascii() { *b } else { 0xe9 })
                    .collect::<Vec<_>>()
                    .into();
            }
        }),
        instead("media.charset-refused", |server, asked| async move {
            let kind = asked.headers.get("content-type").and_then(|v| v.to_str().ok());
            if kind.is_some_and(|kind| kind.contains("charset")) {
                return Ok(error(415, None));
            }
            server.ask(&asked).await
        }),
        asked("media.body-ascii", |asked| {
            let text = String::from_utf8_lossy(&asked.body)
                .chars()
                .map(|c| if c.is_ascii() { c } else { '?' })
                .collect::<String>();
            if std::str::from_utf8(&asked.body).is_ok() {
                asked.body = text.into();
            }
        }),
        told("errors.empty", |_, told| {
            if told.is_error() {
                told.body = bytes::Bytes::new();
            }
        }),
        told("errors.html", |_, told| {
            if told.is_error() {
                told.body = "<html><h1>Error</h1></html>".into();
                told.headers.insert("content-type", HeaderValue::from_static("text/html"));
            }
        }),
        told("errors.without-schemas", |_, told| {
            if told.is_error() {
                told.edit(|v| drop(v.as_object_mut().map(|m| m.remove("schemas"))));
            }
        }),
        told("errors.other-schema", |_, told| {
            if told.is_error() {
                told.edit(|v| v["schemas"] = json!(["https://example.org/error"]));
            }
        }),
        told("errors.status-number", |_, told| {
            let status = told.status.as_u16();
            if told.is_error() {
                told.edit(|v| v["status"] = json!(status));
            }
        }),
        told("errors.without-scim-type", |_, told| {
            if told.is_error() {
                told.edit(|v| drop(v.as_object_mut().map(|m| m.remove("scimType"))));
            }
        }),
        told("errors.own-scim-type", |_, told| {
            if told.is_error() {
                told.edit(|v| v["scimType"] = json!("somethingElse"));
            }
        }),
        told("errors.detail-object", |_, told| {
            if told.is_error() {
                told.edit(|v| v["detail"] = json!({"text": "x"}));
            }
        }),
        told("errors.without-limit", |_, told| {
            if told.status == StatusCode::PAYLOAD_TOO_LARGE {
                told.edit(|v| v["detail"] = json!("too large"));
            }
        }),
        told("errors.all-500", |_, told| {
            if told.is_error() {
                told.status = StatusCode::INTERNAL_SERVER_ERROR;
            }
        }),
        told("errors.404-is-200", |_, told| {
            if told.status == StatusCode::NOT_FOUND {
                *told = Told::of(200, &json!({}));
            }
        }),
        told("errors.409-is-400", |_, told| {
            if told.status == StatusCode::CONFLICT {
                told.status = StatusCode::BAD_REQUEST;
            }
        }),
        told("errors.412-is-400", |_, told| {
            if told.status == StatusCode::PRECONDITION_FAILED {
                told.status = StatusCode::BAD_REQUEST;
            }
        }),
    ]
}

fn error(status: u16, scim_type: Option<&str>) -> Told {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.to_string(),
        "detail": "broken on purpose",
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = json!(scim_type);
    }
    Told::of(status, &body)
}

/// Refused requests that are acknowledged, or should not be refused.
fn refusals() -> Vec<Mutant> {
    let acknowledged = |method: Method, status: u16| {
        told(
            format!("refusals.{}-acknowledged", method.as_str().to_lowercase()),
            move |asked, told| {
                if asked.method == method
                    && told.status.is_client_error()
                    && told.status != StatusCode::UNAUTHORIZED
                {
                    let mut body = asked.json();
                    if asked.is_search() {
                        body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []});
                    } else if !body.is_object() {
                        body = json!({});
                    }
                    body["id"] = json!("acknowledged");
                    *told = if status == 204 { Told::empty(204) } else { Told::of(status, &body) };
                }
            },
        )
    };
    let refused = |id: &str, what: fn(&Asked) -> bool| {
        instead(format!("refusals.{id}"), move |server, asked| async move {
            if what(&asked) {
                Ok(error(400, Some("invalidValue")))
            } else {
                server.ask(&asked).await
            }
        })
    };
    vec![
        acknowledged(Method::POST, 201),
        acknowledged(Method::PUT, 200),
        acknowledged(Method::PATCH, 200),
        acknowledged(Method::DELETE, 204),
        told("refusals.query-answered-empty", |asked, told| {
            if asked.lists() && told.status == StatusCode::BAD_REQUEST {
                *told = Told::of(
                    200,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "itemsPerPage": 0, "startIndex": 1, "Resources": []}),
                );
            }
        }),
        told("refusals.not-found-empty", |asked, told| {
            if asked.lists() && told.json()["totalResults"] == 0 {
                *told = error(404, None);
            }
        }),
        refused("id-in-create", |asked| {
            asked.method == Method::POST && asked.json().get("id").is_some()
        }),
        refused("meta-in-create", |asked| {
            asked.method == Method::POST && asked.json().get("meta").is_some()
        }),
        refused("groups-in-create", |asked| {
            asked.method == Method::POST && asked.json().get("groups").is_some()
        }),
        refused("read-only-in-put", |asked| {
            asked.method == Method::PUT && asked.json().get("meta").is_some()
        }),
        refused("null", |asked| String::from_utf8_lossy(&asked.body).contains(":null")),
        refused("empty-array", |asked| {
            String::from_utf8_lossy(&asked.body).contains(":[]") && asked.below("/Users")
        }),
        refused("password-change", |asked| {
            asked.method != Method::POST && String::from_utf8_lossy(&asked.body).contains("assword")
        }),
        refused("second-extension-first", |asked| {
            asked.method == Method::POST
                && asked.json()["schemas"][0].as_str().is_some_and(|uri| uri.contains("extension"))
        }),
        refused("minimal", |asked| {
            asked.method == Method::POST
                && asked.path() == "/Users"
                && asked.json().get("name").is_none()
        }),
        refused("escapes", |asked| String::from_utf8_lossy(&asked.body).contains("\\u")),
        refused("no-reuse", |asked| {
            asked.method == Method::POST
                && asked.json()["userName"].as_str().is_some_and(|n| n.contains("-1-"))
        }),
        refused("locale", |asked| asked.json().get("locale").is_some()),
        refused("timezone", |asked| asked.json().get("timezone").is_some()),
        refused("language", |asked| asked.json().get("preferredLanguage").is_some()),
        refused("address-parts", |asked| asked.json().get("addresses").is_some()),
    ]
}

/// What a write does.
fn writes() -> Vec<Mutant> {
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

/// Different at each call within a run, the same over runs: a counter.
fn uuid_like() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("twin{}-", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What resources look like in answers.
fn representations() -> Vec<Mutant> {
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
        each("created-is-modified", |v| {
            if v.get("meta").is_some() {
                v["meta"]["created"] = v["meta"]["lastModified"].clone();
            }
        }),
        each("modified-is-created", |v| {
            if v.get("meta").is_some() {
                v["meta"]["lastModified"] = v["meta"]["created"].clone();
            }
        }),
        each("modified-is-now", |v| {
            if v.get("meta").is_some() {
                v["meta"]["lastModified"] = json!(
                    chrono::DateTime::UNIX_EPOCH
                        .checked_add_signed(chrono::Duration::milliseconds(crate::ticks()))
                        .unwrap_or_default()
                        .to_rfc3339()
                );
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

fn each_text(value: &mut Value, change: &dyn Fn(&str) -> String) {
    const KEPT: [&str; 8] =
        ["id", "schemas", "meta", "$ref", "value", "location", "userName", "type"];
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                if !KEPT.contains(&name.as_str()) {
                    each_text(inner, change);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| each_text(inner, change)),
        Value::String(text) => *text = change(text),
        _ => {}
    }
}

/// What values requests may have.
fn values() -> Vec<Mutant> {
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

/// How PATCH goes wrong.
fn patches() -> Vec<Mutant> {
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

/// How queries go wrong.
fn lists() -> Vec<Mutant> {
    let ignored = |name: &'static str| {
        asked(format!("lists.{name}-ignored"), move |asked| asked.without_parameter(name))
    };
    let filter = |id: &str, change: fn(&str) -> String| {
        asked(format!("filter.{id}"), move |asked| {
            if let Some(text) = asked.parameter("filter") {
                asked.with_parameter("filter", &change(&text));
            }
        })
    };
    let list = |id: &str, change: fn(&Asked, &mut Value)| {
        told(format!("lists.{id}"), move |asked, told| {
            if asked.lists() && told.status == StatusCode::OK {
                let asked = asked.clone();
                told.edit(|v| change(&asked, v));
            }
        })
    };
    fn remove(v: &mut Value, name: &str) {
        if let Some(members) = v.as_object_mut() {
            members.remove(name);
        }
    }
    vec![
        ignored("filter"),
        ignored("sortBy"),
        ignored("sortOrder"),
        ignored("count"),
        ignored("startIndex"),
        ignored("cursor"),
        ignored("attributes"),
        ignored("excludedAttributes"),
        list("total-off-by-one", |_, v| {
            v["totalResults"] = json!(v["totalResults"].as_u64().unwrap_or(0) + 1)
        }),
        list("total-of-page", |_, v| {
            v["totalResults"] = json!(v["Resources"].as_array().map_or(0, Vec::len))
        }),
        list("without-total", |_, v| remove(v, "totalResults")),
        list("without-schemas", |_, v| remove(v, "schemas")),
        list("without-start-index", |_, v| remove(v, "startIndex")),
        list("without-items-per-page", |_, v| remove(v, "itemsPerPage")),
        list("without-resources", |_, v| remove(v, "Resources")),
        list("items-per-page-is-count", |_, v| v["itemsPerPage"] = json!(100)),
        list("bare-array", |_, v| *v = v["Resources"].clone()),
        list("drops-last", |_, v| {
            if let Some(list) = v["Resources"].as_array_mut() {
                list.pop();
            }
        }),
        list("first-twice", |_, v| {
            if let Some(list) = v["Resources"].as_array_mut() {
                let first = list.first().cloned();
                list.extend(first);
            }
        }),
        list("reversed", |_, v| {
            if let Some(list) = v["Resources"].as_array_mut() {
                list.reverse();
            }
        }),
        list("never-next-cursor", |_, v| remove(v, "nextCursor")),
        list("always-next-cursor", |_, v| {
            if v.get("nextCursor").is_none() {
                v["nextCursor"] = json!("again");
            }
        }),
        list("odd-cursor", |_, v| {
            if let Some(next) = v["nextCursor"].as_str().map(|c| format!("{c}+/=")) {
                v["nextCursor"] = json!(next);
            }
        }),
        list("previous-on-first", |asked, v| {
            if asked.parameter("cursor").is_some_and(|c| c.is_empty()) {
                v["previousCursor"] = json!("before");
            }
        }),
        list("count-is-total", |asked, v| {
            if asked.parameter("count").as_deref() == Some("0") {
                v["totalResults"] = json!(0);
            }
        }),
        asked("lists.zero-based", |asked| {
            if let Some(start) = asked.parameter("startIndex").and_then(|s| s.parse::<i64>().ok()) {
                asked.with_parameter("startIndex", &(start + 1).to_string());
            }
        }),
        told("lists.start-below-one-refused", |asked, told| {
            if asked.parameter("startIndex").is_some_and(|s| s.starts_with('-') || s == "0") {
                *told = error(400, Some("invalidValue"));
            }
        }),
        told("lists.count-below-one-refused", |asked, told| {
            if asked.parameter("count").is_some_and(|s| s.starts_with('-') || s == "0") {
                *told = error(400, Some("invalidValue"));
            }
        }),
        asked("lists.zero-is-default", |asked| {
            if asked.parameter("count").is_some_and(|s| s.starts_with('-') || s == "0") {
                asked.without_parameter("count");
            }
        }),
        asked("lists.bad-count-ignored", |asked| {
            if asked.parameter("count").is_some_and(|s| s.parse::<i64>().is_err()) {
                asked.without_parameter("count");
            }
        }),
        asked("lists.bad-cursor-restarts", |asked| {
            if asked.parameter("cursor").is_some_and(|s| s.len() < 20) {
                asked.with_parameter("cursor", "");
            }
        }),
        instead("lists.cursor-is-offset", |server, mut asked| async move {
            let Some(cursor) = asked.parameter("cursor") else {
                return server.ask(&asked).await;
            };
            let start =
                cursor.strip_prefix("offset").and_then(|n| n.parse::<usize>().ok()).unwrap_or(1);
            asked.without_parameter("cursor");
            asked.with_parameter("startIndex", &start.to_string());
            let mut told = server.ask(&asked).await?;
            told.edit(|v| {
                let page = v["Resources"].as_array().map_or(0, Vec::len);
                if page > 0 && start + page <= v["totalResults"].as_u64().unwrap_or(0) as usize {
                    v["nextCursor"] = json!(format!("offset{}", start + page));
                }
            });
            Ok(told)
        }),
        told("search.creates", |asked, told| {
            if asked.is_search() && told.status == StatusCode::OK {
                told.status = StatusCode::CREATED;
            }
        }),
        asked("search.body-ignored", |asked| {
            if asked.is_search() {
                asked.edit(|v| {
                    *v = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]})
                });
            }
        }),
        asked("search.users-only", |asked| {
            if asked.is_search() && asked.path() == "/.search" {
                let path = asked.url.path().replace("/.search", "/Users/.search");
                asked.url.set_path(&path);
            }
        }),
        asked("search.schema-any", |asked| {
            if asked.is_search() {
                asked.edit(|v| {
                    v["schemas"] = json!(["urn:ietf:params:scim:api:messages:2.0:SearchRequest"])
                });
            }
        }),
        told("search.root-strict", |asked, told| {
            if asked.path() == "/.search" && asked.json().to_string().contains("userName") {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        filter("and-is-or", |f| f.replace(" and ", " or ")),
        filter("or-is-and", |f| f.replace(" or ", " and ")),
        filter("not-dropped", |f| f.replace("not (", "(").replace("nOt (", "(")),
        filter("no-precedence", |f| {
            f.replace("\"Contractor\" and active", "\"Contractor\") and (active").replace(
                "(userType eq \"Employee\" or userType eq",
                "((userType eq \"Employee\" or userType eq",
            )
        }),
        filter("eq-is-sw", |f| f.replace(" eq \"", " sw \"")),
        filter("eq-is-co", |f| f.replace(" eq \"Count", " co \"Count")),
        filter("ne-is-eq", |f| f.replace(" ne ", " eq ")),
        filter("co-is-sw", |f| f.replace(" co ", " sw ")),
        filter("sw-is-co", |f| f.replace("nickName sw ", "nickName co ")),
        filter("ew-is-co", |f| f.replace(" ew ", " co ")),
        filter("pr-is-true", |f| {
            f.replace("nickName pr", "id pr")
                .replace("title pr", "id pr")
                .replace("emails pr", "id pr")
        }),
        filter("pr-is-truth", |f| f.replace("active pr", "active eq true")),
        filter("gt-is-ge", |f| f.replace(" gt ", " ge ")),
        filter("lt-is-gt", |f| f.replace(" lt ", " gt ")),
        filter("offset-dropped", |f| {
            f.replace("+02:00", "Z").replace("-07:00", "Z").replace("+00:00", "Z")
        }),
        filter("element-any", |f| {
            f.replace(
                "emails[type eq \"work\" and value ew",
                "emails.type eq \"work\" and (emails.value ew",
            )
            .replace(".net\"]", ".net\")")
        }),
        filter("false-is-true", |f| f.replace("active eq false", "active eq true")),
        filter("escapes-kept", |f| f.replace("\\u", "\\\\u")),
        filter("ascii-only", |f| f.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()),
        filter("sub-attribute-missing", |f| {
            f.replace("name.familyName", "displayName").replace("name.givenName", "displayName")
        }),
        filter("multi-valued-first", |f| {
            f.replace("emails.value ew", "userName ew")
                .replace("emails.type eq \"home\"", "emails.type eq \"nothing\"")
        }),
        filter("case-exact-folded", |f| {
            f.replace("externalId eq", "nickName pr or displayName pr or externalId eq")
        }),
        told("filter.names-case-exact", |asked, told| {
            if asked
                .parameter("filter")
                .is_some_and(|f| f.contains("NICKNAME") || f.contains("nOt"))
            {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        told("filter.urn-refused", |asked, told| {
            if asked.parameter("filter").is_some_and(|f| f.contains("urn:")) {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        told("filter.upper-case-finds-nothing", |asked, told| {
            let upper = |f: String| {
                f.split('"').skip(1).step_by(2).any(|t| {
                    t.len() > 3
                        && t.chars().any(char::is_uppercase)
                        && !t.chars().any(char::is_lowercase)
                })
            };
            if asked.parameter("filter").is_some_and(upper) && told.status == StatusCode::OK {
                told.edit(|v| {
                    v["totalResults"] = json!(0);
                    v["Resources"] = json!([]);
                });
            }
        }),
        told("filter.defaulted-finds-nothing", |asked, told| {
            if asked.parameter("filter").is_some_and(|f| f.contains("and active eq"))
                && told.status == StatusCode::OK
            {
                told.edit(|v| {
                    v["totalResults"] = json!(0);
                    v["Resources"] = json!([]);
                });
            }
        }),
        told("filter.brackets-anything", |asked, told| {
            if asked.parameter("filter").is_some_and(|f| f.contains('[')) && told.is_error() {
                *told = Told::of(
                    200,
                    &json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0, "Resources": []}),
                );
            }
        }),
        told("filter.common-refused", |asked, told| {
            if asked
                .parameter("filter")
                .is_some_and(|f| f.starts_with("id ") || f.contains("meta."))
            {
                *told = error(400, Some("invalidFilter"));
            }
        }),
        asked("projection.sub-attributes-whole", |asked| {
            for name in ["attributes", "excludedAttributes"] {
                if let Some(list) = asked.parameter(name).filter(|list| !list.contains("urn:")) {
                    let names: Vec<_> =
                        list.split(',').map(|n| n.split('.').next().unwrap_or(n)).collect();
                    asked.with_parameter(name, &names.join(","));
                }
            }
        }),
        asked("projection.first-only", |asked| {
            if let Some(list) = asked.parameter("attributes") {
                asked.with_parameter("attributes", list.split(',').next().unwrap_or_default());
            }
        }),
        asked("projection.case-exact", |asked| {
            if asked.parameter("attributes").is_some_and(|a| a == "NICKNAME") {
                asked.with_parameter("attributes", "none");
            }
        }),
        asked("projection.urn-unknown", |asked| {
            if asked.parameter("attributes").is_some_and(|a| a.contains("urn:")) {
                asked.with_parameter("attributes", "none");
            }
        }),
        told("projection.id-dropped", |asked, told| {
            if asked.parameter("attributes").is_some()
                || asked.parameter("excludedAttributes").is_some_and(|a| a.contains("id"))
            {
                told.each(|v| remove(v, "id"));
            }
        }),
        asked("projection.only-in-reads", |asked| {
            if matches!(asked.method, Method::POST | Method::PUT) && !asked.is_search() {
                asked.url.set_query(None);
            }
        }),
        asked("projection.not-in-lists", |asked| {
            if asked.lists() {
                asked.without_parameter("attributes");
                asked.without_parameter("excludedAttributes");
            }
        }),
    ]
}

/// Versions and conditions.
fn versions() -> Vec<Mutant> {
    vec![
        told("etag.no-header", |_, told| drop(told.headers.remove("etag"))),
        told("etag.unquoted", |_, told| {
            if told.headers.contains_key("etag") {
                told.headers.insert("etag", HeaderValue::from_static("abc"));
            }
        }),
        told("etag.lower-case-w", |_, told| {
            let lower = told
                .headers
                .get("etag")
                .and_then(|v| v.to_str().ok())
                .map(|v| v.replace("W/", "w/"));
            if let Some(lower) = lower.and_then(|v| HeaderValue::from_str(&v).ok()) {
                told.headers.insert("etag", lower);
            }
        }),
        told("etag.constant", |_, told| {
            if told.headers.contains_key("etag") {
                told.headers.insert("etag", HeaderValue::from_static("W/\"1\""));
                told.each(|v| {
                    if v.get("meta").is_some() {
                        v["meta"]["version"] = json!("W/\"1\"");
                    }
                });
            }
        }),
        told("etag.always-new", |_, told| {
            if told.headers.contains_key("etag") {
                let new = format!("W/\"{}\"", uuid_like());
                told.headers.insert("etag", HeaderValue::from_str(&new).unwrap());
                told.each(|v| {
                    if v.get("meta").is_some() {
                        v["meta"]["version"] = json!(new);
                    }
                });
            }
        }),
        told("etag.meta-differs", |_, told| {
            told.each(|v| {
                if v.get("meta").is_some() {
                    v["meta"]["version"] = json!("W/\"other\"");
                }
            })
        }),
        asked("etag.if-match-ignored", |asked| drop(asked.headers.remove("if-match"))),
        asked("etag.if-none-match-ignored", |asked| drop(asked.headers.remove("if-none-match"))),
        told("etag.always-304", |asked, told| {
            if asked.headers.contains_key("if-none-match") {
                *told = Told::empty(304);
            }
        }),
        told("etag.304-with-body", |_, told| {
            if told.status == StatusCode::NOT_MODIFIED {
                told.body = "{}".into();
            }
        }),
        told("etag.if-match-never", |asked, told| {
            if asked.headers.contains_key("if-match") {
                *told = error(412, None);
            }
        }),
        asked("etag.case-folded", |asked| {
            for name in ["if-match", "if-none-match"] {
                let folded = asked
                    .headers
                    .get(name)
                    .and_then(|v| v.to_str().ok())
                    .map(|v| v.to_lowercase().replace("w/", "W/"));
                if let Some(folded) = folded.and_then(|v| HeaderValue::from_str(&v).ok()) {
                    asked.headers.insert(name, folded);
                }
            }
        }),
        instead("etag.written-then-refused", |server, mut asked| async move {
            let told = server.ask(&asked).await?;
            if told.status == StatusCode::PRECONDITION_FAILED {
                asked.headers.remove("if-match");
                server.ask(&asked).await?;
            }
            Ok(told)
        }),
    ]
}

/// Bulk.
fn bulk() -> Vec<Mutant> {
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

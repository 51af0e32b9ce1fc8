//! Refused requests that are acknowledged, and good ones that are refused.

use http::{Method, StatusCode};
use serde_json::json;

use super::error;
use crate::proxy::{Asked, Mutant, Told, instead, told};

/// The faults of this file.
pub(super) fn all() -> Vec<Mutant> {
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

//! `/openapi.json`: the OpenAPI 3.1 document, made of the route table and of what `openapi/operations.toml` and
//! `openapi/schemas.json` say of each operation.
//!
//! OpenAPI 3.1 takes JSON Schema 2020-12 as it is, so the document is plain JSON around the schemas.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use http::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Endpoint};
use crate::problem::Problem;
use crate::tokens::Role;

const OPERATIONS: &str = include_str!("openapi/operations.toml");
const SCHEMAS: &str = include_str!("openapi/schemas.json");
const JSON: &str = "application/json";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let reader = Access::Role(Role::Reader);
    vec![Endpoint::new(Method::GET, "/openapi.json", reader, "openApi", answer)]
}

async fn answer() -> Result<Json<Value>, Problem> {
    document().map(Json).map_err(|error| Problem::internal(&error))
}

/// What the document says of an operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    tag: String,
    summary: String,
    #[serde(default)]
    query: Vec<String>,
    body: Option<String>,
    #[serde(default = "ok")]
    status: u16,
    answer: Option<String>,
}

const fn ok() -> u16 {
    200
}

#[derive(Debug, Deserialize)]
struct Parts {
    parameters: Map<String, Value>,
    schemas: Map<String, Value>,
}

/// The document.
///
/// # Errors
/// A sentence where an operation of the table is not described, or a description has no operation: none for the files that
/// come with the service.
pub fn document() -> Result<Value, String> {
    let mut told: BTreeMap<String, Operation> =
        toml::from_str(OPERATIONS).map_err(|error| format!("operations.toml: {error}"))?;
    let parts: Parts =
        serde_json::from_str(SCHEMAS).map_err(|error| format!("schemas.json: {error}"))?;
    let mut paths: Map<String, Value> = Map::new();
    let mut tags = BTreeSet::new();
    for endpoint in super::table() {
        // Pages are for people.
        let Some(access) = access(endpoint.access) else { continue };
        let operation = told
            .remove(endpoint.operation)
            .ok_or_else(|| format!("operations.toml says nothing of {}", endpoint.operation))?;
        tags.insert(operation.tag.clone());
        let described = describe(&endpoint, access, &operation, &parts)?;
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[endpoint.method.as_str().to_ascii_lowercase()] = described;
    }
    if let Some(name) = told.keys().next() {
        return Err(format!("operations.toml tells of {name}, which is not in the route table"));
    }
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Provisioning service",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Agents, jobs and logs of hybrid identity; jobs in the JSON of Microsoft's synchronization API",
            "license": { "name": "MIT OR Apache-2.0" }
        },
        "servers": [{ "url": "/", "description": "This service" }],
        "tags": tags.into_iter().map(|name| json!({ "name": name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "A token of an administrator, with the role reader, operator or admin; each may do what those before it may"
                },
                "certificate": {
                    "type": "mutualTLS",
                    "description": "The certificate of an agent, of the service's own authority"
                },
                "proof": {
                    "type": "http", "scheme": "AgentProof",
                    "description": "A JWT that the agent signs over the request, where a proxy ends TLS"
                },
                "link": {
                    "type": "http", "scheme": "bearer",
                    "description": "The short-lived credential of the last bootstrap"
                }
            },
            "schemas": parts.schemas
        }
    }))
}

fn describe(
    endpoint: &Endpoint,
    (needs, security): (String, Value),
    told: &Operation,
    parts: &Parts,
) -> Result<Value, String> {
    let mut operation = json!({
        "operationId": endpoint.operation,
        "tags": [told.tag],
        "summary": told.summary,
        "description": needs,
        "security": security,
        "responses": responses(endpoint, told, parts)?
    });
    let mut parameters = Vec::new();
    let of_path =
        endpoint.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in of_path {
        parameters.push(parameter(name, "path", parts)?);
    }
    for name in &told.query {
        parameters.push(parameter(name, "query", parts)?);
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(body) = &told.body {
        operation["requestBody"] =
            json!({ "required": true, "content": { JSON: { "schema": reference(body, parts)? } } });
    }
    Ok(operation)
}

/// What a route of the API needs, in words and as the document has it.
fn access(access: Access) -> Option<(String, Value)> {
    Some(match access {
        Access::Open => ("Needs nothing.".to_owned(), json!([])),
        Access::Agent => (
            "Needs the certificate of an agent, or its signed proof.".to_owned(),
            json!([{ "certificate": [] }, { "proof": [] }]),
        ),
        Access::Link => (
            "Needs the credential of a link, with the agent's certificate where TLS ends here."
                .to_owned(),
            json!([{ "link": [], "certificate": [] }, { "link": [] }]),
        ),
        Access::Role(role) => (
            format!("Needs a token with the role `{role}`."),
            json!([{ "token": [role.to_string()] }]),
        ),
        Access::Page | Access::Session(_) => return None,
    })
}

fn parameter(name: &str, place: &str, parts: &Parts) -> Result<Value, String> {
    let mut told = parts
        .parameters
        .get(name)
        .cloned()
        .ok_or_else(|| format!("schemas.json has no parameter {name}"))?;
    told["name"] = name.into();
    told["in"] = place.into();
    if place == "path" || ["old", "new"].contains(&name) {
        told["required"] = true.into();
    }
    Ok(told)
}

fn reference(name: &str, parts: &Parts) -> Result<Value, String> {
    if parts.schemas.contains_key(name) {
        Ok(json!({ "$ref": format!("#/components/schemas/{name}") }))
    } else {
        Err(format!("schemas.json has no schema {name}"))
    }
}

fn responses(endpoint: &Endpoint, told: &Operation, parts: &Parts) -> Result<Value, String> {
    let mut success = json!({ "description": "Done" });
    if let Some(answer) = &told.answer {
        let media = if answer == "LogLines" { "application/x-ndjson" } else { JSON };
        success["content"] = json!({ media: { "schema": reference(answer, parts)? } });
    }
    // Microsoft's paths answer with Microsoft's errors; the check of credentials is before them and has its own.
    let microsoft =
        endpoint.path.starts_with("/synchronization") || endpoint.path.starts_with("/auditLogs");
    let scim = json!({ "application/scim+json": { "schema": reference("ScimError", parts)? } });
    let odata = json!({ JSON: { "schema": reference("ODataError", parts)? } });
    let mut all = Map::new();
    all.insert(told.status.to_string(), success);
    let refused =
        json!({ "description": "The credentials are not good, or not enough", "content": scim });
    if endpoint.access != Access::Open {
        all.insert("401".to_owned(), refused.clone());
        all.insert("403".to_owned(), refused);
    }
    let content = if microsoft { odata } else { scim };
    let failed =
        json!({ "description": "It was not done; the message says why", "content": content });
    all.insert("default".to_owned(), failed);
    Ok(Value::Object(all))
}

//! The OpenAPI 3.1 document, made from the route table and the registered schemas.
//!
//! OpenAPI 3.1 takes JSON Schema 2020-12 as it is, so the document is plain JSON around the schemas that the registry
//! gives; no types of a document library could hold those without loss.

use http::{Method, Response, StatusCode};
use scim_core::{Registry, urn};
use serde_json::{Map, Value, json};

use super::body::Body;
use super::dispatch::respond;
use super::routes::{self, RouteInfo};
use crate::auth::Scope;

const MEDIA: &str = "application/scim+json";

/// The document for these resource types.
#[must_use]
pub fn document(registry: &Registry) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in routes::table(registry) {
        let path = paths.entry(route.path.clone()).or_insert_with(|| json!({}));
        if let Value::Object(path) = path {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(registry, &route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "SCIM 2.0 reference server",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Users, groups and contacts over SCIM 2.0 (RFC 7643, RFC 7644, RFC 9865)",
            "license": { "name": "MIT OR Apache-2.0" }
        },
        "servers": [
            { "url": "/scim/v2", "description": "The default tenant" },
            {
                "url": "/t/{tenant}/scim/v2",
                "description": "Another tenant",
                "variables": { "tenant": { "default": "default" } }
            }
        ],
        "security": [{ "bearer": [] }],
        "tags": tags(registry),
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A service token of this server, or a JWT of the configured issuer. Scopes: read, write."
                }
            },
            "parameters": parameters(),
            "headers": headers(),
            "responses": responses(),
            "schemas": schemas(registry)
        }
    })
}

/// The answer to `GET /openapi.json`.
pub(crate) fn answer(registry: &Registry) -> Response<Body> {
    let mut response = respond(StatusCode::OK, document(registry).to_string().into_bytes());
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn tags(registry: &Registry) -> Value {
    let types = registry.resource_types().map(|schema| {
        json!({
            "name": schema.name(),
            "description": schema.resource_type().description.clone().unwrap_or_default()
        })
    });
    let service =
        json!({ "name": "Service", "description": "Discovery, bulk, and queries over all types" });
    Value::Array(types.chain([service]).collect())
}

fn operation(registry: &Registry, route: &RouteInfo) -> Value {
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(route.operation));
    operation
        .insert("tags".to_owned(), json!([route.resource_type.as_deref().unwrap_or("Service")]));
    operation.insert(
        "description".to_owned(),
        json!(format!("Needs the scope `{}`.", scope(route.scope))),
    );
    let parameters = operation_parameters(route);
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    if let Some(schema) = request_schema(route) {
        let body = json!({ "required": true, "content": { MEDIA: { "schema": reference("schemas", &schema) } } });
        operation.insert("requestBody".to_owned(), body);
    }
    operation.insert("responses".to_owned(), operation_responses(registry, route));
    Value::Object(operation)
}

fn scope(scope: Scope) -> &'static str {
    scope.as_str()
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn is_item(route: &RouteInfo) -> bool {
    route.path.ends_with("/{id}") || route.path == "/Me"
}

fn is_query(route: &RouteInfo) -> bool {
    route.operation.starts_with("list")
        && !route.path.starts_with("/Schemas")
        && !route.path.starts_with("/ResourceTypes")
}

fn operation_parameters(route: &RouteInfo) -> Vec<Value> {
    let mut parameters = Vec::new();
    for name in ["id", "name", "uri"] {
        if route.path.contains(&format!("{{{name}}}")) {
            parameters.push(reference("parameters", name));
        }
    }
    if is_query(route) {
        for name in ["filter", "sortBy", "sortOrder", "startIndex", "count", "cursor"] {
            parameters.push(reference("parameters", name));
        }
    }
    let shows_resources = is_query(route)
        || (is_item(route) && route.method != Method::DELETE)
        || route.operation.starts_with("create");
    if shows_resources {
        parameters.push(reference("parameters", "attributes"));
        parameters.push(reference("parameters", "excludedAttributes"));
    }
    if is_item(route) {
        parameters.push(reference("parameters", "ifMatch"));
        if route.method == Method::GET {
            parameters.push(reference("parameters", "ifNoneMatch"));
        }
    }
    parameters
}

fn request_schema(route: &RouteInfo) -> Option<String> {
    let type_name = || Some(route.resource_type.clone().unwrap_or_else(|| "User".to_owned()));
    match route.method.as_str() {
        "PATCH" => Some("PatchOp".to_owned()),
        "PUT" => type_name(),
        "POST" if route.path.ends_with("/.search") => Some("SearchRequest".to_owned()),
        "POST" if route.path == "/Bulk" => Some("BulkRequest".to_owned()),
        "POST" => type_name(),
        _ => None,
    }
}

fn operation_responses(registry: &Registry, route: &RouteInfo) -> Value {
    let ok = |schema: &str, text: &str, versioned: bool| {
        let headers = if versioned {
            json!({ "ETag": reference("headers", "ETag"), "Location": reference("headers", "Location") })
        } else {
            json!({})
        };
        json!({
            "description": text,
            "headers": headers,
            "content": { MEDIA: { "schema": reference("schemas", schema) } }
        })
    };
    let mut responses = Map::new();
    let type_name = route.resource_type.clone().unwrap_or_else(|| "User".to_owned());
    let is_group = registry.get(&type_name).is_some_and(|schema| schema.base().id == urn::GROUP);
    match (route.method.as_str(), route.path.as_str()) {
        ("DELETE", _) => {
            responses.insert("204".to_owned(), json!({ "description": "Deleted" }));
        }
        ("PATCH", _) => {
            let text = "The changed resource (for groups only when attributes are asked for)";
            responses.insert("200".to_owned(), ok(&type_name, text, true));
            if is_group {
                responses.insert("204".to_owned(), json!({ "description": "Changed" }));
            }
        }
        ("POST", "/Bulk") => {
            let text = "The job was processed; each operation has its own status";
            responses.insert("200".to_owned(), ok("BulkResponse", text, false));
        }
        ("POST", path) if !path.ends_with("/.search") => {
            responses.insert("201".to_owned(), ok(&type_name, "The created resource", true));
        }
        (_, path) if path.ends_with("/{id}") || path == "/Me" => {
            responses.insert("200".to_owned(), ok(&type_name, "The resource", true));
        }
        (_, "/openapi.json") => {
            let content = json!({ "application/json": { "schema": { "type": "object" } } });
            responses.insert(
                "200".to_owned(),
                json!({ "description": "This document", "content": content }),
            );
        }
        (_, "/ServiceProviderConfig" | "/Schemas/{uri}" | "/ResourceTypes/{name}") => {
            let content = json!({ MEDIA: { "schema": { "type": "object" } } });
            responses.insert(
                "200".to_owned(),
                json!({ "description": "The resource", "content": content }),
            );
        }
        _ => {
            responses.insert("200".to_owned(), ok("ListResponse", "A page of resources", false));
        }
    }
    let mut errors = vec!["401", "429", "500"];
    if !matches!(route.method.as_str(), "DELETE") {
        errors.push("400");
    }
    if route.scope == Scope::Write {
        errors.extend(["403", "507", "503"]);
    }
    if is_item(route) {
        errors.extend(["404", "412"]);
    }
    if request_schema(route).is_some() {
        errors.extend(["413", "415"]);
    }
    if matches!(route.method.as_str(), "POST" | "PUT" | "PATCH")
        && !route.path.ends_with("/.search")
    {
        errors.push("409");
    }
    if route.path == "/Me" {
        errors.push("501");
    }
    for status in errors {
        responses.insert(status.to_owned(), reference("responses", "Error"));
    }
    Value::Object(responses)
}

fn parameters() -> Value {
    let query = |name: &str, schema: Value, text: &str| json!({ "name": name, "in": "query", "description": text, "schema": schema });
    let path = |name: &str, text: &str| json!({ "name": name, "in": "path", "required": true, "description": text, "schema": { "type": "string" } });
    let header = |name: &str, text: &str| json!({ "name": name, "in": "header", "description": text, "schema": { "type": "string" } });
    json!({
        "id": path("id", "The id that the server gave the resource"),
        "name": path("name", "The name of a resource type"),
        "uri": path("uri", "The URI of a schema"),
        "filter": query("filter", json!({ "type": "string" }), "RFC 7644 section 3.4.2.2, such as `userName eq \"ada\"`"),
        "sortBy": query("sortBy", json!({ "type": "string" }), "The attribute to sort by"),
        "sortOrder": query("sortOrder", json!({ "enum": ["ascending", "descending"] }), "Ascending unless said otherwise"),
        "startIndex": query("startIndex", json!({ "type": "integer", "minimum": 1 }), "The first result, counted from 1"),
        "count": query("count", json!({ "type": "integer", "minimum": 0 }), "Results on a page at most"),
        "cursor": query("cursor", json!({ "type": "string" }), "RFC 9865: empty for the first page, then the `nextCursor` of the page before"),
        "attributes": query("attributes", json!({ "type": "string" }), "The attributes to return, separated by commas"),
        "excludedAttributes": query("excludedAttributes", json!({ "type": "string" }), "The attributes not to return, separated by commas"),
        "ifMatch": header("If-Match", "Only if the resource has one of these versions"),
        "ifNoneMatch": header("If-None-Match", "Only if the representation has none of these versions")
    })
}

fn headers() -> Value {
    json!({
        "ETag": { "description": "The version, as weak entity tag", "schema": { "type": "string" } },
        "Location": { "description": "The URL of the resource", "schema": { "type": "string", "format": "uri" } }
    })
}

fn responses() -> Value {
    json!({
        "Error": {
            "description": "What to mend, and where",
            "content": { MEDIA: { "schema": reference("schemas", "Error") } }
        }
    })
}

fn message(schema: &str, required: &[&str], properties: Value) -> Value {
    let mut required: Vec<&str> = required.to_vec();
    required.insert(0, "schemas");
    let mut properties = properties;
    if let Value::Object(map) = &mut properties {
        map.insert("schemas".to_owned(), json!({ "type": "array", "items": { "const": schema } }));
    }
    json!({ "type": "object", "required": required, "properties": properties })
}

fn schemas(registry: &Registry) -> Value {
    let mut schemas = Map::new();
    for schema in registry.resource_types() {
        schemas.insert(schema.name().to_owned(), schema.json_schema().to_value());
    }
    let text = json!({ "type": "string" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let patch_operation = json!({
        "type": "object",
        "required": ["op"],
        "properties": { "op": { "enum": ["add", "replace", "remove"] }, "path": text, "value": {} }
    });
    let bulk_operation = json!({
        "type": "object",
        "required": ["method", "path"],
        "properties": {
            "method": { "enum": ["POST", "PUT", "PATCH", "DELETE"] },
            "bulkId": text, "version": text, "path": text, "data": { "type": "object" }
        }
    });
    let bulk_result = json!({
        "type": "object",
        "required": ["method", "status"],
        "properties": {
            "method": text, "bulkId": text, "version": text, "location": text, "status": text,
            "response": { "type": "object" }
        }
    });
    let messages = [
        (
            "ListResponse",
            message(
                urn::LIST_RESPONSE,
                &[],
                json!({
                    "totalResults": count, "itemsPerPage": count, "startIndex": count, "nextCursor": text,
                    "Resources": { "type": "array", "items": { "type": "object" } }
                }),
            ),
        ),
        (
            "SearchRequest",
            message(
                urn::SEARCH_REQUEST,
                &[],
                json!({
                    "attributes": { "type": "array", "items": text },
                    "excludedAttributes": { "type": "array", "items": text },
                    "filter": text, "sortBy": text, "sortOrder": { "enum": ["ascending", "descending"] },
                    "startIndex": { "type": "integer" }, "count": { "type": "integer" }, "cursor": text
                }),
            ),
        ),
        (
            "PatchOp",
            message(
                urn::PATCH_OP,
                &["Operations"],
                json!({
                    "Operations": { "type": "array", "minItems": 1, "items": patch_operation }
                }),
            ),
        ),
        (
            "BulkRequest",
            message(
                urn::BULK_REQUEST,
                &["Operations"],
                json!({
                    "failOnErrors": { "type": "integer", "minimum": 1 },
                    "Operations": { "type": "array", "items": bulk_operation }
                }),
            ),
        ),
        (
            "BulkResponse",
            message(
                urn::BULK_RESPONSE,
                &["Operations"],
                json!({
                    "Operations": { "type": "array", "items": bulk_result }
                }),
            ),
        ),
        (
            "Error",
            message(
                urn::ERROR,
                &["status"],
                json!({ "status": text, "scimType": text, "detail": text }),
            ),
        ),
    ];
    for (name, schema) in messages {
        schemas.insert(name.to_owned(), schema);
    }
    Value::Object(schemas)
}

//! A resource type that is registered at run time gets everything that the built-in ones have.

use scim_server::Registry;
use serde_json::{Value, json};

use super::path_of;
use crate::harness::{Backend, TestServer, encode};
use crate::support::{BULK, SEARCH, assert_error, header, listed_ids, made, patch_op};

const DEVICE: &str = "urn:example:scim:Device";
const WARRANTY: &str = "urn:example:scim:Warranty";

const TYPES: &str = r#"{
  "schemas": [
    { "id": "urn:example:scim:Device", "name": "Device", "attributes": [
      { "name": "serial", "type": "string", "required": true, "uniqueness": "server", "caseExact": true,
        "mutability": "immutable" },
      { "name": "displayName", "type": "string" },
      { "name": "floor", "type": "integer" },
      { "name": "weight", "type": "decimal" },
      { "name": "bought", "type": "dateTime" },
      { "name": "key", "type": "binary" },
      { "name": "managed", "type": "boolean" },
      { "name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never" },
      { "name": "notes", "type": "string", "returned": "request" },
      { "name": "kind", "type": "string", "canonicalValues": ["laptop", "phone"] },
      { "name": "tags", "type": "string", "multiValued": true },
      { "name": "interfaces", "type": "complex", "multiValued": true, "subAttributes": [
        { "name": "value", "type": "string", "caseExact": true }, { "name": "type", "type": "string" },
        { "name": "primary", "type": "boolean" }] }] },
    { "id": "urn:example:scim:Warranty", "name": "Warranty", "attributes": [
      { "name": "until", "type": "dateTime" }, { "name": "vendor", "type": "string" }] }],
  "resourceTypes": [
    { "name": "Device", "endpoint": "/Devices", "description": "A machine", "schema": "urn:example:scim:Device",
      "schemaExtensions": [{ "schema": "urn:example:scim:Warranty", "required": false }] }]
}"#;

async fn servers() -> Vec<TestServer> {
    let mut servers = Vec::new();
    for backend in [Backend::Memory, Backend::Sqlite] {
        let mut registry = Registry::standard();
        registry.add_json(TYPES).unwrap();
        servers.push(TestServer::with_registry(backend, registry, |builder| builder).await);
    }
    servers
}

fn device(serial: &str) -> Value {
    json!({
        "schemas": [DEVICE, WARRANTY],
        "serial": serial,
        "externalId": format!("ext-{serial}"),
        "displayName": format!("Device {serial}"),
        "floor": serial.len(),
        "weight": 1.25,
        "bought": "2026-01-02T03:04:05Z",
        "key": "aGVsbG8=",
        "managed": false,
        "pin": "0000-1111",
        "notes": "only when asked for",
        "kind": "laptop",
        "tags": ["red", "blue"],
        "interfaces": [{ "value": "aa:bb", "type": "eth", "primary": true }, { "value": "cc:dd", "type": "wifi" }],
        WARRANTY: { "until": "2030-01-01T00:00:00Z", "vendor": "ACME" },
    })
}

#[tokio::test]
async fn create_read_replace_patch_delete() {
    for server in servers().await {
        let created = server.post("/Devices", &device("A1")).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert_eq!(created.body["schemas"], json!([DEVICE, WARRANTY]));
        assert_eq!(created.body["meta"]["resourceType"], "Device");
        assert_eq!(created.body.get("pin"), None, "never returned");
        assert_eq!(created.body["notes"], "only when asked for", "the request wrote it");
        let path = path_of(&created.body);
        let read = server.get(&path).await.body;
        assert_eq!(read.get("notes"), None, "returned on request");
        assert_eq!(
            server.get(&format!("{path}?attributes=notes,pin")).await.body["notes"],
            "only when asked for"
        );
        assert_eq!(server.get(&format!("{path}?attributes=pin")).await.body.get("pin"), None);

        assert_error(
            &server.post("/Devices", &device("A1")).await,
            409,
            &["uniqueness"],
            "the serial number",
        );
        made(&server, "/Devices", &device("a1")).await;
        let mut other = device("B2");
        let answer = server.put(&path, &other).await;
        assert_error(&answer, 400, &["mutability"], "an immutable attribute");
        other["serial"] = json!("A1");
        other["floor"] = json!(-4);
        other.as_object_mut().unwrap().remove("tags");
        let replaced = server.put(&path, &other).await;
        assert_eq!(
            (replaced.status.as_u16(), &replaced.body["floor"]),
            (200, &json!(-4)),
            "{}",
            replaced.text
        );
        assert_eq!(replaced.body.get("tags"), None);

        let message = patch_op(&json!([
            { "op": "add", "path": "tags", "value": ["green", "green"] },
            { "op": "replace", "path": "interfaces[type eq \"wifi\"].primary", "value": true },
            { "op": "replace", "path": format!("{WARRANTY}:vendor"), "value": "Emca" },
            { "op": "remove", "path": "bought" },
        ]));
        let patched = server.patch(&path, &message).await;
        assert_eq!(patched.status, 200, "{}", patched.text);
        assert_eq!(patched.body["tags"], json!(["green"]));
        let primary: Vec<bool> = patched.body["interfaces"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| i["primary"] == json!(true))
            .collect();
        assert_eq!(primary, [false, true], "one primary only");
        assert_eq!(patched.body[WARRANTY]["vendor"], "Emca");
        assert_eq!(patched.body.get("bought"), None);
        assert_eq!(header(&patched, "etag"), patched.body["meta"]["version"].as_str());
        let message = patch_op(&json!([{ "op": "replace", "path": "serial", "value": "Z" }]));
        assert_error(&server.patch(&path, &message).await, 400, &["mutability"], "immutable");

        assert_eq!(server.delete(&path).await.status, 204);
        assert_error(&server.get(&path).await, 404, &[], "gone");
        made(&server, "/Devices", &device("A1")).await;
    }
}

#[tokio::test]
async fn values_are_checked() {
    for server in servers().await {
        for (name, bad) in [
            ("serial", Value::Null),
            ("floor", json!(1.5)),
            ("floor", json!("seven")),
            ("weight", json!("heavy")),
            ("bought", json!("yesterday")),
            ("key", json!("not base64!")),
            ("managed", json!("maybe")),
            ("tags", json!([1])),
            (
                "interfaces",
                json!([{ "value": "x", "primary": true }, { "value": "y", "primary": true }]),
            ),
            (WARRANTY, json!({ "until": "soon" })),
        ] {
            let mut body = device("X");
            body[name] = bad.clone();
            let answer = server.post("/Devices", &body).await;
            assert_error(&answer, 400, &["invalidValue"], &format!("{name}: {bad}"));
        }
        assert_eq!(server.get("/Devices").await.body["totalResults"], json!(0));
    }
}

#[tokio::test]
async fn filters_sorting_paging_search_bulk() {
    for server in servers().await {
        for serial in ["A", "bb", "CCC"] {
            made(&server, "/Devices", &device(serial)).await;
        }
        let serials = |list: &Value| -> Vec<String> {
            let resources = list["Resources"].as_array().unwrap();
            resources.iter().map(|r| r["serial"].as_str().unwrap().to_owned()).collect()
        };
        for (filter, expected) in [
            ("serial eq \"BB\"", vec![]),
            ("serial eq \"bb\"", vec!["bb"]),
            ("displayName eq \"DEVICE a\"", vec!["A"]),
            ("floor ge 2", vec!["bb", "CCC"]),
            ("weight lt 1.3", vec!["A", "bb", "CCC"]),
            ("bought gt \"2026-01-02T03:04:04Z\" and floor eq 1", vec!["A"]),
            ("managed eq true", vec![]),
            ("tags eq \"RED\" and floor gt 2", vec!["CCC"]),
            ("interfaces[type eq \"eth\" and primary eq true]", vec!["A", "bb", "CCC"]),
            ("interfaces[type eq \"wifi\" and primary eq true]", vec![]),
            (
                "urn:example:scim:Warranty:vendor sw \"ac\" and not (serial eq \"A\")",
                vec!["bb", "CCC"],
            ),
            ("externalId eq \"ext-CCC\"", vec!["CCC"]),
            ("notes pr", vec!["A", "bb", "CCC"]),
        ] {
            let list = server.get(&format!("/Devices?filter={}", encode(filter))).await;
            assert_eq!(list.status, 200, "{filter}: {}", list.text);
            assert_eq!(serials(&list.body), expected, "{filter}");
            let search = json!({ "schemas": [SEARCH], "filter": filter });
            assert_eq!(server.post("/Devices/.search", &search).await.body, list.body, "{filter}");
        }
        let hidden =
            server.get(&format!("/Devices?filter={}", encode("pin eq \"0000-1111\""))).await;
        assert_error(&hidden, 400, &["invalidFilter"], "what is never returned is no oracle");
        let sorted = server.get("/Devices?sortBy=floor&sortOrder=descending").await;
        assert_eq!(serials(&sorted.body), ["CCC", "bb", "A"]);
        let first = server.get("/Devices?cursor&count=2").await.body;
        let cursor = first["nextCursor"].as_str().unwrap();
        assert_eq!(
            serials(&server.get(&format!("/Devices?cursor={cursor}&count=2")).await.body),
            ["CCC"]
        );

        let bulk = json!({ "schemas": [BULK], "Operations": [
            { "method": "POST", "path": "/Devices", "bulkId": "d", "data": device("D") },
            { "method": "PATCH", "path": "/Devices/bulkId:d",
              "data": patch_op(&json!([{ "op": "replace", "path": "floor", "value": 40 }])) },
        ] });
        let answer = server.post("/Bulk", &bulk).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.body["Operations"][1]["status"], "200", "{}", answer.text);
        let list = server.get(&format!("/Devices?filter={}", encode("floor eq 40"))).await.body;
        assert_eq!(serials(&list), ["D"]);
        let root = server.get(&format!("/?filter={}", encode("serial eq \"D\""))).await.body;
        assert_eq!(listed_ids(&root), listed_ids(&list), "the root lists it too");
    }
}

#[tokio::test]
async fn it_is_discovered() {
    for server in servers().await {
        let types = server.get("/ResourceTypes").await.body;
        assert!(listed_ids(&types).contains(&"Device"));
        let device = server.get("/ResourceTypes/Device").await.body;
        assert_eq!((&device["endpoint"], &device["schema"]), (&json!("/Devices"), &json!(DEVICE)));
        assert_eq!(device["schemaExtensions"], json!([{ "schema": WARRANTY, "required": false }]));
        let schema = server.get(&format!("/Schemas/{DEVICE}")).await.body;
        let serial = &schema["attributes"][0];
        assert_eq!(
            (&serial["name"], &serial["mutability"], &serial["uniqueness"]),
            (&json!("serial"), &json!("immutable"), &json!("server"))
        );
        let document = server.get("/openapi.json").await.body;
        assert!(document["paths"].get("/Devices/{id}").is_some(), "and in the OpenAPI document");
    }
}

//! The wire forms, whole, for a reader to see and for a change to be noticed.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::harness::{Backend, TestServer, encode};
use crate::protocol::ada;
use crate::support::{BULK, ENTERPRISE, GROUP, USER, made};

/// A server whose answers differ between runs in ids, times and versions only, and those replaced by words.
async fn server() -> TestServer {
    TestServer::with(Backend::Sqlite, |builder| builder).await
}

/// Replaces what differs between runs.
fn stable(json: &Value) -> Value {
    let mut ids: Vec<String> = Vec::new();
    collect_ids(json, &mut ids);
    let mut text = json.to_string();
    for (n, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("[id {}]", n + 1));
    }
    let mut json = serde_json::from_str(&text).unwrap();
    replace(&mut json);
    json
}

/// The ids of resources in the order in which they stand: UUIDs of version 7.
fn collect_ids(json: &Value, ids: &mut Vec<String>) {
    match json {
        Value::String(text) => {
            for part in text.split(['/', '"']) {
                let dashes: Vec<usize> = part.match_indices('-').map(|(at, _)| at).collect();
                if part.len() == 36 && dashes == [8, 13, 18, 23] && !ids.iter().any(|id| id == part)
                {
                    ids.push(part.to_owned());
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, ids)),
        Value::Object(members) => members.values().for_each(|member| collect_ids(member, ids)),
        _ => {}
    }
}

fn replace(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(replace),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                match name.as_str() {
                    "created" | "lastModified" => *value = json!("[time]"),
                    "version" => *value = json!("[version]"),
                    "nextCursor" => *value = json!("[cursor]"),
                    _ => replace(value),
                }
            }
        }
        _ => {}
    }
}

#[tokio::test]
async fn resources() {
    let server = server().await;
    let boss = made(&server, "/Users", &json!({ "schemas": [USER], "userName": "boss" })).await;
    let mut body = ada();
    body[ENTERPRISE]["manager"] = json!({ "value": boss["id"], "$ref": format!("../Users/{}", boss["id"].as_str().unwrap()) });
    let ada = made(&server, "/Users", &body).await;
    assert_json_snapshot!("user", stable(&ada));
    let inner = json!({ "schemas": [GROUP], "displayName": "Engines", "members": [{ "value": ada["id"] }] });
    let inner = made(&server, "/Groups", &inner).await;
    let outer = json!({
        "schemas": [GROUP], "displayName": "Machines", "externalId": "m-1",
        "members": [{ "value": inner["id"] }, { "value": boss["id"] }],
    });
    assert_json_snapshot!("group", stable(&made(&server, "/Groups", &outer).await));
    let shown = server
        .get(&format!("/Users/{}?attributes=userName,groups", ada["id"].as_str().unwrap()))
        .await;
    assert_json_snapshot!("user_groups", stable(&shown.body));
    let contact = json!({
        "schemas": ["urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact"], "displayName": "Carol",
        "emails": [{ "value": "carol@partner.example", "type": "work" }],
    });
    assert_json_snapshot!("contact", stable(&made(&server, "/Contacts", &contact).await));
}

#[tokio::test]
async fn lists() {
    let server = server().await;
    for name in ["a", "b", "c"] {
        made(&server, "/Users", &json!({ "schemas": [USER], "userName": name })).await;
    }
    assert_json_snapshot!(
        "list_index",
        stable(&server.get("/Users?startIndex=2&count=1").await.body)
    );
    assert_json_snapshot!("list_cursor", stable(&server.get("/Users?cursor&count=1").await.body));
    assert_json_snapshot!("list_empty", stable(&server.get("/Groups").await.body));
    assert_json_snapshot!("list_totals", stable(&server.get("/Users?count=0").await.body));
}

#[tokio::test]
async fn errors() {
    let server = server().await;
    made(&server, "/Users", &json!({ "schemas": [USER], "userName": "a" })).await;
    let filter = encode("userName zz \"x\"");
    let answers = [
        server.get(&format!("/Users?filter={filter}")).await,
        server.get("/Users/nobody").await,
        server.post("/Users", &json!({ "schemas": [USER], "userName": "A" })).await,
        server
            .post("/Users", &json!({ "schemas": [USER], "userName": "b", "active": "maybe" }))
            .await,
        server.delete("/Users").await,
        server.get("/Me").await,
        server.get("/Users?cursor=x").await,
    ];
    let bodies: Vec<&Value> = answers.iter().map(|answer| &answer.body).collect();
    assert_json_snapshot!("errors", bodies);
}

#[tokio::test]
async fn bulk() {
    let server = server().await;
    let message = json!({ "schemas": [BULK], "Operations": [
        { "method": "POST", "path": "/Users", "bulkId": "1", "data": { "schemas": [USER], "userName": "a" } },
        { "method": "POST", "path": "/Users", "bulkId": "2", "data": { "schemas": [USER], "userName": "a" } },
        { "method": "DELETE", "path": "/Users/bulkId:1" },
    ] });
    assert_json_snapshot!("bulk", stable(&server.post("/Bulk", &message).await.body));
}

#[tokio::test]
async fn discovery() {
    let server = server().await;
    assert_json_snapshot!(
        "service_provider_config",
        server.get("/ServiceProviderConfig").await.body
    );
    assert_json_snapshot!("resource_types", server.get("/ResourceTypes").await.body);
    assert_json_snapshot!("schema_group", server.get(&format!("/Schemas/{GROUP}")).await.body);
}

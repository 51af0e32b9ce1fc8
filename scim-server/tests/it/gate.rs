//! Mass assignment (THREATS A8): whatever a request says, what is read-only stays as it is.

use proptest::prelude::*;
use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::probe::{ERROR, USER, bulk, group, patch, user};

/// What a client may never set, with the spellings that resolve to it.
const READ_ONLY: [&str; 22] = [
    "id",
    "ID",
    "Id",
    "meta",
    "META",
    "meta.created",
    "meta.lastModified",
    "meta.location",
    "meta.version",
    "meta.resourceType",
    "groups",
    "GROUPS",
    "groups.value",
    "groups[value eq \"x\"]",
    "groups[type eq \"direct\"].value",
    "urn:ietf:params:scim:schemas:core:2.0:User:id",
    "urn:ietf:params:scim:schemas:core:2.0:User:groups",
    "urn:ietf:params:scim:schemas:core:2.0:User:meta",
    "urn:ietf:params:scim:schemas:core:2.0:User:meta.version",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName",
    "schemas.id",
    "meta.nope",
];

fn value() -> impl Strategy<Value = Value> {
    let group = json!([{ "value": "GROUP", "display": "admins", "type": "direct" }]);
    prop_oneof![
        Just(json!("00000000-0000-7000-8000-000000000001")),
        Just(
            json!({ "created": "2000-01-01T00:00:00Z", "version": "W/\"99\"", "location": "https://evil.example", "resourceType": "Group" })
        ),
        Just(group),
        Just(json!("W/\"99\"")),
        Just(json!(null)),
        Just(json!([])),
        Just(json!("2000-01-01T00:00:00Z")),
    ]
}

#[derive(Debug, Clone)]
enum Attempt {
    Put(Vec<(String, Value)>),
    Patch(Vec<Value>),
    BulkPut(Vec<(String, Value)>),
    BulkPatch(Vec<Value>),
    Create(Vec<(String, Value)>),
}

fn operation() -> impl Strategy<Value = Value> {
    let path = prop::sample::select(READ_ONLY.to_vec());
    let op = prop::sample::select(vec!["add", "replace", "remove", "Add", "REPLACE"]);
    prop_oneof![
        (op.clone(), path.clone(), value()).prop_map(|(op, path, value)| json!({ "op": op, "path": path, "value": value })),
        (op.clone(), path.clone(), value()).prop_map(|(op, path, value)| json!({ "op": op, "value": { path: value } })),
        (op.clone(), path, value()).prop_map(|(op, path, value)| json!({ "Op": op, "Path": path, "Value": value })),
        (op, value()).prop_map(|(op, value)| json!({ "op": op, "value": {
            "urn:ietf:params:scim:schemas:core:2.0:User": { "id": value, "groups": value }, "nickName": "eve",
        } })),
    ]
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let members = || {
        let name = prop::sample::select(READ_ONLY.to_vec()).prop_map(str::to_owned);
        prop::collection::vec((name, value()), 1..4)
    };
    let operations = || prop::collection::vec(operation(), 1..4);
    prop_oneof![
        members().prop_map(Attempt::Put),
        operations().prop_map(Attempt::Patch),
        members().prop_map(Attempt::BulkPut),
        operations().prop_map(Attempt::BulkPatch),
        members().prop_map(Attempt::Create),
    ]
}

/// What the server alone decides, of a user's representation. The version may move and the time with it.
fn own(body: &Value) -> Value {
    json!([
        body["id"],
        body["groups"],
        body["meta"]["created"],
        body["meta"]["location"],
        body["meta"]["resourceType"]
    ])
}

fn with(members: &[(String, Value)], name: &str) -> Value {
    let mut body = user(name);
    for (name, value) in members {
        body[name] = value.clone();
    }
    body
}

#[test]
fn read_only_attributes_stay_whatever_is_sent() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for profile in [Profile::default(), Profile::strict()] {
        let (server, id, admins) = runtime.block_on(async {
            let server = TestServer::new(profile).await;
            let id = server.post("/Users", &user("ada@example.org")).await.id();
            assert_eq!(server.post("/Groups", &group("own", &[&id])).await.status, 201);
            let admins = server.post("/Groups", &group("admins", &[])).await.id();
            (server, id, admins)
        });
        let path = format!("/Users/{id}");
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
            cases: 200,
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let outcome = runner.run(&attempt(), |attempt| {
            runtime.block_on(async {
                let before = server.get(&path).await;
                let real = |value: Value| -> Value {
                    serde_json::from_str(&value.to_string().replace("GROUP", &admins)).unwrap()
                };
                let answer = match &attempt {
                    Attempt::Put(members) => {
                        server.put(&path, &real(with(members, "ada@example.org"))).await
                    }
                    Attempt::Patch(operations) => {
                        server.patch(&path, &real(patch(operations))).await
                    }
                    Attempt::BulkPut(members) => {
                        let data = with(members, "ada@example.org");
                        let operation = json!({ "method": "PUT", "path": path, "data": data });
                        server.post("/Bulk", &real(bulk(&[operation]))).await
                    }
                    Attempt::BulkPatch(operations) => {
                        let operation =
                            json!({ "method": "PATCH", "path": path, "data": patch(operations) });
                        server.post("/Bulk", &real(bulk(&[operation]))).await
                    }
                    Attempt::Create(members) => {
                        server.post("/Users", &real(with(members, "eve@example.org"))).await
                    }
                };
                let status = answer.status.as_u16();
                assert!(status < 500, "{attempt:?}: {answer:?}");
                if status >= 400 {
                    assert_eq!(answer.body["schemas"], json!([ERROR]), "{answer:?}");
                }
                let after = server.get(&path).await;
                assert_eq!(own(&before.body), own(&after.body), "{attempt:?}: {answer:?}");
                assert_eq!(after.body["userName"], "ada@example.org");
                let admins = server.get(&format!("/Groups/{admins}")).await;
                assert!(
                    admins.body.get("members").is_none(),
                    "{attempt:?} joined a group through the user"
                );
                if status == 201 {
                    let made = &answer.body;
                    assert_ne!(made["id"], "00000000-0000-7000-8000-000000000001");
                    assert!(made.get("groups").is_none(), "{attempt:?}: {answer:?}");
                    assert!(
                        made["meta"]["created"].as_str().unwrap() > "2026",
                        "{attempt:?}: {answer:?}"
                    );
                    assert!(!answer.text.contains("evil"), "{answer:?}");
                    assert_eq!(server.delete(&format!("/Users/{}", answer.id())).await.status, 204);
                }
            });
            Ok(())
        });
        outcome.unwrap();
    }
}

/// THREATS A1 and A2: neither `externalId` nor `userName` is ever taken for an id, and creating never adopts.
#[tokio::test]
async fn identifiers_of_clients_never_become_ours() {
    let server = TestServer::new(Profile::default()).await;
    let victim = server.post("/Users", &user("victim@example.org")).await;
    let id = victim.id();
    for body in [
        json!({ "schemas": [USER], "userName": "a", "externalId": id }),
        json!({ "schemas": [USER], "userName": "b", "externalId": "1" }),
        json!({ "schemas": [USER], "userName": id }),
        json!({ "schemas": [USER], "userName": "d", "id": id }),
        json!({ "schemas": [USER], "userName": "e", "ID": id, "emails": [{ "value": "victim@example.org" }] }),
    ] {
        let made = server.post("/Users", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert_ne!(made.id(), id);
        for name in [body["userName"].as_str().unwrap(), "1", "victim@example.org"] {
            if name != id {
                assert_eq!(
                    server.get(&format!("/Users/{name}")).await.status,
                    404,
                    "{name} is no id"
                );
            }
        }
    }
    for name in [
        "victim@example.org",
        "VICTIM@EXAMPLE.ORG",
        "Victim@example.org",
        "\u{ff56}ictim@example.org",
    ] {
        let answer = server.post("/Users", &user(name)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.scim_type()),
            (409, Some("uniqueness")),
            "{name}: {answer:?}"
        );
        let eve = server.post("/Users", &user("eve@example.org")).await.id();
        let path = format!("/Users/{eve}");
        for operation in [
            json!({ "op": "replace", "path": "userName", "value": name }),
            json!({ "op": "replace", "value": { "userName": name } }),
        ] {
            assert_eq!(server.patch(&path, &patch(&[operation])).await.status, 409, "{name}");
        }
        assert_eq!(server.put(&path, &user(name)).await.status, 409, "{name}");
        assert_eq!(server.delete(&path).await.status, 204);
    }
    assert_eq!(server.get(&format!("/Users/{id}")).await.body, victim.body);
}

//! Where a manager leads: the server says it when the client does not.

use axum::http::StatusCode;
use scim_core::Profile;
use serde_json::{Value, json};

use crate::harness::{Backend, TestServer};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const CONTACT: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn user(name: &str, manager: &Value) -> Value {
    json!({"schemas": [USER, ENTERPRISE], "userName": name, "active": true, ENTERPRISE: {"manager": manager}})
}

fn patch(path: &str, value: &Value) -> Value {
    let operation =
        json!({"op": "replace", "path": format!("{ENTERPRISE}:{path}"), "value": value});
    json!({"schemas": [PATCH], "Operations": [operation]})
}

/// The end of what `manager.$ref` says, which is an absolute URL.
fn leads_to(body: &Value) -> Option<String> {
    let reference = body[ENTERPRISE]["manager"].get("$ref")?.as_str().unwrap();
    assert!(reference.starts_with("https://"), "{reference}");
    Some(reference.rsplit('/').take(2).collect::<Vec<_>>().join("<"))
}

async fn on(backend: Backend) {
    let server = TestServer::with(backend, |builder| builder.profile(Profile::strict())).await;
    let made = |name: &'static str| {
        let server = &server;
        async move {
            let body = json!({"schemas": [USER], "userName": name});
            server.post("/Users", &body).await.id()
        }
    };
    let (ada, mary) = (made("ada").await, made("mary").await);
    let to = |id: &str| Some(format!("{id}<Users"));

    let charles = server.post("/Users", &user("charles", &json!({"value": ada}))).await;
    assert_eq!(leads_to(&charles.body), to(&ada));
    let path = format!("/Users/{}", charles.id());
    assert_eq!(leads_to(&server.get(&path).await.body), to(&ada));

    // The same again, with and without it, is no change.
    for manager in [json!({"value": ada}), charles.body[ENTERPRISE]["manager"].clone()] {
        let same = server.put(&path, &user("charles", &manager)).await;
        assert_eq!(same.body["meta"]["version"], charles.body["meta"]["version"]);
        assert_eq!(leads_to(&same.body), to(&ada));
    }

    // Another value leaves the old reference nowhere.
    let changed = server.put(&path, &user("charles", &json!({"value": mary}))).await;
    assert_eq!(leads_to(&changed.body), to(&mary));
    let changed = server.patch(&path, &patch("manager.value", &json!(ada))).await;
    assert_eq!((changed.status, leads_to(&changed.body)), (StatusCode::OK, to(&ada)));
    let changed = server.patch(&path, &patch("manager", &json!({"value": mary}))).await;
    assert_eq!(leads_to(&changed.body), to(&mary));

    // Nobody is taken, and leads nowhere; nor does it become a reference to who was there before.
    let changed = server.patch(&path, &patch("manager.value", &json!("nobody"))).await;
    assert_eq!((changed.status, leads_to(&changed.body)), (StatusCode::OK, None));
    assert_eq!(changed.body[ENTERPRISE]["manager"]["value"], "nobody");
    let nobody = server.post("/Users", &user("grace", &json!({"value": "no/id"}))).await;
    assert_eq!((nobody.status, leads_to(&nobody.body)), (StatusCode::CREATED, None));

    // What the client says counts.
    let own = json!({"value": mary, "$ref": "https://other.example/Users/7"});
    let owned = server.put(&path, &user("charles", &own)).await;
    assert_eq!(leads_to(&owned.body), Some("7<Users".to_owned()));
    let kept = server.put(&path, &user("charles", &json!({"value": mary}))).await;
    assert_eq!(leads_to(&kept.body), Some("7<Users".to_owned()));

    let contact = json!({"schemas": [CONTACT], "displayName": "C", "manager": {"value": ada}});
    let contact = server.post("/Contacts", &contact).await;
    let reference = contact.body["manager"]["$ref"].as_str().unwrap();
    assert!(reference.ends_with(&format!("/Users/{ada}")), "{reference}");
    let filter = crate::harness::encode(&format!("{ENTERPRISE}:manager.$ref eq \"/Users/{ada}\""));
    let found = server.get(&format!("/Users?filter={filter}")).await;
    assert_eq!(found.body["totalResults"], 0);
}

#[tokio::test]
async fn a_manager_leads_somewhere_in_memory() {
    on(Backend::Memory).await;
}

#[tokio::test]
async fn a_manager_leads_somewhere_on_disk() {
    on(Backend::Sqlite).await;
}

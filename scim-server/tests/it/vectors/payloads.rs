//! `schema.json`: what POST accepts, and what `/Schemas` says.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use crate::harness::TestServer;
use crate::support::{assert_error, comparable, fixture, profiles};

#[tokio::test]
async fn payloads() {
    let vectors = fixture("vectors/schema.json");
    let (mut ran, mut created) = (0, 0);
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        for case in vectors["payloads"].as_array().unwrap() {
            let at = format!("{} in {name}", case["id"]);
            let endpoint = match case["resourceType"].as_str().unwrap() {
                "Group" => "/Groups",
                _ => "/Users",
            };
            let bytes = match case["raw"].as_str() {
                // Bytes, written as the characters of Latin-1.
                Some(raw) => raw.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
                None => case["resource"].to_string().into_bytes(),
            };
            let request = Request::post(format!("/scim/v2{endpoint}"))
                .header("authorization", format!("Bearer {}", server.token))
                .header("content-type", "application/scim+json");
            let answer = server.raw(request.body(Body::from(bytes)).unwrap()).await;
            ran += 1;
            if accepts(case, name) {
                assert_eq!(answer.status, 201, "{at}: {}", answer.text);
                check(&answer.body, &case["check"], &at);
                let path = format!("{endpoint}/{}", answer.id());
                assert_eq!(server.get(&path).await.body, answer.body, "{at}");
                assert_eq!(server.delete(&path).await.status, 204, "{at}");
                created += 1;
            } else {
                let types = &case["expect"]["scimType"];
                let types: Vec<&str> = match types.as_array() {
                    Some(types) => types.iter().map(|t| t.as_str().unwrap()).collect(),
                    None => vec!["invalidValue"],
                };
                assert_error(&answer, 400, &types, &at);
                let left = server.get(&format!("{endpoint}?count=0")).await;
                assert_eq!(left.body["totalResults"], json!(0), "{at}: something was created");
            }
        }
    }
    println!("{ran} payloads, {created} created");
    assert_eq!((ran, created), (70, 35));
}

/// Whether a payload creates something. `rfc/PROFILES.md` decides the two rows that the RFC leaves open.
fn accepts(case: &Value, profile: &str) -> bool {
    match case["id"].as_str().unwrap() {
        // One object for a list: the tolerance wrap-object.
        "C028" => profile == "default",
        // Two primary addresses.
        "C041" => false,
        _ => case["expect"]["status"] == json!(201),
    }
}

fn check(resource: &Value, expected: &Value, at: &str) {
    for (name, expected) in expected.as_object().into_iter().flatten() {
        let found = resource.get(name);
        if let Some(not) = expected.get("not") {
            assert_ne!(found, Some(not), "{at}: {name}");
        } else if expected.get("absent").is_some() {
            assert_eq!(found, None, "{at}: {name}");
        } else {
            let one = |value: Option<&Value>| comparable(&json!({ "x": value }));
            assert_eq!(one(found), one(Some(expected)), "{at}: {name}");
        }
    }
}

#[tokio::test]
async fn attributes() {
    let vectors = fixture("vectors/schema.json");
    let server = TestServer::new(scim_server::Profile::default()).await;
    let mut facts = 0;
    for case in vectors["attributes"].as_array().unwrap() {
        let schema = case["schema"].as_str().unwrap();
        let answer = server.get(&format!("/Schemas/{schema}")).await;
        assert_eq!(answer.status, 200, "{schema}");
        let mut attribute = &answer.body;
        let mut list = "attributes";
        for name in case["attribute"].as_str().unwrap().split('.') {
            let children = attribute[list].as_array().unwrap();
            attribute = children
                .iter()
                .find(|child| child["name"] == name)
                .unwrap_or_else(|| panic!("{}: no {name}", case["id"]));
            list = "subAttributes";
        }
        for (name, expected) in case["facts"].as_object().unwrap() {
            assert_eq!(&attribute[name], expected, "{}: {name} of {attribute}", case["id"]);
            facts += 1;
        }
    }
    println!("{facts} facts of {} attributes", vectors["attributes"].as_array().unwrap().len());
    assert_eq!(facts, 187);
}

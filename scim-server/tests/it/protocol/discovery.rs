//! What the server says about itself (RFC 7644 section 4).

use http::{Method, Request};
use serde_json::{Value, json};

use super::servers;
use crate::harness::{Answer, Backend, TestServer};
use crate::support::{BASE, ENTERPRISE, GROUP, LIST, USER, assert_error, listed_ids};

#[tokio::test]
async fn lists_and_items_agree() {
    for server in servers().await {
        for (path, expected) in [
            (
                "/Schemas",
                vec![
                    USER,
                    GROUP,
                    ENTERPRISE,
                    "urn:ietf:params:scim:schemas:core:2.0:Schema",
                    "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
                    "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
                ],
            ),
            ("/ResourceTypes", vec!["User", "Group", "Contact"]),
        ] {
            let list = server.get(path).await;
            assert_eq!((list.status.as_u16(), &list.body["schemas"]), (200, &json!([LIST])));
            let ids = listed_ids(&list.body);
            for id in expected {
                assert!(ids.contains(&id), "{path}: {id}");
            }
            assert_eq!(list.body["totalResults"], json!(ids.len()));
            assert_eq!(list.body["startIndex"], json!(1));
            for resource in list.body["Resources"].as_array().unwrap() {
                let location = resource["meta"]["location"].as_str().unwrap();
                let item = server.get(location.strip_prefix(BASE).unwrap()).await;
                assert_eq!(item.body, *resource, "{location}");
                assert!(resource["schemas"].as_array().is_some_and(|s| s.len() == 1), "{location}");
            }
            // Paging and sorting are ignored, a filter is refused.
            let paged = server.get(&format!("{path}?startIndex=2&count=1&sortBy=name")).await;
            assert_eq!(paged.body, list.body, "{path}");
            assert_error(&server.get(&format!("{path}?filter=name%20pr")).await, 403, &[], path);
        }
        let encoded =
            server.get("/Schemas/urn%3Aietf%3Aparams%3Ascim%3Aschemas%3Acore%3A2.0%3AUser").await;
        assert_eq!(encoded.body["id"], USER);
        let user = server.get("/ResourceTypes/User").await.body;
        assert_eq!(user["endpoint"], "/Users");
        assert!(
            user["schemaExtensions"]
                .as_array()
                .unwrap()
                .contains(&json!({ "schema": ENTERPRISE, "required": false }))
        );
    }
}

/// What the configuration promises is what is done.
#[tokio::test]
async fn the_configuration_is_what_is_enforced() {
    let server = TestServer::with(Backend::Memory, |builder| {
        builder.page_sizes(7, 9).cursor_seconds(60).limits(scim_core::Limits {
            bulk_operations: 2,
            payload_bytes: 2_000,
            ..scim_core::Limits::default()
        })
    })
    .await;
    let config = server.get("/ServiceProviderConfig").await.body;
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert_eq!(config[feature]["supported"], json!(true), "{feature}");
    }
    assert_eq!(config["bulk"]["maxOperations"], json!(2));
    assert_eq!(config["bulk"]["maxPayloadSize"], json!(2_000));
    assert_eq!(config["filter"]["maxResults"], json!(9));
    let pagination = &config["pagination"];
    assert_eq!((&pagination["cursor"], &pagination["index"]), (&json!(true), &json!(true)));
    assert_eq!(pagination["cursorTimeout"], json!(60));
    let primary: Vec<&Value> = config["authenticationSchemes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|scheme| scheme["primary"] == json!(true))
        .collect();
    assert_eq!(primary.len(), 1, "{config}");
    let delete = json!({ "method": "DELETE", "path": "/Users/x" });
    let three =
        json!({ "schemas": [crate::support::BULK], "Operations": [delete, delete, delete] });
    let answer = server.post("/Bulk", &three).await;
    assert_error(&answer, 413, &[], "three operations");
    assert!(
        answer.body["detail"].as_str().unwrap().contains('2'),
        "names the limit: {}",
        answer.text
    );
    assert_eq!(server.get("/ServiceProviderConfigs").await.body, config, "the old plural");
}

async fn anonymous(server: &TestServer, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(format!("/scim/v2{path}"));
    server.raw(request.body(axum::body::Body::empty()).unwrap()).await
}

#[tokio::test]
async fn discovery_is_closed_unless_opened() {
    const PATHS: [&str; 5] = [
        "/ServiceProviderConfig",
        "/ResourceTypes",
        "/ResourceTypes/User",
        "/Schemas",
        "/Schemas/urn:ietf:params:scim:schemas:core:2.0:User",
    ];
    let closed = TestServer::with(Backend::Memory, |builder| builder).await;
    let open = TestServer::with(Backend::Memory, |builder| builder.open_discovery(true)).await;
    for path in PATHS {
        assert_error(&anonymous(&closed, Method::GET, path).await, 401, &[], path);
        let answer = anonymous(&open, Method::GET, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        assert_eq!(answer.body, open.get(path).await.body, "{path}: the same with a token");
        assert_error(
            &anonymous(&open, Method::GET, &format!("{path}?filter=id%20pr")).await,
            403,
            &[],
            path,
        );
    }
    for path in ["/Users", "/", "/Users/x", "/Me", "/openapi.json", "/Nope", "/Schemas/urn:nope/x"]
    {
        assert_error(&anonymous(&open, Method::GET, path).await, 401, &[], path);
    }
    for (method, path) in
        [(Method::POST, "/Users"), (Method::POST, "/Bulk"), (Method::POST, "/.search")]
    {
        assert_error(&anonymous(&open, method, path).await, 401, &[], path);
    }
}

#[tokio::test]
async fn the_openapi_document_is_served() {
    for server in servers().await {
        let answer = server.get("/openapi.json").await;
        assert_eq!(answer.status, 200);
        assert!(answer.body["openapi"].as_str().is_some_and(|v| v.starts_with("3.1")));
        for path in ["/Users", "/Users/{id}", "/Groups/.search", "/Bulk", "/Me", "/Contacts"] {
            assert!(answer.body["paths"].get(path).is_some(), "{path}");
        }
    }
}

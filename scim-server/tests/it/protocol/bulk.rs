//! Bulk requests (RFC 7644 section 3.7).

use std::time::Instant;

use serde_json::{Value, json};

use super::{path_of, servers};
use crate::harness::{Backend, TestServer};
use crate::support::{
    BASE, BULK, GROUP, USER, assert_error, group, made, member_ids, patch_op, user,
};

const BULK_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";

fn bulk(operations: &Value) -> Value {
    json!({ "schemas": [BULK], "Operations": operations })
}

fn statuses(answer: &Value) -> Vec<&str> {
    assert_eq!(answer["schemas"], json!([BULK_RESPONSE]), "{answer}");
    answer["Operations"].as_array().unwrap().iter().map(|o| o["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn references_in_any_direction() {
    for server in servers().await {
        let operations = json!([
            { "method": "POST", "path": "/Groups", "bulkId": "team", "data": {
                "schemas": [GROUP], "displayName": "Team",
                "members": [{ "value": "bulkId:ada" }, { "value": "bulkId:sub" }] } },
            { "method": "POST", "path": "/Users", "bulkId": "ada", "data": { "schemas": [USER], "userName": "ada" } },
            { "method": "POST", "path": "/Groups", "bulkId": "sub", "data": {
                "schemas": [GROUP], "displayName": "Sub", "members": [{ "value": "bulkId:ada" }] } },
            { "method": "PATCH", "path": "/Users/bulkId:ada", "data": patch_op(&json!([
                { "op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
                  "value": { "value": "bulkId:ada" } }])) },
        ]);
        let answer = server.post("/Bulk", &bulk(&operations)).await;
        assert_eq!(
            (answer.status.as_u16(), statuses(&answer.body)),
            (200, vec!["201", "201", "201", "200"])
        );
        let results = answer.body["Operations"].as_array().unwrap();
        let path = |i: usize| results[i]["location"].as_str().unwrap().strip_prefix(BASE).unwrap();
        let ids: Vec<&str> = (0..3).map(|i| path(i).rsplit('/').next().unwrap()).collect();
        let mut expected = vec![ids[1], ids[2]];
        expected.sort_unstable();
        assert_eq!(member_ids(&server.get(path(0)).await.body), expected);
        let ada = server.get(path(1)).await.body;
        assert_eq!(ada[crate::support::ENTERPRISE]["manager"]["value"], ids[1], "her own manager");
        for (i, result) in results.iter().enumerate() {
            assert_eq!(result["method"], operations[i]["method"]);
            assert_eq!(result.get("bulkId"), operations[i].get("bulkId"));
            let read = server.get(path(i)).await.body;
            let version = read["meta"]["version"].as_str().unwrap();
            assert!(result["version"].as_str().unwrap().starts_with("W/\""), "{result}");
            // Ada was changed again by the last operation.
            if path(i).starts_with("/Groups") {
                assert_eq!(result["version"], version, "{i}");
            }
        }
    }
}

#[tokio::test]
async fn failures_stay_with_their_operation() {
    for server in servers().await {
        let ada = made(&server, "/Users", &json!({ "schemas": [USER], "userName": "ada" })).await;
        let operations = json!([
            { "method": "POST", "path": "/Users", "bulkId": "1", "data": { "schemas": [USER], "userName": "ADA" } },
            { "method": "POST", "path": "/Groups", "bulkId": "2", "data": {
                "schemas": [GROUP], "displayName": "needs 1", "members": [{ "value": "bulkId:1" }] } },
            { "method": "PUT", "path": "/Users/nobody", "data": { "schemas": [USER], "userName": "x" } },
            { "method": "DELETE", "path": path_of(&ada), "version": "W/\"999\"" },
            { "method": "POST", "path": "/Nope", "bulkId": "3", "data": {} },
            { "method": "GET", "path": "/Users" },
            { "method": "POST", "path": "/Users", "data": { "schemas": [USER], "userName": "no bulkId" } },
            { "method": "PATCH", "path": path_of(&ada), "data": patch_op(&json!([{ "op": "remove", "path": "userName" }])) },
            { "method": "POST", "path": "/Users", "bulkId": "4", "data": { "schemas": [USER], "userName": "grace" } },
        ]);
        let answer = server.post("/Bulk", &bulk(&operations)).await;
        let found = statuses(&answer.body);
        assert_eq!(found[0], "409");
        assert!(
            matches!(found[1], "400" | "409"),
            "what it refers to does not exist: {}",
            answer.text
        );
        assert_eq!(
            found[2..],
            ["404", "412", "404", "400", "400", "400", "201"],
            "{}",
            answer.text
        );
        for (i, result) in answer.body["Operations"].as_array().unwrap().iter().enumerate() {
            if found[i] == "201" {
                assert_eq!(result.get("response"), None);
                continue;
            }
            let error = &result["response"];
            assert_eq!(error["schemas"], json!([crate::support::ERROR]), "{result}");
            assert_eq!(error["status"], found[i], "{result}");
            assert!(error["detail"].as_str().is_some_and(|d| !d.is_empty()), "{result}");
        }
        assert_eq!(server.get(&path_of(&ada)).await.body, ada, "nothing happened to her");
        assert_eq!(server.get("/Users").await.body["totalResults"], json!(2));
        assert_eq!(server.get("/Groups").await.body["totalResults"], json!(0));
    }
}

#[tokio::test]
async fn stops_after_the_errors_it_was_told() {
    for server in servers().await {
        let bad = json!({ "method": "DELETE", "path": "/Users/nobody" });
        let good = |n: usize| {
            json!({ "method": "POST", "path": "/Users", "bulkId": n.to_string(),
                    "data": { "schemas": [USER], "userName": format!("u{n}") } })
        };
        let mut message = bulk(&json!([good(1), bad, good(2), bad, good(3)]));
        message["failOnErrors"] = json!(2);
        let answer = server.post("/Bulk", &message).await;
        assert_eq!(statuses(&answer.body), ["201", "404", "201", "404"]);
        assert_eq!(
            server.get("/Users").await.body["totalResults"],
            json!(2),
            "what was done stays"
        );
        for wrong in [json!(0), json!(-1), json!("1"), json!(1.5)] {
            message["failOnErrors"] = wrong.clone();
            let answer = server.post("/Bulk", &message).await;
            assert_error(&answer, 400, &["invalidValue"], &wrong.to_string());
        }
        for wrong in [
            json!({ "schemas": [BULK] }),
            bulk(&json!([])),
            bulk(&json!({})),
            bulk(&json!(["x"])),
            json!({ "schemas": [USER], "Operations": [bad] }),
        ] {
            let answer = server.post("/Bulk", &wrong).await;
            assert_error(&answer, 400, &["invalidSyntax", "invalidValue"], &wrong.to_string());
        }
    }
}

#[tokio::test]
async fn deletes_and_changes_what_is_there() {
    for server in servers().await {
        let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
        let team = group(&server, "team", &[&ada, &bob]).await;
        let answer = server.post("/Bulk", &bulk(&json!([
            { "method": "PATCH", "path": format!("/Groups/{team}"), "data": patch_op(&json!([
                { "op": "remove", "path": format!("members[value eq \"{ada}\"]") }])) },
            { "method": "DELETE", "path": format!("/Users/{bob}") },
            { "method": "PUT", "path": format!("/Users/{ada}"), "data": { "schemas": [USER], "userName": "ada2" } },
        ]))).await;
        assert_eq!(statuses(&answer.body), ["204", "204", "200"], "{}", answer.text);
        assert_eq!(answer.body["Operations"][1]["location"], json!(format!("{BASE}/Users/{bob}")));
        assert_eq!(member_ids(&server.get(&format!("/Groups/{team}")).await.body), [""; 0]);
        assert_eq!(server.get(&format!("/Users/{ada}")).await.body["userName"], "ada2");
    }
}

/// Hashing is the only slow part of these operations: done one after the other between the writes, the first user would
/// be there after an eighth of the time, and a deadline would find the job half done.
#[tokio::test(flavor = "multi_thread")]
async fn passwords_are_hashed_before_the_first_write() {
    let server = TestServer::with(Backend::Memory, |builder| builder).await;
    let mut operations: Vec<Value> = (0..7)
        .map(|n| {
            let user = json!({
                "schemas": [USER], "userName": format!("u{n}"), "password": format!("secret {n}") });
            json!({ "method": "POST", "path": "/Users", "bulkId": format!("{n}"), "data": user })
        })
        .collect();
    operations
        .push(json!({ "method": "PATCH", "path": "/Users/bulkId:6", "data": patch_op(&json!([
        { "op": "replace", "path": "password", "value": "another secret" }])) }));
    let message = bulk(&json!(operations));
    let request = server.post("/Bulk", &message);
    let (started, mut first) = (Instant::now(), None);
    let watch = async {
        while first.is_none() {
            tokio::task::yield_now().await;
            let list = server.get("/Users?count=0").await;
            first = (list.body["totalResults"] != json!(0)).then(|| started.elapsed());
        }
        first.unwrap_or_default()
    };
    let (answer, first) = tokio::join!(request, watch);
    let all = started.elapsed();
    assert!(
        answer.body["Operations"]
            .as_array()
            .unwrap()
            .iter()
            .all(|o| { o["status"] == "201" || o["status"] == "200" }),
        "{}",
        answer.text
    );
    assert!(first > all / 2, "the first user was there after {first:?} of {all:?}");
}

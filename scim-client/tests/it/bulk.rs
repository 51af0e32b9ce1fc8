//! Bulk against targets that have none, take less than they say, or lose answers.

use scim_client::request::BulkBuilder;
use scim_client::scim_core::{self, Patch, User};
use scim_client::testing::ScriptedTransport;
use scim_client::{Client, Fate, TransportErrorKind};
use serde_json::{Value, json};

use crate::help::scripted;

/// A client of a target that announces bulk with these limits.
pub(crate) fn target(operations: u64, bytes: u64) -> (Client, ScriptedTransport) {
    let (client, script) = scripted();
    script.json(
        200,
        &json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": { "supported": true },
            "bulk": { "supported": true, "maxOperations": operations, "maxPayloadSize": bytes },
        }),
    );
    (client, script)
}

pub(crate) fn users(client: &Client, names: &[&str]) -> BulkBuilder {
    let mut bulk = client.bulk();
    for name in names {
        bulk.create(&User::new(*name));
    }
    bulk
}

/// Then answers a batch with these statuses.
pub(crate) fn batch(script: &ScriptedTransport, statuses: &'static [&'static str]) {
    script.respond(move |request| {
        let request = request.json();
        let operations = request["Operations"].as_array().unwrap().iter();
        let results: Vec<Value> = operations
            .zip(statuses)
            .map(|(operation, status)| {
                let path = match operation["bulkId"].as_str() {
                    Some(bulk_id) => format!("/Users/id-of-{bulk_id}"),
                    None => operation["path"].as_str().unwrap().to_owned(),
                };
                json!({ "method": operation["method"], "bulkId": operation["bulkId"], "status": status,
                        "location": format!("https://scim.example/v2{path}") })
            })
            .collect();
        let urn = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
        let body = json!({ "schemas": [urn], "Operations": results }).to_string();
        Ok(http::Response::new(body.into()))
    });
}

/// What was asked, without the configuration: method, path, and how many operations.
pub(crate) fn asked(script: &ScriptedTransport) -> Vec<String> {
    let shown = script.requests().into_iter().skip(1).map(|request| {
        let operations = request.json()["Operations"].as_array().map_or(0, Vec::len);
        format!("{} {} {operations}", request.method, request.uri.path().trim_start_matches("/v2"))
    });
    shown.collect()
}

#[tokio::test]
async fn without_bulk_they_go_one_by_one() {
    for status in [403, 405, 501] {
        let (client, script) = target(10, 100_000);
        script.text(status, &[], "");
        for name in ["ada", "bob"] {
            script.json(201, &json!({ "id": format!("7-{name}"), "userName": name }));
        }
        let report = users(&client, &["ada", "bob"]).await.unwrap();
        assert!(report.is_done(), "{report}");
        let ids: Vec<_> = report.outcomes().iter().map(|o| o.id.as_deref().unwrap()).collect();
        assert_eq!(ids, ["7-ada", "7-bob"]);
        assert_eq!(asked(&script), ["POST /Bulk 2", "POST /Users 0", "POST /Users 0"]);
    }
}

#[tokio::test]
async fn batches_keep_within_operations_and_bytes() {
    let (client, script) = target(2, 100_000);
    batch(&script, &["201", "201"]);
    batch(&script, &["201"]);
    assert!(users(&client, &["a", "b", "c"]).await.unwrap().is_done());
    assert_eq!(asked(&script), ["POST /Bulk 2", "POST /Bulk 1"]);

    let (client, script) = target(100, 700);
    batch(&script, &["201", "201", "201", "201", "201", "201"]);
    batch(&script, &["201", "201", "201", "201", "201", "201"]);
    batch(&script, &["201", "201", "201", "201", "201", "201"]);
    assert!(users(&client, &["a", "b", "c", "d", "e", "f"]).await.unwrap().is_done());
    let sizes: Vec<usize> = script.requests().iter().map(|request| request.body.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 700) && sizes.len() < 5, "{sizes:?}");
}

#[tokio::test]
async fn too_large_is_halved() {
    let (client, script) = target(4, 100_000);
    script.error(413, None, "too large");
    batch(&script, &["201", "201"]);
    batch(&script, &["201", "201"]);
    assert!(users(&client, &["a", "b", "c", "d"]).await.unwrap().is_done());
    assert_eq!(asked(&script), ["POST /Bulk 4", "POST /Bulk 2", "POST /Bulk 2"]);
}

#[tokio::test]
async fn a_refused_batch_goes_one_by_one() {
    let (client, script) = target(4, 100_000);
    script.error(400, Some("invalidValue"), "the second is bad");
    script.json(201, &json!({ "id": "1", "userName": "a" }));
    script.error(400, Some("invalidValue"), "this one");
    let report = users(&client, &["a", "b"]).await.unwrap();
    assert!(report.outcomes()[0].is_done());
    assert_eq!(report.outcomes()[1].error().unwrap().scim_type(), Some("invalidValue"), "{report}");
}

#[tokio::test]
async fn each_refusal_belongs_to_its_operation() {
    let (client, script) = target(4, 100_000);
    batch(&script, &["201", "409", "201"]);
    let report = users(&client, &["a", "b", "c"]).await.unwrap();
    let failed: Vec<&str> = report.failures().map(|outcome| outcome.bulk_id.as_str()).collect();
    assert_eq!(failed, ["op1"], "{report}");
    assert!(report.outcomes()[1].error().unwrap().is_uniqueness());
    assert_eq!(report.outcomes()[2].id.as_deref(), Some("id-of-op2"));
}

#[tokio::test]
async fn after_a_lost_answer_what_is_there_is_not_sent_again() {
    let (client, script) = target(4, 100_000);
    let list = |rows: Value| {
        let urn = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
        json!({ "schemas": [urn], "totalResults": rows.as_array().unwrap().len(), "Resources": rows })
    };
    script.fail(TransportErrorKind::Lost);
    script.json(200, &list(json!([{ "id": "7", "userName": "a" }])));
    script.json(200, &list(json!([])));
    batch(&script, &["201"]);
    let mut bulk = users(&client, &["a", "b"]);
    let value = scim_core::Value::from(["x"]);
    bulk.patch::<User>("9", &Patch::new().add("schemas".parse().unwrap(), value));
    let report = bulk.await.unwrap();
    assert_eq!(report.outcomes()[0].id.as_deref(), Some("7"), "{report}");
    assert!(report.outcomes()[1].is_done(), "{report}");
    // Adding to a list may do more when it is done twice.
    assert!(matches!(report.outcomes()[2].fate, Fate::Unknown(_)), "{report}");
    let asked = asked(&script);
    assert_eq!(asked, ["POST /Bulk 3", "GET /Users 0", "GET /Users 0", "POST /Bulk 1"]);
}

#[tokio::test]
async fn what_is_missing_in_the_answer_is_unknown() {
    let (client, script) = target(4, 100_000);
    batch(&script, &["201"]);
    let report = users(&client, &["a", "b"]).await.unwrap();
    assert!(matches!(report.outcomes()[1].fate, Fate::Unknown(_)), "{report}");
}

#[tokio::test]
async fn what_refers_to_a_failure_is_not_sent() {
    let (client, script) = target(4, 100_000);
    batch(&script, &["409"]);
    let mut bulk = client.bulk();
    let ada = bulk.create(&User::new("ada")).reference();
    bulk.delete::<User>(&ada);
    bulk.delete::<User>("bulkId:nobody");
    let report = bulk.await.unwrap();
    assert!(matches!(&report.outcomes()[1].fate, Fate::Dangling { bulk_id } if bulk_id == "op0"));
    assert!(
        matches!(&report.outcomes()[2].fate, Fate::Dangling { bulk_id } if bulk_id == "nobody")
    );
    assert_eq!(asked(&script), ["POST /Bulk 1"]);
}

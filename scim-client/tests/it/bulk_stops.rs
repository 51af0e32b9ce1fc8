//! Bulk that a target breaks off, refuses in part or does not answer: what still goes out, what is said, what is waited for.

use scim_client::scim_core::{EnterpriseUser, Manager, Patch, User};
use scim_client::testing::ScriptedTransport;
use scim_client::{BulkOutcome, Client, Fate, RetryPolicy, TransportErrorKind};
use serde_json::{Value, json};

use crate::bulk::{asked, batch, target, users};
use crate::help::TOKEN;

fn list(rows: &Value) -> Value {
    json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": rows.as_array().unwrap().len(), "Resources": rows })
}

fn fates(outcomes: &[BulkOutcome]) -> Vec<&str> {
    let fate = |outcome: &BulkOutcome| match &outcome.fate {
        Fate::Done(_) => "done",
        Fate::Failed(_) => "failed",
        Fate::Unknown(_) => "unknown",
        Fate::NotAttempted => "not begun",
        Fate::Dangling { .. } => "dangling",
        other => panic!("{other:?}"),
    };
    outcomes.iter().map(fate).collect()
}

/// `failOnErrors` of the batches, in order.
fn stops(script: &ScriptedTransport) -> Vec<Value> {
    let batches = script.requests().into_iter().filter(|r| r.uri.path().ends_with("/Bulk"));
    batches.map(|request| request.json()["failOnErrors"].clone()).collect()
}

fn under(name: &str, manager: &str) -> User {
    let manager = Manager { value: Some(manager.to_owned()), ..Manager::default() };
    User::new(name)
        .with_extension(EnterpriseUser { manager: Some(manager), ..EnterpriseUser::default() })
}

#[tokio::test]
async fn behind_a_busy_operation_the_others_have_their_turn() {
    let (client, script) = target(10, 100_000);
    batch(&script, &["201", "429"]);
    script.json(201, &json!({ "id": "7", "userName": "b" }));
    batch(&script, &["201", "201"]);
    let report = users(&client, &["a", "b", "c", "d"]).fail_on_errors(1).await.unwrap();
    assert!(report.is_done(), "{report}");
    assert_eq!(asked(&script), ["POST /Bulk 4", "POST /Users 0", "POST /Bulk 2"]);
    assert_eq!(stops(&script), [json!(1), json!(1)]);
}

#[tokio::test]
async fn what_was_busy_and_then_fails_stops_the_others() {
    let (client, script) = target(10, 100_000);
    batch(&script, &["201", "429"]);
    script.error(409, Some("uniqueness"), "taken");
    let report = users(&client, &["a", "b", "c"]).fail_on_errors(1).await.unwrap();
    assert_eq!(fates(report.outcomes()), ["done", "failed", "not begun"]);
    assert_eq!(asked(&script), ["POST /Bulk 3", "POST /Users 0"]);
}

#[tokio::test]
async fn busy_is_no_error_of_ours() {
    let (client, script) = target(10, 100_000);
    // Two errors for the target, which stops; one for us.
    batch(&script, &["429", "409"]);
    script.json(201, &json!({ "id": "7", "userName": "a" }));
    batch(&script, &["201"]);
    let report = users(&client, &["a", "b", "c"]).fail_on_errors(2).await.unwrap();
    assert_eq!(fates(report.outcomes()), ["done", "failed", "done"]);
    assert_eq!(stops(&script), [json!(2), json!(1)]);
    // The other one had stopped it: the busy one is told as refused, and not begun again.
    let (client, script) = target(10, 100_000);
    batch(&script, &["429", "409"]);
    let report = users(&client, &["a", "b", "c"]).fail_on_errors(1).await.unwrap();
    assert_eq!(fates(report.outcomes()), ["failed", "failed", "not begun"]);
    assert_eq!(asked(&script), ["POST /Bulk 3"]);
}

#[tokio::test]
async fn a_503_in_a_batch_is_looked_up_first() {
    let (client, script) = target(10, 100_000);
    batch(&script, &["503", "503", "201"]);
    script.json(200, &list(&json!([{ "id": "7", "userName": "a" }])));
    script.json(200, &list(&json!([])));
    script.json(201, &json!({ "id": "8", "userName": "b" }));
    let report = users(&client, &["a", "b", "c"]).await.unwrap();
    assert!(report.is_done(), "{report}");
    let ids: Vec<_> = report.outcomes().iter().map(|one| one.id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["7", "8", "id-of-op2"]);
    assert_eq!(asked(&script), ["POST /Bulk 3", "GET /Users 0", "GET /Users 0", "POST /Users 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_answered_503_is_looked_up_when_the_wait_is_over() {
    let (client, script) = target(10, 100_000);
    script.text(503, &[("Retry-After", "5")], "");
    script.json(200, &list(&json!([{ "id": "7", "userName": "a" }])));
    script.json(200, &list(&json!([])));
    batch(&script, &["201"]);
    let start = tokio::time::Instant::now();
    let report = users(&client, &["a", "b"]).await.unwrap();
    assert!(report.is_done(), "{report}");
    let expected = ["POST /Bulk 2", "GET /Users 0", "GET /Users 0", "POST /Bulk 1"];
    assert_eq!(asked(&script), expected);
    assert!(start.elapsed() >= std::time::Duration::from_secs(5), "{:?}", start.elapsed());
    // A 429 comes before the work: the batch goes out again as it is.
    let (client, script) = target(10, 100_000);
    script.text(429, &[("Retry-After", "5")], "");
    batch(&script, &["201", "201"]);
    assert!(users(&client, &["a", "b"]).await.unwrap().is_done());
    assert_eq!(asked(&script), ["POST /Bulk 2", "POST /Bulk 2"]);
}

#[tokio::test]
async fn a_500_in_a_batch_is_no_proof_that_nothing_was_done() {
    let (client, script) = target(10, 100_000);
    batch(&script, &["500", "201"]);
    let report = users(&client, &["a", "b"]).await.unwrap();
    assert_eq!(fates(report.outcomes()), ["unknown", "done"]);
}

#[tokio::test]
async fn a_link_is_still_made_after_a_stop() {
    let (client, script) = target(10, 100_000);
    batch(&script, &["201", "201"]);
    batch(&script, &["201", "409"]);
    batch(&script, &["200"]);
    let mut bulk = client.bulk().fail_on_errors(1);
    bulk.create(&under("a", "bulkId:op1"));
    bulk.create(&under("b", "bulkId:op0"));
    bulk.create(&User::new("c"));
    bulk.create(&under("d", "bulkId:op2"));
    bulk.create(&under("e", "bulkId:op0"));
    let report = bulk.await.unwrap();
    let expected = ["done", "done", "done", "failed", "not begun"];
    assert_eq!(fates(report.outcomes()), expected, "{report}");
    assert_eq!(asked(&script), ["POST /Bulk 2", "POST /Bulk 2", "POST /Bulk 1"]);
    assert_eq!(stops(&script), [json!(1), json!(1), Value::Null]);
    let link = script.requests()[3].json()["Operations"][0].clone();
    assert_eq!((&link["method"], &link["path"]), (&json!("PATCH"), &json!("/Users/id-of-op1")));
    assert!(link["data"].to_string().contains("id-of-op0"), "{link}");
}

#[tokio::test]
async fn a_link_that_a_stop_cuts_off_is_sent_again() {
    let (client, script) = target(10, 100_000);
    batch(&script, &["201", "201"]);
    batch(&script, &["201", "201"]);
    batch(&script, &["409"]);
    batch(&script, &["200"]);
    let mut bulk = client.bulk().fail_on_errors(1);
    bulk.create(&User::new("a"));
    bulk.create(&under("b", "bulkId:op0"));
    bulk.create(&under("c", "bulkId:op1"));
    bulk.create(&under("d", "bulkId:op4"));
    bulk.create(&under("e", "bulkId:op3"));
    let report = bulk.await.unwrap();
    let expected = ["done", "done", "failed", "done", "done"];
    assert_eq!(fates(report.outcomes()), expected, "{report}");
    let sizes = ["POST /Bulk 2", "POST /Bulk 2", "POST /Bulk 2", "POST /Bulk 1"];
    assert_eq!(asked(&script), sizes);
    let methods = |n: usize| -> Vec<Value> {
        let operations = script.requests()[n].json()["Operations"].as_array().unwrap().clone();
        operations.into_iter().map(|operation| operation["method"].clone()).collect()
    };
    assert_eq!(methods(3), [json!("POST"), json!("PATCH")]);
    assert_eq!(methods(4), [json!("PATCH")]);
}

#[tokio::test]
async fn secrets_that_a_refusal_repeats_are_masked() {
    const SECRETS: [&str; 3] = ["first-secret", "second-secret", "third-secret"];
    let (client, script) = target(10, 100_000);
    script.respond(|request| {
        let results: Vec<Value> = request.json()["Operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|operation| {
                let detail = format!("refused: {}", operation["data"]);
                json!({ "method": operation["method"], "bulkId": operation["bulkId"], "status": "400",
                        "location": format!("https://scim.example/v2{}", operation["path"].as_str().unwrap()),
                        "response": { "status": "400", "scimType": "invalidValue", "detail": detail } })
            })
            .collect();
        let urn = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
        let body = json!({ "schemas": [urn], "Operations": results }).to_string();
        Ok(http::Response::new(body.into()))
    });
    let mut bulk = client.bulk();
    bulk.create(&User::new("ada").with_password(SECRETS[0]));
    bulk.patch::<User>("7", &Patch::new().replace("password".parse().unwrap(), SECRETS[1]));
    bulk.replace::<User>("8", &User::new("bob").with_password(SECRETS[2]));
    let report = bulk.await.unwrap();
    assert_eq!(fates(report.outcomes()), ["failed", "failed", "failed"]);
    let shown = format!("{report} {report:?}");
    assert!(shown.contains("ada") && shown.contains("***"), "what is no secret is shown: {shown}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    // A whole batch that is refused, and what goes out one by one after it.
    let (client, script) = target(10, 100_000);
    for _ in 0..2 {
        script.error(400, Some("invalidValue"), "the password first-secret is weak");
    }
    let mut bulk = client.bulk();
    bulk.create(&User::new("ada").with_password(SECRETS[0]));
    let report = bulk.await.unwrap();
    let shown = format!("{report} {report:?}");
    assert!(shown.contains("is weak") && !shown.contains(SECRETS[0]), "{shown}");
}

/// A client that makes each request once, of a target that announces bulk and then answers with nothing.
fn silent(kind: TransportErrorKind, operations: u64) -> (Client, ScriptedTransport) {
    let script = ScriptedTransport::new();
    let client = Client::builder("https://scim.example/v2")
        .auth(scim_client::Auth::bearer(TOKEN))
        .transport(script.clone())
        .retry(RetryPolicy::none())
        .build()
        .unwrap();
    script.json(
        200,
        &json!({ "bulk": { "supported": true, "maxOperations": operations, "maxPayloadSize": 100_000 } }),
    );
    for _ in 0..100 {
        script.fail(kind);
    }
    (client, script)
}

#[tokio::test]
async fn a_target_that_does_not_answer_is_not_asked_for_everything() {
    let names: Vec<String> = (0..20).map(|n| format!("user{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    // One by one; nothing has arrived.
    let (client, script) = silent(TransportErrorKind::Connect, 10);
    let report = users(&client, &names).max_operations(1).await.unwrap();
    assert_eq!(asked(&script), ["POST /Users 0"; 3]);
    let fates_of = fates(report.outcomes());
    assert_eq!(fates_of[..3], ["failed"; 3]);
    assert!(fates_of[3..].iter().all(|fate| *fate == "not begun"), "{report}");
    // In batches that may have arrived: looking them up ends as soon.
    let (client, script) = silent(TransportErrorKind::Lost, 10);
    let report = users(&client, &names).await.unwrap();
    assert_eq!(asked(&script), ["POST /Bulk 10", "GET /Users 0", "GET /Users 0"]);
    let fates_of = fates(report.outcomes());
    assert_eq!(fates_of[..10], ["unknown"; 10]);
    assert_eq!(fates_of[10..], ["not begun"; 10]);
}

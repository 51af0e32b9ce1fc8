//! What is made again, how often, and what is not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, Response};
use scim_client::scim_core::{Group, Patch, Resource, User, Value};
use scim_client::testing::ScriptedTransport;
use scim_client::{Client, InProcess, RetryPolicy, Transport, TransportError, TransportErrorKind};
use serde_json::json;
use tokio::time::Instant;

use crate::help::{TOKEN, client_over, scripted, server};

fn user(id: &str) -> serde_json::Value {
    json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": id, "userName": "ada"})
}

fn list(rows: &[serde_json::Value]) -> serde_json::Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
           "totalResults": rows.len(), "Resources": rows})
}

#[tokio::test]
async fn reads_are_made_again_until_they_succeed() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::Connect).fail(TransportErrorKind::Lost);
    script.error(500, None, "oops").text(502, &[], "<html>").error(429, None, "slow");
    script.json(200, &user("7"));
    assert_eq!(scim.users().get("7").await.unwrap().user_name, "ada");
    assert_eq!(script.requests().len(), 6);
}

#[tokio::test]
async fn attempts_have_an_end() {
    let (scim, script) = scripted();
    for _ in 0..10 {
        script.error(503, None, "busy");
    }
    let error = scim.users().get("7").await.unwrap_err();
    assert_eq!((error.attempts(), script.requests().len()), (6, 6));
    assert!(error.is_retryable() && error.to_string().contains("6 attempts"), "{error}");
}

#[tokio::test]
async fn what_stays_wrong_is_not_made_again() {
    for status in [400, 401, 403, 404, 409, 412, 413, 501] {
        let (scim, script) = scripted();
        script.error(status, None, "no");
        assert!(!scim.users().get("7").await.unwrap_err().is_retryable());
        assert_eq!(script.requests().len(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_out_in_both_forms() {
    let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    for value in ["7", "Sat, 21 Nov 2026 12:00:07 GMT"] {
        let script = ScriptedTransport::new();
        let scim = Client::builder("https://scim.example/v2")
            .transport(script.clone())
            .clock(now)
            .jitter(1.0)
            .build()
            .unwrap();
        script.text(429, &[("Retry-After", value)], "").json(200, &user("7"));
        let start = Instant::now();
        scim.users().get("7").await.unwrap();
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(7), "{value}: {waited:?}");
        assert!(waited < Duration::from_secs(8), "{value}: {waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_when_is_waited_for() {
    let (scim, script) = scripted();
    for _ in 0..20 {
        script.text(429, &[("Retry-After", "5")], "");
    }
    script.json(200, &user("7"));
    assert_eq!(scim.users().get("7").await.unwrap().user_name, "ada");
    let (scim, script) = scripted();
    for _ in 0..100 {
        script.text(429, &[("Retry-After", "5")], "");
    }
    let error = scim.users().get("7").await.unwrap_err();
    assert!(error.attempts() <= 25 && error.is_retryable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let (scim, script) = scripted();
    script.text(503, &[("Retry-After", "3600")], "");
    let start = Instant::now();
    let error = scim.users().get("7").await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3600)));
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn waits_double_up_to_the_cap() {
    let script = ScriptedTransport::new();
    let scim = Client::builder("https://scim.example/v2")
        .transport(script.clone())
        .jitter(1.0)
        .retry(
            RetryPolicy::default()
                .max_attempts(5)
                .backoff(Duration::from_secs(1), Duration::from_secs(3)),
        )
        .build()
        .unwrap();
    for _ in 0..5 {
        script.fail(TransportErrorKind::Connect);
    }
    let start = Instant::now();
    scim.users().get("7").await.unwrap_err();
    assert_eq!(start.elapsed().as_secs(), 1 + 2 + 3 + 3);
}

#[tokio::test]
async fn a_peer_that_is_down_gets_no_storm() {
    let script = ScriptedTransport::new();
    let policy = RetryPolicy { reserve: 10, ratio: 0.5, ..RetryPolicy::default() };
    let scim = Client::builder("https://scim.example/v2")
        .transport(script.clone())
        .jitter(0.0)
        .retry(policy)
        .build()
        .unwrap();
    for _ in 0..1000 {
        script.fail(TransportErrorKind::Connect);
    }
    for _ in 0..100 {
        scim.users().get("7").await.unwrap_err();
    }
    let made = script.requests().len();
    assert!((150..=161).contains(&made), "{made}");
}

#[tokio::test]
async fn a_create_that_was_lost_is_found() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::Lost).json(200, &list(&[user("7")]));
    let written = scim.users().create(&User::new("Ada")).await.unwrap();
    assert_eq!((written.id().unwrap(), written.status().as_u16()), ("7", 201));
    let query = script.requests()[1].uri.query().unwrap().to_owned();
    assert_eq!(query, "filter=userName%20eq%20%22Ada%22");
}

#[tokio::test]
async fn a_create_that_did_not_happen_is_sent_again() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::Timeout).json(200, &list(&[])).json(201, &user("8"));
    let written = scim.users().create(&User::new("ada")).await.unwrap();
    assert_eq!(written.id().unwrap(), "8");
    let methods: Vec<_> = script.requests().iter().map(|r| r.method.to_string()).collect();
    assert_eq!(methods, ["POST", "GET", "POST"]);
}

/// The methods that were asked for.
fn methods(script: &ScriptedTransport) -> Vec<String> {
    script.requests().iter().map(|request| request.method.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn after_a_5xx_a_create_is_looked_up_whatever_it_asks_for() {
    for (status, headers) in [
        (503, &[("Retry-After", "5")][..]),
        (503, &[]),
        (500, &[]),
        (502, &[]),
        (504, &[]),
        (408, &[]),
    ] {
        let (scim, script) = scripted();
        script.text(status, headers, "").json(200, &list(&[user("7")]));
        let written = scim.users().create(&User::new("ada")).await.unwrap();
        assert_eq!(written.id().unwrap(), "7");
        assert_eq!(methods(&script), ["POST", "GET"], "{status}");

        let (scim, script) = scripted();
        script.text(status, headers, "").json(200, &list(&[])).json(201, &user("8"));
        scim.users().create(&User::new("ada")).await.unwrap();
        assert_eq!(methods(&script), ["POST", "GET", "POST"], "{status}");

        // Nothing tells it apart.
        let (scim, script) = scripted();
        script.text(status, headers, "");
        let nameless: Resource = serde_json::from_str(r#"{"serial":"1"}"#).unwrap();
        let error = scim.resources("Devices").create(&nameless).await.unwrap_err();
        assert!(error.may_have_been_done(), "{error}");
        assert_eq!(methods(&script), ["POST"], "{status}");

        // A PATCH that does not do the same twice.
        let (scim, script) = scripted();
        script.text(status, headers, "");
        let email: Value = serde_json::from_str(r#"[{"value":"a@x.test"}]"#).unwrap();
        let add = Patch::new().add("emails".parse().unwrap(), email);
        scim.users().patch("7", add).await.unwrap_err();
        assert_eq!(methods(&script), ["PATCH"], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_before_the_work_is_sent_again() {
    for status in [425, 429] {
        let (scim, script) = scripted();
        script.text(status, &[("Retry-After", "5")], "").json(201, &user("8"));
        let start = Instant::now();
        scim.users().create(&User::new("ada")).await.unwrap();
        assert_eq!(methods(&script), ["POST", "POST"], "{status}");
        assert!(start.elapsed() >= Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn a_503_that_says_when_is_waited_for_before_the_look_up() {
    let (scim, script) = scripted();
    for _ in 0..10 {
        script.text(503, &[("Retry-After", "3")], "").json(200, &list(&[]));
    }
    script.json(201, &user("8"));
    let start = Instant::now();
    let written = scim.users().create(&User::new("ada")).await.unwrap();
    assert_eq!((written.id().unwrap(), script.left()), ("8", 0));
    assert!(start.elapsed() >= Duration::from_secs(30), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_ignores_the_filter_proves_nothing() {
    let (scim, script) = scripted();
    let other = json!({"id": "1", "userName": "bob"});
    script.text(500, &[], "").json(200, &list(std::slice::from_ref(&other)));
    let error = scim.users().create(&User::new("ada")).await.unwrap_err();
    assert!(error.may_have_been_done() && error.status().unwrap() == 500, "{error}");
    // It is among others.
    script.text(500, &[], "").json(200, &list(&[other, user("7")]));
    assert_eq!(scim.users().create(&User::new("ada")).await.unwrap().id().unwrap(), "7");
}

#[tokio::test]
async fn what_was_there_before_is_not_taken_for_ours() {
    let (scim, script) = scripted();
    let old = json!({"id": "1", "userName": "ada", "meta": {"created": "2011-05-13T04:42:34Z"}});
    script.fail(TransportErrorKind::Lost).json(200, &list(std::slice::from_ref(&old)));
    script.error(409, Some("uniqueness"), "taken").json(200, &list(&[old]));
    let error = scim.users().create(&User::new("ada")).await.unwrap_err();
    assert!(error.is_uniqueness(), "{error}");
    assert_eq!(script.left(), 0);
}

#[tokio::test]
async fn a_conflict_with_oneself_is_none() {
    // AWS was seen to answer 429 to a create that it does; the next attempt is a conflict.
    let (scim, script) = scripted();
    script.error(429, None, "slow").error(409, Some("uniqueness"), "taken");
    script.json(200, &list(&[user("7")]));
    assert_eq!(scim.users().create(&User::new("ada")).await.unwrap().id().unwrap(), "7");
    // At the first attempt it is one.
    script.error(409, Some("uniqueness"), "taken");
    assert!(scim.users().create(&User::new("ada")).await.unwrap_err().is_uniqueness());
}

#[tokio::test]
async fn a_create_that_cannot_be_looked_up_is_left_to_the_caller() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::Lost);
    let nameless: Resource = serde_json::from_str(r#"{"serial":"1"}"#).unwrap();
    let error = scim.resources("Devices").create(&nameless).await.unwrap_err();
    assert!(error.may_have_been_done() && error.is_retryable());
    // The look-up itself fails: sending again could double it.
    script.fail(TransportErrorKind::Lost).error(403, None, "no filters for you");
    let error = scim.groups().create(&Group::new("Engines")).await.unwrap_err();
    assert!(error.may_have_been_done(), "{error}");
    assert_eq!(script.left(), 0);
    // What did not arrive is sent again.
    script.fail(TransportErrorKind::Connect).json(201, &json!({"id": "1", "serial": "1"}));
    scim.resources("Devices").create(&nameless).await.unwrap();
}

#[tokio::test]
async fn a_delete_that_was_lost_has_succeeded() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::Lost).error(404, None, "no such user");
    scim.users().delete("7").await.unwrap();
    script.fail(TransportErrorKind::Connect).error(404, None, "no such user");
    assert!(scim.users().delete("7").await.unwrap_err().is_not_found(), "nothing had arrived");
}

#[tokio::test]
async fn a_patch_is_made_again_where_that_is_the_same() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::Lost).text(204, &[], "");
    let set = Patch::new().replace("title".parse().unwrap(), "Dr");
    scim.users().patch("7", set).await.unwrap();
    script.fail(TransportErrorKind::Lost);
    let email: Value = serde_json::from_str(r#"[{"value":"a@x.test"}]"#).unwrap();
    let add = Patch::new().add("emails".parse().unwrap(), email);
    let error = scim.users().patch("7", add.clone()).await.unwrap_err();
    assert!(error.may_have_been_done());
    // Bound to a version it cannot be done twice.
    script.fail(TransportErrorKind::Lost).error(412, None, "changed");
    let error = scim.users().patch("7", add).if_match("W/\"1\"").await.unwrap_err();
    assert!(error.is_precondition_failed() && error.rejected().unwrap().after_lost_answer);
}

/// Does what it is asked, and loses every answer to a create the first time.
#[derive(Debug)]
struct LosesCreates {
    server: InProcess,
    seen: AtomicUsize,
}

#[async_trait]
impl Transport for LosesCreates {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let create = request.method() == Method::POST;
        let answer = self.server.send(request).await?;
        if create && self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
            return Err(TransportError::new(TransportErrorKind::Lost, "reset after the commit"));
        }
        Ok(answer)
    }
}

#[tokio::test]
async fn nothing_is_doubled_at_a_real_server() {
    let server = server();
    let lossy = client_over(LosesCreates { server: server.clone(), seen: AtomicUsize::default() });
    for i in 0..20 {
        let group = lossy.groups().create(&Group::new(format!("Group {i}"))).await.unwrap();
        let direct = client_over(server.clone());
        let read = direct.groups().get(group.id().unwrap()).await.unwrap();
        assert_eq!(read.display_name, format!("Group {i}"));
        lossy.users().create(&User::new(format!("user{i}"))).await.unwrap();
    }
    for endpoint in ["Users", "Groups"] {
        let request = Request::get(format!("https://scim.example/scim/v2/{endpoint}?count=0"))
            .header("Authorization", format!("Bearer {TOKEN}"))
            .body(Bytes::new())
            .unwrap();
        let answer = server.send(request).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(body["totalResults"], 20, "{endpoint}");
    }
}

//! Refusals in all their forms.

use std::time::Duration;

use scim_client::scim_core::User;
use scim_client::{Error, RetryPolicy, TransportErrorKind};
use serde_json::json;

use crate::help::scripted;

#[tokio::test]
async fn a_scim_error_is_kept_whole() {
    let (scim, script) = scripted();
    script.text(
        400,
        &[("Content-Type", "application/scim+json"), ("X-Request-Id", "r1")],
        r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidValue","detail":"no"}"#,
    );
    let error = scim.users().get("7").await.unwrap_err();
    let rejected = error.rejected().unwrap();
    assert!(rejected.is_scim && rejected.body_excerpt.is_none());
    assert_eq!((error.scim_type(), error.detail()), (Some("invalidValue"), Some("no")));
    assert_eq!(error.headers().unwrap()["x-request-id"], "r1");
    assert_eq!(error.to_string(), "GET /Users/7: 400 Bad Request invalidValue: no");
    assert!(!error.is_retryable() && !error.is_not_found() && !error.is_uniqueness());
}

#[tokio::test]
async fn errors_that_are_no_scim() {
    let (scim, script) = scripted();
    script.text(
        403,
        &[("Content-Type", "text/html")],
        "<html><style>p {color: red}</style><h1>Blocked</h1> <p>by the\n firewall</p></html>",
    );
    let error = scim.users().get("7").await.unwrap_err();
    assert_eq!(error.rejected().unwrap().body_excerpt.as_deref(), Some("Blocked by the firewall"));
    // AWS has `schema` beside `schemas`; another writes the status as a number.
    script.json(409, &json!({"schema": "urn:ietf:params:scim:api:messages:2.0:Error", "status": 409, "detail": "taken"}));
    let error = scim.users().get("7").await.unwrap_err();
    assert!(error.rejected().unwrap().is_scim && error.is_uniqueness());
    script.text(401, &[], "");
    let error = scim.users().get("7").await.unwrap_err();
    assert_eq!(error.rejected().unwrap().body_excerpt, None);
    script.text(400, &[], &"x".repeat(5000));
    let error = scim.users().get("7").await.unwrap_err();
    assert!(error.rejected().unwrap().body_excerpt.as_ref().unwrap().chars().count() <= 401);
}

#[tokio::test]
async fn a_login_page_is_no_user() {
    let (scim, script) = scripted();
    script.text(200, &[("Content-Type", "text/html")], "<html><title>Sign in</title></html>");
    let error = scim.users().get("7").await.unwrap_err();
    assert!(matches!(error, Error::Decode(_)), "{error}");
    assert!(error.to_string().contains("Sign in") && !error.is_retryable());
    script.json(200, &json!(["ada"]));
    assert!(matches!(scim.users().get("7").await.unwrap_err(), Error::Decode(_)));
    script.json(200, &json!({"id": "7", "userName": 12}));
    let error = scim.users().get("7").await.unwrap_err();
    assert!(error.to_string().contains("userName") && !error.to_string().contains("12"), "{error}");
    script.text(200, &[], "");
    assert!(matches!(scim.users().get("7").await.unwrap_err(), Error::Decode(_)));
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (scim, script) = scripted();
    script.text(307, &[("Location", "https://evil.example/v2/Users/7")], "");
    let error = scim.users().get("7").await.unwrap_err();
    assert_eq!(error.status().unwrap(), 307);
    assert!(error.to_string().contains("not followed"), "{error}");
    assert_eq!(script.requests().len(), 1);
}

#[tokio::test]
async fn a_404_about_the_method_is_not_one_about_the_resource() {
    let html: (u16, &[(&str, &str)], &str) =
        (404, &[("Content-Type", "text/html")], "<html>Error 404 (Not Found)!!1</html>");
    let (scim, script) = scripted();
    // Google answers PUT with an HTML page; the user is there.
    script.text(html.0, html.1, html.2).json(200, &json!({"id": "7", "userName": "ada"}));
    let error = scim.users().replace("7", &User::new("ada")).await.unwrap_err();
    assert!(!error.is_not_found(), "{error}");
    assert_eq!(script.requests()[1].method, "GET");
    // Now it is not.
    script.text(html.0, html.1, html.2).text(html.0, html.1, html.2);
    let error = scim.users().replace("7", &User::new("ada")).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    // A SCIM error needs no proof.
    script.error(404, None, "no such user");
    assert!(scim.users().delete("7").await.unwrap_err().is_not_found());
    assert_eq!((script.left(), script.requests().len()), (0, 5));
    // A create that finds no endpoint is no missing resource.
    script.text(html.0, html.1, html.2);
    let error = scim.users().create(&User::new("ada")).await.unwrap_err();
    assert!(!error.is_not_found() && error.to_string().contains("base URL"), "{error}");
}

#[tokio::test]
async fn secrets_that_a_server_repeats_are_masked() {
    let (scim, script) = scripted();
    script.text(400, &[], "bad password hunter2hunter2 from Bearer 0123456789abcdef0123");
    let user = User::new("ada").with_password("hunter2hunter2");
    let error = scim.users().create(&user).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("0123456789abcdef"), "{shown}");
    script.error(400, Some("invalidValue"), "password hunter2hunter2 is too old");
    let error = scim.users().replace("7", &user).await.unwrap_err();
    assert_eq!(error.detail(), Some("password *** is too old"));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_says_how_far_it_came() {
    let (scim, script) = scripted();
    script.error(503, None, "busy").error(503, None, "busy");
    let error = scim.users().get("7").deadline(Duration::from_millis(1)).await.unwrap_err();
    assert!(error.attempts() >= 1);
    let never = HangingTransport;
    let scim = scim_client::Client::builder("https://scim.example")
        .transport(never)
        .retry(RetryPolicy::none())
        .deadline(Duration::from_secs(3))
        .build()
        .unwrap();
    let error = scim.users().create(&User::new("ada")).await.unwrap_err();
    assert!(
        matches!(error, Error::Deadline { attempts: 1, may_have_been_sent: true, .. }),
        "{error:?}"
    );
    assert!(error.is_retryable() && error.may_have_been_done());
    let error = scim.users().get("7").await.unwrap_err();
    assert!(!error.may_have_been_done(), "a read does nothing");
}

#[derive(Debug)]
struct HangingTransport;

#[async_trait::async_trait]
impl scim_client::Transport for HangingTransport {
    async fn send(
        &self,
        _: http::Request<bytes::Bytes>,
    ) -> Result<http::Response<bytes::Bytes>, scim_client::TransportError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn transport_errors_are_told_apart() {
    let (scim, script) = scripted();
    script.fail(TransportErrorKind::TooLarge);
    let error = scim.users().get("7").await.unwrap_err();
    assert!(!error.is_retryable() && error.attempts() == 1, "{error}");
    assert_eq!(error.status(), None);
}

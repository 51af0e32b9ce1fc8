//! Checks that have nothing to look at, or little, on the project's own server: each sees the fault it is there for.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::Method;
use scim_conformance::{Ended, Suite};
use serde_json::{Value, json};

use crate::site::{Site, TOKEN};

/// How the check ends on the project's server behind this layer.
async fn ends<F, Fut>(id: &str, layer: F) -> Ended
where
    F: Fn(Request, Next) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Response> + Send + 'static,
{
    let site = Site::with(layer).await;
    let report = Suite::all().only([id]).run(&site.target()).await;
    assert_eq!(site.resources().await, [0, 0]);
    report.outcome(id).unwrap().result
}

/// The same where the configuration announces something else, and nothing else is changed.
async fn ends_where_announced(id: &str, change: fn(&mut Value)) -> Ended {
    ends(id, move |request, next| async move {
        let config = request.uri().path().ends_with("/ServiceProviderConfig");
        let answer = next.run(request).await;
        if config { changed(answer, change).await } else { answer }
    })
    .await
}

async fn changed(answer: Response, change: impl FnOnce(&mut Value)) -> Response {
    let status = answer.status();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let mut body = serde_json::from_slice(&body).unwrap_or_default();
    change(&mut body);
    scim(status, &body)
}

fn scim(status: StatusCode, body: &Value) -> Response {
    (status, [(CONTENT_TYPE, "application/scim+json")], body.to_string()).into_response()
}

fn error(status: StatusCode, scim_type: Option<&str>) -> Response {
    let mut body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": status.as_str(),
    });
    if let Some(scim_type) = scim_type {
        body["scimType"] = json!(scim_type);
    }
    scim(status, &body)
}

fn query(request: &Request) -> &str {
    request.uri().query().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_opens_the_door_is_seen() {
    let end = ends("security.cursor-actor", |mut request, next| async move {
        if query(&request).contains("cursor=") {
            let own = format!("Bearer {TOKEN}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, own);
        }
        next.run(request).await
    });
    assert_eq!(end.await, Ended::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_tells_of_resources_is_seen() {
    let end = ends("security.cursor-error", |request, next| async move {
        let list = request.method() == Method::GET && query(&request).contains("cursor=made-up");
        if !list {
            return next.run(request).await;
        }
        // What the first page would have been.
        let uri = request.uri().to_string().replace("made-up-cursor", "");
        let mut first = Request::builder().uri(uri).body(axum::body::Body::empty()).unwrap();
        *first.headers_mut() = request.headers().clone();
        first.extensions_mut().clone_from(request.extensions());
        let answer = next.run(first).await;
        let told = |body: &mut Value| {
            let id = body["Resources"][0]["id"].as_str().unwrap_or_default();
            *body = json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "status": "400",
                "scimType": "invalidCursor",
                "detail": format!("the cursor does not belong to {id}"),
            });
        };
        let mut answer = changed(answer, told).await;
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        answer
    });
    assert_eq!(end.await, Ended::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_that_outlives_its_time_is_seen() {
    let end = ends_where_announced("cursor.expired", |config| {
        config["pagination"]["cursorTimeout"] = json!(1);
    });
    assert_eq!(end.await, Ended::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_403_to_a_sensitive_filter_has_to_say_so() {
    for (scim_type, expected) in [(None, Ended::Failed), (Some("sensitive"), Ended::Passed)] {
        let end = ends("security.sensitive-filter", move |request, next| async move {
            if query(&request).contains("filter=password") {
                return error(StatusCode::FORBIDDEN, scim_type);
            }
            next.run(request).await
        });
        assert_eq!(end.await, expected, "{scim_type:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_too_long_has_to_say_so() {
    let cases = [
        (StatusCode::PAYLOAD_TOO_LARGE, None, Ended::Failed),
        (StatusCode::BAD_REQUEST, None, Ended::Failed),
        (StatusCode::BAD_REQUEST, Some("tooMany"), Ended::Passed),
    ];
    for (status, scim_type, expected) in cases {
        let end = ends("page.too-many", move |request, next| async move {
            let every = query(&request) == "filter=userName%20pr";
            if every { error(status, scim_type) } else { next.run(request).await }
        });
        assert_eq!(end.await, expected, "{status} {scim_type:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_without_the_version_that_is_refused_is_seen() {
    let end = ends("groups.members.unversioned", |request, next| async move {
        if request.method() != Method::POST || !request.uri().path().ends_with("/Groups") {
            return next.run(request).await;
        }
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
        let uri = sent["members"][0]["$ref"].as_str();
        if uri.is_some_and(|uri| !uri.contains("/v2/")) {
            return error(StatusCode::BAD_REQUEST, Some("invalidValue"));
        }
        next.run(Request::from_parts(parts, body.into())).await
    });
    assert_eq!(end.await, Ended::Failed);
}

/// A MAY is noted where it does not hold.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_as_missing_and_answers_is_noted() {
    let end = ends_where_announced("capability.patch.absent", |config| {
        config["patch"]["supported"] = json!(false);
    });
    assert_eq!(end.await, Ended::Noted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_is_ignored_where_there_is_none_is_noted() {
    let end = ends("capability.filter.absent", |mut request, next| async move {
        let path = request.uri().path().to_owned();
        if query(&request).contains("filter=") {
            *request.uri_mut() = path.parse().unwrap();
            return next.run(request).await;
        }
        let answer = next.run(request).await;
        if path.ends_with("/ServiceProviderConfig") {
            return changed(answer, |config| config["filter"]["supported"] = json!(false)).await;
        }
        answer
    });
    assert_eq!(end.await, Ended::Noted);
}

/// Where nothing is announced, ignoring the parameter is not having cursors.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_cursors_has_none() {
    let end = ends("cursor.first", |mut request, next| async move {
        let path = request.uri().path().to_owned();
        if query(&request).contains("cursor=") {
            *request.uri_mut() = path.parse().unwrap();
        }
        let answer = next.run(request).await;
        if path.ends_with("/ServiceProviderConfig") {
            let silent = |config: &mut Value| config["pagination"] = Value::Null;
            return changed(answer, silent).await;
        }
        answer
    });
    assert_eq!(end.await, Ended::Skipped);
}

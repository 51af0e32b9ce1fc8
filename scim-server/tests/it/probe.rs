//! What the tests with bad input look at: the whole directory, the change feed, and error documents.

use std::fmt::Write;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::header::CONTENT_TYPE;
use http::{Method, Request, StatusCode};
use scim_server::auth::TenantId;
use scim_server::store::{Include, Query, Scope, Total};
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer};

pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(crate) const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
pub(crate) const BULK: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
pub(crate) const SEARCH: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
pub(crate) const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// How long an answer to bad input may take. The tests that hold this run alone (`.config/nextest.toml`), so what they
/// measure is the server and not its neighbours.
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A user and nothing else.
pub(crate) fn user(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name })
}

/// A group with these members.
pub(crate) fn group(name: &str, members: &[&str]) -> Value {
    let members: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
    json!({ "schemas": [GROUP], "displayName": name, "members": members })
}

/// A PATCH with these operations.
pub(crate) fn patch(operations: &[Value]) -> Value {
    json!({ "schemas": [PATCH_OP], "Operations": operations })
}

/// A bulk request with these operations.
pub(crate) fn bulk(operations: &[Value]) -> Value {
    json!({ "schemas": [BULK], "Operations": operations })
}

/// Everything that a tenant has, as text: resources with memberships and versions, and the change feed. Read through
/// the store, so that nothing of the HTTP side can hide a change.
pub(crate) async fn dump(server: &TestServer, tenant: &str) -> String {
    let tenant: TenantId = tenant.parse().unwrap();
    let scope =
        |name: &str| Scope { resource_type: name.into(), filter: None, location: "".into() };
    let scopes = server.registry.resource_types().map(|schema| scope(schema.name())).collect();
    let mut query = Query {
        tenant: tenant.clone(),
        scopes,
        sorting: None,
        after: None,
        skip: 0,
        limit: 500,
        budget: usize::MAX,
        total: Total::Count,
        include: Include { groups: true, members: true },
    };
    let mut text = String::new();
    loop {
        let page = server.store.query(&query).await.unwrap();
        for item in &page.items {
            let body = String::from_utf8_lossy(&item.body);
            writeln!(text, "{} {} {:?} {body}", item.resource_type, item.id, item.version).unwrap();
            let (created, modified) = (item.created, item.modified);
            writeln!(text, "  {created} {modified} {:?} {:?}", item.groups, item.members).unwrap();
        }
        query.total = Total::Skip;
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let mut after = 0;
    loop {
        let changes = server.store.changes(&tenant, after, 500).await.unwrap();
        let Some(last) = changes.last() else { return text };
        after = last.seq;
        for change in &changes {
            writeln!(text, "{change:?}").unwrap();
        }
    }
}

/// The number of the last change of the default tenant, looked for from `after` on.
pub(crate) async fn last_change(server: &TestServer, mut after: u64) -> u64 {
    let tenant = TenantId::default();
    while let Some(change) = server.store.changes(&tenant, after, 500).await.unwrap().last() {
        after = change.seq;
    }
    after
}

/// A request with the token of the default tenant and bytes as its body.
pub(crate) fn request(server: &TestServer, method: &str, path: &str, body: &[u8]) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let uri = format!("/scim/v2{path}");
    let mut request = Request::builder().method(method).uri(uri);
    request = request.header("authorization", format!("Bearer {}", server.token));
    if !body.is_empty() {
        request = request.header(CONTENT_TYPE, "application/scim+json");
    }
    request.body(Body::from(body.to_vec())).unwrap()
}

/// Sends a request and insists that the answer comes within a second.
#[track_caller]
pub(crate) fn in_time(
    server: &TestServer,
    request: Request<Body>,
) -> impl Future<Output = Answer> + '_ {
    let place = std::panic::Location::caller();
    async move {
        let what = format!("{} {:.200}", request.method(), request.uri());
        let began = Instant::now();
        let answer = server.raw(request).await;
        let took = began.elapsed();
        assert!(took < SECOND, "{place}: {what} took {took:?}");
        answer
    }
}

/// The answer is a SCIM error document for its own status, with a detail (RFC 7644 section 3.12).
#[track_caller]
pub(crate) fn assert_problem(answer: &Answer, what: &str) {
    let status = answer.status;
    assert!(
        status.is_client_error() || status == StatusCode::NOT_IMPLEMENTED,
        "{what}: {answer:?}"
    );
    let media = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    assert_eq!(media, Some("application/scim+json"), "{what}: {answer:?}");
    assert_eq!(answer.body["schemas"], json!([ERROR]), "{what}: {answer:?}");
    assert_eq!(answer.body["status"], status.as_str(), "{what}: {answer:?}");
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(!detail.is_empty(), "{what}: {answer:?}");
}

/// The whole directory before and after: equal.
#[track_caller]
pub(crate) fn assert_same(before: &str, after: &str, what: &str) {
    if before != after {
        let differing = before.lines().zip(after.lines()).find(|(old, new)| old != new);
        panic!("{what} changed the directory, first here: {differing:?}");
    }
}

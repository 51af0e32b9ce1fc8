//! The protocol as a client sees it, on both stores: what the RFCs promise, and what a careful client relies on.

mod bulk;
mod conditional;
mod crud;
mod custom_type;
mod discovery;
mod edges;
mod groups;
mod large;
mod managers;
mod me;
mod paging;
mod projection;
mod sorting;

use http::{Method, Request};
use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, TestServer};
use crate::support::{USER, made};

/// A server on each store in the default profile, and a strict one: good clients notice no difference.
async fn servers() -> [TestServer; 3] {
    [
        TestServer::with(Backend::Memory, |builder| builder).await,
        TestServer::with(Backend::Sqlite, |builder| builder).await,
        TestServer::with(Backend::Sqlite, |builder| builder.profile(Profile::strict())).await,
    ]
}

/// A request with more headers than the credential.
async fn with_headers(
    server: &TestServer,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/scim/v2{path}"))
        .header("authorization", format!("Bearer {}", server.token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/scim+json");
            axum::body::Body::from(body.to_string())
        }
        None => axum::body::Body::empty(),
    };
    server.raw(request.body(body).unwrap()).await
}

/// A user with most kinds of attributes.
pub(crate) fn ada() -> Value {
    json!({
        "schemas": [USER, crate::support::ENTERPRISE],
        "userName": "ada@example.com",
        "externalId": "A-1",
        "displayName": "Ada Lovelace",
        "name": { "givenName": "Ada", "familyName": "Lovelace" },
        "emails": [
            { "value": "ada@example.com", "type": "work", "primary": true },
            { "value": "ada@home.example", "type": "home" },
        ],
        "password": "correct horse battery",
        crate::support::ENTERPRISE: { "department": "Engines", "employeeNumber": "1" },
    })
}

/// The path of a resource, from its `meta.location`.
fn path_of(resource: &Value) -> String {
    let location = resource["meta"]["location"].as_str().unwrap();
    location.strip_prefix(crate::support::BASE).unwrap().to_owned()
}

/// Creates users `person000`, `person001`, ...
async fn crowd(server: &TestServer, count: usize) {
    for n in 0..count {
        let body = json!({ "schemas": [USER], "userName": format!("person{n:03}") });
        made(server, "/Users", &body).await;
    }
}

//! Every route against every kind of credential.
//!
//! The rows come from [`scim_server::routes::table`], which is also what dispatch finds its way by: a request is
//! matched against `Route`, an enum whose variants `template`, `methods` and `operation` match without a wildcard for
//! paths, and a path that is none of them is answered 404 after the credential was checked. So a route that answers but
//! is missing from these tests cannot exist; `nothing_else_is_open` holds the rest of the URL space against that.

use std::collections::BTreeMap;

use axum::body::Body;
use chrono::TimeDelta;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};
use scim_server::Profile;
use scim_server::auth::{Scope, TenantId, TokenSpec};
use scim_server::clock::{Clock, SystemClock};
use scim_server::routes::{self, RouteInfo};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer};
use crate::probe::{assert_problem, assert_same, bulk, dump, group, patch, user};

const BASE: &str = "/scim/v2";

/// A request for `path` with an `Authorization` header, or without one.
fn request(
    method: &str,
    path: &str,
    credential: Option<&str>,
    body: Option<&Value>,
) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if let Some(credential) = credential {
        request = request.header("authorization", credential);
    }
    match body {
        Some(body) => {
            let request = request.header("content-type", "application/scim+json");
            request.body(Body::from(body.to_string())).unwrap()
        }
        None => request.body(Body::empty()).unwrap(),
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A request for one row of the table that a credential with all rights makes succeed.
async fn sample(server: &TestServer, row: &RouteInfo, number: usize) -> (String, Option<Value>) {
    let kind = row.resource_type.as_deref().unwrap_or("User");
    let body = match kind {
        "Group" => group(&format!("group {number}"), &[]),
        "Contact" => {
            let schema = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact";
            json!({ "schemas": [schema], "displayName": format!("contact {number}") })
        }
        _ => user(&format!("user.{number}@example.org")),
    };
    let mut path = row.path.replace("{name}", "User");
    path = path.replace("{uri}", "urn:ietf:params:scim:schemas:core:2.0:User");
    if path.contains("{id}") {
        let collection = path.replace("/{id}", "");
        let made = server.post(&collection, &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        path = path.replace("{id}", &made.id());
    }
    let body = match (row.method.as_str(), row.path.as_str()) {
        ("POST", "/Bulk") => Some(bulk(&[json!({ "method": "DELETE", "path": "/Users/none" })])),
        ("POST", path) if path.ends_with("/.search") => Some(json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 1,
        })),
        ("POST" | "PUT", _) => Some(body),
        ("PATCH", _) => Some(patch(&[
            json!({ "op": "replace", "path": "displayName", "value": format!("name {number}") }),
        ])),
        _ => None,
    };
    (format!("{BASE}{path}"), body)
}

fn success(row: &RouteInfo) -> u16 {
    match row.operation.as_str() {
        name if name.ends_with("Me") => 501,
        "patchGroup" => 204,
        name if name.starts_with("create") => 201,
        name if name.starts_with("delete") => 204,
        _ => 200,
    }
}

/// Tokens that must not open anything, by what is wrong with them.
async fn bad_tokens(server: &TestServer) -> BTreeMap<&'static str, String> {
    let now = SystemClock::new().now();
    let hour = TimeDelta::hours(1);
    let spec = |expires| TokenSpec {
        tenant: TenantId::default(),
        name: "short-lived".to_owned(),
        scopes: [Scope::Read, Scope::Write].into_iter().collect(),
        user: None,
        expires,
    };
    let mut rng = rand::rng();
    let old =
        server.tokens.issue(spec(Some(now - hour)), &mut rng, now - hour - hour).await.unwrap();
    let revoked = server.tokens.issue(spec(None), &mut rng, now).await.unwrap();
    assert!(server.tokens.revoke(&revoked.record.id, now).await.unwrap());
    let other = server.new_token("other", &[Scope::Read, Scope::Write], None).await;
    let never_stored = {
        let made = scim_server::auth::NewToken::generate(spec(None), &mut rng, now).unwrap();
        made.plain.expose_secret().to_owned()
    };
    BTreeMap::from([
        ("expired", old.plain.expose_secret().to_owned()),
        ("revoked", revoked.plain.expose_secret().to_owned()),
        ("of another tenant", other),
        ("well-formed but unknown", never_stored),
    ])
}

/// 401 as a SCIM error with a challenge, that tells a guess nothing.
#[track_caller]
fn assert_refused(answer: &Answer, challenge: &str, what: &str) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {answer:?}");
    assert_problem(answer, what);
    let sent =
        answer.headers.get(WWW_AUTHENTICATE).unwrap_or_else(|| panic!("{what}: no challenge"));
    assert_eq!(sent, challenge, "{what}");
    assert!(answer.headers.get(ALLOW).is_none(), "{what}: names methods");
}

const INVALID: &str = r#"Bearer realm="scim", error="invalid_token""#;
const MISSING: &str = r#"Bearer realm="scim""#;
const READ_ONLY: &str = r#"Bearer realm="scim", error="insufficient_scope", scope="write""#;

#[tokio::test]
async fn every_route_with_every_credential() {
    let server = TestServer::new(Profile::default()).await;
    let read_only = server.new_token("default", &[Scope::Read], None).await;
    let bad = bad_tokens(&server).await;
    let table = routes::table(&server.registry);
    assert!(table.len() >= 35, "the table has shrunk to {} rows", table.len());
    for (number, row) in table.iter().enumerate() {
        let what = format!("{} {}", row.method, row.path);
        let (path, body) = sample(&server, row, number).await;
        let send = |credential: Option<String>| {
            server.raw(request(row.method.as_str(), &path, credential.as_deref(), body.as_ref()))
        };
        let before = dump(&server, "default").await;

        let mut seen = vec![];
        assert_refused(&send(None).await, MISSING, &format!("{what} without a credential"));
        for (why, token) in &bad {
            let answer = send(Some(bearer(token))).await;
            assert_refused(&answer, INVALID, &format!("{what} with a token that is {why}"));
            seen.push(answer.text);
        }
        let malformed = [
            "",
            "Bearer",
            "Bearer ",
            "Basic dXNlcjpwYXNz",
            "Bearer a b",
            "Token x",
            "Digest username=\"a\"",
        ];
        for credential in malformed {
            let answer = send(Some(credential.to_owned())).await;
            assert_refused(&answer, INVALID, &format!("{what} with {credential:?}"));
            seen.push(answer.text);
        }
        seen.dedup();
        assert_eq!(seen.len(), 1, "{what}: bad credentials can be told apart: {seen:?}");

        // Write implies read, so only the writes have somebody who may enter but not do this.
        if row.scope == Scope::Write {
            let answer = send(Some(bearer(&read_only))).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}: {answer:?}");
            assert_problem(&answer, &what);
            assert_eq!(answer.headers[WWW_AUTHENTICATE], READ_ONLY, "{what}");
        }
        assert_same(&before, &dump(&server, "default").await, &what);

        let answer = send(Some(bearer(&server.token))).await;
        assert_eq!(answer.status, success(row), "{what}: {answer:?}");
        if row.scope == Scope::Read {
            let answer = send(Some(bearer(&read_only))).await;
            assert_eq!(answer.status, success(row), "{what} with a read-only token: {answer:?}");
        }
    }
}

#[tokio::test]
async fn head_options_and_other_methods_of_every_route() {
    let server = TestServer::new(Profile::default()).await;
    let table = routes::table(&server.registry);
    let mut allowed: BTreeMap<&str, Vec<&RouteInfo>> = BTreeMap::new();
    for row in &table {
        allowed.entry(&row.path).or_default().push(row);
    }
    for (number, rows) in allowed.values().enumerate() {
        let template = &rows[0].path;
        // The sample of a deletion leaves its resource alone: only the request's making creates it.
        let (path, _) = sample(&server, rows[0], 1000 + number).await;
        let answers = |name: &str| {
            name == "OPTIONS"
                || rows.iter().any(|row| row.method == name)
                || name == "HEAD" && rows.iter().any(|row| row.method == Method::GET)
        };
        for method in
            ["HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"]
        {
            let what = format!("{method} {template}");
            let answer = server.raw(request(method, &path, None, None)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {answer:?}");
            assert!(answer.headers.get(ALLOW).is_none(), "{what} tells strangers about methods");
            if answers(method) && !matches!(method, "HEAD" | "OPTIONS") {
                continue;
            }
            let credential = bearer(&server.token);
            let answer = server.raw(request(method, &path, Some(&credential), None)).await;
            if !answers(method) {
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{what}: {answer:?}");
                let allow = answer.headers[ALLOW].to_str().unwrap();
                assert!(
                    rows.iter().all(|row| allow.contains(row.method.as_str())),
                    "{what}: {allow}"
                );
                assert!(!allow.split(", ").any(|name| name == method), "{what}: {allow}");
                if method != "HEAD" {
                    assert_problem(&answer, &what);
                }
                continue;
            }
            assert!(answer.text.is_empty(), "{what}: {answer:?}");
            match method {
                "OPTIONS" => {
                    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{what}");
                    assert!(answer.headers.contains_key(ALLOW), "{what}");
                }
                _ => {
                    let get = server.raw(request("GET", &path, Some(&credential), None)).await;
                    assert_eq!(answer.status, get.status, "{what}");
                    let length = get.text.len().to_string();
                    assert_eq!(answer.headers["content-length"], length.as_str(), "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn nothing_else_is_open() {
    let server = TestServer::new(Profile::default()).await;
    for path in ["/health/live", "/health/ready"] {
        let answer = server.raw(request("GET", path, None, None)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("scim"), "{path} tells more than it must: {}", answer.text);
    }
    for path in [
        "/",
        "/health",
        "/health/",
        "/health/live/",
        "/health/live/x",
        "/health/Live",
        "/health//live",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/favicon.ico",
        "/scim",
        "/scim/v2",
        "/scim/v2/",
        "/scim/v2/health/live",
        "/scim/v2x/Users",
        "/scim/v1/Users",
        "/Users",
        "/v2/Users",
        "/t",
        "/t/",
        "/t/default",
        "/t/default/",
        "/t/other/scim/v2/Users",
        "/t/nobody/scim/v2/Users",
        "/t//scim/v2/Users",
        "/t/%64efault/scim/v2/Users",
        "/t/default/scim/v2/ServiceProviderConfig",
        "/scim/v2/openapi.json",
        "/scim/v2/ServiceProviderConfigs",
        "/scim/v2/Nope",
        "/.well-known/scim",
        "/t/default/health/live",
    ] {
        for method in ["GET", "POST", "OPTIONS", "HEAD", "CONNECT"] {
            let answer = server.raw(request(method, path, None, None)).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}: {answer:?}");
        }
        let credential =
            bearer(&server.new_token("other", &[Scope::Read, Scope::Write], None).await);
        let answer = server.raw(request("GET", path, Some(&credential), None)).await;
        let own = path == "/t/other/scim/v2/Users";
        let expected = if own { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
        assert_eq!(answer.status, expected, "{path} with a token of another tenant: {answer:?}");
    }
}

#[tokio::test]
async fn wrong_tokens_in_many_spellings() {
    let server = TestServer::new(Profile::default()).await;
    let good = server.token.clone();
    let parts: Vec<&str> = good.split('_').collect();
    let flip = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).unwrap()
    };
    let none = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.";
    let mut wrong = vec![
        flip(0),
        flip(5),
        flip(24),
        flip(60),
        flip(good.len() - 1),
        good[..good.len() - 1].to_owned(),
        good[1..].to_owned(),
        format!("{good}a"),
        format!("a{good}"),
        good.to_uppercase(),
        format!("{good}{good}"),
        format!("{good},{good}"),
        format!("\"{good}\""),
        format!("{good}="),
        format!("{good}\u{0}").replace('\0', "%00"),
        parts[1].to_owned(),
        parts[2].to_owned(),
        format!("{}_{}", parts[0], parts[1]),
        format!("scim_{}__{}", parts[1], parts[3]),
        "scim_".to_owned(),
        "null".to_owned(),
        "undefined".to_owned(),
        "Bearer".to_owned(),
        "*".to_owned(),
        none.to_owned(),
        "x".repeat(8000),
        "'OR'1'='1".to_owned(),
    ];
    wrong.push(good.replace("scim_", "SCIM_"));
    assert!(wrong.len() >= 26);
    for token in wrong {
        let what = format!("{token:.80}");
        let answer =
            server.raw(request("GET", "/scim/v2/Users", Some(&bearer(&token)), None)).await;
        assert_refused(&answer, INVALID, &what);
        let echoed = token.len() > 8 && answer.text.contains(&token);
        assert!(!echoed, "{what} is echoed");
    }
    let twice = Request::builder()
        .uri("/scim/v2/Users")
        .header("authorization", bearer(&good))
        .header("authorization", "Bearer wrong")
        .body(Body::empty())
        .unwrap();
    assert_refused(&server.raw(twice).await, INVALID, "two headers");
}

#[tokio::test]
async fn a_token_is_taken_from_one_place_only() {
    let server = TestServer::new(Profile::default()).await;
    let token = server.token.clone();
    let get = |uri: String, header: Option<(&str, String)>| {
        let mut request = Request::builder().uri(uri);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        request.body(Body::empty()).unwrap()
    };
    let users = "/scim/v2/Users".to_owned();
    let base64 = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(text)
    };
    for name in
        ["access_token", "token", "authorization", "Authorization", "api_key", "bearer", "key"]
    {
        let answer = server.raw(get(format!("{users}?{name}={token}"), None)).await;
        assert_refused(&answer, MISSING, &format!("query parameter {name}"));
    }
    for (name, value) in [
        ("cookie", format!("access_token={token}; Authorization=Bearer {token}")),
        ("x-api-key", token.clone()),
        ("x-auth-token", token.clone()),
        ("x-access-token", token.clone()),
        ("x-authorization", bearer(&token)),
        ("proxy-authorization", bearer(&token)),
        ("x-forwarded-authorization", bearer(&token)),
        ("x-original-authorization", bearer(&token)),
        ("sec-websocket-protocol", bearer(&token)),
        ("x-forwarded-user", "admin".to_owned()),
        ("x-remote-user", "admin".to_owned()),
        ("x-scim-token", token.clone()),
    ] {
        let answer = server.raw(get(users.clone(), Some((name, value)))).await;
        assert_refused(&answer, MISSING, name);
    }
    for value in [
        format!("Basic {}", base64(&format!("token:{token}"))),
        format!("Basic {}", base64(&format!("{token}:"))),
        token.clone(),
        format!("Token {token}"),
        format!("OAuth {token}"),
        format!("Bearer token={token}"),
        format!("Basic {}, Bearer {token}", base64("a:b")),
    ] {
        let answer = server.raw(get(users.clone(), Some(("authorization", value.clone())))).await;
        assert_refused(&answer, INVALID, value.split(' ').next().unwrap());
    }
    for (media, body) in [
        ("application/x-www-form-urlencoded", format!("access_token={token}")),
        (
            "application/scim+json",
            json!({ "access_token": token, "authorization": bearer(&token) }).to_string(),
        ),
    ] {
        let request =
            Request::post(&users).header("content-type", media).body(Body::from(body)).unwrap();
        assert_refused(&server.raw(request).await, MISSING, media);
    }
    for uri in [
        format!("/scim/v2/{token}/Users"),
        format!("/{token}{users}"),
        format!("/t/{token}{users}"),
    ] {
        assert_refused(&server.raw(get(uri.clone(), None)).await, MISSING, "a path segment");
    }
}

/// Spellings of the users' and of one user's path that a guard in front of a router could read otherwise.
fn spellings(id: &str) -> Vec<String> {
    let mut list: Vec<String> = [
        "/scim/v2//Users",
        "//scim/v2/Users",
        "/scim//v2/Users",
        "/./scim/v2/Users",
        "/scim/v2/./Users",
        "/scim/v2/Users/.",
        "/scim/v2/x/../Users",
        "/scim/v2/%2e/Users",
        "/scim/v2/%2e%2e/v2/Users",
        "/scim/v2/x/%2e%2e/Users",
        "/scim/v2/Users/",
        "/scim/v2/Users//",
        "/scim/v2/users",
        "/scim/v2/USERS",
        "/SCIM/v2/Users",
        "/scim/V2/Users",
        "/scim%2fv2/Users",
        "/scim/v2%2fUsers",
        "/scim/v2/%55sers",
        "/scim/v2/Users%20",
        "/scim/v2/Users%00",
        "/scim/v2/Users%0d%0a",
        "/scim/v2/Users;x=1",
        "/scim/v2;x=1/Users",
        "/scim/v2/Users;/x",
        "/scim/v2/Users.json",
        "/scim/v2/Users%3fa=b",
        "/scim/v2/Users%23",
        "/scim/v2\\Users",
        "/health/live/../../scim/v2/Users",
        "/health/live;/scim/v2/Users",
        "/health/..%2fscim/v2/Users",
        "/health/ready/%2e%2e/%2e%2e/scim/v2/Users",
        "/t/default/scim/v2/Users",
        "/t/default//scim/v2/Users",
        "/t/other/../default/scim/v2/Users",
        "/t/other/../../scim/v2/Users",
        "/t/DEFAULT/scim/v2/Users",
        "/t/%2e%2e/scim/v2/Users",
        "/t/other/t/default/scim/v2/Users",
        "/t/default%2f/scim/v2/Users",
        "/t//default/scim/v2/Users",
    ]
    .map(str::to_owned)
    .into();
    list.extend([
        format!("/scim/v2/Users/{id}"),
        format!("/scim/v2/Users/{id}/"),
        format!("/scim/v2//Users/{id}"),
        format!("/scim/v2/Users//{id}"),
        format!("/scim/v2/Users/./{id}"),
        format!("/scim/v2/Users/x/../{id}"),
        format!("/scim/v2/Users%2f{id}"),
        format!("/scim/v2/Users/{id}%20"),
        format!("/scim/v2/Users/{id}%00"),
        format!("/scim/v2/Users/{id};x"),
        format!("/scim/v2/Users/{id}.json"),
        format!("/scim/v2/Groups/{id}"),
        format!("/scim/v2/Users/{}", id.to_uppercase()),
        format!("/scim/v2/Users/%2e%2e/Users/{id}"),
        format!("/t/default/scim/v2/Users/{id}"),
        format!("/t/other/scim/v2/Users/{id}"),
        format!("/t/other/../default/scim/v2/Users/{id}"),
        format!("/scim/v2/Me/{id}"),
        format!("/scim/v2/{id}"),
    ]);
    list
}

#[tokio::test]
async fn no_spelling_of_a_path_gets_past_the_credential() {
    let server = TestServer::new(Profile::default()).await;
    let id = server.post("/Users", &user("ada@example.org")).await.id();
    let read_only = bearer(&server.new_token("default", &[Scope::Read], None).await);
    let other = bearer(&server.new_token("other", &[Scope::Read, Scope::Write], None).await);
    let before = dump(&server, "default").await;
    let replacement = user("eve@example.org");
    let operation = patch(&[json!({ "op": "replace", "path": "active", "value": false })]);
    for path in spellings(&id) {
        let writes = [
            ("POST", Some(&replacement)),
            ("PUT", Some(&replacement)),
            ("PATCH", Some(&operation)),
            ("DELETE", None),
        ];
        for (method, body) in [("GET", None)].into_iter().chain(writes) {
            let answer = server.raw(request(method, &path, None, body)).await;
            assert_eq!(answer.status, 401, "{method} {path} without a credential: {answer:?}");
            if method != "GET" {
                let answer = server.raw(request(method, &path, Some(&read_only), body)).await;
                assert!(
                    matches!(answer.status.as_u16(), 401 | 403 | 404 | 405),
                    "{method} {path}: {answer:?}"
                );
                assert_problem(&answer, &path);
            }
            let answer = server.raw(request(method, &path, Some(&other), body)).await;
            let own = path.starts_with("/t/other/");
            let expected: &[u16] = if own { &[404, 405] } else { &[401] };
            assert!(
                expected.contains(&answer.status.as_u16()),
                "{method} {path} as another tenant: {answer:?}"
            );
            assert!(!answer.text.contains("ada@"), "{path}: {answer:?}");
        }
    }
    assert_same(&before, &dump(&server, "default").await, "a spelling of a path");
    // The tenant's own name is a second address of the same users, for the same token only.
    let answer = server
        .raw(request("GET", "/t/default/scim/v2/Users", Some(&bearer(&server.token)), None))
        .await;
    assert_eq!(answer.body["totalResults"], 1, "{answer:?}");
}

#[tokio::test]
async fn headers_of_proxies_change_nothing() {
    let server = TestServer::new(Profile::default()).await;
    let id = server.post("/Users", &user("ada@example.org")).await.id();
    let plain = server.get(&format!("/Users/{id}")).await;
    assert_eq!(plain.body["meta"]["location"], format!("https://scim.test/scim/v2/Users/{id}"));
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/evil"),
        ("x-forwarded-port", "666"),
        ("x-forwarded-for", "127.0.0.1"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-host", "evil.example"),
        ("x-original-host", "evil.example"),
        ("x-original-url", "/scim/v2/Groups"),
        ("x-rewrite-url", "/scim/v2/Groups"),
        ("x-real-ip", "127.0.0.1"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("x-script-name", "/evil"),
        ("x-request-id", "evil"),
        ("via", "1.1 evil.example"),
    ] {
        for uri in
            [format!("/scim/v2/Users/{id}"), format!("http://evil.example/scim/v2/Users/{id}")]
        {
            let request = Request::builder()
                .uri(&uri)
                .header("authorization", bearer(&server.token))
                .header(name, value)
                .body(Body::empty())
                .unwrap();
            let answer = server.raw(request).await;
            assert_eq!(answer.text, plain.text, "{name}");
            assert_eq!(answer.headers["location"], plain.headers["location"], "{name}");
            assert!(
                !format!("{:?}", answer.headers).contains("evil"),
                "{name}: {:?}",
                answer.headers
            );
        }
        let created = Request::post("/scim/v2/Groups")
            .header("authorization", bearer(&server.token))
            .header("content-type", "application/scim+json")
            .header(name, value)
            .body(Body::from(group(name, &[]).to_string()))
            .unwrap();
        let answer = server.raw(created).await;
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
        let location = answer.headers["location"].to_str().unwrap();
        assert_eq!(location, format!("https://scim.test/scim/v2/Groups/{}", answer.id()), "{name}");
        assert!(!answer.text.contains("evil"), "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn open_discovery_opens_discovery_and_nothing_else() {
    let server =
        TestServer::with(crate::harness::Backend::Memory, |builder| builder.open_discovery(true))
            .await;
    for (number, row) in routes::table(&server.registry).iter().enumerate() {
        let (path, body) = sample(&server, row, 2000 + number).await;
        let answer = server.raw(request(row.method.as_str(), &path, None, body.as_ref())).await;
        let discovery = ["/ServiceProviderConfig", "/ResourceTypes", "/Schemas"];
        let open = discovery.iter().any(|prefix| row.path.starts_with(prefix));
        let expected = if open { 200 } else { 401 };
        assert_eq!(answer.status, expected, "{} {}: {answer:?}", row.method, row.path);
    }
}

//! Every captured request of `fixtures/idp`, in both profiles and on both stores: status, effect, and that nothing
//! happens where it is refused.
//!
//! The tables say in words what must be true afterwards; [`effects`] says it in code, row by row.

mod effects;
mod given;

use std::sync::Arc;

use http::{Method, Request};
use scim_server::{Profile, Registry};
use serde_json::Value;

use crate::harness::{Answer, Backend, TestServer};
use crate::support::{
    BASE, Vars, assert_error, fixture_path, fixture_text, group, header, profiles, table, user,
};
use given::Given;

/// Who sends them, with how many rows the table of each has. A table may grow; then this must.
const TABLES: [(&str, usize); 7] = [
    ("entra", 45),
    ("okta", 24),
    ("onelogin", 5),
    ("jumpcloud", 4),
    ("google", 1),
    ("authentik", 6),
    ("generic", 8),
];

/// Rows that this project judges wrong, with the reason. They run all the same; what is asserted is our reading.
const WRONG: [(&str, &str); 0] = [];

/// One row of a table.
struct Row {
    /// `entra/entra-create-user.json`, or `entra/GET /Schemas` for a request without a body.
    key: String,
    method: Method,
    path: String,
    statuses: Vec<u16>,
    text: String,
    body: Option<String>,
}

/// What was seen of a request: the answer, the resources before and after it, and the answer to the same request again.
pub(crate) struct Seen {
    pub(crate) vars: Vars,
    pub(crate) answer: Answer,
    pub(crate) took: std::time::Duration,
    pub(crate) user_before: Value,
    pub(crate) group_before: Value,
    /// `GET /Users/{{userId}}` afterwards.
    pub(crate) user: Answer,
    /// `GET /Groups/{{groupId}}` afterwards.
    pub(crate) group: Answer,
    /// `GET` of the `Location` of a 201.
    pub(crate) created: Value,
    /// The same request a second time.
    pub(crate) again: Answer,
}

fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (folder, count) in TABLES {
        let table = table(&format!("idp/{folder}/index.tsv"));
        assert_eq!(table.len(), count, "{folder}: the table has another length");
        for line in table {
            let (file, path) = (&line["file"], &line["path"]);
            let body = (file != "-").then(|| fixture_text(&format!("idp/{folder}/{file}")));
            let name = match &body {
                Some(_) => file.clone(),
                None => format!("{} {path}", line["method"]),
            };
            // What strict answers is said behind the statuses, or in the effect.
            let usual = line["expected_status"].replace("(strict RFC: 400 noTarget)", "");
            let statuses =
                usual.split(|c: char| !c.is_ascii_digit()).filter_map(|s| s.parse().ok());
            rows.push(Row {
                key: format!("{folder}/{name}"),
                method: line["method"].parse().unwrap(),
                path: path.clone(),
                statuses: statuses.collect(),
                text: format!("{} {}", line["expected_status"], line["expected_effect"]),
                body,
            });
        }
    }
    rows
}

#[test]
fn every_captured_body_is_in_its_table() {
    for (folder, _) in TABLES {
        let table = table(&format!("idp/{folder}/index.tsv"));
        for entry in std::fs::read_dir(fixture_path(&format!("idp/{folder}"))).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let named = table.iter().any(|line| line["file"] == name);
            assert!(name == "index.tsv" || named, "{folder}/{name} is in no row");
        }
    }
}

#[tokio::test]
async fn on_sqlite() {
    run(Backend::Sqlite).await;
}

#[tokio::test]
async fn in_memory() {
    run(Backend::Memory).await;
}

async fn run(backend: Backend) {
    let (mut ran, mut refused, mut failed) = (0, 0, Vec::new());
    for row in rows().into_iter().map(Arc::new) {
        for (name, profile) in profiles() {
            let at = format!("{} in {name} on {backend:?}", row.key);
            // A task of its own, so that one row's failure does not hide those of the others.
            let row = Arc::clone(&row);
            let task = tokio::spawn(async move { one(&row, backend, profile, &at).await });
            match task.await {
                Ok(was_refused) => refused += usize::from(was_refused),
                Err(panic) => failed.push(panic.to_string()),
            }
            ran += 1;
        }
    }
    assert!(failed.is_empty(), "{} of {ran} failed:\n{}", failed.len(), failed.join("\n"));
    println!(
        "{ran} runs of captured requests on {backend:?}, {refused} refused by strict; judged wrong: {WRONG:?}"
    );
    assert_eq!((ran, refused), (186, 26));
}

/// Runs one row; tells whether strict refused it, as it should.
async fn one(row: &Row, backend: Backend, profile: Profile, at: &str) -> bool {
    let strict = given::strict_refusal(&row.key);
    let told = row.text.contains("strict: 400") || row.text.contains("strict RFC: 400");
    assert_eq!(strict.is_some(), told, "{at}: the table says something else of strict");
    let seen = send(row, backend, profile, at).await;
    match strict.filter(|_| profile == Profile::strict()) {
        Some(scim_types) => {
            assert_error(&seen.answer, 400, scim_types, at);
            nothing_happened(&seen, at);
            true
        }
        None => {
            accepted(row, &seen, strict.is_some(), at);
            effects::check(&row.key, &seen, at);
            false
        }
    }
}

/// The registry of the rows: the standard one, and what their preconditions register.
fn registry() -> Registry {
    let mut registry = Registry::standard();
    registry
        .add_json(
            r#"{
              "schemas": [
                { "id": "urn:ietf:params:scim:schemas:extension:FabrikamApp:2.0:User", "name": "FabrikamApp",
                  "attributes": [{ "name": "tag", "type": "string" }] },
                { "id": "urn:okta:scim:schemas:core:1.0:Role", "name": "Role",
                  "attributes": [{ "name": "displayName", "type": "string", "required": true }] },
                { "id": "urn:okta:scim:schemas:core:1.0:Entitlement", "name": "Entitlement",
                  "attributes": [{ "name": "displayName", "type": "string", "required": true },
                                 { "name": "type", "type": "string" }] }],
              "resourceTypes": [
                { "name": "Role", "endpoint": "/Roles", "schema": "urn:okta:scim:schemas:core:1.0:Role" },
                { "name": "Entitlement", "endpoint": "/Entitlements",
                  "schema": "urn:okta:scim:schemas:core:1.0:Entitlement" }],
              "extensions": {
                "User": [{ "schema": "urn:ietf:params:scim:schemas:extension:FabrikamApp:2.0:User" }] }
            }"#,
        )
        .unwrap();
    registry
}

async fn send(row: &Row, backend: Backend, profile: Profile, at: &str) -> Seen {
    let server =
        TestServer::with_registry(backend, registry(), |builder| builder.profile(profile)).await;
    let vars = prepare(&server, &given::given(&row.key)).await;
    let (user_path, group_path) =
        (format!("/Users/{}", vars.get("userId")), format!("/Groups/{}", vars.get("groupId")));
    let user_before = server.get(&user_path).await.body;
    let group_before = server.get(&group_path).await.body;

    let (path, authorised) = match row.path.strip_suffix(" (without token)") {
        Some(path) => (path, false),
        None => (row.path.as_str(), true),
    };
    // What clients print in logs is decoded; on the wire these two are not sent as they are.
    let path = vars.fill(path).replace(' ', "%20").replace('"', "%22");
    let body = row.body.as_ref().map(|body| vars.fill(body));
    let request = || {
        let mut request = Request::builder().method(&row.method).uri(format!("/scim/v2{path}"));
        if authorised {
            request = request.header("authorization", format!("Bearer {}", server.token));
        }
        // Entra sends the first of these, OneLogin the second.
        request = match row.key.split('/').next() {
            Some("onelogin") => request.header("accept", "application/json"),
            _ => request.header("accept", "application/scim+json"),
        };
        let body = match &body {
            Some(body) => {
                request = request.header("content-type", "application/scim+json; charset=utf-8");
                axum::body::Body::from(body.clone())
            }
            None => axum::body::Body::empty(),
        };
        request.body(body).unwrap()
    };
    let started = std::time::Instant::now();
    let answer = server.raw(request()).await;
    let took = started.elapsed();
    assert!(!answer.status.is_server_error(), "{at}: {}", answer.text);
    let user = server.get(&user_path).await;
    let group = server.get(&group_path).await;
    let created = match header(&answer, "location").and_then(|l| l.strip_prefix(BASE)) {
        Some(location) if answer.status == 201 => server.get(location).await.body,
        _ => Value::Null,
    };
    let again = server.raw(request()).await;
    if row.method == Method::PATCH && answer.status.is_success() {
        assert!(again.status.is_success(), "{at}: a retry is refused: {}", again.text);
        let (user_again, group_again) =
            (server.get(&user_path).await.body, server.get(&group_path).await.body);
        assert_eq!(group_again, group.body, "{at}: a retry changes the group");
        // A password cannot be told from the one before, so setting it is always a change.
        if !row.key.contains("password") {
            assert_eq!(user_again, user.body, "{at}: a retry changes the user");
        }
    }
    Seen { vars, answer, took, user_before, group_before, user, group, created, again }
}

/// Makes the precondition of a captured request true: `entra/entra-add-member.json`, or a file of ours.
pub(crate) async fn prepare_for(server: &TestServer, fixture: &str) -> Vars {
    prepare(server, &given::given(fixture)).await
}

/// Makes the row's precondition true.
async fn prepare(server: &TestServer, given: &Given) -> Vars {
    let mut vars = Vars::default();
    vars.set("base", BASE);
    vars.set("guid", "2f1c7a52-6a1e-4a53-9a0b-6f3f1d0f9c11");
    vars.set("unknownId", "0199a1f0-0000-7000-8000-000000000000");
    vars.set("n", "2");
    for name in ["managerId", "managerId2"] {
        vars.set(name, user(server, name).await);
    }
    let subject = crate::support::made(server, "/Users", &vars.fill_json(&given.user)).await;
    vars.set("userId", subject["id"].as_str().unwrap());
    for n in 2..=5 {
        vars.set(&format!("userId{n}"), user(server, &format!("user{n}@fabrikam.example")).await);
    }
    let members: Vec<&str> = given.members.iter().map(|name| vars.get(name)).collect();
    let id = group(server, given.group_name, &members).await;
    vars.set("groupId", id);
    for n in 0..given.more_groups {
        group(server, &format!("Another group {n}"), &[]).await;
    }
    vars
}

fn accepted(row: &Row, seen: &Seen, by_tolerance: bool, at: &str) {
    let status = seen.answer.status.as_u16();
    assert!(row.statuses.contains(&status), "{at}: {status}: {}", seen.answer.text);
    if row.method == Method::PATCH && status < 300 {
        let expected = if row.path.starts_with("/Groups") { 204 } else { 200 };
        assert_eq!(status, expected, "{at}");
        assert_eq!(status == 204, seen.answer.text.is_empty(), "{at}");
    }
    assert!(
        !has_null(&seen.answer.body) || seen.answer.text.is_empty(),
        "{at}: {}",
        seen.answer.text
    );
    let used = header(&seen.answer, "scim-tolerances");
    assert_eq!(used.is_some(), by_tolerance, "{at}: tolerances {used:?}");
}

fn nothing_happened(seen: &Seen, at: &str) {
    assert_eq!(seen.user.body, seen.user_before, "{at}: the user changed");
    assert_eq!(seen.group.body, seen.group_before, "{at}: the group changed");
    assert_eq!(header(&seen.answer, "scim-tolerances"), None, "{at}");
    assert_eq!(seen.again.text, seen.answer.text, "{at}: another answer the second time");
}

/// Whether a null stands anywhere in it; the server shows what is assigned.
fn has_null(json: &Value) -> bool {
    match json {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

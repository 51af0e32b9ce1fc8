//! Two tenants in one store: nothing crosses (THREATS A3).
//!
//! Tenant A ("default") works at random, with everything that B ("other") has in its pool of ids, cursors, versions and
//! values. B must not move, A must see nothing of B, and, the strongest form: A must get answer for answer, byte for
//! byte, what it gets from a server on which B has nothing at all.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use chrono::{DateTime, TimeDelta, Utc};
use http::Request;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use scim_server::ScimServer;
use scim_server::auth::Scope;
use scim_server::clock::{Clock, FixedClock, SequentialIds, SystemClock};
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, TestServer, encode};
use crate::probe::{assert_same, bulk, dump, group, patch};

/// Stands in every value of B that A has no means to know.
const SECRET: &str = "only-bravo";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

/// One server, with ids and time for A that do not depend on what B does.
struct Side {
    server: TestServer,
    router: Router,
    clock: Arc<FixedClock>,
}

impl Side {
    async fn new(backend: Backend, began: DateTime<Utc>) -> Self {
        let server = TestServer::with(backend, |builder| builder.cursor_key([7; 32])).await;
        let clock = Arc::new(FixedClock::at(began));
        let router = ScimServer::builder(Arc::clone(&server.registry))
            .shared_store(Arc::clone(&server.store))
            .shared_authenticator(server.tokens.clone())
            .base_url("https://scim.test/scim/v2")
            .cursor_key([7; 32])
            .clock(clock.clone())
            .ids(Arc::new(SequentialIds::new()))
            .build()
            .unwrap()
            .service("https://scim.test", "/scim/v2");
        Self { server, router, clock }
    }

    /// A request of A.
    async fn send(&self, step: &Step) -> Answer {
        self.clock.advance(TimeDelta::milliseconds(1));
        let mut request = Request::builder()
            .method(step.method)
            .uri(format!("/scim/v2{}", step.path))
            .header("authorization", format!("Bearer {}", self.server.token));
        for (name, value) in &step.headers {
            request = request.header(*name, value);
        }
        let body = match &step.body {
            Some(body) => {
                request = request.header("content-type", "application/scim+json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.server.raw_to(&self.router, request.body(body).unwrap()).await
    }
}

/// What A asks for.
#[derive(Debug, Clone)]
struct Step {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Value>,
}

/// What A has picked up of B.
#[derive(Debug, Default)]
struct Loot {
    users: Vec<String>,
    groups: Vec<String>,
    names: Vec<String>,
    externals: Vec<String>,
    versions: Vec<String>,
    cursors: Vec<String>,
}

/// Fills B through its own endpoints.
async fn fill(server: &TestServer, token: &str) -> Loot {
    let mut loot = Loot::default();
    let send = |method: &'static str, path: String, body: Option<Value>| async move {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/t/other/scim/v2{path}"))
            .header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/scim+json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let answer = server.raw(request.body(body).unwrap()).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer
    };
    for number in 0..8 {
        let (name, external) = (format!("bravo.{number}@example.org"), format!("ext-{number}"));
        let body = json!({
            "schemas": [USER, ENTERPRISE],
            "userName": name,
            "externalId": external,
            "displayName": format!("{SECRET} {number}"),
            "nickName": format!("{SECRET}-nick-{number}"),
            "password": format!("{SECRET}-password-{number}"),
            "emails": [{ "value": format!("{SECRET}-{number}@example.org"), "type": "work" }],
            ENTERPRISE: { "department": format!("{SECRET} department"), "employeeNumber": format!("{number}") },
        });
        let answer = send("POST", "/Users".to_owned(), Some(body)).await;
        loot.versions.push(answer.headers["etag"].to_str().unwrap().to_owned());
        loot.users.push(answer.id());
        loot.names.push(name);
        loot.externals.push(external);
    }
    for number in 0..4 {
        let members = [loot.users[number].as_str(), loot.users[number + 4].as_str()];
        let body = group(&format!("{SECRET} group {number}"), &members);
        loot.groups.push(send("POST", "/Groups".to_owned(), Some(body)).await.id());
    }
    for (path, sort) in [("/Users", ""), ("/Groups", ""), ("/Users", "&sortBy=userName"), ("/", "")]
    {
        let answer = send("GET", format!("{path}?cursor&count=2{sort}"), None).await;
        loot.cursors.push(answer.body["nextCursor"].as_str().unwrap().to_owned());
    }
    loot
}

/// A's random work. `own` are the ids that A was given.
fn step(rng: &mut StdRng, loot: &Loot, own: &[String], number: usize) -> Step {
    fn pick<'a>(rng: &mut StdRng, from: &'a [String]) -> &'a str {
        from.get(rng.random_range(0..from.len().max(1))).map_or("none", String::as_str)
    }
    let theirs = match rng.random_range(0..3) {
        0 => pick(rng, &loot.groups).to_owned(),
        _ => pick(rng, &loot.users).to_owned(),
    };
    let mine = pick(rng, own).to_owned();
    let any = if rng.random_bool(0.6) { theirs.clone() } else { mine.clone() };
    let name = pick(rng, &loot.names).to_owned();
    let external = pick(rng, &loot.externals).to_owned();
    let endpoint = ["/Users", "/Groups", "/Contacts"][rng.random_range(0..3)];
    let mut headers = Vec::new();
    if rng.random_bool(0.2) {
        let header = ["if-match", "if-none-match"][rng.random_range(0..2)];
        headers.push((header, pick(rng, &loot.versions).to_owned()));
    }
    let plain = |method, path| Step { method, path, headers: Vec::new(), body: None };
    let with = |method, path, body| Step { method, path, headers: Vec::new(), body: Some(body) };
    let mut made = match rng.random_range(0..20) {
        0 => plain("GET", format!("{endpoint}/{any}")),
        1 => plain("DELETE", format!("{endpoint}/{any}")),
        2 => with("PUT", format!("/Users/{any}"), json!({ "schemas": [USER], "userName": name })),
        3 => with(
            "POST",
            "/Users".into(),
            json!({
                "schemas": [USER, ENTERPRISE], "userName": name, "externalId": external, "id": theirs,
                ENTERPRISE: { "manager": { "value": theirs, "$ref": format!("../Users/{theirs}") } },
            }),
        ),
        4 => with(
            "POST",
            "/Users".into(),
            json!({ "schemas": [USER], "userName": theirs, "externalId": theirs }),
        ),
        5 => with("POST", "/Groups".into(), group(&format!("alpha {number}"), &[&any])),
        6 => with("POST", "/Groups".into(), group(&format!("alpha {number}"), &[&mine])),
        7 => with(
            "PATCH",
            format!("/Groups/{any}"),
            patch(&[json!({ "op": "add", "path": "members", "value": [{ "value": theirs }] })]),
        ),
        8 => with(
            "PATCH",
            format!("/Groups/{mine}"),
            patch(&[
                json!({ "op": "replace", "path": "members", "value": [{ "value": mine }, { "value": theirs }] }),
            ]),
        ),
        9 => with(
            "PATCH",
            format!("/Groups/{any}"),
            patch(&[json!({ "op": "remove", "path": format!("members[value eq \"{theirs}\"]") })]),
        ),
        10 => with(
            "PATCH",
            format!("/Users/{any}"),
            patch(&[
                json!({ "op": "replace", "path": "active", "value": false }),
                json!({ "op": "add", "path": "nickName", "value": "alpha" }),
            ]),
        ),
        11 => {
            let filter = [
                format!("userName eq \"{name}\""),
                format!("externalId eq \"{external}\""),
                format!("id eq \"{theirs}\""),
                format!("members.value eq \"{theirs}\""),
                format!("members eq \"{theirs}\""),
                format!("groups.value eq \"{theirs}\""),
                format!("displayName sw \"{SECRET}\""),
                format!("emails.value co \"{SECRET}\""),
                format!("meta.location ew \"{theirs}\""),
                format!("{ENTERPRISE}:manager.value eq \"{theirs}\""),
                format!("not (userName eq \"{name}\")"),
                format!("userName pr and not (id eq \"{theirs}\")"),
            ];
            let filter = encode(&filter[rng.random_range(0..filter.len())]);
            plain(
                "GET",
                format!("{}?filter={filter}", ["/Users", "/Groups", "/"][rng.random_range(0..3)]),
            )
        }
        12 => {
            let (cursor, sort) =
                (pick(rng, &loot.cursors), ["", "&sortBy=userName"][rng.random_range(0..2)]);
            plain(
                "GET",
                format!(
                    "{}?count=2&cursor={cursor}{sort}",
                    ["/Users", "/Groups", "/"][rng.random_range(0..3)]
                ),
            )
        }
        13 => plain(
            "GET",
            format!("{}?sortBy=userName&count=3", ["/Users", "/"][rng.random_range(0..2)]),
        ),
        14 => with(
            "POST",
            "/.search".into(),
            json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
                "filter": format!("id eq \"{theirs}\" or userName sw \"bravo\""), "count": 0,
            }),
        ),
        15 => with(
            "POST",
            "/Bulk".into(),
            bulk(&[
                json!({ "method": "DELETE", "path": format!("/Users/{theirs}") }),
                json!({ "method": "PATCH", "path": format!("/Groups/{theirs}"), "data": patch(&[
                json!({ "op": "add", "path": "members", "value": [{ "value": mine }] }),
            ]) }),
                json!({ "method": "PUT", "path": format!("/Users/{any}"), "data": { "schemas": [USER], "userName": "x" } }),
            ]),
        ),
        16 => with(
            "POST",
            "/Bulk".into(),
            bulk(&[
                json!({ "method": "POST", "path": "/Users", "bulkId": "one",
                "data": { "schemas": [USER], "userName": format!("alpha.{number}") } }),
                json!({ "method": "POST", "path": "/Groups", "bulkId": "two",
                "data": group(&format!("bulk {number}"), &["bulkId:one", &theirs]) }),
                json!({ "method": "POST", "path": "/Groups", "bulkId": theirs,
                "data": group(&format!("bulk b {number}"), &["bulkId:one"]) }),
            ]),
        ),
        17 => with(
            "PATCH",
            format!("/Groups/{mine}"),
            patch(&[json!({ "op": "add", "path": "members",
            "value": [{ "value": theirs, "$ref": format!("https://scim.test/t/other/scim/v2/Users/{theirs}") }] })]),
        ),
        18 => plain(
            "GET",
            format!("/Users?attributes=groups,userName&filter={}", encode("groups pr")),
        ),
        _ => plain("GET", format!("{endpoint}?startIndex={}&count=2", rng.random_range(0..9))),
    };
    made.headers = headers;
    made
}

/// What is compared of an answer: all but the id of the exchange.
fn face(answer: &Answer) -> (u16, String, Option<String>, Option<String>) {
    let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    (answer.status.as_u16(), answer.text.clone(), header("etag"), header("location"))
}

async fn twins(backend: Backend, steps: usize) {
    // Ahead of the time at which B was filled: stored times never go back.
    let began = SystemClock::new().now() + TimeDelta::hours(1);
    let (shared, alone) = (Side::new(backend, began).await, Side::new(backend, began).await);
    let token = shared.server.new_token("other", &[Scope::Read, Scope::Write], None).await;
    let loot = fill(&shared.server, &token).await;
    let before = dump(&shared.server, "other").await;
    assert!(before.matches(SECRET).count() > 20, "B is empty");
    let mut rng = StdRng::seed_from_u64(0x5c1_9001);
    let mut own: Vec<String> = Vec::new();
    let (mut refused, mut done) = (0, 0);
    for number in 0..steps {
        let step = step(&mut rng, &loot, &own, number);
        let answer = shared.send(&step).await;
        let twin = alone.send(&step).await;
        assert_eq!(face(&answer), face(&twin), "step {number} tells A that there is a B: {step:?}");
        assert!(!answer.status.is_server_error(), "step {number}: {step:?}: {answer:?}");
        let everything = format!("{}{:?}", answer.text, answer.headers);
        assert!(!everything.contains(SECRET), "step {number}: {step:?}: {answer:?}");
        if answer.status == 201 {
            own.push(answer.id());
            assert!(!loot.users.contains(&answer.id()) && !loot.groups.contains(&answer.id()));
        }
        match answer.status.is_success() {
            true => done += 1,
            false => refused += 1,
        }
        if number % 50 == 0 {
            assert_same(&before, &dump(&shared.server, "other").await, &format!("step {number}"));
        }
    }
    assert_same(&before, &dump(&shared.server, "other").await, "A's work");
    let (mine, twin) =
        (dump(&shared.server, "default").await, dump(&alone.server, "default").await);
    let without_actor = |text: &str| {
        let ids = [&shared.server.token, &alone.server.token]
            .map(|t| t.split('_').nth(1).unwrap().to_owned());
        ids.iter().fold(text.to_owned(), |text, id| text.replace(id, "TOKEN"))
    };
    assert_eq!(without_actor(&mine), without_actor(&twin));
    assert!(done > steps / 10 && refused > steps / 10, "{done} done, {refused} refused: not a mix");
}

#[tokio::test]
async fn a_tenant_cannot_tell_that_there_is_another_memory() {
    twins(Backend::Memory, 600).await;
}

#[tokio::test]
async fn a_tenant_cannot_tell_that_there_is_another_sqlite() {
    twins(Backend::Sqlite, 600).await;
}

#[tokio::test]
async fn unique_values_members_and_totals_are_the_tenants_own() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let server = TestServer::with(backend, |builder| builder).await;
        let token = server.new_token("other", &[Scope::Read, Scope::Write], None).await;
        let loot = fill(&server, &token).await;
        for name in &loot.names {
            let made = server.post("/Users", &json!({ "schemas": [USER], "userName": name })).await;
            assert_eq!(made.status, 201, "{made:?}");
        }
        assert_eq!(server.get("/Users").await.body["totalResults"], loot.names.len());
        let made = server.post("/Groups", &group("mine", &[&loot.users[0]])).await;
        assert_eq!(
            (made.status.as_u16(), made.scim_type()),
            (400, Some("invalidValue")),
            "{made:?}"
        );
        let mine = server.post("/Groups", &group("mine", &[])).await.id();
        let add = patch(&[
            json!({ "op": "add", "path": "members", "value": [{ "value": loot.users[0] }] }),
        ]);
        let none = patch(&[
            json!({ "op": "add", "path": "members", "value": [{ "value": "0197-none" }] }),
        ]);
        let (there, nowhere) = (
            server.patch(&format!("/Groups/{mine}"), &add).await,
            server.patch(&format!("/Groups/{mine}"), &none).await,
        );
        assert_eq!(there.status, 400);
        assert_eq!(
            there.text, nowhere.text,
            "a member of another tenant and nobody must look the same"
        );
    }
}

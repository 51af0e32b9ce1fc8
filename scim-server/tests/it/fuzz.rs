//! Mutations of real requests, thousands of them: whatever comes, the answer is right or a SCIM error, never a 5xx, never
//! a panic, within a second, and an error leaves nothing behind.
//!
//! The seed is fixed, so a failure repeats. The seeds are the captured requests of identity providers.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use scim_server::Profile;
use serde_json::Value;

use crate::harness::{TestServer, encode};
use crate::probe::{assert_problem, assert_same, dump, group, in_time, last_change, user};

/// As long as it may take on a slow machine; most stop at the number of mutations.
const BUDGET: Duration = Duration::from_secs(20);
const MUTATIONS: usize = 3000;

const WORDS: [&str; 48] = [
    "\"",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e999",
    "\\u0000",
    "\\ud800",
    "\\",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "(",
    ")",
    " and ",
    " or ",
    "not (",
    " eq ",
    " pr",
    ".value",
    "[type eq \"work\"]",
    "urn:",
    "urn:ietf:params:scim:schemas:core:2.0:User:",
    "bulkId:",
    "bulkId:qwerty",
    "members",
    "schemas",
    "id",
    "meta",
    "password",
    "groups",
    "Operations",
    "op",
    "path",
    "value",
    "$ref",
    "primary",
    "active",
    "userName",
    "999999999999999999999",
    "{\"a\":{\"a\":{\"a\":{\"a\":1}}}}",
];

/// The captured requests, each with the route that it was sent to.
fn seeds() -> Vec<(&'static str, &'static str, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/idp");
    let mut folders = vec![folder];
    let mut seeds = Vec::new();
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
            let about_group =
                name.contains("group") || name.contains("member") || text.contains(":Group\"");
            let (method, target) = match &value["Operations"] {
                Value::Array(operations)
                    if operations.iter().any(|o| o.get("method").is_some()) =>
                {
                    ("POST", "/Bulk")
                }
                Value::Array(_) if about_group => ("PATCH", "/Groups/{group}"),
                Value::Array(_) => ("PATCH", "/Users/{user}"),
                _ if value.get("filter").is_some() => ("POST", "/Users/.search"),
                _ if about_group => ("POST", "/Groups"),
                _ if name.contains("put") || name.contains("replace") => ("PUT", "/Users/{user}"),
                _ if value.is_object() => ("POST", "/Users"),
                _ => continue,
            };
            seeds.push((method, target, text));
        }
    }
    seeds
}

/// One to five changes of the bytes: a bit, a cut, a repetition, a word, a piece of another request.
fn mutate(rng: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.random_range(1..=5) {
        let at = rng.random_range(0..=bytes.len());
        let end = rng.random_range(at..=bytes.len().min(at + 40));
        match rng.random_range(0..8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = rng.random(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].repeat(rng.random_range(1..20));
                bytes.splice(at..at, piece);
            }
            4 | 5 => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                let until = if rng.random_bool(0.5) { at } else { end };
                bytes.splice(at..until, word.bytes());
            }
            6 if !other.is_empty() => {
                let from = rng.random_range(0..other.len());
                let to = rng.random_range(from..=other.len().min(from + 80));
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
}

/// A change of a JSON tree that leaves it JSON, so that more requests get past the parser.
fn mutate_tree(rng: &mut StdRng, value: &mut Value) {
    let odd = |rng: &mut StdRng| match rng.random_range(0..8) {
        0 => Value::Null,
        1 => Value::from(rng.random::<bool>()),
        2 => Value::from(rng.random::<i64>()),
        3 => Value::Array(Vec::new()),
        4 => Value::Object(serde_json::Map::new()),
        5 => Value::from("x".repeat(rng.random_range(0..5000))),
        _ => Value::from(WORDS[rng.random_range(0..WORDS.len())]),
    };
    match value {
        Value::Object(object) if !object.is_empty() && rng.random_bool(0.8) => {
            let at = rng.random_range(0..object.len());
            let Some(name) = object.keys().nth(at).cloned() else { return };
            match rng.random_range(0..6) {
                0 => drop(object.remove(&name)),
                1 => drop(
                    object.insert(WORDS[rng.random_range(0..WORDS.len())].to_owned(), odd(rng)),
                ),
                2 => {
                    let moved = object.remove(&name).unwrap_or_default();
                    object.insert(name.to_uppercase(), moved);
                }
                _ => mutate_tree(rng, &mut object[&name]),
            }
        }
        Value::Array(items) if !items.is_empty() && rng.random_bool(0.8) => {
            let at = rng.random_range(0..items.len());
            match rng.random_range(0..5) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => mutate_tree(rng, &mut items[at]),
            }
        }
        Value::String(text) if rng.random_bool(0.6) => {
            let mut bytes = text.clone().into_bytes();
            mutate(rng, &mut bytes, b"");
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        other => *other = odd(rng),
    }
}

struct Target {
    server: TestServer,
    user: String,
    group: String,
}

impl Target {
    async fn new(profile: Profile) -> Self {
        let server = TestServer::new(profile).await;
        let id = server.post("/Users", &user("ada@example.org")).await.id();
        let group = server.post("/Groups", &group("engineers", &[&id])).await.id();
        Self { server, user: id, group }
    }

    /// What a mutation deleted or changed beyond use is there again.
    async fn restore(&mut self) {
        if self.server.get(&format!("/Users/{}", self.user)).await.status == 404 {
            let name = format!("again.{}", self.user);
            self.user = self.server.post("/Users", &user(&name)).await.id();
        }
        if self.server.get(&format!("/Groups/{}", self.group)).await.status == 404 {
            self.group = self.server.post("/Groups", &group("again", &[&self.user])).await.id();
        }
    }
}

async fn bombard(profile: Profile, seed: u64) {
    let seeds = seeds();
    assert!(seeds.len() >= 70, "only {} captured requests to start from", seeds.len());
    let mut target = Target::new(profile).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let (began, mut sent, mut taken, mut last) = (Instant::now(), 0, 0, 0);
    while sent < MUTATIONS && began.elapsed() < BUDGET {
        let (method, path, text) = &seeds[rng.random_range(0..seeds.len())];
        let other = &seeds[rng.random_range(0..seeds.len())].2;
        let mut body = text.clone().into_bytes();
        match rng.random_range(0..10) {
            0..5 => mutate(&mut rng, &mut body, other.as_bytes()),
            5..9 => {
                if let Ok(mut value) = serde_json::from_str(text) {
                    for _ in 0..rng.random_range(1..4) {
                        mutate_tree(&mut rng, &mut value);
                    }
                    body = value.to_string().into_bytes();
                }
            }
            _ => {}
        }
        let mut path = path.replace("{user}", &target.user).replace("{group}", &target.group);
        let mut method = (*method).to_owned();
        if rng.random_bool(0.1) {
            method = ["GET", "PUT", "POST", "PATCH", "DELETE"][rng.random_range(0..5)].to_owned();
        }
        if rng.random_bool(0.2) {
            let parameter = ["filter", "attributes", "sortBy", "cursor", "count", "startIndex"]
                [rng.random_range(0..6)];
            let mut value =
                b"emails[type eq \"work\"].value sw \"a\" or not (userName pr)".to_vec();
            mutate(&mut rng, &mut value, other.as_bytes());
            path = format!("{path}?{parameter}={}", encode(&String::from_utf8_lossy(&value)));
        }
        let mut request = Request::builder()
            .method(method.as_str())
            .uri(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", target.server.token))
            .header("content-type", "application/scim+json");
        if rng.random_bool(0.1) {
            let name = ["if-match", "if-none-match"][rng.random_range(0..2)];
            let value = ["*", "W/\"1\"", "\"2\", W/\"3\"", "x", "W/\""][rng.random_range(0..5)];
            request = request.header(name, value);
        }
        let what = format!(
            "mutation {sent} of seed {seed}: {method} {path:.300} {}",
            String::from_utf8_lossy(&body)
        );
        let before = last_change(&target.server, last).await;
        let answer = in_time(&target.server, request.body(Body::from(body)).unwrap()).await;
        let status = answer.status.as_u16();
        last = last_change(&target.server, before).await;
        match status {
            200 | 201 => {
                taken += 1;
                assert!(answer.body.is_object(), "{what}: {answer:?}");
                assert!(!answer.text.contains("$argon2"), "{what}: {answer:?}");
            }
            204 | 304 => {
                taken += 1;
                assert!(answer.text.is_empty(), "{what}: {answer:?}");
            }
            _ => {
                assert_problem(&answer, &what);
                assert_eq!(before, last, "{what} was refused and changed something: {answer:?}");
            }
        }
        sent += 1;
        if status < 300 && last != before {
            target.restore().await;
            last = last_change(&target.server, last).await;
        }
    }
    assert!(sent >= 500, "only {sent} mutations in {BUDGET:?}");
    assert!(
        taken > sent / 50 && taken < sent,
        "{taken} of {sent} taken: the mutations miss the point"
    );
    // What was let in can be read, listed and searched.
    let before = dump(&target.server, "default").await;
    for path in
        ["/Users", "/Groups", "/Contacts", "/", "/Users?sortBy=displayName", "/?filter=id+pr"]
    {
        let answer = target.server.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_same(&before, &dump(&target.server, "default").await, "reading");
    println!("{sent} mutations, {taken} taken, in {:?}", began.elapsed());
}

#[tokio::test]
async fn mutated_requests_default_profile() {
    bombard(Profile::default(), 0x5eed_0001).await;
}

#[tokio::test]
async fn mutated_requests_strict_profile() {
    bombard(Profile::strict(), 0x5eed_0002).await;
}

/// Bytes that were never a request, on every route that reads a body.
#[tokio::test]
async fn plain_garbage() {
    let target = Target::new(Profile::default()).await;
    let before = dump(&target.server, "default").await;
    let mut rng = StdRng::seed_from_u64(0x9a5b);
    for round in 0..600 {
        let length = rng.random_range(0..400);
        let body: Vec<u8> = match round % 2 {
            0 => (0..length).map(|_| rng.random()).collect(),
            _ => (0..length).map(|_| b"{}[]\":,\\ue0-tfn 1\"aO"[rng.random_range(0..20)]).collect(),
        };
        for path in ["/Users", "/Groups", "/Bulk", "/.search"] {
            let request = crate::probe::request(&target.server, "POST", path, &body);
            let answer = in_time(&target.server, request).await;
            assert_problem(&answer, &format!("round {round} {path}"));
        }
    }
    assert_same(&before, &dump(&target.server, "default").await, "garbage");
}

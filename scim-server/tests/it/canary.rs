//! A password that must be nowhere: not in an answer, not in the change feed, not in a file of the data folder.
//! The log of the real program is searched in `tests/program.rs` (THREATS A7).

use std::path::Path;

use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, encode};
use crate::probe::{PATCH_OP, SEARCH, USER, bulk, dump, patch, user};

const CANARY: &str = "Canary-7f3a9c-Zwitschert!";
const OTHER: &str = "Wrong-guess-0b1d2e-Piept!";

#[track_caller]
fn silent(answer: &Answer, what: &str) {
    let everything = format!("{}{:?}", answer.text, answer.headers);
    for secret in ["Canary-7f3a9c", "Wrong-guess-0b1d2e", "$argon2"] {
        assert!(!everything.contains(secret), "{what}: {everything}");
    }
}

/// Every file under a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push((path.display().to_string(), std::fs::read(&path).unwrap())),
        }
    }
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[tokio::test]
async fn a_password_is_nowhere_after_any_request() {
    let server = TestServer::new(Profile::default()).await;
    let mut body = user("ada@example.org");
    body["password"] = json!(CANARY);
    let made = server.post("/Users", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    silent(&made, "create");
    let path = format!("/Users/{}", made.id());
    let urn = format!("{USER}:password");
    let operations: Vec<(Value, u16)> = vec![
        (json!({ "op": "replace", "path": "password", "value": CANARY }), 200),
        (json!({ "op": "add", "path": "PassWord", "value": CANARY }), 200),
        (json!({ "op": "replace", "path": urn, "value": CANARY }), 200),
        (json!({ "op": "replace", "value": { "password": CANARY } }), 200),
        (json!({ "op": "add", "value": { urn: CANARY, "title": "x" } }), 200),
        (json!({ "op": "replace", "path": "password", "value": [CANARY, CANARY] }), 400),
        (
            json!({ "op": "replace", "path": "password", "value": { "value": CANARY, "x": { "y": CANARY } } }),
            400,
        ),
        (
            json!({ "op": "replace", "path": format!("password[value eq \"{CANARY}\"]"), "value": CANARY }),
            400,
        ),
        (json!({ "op": "remove", "path": format!("password.{CANARY}"), "value": CANARY }), 400),
        (json!({ "op": "replace", "value": { "passwords": CANARY } }), 400),
        (json!({ "op": "remove", "path": "password" }), 200),
    ];
    for (operation, status) in &operations {
        let what = operation.to_string();
        let answer = server.patch(&path, &patch(std::slice::from_ref(operation))).await;
        assert_eq!(answer.status, *status, "{what}: {answer:?}");
        silent(&answer, &what);
        let message = json!({ "schemas": [PATCH_OP], "Operations": [operation, { "op": "replace", "path": "id", "value": "x" }] });
        let answer = server.patch(&path, &message).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        silent(&answer, &what);
        let job = bulk(&[
            json!({ "method": "PATCH", "path": path, "data": patch(std::slice::from_ref(operation)) }),
        ]);
        silent(&server.post("/Bulk", &job).await, &what);
    }
    let mut put = user("ada@example.org");
    put["password"] = json!(CANARY);
    silent(&server.put(&path, &put).await, "replace");
    for (name, value) in
        [("active", json!("perhaps")), ("emails", json!(1)), ("userName", json!(null))]
    {
        let mut body = put.clone();
        body[name] = value;
        let answer = server.put(&path, &body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        silent(&answer, name);
    }
    silent(&server.post("/Users", &put).await, "a second time");
    let post = json!({ "method": "POST", "path": "/Users", "bulkId": "1", "data": put });
    silent(&server.post("/Bulk", &bulk(&[post])).await, "bulk");
    let mut broken = server
        .raw(crate::probe::request(
            &server,
            "POST",
            "/Users",
            format!("{{\"password\":\"{CANARY}\"").as_bytes(),
        ))
        .await;
    silent(&broken, "a body that breaks off");
    broken = server
        .raw(crate::probe::request(
            &server,
            "POST",
            "/Users",
            format!("password={CANARY}").as_bytes(),
        ))
        .await;
    silent(&broken, "a form");
    for query in [
        "attributes=password",
        "attributes=Password,userName",
        &format!("attributes={}", encode(&urn_password())),
        "excludedAttributes=userName",
        "attributes=password.value",
        "attributes=*",
    ] {
        for target in [path.as_str(), "/Users", "/"] {
            silent(&server.get(&format!("{target}?{query}")).await, query);
        }
    }
    let directory = dump(&server, "default").await;
    assert!(!directory.contains(CANARY) && !directory.contains("$argon2"), "{directory}");
    let mut found = Vec::new();
    files(server.folder.path(), &mut found);
    assert!(found.len() >= 2, "no data folder was searched");
    assert!(
        found.iter().any(|(_, bytes)| holds(bytes, "ada@example.org")),
        "the search does not find what is there"
    );
    for (name, bytes) in found {
        assert!(!holds(&bytes, CANARY), "{name} holds the password");
    }
}

fn urn_password() -> String {
    format!("{USER}:password")
}

/// A filter on a password would answer guesses. All shapes are refused, a right guess just like a wrong one.
#[tokio::test]
async fn no_query_tells_a_right_guess_from_a_wrong_one() {
    for profile in [Profile::default(), Profile::strict()] {
        let server = TestServer::new(profile).await;
        let mut body = user("ada@example.org");
        body["password"] = json!(CANARY);
        let path = format!("/Users/{}", server.post("/Users", &body).await.id());
        assert_eq!(server.post("/Users", &user("bob@example.org")).await.status, 201);
        let shapes = [
            "password eq \"?\"",
            "password ne \"?\"",
            "not (password eq \"?\")",
            "password sw \"?\"",
            "password co \"?\"",
            "password gt \"?\"",
            "PASSWORD eq \"?\"",
            "urn:ietf:params:scim:schemas:core:2.0:User:password eq \"?\"",
            "userName pr and password eq \"?\"",
            "userName eq \"ada@example.org\" or password eq \"?\"",
            "password.value eq \"?\"",
            "password[value eq \"?\"]",
        ];
        for shape in shapes {
            for collection in ["/Users", ""] {
                let mut answers = Vec::new();
                for guess in [CANARY, OTHER] {
                    let filter = shape.replace('?', guess);
                    let url = server
                        .get(
                            &format!("{collection}/?filter={}", encode(&filter))
                                .replace("Users/?", "Users?"),
                        )
                        .await;
                    let search = json!({ "schemas": [SEARCH], "filter": filter });
                    let body = server.post(&format!("{collection}/.search"), &search).await;
                    silent(&url, shape);
                    silent(&body, shape);
                    if !collection.is_empty() {
                        assert_eq!(url.status, 400, "{shape}: {url:?}");
                    }
                    answers.push((url.status, url.text, body.status, body.text));
                }
                assert_eq!(answers[0], answers[1], "{shape} answers guesses");
            }
        }
        for order in ["ascending", "descending"] {
            let answer = server.get(&format!("/Users?sortBy=password&sortOrder={order}")).await;
            silent(&answer, order);
            assert!(matches!(answer.status.as_u16(), 200 | 400), "{answer:?}");
        }
        // An equal password set again is not told from another one either.
        let set = |value| patch(&[json!({ "op": "replace", "path": "password", "value": value })]);
        let same = server.patch(&path, &set(CANARY)).await;
        let other = server.patch(&path, &set(OTHER)).await;
        assert_eq!(same.status, other.status);
        let versions = [&same, &other].map(|answer| answer.headers["etag"].clone());
        assert_ne!(
            versions[0], versions[1],
            "setting a password is a change, whatever was set before"
        );
    }
}

//! A password and a token must not reach the log, not even with every exchange traced.

use serde_json::{Value, json};

use super::*;

const CANARY: &str = "Canary-5b9e21-Zwitschert!";

#[test]
fn the_log_holds_no_password_and_no_token() {
    let server = launch().args(&["--trace-requests", "--log", "trace"]).start();
    let client = server.client();
    let user = |name: &str| json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "password": CANARY });
    let operations = |list: Value| json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": list });
    let made = client.post("/Users", &user("ada")).expect(201);
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let urn = "urn:ietf:params:scim:schemas:core:2.0:User:password";
    let patches = [
        json!([{ "op": "replace", "path": "password", "value": CANARY }]),
        json!([{ "op": "replace", "path": urn, "value": CANARY }]),
        json!([{ "op": "replace", "value": { "PASSWORD": CANARY } }]),
        json!([{ "op": "replace", "value": { urn: CANARY } }]),
        json!([{ "op": "replace", "path": "password", "value": [CANARY] }]),
        json!([{ "op": "replace", "path": "password", "value": { "a": { "b": CANARY } } }]),
        json!([{ "op": "replace", "path": format!("password[value eq \"{CANARY}\"]"), "value": "x" }]),
        json!([{ "op": "replace", "path": "password", "value": CANARY }, { "op": "replace", "path": "id", "value": "x" }]),
    ];
    let mut statuses = Vec::new();
    for list in patches {
        let message = operations(list);
        statuses.push(client.patch(&path, &message).status);
        let job = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{ "method": "PATCH", "path": path, "data": message }],
        });
        assert_eq!(client.post("/Bulk", &job).status, 200);
    }
    statuses.push(client.put(&path, &user("ada")).status);
    statuses.push(client.post("/Users", &user("ada")).status);
    let broken = format!("{{\"userName\":\"eve\",\"password\":\"{CANARY}\"");
    statuses.push(
        client.request("POST", "/Users").body("application/json", broken.as_bytes()).send().status,
    );
    statuses
        .push(client.request("POST", "/Users").body("text/plain", CANARY.as_bytes()).send().status);
    let filter = format!("password eq \"{CANARY}\"");
    statuses.push(client.list("/Users", &[("filter", &filter)]).status);
    let search = json!({ "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter });
    statuses.push(client.post("/Users/.search", &search).status);
    statuses.push(client.with_token("scim_canarytoken2345_wrong").get("/Users").status);
    assert!(
        statuses.contains(&200) && statuses.contains(&400) && statuses.contains(&409),
        "{statuses:?}"
    );

    let data = server.launch().data_dir().to_owned();
    let launch = server.launch().clone();
    server.terminate();
    let log = {
        let mut server = server;
        assert!(server.wait(SOON).success());
        let _ = server.logged("stopped", SOON);
        server.stderr()
    };
    assert!(
        log.contains("exchange:") && log.contains("\"ada\""),
        "nothing was traced: {log:.2000}"
    );
    for secret in [CANARY, "Canary-5b9e21", testkit::server::TOKEN, "canarytoken2345", "$argon2"] {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "the log holds {secret}: {line:?}");
    }
    let mut files = 0;
    for entry in std::fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        for secret in [CANARY, testkit::server::TOKEN] {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{} holds {secret}", path.display());
        }
        files += 1;
    }
    assert!(files >= 1);
    drop(launch);
}

/// Without the trace, what is searched for stays out of the log.
#[test]
fn the_log_holds_no_query_values_and_no_bodies() {
    let server = launch().args(&["--log", "debug"]).start();
    let client = server.client();
    let filter = format!("userName eq \"{CANARY}\"");
    let _ = client.list("/Users", &[("filter", &filter)]).expect(200);
    let _ = client.list("/Users", &[("filter", &format!("nope eq \"{CANARY}\""))]).expect(400);
    let _ = client.post("/Users", &json!({ "userName": CANARY, "emails": CANARY })).expect(400);
    let _ = client.get(&format!("/Users/{CANARY}")).expect(404);
    let _ = server.logged("not found", SOON);
    assert!(!server.stderr().contains("Canary-5b9e21"), "{}", server.stderr());
}

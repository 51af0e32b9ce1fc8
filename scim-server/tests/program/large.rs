//! Answers that are larger than the memory that may be spent on them, over a socket.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::http::Connection;
use testkit::server::TOKEN;
use testkit::{Server, people};

use super::*;

/// Sixty megabytes: four pages of the size that a page may have.
const LARGE: usize = 3_000_000;
const USERS: usize = 20;

fn with_large_users() -> Server {
    let server = launch().start();
    let client = server.client();
    for number in 0..USERS {
        let mut user = people::minimal_user(number);
        user["displayName"] = json!("x".repeat(LARGE));
        assert_eq!(client.post("/Users", &user).status, 201);
    }
    server
}

fn request(line: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n\r\n").into_bytes()
}

/// A figure of the process in kibibytes: `VmRSS` now, `VmHWM` at the most since the last [`forget_the_most`].
#[cfg(target_os = "linux")]
fn memory(server: &Server, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with(figure)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
fn forget_the_most(server: &Server) {
    std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5").unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn a_walk_over_large_users_stays_within_the_budget_of_a_page() {
    let server = with_large_users();
    let client = server.client();
    assert_eq!(client.get("/Users?count=1").status, 200);
    let before = memory(&server, "VmRSS");
    forget_the_most(&server);
    let (mut found, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = client.get(&format!("/Users?count=100&cursor={cursor}")).expect(200);
        assert_eq!(page["totalResults"], USERS);
        let users = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], users.len());
        assert!((1..=5).contains(&users.len()), "{} users", users.len());
        found.extend(users.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
        match page["nextCursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    assert_eq!(found.len(), USERS);
    let most = memory(&server, "VmHWM").saturating_sub(before);
    // A page of 16 MiB, one user more that did not fit, and one that is being written.
    assert!(most < 32 * 1024, "{most} KiB more than before");
}

#[test]
fn who_reads_slowly_keeps_nobody_waiting() {
    let server = with_large_users();
    let client = server.client();
    // Answers that nobody takes: the buffers of the system hold less than a page.
    let mut slow: Vec<Connection> = (0..6)
        .map(|_| {
            let mut connection = Connection::open(server.address(), SOON).unwrap();
            connection.send(&request("GET /scim/v2/Users?count=100")).unwrap();
            connection
        })
        .collect();
    for number in 0..50 {
        let made = client.post("/Users", &people::minimal_user(USERS + number)).expect(201);
        let path = format!("/Users/{}", made["id"].as_str().unwrap());
        assert_eq!(client.get(&path).status, 200);
        assert_eq!(client.delete(&path).status, 204);
    }
    for connection in &mut slow {
        connection.extend(SOON);
        let page = connection.receive().unwrap();
        assert_eq!(page.status, 200);
        assert_eq!(page.header("transfer-encoding"), Some("chunked"));
        let page: Value = page.json();
        assert_eq!(page["Resources"].as_array().map(Vec::len), Some(5));
        // The connection goes on.
        connection.send(&request("GET /scim/v2/Users?count=0")).unwrap();
        assert_eq!(connection.receive().unwrap().status, 200);
    }
}

#[test]
fn a_large_group_over_a_socket() {
    let server = launch().start();
    let client = server.client();
    let mut ids = Vec::new();
    for bulk in 0..3 {
        let operations: Vec<Value> = (0..1_000)
            .map(|n| {
                let data = people::minimal_user(1_000 * bulk + n);
                json!({ "method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": data })
            })
            .collect();
        let urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
        let done = client
            .post("/Bulk", &json!({ "schemas": [urn], "Operations": operations }))
            .expect(200);
        let made = done["Operations"].as_array().unwrap();
        ids.extend(made.iter().map(|operation| {
            operation["location"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned()
        }));
    }
    let made = client.post("/Groups", &people::group(1, &ids)).expect(201);
    let path = format!("/Groups/{}", made["id"].as_str().unwrap());
    ids.sort();
    let members = |group: &Value| -> Vec<String> {
        let members = group["members"].as_array().unwrap();
        members.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(members(&made), ids);
    let plain = client.get(&path);
    assert_eq!(members(&plain.json()), ids);
    assert_eq!(plain.json(), made);
    let etag = plain.header("etag").unwrap();
    // Packed, and without the body, on the same connection as what follows.
    let packed = client.request("GET", &path).header("accept-encoding", "gzip").send();
    assert_eq!((packed.status, packed.header("content-encoding")), (200, Some("gzip")));
    assert!(packed.body.len() * 3 < plain.body.len(), "{} bytes", packed.body.len());
    let mut connection = Connection::open(server.address(), SOON).unwrap();
    connection.send(&request(&format!("HEAD /scim/v2{path}"))).unwrap();
    let head = connection.receive_to("HEAD").unwrap();
    assert_eq!((head.status, head.header("etag")), (200, Some(etag)));
    assert_eq!(head.header("content-length"), None, "the length is known when all is sent");
    connection.send(&request(&format!("GET /scim/v2{path}"))).unwrap();
    assert_eq!(connection.receive().unwrap().body, plain.body);
    let unchanged = client.request("GET", &path).header("if-none-match", etag).send();
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    // A client of HTTP/1.0 knows no chunks: the end of the connection is the end of the answer.
    let mut old = Connection::open(server.address(), SOON).unwrap();
    let line = format!("GET /scim/v2{path} HTTP/1.0\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    old.send(line.as_bytes()).unwrap();
    let answer = old.receive().unwrap();
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(answer.body, plain.body);
}

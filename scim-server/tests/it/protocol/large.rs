//! Answers that are too large to be put together in memory: pages that end early, groups whose members are sent in parts.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use scim_core::{Resource, ResourceId};
use scim_server::auth::TenantId;
use scim_server::store::{Draft, Key, MEMBERS_AT_ONCE, Write, WriteBatch};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{servers, with_headers};
use crate::harness::{Backend, TestServer};
use crate::support::{BASE, GROUP, USER, header, listed_ids, made, member_ids, patch_op, user};

/// More than come along with a group, and more than are sent at a time.
const CROWD: usize = MEMBERS_AT_ONCE + 1_700;

fn id(n: usize) -> String {
    format!("0193f0a4-0000-7000-8000-{n:012x}")
}

fn creation(n: usize, resource_type: &str, json: &Value, members: &[String]) -> Write {
    let draft = Draft {
        resource: serde_json::from_value::<Resource>(json.clone()).unwrap(),
        password_hash: None,
        clear_password: false,
        relative_refs: false,
        changes: scim_core::ChangeSet::default(),
    };
    Write::Create {
        key: Key {
            tenant: TenantId::default(),
            resource_type: resource_type.into(),
            id: ResourceId::new(&id(n)).unwrap(),
        },
        draft,
        members: members.iter().map(|id| ResourceId::new(id).unwrap()).collect(),
        allow_cycles: false,
    }
}

async fn write(server: &TestServer, writes: Vec<Write>) {
    let batch = WriteBatch {
        tenant: TenantId::default(),
        actor: "test".into(),
        request_id: "test".into(),
        base_url: "http://localhost/scim/v2".into(),
        now: chrono::DateTime::UNIX_EPOCH,
        writes,
    };
    server.store.write(batch).await.unwrap();
}

/// A crowd of users, each third without a display name, and a group of all of them. Answers the group's path.
async fn crowd_in_a_group(server: &TestServer) -> String {
    let people = (0..CROWD).map(|n| {
        let mut json = json!({ "schemas": [USER], "userName": format!("person{n}") });
        if !n.is_multiple_of(3) {
            json["displayName"] = json!(format!("Person \"{n}\" é"));
        }
        creation(n, "User", &json, &[])
    });
    write(server, people.collect()).await;
    let all: Vec<String> = (0..CROWD).map(id).collect();
    let group = json!({ "schemas": [GROUP], "displayName": "everybody" });
    write(server, vec![creation(1_000_000, "Group", &group, &all)]).await;
    format!("/Groups/{}", id(1_000_000))
}

fn expected(n: usize) -> Value {
    let display =
        if !n.is_multiple_of(3) { format!("Person \"{n}\" é") } else { format!("person{n}") };
    json!({ "value": id(n), "$ref": format!("{BASE}/Users/{}", id(n)), "display": display, "type": "User" })
}

#[tokio::test]
async fn a_large_group_shows_all_its_members() {
    for server in servers().await {
        let path = crowd_in_a_group(&server).await;
        let all: Vec<Value> = (0..CROWD).map(expected).collect();
        let shown = server.get(&path).await;
        assert_eq!(shown.status, 200, "{:.300}", shown.text);
        assert_eq!(header(&shown, "content-type"), Some("application/scim+json"));
        assert_eq!(header(&shown, "etag"), Some("W/\"1\""));
        assert_eq!(header(&shown, "location"), Some(format!("{BASE}{path}").as_str()));
        assert_eq!(shown.body["members"], Value::from(all.clone()));
        assert_eq!(shown.body["displayName"], "everybody");
        assert_eq!(shown.body["meta"]["version"], "W/\"1\"");
        // What is asked for is shown of each member, whichever part it comes in.
        // Nothing else than of a small one.
        let small = json!({ "schemas": [GROUP], "displayName": "small", "members": [{ "value": id(7) }, { "value": id(9) }] });
        let small =
            format!("/Groups/{}", made(&server, "/Groups", &small).await["id"].as_str().unwrap());
        for query in [
            "attributes=members.value",
            "attributes=members.display",
            "attributes=members.nothing",
            "attributes=displayName",
            "attributes=members",
            "excludedAttributes=members",
            "excludedAttributes=members.display,displayName",
        ] {
            let shown = server.get(&format!("{path}?{query}")).await.body;
            let little = server.get(&format!("{small}?{query}")).await.body;
            let names = |json: &Value| -> BTreeSet<String> {
                json.as_object().unwrap().keys().cloned().collect()
            };
            assert_eq!(names(&shown), names(&little), "{query}");
            let Some(members) = shown.get("members").and_then(Value::as_array) else { continue };
            assert_eq!(members.len(), CROWD, "{query}");
            assert_eq!(little["members"], json!([members[7], members[9]]), "{query}");
            assert!(members.iter().all(|m| names(m) == names(&members[7])), "{query}");
        }
        server.delete(&small).await;
        // HEAD and conditions are those of any resource.
        let head = with_headers(&server, http::Method::HEAD, &path, &[], None).await;
        assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
        assert_eq!(header(&head, "etag"), Some("W/\"1\""));
        let same = [("if-none-match", "W/\"1\"")];
        let unchanged = with_headers(&server, http::Method::GET, &path, &same, None).await;
        assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
        let other = [("if-match", "W/\"7\"")];
        let failed = with_headers(&server, http::Method::GET, &path, &other, None).await;
        assert_eq!(failed.status, 412);
        // What a write answers is the same.
        let rename = patch_op(&json!([{ "op": "replace", "path": "displayName", "value": "all" }]));
        let patched =
            server.patch(&format!("{path}?attributes=displayName,members"), &rename).await;
        assert_eq!(patched.status, 200, "{:.300}", patched.text);
        assert_eq!(header(&patched, "etag"), Some("W/\"2\""));
        assert_eq!(patched.body["members"].as_array().map(Vec::len), Some(CROWD));
        let members: Vec<Value> = (1..CROWD).map(|n| json!({ "value": id(n) })).collect();
        let body = json!({ "schemas": [GROUP], "displayName": "most", "members": members });
        let replaced = server.put(&path, &body).await;
        assert_eq!(replaced.status, 200, "{:.300}", replaced.text);
        assert_eq!(replaced.body["members"], Value::from(all[1..].to_vec()));
        let copied = made(&server, "/Groups", &body).await;
        assert_eq!(copied["members"], Value::from(all[1..].to_vec()));
        // In a list as alone.
        let listed = server.get("/Groups?count=10").await;
        assert_eq!(
            listed_ids(&listed.body),
            [path[8..].to_owned(), copied["id"].as_str().unwrap().to_owned()]
        );
        for group in listed.body["Resources"].as_array().unwrap() {
            assert_eq!(group["members"], Value::from(all[1..].to_vec()));
        }
        assert_eq!(listed.body["Resources"][1], copied);
    }
}

#[tokio::test]
async fn what_is_sent_is_what_was_there_when_it_was_read() {
    for server in servers().await {
        let path = crowd_in_a_group(&server).await;
        let request = Request::get(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", server.token));
        let request = request.body(Body::empty()).unwrap();
        let response = server.router.clone().oneshot(request).await.unwrap();
        let mut body = response.into_body();
        let mut bytes = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
        assert!(bytes.len() < 400_000, "{} bytes at once", bytes.len());
        // Meanwhile some leave, others come, one is deleted, and the group itself goes away.
        let last = id(CROWD - 1);
        let gone = (CROWD - 600..CROWD).map(|n| format!("members[value eq \"{}\"]", id(n)));
        let leave: Value = gone.map(|path| json!({ "op": "remove", "path": path })).collect();
        assert_eq!(server.patch(&path, &patch_op(&leave)).await.status, 204);
        let late = user(&server, "late").await;
        let come = json!([{ "op": "add", "path": "members", "value": [{ "value": late }] }]);
        assert_eq!(server.patch(&path, &patch_op(&come)).await.status, 204);
        assert_eq!(server.delete(&format!("/Users/{last}")).await.status, 204);
        // No reader holds on to an old state of the database meanwhile.
        let file = server.folder.path().join("scim.db");
        if file.exists() {
            let busy: i64 = rusqlite::Connection::open(file)
                .unwrap()
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .unwrap();
            assert_eq!(busy, 0);
        }
        while let Some(frame) = body.frame().await {
            let part = frame.unwrap().into_data().unwrap();
            assert!(part.len() < 400_000, "{} bytes at once", part.len());
            bytes.extend(part);
            if bytes.len() > 250_000 {
                server.delete(&path).await;
            }
        }
        let shown: Value = serde_json::from_slice(&bytes).unwrap();
        let found: Vec<&str> = member_ids(&shown);
        let all: Vec<String> = (0..CROWD - 1).map(id).collect();
        assert_eq!(found, all, "all that were in, but for the one that is no more");
    }
}

async fn large_users(server: &TestServer, count: usize) {
    for n in 0..count {
        let body = json!({
            "schemas": [USER], "userName": format!("large{n:02}"), "displayName": "x".repeat(100_000),
        });
        made(server, "/Users", &body).await;
    }
}

fn budget(bytes: usize) -> impl Fn(scim_server::Builder) -> scim_server::Builder {
    move |builder| builder.page_bytes(bytes)
}

#[tokio::test]
async fn a_page_of_large_resources_ends_early_and_goes_on() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let server = TestServer::with(backend, budget(450_000)).await;
        large_users(&server, 11).await;
        for order in ["", "sortBy=userName&", "filter=userName%20co%20%22e%22&"] {
            let (mut found, mut cursor) = (BTreeSet::new(), String::new());
            loop {
                let page = server.get(&format!("/Users?{order}cursor={cursor}&count=100")).await;
                assert_eq!(page.status, 200, "{:.300}", page.text);
                assert!(page.text.len() < 500_000, "{}", page.text.len());
                assert_eq!(page.body["totalResults"], 11);
                let ids = listed_ids(&page.body);
                assert_eq!(page.body["itemsPerPage"], ids.len());
                found.extend(ids.into_iter().map(str::to_owned));
                match page.body["nextCursor"].as_str() {
                    Some(next) => {
                        assert_eq!(page.body["itemsPerPage"], 4);
                        next.clone_into(&mut cursor);
                    }
                    None => break,
                }
            }
            assert_eq!(found.len(), 11);
            let (mut by_index, mut start) = (BTreeSet::new(), 1);
            while start <= 11 {
                let page = server.get(&format!("/Users?{order}startIndex={start}&count=100")).await;
                assert_eq!(page.body["totalResults"], 11);
                assert_eq!(page.body["startIndex"], start);
                assert_eq!(page.body.get("nextCursor"), None);
                let ids = listed_ids(&page.body);
                assert_eq!(page.body["itemsPerPage"], ids.len());
                start += ids.len();
                by_index.extend(ids.into_iter().map(str::to_owned));
            }
            assert_eq!(by_index, found);
        }
        // Where less than one fits, one comes.
        let server = TestServer::with(backend, budget(1)).await;
        large_users(&server, 2).await;
        let page = server.get("/Users").await;
        assert_eq!(
            (&page.body["itemsPerPage"], &page.body["totalResults"]),
            (&json!(1), &json!(2))
        );
    }
}

#[tokio::test]
async fn a_list_of_large_groups_ends_early_unless_members_are_left_out() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let server = TestServer::with(backend, budget(1_000_000)).await;
        crowd_in_a_group(&server).await;
        let all: Vec<String> = (0..CROWD).map(id).collect();
        for n in 1..5 {
            let group = json!({ "schemas": [GROUP], "displayName": format!("group {n}") });
            write(&server, vec![creation(1_000_000 + n, "Group", &group, &all)]).await;
        }
        let mut seen = 0;
        while seen < 5 {
            let page = server.get(&format!("/Groups?startIndex={}", seen + 1)).await;
            assert_eq!(page.body["totalResults"], 5);
            let groups = page.body["Resources"].as_array().unwrap();
            assert_eq!(groups.len(), 1);
            assert!(groups.iter().all(|group| member_ids(group) == all));
            seen += groups.len();
        }
        let page = server.get("/Groups?excludedAttributes=members").await;
        assert_eq!(page.body["itemsPerPage"], 5);
        let body = json!({ "schemas": [crate::support::SEARCH], "count": 9 });
        let page = server.post("/.search", &body).await;
        assert_eq!((page.status.as_u16(), &page.body["itemsPerPage"]), (200, &json!(9)));
    }
}

#[tokio::test]
async fn large_answers_have_so_much_room_together() {
    // Room for 16 times the page: some 500,000 bytes.
    let server = TestServer::with(Backend::Sqlite, budget(31_250)).await;
    let body = |n: usize| json!({ "schemas": [USER], "userName": format!("large{n}"), "displayName": "x".repeat(270_000) });
    let path =
        format!("/Users/{}", made(&server, "/Users", &body(1)).await["id"].as_str().unwrap());
    let request = || {
        Request::get(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", server.token))
            .body(Body::empty())
            .unwrap()
    };
    let slow = server.router.clone().oneshot(request()).await.unwrap();
    assert_eq!(slow.status(), 200);
    let refused = server.raw(request()).await;
    assert_eq!(refused.status, 503, "{:.300}", refused.text);
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    assert!(refused.body["detail"].as_str().unwrap().contains("large answers"), "{refused:?}");
    // Small ones are answered meanwhile.
    assert_eq!(server.get(&format!("{path}?attributes=userName")).await.status, 200);
    assert_eq!(server.get("/Users?count=0").await.status, 200);
    // What is written is not told as an error, or it would be written again: there is no room to show it, that is all.
    let write = |method: &str, path: &str, n: usize| {
        Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", server.token))
            .header("content-type", "application/scim+json")
            .body(Body::from(body(n).to_string()))
            .unwrap()
    };
    let created = server.raw(write("POST", "/Users", 2)).await;
    assert_eq!((created.status.as_u16(), created.text.as_str()), (201, ""));
    assert!(header(&created, "location").is_some() && header(&created, "etag").is_some());
    let replaced = server.raw(write("PUT", &path, 3)).await;
    assert_eq!((replaced.status.as_u16(), replaced.text.as_str()), (204, ""));
    drop(slow);
    let answer = server.raw(request()).await;
    assert_eq!(answer.body["displayName"].as_str().map(str::len), Some(270_000));
    assert_eq!(answer.body["userName"], "large3");
    let query = "/Users?count=0&filter=userName%20eq%20%22large2%22";
    assert_eq!(server.get(query).await.body["totalResults"], 1);
}

//! Many at once, on SQLite (THREATS A5): no update is lost, no precondition is passed twice, no name is given twice.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, TestServer};
use crate::probe::{group, patch, request, user};

async fn server() -> Arc<TestServer> {
    Arc::new(TestServer::with(Backend::Sqlite, |builder| builder).await)
}

/// Sends all requests at the same time, each from a task of its own.
async fn all(
    server: &Arc<TestServer>,
    requests: impl IntoIterator<Item = (Method, String, Option<Value>, Option<String>)>,
) -> Vec<Answer> {
    let tasks: Vec<_> = requests
        .into_iter()
        .map(|(method, path, body, if_match)| {
            let server = Arc::clone(server);
            tokio::spawn(async move {
                let body = body.map(|body| body.to_string()).unwrap_or_default();
                let mut request = request(&server, method.as_str(), &path, body.as_bytes());
                if let Some(tag) = if_match {
                    request.headers_mut().insert("if-match", tag.parse().unwrap());
                }
                server.raw(request).await
            })
        })
        .collect();
    join_all(tasks).await.into_iter().map(|answer| answer.unwrap()).collect()
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status.as_u16() == status).count()
}

async fn users(server: &Arc<TestServer>, number: usize) -> Vec<String> {
    let requests = (0..number)
        .map(|i| (Method::POST, "/Users".to_owned(), Some(user(&format!("user.{i}"))), None));
    all(server, requests).await.iter().map(Answer::id).collect()
}

async fn members(server: &TestServer, group: &str) -> Vec<String> {
    let body = server.get(&format!("/Groups/{group}")).await.body;
    let list = body["members"].as_array().cloned().unwrap_or_default();
    list.iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect()
}

fn member(op: &str, id: &str) -> Value {
    match op {
        "remove" => patch(&[json!({ "op": op, "path": format!("members[value eq \"{id}\"]") })]),
        _ => patch(&[json!({ "op": op, "path": "members", "value": [{ "value": id }] })]),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_members_added_at_once_are_all_there() {
    let server = server().await;
    let ids = users(&server, 64).await;
    let team = server.post("/Groups", &group("team", &[])).await.id();
    let path = format!("/Groups/{team}");
    let answers = all(
        &server,
        ids.iter().map(|id| (Method::PATCH, path.clone(), Some(member("add", id)), None)),
    )
    .await;
    assert_eq!(count(&answers, 204), 64, "{answers:?}");
    let found: BTreeSet<_> = members(&server, &team).await.into_iter().collect();
    assert_eq!(found, ids.iter().cloned().collect());
    let versions: BTreeSet<_> =
        answers.iter().map(|answer| answer.headers["etag"].to_str().unwrap().to_owned()).collect();
    assert_eq!(versions.len(), 64, "two changes share a version");
    for id in ids.iter().step_by(9) {
        let body = server.get(&format!("/Users/{id}")).await.body;
        assert_eq!(body["groups"][0]["value"], json!(team));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn adds_against_removes() {
    let server = server().await;
    let ids = users(&server, 60).await;
    let (old, new) = ids.split_at(30);
    let first: Vec<&str> = old.iter().map(String::as_str).collect();
    let team = server.post("/Groups", &group("team", &first)).await.id();
    let path = format!("/Groups/{team}");
    let operations =
        old.iter().map(|id| member("remove", id)).chain(new.iter().map(|id| member("add", id)));
    let mut requests: Vec<_> =
        operations.map(|body| (Method::PATCH, path.clone(), Some(body), None)).collect();
    requests.sort_by_key(|(_, _, body, _)| body.as_ref().map(|body| body.to_string().len() % 7));
    let answers = all(&server, requests).await;
    assert_eq!(count(&answers, 204), 60, "{answers:?}");
    let found: BTreeSet<_> = members(&server, &team).await.into_iter().collect();
    assert_eq!(found, new.iter().cloned().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_member_sixteen_times_is_there_once() {
    let server = server().await;
    let id = users(&server, 1).await.remove(0);
    let team = server.post("/Groups", &group("team", &[])).await.id();
    let path = format!("/Groups/{team}");
    let answers = all(
        &server,
        (0..16).map(|_| (Method::PATCH, path.clone(), Some(member("add", &id)), None)),
    )
    .await;
    assert_eq!(count(&answers, 204), 16, "{answers:?}");
    assert_eq!(members(&server, &team).await, [id]);
    let etag = server.get(&path).await.headers["etag"].clone();
    assert_eq!(etag, "W/\"2\"", "fifteen of them changed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn forty_eight_patches_of_one_user_all_land() {
    let server = server().await;
    let id = users(&server, 1).await.remove(0);
    let path = format!("/Users/{id}");
    let add = |i: usize| {
        patch(&[
            json!({ "op": "add", "path": "emails", "value": [{ "value": format!("{i}@example.org"), "type": "other" }] }),
        ])
    };
    let answers =
        all(&server, (0..48).map(|i| (Method::PATCH, path.clone(), Some(add(i)), None))).await;
    assert_eq!(count(&answers, 200), 48, "{answers:?}");
    let body = server.get(&path).await.body;
    let found: BTreeSet<_> =
        body["emails"].as_array().unwrap().iter().map(|email| email["value"].to_string()).collect();
    assert_eq!(found.len(), 48);
    assert_eq!(body["meta"]["version"], "W/\"49\"");
    // Each answer shows its own change and a version and time of its own.
    let mut seen: Vec<(u64, String)> = Vec::new();
    for (i, answer) in answers.iter().enumerate() {
        assert!(answer.text.contains(&format!("\"{i}@example.org\"")), "{answer:?}");
        let version = answer.body["meta"]["version"].as_str().unwrap();
        let number = version.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        seen.push((number, answer.body["meta"]["lastModified"].as_str().unwrap().to_owned()));
    }
    seen.sort();
    assert!(seen.windows(2).all(|pair| pair[0].1 <= pair[1].1), "time runs backwards: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn single_attributes_set_at_once_do_not_undo_each_other() {
    let server = server().await;
    let id = users(&server, 1).await.remove(0);
    let path = format!("/Users/{id}");
    let names = [
        "title",
        "nickName",
        "displayName",
        "locale",
        "timezone",
        "userType",
        "profileUrl",
        "preferredLanguage",
    ];
    let values = ["x", "x", "x", "en-US", "Europe/Berlin", "x", "https://x.example/", "en"];
    for _ in 0..6 {
        let requests = names.iter().zip(values).map(|(name, value)| {
            (
                Method::PATCH,
                path.clone(),
                Some(patch(&[json!({ "op": "replace", "path": name, "value": value })])),
                None,
            )
        });
        let answers = all(&server, requests).await;
        assert_eq!(count(&answers, 200), names.len(), "{answers:?}");
        let body = server.get(&path).await.body;
        assert!(names.iter().zip(values).all(|(name, value)| body[*name] == value), "{body}");
        let clear: Vec<Value> =
            names.iter().map(|name| json!({ "op": "remove", "path": name })).collect();
        assert_eq!(server.patch(&path, &patch(&clear)).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_writers_with_the_same_precondition_one_wins() {
    let server = server().await;
    let id = users(&server, 1).await.remove(0);
    let path = format!("/Users/{id}");
    for round in 0..8 {
        let etag = server.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
        let requests = (0..16).map(|i| {
            let title = format!("{round}-{i}");
            let (method, body) = match i % 2 {
                0 => (
                    Method::PATCH,
                    patch(&[json!({ "op": "replace", "path": "title", "value": title })]),
                ),
                _ => {
                    let mut body = user("user.0");
                    body["title"] = json!(title);
                    (Method::PUT, body)
                }
            };
            (method, path.clone(), Some(body), Some(etag.clone()))
        });
        let answers = all(&server, requests).await;
        assert_eq!(count(&answers, 200), 1, "round {round}: {answers:?}");
        assert_eq!(count(&answers, 412), 15, "round {round}: {answers:?}");
        let winner = answers.iter().find(|answer| answer.status == 200).unwrap();
        assert_eq!(server.get(&path).await.body["title"], winner.body["title"]);
    }
    let etag = server.get(&path).await.headers["etag"].to_str().unwrap().to_owned();
    let answers =
        all(&server, (0..8).map(|_| (Method::DELETE, path.clone(), None, Some(etag.clone()))))
            .await;
    assert_eq!(count(&answers, 204), 1, "{answers:?}");
    assert_eq!(count(&answers, 404) + count(&answers, 412), 7, "{answers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_those_who_want_a_name_one_gets_it() {
    let server = server().await;
    for round in 0..6 {
        let name = format!("ada.{round}@example.org");
        let spellings = [name.clone(), name.to_uppercase(), name.replace("ada", "Ada")];
        let requests = (0..24)
            .map(|i| (Method::POST, "/Users".to_owned(), Some(user(&spellings[i % 3])), None));
        let answers = all(&server, requests).await;
        assert_eq!(count(&answers, 201), 1, "{answers:?}");
        assert_eq!(count(&answers, 409), 23, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status == StatusCode::CONFLICT) {
            assert_eq!(answer.scim_type(), Some("uniqueness"), "{answer:?}");
        }
    }
    // The same by renaming.
    let ids = users(&server, 16).await;
    let rename =
        patch(&[json!({ "op": "replace", "path": "userName", "value": "eve@example.org" })]);
    let requests =
        ids.iter().map(|id| (Method::PATCH, format!("/Users/{id}"), Some(rename.clone()), None));
    let answers = all(&server, requests).await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 15), "{answers:?}");
}

/// Deleting users while they are added to groups leaves no member without a user and no group without its version.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn members_deleted_while_they_are_added() {
    let server = server().await;
    let ids = users(&server, 32).await;
    let team = server.post("/Groups", &group("team", &[])).await.id();
    let path = format!("/Groups/{team}");
    let requests = ids.iter().flat_map(|id| {
        [
            (Method::PATCH, path.clone(), Some(member("add", id)), None),
            (Method::DELETE, format!("/Users/{id}"), None, None),
        ]
    });
    let answers = all(&server, requests).await;
    assert_eq!(count(&answers, 204) + count(&answers, 400), 64, "{answers:?}");
    assert_eq!(members(&server, &team).await, Vec::<String>::new());
    assert_eq!(server.get("/Users?count=0").await.body["totalResults"], 0);
}

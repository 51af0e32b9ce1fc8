//! How much memory a walk through a large directory takes.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use futures::TryStreamExt;
use scim_client::scim_core::query::{ListPage, ListQuery, PageRequest};
use scim_client::scim_core::{Leniency, Limits, Profile, User};
use scim_client::{Auth, Client};

use crate::process;

const USERS: u64 = 100_000;

/// The most that the reading process may ever have had in memory, code and all.
const MOST_KIB: u64 = 20 * 1024;

/// How the target pages; the reader reads typed users by cursor, and untyped resources by index.
const WAYS: [&str; 2] = ["cursor", "index"];

/// Not a test: the process that reads, run by [`a_walk_holds_one_page`].
#[tokio::test]
#[ignore = "reads for another test"]
async fn read() {
    let auth = std::env::var("READ_TOKEN").map_or(Auth::None, Auth::bearer);
    let scim = Client::builder(std::env::var("READ_URL").unwrap()).auth(auth).build().unwrap();
    let read = if std::env::var("READ_TYPED").as_deref() == Ok("yes") {
        scim.users().list().stream().try_fold(0, async |n, _| Ok(n + 1)).await
    } else {
        scim.resources("Users").list().stream().try_fold(0, async |n, _| Ok(n + 1)).await
    };
    println!("read {}, peak {} kB", read.unwrap(), peak_kib());
}

/// The largest resident size that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[tokio::test]
async fn a_walk_holds_one_page() {
    for way in WAYS {
        let app = Router::new()
            .route("/ServiceProviderConfig", get(config))
            .route("/Users", get(users))
            .with_state(way);
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = tokio::spawn(async move { axum::serve(listener, app).await });
        let (read, peak) = read_by(&[("READ_URL", &url), ("READ_TYPED", typed(way))]).await;
        target.abort();
        assert_eq!(read, USERS, "by {way}");
        println!("by {way}: {peak} KiB");
        assert!(peak <= MOST_KIB, "by {way}: {peak} KiB resident at the peak, {MOST_KIB} allowed");
    }
}

/// The same of the real server, in a process of its own on a data directory; `examples/walk.rs` does it with 100,000.
#[tokio::test]
async fn a_walk_through_the_real_server_holds_one_page() {
    const USERS: usize = 5_000;
    let server = process::server(&[("SCIM_MEMORY", "false")]);
    let scim = process::client(&server);
    for batch in (0..USERS).collect::<Vec<_>>().chunks(1_000) {
        let mut bulk = scim.bulk();
        for number in batch {
            let user = testkit::people::user(*number);
            bulk.create::<User>(&serde_json::from_value(user).unwrap());
        }
        let report = bulk.await.unwrap();
        assert!(report.is_done(), "{report}");
    }
    for way in WAYS {
        let settings = [
            ("READ_URL", server.url()),
            ("READ_TOKEN", testkit::server::TOKEN),
            ("READ_TYPED", typed(way)),
        ];
        let (read, peak) = read_by(&settings).await;
        assert_eq!(read, USERS as u64, "{way}");
        println!("{way}: {peak} KiB");
        assert!(peak <= MOST_KIB, "{way}: {peak} KiB resident at the peak, {MOST_KIB} allowed");
    }
}

/// Which of the ways is read as typed users.
fn typed(way: &str) -> &'static str {
    if way == "cursor" { "yes" } else { "no" }
}

/// Reads all users in a process of its own: how many there were, and the most KiB that it had resident.
async fn read_by(settings: &[(&str, &str)]) -> (u64, u64) {
    let mut reader = Command::new(std::env::current_exe().unwrap());
    reader
        .args(["--quiet", "--nocapture", "--ignored", "--exact", "memory::read"])
        .envs(settings.iter().copied())
        .stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || reader.output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line =
        text.lines().find(|line| line.starts_with("read ")).unwrap_or_else(|| panic!("{text}"));
    let (read, peak) =
        line.strip_prefix("read ").and_then(|rest| rest.split_once(", peak ")).unwrap();
    (read.parse().unwrap(), peak.trim_end_matches(" kB").parse().unwrap())
}

async fn config(State(way): State<&'static str>) -> impl IntoResponse {
    let cursor = way == "cursor";
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "filter":{{"supported":true,"maxResults":1000}},
            "pagination":{{"cursor":{cursor},"index":true,"maxPageSize":1000}}}}"#
    );
    ([(CONTENT_TYPE, "application/scim+json")], body)
}

/// A page of users that are made up as they are asked for.
async fn users(RawQuery(query): RawQuery) -> impl IntoResponse {
    let mut leniency = Leniency::new(Profile::strict());
    let query = query.unwrap_or_default();
    let query = ListQuery::from_query(&query, &Limits::default(), &mut leniency).unwrap();
    let (start, cursor) = match &query.page {
        PageRequest::Index { start, .. } => (start - 1, false),
        PageRequest::Cursor { cursor, .. } => {
            (cursor.as_deref().unwrap_or("0").parse().unwrap(), true)
        }
    };
    let end = (start + query.page.count().unwrap_or(100).min(1_000)).min(USERS);
    let rows = (start..end).map(|n| {
        let mut user = testkit::people::user(usize::try_from(n).unwrap());
        let mut id = String::new();
        write!(id, "00000000-0000-7000-8000-{n:012}").unwrap();
        user["id"] = id.into();
        user.to_string()
    });
    let page = ListPage {
        total_results: Some(USERS),
        items_per_page: Some(end - start),
        start_index: (!cursor).then_some(start + 1),
        next_cursor: (cursor && end < USERS).then(|| end.to_string()),
        previous_cursor: None,
    };
    let mut body = Vec::new();
    page.write(rows, &mut body);
    ([(CONTENT_TYPE, "application/scim+json")], body)
}

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
use scim_client::Client;
use scim_client::scim_core::query::{ListPage, ListQuery, PageRequest};
use scim_client::scim_core::{Leniency, Limits, Profile};

const USERS: u64 = 100_000;

/// The most that the reading process may ever have had in memory, code and all.
const MOST_KIB: u64 = 20 * 1024;

/// How the target pages; the reader reads typed users by cursor, and untyped resources by index.
const WAYS: [&str; 2] = ["cursor", "index"];

/// Not a test: the process that reads, run by [`a_walk_holds_one_page`].
#[tokio::test]
#[ignore = "reads for another test"]
async fn read() {
    let url = std::env::var("READ_URL").unwrap();
    let scim = Client::builder(url).build().unwrap();
    let read = if std::env::var("READ_TYPED").is_ok() {
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
        let mut reader = Command::new(std::env::current_exe().unwrap());
        reader
            .args(["--quiet", "--nocapture", "--ignored", "--exact", "memory::read"])
            .env("READ_URL", url)
            .envs((way == "cursor").then_some(("READ_TYPED", "yes")))
            .stderr(Stdio::inherit());
        let output = tokio::task::spawn_blocking(move || reader.output()).await.unwrap().unwrap();
        target.abort();
        let text = String::from_utf8(output.stdout).unwrap();
        let line =
            text.lines().find(|line| line.starts_with("read ")).unwrap_or_else(|| panic!("{text}"));
        let counts =
            line.strip_prefix("read ").and_then(|rest| rest.split_once(", peak ")).unwrap();
        assert_eq!(counts.0, USERS.to_string(), "by {way}");
        let peak: u64 = counts.1.trim_end_matches(" kB").parse().unwrap();
        println!("by {way}: {peak} KiB");
        assert!(peak <= MOST_KIB, "by {way}: {peak} KiB resident at the peak, {MOST_KIB} allowed");
    }
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

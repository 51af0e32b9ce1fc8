//! Pages by index and by cursor.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{crowd, servers};
use crate::harness::{Backend, TestServer, encode};
use crate::support::{SEARCH, USER, assert_error, listed_ids, made, user};

const CROWD: usize = 250;

fn names(list: &Value) -> Vec<String> {
    let resources = list["Resources"].as_array().unwrap();
    resources.iter().map(|r| r["userName"].as_str().unwrap().to_owned()).collect()
}

async fn walk_by_index(server: &TestServer, query: &str, count: usize) -> Vec<String> {
    let (mut found, mut start) = (Vec::new(), 1);
    loop {
        let page = server.get(&format!("/Users?{query}startIndex={start}&count={count}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.body["startIndex"], json!(start));
        assert_eq!(page.body.get("nextCursor"), None, "no cursor on an index page");
        let names = names(&page.body);
        assert_eq!(page.body["itemsPerPage"], json!(names.len()));
        start += names.len();
        found.extend(names);
        if start > page.body["totalResults"].as_u64().unwrap() as usize {
            return found;
        }
    }
}

async fn walk_by_cursor(server: &TestServer, query: &str, count: usize) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("/Users?{query}cursor={next}&count={count}")).await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert_eq!(page.body.get("startIndex"), None, "no index on a cursor page");
        let names = names(&page.body);
        assert!(names.len() <= count && !names.is_empty(), "a page of {}", names.len());
        found.extend(names);
        match page.body["nextCursor"].as_str() {
            Some(cursor) => cursor.clone_into(&mut next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn walks_by_index_and_cursor_are_the_same() {
    for server in servers().await {
        crowd(&server, CROWD).await;
        let filter = format!("filter={}&", encode("userName co \"1\""));
        for (query, total) in [
            ("", CROWD),
            ("sortBy=userName&", CROWD),
            ("sortBy=userName&sortOrder=descending&", CROWD),
            ("sortBy=meta.created&sortOrder=descending&", CROWD),
            (filter.as_str(), (0..CROWD).filter(|n| format!("{n:03}").contains('1')).count()),
        ] {
            let by_index = walk_by_index(&server, query, 60).await;
            assert_eq!(by_index.len(), total, "{query}");
            let distinct: BTreeSet<&String> = by_index.iter().collect();
            assert_eq!(distinct.len(), total, "{query}: nobody twice");
            for count in [1000, 125, 50, 7] {
                assert_eq!(
                    walk_by_cursor(&server, query, count).await,
                    by_index,
                    "{query} {count}"
                );
            }
            if query.starts_with("sortBy=userName") {
                let mut sorted = by_index.clone();
                sorted.sort();
                if query.contains("descending") {
                    sorted.reverse();
                }
                assert_eq!(by_index, sorted, "{query}");
            }
        }
    }
}

#[tokio::test]
async fn index_pages_at_the_edges() {
    for server in servers().await {
        crowd(&server, CROWD).await;
        for (query, items, start) in [
            ("", 100, 1),
            ("count=30", 30, 1),
            ("startIndex=241&count=30", 10, 241),
            ("startIndex=250&count=30", 1, 250),
            ("startIndex=251&count=30", 0, 251),
            ("startIndex=9999999&count=30", 0, 9_999_999),
            ("startIndex=9223372036854775807", 0, 9_223_372_036_854_775_807_u64),
            ("startIndex=0&count=5", 5, 1),
            ("startIndex=-7&count=5", 5, 1),
            ("count=0", 0, 1),
            ("count=-3", 0, 1),
            ("count=100000", CROWD, 1),
            ("count=99999999999999999999", CROWD, 1),
            ("startIndex=200", 51, 200),
            ("startIndex=1&count=2&", 2, 1),
            ("unknown=parameter&count=2", 2, 1),
        ] {
            let page = server.get(&format!("/Users?{query}")).await;
            assert_eq!(page.status, 200, "{query}: {}", page.text);
            assert_eq!(page.body["totalResults"], json!(CROWD), "{query}");
            assert_eq!(page.body["startIndex"], json!(start), "{query}");
            assert_eq!(page.body["itemsPerPage"], json!(items), "{query}");
            assert_eq!(page.body["Resources"].as_array().map(Vec::len), Some(items), "{query}");
        }
        for query in [
            "count=ten",
            "startIndex=x",
            "count=1.5",
            "count=",
            "startIndex=%20",
            "count=1&count=2",
            "startIndex=1&cursor",
        ] {
            let page = server.get(&format!("/Users?{query}")).await;
            assert_error(&page, 400, &["invalidValue"], query);
        }
    }
}

#[tokio::test]
async fn the_server_says_how_long_pages_are() {
    let server = TestServer::with(Backend::Memory, |builder| builder.page_sizes(3, 5)).await;
    crowd(&server, 8).await;
    let items = |query: &'static str| {
        let server = &server;
        async move { server.get(&format!("/Users?{query}")).await.body["itemsPerPage"].clone() }
    };
    assert_eq!(items("").await, json!(3), "unless asked");
    assert_eq!(items("count=4").await, json!(4));
    assert_eq!(items("count=100").await, json!(5), "at most");
    assert_eq!(items("cursor&count=100").await, json!(5), "at most");
    let config = server.get("/ServiceProviderConfig").await.body;
    assert_eq!(config["filter"]["maxResults"], json!(5));
    assert_eq!(config["pagination"]["defaultPageSize"], json!(3));
    assert_eq!(config["pagination"]["maxPageSize"], json!(5));
}

/// Somebody who was there from start to end is on exactly one page, whatever comes and goes meanwhile.
#[tokio::test]
async fn a_cursor_is_stable_while_others_write() {
    for server in servers().await {
        crowd(&server, 60).await;
        for query in ["", "sortBy=userName&", "sortBy=userName&sortOrder=descending&"] {
            let (mut found, mut next, mut n) = (Vec::new(), String::new(), 0);
            loop {
                let page = server.get(&format!("/Users?{query}cursor={next}&count=7")).await;
                found.extend(names(&page.body));
                // Before, between and behind the page.
                let mut passing = Vec::new();
                for name in ["aaa", "person030x", "zzz"] {
                    passing.push(user(&server, &format!("{name}{n}{}", query.len())).await);
                }
                server.delete(&format!("/Users/{}", passing[1])).await;
                n += 1;
                match page.body["nextCursor"].as_str() {
                    Some(cursor) => cursor.clone_into(&mut next),
                    None => break,
                }
                assert!(n < 100, "the walk does not end");
            }
            let distinct: BTreeSet<&String> = found.iter().collect();
            assert_eq!(distinct.len(), found.len(), "{query}: nobody twice");
            for n in 0..60 {
                assert!(
                    found.contains(&format!("person{n:03}")),
                    "{query}: person{n:03} is missed"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_survives_the_resource_that_it_stands_on() {
    for server in servers().await {
        crowd(&server, 10).await;
        let first = server.get("/Users?cursor&count=4&sortBy=userName").await;
        let last = listed_ids(&first.body)[3];
        assert_eq!(server.delete(&format!("/Users/{last}")).await.status, 204);
        let cursor = first.body["nextCursor"].as_str().unwrap();
        let second = server.get(&format!("/Users?cursor={cursor}&count=4&sortBy=userName")).await;
        assert_eq!(names(&second.body), ["person004", "person005", "person006", "person007"]);
    }
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_query_only() {
    for server in servers().await {
        crowd(&server, 10).await;
        let first = server.get("/Users?cursor&count=3&sortBy=userName").await;
        let cursor = first.body["nextCursor"].as_str().unwrap();
        for query in [
            format!("/Users?cursor={cursor}&count=3"),
            format!("/Users?cursor={cursor}&count=3&sortBy=displayName"),
            format!("/Users?cursor={cursor}&count=3&sortBy=userName&sortOrder=descending"),
            format!(
                "/Users?cursor={cursor}&count=3&sortBy=userName&filter={}",
                encode("userName pr")
            ),
            format!("/Groups?cursor={cursor}&count=3&sortBy=userName"),
            format!("/?cursor={cursor}&count=3&sortBy=userName"),
            format!("/Users?cursor={}x&count=3&sortBy=userName", &cursor[..cursor.len() - 1]),
            format!("/Users?cursor={}&count=3&sortBy=userName", &cursor[..cursor.len() / 2]),
            "/Users?cursor=nonsense&sortBy=userName".to_owned(),
            "/Users?cursor=%00&sortBy=userName".to_owned(),
        ] {
            assert_error(&server.get(&query).await, 400, &["invalidCursor"], &query);
        }
        // The same query in other words, and what a page shows may change.
        let same = server
            .get(&format!("/Users?attributes=userName&sortby=USERNAME&cursor={cursor}&count=3"))
            .await;
        assert_eq!(names(&same.body), ["person003", "person004", "person005"]);
    }
}

#[tokio::test]
async fn search_by_post_is_the_query_by_get() {
    for server in servers().await {
        crowd(&server, 12).await;
        let search = json!({
            "schemas": [SEARCH], "filter": "userName ew \"1\" or userName ew \"2\"", "sortBy": "userName",
            "sortOrder": "descending", "startIndex": 2, "count": 2, "attributes": ["userName"],
        });
        let query = format!(
            "/Users?filter={}&sortBy=userName&sortOrder=descending&startIndex=2&count=2&attributes=userName",
            encode("userName ew \"1\" or userName ew \"2\"")
        );
        let (posted, got) =
            (server.post("/Users/.search", &search).await, server.get(&query).await);
        assert_eq!((posted.status.as_u16(), &posted.body), (200, &got.body));
        assert_eq!(names(&got.body), ["person002", "person001"]);
        let first = json!({ "schemas": [SEARCH], "cursor": "", "count": 8 });
        let first = server.post("/Users/.search", &first).await.body;
        let next = json!({ "schemas": [SEARCH], "cursor": first["nextCursor"], "count": 8 });
        assert_eq!(server.post("/Users/.search", &next).await.body["itemsPerPage"], json!(4));
        for bad in [
            json!({ "schemas": [USER], "filter": "userName pr" }),
            json!({ "schemas": [SEARCH], "attributes": "userName" }),
            json!({ "schemas": [SEARCH], "count": "ten" }),
            json!({ "schemas": [SEARCH], "filter": 7 }),
        ] {
            let answer = server.post("/Users/.search", &bad).await;
            assert_error(
                &answer,
                400,
                &["invalidSyntax", "invalidValue", "invalidFilter"],
                &bad.to_string(),
            );
        }
    }
}

/// The root asks all types at once; an attribute that a type does not have is no value there.
#[tokio::test]
async fn the_root_lists_every_type() {
    for server in servers().await {
        let ada = user(&server, "ada").await;
        let team = crate::support::group(&server, "ada's team", &[&ada]).await;
        let contact = json!({
            "schemas": ["urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact"], "displayName": "ada's aunt",
        });
        let aunt = made(&server, "/Contacts", &contact).await;
        let all = server.get("/").await;
        assert_eq!(all.body["totalResults"], json!(3), "{}", all.text);
        let find = |filter: &'static str| {
            let server = &server;
            async move {
                let answer = server.get(&format!("/?filter={}", encode(filter))).await;
                assert_eq!(answer.status, 200, "{filter}: {}", answer.text);
                let search = json!({ "schemas": [SEARCH], "filter": filter });
                assert_eq!(server.post("/.search", &search).await.body, answer.body, "{filter}");
                listed_ids(&answer.body).into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
            }
        };
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
        let aunt = aunt["id"].as_str().unwrap();
        assert_eq!(find("displayName sw \"ADA\"").await, set(&[&ada, &team, aunt]));
        assert_eq!(find("userName eq \"ada\"").await, set(&[&ada]));
        assert_eq!(find("meta.resourceType eq \"Group\"").await, set(&[&team]));
        assert_eq!(
            find("userName pr or meta.resourceType eq \"Contact\"").await,
            set(&[&ada, aunt])
        );
        let sorted = server.get("/?sortBy=displayName&attributes=displayName").await;
        assert_eq!(listed_ids(&sorted.body), [ada.as_str(), aunt, team.as_str()]);
        let mut walked = Vec::new();
        let mut next = String::new();
        for _ in 0..3 {
            let page = server.get(&format!("/?cursor={next}&count=1&sortBy=displayName")).await;
            walked.push(listed_ids(&page.body)[0].to_owned());
            page.body["nextCursor"].as_str().unwrap_or_default().clone_into(&mut next);
        }
        assert_eq!(walked, [ada, aunt.to_owned(), team]);
        assert_eq!(next, "");
    }
}

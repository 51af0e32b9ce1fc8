//! Corners that clients do meet: labels that follow, values that repeat, letters that fold, and time that passes.

use std::sync::Arc;

use chrono::TimeDelta;
use http::Method;
use scim_server::clock::FixedClock;
use serde_json::{Value, json};

use super::{crowd, path_of, servers, with_headers};
use crate::harness::{Backend, TestServer, encode};
use crate::support::{
    GROUP, SEARCH, USER, assert_error, group, header, listed_ids, made, member_ids, patch_op, user,
};

async fn find(server: &TestServer, filter: &str) -> Vec<String> {
    let list = server.get(&format!("/Users?filter={}", encode(filter))).await;
    assert_eq!(list.status, 200, "{filter}: {}", list.text);
    listed_ids(&list.body).into_iter().map(str::to_owned).collect()
}

/// One fold for all: what is equal for uniqueness is equal for a filter, and the other way round.
#[tokio::test]
async fn uniqueness_and_filters_agree_about_names() {
    for server in servers().await {
        for (name, same, other) in [
            ("Straße", "STRASSE", "strase"),
            ("JOSÉ", "jose\u{301}", "jose"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος", "σίσυφο"),
            ("ｆｕｌｌ", "FULL", "fullwidth"),
            ("dana-kline", "DANA-KLINE", "danakline"),
            ("a@b.example", "A@B.EXAMPLE", "a@b.example.org"),
        ] {
            let id = user(&server, name).await;
            let again =
                server.post("/Users", &json!({ "schemas": [USER], "userName": same })).await;
            assert_error(&again, 409, &["uniqueness"], &format!("{name} and {same}"));
            for spelling in [name, same] {
                assert_eq!(
                    find(&server, &format!("userName eq \"{spelling}\"")).await,
                    [id.as_str()],
                    "{spelling}"
                );
                assert_eq!(
                    find(&server, &format!("userName sw \"{spelling}\"")).await,
                    [id.as_str()],
                    "{spelling}"
                );
            }
            assert!(find(&server, &format!("userName eq \"{other}\"")).await.is_empty(), "{other}");
            let second = user(&server, other).await;
            assert_eq!(find(&server, &format!("userName eq \"{other}\"")).await, [second]);
        }
    }
}

#[tokio::test]
async fn filters_on_what_the_server_knows() {
    // The store keeps time from going backwards, so the test has to be later than its own preparation.
    let start = "2100-03-01T10:00:00.000Z";
    for backend in [Backend::Memory, Backend::Sqlite] {
        let clock = Arc::new(FixedClock::at(start.parse().unwrap()));
        let server = TestServer::with(backend, |builder| builder.clock(clock.clone())).await;
        let first = user(&server, "first").await;
        clock.advance(TimeDelta::hours(1));
        let second = user(&server, "second").await;
        clock.advance(TimeDelta::hours(1));
        let message = patch_op(&json!([{ "op": "add", "path": "title", "value": "Dr" }]));
        let changed = server.patch(&format!("/Users/{first}"), &message).await.body;
        assert_eq!(changed["meta"]["created"], start);
        assert_eq!(changed["meta"]["lastModified"], "2100-03-01T12:00:00.000Z");
        for (filter, expected) in [
            ("meta.created eq \"2100-03-01T10:00:00Z\"", vec![&first]),
            ("meta.created eq \"2100-03-01T11:00:00.000+01:00\"", vec![&first]),
            ("meta.created gt \"2100-03-01T10:00:00Z\"", vec![&second]),
            ("meta.created ge \"2100-03-01T10:00:00\"", vec![&first, &second]),
            ("meta.lastModified gt \"2100-03-01T11:59:59.999Z\"", vec![&first]),
            ("meta.lastModified lt \"2100-03-01T12:00:00Z\"", vec![&second]),
            ("meta.lastModified ne \"2100-03-01T12:00:00Z\"", vec![&second]),
            ("meta.resourceType eq \"User\"", vec![&first, &second]),
            ("meta.resourceType eq \"Group\"", vec![]),
            ("schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"", vec![&first, &second]),
            ("title pr", vec![&first]),
            ("not (title pr)", vec![&second]),
            ("active eq true", vec![&first, &second]),
            ("groups pr", vec![]),
        ] {
            assert_eq!(
                find(&server, filter).await,
                expected.into_iter().cloned().collect::<Vec<_>>(),
                "{filter} on {backend:?}"
            );
        }
        for (filter, expected) in [
            (format!("id eq \"{first}\""), vec![first.clone()]),
            (
                format!("id eq \"{}\"", first.to_uppercase()),
                if first == first.to_uppercase() { vec![first.clone()] } else { vec![] },
            ),
            (
                format!("id eq \"{first}\" or id eq \"{second}\""),
                vec![first.clone(), second.clone()],
            ),
            (format!("meta.location ew \"/Users/{second}\""), vec![second.clone()]),
            (format!("id ne \"{first}\""), vec![second.clone()]),
        ] {
            assert_eq!(find(&server, &filter).await, expected, "{filter} on {backend:?}");
        }
    }
}

/// A cursor says how long it is good for, and that it is not any more.
#[tokio::test]
async fn cursors_expire() {
    let clock = Arc::new(FixedClock::default());
    let server = TestServer::with(Backend::Memory, |builder| {
        builder.clock(clock.clone()).cursor_seconds(60)
    })
    .await;
    crowd(&server, 5).await;
    let first = server.get("/Users?cursor&count=2").await;
    let path = format!("/Users?cursor={}&count=2", first.body["nextCursor"].as_str().unwrap());
    clock.advance(TimeDelta::seconds(59));
    assert_eq!(server.get(&path).await.status, 200);
    clock.advance(TimeDelta::seconds(2));
    assert_error(&server.get(&path).await, 400, &["expiredCursor"], "after its time");
}

#[tokio::test]
async fn pages_of_equal_and_missing_values_are_complete() {
    for server in servers().await {
        for n in 0..40 {
            let mut body = json!({ "schemas": [USER], "userName": format!("u{n:02}") });
            if n % 3 == 0 {
                body["title"] = json!(["same", "Same", "other"][n % 9 / 3]);
            }
            if n % 4 == 0 {
                body["emails"] = json!([{ "value": format!("{}@x.example", n % 8) }]);
            }
            made(&server, "/Users", &body).await;
        }
        for by in
            ["title", "emails", "active", "displayName", "name.familyName", "meta.lastModified"]
        {
            for order in ["ascending", "descending"] {
                let all =
                    server.get(&format!("/Users?sortBy={by}&sortOrder={order}&count=100")).await;
                let whole = listed_ids(&all.body);
                let (mut walked, mut next) = (Vec::new(), String::new());
                for _ in 0..40 {
                    let page = server
                        .get(&format!("/Users?sortBy={by}&sortOrder={order}&cursor={next}&count=3"))
                        .await;
                    walked.extend(listed_ids(&page.body).into_iter().map(str::to_owned));
                    match page.body["nextCursor"].as_str() {
                        Some(cursor) => cursor.clone_into(&mut next),
                        None => break,
                    }
                }
                assert_eq!(walked, whole, "{by} {order}");
                let indexed = server
                    .get(&format!("/Users?sortBy={by}&sortOrder={order}&startIndex=11&count=7"))
                    .await;
                assert_eq!(listed_ids(&indexed.body), whole[10..17], "{by} {order}");
            }
        }
    }
}

#[tokio::test]
async fn labels_of_members_follow() {
    for server in servers().await {
        let ada = user(&server, "ada").await;
        let team = group(&server, "team", &[&ada]).await;
        let rename =
            patch_op(&json!([{ "op": "replace", "path": "displayName", "value": "Ada L." }]));
        server.patch(&format!("/Users/{ada}"), &rename).await;
        let shown = server.get(&format!("/Groups/{team}")).await.body;
        assert_eq!(shown["members"][0]["display"], "Ada L.");
        let list = server
            .get(&format!("/Groups?filter={}", encode("members.display eq \"ada l.\"")))
            .await;
        assert_eq!(listed_ids(&list.body), [team.as_str()]);
    }
}

#[tokio::test]
async fn members_are_taken_by_their_ids() {
    for server in servers().await {
        let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
        let body = json!({ "schemas": [GROUP], "displayName": "team", "members": [
            { "value": ada }, { "value": ada, "display": "again" },
            { "value": bob, "type": "Group", "display": "somebody else", "$ref": "https://elsewhere.example/x" },
        ] });
        let created = made(&server, "/Groups", &body).await;
        let mut expected = [ada.as_str(), bob.as_str()];
        expected.sort_unstable();
        assert_eq!(member_ids(&created), expected, "once each");
        let shown = created["members"]
            .as_array()
            .unwrap()
            .iter()
            .find(|m| m["value"] == bob.as_str())
            .unwrap();
        assert_eq!(
            (&shown["type"], &shown["display"]),
            (&json!("User"), &json!("bob")),
            "what it really is"
        );
        for bad in [
            json!([{ "display": "no value" }]),
            json!([{ "value": "" }]),
            json!([{ "value": "../../etc" }]),
            json!([{ "value": 7 }]),
            json!(["text"]),
            json!("text"),
        ] {
            let mut body = body.clone();
            body["members"] = bad.clone();
            assert_error(
                &server.post("/Groups", &body).await,
                400,
                &["invalidValue"],
                &bad.to_string(),
            );
        }
        assert_eq!(server.get("/Groups").await.body["totalResults"], json!(1));
    }
}

#[tokio::test]
async fn replacing_a_group() {
    for server in servers().await {
        let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
        let team = group(&server, "team", &[&ada, &bob]).await;
        let path = format!("/Groups/{team}");
        let before = server.get(&path).await.body;
        let same = json!({ "schemas": [GROUP], "displayName": "team", "members": [{ "value": bob }, { "value": ada }] });
        assert_eq!(server.put(&path, &same).await.body, before, "the same is no change");
        let renamed = json!({ "schemas": [GROUP], "displayName": "crew", "members": [{ "value": bob }, { "value": ada }] });
        let after = server.put(&path, &renamed).await.body;
        assert_eq!(member_ids(&after), member_ids(&before));
        assert_ne!(after["meta"]["version"], before["meta"]["version"]);
        assert_eq!(server.get(&format!("/Users/{ada}")).await.body["groups"][0]["display"], "crew");
        let emptied =
            server.put(&path, &json!({ "schemas": [GROUP], "displayName": "crew" })).await.body;
        assert_eq!(emptied.get("members"), None, "what PUT does not name is gone");
        let unknown =
            json!({ "schemas": [GROUP], "displayName": "x", "members": [{ "value": "nobody" }] });
        assert_error(&server.put(&path, &unknown).await, 400, &["invalidValue"], "all or nothing");
        assert_eq!(server.get(&path).await.body, emptied);
    }
}

#[tokio::test]
async fn a_deleted_group_leaves_its_groups() {
    for server in servers().await {
        let ada = user(&server, "ada").await;
        let inner = group(&server, "inner", &[&ada]).await;
        let outer = group(&server, "outer", &[&inner]).await;
        let before = server.get(&format!("/Groups/{outer}")).await;
        server.delete(&format!("/Groups/{inner}")).await;
        let after = server.get(&format!("/Groups/{outer}")).await;
        assert_eq!(after.body.get("members"), None);
        assert_ne!(header(&before, "etag"), header(&after, "etag"));
        assert_eq!(
            server.get(&format!("/Users/{ada}")).await.body.get("groups"),
            None,
            "the way is cut"
        );
    }
}

#[tokio::test]
async fn a_large_group_is_shown_whole() {
    for server in servers().await {
        let ids: Vec<String> = {
            let mut ids = Vec::new();
            for n in 0..1_200 {
                ids.push(user(&server, &format!("u{n}")).await);
            }
            ids
        };
        let refs: Vec<&str> = ids.iter().map(String::as_str).collect();
        let team = group(&server, "all", &refs).await;
        let shown = server.get(&format!("/Groups/{team}")).await.body;
        let mut expected = refs.clone();
        expected.sort_unstable();
        assert_eq!(member_ids(&shown), expected);
        let listed = server.get("/Groups").await.body;
        assert_eq!(listed["Resources"][0], shown);
        let filter = encode(&format!("members eq \"{}\"", ids[600]));
        let found =
            server.get(&format!("/Groups?filter={filter}&excludedAttributes=members")).await.body;
        assert_eq!(
            (listed_ids(&found), found["Resources"][0].get("members")),
            (vec![team.as_str()], None)
        );
    }
}

#[tokio::test]
async fn where_one_resource_is_asked_for_a_filter_is_ignored() {
    for server in servers().await {
        let id = user(&server, "ada").await;
        let plain = server.get(&format!("/Users/{id}")).await;
        let filtered =
            server.get(&format!("/Users/{id}?filter={}", encode("userName eq \"bob\""))).await;
        assert_eq!((filtered.status.as_u16(), filtered.body), (200, plain.body));
        for (path, accept) in
            [("/Users", "text/html"), ("", "*/*"), ("?count=1", "application/json;q=0.1")]
        {
            let answer =
                with_headers(&server, Method::GET, path, &[("accept", accept)], None).await;
            assert_eq!(answer.status, 200, "{path} {accept}: {}", answer.text);
            assert_eq!(header(&answer, "content-type"), Some("application/scim+json"), "{accept}");
        }
    }
}

#[tokio::test]
async fn letters_of_names_do_not_matter_anywhere() {
    for server in servers().await {
        let body = json!({
            "SCHEMAS": [USER.to_uppercase()], "USERNAME": "ada", "Name": { "GIVENNAME": "Ada" },
            "emails": [{ "Value": "a@x.example", "TYPE": "Work", "Primary": true }],
        });
        let created = made(&server, "/Users", &body).await;
        assert_eq!(created["schemas"], json!([USER]));
        assert_eq!(
            (&created["userName"], &created["name"]["givenName"]),
            (&json!("ada"), &json!("Ada"))
        );
        assert_eq!(created["emails"][0]["value"], "a@x.example");
        let message = json!({
            "SCHEMAS": ["urn:ietf:params:scim:api:messages:2.0:patchop"],
            "operations": [{ "OP": "REPLACE", "Path": "EMAILS[TYPE EQ \"work\"].VALUE", "VALUE": "b@x.example" }],
        });
        let patched = server.patch(&path_of(&created), &message).await;
        assert_eq!(patched.body["emails"][0]["value"], "b@x.example", "{}", patched.text);
        let search = json!({
            "Schemas": [SEARCH], "FILTER": "EMAILS.VALUE EQ \"B@X.example\"", "ATTRIBUTES": ["USERNAME"],
        });
        let found = server.post("/Users/.search", &search).await;
        assert_eq!(listed_ids(&found.body), [created["id"].as_str().unwrap()], "{}", found.text);
        assert_eq!(found.body["Resources"][0].get("emails"), None);
        let query = format!("/Users?FILTER={}&Count=1", encode("username pr"));
        assert_eq!(listed_ids(&server.get(&query).await.body).len(), 1);
        for repeated in [
            json!({ "schemas": [USER], "userName": "x", "USERNAME": "y" }),
            json!({ "schemas": [USER], "userName": "x", "emails": [{ "value": "a", "VALUE": "b" }] }),
        ] {
            let answer = server.post("/Users", &repeated).await;
            assert_error(&answer, 400, &["invalidSyntax"], &repeated.to_string());
        }
    }
}

/// Values come back as they went, whatever is written in them.
#[tokio::test]
async fn values_are_kept() {
    for server in servers().await {
        for (n, text) in [
            "plain",
            "with \"quotes\" and \\ backslashes",
            "tab\tand\nline",
            "emoji 👩‍🚀 and 漢字",
            "combining e\u{301}",
            "'; DROP TABLE resource; --",
            "100%_of*it",
            " leading and trailing ",
            "{\"json\":1}",
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({
                "schemas": [USER], "userName": format!("u{n}"), "displayName": text, "title": text,
                "emails": [{ "value": text, "display": text, "type": text }],
            });
            let created = server.post("/Users", &body).await;
            assert_eq!(created.status, 201, "{text}: {}", created.text);
            for name in ["displayName", "title", "emails"] {
                assert_eq!(created.body[name], body[name], "{text}");
            }
            let quoted = Value::from(text).to_string();
            for filter in [
                format!("displayName eq {quoted}"),
                format!("emails.value eq {quoted}"),
                format!("emails[display eq {quoted} and type eq {quoted}]"),
                format!("title co {quoted}"),
                format!("title sw {quoted} and title ew {quoted}"),
            ] {
                assert_eq!(find(&server, &filter).await, [created.id()], "{filter}");
            }
        }
    }
}

/// A sort key that is too long to travel in the cursor is read again from the resource that the page ended with.
#[tokio::test]
async fn cursors_go_on_after_a_very_long_value() {
    for server in servers().await {
        for (name, first) in
            [("a", "a".repeat(1500)), ("b", "b".repeat(1500)), ("c", "c".to_owned())]
        {
            let body = json!({ "schemas": [USER], "userName": name, "displayName": first });
            assert_eq!(server.post("/Users", &body).await.status, 201);
        }
        for (order, expected) in [("ascending", ["a", "b", "c"]), ("descending", ["c", "b", "a"])] {
            let (mut found, mut next) = (Vec::new(), String::new());
            while found.len() <= expected.len() {
                let query =
                    format!("/Users?sortBy=displayName&sortOrder={order}&count=1&cursor={next}");
                let page = server.get(&query).await;
                assert_eq!(page.status, 200, "{}", page.text);
                found.push(page.body["Resources"][0]["userName"].as_str().unwrap().to_owned());
                match page.body["nextCursor"].as_str() {
                    Some(cursor) => cursor.clone_into(&mut next),
                    None => break,
                }
            }
            assert_eq!(found, expected, "{order}");
        }
    }
}

/// A password that PUT sets is in the feed like one that PATCH sets, by its name only.
#[tokio::test]
async fn a_password_set_by_put_is_told() {
    for server in servers().await {
        let id = user(&server, "pat").await;
        let body = json!({ "schemas": [USER], "userName": "pat", "displayName": "pat", "active": true, "password": "canary-1815" });
        assert_eq!(server.put(&format!("/Users/{id}"), &body).await.status, 200);
        let changes = server.store.changes(&"default".parse().unwrap(), 0, 100).await.unwrap();
        let last = changes.last().unwrap();
        assert_eq!(last.attributes, ["password"], "{last:?}");
        assert!(!format!("{last:?}").contains("canary"));
    }
}

/// `If-Match: *` holds as long as the resource is there, however many others write.
#[tokio::test]
async fn if_match_any_is_never_refused_because_others_write() {
    for server in servers().await {
        let made = group(&server, "crowded", &[]).await;
        let mut users = Vec::new();
        for n in 0..12 {
            users.push(user(&server, &format!("member-{n}")).await);
        }
        let adds = users.iter().map(|id| {
            let body =
                patch_op(&json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]));
            let path = format!("/Groups/{made}");
            let server = &server;
            async move {
                with_headers(server, Method::PATCH, &path, &[("if-match", "*")], Some(&body)).await
            }
        });
        for answer in futures::future::join_all(adds).await {
            assert_eq!(answer.status, 204, "{}", answer.text);
        }
        let members = member_ids(&server.get(&format!("/Groups/{made}")).await.body).len();
        assert_eq!(members, users.len());
    }
}

//! ETags: reading only what changed, writing only what is known (RFC 7644 section 3.14).

use http::Method;
use serde_json::json;

use super::{ada, path_of, servers, with_headers};
use crate::support::{assert_error, group, header, made, patch_op, user};

#[tokio::test]
async fn reading_what_is_known_answers_304() {
    for server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let (path, tag) = (path_of(&created), created["meta"]["version"].as_str().unwrap());
        let strong = tag.trim_start_matches("W/");
        for known in [tag, strong, "*", &format!("\"x\", {tag}"), &format!("W/\"x\",{strong}")] {
            for method in [Method::GET, Method::HEAD] {
                let answer =
                    with_headers(&server, method, &path, &[("if-none-match", known)], None).await;
                assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{known}");
                assert_eq!(header(&answer, "etag"), Some(tag));
            }
        }
        let other =
            with_headers(&server, Method::GET, &path, &[("if-none-match", "W/\"x\"")], None).await;
        assert_eq!((other.status.as_u16(), &other.body), (200, &created));
        let message = patch_op(&json!([{ "op": "add", "path": "title", "value": "Countess" }]));
        server.patch(&path, &message).await;
        let changed =
            with_headers(&server, Method::GET, &path, &[("if-none-match", tag)], None).await;
        assert_eq!(changed.status, 200, "it changed");
    }
}

/// A user's representation shows its groups, so it is another one when they change.
#[tokio::test]
async fn joining_a_group_changes_what_a_user_shows() {
    for server in servers().await {
        let id = user(&server, "ada").await;
        let path = format!("/Users/{id}");
        let alone = server.get(&path).await;
        let tag = header(&alone, "etag").unwrap();
        group(&server, "Engines", &[&id]).await;
        let known =
            with_headers(&server, Method::GET, &path, &[("if-none-match", tag)], None).await;
        assert_eq!(known.status, 200, "the group is news");
        assert_eq!(known.body["groups"][0]["display"], "Engines");
        // The user itself did not change, so who knew it may still write it.
        let message = patch_op(&json!([{ "op": "add", "path": "title", "value": "Dr" }]));
        let answer =
            with_headers(&server, Method::PATCH, &path, &[("if-match", tag)], Some(&message)).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
}

#[tokio::test]
async fn writing_what_is_not_known_any_more_answers_412() {
    for server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let path = path_of(&created);
        let old = created["meta"]["version"].as_str().unwrap().to_owned();
        let message = patch_op(&json!([{ "op": "add", "path": "title", "value": "Countess" }]));
        let current = server.patch(&path, &message).await;
        let new = header(&current, "etag").unwrap().to_owned();
        for stale in [old.as_str(), "\"nothing\"", "W/\"0\", W/\"x\""] {
            let headers = [("if-match", stale)];
            for (method, body) in [
                (Method::PUT, Some(ada())),
                (Method::PATCH, Some(message.clone())),
                (Method::DELETE, None),
                (Method::GET, None),
            ] {
                let answer =
                    with_headers(&server, method.clone(), &path, &headers, body.as_ref()).await;
                assert_error(&answer, 412, &[], &format!("{method} {stale}"));
            }
        }
        assert_eq!(server.get(&path).await.body, current.body, "nothing changed");
        for malformed in ["nonsense", "W/x", "\"open", "", "\"a\" \"b\""] {
            let headers = [("if-match", malformed)];
            let answer = with_headers(&server, Method::DELETE, &path, &headers, None).await;
            assert_error(&answer, 400, &["invalidValue"], malformed);
        }
        let change = patch_op(&json!([{ "op": "remove", "path": "title" }]));
        let list = format!("W/\"x\", {new}");
        let answer =
            with_headers(&server, Method::PATCH, &path, &[("if-match", &list)], Some(&change))
                .await;
        assert_eq!(answer.status, 200, "one of the list: {}", answer.text);
        let answer =
            with_headers(&server, Method::PUT, &path, &[("if-match", "*")], Some(&ada())).await;
        assert_eq!(answer.status, 200, "any version: {}", answer.text);
        let guarded = [("if-none-match", "*")];
        let answer = with_headers(&server, Method::PUT, &path, &guarded, Some(&ada())).await;
        assert_error(&answer, 412, &[], "it must not exist, but does");
        let answer = with_headers(&server, Method::DELETE, &path, &[("if-match", "*")], None).await;
        assert_eq!(answer.status, 204);
        let answer = with_headers(&server, Method::DELETE, &path, &[("if-match", "*")], None).await;
        assert_error(&answer, 404, &[], "nothing is there");
    }
}

#[tokio::test]
async fn membership_changes_obey_preconditions_too() {
    for server in servers().await {
        let id = user(&server, "ada").await;
        let team = group(&server, "Engines", &[]).await;
        let path = format!("/Groups/{team}");
        let tag = header(&server.get(&path).await, "etag").unwrap().to_owned();
        let add =
            patch_op(&json!([{ "op": "add", "path": "members", "value": [{ "value": id }] }]));
        let stale = [("if-match", "W/\"999\"")];
        let answer = with_headers(&server, Method::PATCH, &path, &stale, Some(&add)).await;
        assert_error(&answer, 412, &[], "stale");
        let answer =
            with_headers(&server, Method::PATCH, &path, &[("if-match", &tag)], Some(&add)).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
        let new = header(&answer, "etag").unwrap();
        assert_ne!(new, tag, "the group is another one");
        assert_eq!(header(&server.get(&path).await, "etag"), Some(new), "the 204 says which");
        let answer =
            with_headers(&server, Method::PATCH, &path, &[("if-match", &tag)], Some(&add)).await;
        assert_error(&answer, 412, &[], "now stale");
    }
}

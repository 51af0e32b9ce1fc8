//! `/Me`: the user that the token is bound to (RFC 7644 section 3.11).

use http::Method;
use scim_server::auth::Scope;
use serde_json::json;

use super::{ada, path_of, servers, with_headers};
use crate::support::{assert_error, header, made, patch_op};

#[tokio::test]
async fn a_bound_token_is_its_user() {
    for mut server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let id = created["id"].as_str().unwrap().to_owned();
        let token = server.new_token("default", &[Scope::Read, Scope::Write], Some(&id)).await;
        let unbound = std::mem::replace(&mut server.token, token);
        let me = server.get("/Me").await;
        assert_eq!((me.status.as_u16(), &me.body), (200, &created));
        assert_eq!(
            header(&me, "location"),
            created["meta"]["location"].as_str(),
            "where it really is"
        );
        let some = server.get("/Me?attributes=userName").await;
        assert_eq!(some.body["userName"], "ada@example.com");
        assert_eq!(some.body.get("emails"), None);
        let known = [("if-none-match", header(&me, "etag").unwrap())];
        assert_eq!(with_headers(&server, Method::GET, "/Me", &known, None).await.status, 304);

        let message = patch_op(&json!([{ "op": "add", "path": "title", "value": "Countess" }]));
        assert_eq!(server.patch("/Me", &message).await.body["title"], "Countess");
        let mut body = ada();
        body["nickName"] = json!("Enchantress");
        let replaced = server.put("/Me", &body).await;
        assert_eq!(
            (replaced.status.as_u16(), &replaced.body["nickName"]),
            (200, &json!("Enchantress"))
        );
        assert_eq!(server.get(&path_of(&created)).await.body, replaced.body);
        assert_error(&server.post("/Me", &ada()).await, 501, &[], "the user exists");

        assert_eq!(server.delete("/Me").await.status, 204);
        server.token = unbound;
        assert_eq!(server.get(&path_of(&created)).await.status, 404);
    }
}

#[tokio::test]
async fn without_a_user_there_is_no_me() {
    for server in servers().await {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::POST] {
            let answer = server.send(method.clone(), "/Me", Some(&ada())).await;
            assert_error(&answer, 501, &[], method.as_str());
        }
    }
}

#[tokio::test]
async fn scopes_are_enforced() {
    for mut server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let path = path_of(&created);
        server.token = server.new_token("default", &[Scope::Read], None).await;
        assert_eq!(server.get(&path).await.status, 200);
        let search = json!({ "schemas": [crate::support::SEARCH], "filter": "userName pr" });
        assert_eq!(server.post("/Users/.search", &search).await.status, 200, "a search only reads");
        for answer in [
            server.post("/Users", &ada()).await,
            server.put(&path, &ada()).await,
            server.delete(&path).await,
            server.post("/Bulk", &json!({})).await,
        ] {
            assert_error(&answer, 403, &[], "a token that may only read");
        }
        server.token = server.new_token("other", &[Scope::Read, Scope::Write], None).await;
        let answer = server.get(&path).await;
        assert!(
            matches!(answer.status.as_u16(), 401 | 403),
            "another tenant's token: {}",
            answer.text
        );
        assert!(!answer.text.contains("ada@example.com"));
    }
}

//! Creating, reading, replacing, changing and deleting one resource.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::{ada, path_of, servers, with_headers};
use crate::harness::{Backend, TestServer, encode};
use crate::support::{
    ENTERPRISE, GROUP, USER, assert_error, header, listed_ids, made, patch_op, user,
};

#[tokio::test]
async fn a_user_from_creation_to_deletion() {
    for server in servers().await {
        let created = server.post("/Users", &ada()).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let meta = &created.body["meta"];
        assert_eq!(header(&created, "location"), meta["location"].as_str());
        assert_eq!(header(&created, "etag"), meta["version"].as_str());
        assert_eq!(header(&created, "content-type"), Some("application/scim+json"));
        assert_eq!(meta["created"], meta["lastModified"]);
        assert_eq!(meta["resourceType"], "User");
        assert_eq!(created.body["active"], json!(true), "assigned when absent");

        let path = path_of(&created.body);
        let read = server.get(&path).await;
        assert_eq!((read.status.as_u16(), &read.body), (200, &created.body));
        assert_eq!(header(&read, "location"), meta["location"].as_str());

        let mut changed = ada();
        changed["title"] = json!("Countess");
        changed.as_object_mut().unwrap().remove("externalId");
        let replaced = server.put(&path, &changed).await;
        assert_eq!(replaced.status, 200, "{}", replaced.text);
        assert_eq!(replaced.body["title"], "Countess");
        assert_eq!(replaced.body.get("externalId"), None, "what PUT does not name is gone");
        assert_eq!(replaced.body["meta"]["created"], meta["created"]);
        assert_ne!(replaced.body["meta"]["version"], meta["version"]);
        assert!(replaced.body["meta"]["lastModified"].as_str() >= meta["lastModified"].as_str());

        let message =
            patch_op(&json!([{ "op": "add", "path": "nickName", "value": "Enchantress" }]));
        let patched = server.patch(&path, &message).await;
        assert_eq!(patched.body["nickName"], "Enchantress");
        assert_eq!(patched.body["title"], "Countess", "the rest stays");
        assert_eq!(header(&patched, "etag"), patched.body["meta"]["version"].as_str());

        let deleted = server.delete(&path).await;
        assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
        for answer in [
            server.get(&path).await,
            server.delete(&path).await,
            server.put(&path, &ada()).await,
            server.patch(&path, &message).await,
        ] {
            assert_error(&answer, 404, &[], "a deleted user");
        }
        assert_eq!(server.get("/Users").await.body["totalResults"], json!(0));

        let anew = server.post("/Users", &ada()).await;
        assert_eq!(anew.status, 201, "the name is free again: {}", anew.text);
        assert_ne!(anew.body["id"], created.body["id"], "with a new id");
    }
}

#[tokio::test]
async fn a_change_of_nothing_is_no_change() {
    for server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let path = path_of(&created);
        let mut same = created.clone();
        same["meta"] = json!({ "version": "W/\"other\"" });
        let replaced = server.put(&path, &same).await;
        assert_eq!(
            replaced.body, created,
            "PUT of what is there, without password, and with its own meta"
        );
        for operation in [
            json!({ "op": "replace", "path": "displayName", "value": "Ada Lovelace" }),
            json!({ "op": "add", "path": "emails", "value": [created["emails"][0]] }),
            json!({ "op": "remove", "path": "title" }),
            json!({ "op": "remove", "path": "emails[type eq \"other\"]" }),
            json!({ "op": "replace", "value": { "userName": "ada@example.com" } }),
        ] {
            let answer = server.patch(&path, &patch_op(&json!([operation]))).await;
            assert_eq!((answer.status.as_u16(), &answer.body), (200, &created), "{operation}");
        }
    }
}

#[tokio::test]
async fn user_names_are_unique_without_case() {
    for server in servers().await {
        made(&server, "/Users", &json!({ "schemas": [USER], "userName": "Ada" })).await;
        let grace =
            made(&server, "/Users", &json!({ "schemas": [USER], "userName": "grace" })).await;
        for name in ["Ada", "ADA", "ada", "Ａda"] {
            let body = json!({ "schemas": [USER], "userName": name });
            assert_error(&server.post("/Users", &body).await, 409, &["uniqueness"], name);
            assert_error(&server.put(&path_of(&grace), &body).await, 409, &["uniqueness"], name);
            let message =
                patch_op(&json!([{ "op": "replace", "path": "userName", "value": name }]));
            let patched = server.patch(&path_of(&grace), &message).await;
            assert_error(&patched, 409, &["uniqueness"], name);
        }
        assert_eq!(server.get(&path_of(&grace)).await.body, grace, "nothing changed");
        // Its own name in other letters is no conflict.
        let message = patch_op(&json!([{ "op": "replace", "path": "userName", "value": "GRACE" }]));
        assert_eq!(server.patch(&path_of(&grace), &message).await.body["userName"], "GRACE");
        // An externalId belongs to the client; the server does not make it unique.
        for name in ["one", "two"] {
            made(
                &server,
                "/Users",
                &json!({ "schemas": [USER], "userName": name, "externalId": "x" }),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn a_password_goes_in_and_never_comes_out() {
    for server in servers().await {
        let created = server.post("/Users", &ada()).await;
        let path = path_of(&created.body);
        let change =
            patch_op(&json!([{ "op": "replace", "path": "password", "value": "hunter2-hunter2" }]));
        let mut replaced = ada();
        replaced["password"] = json!("yet another secret");
        let query = format!("/Users?filter={}", encode("userName pr"));
        let answers = [
            created,
            server.patch(&path, &change).await,
            server.put(&path, &replaced).await,
            server.get(&path).await,
            server.get(&format!("{path}?attributes=password")).await,
            server.get(&format!("{path}?attributes=userName,password")).await,
            server.get(&query).await,
            server.get("/Users?attributes=password&sortBy=password").await,
        ];
        for answer in answers {
            assert!(answer.status.is_success(), "{}", answer.text);
            for secret in ["password", "correct horse", "hunter2", "yet another", "argon2"] {
                assert!(!answer.text.contains(secret), "{secret} in {}", answer.text);
            }
        }
        for filter in [
            "password eq \"yet another secret\"",
            "password pr",
            "userName eq \"x\" or not (password sw \"y\")",
            "urn:ietf:params:scim:schemas:core:2.0:User:password co \"secret\"",
        ] {
            let answer = server.get(&format!("/Users?filter={}", encode(filter))).await;
            assert_error(&answer, 400, &["invalidFilter"], filter);
        }
    }
}

#[tokio::test]
async fn what_the_client_cannot_set_is_ignored_on_create_and_replace() {
    for server in servers().await {
        let mut body = ada();
        body["id"] = json!("mine");
        body["meta"] = json!({ "created": "1999-01-01T00:00:00Z", "resourceType": "Group" });
        body["groups"] = json!([{ "value": "wheel" }]);
        let created = made(&server, "/Users", &body).await;
        assert_ne!(created["id"], "mine");
        assert_eq!(created["meta"]["resourceType"], "User");
        assert!(!created["meta"]["created"].as_str().unwrap().starts_with("1999"));
        assert_eq!(created.get("groups"), None);
        let replaced = server.put(&path_of(&created), &body).await;
        assert_eq!(replaced.body["id"], created["id"]);
        for (path, value) in [
            ("id", json!("x")),
            ("meta.created", json!("1999-01-01T00:00:00Z")),
            ("groups", json!([])),
        ] {
            let message = patch_op(&json!([{ "op": "replace", "path": path, "value": value }]));
            let answer = server.patch(&path_of(&created), &message).await;
            assert_error(&answer, 400, &["mutability"], path);
        }
    }
}

#[tokio::test]
async fn extensions_come_and_go_with_their_data() {
    for server in servers().await {
        let body = json!({ "schemas": [USER], "userName": "ada", ENTERPRISE: { "department": "Engines" } });
        let created = made(&server, "/Users", &body).await;
        assert_eq!(created["schemas"], json!([USER, ENTERPRISE]), "its URI is added");
        let message =
            patch_op(&json!([{ "op": "remove", "path": format!("{ENTERPRISE}:department") }]));
        let patched = server.patch(&path_of(&created), &message).await.body;
        assert_eq!((patched.get(ENTERPRISE), &patched["schemas"]), (None, &json!([USER])));
        let message = patch_op(
            &json!([{ "op": "add", "path": format!("{ENTERPRISE}:costCenter"), "value": "4130" }]),
        );
        let patched = server.patch(&path_of(&created), &message).await.body;
        assert_eq!(patched[ENTERPRISE], json!({ "costCenter": "4130" }));
        assert_eq!(patched["schemas"], json!([USER, ENTERPRISE]));
        let empty = json!({ "schemas": [USER, ENTERPRISE], "userName": "empty", ENTERPRISE: {} });
        assert_eq!(made(&server, "/Users", &empty).await["schemas"], json!([USER]));
    }
}

/// `HEAD` is `GET` without the body, for every route that has one.
#[tokio::test]
async fn head_is_get_without_body() {
    for server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let path = path_of(&created);
        for path in [
            path.as_str(),
            "/Users",
            "/Users?filter=userName%20pr",
            "/",
            "/Schemas",
            "/ResourceTypes/User",
            "/ServiceProviderConfig",
            "/Users/nobody",
        ] {
            let get = server.get(path).await;
            let head = server.send(Method::HEAD, path, None).await;
            assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
            for name in ["content-type", "etag", "location"] {
                assert_eq!(header(&head, name), header(&get, name), "{path}: {name}");
            }
            if let Some(length) = header(&head, "content-length") {
                assert_eq!(length.parse(), Ok(get.text.len()), "{path}: content-length");
            }
        }
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_what_is_allowed() {
    let server = TestServer::with(Backend::Memory, |builder| builder).await;
    let id = user(&server, "ada").await;
    let item = format!("/Users/{id}");
    for (method, path, allowed) in [
        (Method::PUT, "/Users", "GET, HEAD, POST, OPTIONS"),
        (Method::PATCH, "/Users", "GET, HEAD, POST, OPTIONS"),
        (Method::DELETE, "/Users", "GET, HEAD, POST, OPTIONS"),
        (Method::POST, item.as_str(), "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        (Method::GET, "/Users/.search", "POST, OPTIONS"),
        (Method::GET, "/Bulk", "POST, OPTIONS"),
        (Method::POST, "/Schemas", "GET, HEAD, OPTIONS"),
        (Method::PUT, "/ServiceProviderConfig", "GET, HEAD, OPTIONS"),
        (Method::DELETE, "/ResourceTypes/User", "GET, HEAD, OPTIONS"),
        (Method::POST, "/", "GET, HEAD, OPTIONS"),
        (Method::TRACE, "/Users", "GET, HEAD, POST, OPTIONS"),
    ] {
        let at = format!("{method} {path}");
        let answer = server.send(method, path, Some(&json!({}))).await;
        assert_error(&answer, 405, &[], &at);
        assert_eq!(header(&answer, "allow"), Some(allowed), "{at}");
        let options = server.send(Method::OPTIONS, path, None).await;
        assert_eq!(
            (options.status.as_u16(), header(&options, "allow")),
            (204, Some(allowed)),
            "{at}"
        );
    }
    for path in
        ["/Nope", "/users", "/Users/a/b", "/Users/", "/Schemas/urn:nope", "/ResourceTypes/Nope"]
    {
        assert_error(&server.get(path).await, 404, &[], path);
    }
}

#[tokio::test]
async fn media_types() {
    let server = TestServer::with(Backend::Memory, |builder| builder).await;
    let send = |media: Option<&'static str>, accept: &'static str, n: usize| {
        let mut request = Request::post("/scim/v2/Users")
            .header("authorization", format!("Bearer {}", server.token))
            .header("accept", accept);
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let body = json!({ "schemas": [USER], "userName": format!("user{n}") }).to_string();
        server.raw(request.body(Body::from(body)).unwrap())
    };
    for (n, media) in [
        None,
        Some("application/scim+json"),
        Some("application/json"),
        Some("application/scim+json; charset=utf-8"),
        Some("Application/JSON;charset=UTF-8"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = send(media, "application/json", n).await;
        assert_eq!(answer.status, 201, "{media:?}: {}", answer.text);
        assert_eq!(header(&answer, "content-type"), Some("application/scim+json"), "{media:?}");
    }
    for media in [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "nonsense",
    ] {
        assert_error(&send(Some(media), "*/*", 99).await, 415, &[], media);
    }
    assert_eq!(server.get("/Users").await.body["totalResults"], json!(5));
}

#[tokio::test]
async fn references_are_shown_absolute() {
    for server in servers().await {
        let boss = user(&server, "boss").await;
        let mut bodies = Vec::new();
        for (n, reference) in [
            format!("../Users/{boss}"),
            format!("/Users/{boss}"),
            format!("https://scim.test/scim/v2/Users/{boss}"),
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({
                "schemas": [USER, ENTERPRISE], "userName": format!("worker{n}"),
                ENTERPRISE: { "manager": { "value": boss, "$ref": reference } },
            });
            bodies.push(made(&server, "/Users", &body).await);
        }
        for body in bodies {
            let expected = format!("https://scim.test/scim/v2/Users/{boss}");
            assert_eq!(body[ENTERPRISE]["manager"]["$ref"], json!(expected));
        }
        let filter = encode(&format!("{ENTERPRISE}:manager.value eq \"{boss}\""));
        assert_eq!(listed_ids(&server.get(&format!("/Users?filter={filter}")).await.body).len(), 3);
    }
}

/// Every failure is a SCIM error that says what to mend, and the server says who is asked for what.
#[tokio::test]
async fn errors_say_what_to_mend() {
    let server = TestServer::with(Backend::Memory, |builder| builder).await;
    let cases: [(&str, Value, &[&str], &str); 6] = [
        ("/Users", json!({ "schemas": [USER] }), &["invalidValue"], "userName"),
        ("/Users", json!({ "userName": "x" }), &["invalidValue"], "schemas"),
        ("/Users", json!({ "schemas": [USER], "userName": 7 }), &["invalidValue"], "userName"),
        (
            "/Users",
            json!({ "schemas": [USER], "userName": "x", "emails": [{ "value": "a" }, { "value": 1 }] }),
            &["invalidValue"],
            "emails[1].value",
        ),
        ("/Groups", json!({ "schemas": [GROUP] }), &["invalidValue"], "displayName"),
        (
            "/Groups",
            json!({ "schemas": [GROUP], "displayName": "x", "members": [{ "value": "nobody" }] }),
            &["invalidValue"],
            "members[0].value",
        ),
    ];
    for (path, body, scim_types, place) in cases {
        let answer = server.post(path, &body).await;
        assert_error(&answer, 400, scim_types, &body.to_string());
        assert!(
            answer.body["detail"].as_str().unwrap().contains(place),
            "{place}: {}",
            answer.text
        );
        assert!(header(&answer, "x-request-id").is_some(), "an id to find it in the log");
    }
    let denied =
        with_headers(&server, Method::GET, "/Users", &[("authorization", "Bearer x")], None).await;
    assert_error(&denied, 401, &[], "two credentials");
}

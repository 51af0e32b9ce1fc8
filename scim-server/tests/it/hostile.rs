//! Bad input of every kind the issue names: each is answered within a second with a SCIM error that says what is wrong,
//! or with a right answer where the input is only odd; nothing changes on an error, and the server goes on.

use axum::body::Body;
use http::{Request, StatusCode};
use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::{Answer, TestServer, encode};
use crate::probe::{
    BULK, GROUP, PATCH_OP, SEARCH, USER, assert_problem, assert_same, bulk, dump, group, in_time,
    patch, request, user,
};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// A server with somebody on it, whose ids stand for `{user}` and `{group}` in paths and bodies.
pub(crate) struct Stage {
    pub(crate) server: TestServer,
    pub(crate) user: String,
    group: String,
    before: String,
}

impl Stage {
    pub(crate) async fn new(profile: Profile) -> Self {
        let server = TestServer::new(profile).await;
        let mut ada = user("ada@example.org");
        ada["emails"] = json!([{ "value": "ada@example.org", "type": "work", "primary": true }]);
        let id = server.post("/Users", &ada).await.id();
        let group = server.post("/Groups", &group("engineers", &[&id])).await.id();
        let before = dump(&server, "default").await;
        Self { server, user: id, group, before }
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{user}", &self.user).replace("{group}", &self.group)
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let body = match std::str::from_utf8(body) {
            Ok(text) => self.fill(text).into_bytes(),
            Err(_) => body.to_vec(),
        };
        in_time(&self.server, request(&self.server, method, &self.fill(path), &body)).await
    }

    /// Sends, and expects an error with one of these statuses.
    pub(crate) async fn refuse(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        statuses: &[u16],
    ) -> Answer {
        let what = format!("{method} {path:.120} {:.300}", String::from_utf8_lossy(body));
        let answer = self.send(method, path, body).await;
        assert_problem(&answer, &what);
        assert!(statuses.contains(&answer.status.as_u16()), "{what}: {answer:?}");
        answer
    }

    /// Nothing changed, and the server still serves reads and writes.
    pub(crate) async fn is_whole(&self) {
        assert_same(&self.before, &dump(&self.server, "default").await, "bad input");
        let ada = self.server.get(&format!("/Users/{}", self.user)).await;
        assert_eq!(ada.status, 200, "{ada:?}");
        let made = self.server.post("/Users", &user("after@example.org")).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
}

/// Every place that reads a JSON body.
const BODIES: [(&str, &str); 9] = [
    ("POST", "/Users"),
    ("POST", "/Groups"),
    ("PUT", "/Users/{user}"),
    ("PATCH", "/Users/{user}"),
    ("PATCH", "/Groups/{group}"),
    ("POST", "/Bulk"),
    ("POST", "/.search"),
    ("POST", "/Users/.search"),
    ("POST", "/Contacts"),
];

#[tokio::test]
async fn what_is_no_json_is_refused_everywhere() {
    let stage = Stage::new(Profile::default()).await;
    let deep = |n: usize| [vec![b'['; n], vec![b']'; n]].concat();
    let deep_object = |n: usize| format!("{}1{}", "{\"a\":".repeat(n), "}".repeat(n)).into_bytes();
    let mut bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"\0".to_vec(),
        b"{".to_vec(),
        b"}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"true".to_vec(),
        b"1".to_vec(),
        b"\"x\"".to_vec(),
        b"{}{}".to_vec(),
        b"{} x".to_vec(),
        b"{\"a\":1,}".to_vec(),
        b"{'a':1}".to_vec(),
        b"{a:1}".to_vec(),
        b"// x\n{}".to_vec(),
        b"{\"a\":NaN}".to_vec(),
        b"{\"a\":01}".to_vec(),
        b"{\"a\":1e}".to_vec(),
        b"{\"a\":+1}".to_vec(),
        b"{\"a\":Infinity}".to_vec(),
        b"{\"a\":\"\n\"}".to_vec(),
        b"{\"a\":\"\x01\"}".to_vec(),
        b"{\"a\":\"\\x\"}".to_vec(),
        b"{\"a\":\"\\u12\"}".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"{\"a\":\"\xc3\x28\"}".to_vec(),
        b"{\"a\":\"\xed\xa0\x80\"}".to_vec(),
        b"{\"a\":\"\xc0\xaf\"}".to_vec(),
        b"{\"a\":\"\xf5\x80\x80\x80\"}".to_vec(),
        b"{\"\xff\":1}".to_vec(),
        b"{\"userName\":\"\\ud800\"}".to_vec(),
        b"{\"userName\":\"\\udc00x\"}".to_vec(),
        b"{\"userName\":\"\\ud800\\ud800\"}".to_vec(),
        b"{\"\\ud83d\":1}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"\xff\xfe{\0}\0".to_vec(),
        b"\xfe\xff\0{\0}".to_vec(),
        deep(100),
        deep(100_000),
        deep_object(100),
        deep_object(100_000),
        vec![b'['; 1_000_000],
        b"{\"a\":".repeat(200_000),
        b"{\"userName\":\"a\",\"userName\":\"b\"}".to_vec(),
        b"{\"userName\":\"a\",\"USERNAME\":\"b\"}".to_vec(),
        b"{\"schemas\":[],\"Schemas\":[]}".to_vec(),
        b"{\"name\":{\"givenName\":\"a\",\"GivenName\":\"b\"}}".to_vec(),
        b"{\"Operations\":[],\"operations\":[]}".to_vec(),
    ];
    bodies.push(
        format!("{{\"userName\":\"a\",\"x\":{}}}", "[".repeat(80) + &"]".repeat(80)).into_bytes(),
    );
    for (method, path) in BODIES {
        for body in &bodies {
            let answer = stage.refuse(method, path, body, &[400]).await;
            assert!(answer.text.len() < 2000, "a long answer to a bad body: {}", answer.text.len());
        }
    }
    stage.is_whole().await;
}

#[tokio::test]
async fn wrong_types_everywhere() {
    let wrong = [
        json!(null),
        json!(true),
        json!(-1),
        json!(1.5),
        json!(1e308),
        json!("x"),
        json!(""),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!([{}]),
        json!({ "value": {} }),
        json!([[["x"]]]),
        json!({ "a": { "b": {} } }),
    ];
    let attributes = [
        "schemas",
        "id",
        "externalId",
        "userName",
        "name",
        "name.givenName",
        "displayName",
        "active",
        "emails",
        "emails.value",
        "emails.primary",
        "addresses",
        "photos",
        "roles",
        "x509Certificates",
        "groups",
        "meta",
        "password",
        "members",
        "profileUrl",
        "locale",
        "timezone",
        "preferredLanguage",
        ENTERPRISE,
    ];
    for profile in [Profile::default(), Profile::strict()] {
        let stage = Stage::new(profile).await;
        let users = stage.server.get("/Users?count=0").await.body["totalResults"].clone();
        for attribute in attributes {
            for value in &wrong {
                let mut body = user("eve@example.org");
                match attribute.split_once('.') {
                    None => body[attribute] = value.clone(),
                    Some(("name", sub)) => body["name"] = json!({ sub: value }),
                    Some((list, sub)) => body[list] = json!([{ sub: value }]),
                }
                let what = format!("POST {attribute} = {value}");
                let answer = stage.send("POST", "/Users", body.to_string().as_bytes()).await;
                match answer.status.as_u16() {
                    201 => {
                        let gone = stage.server.delete(&format!("/Users/{}", answer.id())).await;
                        assert_eq!(gone.status, 204, "{what}: {gone:?}");
                    }
                    _ => assert_problem(&answer, &what),
                }
                for op in ["add", "replace", "remove"] {
                    let body = patch(&[json!({ "op": op, "path": attribute, "value": value })]);
                    let what = format!("PATCH {op} {attribute} = {value}");
                    let answer =
                        stage.send("PATCH", "/Users/{user}", body.to_string().as_bytes()).await;
                    if !answer.status.is_success() {
                        assert_problem(&answer, &what);
                    }
                }
            }
        }
        for message in [
            json!({ "schemas": [PATCH_OP], "Operations": "x" }),
            json!({ "schemas": [PATCH_OP], "Operations": [1] }),
            json!({ "schemas": [PATCH_OP], "Operations": [] }),
            json!({ "schemas": [PATCH_OP], "Operations": null }),
            json!({ "schemas": [PATCH_OP] }),
            json!({ "schemas": "x", "Operations": [{ "op": "add" }] }),
            json!({ "schemas": [USER], "Operations": [{ "op": "add", "path": "title", "value": "x" }] }),
            patch(&[json!({})]),
            patch(&[json!({ "op": 1 })]),
            patch(&[json!({ "op": "move", "path": "title" })]),
            patch(&[json!({ "op": "add", "path": 1, "value": "x" })]),
            patch(&[json!({ "op": "add", "path": "title" })]),
            patch(&[json!({ "op": "remove" })]),
            patch(&[json!({ "op": "replace", "path": "", "value": 1 })]),
            patch(&[json!({ "op": "add", "value": "x" })]),
            patch(&[json!({ "op": "add", "value": [] })]),
        ] {
            stage.refuse("PATCH", "/Users/{user}", message.to_string().as_bytes(), &[400]).await;
            stage.refuse("PATCH", "/Groups/{group}", message.to_string().as_bytes(), &[400]).await;
        }
        for message in [
            json!({ "schemas": [BULK] }),
            json!({ "schemas": [BULK], "Operations": {} }),
            bulk(&[json!(1)]),
            json!({ "schemas": [PATCH_OP], "Operations": [{ "method": "DELETE", "path": "/Users/1" }] }),
            json!({ "schemas": [BULK], "failOnErrors": "x", "Operations": [{ "method": "DELETE", "path": "/Users/1" }] }),
            json!({ "schemas": [BULK], "failOnErrors": -1, "Operations": [{ "method": "DELETE", "path": "/Users/1" }] }),
        ] {
            stage.refuse("POST", "/Bulk", message.to_string().as_bytes(), &[400]).await;
        }
        let search = |name: &str, value: Value| {
            let mut body = json!({ "schemas": [SEARCH] });
            body[name] = value;
            body.to_string().into_bytes()
        };
        for (name, value) in [
            ("filter", json!(1)),
            ("filter", json!({})),
            ("count", json!("x")),
            ("count", json!({})),
            ("startIndex", json!([])),
            ("count", json!(1.5)),
            ("attributes", json!(1)),
            ("attributes", json!([1])),
            ("sortBy", json!([])),
            ("sortOrder", json!("up")),
            ("cursor", json!(1)),
            ("cursor", json!("x")),
            ("filter", json!("")),
        ] {
            let answer = stage.send("POST", "/Users/.search", &search(name, value.clone())).await;
            assert!(answer.status == 400 || answer.status == 200, "{name} = {value}: {answer:?}");
            if answer.status == 400 {
                assert_problem(&answer, name);
            }
        }
        assert_eq!(stage.server.get("/Users?count=0").await.body["totalResults"], users);
    }
}

#[tokio::test]
async fn unknown_attributes_and_schemas_by_profile() {
    let unknown = [
        json!({ "schemas": [USER], "userName": "eve", "shoeSize": 9 }),
        json!({ "schemas": [USER], "userName": "eve", "name": { "givenNames": "E" } }),
        json!({ "schemas": [USER], "userName": "eve", "emails": [{ "value": "a@b.c", "mood": "x" }] }),
        json!({ "schemas": [USER, ENTERPRISE], "userName": "eve", ENTERPRISE: { "boss": "x" } }),
        json!({ "schemas": [USER, "urn:example:nope"], "userName": "eve", "urn:example:nope": { "a": 1 } }),
    ];
    let strict = Stage::new(Profile::strict()).await;
    for body in &unknown {
        let answer = strict.refuse("POST", "/Users", body.to_string().as_bytes(), &[400]).await;
        assert!(answer.body["detail"].as_str().unwrap().len() > 10, "{answer:?}");
    }
    strict.is_whole().await;
    let tolerant = Stage::new(Profile::default()).await;
    for body in &unknown {
        let answer = tolerant.send("POST", "/Users", body.to_string().as_bytes()).await;
        assert_eq!(answer.status, 201, "{body}: {answer:?}");
        assert!(answer.headers.contains_key("scim-tolerances"), "dropped in silence: {body}");
        for gone in ["shoeSize", "givenNames", "mood", "boss", "urn:example:nope"] {
            assert!(!answer.text.contains(gone), "{body}: {}", answer.text);
        }
        assert_eq!(tolerant.server.delete(&format!("/Users/{}", answer.id())).await.status, 204);
    }
    for stage in [&strict, &tolerant] {
        for operation in [
            json!({ "op": "add", "path": "shoeSize", "value": 1 }),
            json!({ "op": "add", "path": "urn:example:nope:a", "value": 1 }),
            json!({ "op": "replace", "value": { "shoeSize": 1 } }),
        ] {
            let answer = stage
                .refuse(
                    "PATCH",
                    "/Users/{user}",
                    patch(&[operation]).to_string().as_bytes(),
                    &[400],
                )
                .await;
            assert_eq!(answer.scim_type(), Some("invalidPath"), "{answer:?}");
        }
        for wrong in
            [json!([]), json!(["urn:nope"]), json!([GROUP]), json!("x"), json!([1]), json!(null)]
        {
            let body = json!({ "schemas": wrong, "userName": "eve" });
            stage.refuse("POST", "/Users", body.to_string().as_bytes(), &[400]).await;
        }
    }
}

#[tokio::test]
async fn media_types_and_codings() {
    let stage = Stage::new(Profile::default()).await;
    let body = user("eve@example.org").to_string();
    let post = |name: &str, value: &[u8]| {
        Request::post("/scim/v2/Users")
            .header("authorization", format!("Bearer {}", stage.server.token))
            .header(name, value)
            .body(Body::from(body.clone()))
            .unwrap()
    };
    for media in [
        "text/plain",
        "text/html",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/json-patch+json",
        "application",
        "*/*",
        "json",
        "",
        ";",
        "/",
        "application/",
        "application/json; charset=utf-16",
        "application/scim+json; charset=iso-8859-1",
        "application/scim+xml",
        "application/jsonx",
        "application/json, text/plain",
    ] {
        let answer = in_time(&stage.server, post("content-type", media.as_bytes())).await;
        assert_problem(&answer, media);
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{media}: {answer:?}");
    }
    let answer = in_time(&stage.server, post("content-type", b"application/json\xff")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{answer:?}");
    for coding in [
        "gzip",
        "deflate",
        "br",
        "zstd",
        "x-gzip",
        "identity, gzip",
        "nonsense",
        "compress",
        "gzip, gzip",
    ] {
        let answer = in_time(&stage.server, post("content-encoding", coding.as_bytes())).await;
        assert_problem(&answer, coding);
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{coding}: {answer:?}");
    }
    stage.is_whole().await;
    for media in [
        "application/json",
        "APPLICATION/SCIM+JSON",
        "application/json; charset=utf-8",
        "application/scim+json;charset=UTF-8",
    ] {
        let answer = in_time(&stage.server, post("content-type", media.as_bytes())).await;
        assert!(answer.status == 201 || answer.status == 409, "{media}: {answer:?}");
    }
}

#[tokio::test]
async fn malformed_ids_paths_cursors_tags_and_dates() {
    let stage = Stage::new(Profile::default()).await;
    let long = "x".repeat(10_000);
    for id in [
        "1",
        "0",
        "-1",
        "null",
        "undefined",
        "*",
        "ada@example.org",
        "%00",
        "%0a",
        "%ff",
        "%c3%28",
        "%ed%a0%80",
        "%2e%2e",
        "..",
        ".",
        "%25",
        "%",
        "%zz",
        "%e2%80%ae",
        "'",
        "%22",
        "%3Cscript%3E",
        "00000000-0000-0000-0000-000000000000",
        "../Groups",
        &long,
        "bulkId:x",
        "%20",
        "{user}%20",
        "%20{user}",
        "{user}%00",
        "{user}/x",
        "{group}",
        "{user};a",
    ] {
        for (method, body) in [
            ("GET", ""),
            ("PUT", r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x"}"#),
            ("DELETE", ""),
        ] {
            stage.refuse(method, &format!("/Users/{id}"), body.as_bytes(), &[404, 405]).await;
        }
    }
    for query in [
        "count=x",
        "count=1.5",
        "count=",
        "count=99999999999999999999",
        "startIndex=x",
        "startIndex=1e3",
        "cursor=x",
        "cursor=AAAA",
        "cursor=%00",
        "cursor=%ff",
        "cursor=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "filter=%ff",
        "filter=%",
        "filter=%zz",
        "sortOrder=up&sortBy=userName",
        "attributes=%ff",
        "count=1&count=2",
        "filter=userName+pr&filter=title+pr",
    ] {
        let answer = stage.send("GET", &format!("/Users?{query}"), b"").await;
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{query}: {answer:?}");
        if answer.status == 400 {
            assert_problem(&answer, query);
        }
        let bad = [
            "count=x",
            "count=1.5",
            "startIndex=x",
            "cursor=x",
            "cursor=AAAA",
            "cursor=%00",
            "filter=%ff",
        ];
        assert!(answer.status == 400 || !bad.contains(&query), "{query}: {answer:?}");
    }
    for (name, value) in [
        ("if-match", "x"),
        ("if-match", "\""),
        ("if-match", "W/"),
        ("if-match", "W/\"1"),
        ("if-match", "1"),
        ("if-match", ""),
        ("if-match", "*, \"1\""),
        ("if-match", "\"1\" \"2\""),
        ("if-match", "w/\"1\""),
        ("if-none-match", "x"),
        ("if-match", ","),
        ("if-match", "\"\u{7f}\""),
    ] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let body = match method {
                "PUT" => user("x").to_string(),
                "PATCH" => {
                    patch(&[json!({ "op": "add", "path": "title", "value": "x" })]).to_string()
                }
                _ => String::new(),
            };
            let mut request =
                request(&stage.server, method, &stage.fill("/Users/{user}"), body.as_bytes());
            request.headers_mut().insert(
                name,
                http::HeaderValue::from_bytes(value.as_bytes())
                    .unwrap_or_else(|_| http::HeaderValue::from_static("x")),
            );
            let answer = in_time(&stage.server, request).await;
            assert_problem(&answer, &format!("{method} {name}: {value}"));
            assert!(
                matches!(answer.status.as_u16(), 400 | 412),
                "{method} {name}: {value}: {answer:?}"
            );
        }
    }
    for stale in
        ["\"99\"", "W/\"99\"", "\"x\", W/\"y\"", "\"99999999999999999999999\"", "\"-1\"", "\"\""]
    {
        for method in ["PUT", "DELETE"] {
            let body = if method == "PUT" { user("x").to_string() } else { String::new() };
            let mut request =
                request(&stage.server, method, &stage.fill("/Users/{user}"), body.as_bytes());
            request.headers_mut().insert("if-match", stale.parse().unwrap());
            let answer = in_time(&stage.server, request).await;
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{stale}: {answer:?}");
        }
    }
    for date in [
        "yesterday",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "0000-00-00T00:00:00Z",
        "2026-01-01",
        "1",
        "99999-01-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "",
    ] {
        let filter = encode(&format!("meta.created gt \"{date}\""));
        stage.refuse("GET", &format!("/Users?filter={filter}"), b"", &[400]).await;
    }
    stage.is_whole().await;
}

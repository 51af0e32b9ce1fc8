//! Strings that mean something elsewhere: to SQL, LIKE, JSON, paths, shells and templates. Here they are text: they come
//! back byte for byte, a filter on them finds exactly the resource that has them, and nothing else happens (THREATS A10).

use scim_server::Profile;
use serde_json::{Value, json};

use crate::harness::{Backend, TestServer, encode};
use crate::probe::{SEARCH, USER, assert_same, dump, patch, user};

const STRINGS: [&str; 38] = [
    "' OR '1'='1",
    "'; DROP TABLE resource; --",
    "\" OR \"\"=\"",
    "') UNION SELECT * FROM token --",
    "1); DELETE FROM resource WHERE (1=1",
    "admin'--",
    "/* x */",
    "%",
    "%%",
    "_",
    "a_a%",
    "%' ESCAPE '\\",
    "[a-z]*",
    "*)(uid=*))(|(uid=*",
    "\\",
    "\\\\",
    "\\\"",
    "\"",
    "{\"a\":1}",
    "\\u0041",
    "\",\"active\":false,\"x\":\"",
    "../../etc/passwd",
    "..\\..\\windows",
    "/Users/1?filter=x#y",
    "%2e%2e%2f",
    "%00",
    "$(reboot)",
    "`id`",
    "${jndi:ldap://x/y}",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "\u{202e}gnp.exe",
    "e\u{301}\u{fb01}\u{1f468}\u{200d}\u{1f469}",
];

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[tokio::test]
async fn strings_come_back_as_they_went_and_are_found_as_they_are() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let server = TestServer::with(backend, |builder| builder).await;
        let mut ids = Vec::new();
        for (number, text) in STRINGS.iter().enumerate() {
            let body = json!({
                "schemas": [USER],
                "userName": format!("user.{number}"),
                "externalId": text,
                "displayName": text,
                "name": { "familyName": text },
                "emails": [{ "value": text, "type": text, "display": text }],
            });
            let made = server.post("/Users", &body).await;
            assert_eq!(made.status, 201, "{text}: {made:?}");
            ids.push(made.id());
        }
        for (id, text) in ids.iter().zip(STRINGS) {
            let got = server.get(&format!("/Users/{id}")).await.body;
            for at in [
                "/externalId",
                "/displayName",
                "/name/familyName",
                "/emails/0/value",
                "/emails/0/type",
            ] {
                assert_eq!(got.pointer(at), Some(&json!(text)), "{at}");
            }
            let exact = |attribute: &str| format!("{attribute} eq {}", quoted(text));
            for filter in [
                exact("externalId"),
                exact("displayName"),
                exact("name.familyName"),
                exact("emails.value"),
                format!("emails[type eq {0} and value eq {0}]", quoted(text)),
                format!(
                    "externalId eq {0} and displayName sw {0} and displayName ew {0}",
                    quoted(text)
                ),
                format!("id eq {} and displayName co {}", quoted(id), quoted(text)),
            ] {
                let url = server.get(&format!("/Users?filter={}", encode(&filter))).await;
                let search = json!({ "schemas": [SEARCH], "filter": filter });
                let body = server.post("/Users/.search", &search).await;
                for answer in [url, body] {
                    assert_eq!(answer.status, 200, "{filter}: {answer:?}");
                    assert_eq!(answer.body["totalResults"], 1, "{filter}: {}", answer.text);
                    assert_eq!(answer.body["Resources"][0]["id"], json!(id), "{filter}");
                }
            }
            // The same text through PATCH, as a value and inside of a path's filter.
            let path = format!("emails[type eq {}].display", quoted(text));
            let operations = [
                json!({ "op": "replace", "path": "nickName", "value": text }),
                json!({ "op": "replace", "path": path, "value": "found" }),
            ];
            let changed = server.patch(&format!("/Users/{id}"), &patch(&operations)).await;
            assert_eq!(changed.status, 200, "{text}: {changed:?}");
            assert_eq!(changed.body["nickName"], *text);
            assert_eq!(changed.body["emails"][0]["display"], "found", "{text}");
        }
        let total = server.get("/Users?count=0").await.body["totalResults"].clone();
        assert_eq!(total, STRINGS.len());
    }
}

#[tokio::test]
async fn wild_cards_of_like_are_letters() {
    for backend in [Backend::Memory, Backend::Sqlite] {
        let server = TestServer::with(backend, |builder| builder).await;
        for name in ["plain", "100%", "a_b", "axb", "back\\slash", "star*", "que?tion", "[set]"] {
            let mut body = user(name);
            body["displayName"] = json!(name);
            assert_eq!(server.post("/Users", &body).await.status, 201);
        }
        for (value, found) in [
            ("%", 1),
            ("_", 1),
            ("a_b", 1),
            ("\\", 1),
            ("*", 1),
            ("?", 1),
            ("[", 1),
            ("%%", 0),
            ("a%b", 0),
            ("a", 5),
        ] {
            for attribute in ["displayName", "userName"] {
                let filter = format!("{attribute} co {}", quoted(value));
                let answer = server.get(&format!("/Users?filter={}", encode(&filter))).await;
                assert_eq!(
                    answer.body["totalResults"], found,
                    "{backend:?} {filter}: {}",
                    answer.text
                );
            }
        }
    }
}

#[tokio::test]
async fn hostile_strings_where_names_stand() {
    let server = TestServer::new(Profile::default()).await;
    let id = server.post("/Users", &user("ada@example.org")).await.id();
    let before = dump(&server, "default").await;
    for text in STRINGS {
        for filter in [
            format!("{text} eq \"x\""),
            format!("userName {text} \"x\""),
            format!("emails[{text}]"),
            text.to_owned(),
        ] {
            let answer = server.get(&format!("/Users?filter={}", encode(&filter))).await;
            assert_eq!(answer.status, 400, "{filter}: {answer:?}");
        }
        for parameter in ["sortBy", "attributes", "excludedAttributes"] {
            let answer = server.get(&format!("/Users?{parameter}={}", encode(text))).await;
            assert!(matches!(answer.status.as_u16(), 200 | 400), "{parameter}={text}: {answer:?}");
        }
        for path in ["Users", "Groups", "Schemas", "ResourceTypes"] {
            let answer = server.get(&format!("/{path}/{}", encode(text))).await;
            assert_eq!(answer.status, 404, "{path}/{text}: {answer:?}");
        }
        let answer = server.get(&format!("/{}", encode(text))).await;
        assert_eq!(answer.status, 404, "{text}: {answer:?}");
        let operation = patch(&[json!({ "op": "add", "path": text, "value": "x" })]);
        let answer = server.patch(&format!("/Users/{id}"), &operation).await;
        assert_eq!(answer.status, 400, "{text}: {answer:?}");
        let mut body = user("eve@example.org");
        body[text] = json!({ text: text });
        let answer = server.post("/Users", &body).await;
        assert_eq!(answer.status, 201, "{text}: {answer:?}");
        assert!(answer.headers.contains_key("scim-tolerances"), "{text} was dropped in silence");
        assert_eq!(server.delete(&format!("/Users/{}", answer.id())).await.status, 204);
    }
    let after = dump(&server, "default").await;
    let left = |dump: &str| dump.lines().take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(left(&before), left(&after));
}

#[tokio::test]
async fn control_characters_are_refused_or_kept_whole() {
    let server = TestServer::new(Profile::default()).await;
    for code in (0..0x20).chain([0x7f, 0x80, 0x9f, 0x2028, 0xfeff, 0xfffd, 0xffff]) {
        let text = format!("a{}b", char::from_u32(code).unwrap());
        let mut body = user(&format!("control.{code}"));
        body["displayName"] = json!(text);
        let made = server.post("/Users", &body).await;
        match made.status.as_u16() {
            201 => {
                let got = server.get(&format!("/Users/{}", made.id())).await;
                assert_eq!(got.body["displayName"], json!(text), "{code:x}");
                let filter = encode(&format!("displayName eq {}", quoted(&text)));
                let found = server.get(&format!("/Users?filter={filter}")).await;
                assert_eq!(found.body["totalResults"], 1, "{code:x}: {found:?}");
            }
            _ => assert_eq!(made.scim_type(), Some("invalidValue"), "{code:x}: {made:?}"),
        }
    }
    // A name cut at a NUL would be somebody else's.
    let taken = server.post("/Users", &user("root")).await;
    assert_eq!(taken.status, 201);
    let before = dump(&server, "default").await;
    let answer = server.post("/Users", &user("root\0x")).await;
    assert!(matches!(answer.status.as_u16(), 201 | 400), "{answer:?}");
    if answer.status == 400 {
        assert_same(&before, &dump(&server, "default").await, "a refused name");
    } else {
        assert_eq!(answer.body["userName"], "root\0x");
    }
    let filter = encode("userName eq \"root\"");
    assert_eq!(server.get(&format!("/Users?filter={filter}")).await.body["totalResults"], 1);
}

#[tokio::test]
async fn huge_numbers_are_kept_exactly_or_refused() {
    let server = TestServer::new(Profile::default()).await;
    for number in [
        "1e999",
        "-1e999",
        "123456789012345678901234567890",
        "0.1000000000000000000000001",
        "1E400",
        "-0",
    ] {
        for body in [
            format!(r#"{{"schemas":["{USER}"],"userName":{number}}}"#),
            format!(r#"{{"schemas":["{USER}"],"userName":"n","active":{number}}}"#),
            format!(r#"{{"schemas":["{USER}"],"userName":"n","emails":[{{"value":{number}}}]}}"#),
        ] {
            let answer =
                server.raw(crate::probe::request(&server, "POST", "/Users", body.as_bytes())).await;
            assert_eq!(answer.status, 400, "{body}: {answer:?}");
        }
        let filter = encode(&format!("userName eq {number}"));
        let answer = server.get(&format!("/Users?filter={filter}")).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{number}: {answer:?}");
    }
}

//! The examples of RFC 7643, 7644 and 9865: requests are sent, and answers are compared with the printed ones, in both
//! profiles.
//!
//! The RFCs' ids cannot be ours, so each is replaced by that of the resource that plays its part. Compared is what the
//! examples show: our answers may say more.

mod bulk;

use scim_core::Limits;
use serde_json::{Value, json};

use crate::harness::{Backend, TestServer, encode};
use crate::support::{
    BASE, BULK, ENTERPRISE, GROUP, SEARCH, USER, assert_error, fixture, fixture_path, fixture_text,
    group, header, made, profiles, user,
};

/// Examples that are no HTTP exchange of this server: payloads of security event tokens, which scim-core reads.
const EVENTS: [&str; 17] = [
    "rfc9967-2.3.1-feed-add",
    "rfc9967-2.3.2-feed-remove",
    "rfc9967-2.4.1-prov-create-full",
    "rfc9967-2.4.1-prov-create-notice",
    "rfc9967-2.4.2-prov-patch-full",
    "rfc9967-2.4.2-prov-patch-notice",
    "rfc9967-2.4.3-prov-put-full",
    "rfc9967-2.4.3-prov-put-notice",
    "rfc9967-2.4.4-prov-delete",
    "rfc9967-2.4.5-prov-activate",
    "rfc9967-2.5.1.3-misc-asyncresp",
    "rfc9967-2.5.1.3-misc-asyncresp-bulk-1",
    "rfc9967-2.5.1.3-misc-asyncresp-bulk-2",
    "rfc9967-2.5.1.3-misc-asyncresp-bulk-3",
    "rfc9967-2.5.1.3-misc-asyncresp-bulk-4",
    "rfc9967-2.5.1.3-misc-asyncresp-error",
    // A fragment of the answer that the two bulk examples before it show whole.
    "rfc7644-3.7.3-bulk-operation-failed-status",
];

fn example(name: &str) -> Value {
    fixture(&format!("rfc/{name}.json"))
}

/// An example with ids replaced.
fn with_ids(name: &str, ids: &[(&str, &str)]) -> Value {
    let mut text = fixture_text(&format!("rfc/{name}.json"));
    for (theirs, ours) in ids {
        assert!(text.contains(theirs), "{name} does not speak of {theirs}");
        text = text.replace(theirs, ours);
    }
    serde_json::from_str(&text).unwrap()
}

#[test]
fn no_example_is_forgotten() {
    let tests = concat!(include_str!("mod.rs"), include_str!("bulk.rs"));
    let mut examples = 0;
    for entry in std::fs::read_dir(fixture_path("rfc")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(stem) = name.strip_suffix(".json") else { continue };
        assert!(tests.contains(&format!("\"{stem}\"")), "{stem} is used in no test");
        examples += 1;
    }
    println!("{examples} examples, {} of them events", EVENTS.len());
    assert_eq!(examples, 69);
}

/// Checks that an answer shows what the example shows: every member, with the same value unless it is the server's
/// own to choose, and lists of the same length.
#[track_caller]
fn assert_like(example: &Value, ours: &Value, at: &str) {
    match (example, ours) {
        (Value::Object(members), Value::Object(_)) => {
            for (name, value) in members {
                let at = format!("{at}.{name}");
                let found = ours.get(name).unwrap_or_else(|| panic!("{at} is missing in {ours}"));
                match (name.as_str(), value) {
                    ("id" | "detail" | "description" | "name" | "specUri", Value::String(_)) => {
                        assert!(
                            found.as_str().is_some_and(|text| !text.is_empty()),
                            "{at}: {found}"
                        );
                    }
                    ("created" | "lastModified", _) => {
                        let time = found.as_str().unwrap();
                        assert!(chrono_like(time), "{at}: {time}");
                    }
                    ("location" | "$ref", _) => {
                        assert!(
                            found.as_str().is_some_and(|url| url.starts_with(BASE)),
                            "{at}: {found}"
                        );
                    }
                    ("version", _) => {
                        let tag = found.as_str().unwrap();
                        assert!(tag.starts_with("W/\"") && tag.ends_with('"'), "{at}: {tag}");
                    }
                    _ => assert_like(value, found, &at),
                }
            }
        }
        (Value::Array(theirs), Value::Array(items)) => {
            assert_eq!(theirs.len(), items.len(), "{at}: {ours}");
            for (i, (theirs, ours)) in theirs.iter().zip(items).enumerate() {
                assert_like(theirs, ours, &format!("{at}[{i}]"));
            }
        }
        _ => assert_eq!(example, ours, "{at}"),
    }
}

/// `2011-08-01T21:32:44.882Z`.
fn chrono_like(time: &str) -> bool {
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// An example without some of its members, which the RFC leaves to the server.
fn without(mut example: Value, members: &[&str]) -> Value {
    for path in members {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let parent =
            parents.split('/').filter(|p| !p.is_empty()).fold(&mut example, |v, p| &mut v[p]);
        assert!(parent.as_object_mut().unwrap().remove(name).is_some(), "no {path}");
    }
    example
}

#[tokio::test]
async fn resources_can_be_created() {
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        for stem in
            ["rfc7643-8.1-user-minimal", "rfc7643-8.2-user-full", "rfc7643-8.3-user-enterprise"]
        {
            let at = format!("{stem} in {name}");
            let example = example(stem);
            let answer = server.post("/Users", &example).await;
            assert_eq!(answer.status, 201, "{at}: {}", answer.text);
            assert_ne!(answer.body["id"], example["id"], "{at}: the server gives the id");
            let hidden = ["password", "groups"].into_iter().filter(|n| example.get(n).is_some());
            let mut shown = without(example.clone(), &hidden.collect::<Vec<_>>());
            // readOnly, and the manager of the example is nobody here.
            if let Some(manager) = shown.get_mut(ENTERPRISE).map(|e| &mut e["manager"]) {
                manager.as_object_mut().unwrap().remove("displayName");
            }
            assert_like(&shown, &answer.body, &at);
            assert_eq!(answer.body.get("password"), None, "{at}");
            assert_eq!(answer.body.get("groups"), None, "{at}: readOnly");
            let path = format!("/Users/{}", answer.id());
            assert_eq!(server.get(&path).await.body, answer.body, "{at}");
            assert_eq!(server.delete(&path).await.status, 204);
        }
        let babs = made(
            &server,
            "/Users",
            &json!({
                "schemas": [USER], "userName": "bjensen", "displayName": "Babs Jensen",
            }),
        )
        .await;
        let mandy = made(
            &server,
            "/Users",
            &json!({
                "schemas": [USER], "userName": "mandy", "displayName": "Mandy Pepperidge",
            }),
        )
        .await;
        let ids = [
            ("2819c223-7f76-453a-919d-413861904646", babs["id"].as_str().unwrap()),
            ("902c246b-6245-4190-8e05-00816be7344a", mandy["id"].as_str().unwrap()),
        ];
        let example = with_ids("rfc7643-8.4-group", &ids);
        let answer = server.post("/Groups", &example).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.text);
        assert_like(&example, &answer.body, "rfc7643-8.4-group");
    }
}

#[tokio::test]
async fn create_read_replace() {
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        let created = server.post("/Users", &example("rfc7644-3.3-create-user-request")).await;
        assert_eq!(created.status, 201, "{name}: {}", created.text);
        assert_like(&example("rfc7644-3.3-create-user-response-201"), &created.body, "3.3");
        assert_eq!(header(&created, "location"), created.body["meta"]["location"].as_str());
        let path = format!("/Users/{}", created.id());

        let again = server.post("/Users", &example("rfc7644-3.14-create-user-etag-request")).await;
        assert_error(&again, 409, &["uniqueness"], "the two creations are the same");
        server.delete(&path).await;
        let created =
            server.post("/Users", &example("rfc7644-3.14-create-user-etag-request")).await;
        assert_like(&example("rfc7644-3.14-create-user-etag-response-201"), &created.body, "3.14");
        assert_eq!(header(&created, "etag"), created.body["meta"]["version"].as_str());

        let id = created.id();
        let path = format!("/Users/{id}");
        let ids = [("2819c223-7f76-453a-919d-413861904646", id.as_str())];
        let replaced = server.put(&path, &with_ids("rfc7644-3.5.1-put-user-request", &ids)).await;
        assert_eq!(replaced.status, 200, "{name}: {}", replaced.text);
        assert_like(
            &with_ids("rfc7644-3.5.1-put-user-response-200", &ids),
            &replaced.body,
            "3.5.1",
        );
        assert_eq!(replaced.body.get("roles"), None, "an empty list is unassigned");
        // RFC 9967 sends the same form with `Prefer: respond-async`; a server without that answers at once.
        let put = server.put(&path, &with_ids("rfc9967-2.5.1.1-async-put-request", &ids)).await;
        assert_eq!(put.status, 200, "{name}: {}", put.text);

        let with_phone = without(example("rfc7644-3.4.1-get-user-response-200"), &["id", "meta"]);
        server.put(&path, &with_phone).await;
        let read = server.get(&path).await;
        assert_like(&example("rfc7644-3.4.1-get-user-response-200"), &read.body, "3.4.1");
        let named = server.get(&format!("{path}?attributes=userName")).await;
        let expected = with_ids("rfc7644-3.9-get-user-attributes-username-response", &ids);
        assert_eq!(named.body, expected, "3.9");

        server.delete(&path).await;
        let gone = server.get(&path).await;
        assert_error(&gone, 404, &[], name);
        for stem in ["rfc7644-3.6-error-404-not-found", "rfc7644-3.12-error-404"] {
            assert_like(&example(stem), &gone.body, stem);
        }
    }
}

#[tokio::test]
async fn queries() {
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        for user_name in ["bjensen", "jsmith"] {
            user(&server, user_name).await;
        }
        let list = server.get("/Users?attributes=userName").await;
        let expected = example("rfc7644-3.4.2-list-response-attributes-username");
        assert_like(&expected, &list.body, "3.4.2");

        let smith =
            json!({ "schemas": [USER], "userName": "smith0", "displayName": "Smith, James" });
        made(&server, "/Users", &smith).await;
        group(&server, "Smith Family", &[]).await;
        for n in 0..98 {
            made(
                &server,
                "/Groups",
                &json!({ "schemas": [GROUP], "displayName": format!("Smiths {n}") }),
            )
            .await;
        }
        let found = server.post("/.search", &example("rfc7644-3.4.3-search-request")).await;
        let mut expected = example("rfc7644-3.4.3-search-response");
        assert_eq!(found.body["Resources"].as_array().map(Vec::len), Some(10), "{name}");
        let resources = expected["Resources"].take();
        expected.as_object_mut().unwrap().remove("Resources");
        assert_like(&expected, &found.body, "3.4.3");
        // Users and groups stand next to each other; a group has no userName to show.
        for theirs in resources.as_array().unwrap() {
            let found = found.body["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .find(|r| r["displayName"] == theirs["displayName"])
                .unwrap_or_else(|| panic!("{name}: no {theirs}"));
            assert_eq!(found.get("userName").is_some(), theirs.get("userName").is_some());
            assert_eq!(found.get("meta"), None, "{name}: attributes were named");
        }

        let page =
            server.get("/Groups?startIndex=1&count=10&filter=displayName%20sw%20%22smith%22").await;
        let mut expected = example("rfc7644-3.4.2.4-list-response-page-skeleton");
        expected["totalResults"] = json!(99);
        assert_like(&without(expected, &["Resources"]), &page.body, "3.4.2.4");
        assert_eq!(page.body["Resources"].as_array().map(Vec::len), Some(10), "{name}");
    }
}

#[tokio::test]
async fn cursors() {
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        for n in 0..25 {
            user(&server, &format!("j{n:02}")).await;
        }
        let pages = [
            without(
                example("rfc9865-2-cursor-first-page-skeleton"),
                &["Resources", "totalResults"],
            ),
            // Going back is optional (section 2); this server only goes on.
            without(
                example("rfc9865-2-cursor-middle-page-skeleton"),
                &["Resources", "totalResults", "previousCursor"],
            ),
        ];
        let mut cursor = String::new();
        for (expected, start) in pages.iter().zip([0, 10]) {
            // The letter case of attribute names may differ between pages, as it does in the RFC.
            let filter = if start == 0 { "userName sw \"J\"" } else { "username sw \"J\"" };
            let path = format!("/Users?filter={}&cursor={cursor}&count=10", encode(filter));
            let page = server.get(&path.replace("cursor=&", "cursor&")).await;
            assert_eq!(page.status, 200, "{name}: {}", page.text);
            let mut expected = expected.clone();
            expected["nextCursor"] = page.body["nextCursor"].clone();
            assert_like(&expected, &page.body, "RFC 9865 section 2");
            assert_eq!(page.body["totalResults"], json!(25), "{name}");
            assert_eq!(page.body.get("startIndex"), None, "{name}: no index on a cursor's page");
            cursor = page.body["nextCursor"].as_str().unwrap().to_owned();
        }

        let search = example("rfc9865-3-cursor-search-request");
        assert_eq!(search["schemas"], json!([SEARCH]));
        for n in 0..12 {
            let smith = json!({ "schemas": [USER], "userName": format!("smith{n}"), "displayName": "Smith" });
            made(&server, "/Users", &smith).await;
        }
        let first = server.post("/Users/.search", &search).await;
        assert_eq!(first.body["itemsPerPage"], json!(10), "{name}: {}", first.text);
        let mut next = search.clone();
        next["cursor"] = first.body["nextCursor"].clone();
        let last = server.post("/Users/.search", &next).await;
        assert_eq!(last.body["itemsPerPage"], json!(2), "{name}: {}", last.text);
        assert_eq!(last.body.get("nextCursor"), None, "{name}: that was all");
        let only = without(example("rfc9865-2.3-cursor-only-server-skeleton"), &["Resources"]);
        for member in only.as_object().unwrap().keys() {
            assert!(first.body.get(member).is_some(), "{name}: {member}");
        }
        let config = server.get("/ServiceProviderConfig").await.body;
        let fragment = example("rfc9865-4-service-provider-config-pagination-fragment");
        for member in fragment["pagination"].as_object().unwrap().keys() {
            assert!(config["pagination"].get(member).is_some(), "{name}: pagination.{member}");
        }
    }
}

/// What a PATCH example does: members or attributes afterwards.
type After = fn(&Value, [&str; 3]) -> bool;

const PATCHES: [(&str, After); 11] = [
    ("rfc7644-3.5.2.1-patch-add-member-request", |group, [babs, mandy, _]| {
        has(group, &[babs, mandy])
    }),
    ("rfc7644-3.5.2.1-patch-add-no-path-emails-nickname-request", |user, _| {
        user["nickName"] == "Babs" && user["emails"][1]["value"] == "babs@jensen.org"
    }),
    ("rfc7644-3.5.2.2-patch-remove-one-member-request", |group, [_, mandy, _]| {
        has(group, &[mandy])
    }),
    ("rfc7644-3.5.2.2-patch-remove-all-members-request", |group, _| has(group, &[])),
    ("rfc7644-3.5.2.2-patch-remove-email-by-filter-request", |user, _| {
        user.get("emails").is_none()
    }),
    ("rfc7644-3.5.2.2-patch-remove-and-add-member-request", |group, [_, mandy, james]| {
        has(group, &[mandy, james])
    }),
    ("rfc7644-3.5.2.2-patch-remove-all-and-add-members-request", |group, [babs, _, james]| {
        has(group, &[babs, james])
    }),
    ("rfc7644-3.5.2.3-patch-replace-all-members-request", |group, [babs, _, james]| {
        has(group, &[babs, james])
    }),
    ("rfc7644-3.5.2.3-patch-replace-work-address-request", |user, _| {
        user["addresses"].as_array().unwrap().len() == 1
            && user["addresses"][0]["streetAddress"] == "911 Universal City Plaza"
    }),
    ("rfc7644-3.5.2.3-patch-replace-street-by-filter-request", |user, _| {
        user["addresses"][0]["streetAddress"] == "1010 Broadway Ave"
            && user["addresses"][0]["locality"] == "Hollywood"
    }),
    ("rfc7644-3.5.2.3-patch-replace-no-path-emails-nickname-request", |user, _| {
        user["nickName"] == "Babs" && user["emails"].as_array().unwrap().len() == 2
    }),
];

fn has(group: &Value, members: &[&str]) -> bool {
    let mut expected = members.to_vec();
    expected.sort_unstable();
    crate::support::member_ids(group) == expected
}

#[tokio::test]
async fn patches() {
    for (name, profile) in profiles() {
        for (stem, after) in PATCHES {
            let at = format!("{stem} in {name}");
            let server =
                TestServer::with(Backend::Memory, |builder| builder.profile(profile)).await;
            let mut ids = Vec::new();
            for display in ["Babs Jensen", "Mandy Pepperidge", "James Smith"] {
                ids.push(user(&server, &display.replace(' ', ".")).await);
            }
            let [babs, mandy, james] = [&ids[0], &ids[1], &ids[2]].map(String::as_str);
            let text = fixture_text(&format!("rfc/{stem}.json"));
            // Some ids are elided in the RFC.
            let text = [
                "2819c223-7f76-453a-919d-413861904646",
                "2819c223-7f76-...413861904646",
                "2819c223...919d-413861904646",
                "2819c223...413861904646",
            ]
            .iter()
            .fold(text, |text, id| text.replace(id, babs));
            let text = ["08e1d05d-121c-4561-8b96-473d93df9210", "08e1d05d...473d93df9210"]
                .iter()
                .fold(text, |text, id| text.replace(id, james));
            let message: Value = serde_json::from_str(&text).unwrap();
            let path = if text.contains("members") {
                let members = if stem.contains("add-member-request") && !stem.contains("remove") {
                    vec![mandy]
                } else {
                    vec![babs, mandy]
                };
                format!("/Groups/{}", group(&server, "Tour Guides", &members).await)
            } else {
                let person = json!({
                    "schemas": [USER], "userName": "bjensen",
                    "emails": [{ "value": "bjensen@example.com", "type": "work", "primary": true }],
                    "addresses": [{ "type": "work", "streetAddress": "100 Universal City Plaza",
                        "locality": "Hollywood", "region": "CA", "postalCode": "91608", "country": "US",
                        "primary": true }],
                });
                format!("/Users/{}", made(&server, "/Users", &person).await["id"].as_str().unwrap())
            };
            let answer = server.patch(&path, &message).await;
            assert!(answer.status.is_success(), "{at}: {}", answer.text);
            assert_eq!(header(&answer, "scim-tolerances"), None, "{at}: needs no tolerance");
            let read = server.get(&path).await.body;
            assert!(after(&read, [babs, mandy, james]), "{at}: {read}");
        }
    }
}

#[tokio::test]
async fn errors() {
    for (name, profile) in profiles() {
        let limits = Limits { payload_bytes: 400, ..Limits::default() };
        let server =
            TestServer::with(Backend::Memory, |builder| builder.profile(profile).limits(limits))
                .await;
        let large = json!({ "schemas": [BULK], "Operations": [{
            "method": "POST", "path": "/Users", "bulkId": "1",
            "data": { "schemas": [USER], "userName": "x".repeat(400) },
        }] });
        let answer = server.post("/Bulk", &large).await;
        assert_error(&answer, 413, &[], name);
        assert_like(&example("rfc7644-3.7.4-error-413-too-large"), &answer.body, "3.7.4");
        let config = server.get("/ServiceProviderConfig").await.body;
        assert_eq!(config["bulk"]["maxPayloadSize"], json!(400), "{name}: the limit is published");
        assert!(
            answer.body["detail"].as_str().unwrap().contains("400"),
            "{name}: the limit is named"
        );

        let id = user(&server, "bjensen").await;
        let message =
            crate::support::patch_op(&json!([{ "op": "replace", "path": "id", "value": "2" }]));
        let answer = server.patch(&format!("/Users/{id}"), &message).await;
        assert_like(&example("rfc7644-3.12-error-400-mutability"), &answer.body, "3.12");

        // Filters on the password are the ones refused here, and as filters: 400, not 403 (AMBIGUITIES 40 and 98).
        let mut expected = example("rfc7644-7.5.2-error-403-sensitive");
        let filter = encode("password eq \"x\"");
        let answer = server.get(&format!("/Users?filter={filter}")).await;
        expected["status"] = json!("400");
        expected["scimType"] = json!("invalidFilter");
        assert_like(&expected, &answer.body, "7.5.2");
    }
}

#[tokio::test]
async fn discovery() {
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        let config = server.get("/ServiceProviderConfig").await;
        assert_eq!(config.status, 200, "{name}");
        let mut expected = without(
            example("rfc7643-8.5-service-provider-config"),
            // Optional; and there is one way to authenticate, and our own numbers.
            &[
                "documentationUri",
                "meta/created",
                "meta/lastModified",
                "meta/version",
                "bulk/maxOperations",
                "bulk/maxPayloadSize",
                "filter/maxResults",
            ],
        );
        let schemes = expected["authenticationSchemes"].as_array_mut().unwrap();
        schemes.truncate(1);
        schemes[0].as_object_mut().unwrap().remove("documentationUri");
        assert_like(&expected, &config.body, "7643 8.5");

        for (stem, path) in [
            ("rfc7643-8.6-resource-type-user", "/ResourceTypes/User"),
            ("rfc7643-8.6-resource-type-group", "/ResourceTypes/Group"),
        ] {
            // Which extensions there are, and whether they are required, is the server's choice.
            let mut expected = example(stem);
            let extensions = expected.as_object_mut().unwrap().remove("schemaExtensions");
            let answer = server.get(path).await.body;
            assert_like(&expected, &answer, stem);
            for extension in extensions.iter().filter_map(Value::as_array).flatten() {
                let ours = answer["schemaExtensions"].as_array().unwrap();
                assert!(
                    ours.iter().any(|e| e["schema"] == extension["schema"]),
                    "{stem}: {extension}"
                );
            }
        }
        let list = server.get("/ResourceTypes").await.body;
        let expected = example("rfc7644-4-resource-types-list-response");
        for member in expected.as_object().unwrap().keys() {
            assert!(list.get(member).is_some(), "{name}: {member} is missing in {list}");
        }
        for theirs in expected["Resources"].as_array().unwrap() {
            let found =
                list["Resources"].as_array().unwrap().iter().find(|r| r["name"] == theirs["name"]);
            let mut theirs = theirs.clone();
            theirs.as_object_mut().unwrap().remove("schemaExtensions");
            assert_like(&theirs, found.unwrap(), "7644 4");
        }
    }
}

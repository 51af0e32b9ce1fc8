//! Every tolerance, with the request that needs it: accepted and named where it is on, refused as documented where it
//! alone is off.

use scim_core::Tolerance;
use scim_server::{Profile, Registry};
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, TestServer, encode};
use crate::shapes;
use crate::support::{Vars, assert_error, fixture, fixture_path, header, table};

/// The attribute types that no standard attribute has.
const BADGE: &str = r#"{
  "schemas": [{ "id": "urn:example:scim:Badge", "name": "Badge", "attributes": [
    { "name": "serial", "type": "string", "required": true },
    { "name": "floor", "type": "integer" }, { "name": "load", "type": "decimal" }] }],
  "resourceTypes": [{ "name": "Badge", "endpoint": "/Badges", "schema": "urn:example:scim:Badge" }]
}"#;

/// A captured request.
struct Captured {
    method: String,
    path: String,
    body: Option<Value>,
}

/// The requests of a tolerance, read from the fixture that its documentation names.
fn captured(tolerance: Tolerance, vars: &Vars) -> Vec<Captured> {
    let name = tolerance.info().fixture;
    if let Some(prefix) = name.strip_prefix("filters.tsv: ") {
        let rows = table("idp/filters.tsv");
        let row = rows.iter().find(|row| row["filter"].starts_with(prefix));
        let row = row.unwrap_or_else(|| panic!("{tolerance}: filters.tsv has no {prefix}"));
        let path = format!("/{}?filter={}", row["target"], encode(&vars.fill(&row["filter"])));
        return vec![Captured { method: "GET".to_owned(), path, body: None }];
    }
    if name.starts_with("tolerance/") {
        let file = fixture(name);
        let requests = file["requests"].as_array().unwrap();
        assert!(!requests.is_empty() && file["client"].is_string(), "{name}");
        let request = |request: &Value| Captured {
            method: request["method"].as_str().unwrap().to_owned(),
            path: vars.fill(request["path"].as_str().unwrap()),
            body: request.get("body").map(|body| vars.fill_json(body)),
        };
        return requests.iter().map(request).collect();
    }
    let (folder, file) = name.split_once('/').unwrap();
    let rows = table(&format!("idp/{folder}/index.tsv"));
    let row = rows.iter().find(|row| row["file"] == file);
    let row = row.unwrap_or_else(|| panic!("{tolerance}: {name} is in no table"));
    vec![Captured {
        method: row["method"].clone(),
        path: vars.fill(&row["path"]),
        body: Some(vars.fill_json(&fixture(&format!("idp/{name}")))),
    }]
}

/// The `scimType`s of the documented strict answer; none where strict accepts and means something else.
fn strict(tolerance: Tolerance) -> Vec<&'static str> {
    let words = tolerance.info().strict;
    [
        "invalidSyntax",
        "invalidValue",
        "invalidFilter",
        "invalidPath",
        "invalidCount",
        "noTarget",
        "mutability",
    ]
    .into_iter()
    .filter(|scim_type| words.contains(scim_type))
    .collect()
}

#[test]
fn every_fixture_is_there() {
    for tolerance in Tolerance::ALL {
        let name = tolerance.info().fixture;
        let file = match name.split_once(": ") {
            Some((table, _)) => format!("idp/{table}"),
            None if name.starts_with("tolerance/") => name.to_owned(),
            None => format!("idp/{name}"),
        };
        assert!(fixture_path(&file).is_file(), "{tolerance}: there is no {file}");
    }
    for entry in std::fs::read_dir(fixture_path("tolerance")).unwrap() {
        let name = format!("tolerance/{}", entry.unwrap().file_name().into_string().unwrap());
        assert!(Tolerance::ALL.iter().any(|t| t.info().fixture == name), "nothing needs {name}");
    }
}

#[tokio::test]
async fn each_on_and_off() {
    let mut requests = 0;
    for tolerance in Tolerance::ALL {
        let usual = Profile::default();
        assert_eq!(usual.has(tolerance), tolerance.info().default, "{tolerance}");
        for (on, profile) in [(true, usual.with(tolerance)), (false, usual.without(tolerance))] {
            requests += run(tolerance, profile, on).await;
        }
    }
    println!("{} tolerances, {requests} requests", Tolerance::ALL.len());
    assert_eq!(requests, 54);
}

/// Sends the requests of a tolerance; tells how many they were.
async fn run(tolerance: Tolerance, profile: Profile, on: bool) -> usize {
    let mut registry = Registry::standard();
    registry.add_json(BADGE).unwrap();
    let server =
        TestServer::with_registry(Backend::Sqlite, registry, |builder| builder.profile(profile))
            .await;
    let fixture = tolerance.info().fixture;
    let mut vars = shapes::prepare_for(&server, fixture).await;
    let first = server.get("/Users?cursor&count=2").await;
    vars.set("nextCursor", first.body["nextCursor"].as_str().unwrap());

    let captured = captured(tolerance, &vars);
    for request in &captured {
        let at = format!(
            "{tolerance} {}: {} {}",
            if on { "on" } else { "off" },
            request.method,
            request.path
        );
        let (user, group) = state(&server, &vars).await;
        let answer = server
            .send(request.method.parse().unwrap(), &request.path, request.body.as_ref())
            .await;
        let named = header(&answer, "scim-tolerances")
            .is_some_and(|names| names.contains(&format!("{tolerance}=\"")));
        assert_eq!(named, on, "{at}: {:?}", header(&answer, "scim-tolerances"));
        let scim_types = strict(tolerance);
        if on || scim_types.is_empty() {
            assert!(answer.status.is_success(), "{at}: {}", answer.text);
            effect(tolerance, on, &answer, &server, &vars, &at).await;
        } else {
            assert_error(&answer, 400, &scim_types, &at);
            assert_eq!(state(&server, &vars).await, (user, group), "{at}: something changed");
        }
    }
    let counted = server.server.tolerated().into_iter().find(|(name, _)| *name == tolerance.name());
    assert_eq!(counted.is_some_and(|(_, times)| times > 0), on, "{tolerance}: {counted:?}");
    captured.len()
}

async fn state(server: &TestServer, vars: &Vars) -> (Value, Value) {
    let user = server.get(&format!("/Users/{}", vars.get("userId"))).await;
    let group = server.get(&format!("/Groups/{}", vars.get("groupId"))).await;
    (user.body, group.body)
}

/// What the requests of `fixtures/tolerance` do; those of identity providers are in [`crate::shapes`].
async fn effect(
    tolerance: Tolerance,
    on: bool,
    answer: &Answer,
    server: &TestServer,
    vars: &Vars,
    at: &str,
) {
    let (user, group) = state(server, vars).await;
    match tolerance {
        Tolerance::MessageWithoutSchemas => match answer.body.get("totalResults") {
            Some(_) => assert_eq!(answer.body["itemsPerPage"], json!(1), "{at}"),
            None => assert_eq!(user["displayName"], "After", "{at}"),
        },
        Tolerance::StringNumber => {
            assert_eq!(answer.body["floor"], json!(7), "{at}: a number");
            assert_eq!(answer.body["load"], json!(1.5), "{at}: a number");
        }
        Tolerance::WrapObject => {
            assert_eq!(answer.body["emails"].as_array().map(Vec::len), Some(1), "{at}: a list");
        }
        Tolerance::IgnoreMeta => {
            assert_eq!(group["displayName"], "Renamed", "{at}");
            assert_ne!(group["meta"]["version"], "W/\"from-another-time\"", "{at}");
        }
        Tolerance::DropUnknownAttributes => {
            for name in ["department", "samAccountName", "initials"] {
                assert!(!answer.text.contains(name), "{at}: {name} is echoed");
            }
        }
        Tolerance::AnyUserName => {
            let found = server
                .get(&format!(
                    "/Users?filter={}",
                    encode(&format!(
                        "userName eq \"{}\"",
                        answer.body["userName"].as_str().unwrap().to_uppercase()
                    ))
                ))
                .await;
            assert_eq!(found.body["totalResults"], json!(1), "{at}: compared without case");
        }
        Tolerance::ChangingCursorCount => {
            assert_eq!(answer.body["itemsPerPage"], json!(3), "{at}");
        }
        Tolerance::ReplaceComplexWhole => {
            let given = user["name"].get("givenName");
            assert_eq!(given.is_none(), on, "{at}: {user}");
            assert_eq!(user["name"]["familyName"], "Klein", "{at}");
        }
        _ => {
            assert!(!tolerance.info().fixture.starts_with("tolerance/"), "{at}: no effect in code")
        }
    }
}

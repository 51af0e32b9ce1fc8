//! `filters-match.json`, `filters.json` and `idp/filters.tsv`.

use std::collections::{BTreeMap, BTreeSet};

use scim_server::Registry;
use serde_json::{Value, json};

use crate::harness::{Answer, Backend, TestServer, encode};
use crate::support::{
    ENTERPRISE, GROUP, USER, Vars, assert_error, fixture, listed_ids, made, patch_op, profiles,
    table,
};

async fn ask(server: &TestServer, endpoint: &str, filter: &str) -> Answer {
    server.get(&format!("{endpoint}?filter={}", encode(filter))).await
}

#[tokio::test]
async fn matches() {
    let vectors = fixture("vectors/filters-match.json");
    let mut ran = 0;
    for backend in [Backend::Memory, Backend::Sqlite] {
        for (name, profile) in profiles() {
            let server = TestServer::with(backend, |builder| builder.profile(profile)).await;
            let mut keys = BTreeMap::new();
            for person in vectors["dataset"].as_array().unwrap() {
                let made = made(&server, "/Users", &person["resource"]).await;
                keys.insert(
                    made["id"].as_str().unwrap().to_owned(),
                    person["key"].as_str().unwrap(),
                );
            }
            assert_eq!(keys.len(), 12);
            for case in vectors["cases"].as_array().unwrap() {
                let filter = case["filter"].as_str().unwrap();
                let at = format!("{} in {name} on {backend:?}: {filter}", case["id"]);
                let answer = ask(&server, "/Users", filter).await;
                assert_eq!(answer.status, 200, "{at}: {}", answer.text);
                let found: BTreeSet<&str> =
                    listed_ids(&answer.body).iter().map(|id| keys[*id]).collect();
                let set = |name: &str| -> BTreeSet<&str> {
                    case[name]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .map(|k| k.as_str().unwrap())
                        .collect()
                };
                let (must, may) = (set("match"), set("optional"));
                assert!(must.is_subset(&found), "{at}: {:?} are missing", must.difference(&found));
                let extra: Vec<_> =
                    found.iter().filter(|k| !must.contains(*k) && !may.contains(*k)).collect();
                assert!(extra.is_empty(), "{at}: {extra:?} do not match");
                assert_eq!(answer.body["totalResults"], json!(found.len()), "{at}");
                // The body of a search is read by the same rules.
                let search = json!({
                    "schemas": [crate::support::SEARCH], "filter": filter, "attributes": ["userName"],
                });
                let searched = server.post("/Users/.search", &search).await;
                assert_eq!(listed_ids(&searched.body), listed_ids(&answer.body), "{at}: .search");
                ran += 1;
            }
        }
    }
    println!("{ran} filters matched against twelve users");
    assert_eq!(ran, 78 * 4);
}

/// What `rfc/PROFILES.md` decides for the rows that the RFC leaves open: whether (strict, default) can read them.
fn open(id: &str) -> (bool, bool) {
    match id {
        // `$` inside a name, `not x` without parentheses, unquoted and single-quoted texts, operators behind brackets.
        "F0505" | "F0634" | "F0637" | "F0638" | "F0647" | "F0648" | "F0649" | "F0652" | "F0653" => {
            (false, false)
        }
        // A comparison behind brackets.
        "F0607" | "F0608" | "F0609" | "F0610" | "F0611" | "F0613" => (false, true),
        // More spaces or fewer where nothing can be mistaken, and an attribute that is called `not`.
        "F0588" | "F0617" | "F0619" | "F0620" | "F0623" | "F0624" | "F0625" | "F0628" | "F0629"
        | "F0631" | "F0632" | "F0798" => (true, true),
        other => panic!("{other}: a new row that needs a decision"),
    }
}

/// Every filter of the vectors is answered: 200, or 400 invalidFilter for what is malformed or not in the schema.
#[tokio::test]
async fn grammar() {
    let vectors = fixture("vectors/filters.json");
    let mut counts: BTreeMap<(&str, &str, u16), usize> = BTreeMap::new();
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        made(&server, "/Users", &json!({ "schemas": [USER], "userName": "someone@example.com" }))
            .await;
        for case in vectors["cases"].as_array().unwrap() {
            let (id, filter) = (case["id"].as_str().unwrap(), case["filter"].as_str().unwrap());
            let at = format!("{id} in {name}: {filter}");
            let answer = ask(&server, "/Users", filter).await;
            let status = answer.status.as_u16();
            let expect = case["expect"].as_str().unwrap();
            let readable = match expect {
                "valid" => true,
                "lenient" => {
                    let (strict, default) = open(id);
                    if name == "strict" { strict } else { default }
                }
                _ => false,
            };
            match status {
                200 => assert!(readable, "{at}: accepted"),
                _ => assert_error(&answer, 400, &["invalidFilter"], &at),
            }
            // At the root an attribute that no type has is no value, so only the grammar can refuse.
            let root = ask(&server, "/", filter).await;
            match root.status.as_u16() {
                200 => assert!(readable, "{at}: accepted at the root"),
                _ => assert_error(&root, 400, &["invalidFilter"], &format!("{at}, at the root")),
            }
            if status == 200 {
                assert_eq!(root.status, 200, "{at}: refused at the root alone: {}", root.text);
            }
            let name = if name == "strict" { "strict" } else { "default" };
            let expect = ["valid", "invalid", "semantic-invalid", "lenient"]
                .into_iter()
                .find(|known| *known == expect)
                .unwrap_or_else(|| panic!("{id}: {expect}"));
            *counts.entry((name, expect, status)).or_default() += 1;
        }
        let empty = server.get("/Users?filter=").await;
        assert_error(&empty, 400, &["invalidFilter"], "an empty filter");
    }
    println!("{counts:?}");
    let of = |profile, expect| -> usize {
        counts.iter().filter(|((p, e, _), _)| (*p, *e) == (profile, expect)).map(|(_, n)| n).sum()
    };
    for profile in ["strict", "default"] {
        let kinds = ["valid", "invalid", "semantic-invalid", "lenient"];
        assert_eq!(kinds.map(|kind| of(profile, kind)), [300, 65, 6, 27], "{profile}");
    }
}

/// Entra's own extensions, as far as the table names them.
const ENTRA: &str = r#"{
  "schemas": [
    {"id": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User", "name": "EntraUser", "attributes": [
      {"name": "mailNickname"},
      {"name": "ownedGroups", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}]}]},
    {"id": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group", "name": "EntraGroup", "attributes": [
      {"name": "securityEnabled", "type": "boolean"}, {"name": "mailEnabled", "type": "boolean"},
      {"name": "owners", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}]}]}],
  "extensions": {
    "User": [{"schema": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User"}],
    "Group": [{"schema": "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group"}]}
}"#;

/// What the third column says: (strict accepts, default accepts).
fn accepted(filter: &str, column: &str) -> (bool, bool) {
    match column {
        // Slack's own attribute: good grammar, but not in our schema.
        "yes" if filter == "restricted eq 1" => (false, false),
        c if c.starts_with("yes") || c.starts_with("members is complex multi-valued") => {
            (true, true)
        }
        c if c.starts_with("compat")
            || c.contains("strict 400 invalidFilter")
            || c.starts_with("not in RFC grammar") =>
        {
            (false, true)
        }
        c if c.starts_with("no") || c.starts_with("single quotes") => (false, false),
        other => panic!("{filter}: a remark that needs a decision: {other}"),
    }
}

/// What the one user and the one group of the test match.
fn finds(target: &str, filter: &str) -> bool {
    let sought = match target {
        "Groups" => [
            "displayName eq",
            "externalId eq",
            "id eq",
            "members.value",
            "owners",
            "securityEnabled",
        ]
        .as_slice(),
        _ => [
            "userName eq \"dana",
            "externalId eq \"jyoung",
            "emails[",
            "id eq",
            "manager eq",
            "userName eq \"RUN",
            "groups.value",
            "active eq",
            "mailNickname eq",
            "externalId pr",
            "emails.value co",
            "meta.created",
            "not(urn",
            "userName ew",
        ]
        .as_slice(),
    };
    let found = sought.iter().any(|part| filter.contains(part));
    // These name somebody else, or an attribute that nobody has here.
    let other = [
        "non-existent",
        "RUNSCOPE",
        "mailNickname",
        "owned",
        "@contoso",
        "-eu",
        "securityE",
        "owners",
        "mailE",
        "xxx",
    ];
    found && !other.iter().any(|part| filter.contains(part))
}

#[tokio::test]
async fn of_identity_providers() {
    let mut ran = 0;
    for backend in [Backend::Memory, Backend::Sqlite] {
        for (name, profile) in profiles() {
            let mut registry = Registry::standard();
            registry.add_json(ENTRA).unwrap();
            let server =
                TestServer::with_registry(backend, registry, |builder| builder.profile(profile))
                    .await;
            let vars = people(&server).await;
            for row in table("idp/filters.tsv") {
                let (target, text) = (row["target"].as_str(), row["filter"].as_str());
                let at = format!("{target} {text} in {name} on {backend:?}");
                let (strict, default) = accepted(text, &row["rfc7644_valid"]);
                let accepted = if name == "strict" { strict } else { default };
                ran += 1;
                if target == "path" {
                    path(&server, &vars, text, accepted, &at).await;
                    continue;
                }
                let answer = ask(&server, &format!("/{target}"), &vars.fill(text)).await;
                if accepted {
                    assert_eq!(answer.status, 200, "{at}: {}", answer.text);
                    let id = vars.get(if target == "Groups" { "groupId" } else { "userId" });
                    let found = listed_ids(&answer.body).contains(&id);
                    assert_eq!(found, finds(target, text), "{at}: {}", answer.text);
                } else {
                    assert_error(&answer, 400, &["invalidFilter"], &at);
                }
            }
        }
    }
    println!("{ran} filters and paths of identity providers");
    assert_eq!(ran, 41 * 4);
}

async fn people(server: &TestServer) -> Vars {
    let mut vars = Vars::default();
    vars.set("managerId", crate::support::user(server, "manager@example.com").await);
    let dana = json!({
        "schemas": [USER, ENTERPRISE],
        "userName": "dana.kline@fabrikam.example",
        "externalId": "jyoung",
        "emails": [
            { "type": "work", "value": "dana@fabrikam.example", "primary": true },
            { "type": "home", "value": "dana@example.com" },
        ],
        "addresses": [{ "type": "work", "streetAddress": "1 Main" }],
        "roles": [{ "value": "Reader", "primary": true }],
        ENTERPRISE: { "manager": { "value": vars.get("managerId") } },
    });
    vars.set("userId", made(server, "/Users", &dana).await["id"].as_str().unwrap());
    let team = json!({
        "schemas": [GROUP], "displayName": "Field Engineers", "externalId": "6f0c2d1e-0002",
        "members": [{ "value": vars.get("userId") }],
    });
    vars.set("groupId", made(server, "/Groups", &team).await["id"].as_str().unwrap());
    vars
}

/// Replaces and puts back what the path names.
async fn path(server: &TestServer, vars: &Vars, text: &str, accepted: bool, at: &str) {
    let endpoint = match text.starts_with("members") {
        true => format!("/Groups/{}", vars.get("groupId")),
        false => format!("/Users/{}", vars.get("userId")),
    };
    let value: Value = match text.rsplit([':', ']']).next().unwrap() {
        "manager" => json!({ "value": vars.get("managerId") }),
        "name" => json!({ "familyName": "Kline" }),
        ".display" | ".streetAddress" => json!("x"),
        ".value" => json!("dana@fabrikam.example"),
        _ => Value::Null,
    };
    let operation = match value {
        Value::Null => json!({ "op": "remove", "path": vars.fill(text) }),
        value => json!({ "op": "replace", "path": text, "value": value }),
    };
    let answer = server.patch(&endpoint, &patch_op(&json!([operation]))).await;
    if accepted {
        assert!(answer.status.is_success(), "{at}: {}", answer.text);
    } else {
        assert_error(&answer, 400, &["invalidPath", "invalidFilter"], at);
    }
}

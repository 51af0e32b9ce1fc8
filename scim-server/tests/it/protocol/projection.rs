//! `attributes` and `excludedAttributes`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ada, path_of, servers};
use crate::support::{ENTERPRISE, assert_error, group, made, patch_op};

fn names(resource: &Value) -> BTreeSet<&str> {
    resource.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn what_is_asked_for_is_shown() {
    for server in servers().await {
        let created = made(&server, "/Users", &ada()).await;
        let path = path_of(&created);
        let all: Vec<&str> = names(&created).into_iter().collect();
        let minimum = ["id", "schemas"];
        let enterprise_department = format!("{ENTERPRISE}:department");
        for (list, shown) in [
            ("userName", vec!["userName"]),
            ("USERNAME,Name.givenname", vec!["userName", "name"]),
            ("emails.value", vec!["emails"]),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName", vec!["userName"]),
            (ENTERPRISE, vec![ENTERPRISE]),
            (&enterprise_department, vec![ENTERPRISE]),
            ("meta", vec!["meta"]),
            ("meta.version", vec!["meta"]),
            ("nosuch", vec![]),
            ("id", vec![]),
            ("password", vec![]),
            (" userName , title ", vec!["userName"]),
        ] {
            let expected: BTreeSet<&str> = shown.into_iter().chain(minimum).collect();
            let list = list.replace(' ', "%20");
            let one = server.get(&format!("{path}?attributes={list}")).await;
            assert_eq!(names(&one.body), expected, "attributes={list}");
            let many = server.get(&format!("/Users?attributes={list}")).await;
            assert_eq!(many.body["Resources"][0], one.body, "attributes={list}: in a list");
            for name in &expected {
                let (part, whole) = (one.body[name].to_string(), created[name].to_string());
                assert!(part.len() <= whole.len(), "{name}: {part}");
            }
        }
        let emails =
            server.get(&format!("{path}?attributes=emails.value")).await.body["emails"].clone();
        assert_eq!(
            emails,
            json!([{ "value": "ada@example.com" }, { "value": "ada@home.example" }])
        );
        let enterprise =
            server.get(&format!("{path}?attributes={ENTERPRISE}:department")).await.body;
        assert_eq!(enterprise[ENTERPRISE], json!({ "department": "Engines" }));
        for (list, hidden) in [
            ("emails", vec!["emails"]),
            ("EMAILS,name,meta", vec!["emails", "name", "meta"]),
            (ENTERPRISE, vec![ENTERPRISE]),
            ("id", vec![]),
            ("nosuch", vec![]),
            ("userName", vec!["userName"]),
        ] {
            let expected: BTreeSet<&str> =
                all.iter().copied().filter(|n| !hidden.contains(n)).collect();
            let one = server.get(&format!("{path}?excludedAttributes={list}")).await;
            assert_eq!(names(&one.body), expected, "excludedAttributes={list}");
            let many = server.get(&format!("/Users?excludedAttributes={list}")).await;
            assert_eq!(many.body["Resources"][0], one.body, "excludedAttributes={list}: in a list");
        }
        let partly =
            server.get(&format!("{path}?excludedAttributes=emails.type,name.givenName")).await.body;
        assert_eq!(partly["emails"][1], json!({ "value": "ada@home.example" }));
        assert_eq!(partly["name"], json!({ "familyName": "Lovelace" }));
        let both =
            server.get(&format!("{path}?attributes=userName&excludedAttributes=emails")).await;
        assert_error(&both, 400, &["invalidValue"], "both");
    }
}

/// Writes answer with what is asked for, too; a group's PATCH then has a body.
#[tokio::test]
async fn answers_to_writes_are_projected() {
    for server in servers().await {
        let created = server.post("/Users?attributes=userName", &ada()).await;
        assert_eq!(names(&created.body), BTreeSet::from(["id", "schemas", "userName"]));
        assert!(crate::support::header(&created, "location").is_some());
        let path = format!("/Users/{}", created.id());
        let replaced = server.put(&format!("{path}?excludedAttributes=emails,meta"), &ada()).await;
        assert_eq!((replaced.body.get("emails"), replaced.body.get("meta")), (None, None));
        let message = patch_op(&json!([{ "op": "add", "path": "title", "value": "Dr" }]));
        let patched = server.patch(&format!("{path}?attributes=title"), &message).await;
        assert_eq!(names(&patched.body), BTreeSet::from(["id", "schemas", "title"]));

        let id = created.id();
        let team = group(&server, "Engines", &[&id]).await;
        let rename =
            patch_op(&json!([{ "op": "replace", "path": "displayName", "value": "Motors" }]));
        for (query, shown) in [
            ("attributes=displayName", BTreeSet::from(["displayName", "id", "schemas"])),
            (
                "excludedAttributes=members",
                BTreeSet::from(["displayName", "id", "meta", "schemas"]),
            ),
            ("attributes=members", BTreeSet::from(["id", "members", "schemas"])),
        ] {
            let answer = server.patch(&format!("/Groups/{team}?{query}"), &rename).await;
            assert_eq!(answer.status, 200, "{query}");
            assert_eq!(names(&answer.body), shown, "{query}");
        }
    }
}

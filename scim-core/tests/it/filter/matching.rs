//! `vectors/filters-match.json`: which of twelve users match.

use std::collections::BTreeSet;

use scim_core::{Leniency, Profile, Registry, Resource};
use serde_json::Value;

use super::{parse, profiles};

const VECTORS: &str = include_str!("../../fixtures/vectors/filters-match.json");

/// The users as a server would have stored them.
fn stored(vectors: &Value) -> Vec<(String, Resource)> {
    let users = vectors["dataset"].as_array().unwrap().iter().enumerate();
    users
        .map(|(i, user)| {
            let mut resource: Resource = serde_json::from_value(user["resource"].clone()).unwrap();
            resource.set("id", format!("id-{i}"));
            let meta = serde_json::json!({
                "resourceType": "User",
                "created": "2026-03-01T12:00:00Z",
                "lastModified": "2026-03-01T12:00:00.25Z",
            });
            resource.set("meta", scim_core::Value::from(meta));
            if resource.get("active").is_none() {
                resource.set("active", true);
            }
            (user["key"].as_str().unwrap().to_owned(), resource)
        })
        .collect()
}

fn names(list: &Value) -> BTreeSet<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn vectors() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let users = stored(&vectors);
    assert_eq!(users.len(), 12);
    let registry = Registry::standard();
    let mut ran = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let text = case["filter"].as_str().unwrap();
        let at = format!("{} {text}", case["id"]);
        let (wanted, optional) = (names(&case["match"]), names(&case["optional"]));
        for (_, profile) in profiles() {
            let typed = parse(text, profile)
                .and_then(|f| f.resolve(registry.user(), &mut Leniency::new(profile)))
                .unwrap_or_else(|error| panic!("{at}: {error}"));
            let found: BTreeSet<&str> = users
                .iter()
                .filter(|(_, user)| typed.matches(user))
                .map(|(key, _)| key.as_str())
                .collect();
            assert!(found.is_superset(&wanted), "{at}: {found:?} lacks some of {wanted:?}");
            let allowed: BTreeSet<&str> = wanted.union(&optional).copied().collect();
            assert!(found.is_subset(&allowed), "{at}: {found:?} is more than {allowed:?}");
        }
        ran += 1;
    }
    println!("filters-match.json: {ran} filters over {} users", users.len());
    assert_eq!(ran, 78);
}

/// The rulings that the vectors leave open.
#[test]
fn rulings() {
    let user: Resource = serde_json::from_str(
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],
            "userName":"ＡＤＡ","externalId":"Ex","title":"","displayName":"Straße",
            "active":false,"nickName":null,"name":{"familyName":""},"roles":[],
            "emails":[{"value":"a@x.org","type":"work"},{"value":"b@x.org"}],
            "meta":{"created":"2026-03-01T12:00:00.5+02:00"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"m1"}}}"#,
    )
    .unwrap();
    let registry = Registry::standard();
    for (text, expected) in [
        // 31: `ne` is `not eq`, over all values and when there are none.
        (r#"nickName ne "x""#, true),
        (r#"emails.type ne "work""#, false),
        (r#"emails.type ne "home""#, true),
        (r#"emails[type ne "work"]"#, true),
        // 33: empty is not present; false is.
        ("title pr", false),
        ("name pr", false),
        ("roles pr", false),
        ("active pr", true),
        ("emails pr", true),
        // 34: null.
        ("nickName eq null", true),
        ("nickName ne null", false),
        ("active ne null", true),
        ("emails eq null", false),
        ("title eq null", true),
        // 36: order of references and texts.
        (r#"externalId eq "EX""#, false),
        (r#"externalId sw "E""#, true),
        // 38: one fold; width only for user names.
        (r#"userName eq "ada""#, true),
        (r#"userName sw "Ad""#, true),
        (r#"displayName eq "STRASSE""#, true),
        (r#"displayName co "ASS""#, true),
        (r#"displayName ew "SE""#, true),
        (r#"displayName gt "strasr""#, true),
        (r#"userName co """#, true),
        // 42: instants, whatever the notation.
        (r#"meta.created eq "2026-03-01T10:00:00.500Z""#, true),
        (r#"meta.created ge "2026-03-01T10:00:00.5""#, true),
        (r#"meta.created gt "2026-03-01T10:00:00.5000001Z""#, false),
        (r#"meta.created lt "2026-03-01T12:00:00-01:00""#, true),
        // Whole extensions and simple lists.
        ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr", true),
        ("urn:ietf:params:scim:schemas:extension:hybrid:2.0:OnPremises pr", false),
        ("urn:ietf:params:scim:schemas:core:2.0:User pr", true),
        ("urn:ietf:params:scim:schemas:core:2.0:User ne null", true),
        (r#"schemas[value ew ":User"]"#, true),
        (r#"schemas[value eq "x"]"#, false),
        (
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager[value eq "m1"]"#,
            true,
        ),
        (
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "M1""#,
            false,
        ),
        // Nothing is present in a value that is not there.
        (r#"name[familyName pr]"#, false),
        (r#"not (addresses[type pr])"#, true),
        (r#"addresses[not (type pr)]"#, false),
        (r#"emails[not (type pr)]"#, true),
    ] {
        let filter = parse(text, Profile::strict()).unwrap();
        let typed = filter.resolve(registry.user(), &mut Leniency::new(Profile::strict()));
        assert_eq!(typed.map(|t| t.matches(&user)), Ok(expected), "{text}");
    }
}

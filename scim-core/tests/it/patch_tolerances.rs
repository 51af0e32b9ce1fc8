//! The tolerances of PATCH, each on and off, and where they end.

use scim_core::{Error, Leniency, Profile, Registry, Resource, ResourceSchema, Tolerance as T};
use serde_json::{Value as Json, json};

use crate::patch::{message, run};
use crate::patch_rules::{
    ENTERPRISE, badge, badge_registry, check, group, one, remove, user, whole,
};

/// Each tolerance of PATCH: off it is refused, on it does this, and it leaves a trace.
#[test]
fn tolerances_on_and_off() {
    let registry = badge_registry();
    let (user, group, badge) = (user(), group(), badge());
    let manager = format!("{ENTERPRISE}:manager");
    let badge_schema = registry.get("Badge").unwrap();
    type Row<'a> =
        (T, &'a ResourceSchema, &'a Resource, Json, &'static str, &'static [&'static str]);
    let rows: Vec<Row<'_>> = vec![
        (
            T::RemoveByValue,
            registry.user(),
            &user,
            one("remove", "emails", json!([{"value": "a@home.example", "type": "home"}])),
            "invalidSyntax",
            &[r#"emails: {"type":"home","value":"a@home.example"} removed"#],
        ),
        (
            T::RemoveByValue,
            registry.group(),
            &group,
            one("remove", "members", json!({"value": "u-2"})),
            "invalidSyntax",
            &[r#"members: {"type":"User","value":"u-2"} removed"#],
        ),
        (
            T::RemoveByValue,
            registry.group(),
            &group,
            one("remove", "members", json!({"members": [{"value": "u-2"}]})),
            "invalidSyntax",
            &[r#"members: {"type":"User","value":"u-2"} removed"#],
        ),
        (
            T::RemoveByValue,
            registry.group(),
            &group,
            one("remove", "members", json!([])),
            "invalidSyntax",
            &[],
        ),
        (
            T::RemoveByValue,
            registry.group(),
            &group,
            one("remove", r#"members[type eq "User"]"#, json!([{"value": "u-2"}])),
            "invalidSyntax",
            &[r#"members: {"type":"User","value":"u-2"} removed"#],
        ),
        (
            T::RemoveByValue,
            registry.user(),
            &user,
            one("remove", "title", json!("COUNTESS")),
            "invalidSyntax",
            &["title: \"Countess\" removed"],
        ),
        (
            T::RemoveByValue,
            registry.user(),
            &user,
            one("remove", "title", json!("Baroness")),
            "invalidSyntax",
            &[],
        ),
        (
            T::RemoveByValue,
            registry.user(),
            &user,
            one("remove", "name.givenName", json!("x")),
            "invalidSyntax",
            &[],
        ),
        (
            T::RemoveByValue,
            registry.user(),
            &user,
            one("remove", ENTERPRISE, json!({"department": "Mathematics"})),
            "invalidSyntax",
            &[
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: \"Mathematics\" removed",
            ],
        ),
        (
            T::CreateOnFilterMiss,
            registry.user(),
            &user,
            one("add", r#"emails[type eq "other" and primary eq true].value"#, json!("n")),
            "noTarget",
            &[
                r#"emails: {"primary":true,"type":"work","value":"a@work.example"} -> {"primary":false,"type":"work","value":"a@work.example"}"#,
                r#"emails: {"type":"other","primary":true,"value":"n"} added"#,
            ],
        ),
        (
            T::CreateOnFilterMiss,
            registry.user(),
            &user,
            one("replace", r#"emails[type eq "other"].value"#, json!("n")),
            "noTarget",
            &[r#"emails: {"type":"other","value":"n"} added"#],
        ),
        (
            T::PathKeys,
            registry.user(),
            &user,
            whole(
                "replace",
                json!({"name.familyName": "King", "emails[type eq \"home\"].value": "n"}),
            ),
            "invalidPath",
            &[
                r#"emails: {"type":"home","value":"a@home.example"} -> {"type":"home","value":"n"}"#,
                "name.familyName: \"Lovelace\" -> \"King\"",
            ],
        ),
        (
            T::BareExtensionName,
            registry.user(),
            &user,
            one("replace", "department", json!("Engines")),
            "invalidPath",
            &[
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: \"Mathematics\" -> \"Engines\"",
            ],
        ),
        (
            T::BareExtensionName,
            registry.user(),
            &user,
            whole("replace", json!({"department": "Engines"})),
            "invalidPath",
            &[
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: \"Mathematics\" -> \"Engines\"",
            ],
        ),
        (
            T::DisplayNameForDisplay,
            registry.user(),
            &user,
            one("add", "roles.displayName", json!("D")),
            "invalidPath",
            &[r#"roles: {"display":"D"} added"#],
        ),
        (
            T::StringBoolean,
            registry.user(),
            &user,
            one("add", "active", json!("tRUE")),
            "invalidValue",
            &["active: true added"],
        ),
        (
            T::StringBoolean,
            registry.user(),
            &user,
            remove(r#"emails[primary eq "True"]"#),
            "invalidFilter",
            &[r#"emails: {"primary":true,"type":"work","value":"a@work.example"} removed"#],
        ),
        (
            T::BooleanLiteralCase,
            registry.user(),
            &user,
            remove("emails[primary eq TRUE]"),
            "invalidPath",
            &[r#"emails: {"primary":true,"type":"work","value":"a@work.example"} removed"#],
        ),
        (
            T::StringNumber,
            badge_schema,
            &badge,
            one("add", "level", json!("7")),
            "invalidValue",
            &["level: 7 added"],
        ),
        (
            T::UnwrapSingle,
            registry.user(),
            &user,
            one("replace", "title", json!(["x"])),
            "invalidValue",
            &["title: \"Countess\" -> \"x\""],
        ),
        (
            T::UnwrapSingle,
            registry.user(),
            &user,
            one("replace", "title", json!([{"value": "x"}])),
            "invalidValue",
            &["title: \"Countess\" -> \"x\""],
        ),
        (
            T::UnwrapSingle,
            registry.user(),
            &user,
            one("replace", r#"emails[type eq "home"]"#, json!([{"value": "n"}])),
            "invalidValue",
            &[r#"emails: {"type":"home","value":"a@home.example"} -> {"value":"n","type":"home"}"#],
        ),
        (
            T::ManagerShorthand,
            registry.user(),
            &user,
            one("replace", &manager, json!("")),
            "invalidValue",
            &[
                r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: {"$ref":"Users/m-1","displayName":"Charles","value":"m-1"} removed"#,
            ],
        ),
        (
            T::ManagerShorthand,
            registry.user(),
            &user,
            one("add", &manager, json!("")),
            "invalidValue",
            &[],
        ),
        (
            T::IgnoreMeta,
            registry.user(),
            &user,
            whole("replace", json!({"meta": {"version": "other"}, "title": "x"})),
            "mutability",
            &["title: \"Countess\" -> \"x\""],
        ),
        (
            T::DropUndeclaredSchemas,
            registry.user(),
            &user,
            one("add", "schemas", json!(["urn:x:y"])),
            "invalidValue",
            &[],
        ),
        (
            T::AnyUserName,
            registry.user(),
            &user,
            one("replace", "userName", json!("a b")),
            "invalidValue",
            &["userName: \"ada\" -> \"a b\""],
        ),
        (
            T::AnyCountry,
            registry.user(),
            &user,
            one("add", "addresses", json!([{"country": "Belize"}])),
            "invalidValue",
            &[r#"addresses: {"country":"Belize"} added"#],
        ),
    ];
    for (tolerance, schema, before, operations, refusal, expected) in rows {
        let about = format!("{tolerance}: {operations}");
        for profile in [Profile::strict(), Profile::default().without(tolerance)] {
            let mut leniency = Leniency::new(profile);
            let error: Error =
                run(&message(&operations), before, schema, &mut leniency).expect_err(&about);
            assert_eq!(error.code().1, Some(refusal), "{about}: {error}");
        }
        let mut leniency = Leniency::new(Profile::strict().with(tolerance));
        let (_, changes) = run(&message(&operations), before, schema, &mut leniency)
            .unwrap_or_else(|e| panic!("{about}: {e}"));
        let lines: Vec<String> = changes.iter().map(|c| c.to_string()).collect();
        assert_eq!(lines, expected, "{about}");
        assert!(leniency.traces().iter().all(|t| t.tolerance == tolerance), "{about}");
        assert!(!leniency.traces().is_empty(), "{about} leaves a trace");
    }
}

/// The interop draft's reading, off in both profiles.
#[test]
fn replace_complex_whole() {
    let registry = Registry::standard();
    let operations = one("replace", "name", json!({"familyName": "King"}));
    let changes = |profile: Profile| {
        let mut leniency = Leniency::new(profile);
        let (_, changes) =
            run(&message(&operations), &user(), registry.user(), &mut leniency).unwrap();
        changes.to_string()
    };
    let merged = "name.familyName: \"Lovelace\" -> \"King\"";
    assert_eq!(changes(Profile::strict()), merged);
    assert_eq!(changes(Profile::default()), merged);
    assert_eq!(
        changes(Profile::strict().with(T::ReplaceComplexWhole)),
        format!("{merged}\nname.givenName: \"Ada\" removed")
    );
    let by_sub = one("replace", "name.familyName", json!("King"));
    let mut leniency = Leniency::new(Profile::strict().with(T::ReplaceComplexWhole));
    let (_, changes) = run(&message(&by_sub), &user(), registry.user(), &mut leniency).unwrap();
    assert_eq!(changes.to_string(), merged);
}

/// Where the default profile must stay strict although a tolerance is near.
#[test]
fn tolerances_end_somewhere() {
    check(
        vec![
            (
                "2 no sub-attribute",
                one("add", r#"emails[type eq "other"]"#, json!({"value": "n"})),
                Err("noTarget"),
            ),
            (
                "3 no sub-attribute",
                one("replace", r#"emails[type eq "other"]"#, json!({"value": "n"})),
                Err("noTarget"),
            ),
            (
                "2 the pinned sub-attribute",
                one("add", r#"emails[value eq "n"].value"#, json!("m")),
                Err("noTarget"),
            ),
            (
                "2 not only eq",
                one("add", r#"emails[type eq "other" and value co "n"].display"#, json!("m")),
                Err("noTarget"),
            ),
            (
                "2 or",
                one("add", r#"emails[type eq "x" or type eq "y"].value"#, json!("m")),
                Err("noTarget"),
            ),
            (
                "2 contradiction",
                one("add", r#"emails[type eq "x" and type eq "y"].value"#, json!("m")),
                Err("noTarget"),
            ),
            (
                "2 null",
                one("add", r#"emails[type eq "x" and display eq null].value"#, json!("m")),
                Err("noTarget"),
            ),
            ("7 unknown key", whole("add", json!({"name.shoeSize": 1})), Err("invalidPath")),
            ("7 malformed key", whole("add", json!({"name..x": 1})), Err("invalidPath")),
            ("7 unknown URN", whole("add", json!({"urn:x:y:z": 1})), Err("invalidPath")),
            ("59 other words", one("replace", "active", json!("yes")), Err("invalidValue")),
            ("11 two for one", one("replace", "title", json!(["a", "b"])), Err("invalidValue")),
            ("17 another id", whole("add", json!({"id": "other"})), Err("mutability")),
            (
                "1 what is no element",
                one("remove", "emails", json!(["a@home.example"])),
                Err("invalidValue"),
            ),
            (
                "35 unquoted",
                one("replace", "emails[type eq work].value", json!("x")),
                Err("invalidPath"),
            ),
        ],
        Registry::standard().user(),
        &user(),
        Profile::default(),
    );
}

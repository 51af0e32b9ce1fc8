//! PATCH rulings, one case each: the clause or the item of the ambiguities that it is about, and what must happen.

use scim_core::{Leniency, Profile, Registry, Resource, ResourceSchema};
use serde_json::{Value as Json, json};

use crate::patch::{message, resource, run};

pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

pub(crate) fn user() -> Resource {
    resource(&json!({
        "schemas": [USER, ENTERPRISE],
        "id": "u-1",
        "userName": "ada",
        "externalId": "X1",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "title": "Countess",
        "emails": [
            {"value": "a@work.example", "type": "work", "primary": true},
            {"value": "a@home.example", "type": "home"},
        ],
        "groups": [{"value": "g-1"}],
        ENTERPRISE: {
            "department": "Mathematics",
            "manager": {"value": "m-1", "$ref": "Users/m-1", "displayName": "Charles"},
        },
        "meta": {"resourceType": "User", "version": "W/\"7\"", "lastModified": "2026-11-21T10:00:00Z"},
    }))
}

pub(crate) fn group() -> Resource {
    resource(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "id": "g-1",
        "displayName": "Engines",
        "members": [
            {"value": "u-1", "type": "User", "$ref": "Users/u-1", "display": "Ada"},
            {"value": "u-2", "type": "User"},
        ],
    }))
}

/// Everything a schema can ask for that the RFC's own do not.
pub(crate) fn badge_registry() -> Registry {
    let mut registry = Registry::standard();
    registry
        .add_json(
            &json!({
                "schemas": [
                    {"id": "urn:x:Badge", "name": "Badge", "attributes": [
                        {"name": "serial", "type": "string", "mutability": "immutable"},
                        {"name": "tags", "type": "string", "multiValued": true},
                        {"name": "codes", "type": "string", "multiValued": true, "caseExact": true, "mutability": "immutable"},
                        {"name": "level", "type": "integer"},
                        {"name": "state", "type": "string", "mutability": "readOnly"},
                        {"name": "doors", "type": "complex", "multiValued": true, "required": true, "subAttributes": [
                            {"name": "value", "type": "string", "required": true},
                            {"name": "key", "type": "string", "mutability": "immutable"},
                            {"name": "zones", "type": "string", "multiValued": true},
                        ]},
                    ]},
                    {"id": "urn:x:Vault", "name": "Vault", "attributes": [
                        {"name": "shelf", "type": "string", "required": true},
                        {"name": "label", "type": "string"},
                    ]},
                    {"id": "https://x.example/schemas/Note", "name": "Note", "attributes": [
                        {"name": "text", "type": "string"},
                        {"name": "seal", "type": "string", "mutability": "immutable"},
                    ]},
                ],
                "resourceTypes": [{
                    "name": "Badge", "endpoint": "/Badges", "schema": "urn:x:Badge",
                    "schemaExtensions": [
                        {"schema": "urn:x:Vault", "required": false},
                        {"schema": "https://x.example/schemas/Note", "required": false},
                    ],
                }],
            })
            .to_string(),
        )
        .unwrap();
    registry
}

pub(crate) fn badge() -> Resource {
    resource(&json!({
        "schemas": ["urn:x:Badge"],
        "id": "b-1",
        "serial": "S1",
        "tags": ["red", "blue"],
        "codes": ["c1", "c2"],
        "doors": [{"value": "north", "key": "k1", "zones": ["a"]}, {"value": "south"}],
    }))
}

/// What a case expects: the changes, or the `scimType` of the error.
pub(crate) type Expected = Result<&'static [&'static str], &'static str>;

/// What the case is about, the operations, and the outcome in strict.
pub(crate) type Case = (&'static str, Json, Expected);

pub(crate) fn check(
    cases: Vec<Case>,
    schema: &ResourceSchema,
    before: &Resource,
    profile: Profile,
) {
    let mut failures = Vec::new();
    let count = cases.len();
    for (about, operations, expected) in cases {
        let outcome = run(&message(&operations), before, schema, &mut Leniency::new(profile));
        let lines = outcome.map(|(_, changes)| changes.iter().map(|c| c.to_string()).collect());
        let fits = match (&lines, expected) {
            (Ok(lines), Ok(expected)) => {
                let lines: &Vec<String> = lines;
                lines == expected
            }
            (Err(error), Err(scim_type)) => error.code().1 == Some(scim_type),
            _ => false,
        };
        if !fits {
            failures.push(format!("{about}: {operations}\n   {lines:?}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{count} cases");
}

pub(crate) fn one(op: &str, path: &str, value: Json) -> Json {
    json!([{"op": op, "path": path, "value": value}])
}

pub(crate) fn remove(path: &str) -> Json {
    json!([{"op": "remove", "path": path}])
}

pub(crate) fn whole(op: &str, value: Json) -> Json {
    json!([{"op": op, "value": value}])
}

#[test]
fn values_on_users() {
    let manager = format!("{ENTERPRISE}:manager");
    check(
        vec![
            (
                "3.5.2.1 value is missing",
                json!([{"op": "add", "path": "title"}]),
                Err("invalidValue"),
            ),
            ("3.5.2.3 value is missing", json!([{"op": "replace"}]), Err("invalidValue")),
            ("3.5.2.1 without path, null", whole("add", json!(null)), Err("invalidValue")),
            ("3.5.2.1 without path, list", whole("add", json!([1])), Err("invalidValue")),
            (
                "3.5.2.2 without path",
                json!([{"op": "remove", "value": {"title": "x"}}]),
                Err("noTarget"),
            ),
            ("27 add of null", one("add", "title", json!(null)), Ok(&[])),
            (
                "27 replace with null",
                one("replace", "title", json!(null)),
                Ok(&["title: \"Countess\" removed"]),
            ),
            (
                "27 replace with [] removes",
                one("replace", "emails", json!([])),
                Ok(&[
                    r#"emails: {"primary":true,"type":"work","value":"a@work.example"} removed"#,
                    r#"emails: {"type":"home","value":"a@home.example"} removed"#,
                ]),
            ),
            ("27 add of []", one("add", "emails", json!([])), Ok(&[])),
            ("27 required to null", one("replace", "userName", json!(null)), Err("mutability")),
            ("16 required removed", remove("userName"), Err("mutability")),
            (
                "15 removed and added again",
                json!([
                    {"op": "remove", "path": "userName"},
                    {"op": "add", "path": "userName", "value": "grace"},
                ]),
                Err("mutability"),
            ),
            (
                "7643 4.1.1 empty user name",
                one("replace", "userName", json!("")),
                Err("invalidValue"),
            ),
            ("5 unassigned removed", remove("nickName"), Ok(&[])),
            ("5 unassigned sub-attribute removed", remove("name.middleName"), Ok(&[])),
            ("4 nothing matches", remove(r#"emails[type eq "other"]"#), Ok(&[])),
            (
                "9 replace merges",
                one("replace", "name", json!({"familyName": "King"})),
                Ok(&["name.familyName: \"Lovelace\" -> \"King\""]),
            ),
            ("9 nothing named", one("replace", "name", json!({})), Ok(&[])),
            (
                "27 null inside a replacement",
                one("replace", "name", json!({"familyName": null})),
                Ok(&["name.familyName: \"Lovelace\" removed"]),
            ),
            (
                "27 null inside an addition",
                one("add", "name", json!({"familyName": null, "middleName": "B"})),
                Ok(&["name.middleName: \"B\" added"]),
            ),
            (
                "last sub-attribute",
                json!([
                    {"op": "remove", "path": "name.familyName"}, {"op": "remove", "path": "name.givenName"},
                ]),
                Ok(&[r#"name: {"familyName":"Lovelace","givenName":"Ada"} removed"#]),
            ),
            (
                "12 there already",
                one(
                    "add",
                    "emails",
                    json!([{"value": "A@HOME.example", "type": "HOME", "primary": false}]),
                ),
                Ok(&[]),
            ),
            (
                "12 twice in one value",
                one("add", "emails", json!([{"value": "n"}, {"value": "n"}])),
                Ok(&[r#"emails: {"value":"n"} added"#]),
            ),
            ("13 the same again", one("replace", "title", json!("Countess")), Ok(&[])),
            (
                "13 the same list in another order",
                one(
                    "replace",
                    "emails",
                    json!([
                        {"value": "a@home.example", "type": "home"},
                        {"value": "a@work.example", "type": "work", "primary": true},
                    ]),
                ),
                Ok(&[]),
            ),
            (
                "13 there and back",
                json!([
                    {"op": "replace", "path": "title", "value": "x"},
                    {"op": "replace", "path": "title", "value": "Countess"},
                ]),
                Ok(&[]),
            ),
            (
                "24 new primary",
                one("add", "emails", json!([{"value": "n", "primary": true}])),
                Ok(&[
                    r#"emails: {"primary":true,"type":"work","value":"a@work.example"} -> {"primary":false,"type":"work","value":"a@work.example"}"#,
                    r#"emails: {"primary":true,"value":"n"} added"#,
                ]),
            ),
            (
                "24 primary by sub-attribute",
                one("replace", r#"emails[type eq "home"].primary"#, json!(true)),
                Ok(&[
                    r#"emails: {"primary":true,"type":"work","value":"a@work.example"} -> {"primary":false,"type":"work","value":"a@work.example"}"#,
                    r#"emails: {"type":"home","value":"a@home.example"} -> {"type":"home","value":"a@home.example","primary":true}"#,
                ]),
            ),
            (
                "24 two in one value",
                one(
                    "add",
                    "emails",
                    json!([
                        {"value": "n", "primary": true}, {"value": "m", "primary": true},
                    ]),
                ),
                Err("invalidValue"),
            ),
            (
                "24 two by one filter",
                one("replace", "emails[value pr].primary", json!(true)),
                Err("invalidValue"),
            ),
            (
                "24 two by all elements",
                one("replace", "emails.primary", json!(true)),
                Err("invalidValue"),
            ),
            (
                "24 the last operation wins",
                json!([
                    {"op": "add", "path": "emails", "value": {"value": "n", "primary": true}},
                    {"op": "replace", "path": r#"emails[type eq "home"].primary"#, "value": true},
                    {"op": "remove", "path": r#"emails[value eq "n"]"#},
                ]),
                Ok(&[
                    r#"emails: {"primary":true,"type":"work","value":"a@work.example"} -> {"primary":false,"type":"work","value":"a@work.example"}"#,
                    r#"emails: {"type":"home","value":"a@home.example"} -> {"type":"home","value":"a@home.example","primary":true}"#,
                ]),
            ),
            (
                "10 an element keeps what the filter says",
                one("replace", r#"emails[type eq "home"]"#, json!({"value": "n"})),
                Ok(&[
                    r#"emails: {"type":"home","value":"a@home.example"} -> {"value":"n","type":"home"}"#,
                ]),
            ),
            (
                "10 an element is replaced whole",
                one("replace", r#"emails[type eq "work"]"#, json!({"value": "n", "type": "other"})),
                Ok(&[
                    r#"emails: {"primary":true,"type":"work","value":"a@work.example"} removed"#,
                    r#"emails: {"type":"other","value":"n"} added"#,
                ]),
            ),
            (
                "add to an element merges",
                one("add", r#"emails[type eq "work"]"#, json!({"display": "D"})),
                Ok(&[
                    r#"emails: {"primary":true,"type":"work","value":"a@work.example"} -> {"primary":true,"type":"work","value":"a@work.example","display":"D"}"#,
                ]),
            ),
            (
                "2 add matches nothing",
                one("add", r#"emails[type eq "other"].value"#, json!("n")),
                Err("noTarget"),
            ),
            (
                "3 replace matches nothing",
                one("replace", r#"emails[type eq "other"].value"#, json!("n")),
                Err("noTarget"),
            ),
            (
                "3 replace null matches nothing",
                one("replace", r#"emails[type eq "other"].value"#, json!(null)),
                Ok(&[]),
            ),
            (
                "filter on a single value, match",
                one("replace", r#"name[givenName eq "ada"].familyName"#, json!("King")),
                Ok(&["name.familyName: \"Lovelace\" -> \"King\""]),
            ),
            (
                "filter on a single value, none",
                one("replace", r#"name[givenName eq "x"].familyName"#, json!("King")),
                Err("noTarget"),
            ),
            (
                "sub-attribute of all, none there",
                one("add", "phoneNumbers.value", json!("1")),
                Ok(&[r#"phoneNumbers: {"value":"1"} added"#]),
            ),
            (
                "22 sub-attribute in front of the bracket",
                remove(r#"emails.type[value eq "x"]"#),
                Err("invalidPath"),
            ),
            ("23 unknown attribute", one("add", "shoeSize", json!(1)), Err("invalidPath")),
            ("23 unknown key", whole("add", json!({"shoeSize": 1})), Err("invalidPath")),
            ("23 unknown sub-attribute", one("add", "name.shoeSize", json!(1)), Err("invalidPath")),
            (
                "23 unknown sub-attribute in a value",
                one("add", "name", json!({"shoeSize": 1})),
                Err("invalidPath"),
            ),
            (
                "23 unknown sub-attribute in a filter",
                remove("emails[shoeSize eq 1]"),
                Err("invalidFilter"),
            ),
            ("23 unknown schema", one("add", "urn:x:y:z", json!(1)), Err("invalidPath")),
            (
                "23 unknown extension attribute",
                one("add", ENTERPRISE, json!({"shoeSize": 1})),
                Err("invalidPath"),
            ),
            ("37 password in a filter", remove("emails[value eq 5]"), Err("invalidFilter")),
            (
                "17 id by path, although equal",
                one("replace", "id", json!("u-1")),
                Err("mutability"),
            ),
            (
                "17 readOnly sub-attribute",
                one("replace", "meta.version", json!("x")),
                Err("mutability"),
            ),
            (
                "17 readOnly in an extension",
                one("replace", &format!("{ENTERPRISE}:manager.displayName"), json!("x")),
                Err("mutability"),
            ),
            (
                "17 groups",
                whole("replace", json!({"groups": [{"value": "g-1"}]})),
                Err("mutability"),
            ),
            ("17 removal of readOnly", remove("groups"), Err("mutability")),
            (
                "17 the same id and schemas",
                whole("replace", json!({"id": "u-1", "schemas": [ENTERPRISE, USER], "title": "x"})),
                Ok(&["title: \"Countess\" -> \"x\""]),
            ),
            (
                "17 another id",
                whole("replace", json!({"id": "u-2", "title": "x"})),
                Err("mutability"),
            ),
            ("17 other schemas", whole("replace", json!({"schemas": [USER]})), Err("mutability")),
            (
                "17 schemas as they become",
                whole(
                    "replace",
                    json!({
                        "schemas": [USER, ENTERPRISE, "urn:ietf:params:scim:schemas:extension:hybrid:2.0:OnPremises"],
                        "urn:ietf:params:scim:schemas:extension:hybrid:2.0:OnPremises": {"samAccountName": "ada"},
                    }),
                ),
                Ok(&[
                    "urn:ietf:params:scim:schemas:extension:hybrid:2.0:OnPremises:samAccountName: \"ada\" added",
                ]),
            ),
            (
                "17 the same meta",
                whole("add", json!({"meta": {"version": "W/\"7\"", "location": null}})),
                Ok(&[]),
            ),
            (
                "8 extension by key merges",
                whole("replace", json!({ENTERPRISE: {"costCenter": "7"}})),
                Ok(&[
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter: \"7\" added",
                ]),
            ),
            (
                "20 base schema as path",
                one("add", USER, json!({"nickName": "A"})),
                Ok(&["nickName: \"A\" added"]),
            ),
            (
                "20 base schema as key",
                whole("add", json!({USER: {"nickName": "A"}})),
                Ok(&["nickName: \"A\" added"]),
            ),
            ("20 base schema removed", remove(USER), Err("mutability")),
            ("20 schemas emptied", remove("schemas"), Err("mutability")),
            (
                "20 base URI removed",
                remove(&format!(r#"schemas[value eq "{USER}"]"#)),
                Err("mutability"),
            ),
            (
                "20 extension URI replaced away",
                one("replace", "schemas", json!([USER])),
                Ok(&[
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: \"Mathematics\" removed",
                    r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: {"$ref":"Users/m-1","displayName":"Charles","value":"m-1"} removed"#,
                ]),
            ),
            ("20 extension URI added", one("add", "schemas", json!([ENTERPRISE])), Ok(&[])),
            (
                "20 undeclared URI added",
                one("add", "schemas", json!(["urn:x:y"])),
                Err("invalidValue"),
            ),
            (
                "20 schemas by filter",
                one("replace", "schemas[value pr]", json!(USER)),
                Err("mutability"),
            ),
            ("18 manager stays", one("replace", &manager, json!({"value": "m-1"})), Ok(&[])),
            (
                "a new manager has another name and place",
                one("replace", &manager, json!({"value": "m-2"})),
                Ok(&[
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value: \"m-1\" -> \"m-2\"",
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref: \"Users/m-1\" removed",
                    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName: \"Charles\" removed",
                ]),
            ),
            (
                "names in any case",
                one("REPLACE", "NAME.FAMILYNAME", json!("King")),
                Ok(&["name.familyName: \"Lovelace\" -> \"King\""]),
            ),
            (
                "11 one object for a list",
                one("add", "emails", json!({"value": "n"})),
                Ok(&[r#"emails: {"value":"n"} added"#]),
            ),
        ],
        Registry::standard().user(),
        &user(),
        Profile::strict(),
    );
}

/// Erratum 7122 and the bracket form do the same, and both take the extension's data away with its URI.
#[test]
fn removing_an_extension() {
    let registry = Registry::standard();
    for operations in [
        remove(&format!("schemas eq \"{ENTERPRISE}\"")),
        remove(&format!("schemas[value eq \"{ENTERPRISE}\"]")),
        remove(ENTERPRISE),
        one("replace", ENTERPRISE, json!(null)),
        whole("replace", json!({ENTERPRISE: null})),
    ] {
        let mut strict = Leniency::new(Profile::strict());
        let (after, changes) =
            run(&message(&operations), &user(), registry.user(), &mut strict).unwrap();
        assert!(after.extension(ENTERPRISE).is_none(), "{operations}");
        assert_eq!(after.schemas().collect::<Vec<_>>(), [USER], "{operations}");
        assert_eq!(changes.len(), 2, "{operations}");
        let again = one("add", &format!("{ENTERPRISE}:division"), json!("D"));
        let (back, _) = run(&message(&again), &after, registry.user(), &mut strict).unwrap();
        assert_eq!(back.schemas().collect::<Vec<_>>(), [USER, ENTERPRISE]);
    }
}

//! PATCH rulings on group members and on schemas that ask for what the RFC's own do not.

use scim_core::{AttributeType, Profile, Registry};
use serde_json::json;

use crate::patch_rules::{badge, badge_registry, check, group, one, remove};

#[test]
fn members() {
    check(
        vec![
            (
                "12 there already",
                one("add", "members", json!([{"value": "u-1", "type": "Group"}])),
                Ok(&[]),
            ),
            (
                "12 ids are exact",
                one("add", "members", json!([{"value": "U-1"}])),
                Ok(&[r#"members: {"value":"U-1"} added"#]),
            ),
            (
                "19 replaced; who stays is as before",
                one("replace", "members", json!([{"value": "u-1"}, {"value": "u-3"}])),
                Ok(&[
                    r#"members: {"type":"User","value":"u-2"} removed"#,
                    r#"members: {"value":"u-3"} added"#,
                ]),
            ),
            (
                "19 the id of a member",
                one("replace", r#"members[value eq "u-1"].value"#, json!("u-3")),
                Err("mutability"),
            ),
            (
                "18 the same id",
                one("replace", r#"members[value eq "u-1"].value"#, json!("u-1")),
                Ok(&[]),
            ),
            (
                "19 a member becomes another",
                one("replace", r#"members[value eq "u-1"]"#, json!({"value": "u-3"})),
                Err("mutability"),
            ),
            (
                "18 a member stays itself",
                one("replace", r#"members[value eq "u-1"]"#, json!({"value": "u-1"})),
                Ok(&[]),
            ),
            (
                "3 no such member",
                one("replace", r#"members[value eq "u-7"]"#, json!({"value": "u-7"})),
                Err("noTarget"),
            ),
            (
                "19 the type of a member",
                remove(r#"members[value eq "u-2"].type"#),
                Err("mutability"),
            ),
            (
                "readOnly: it follows from the member",
                one("add", r#"members[value eq "u-2"].display"#, json!("Grace")),
                Err("mutability"),
            ),
            (
                "several by or",
                remove(r#"members[value eq "u-1" or value eq "u-2" or value eq "u-7"]"#),
                Ok(&[
                    r##"members: {"$ref":"Users/u-1","display":"Ada","type":"User","value":"u-1"} removed"##,
                    r#"members: {"type":"User","value":"u-2"} removed"#,
                ]),
            ),
            (
                "by another filter",
                remove(r#"members[type eq "user" and not (value eq "u-1")]"#),
                Ok(&[r#"members: {"type":"User","value":"u-2"} removed"#]),
            ),
            (
                "in order",
                json!([
                    {"op": "remove", "path": "members"},
                    {"op": "add", "path": "members", "value": [{"value": "u-2", "type": "User"}]},
                    {"op": "add", "value": {"members": [{"value": "u-4"}], "displayName": "New"}},
                    {"op": "remove", "path": "members[value eq \"u-4\"]"},
                ]),
                Ok(&[
                    r##"members: {"$ref":"Users/u-1","display":"Ada","type":"User","value":"u-1"} removed"##,
                    "displayName: \"Engines\" -> \"New\"",
                ]),
            ),
            (
                "1 remove with a value",
                json!([{"op": "remove", "path": "members", "value": [{"value": "u-1"}]}]),
                Err("invalidSyntax"),
            ),
            (
                "1 even an empty one",
                json!([{"op": "remove", "path": "members", "value": []}]),
                Err("invalidSyntax"),
            ),
            (
                "a member without id",
                one("add", "members", json!([{"type": "User"}])),
                Err("invalidValue"),
            ),
            ("38 the group's name is required", remove("displayName"), Err("mutability")),
        ],
        Registry::standard().group(),
        &group(),
        Profile::strict(),
    );
}

#[test]
fn other_schemas() {
    let registry = badge_registry();
    let schema = registry.get("Badge").unwrap();
    assert_eq!(schema.attribute("level").unwrap().kind, AttributeType::Integer);
    check(
        vec![
            (
                "21 an element of a simple list",
                remove(r#"tags[value eq "RED"]"#),
                Ok(&["tags: \"red\" removed"]),
            ),
            ("21 erratum 7122", remove(r#"tags eq "red""#), Ok(&["tags: \"red\" removed"])),
            (
                "21 replaced",
                one("replace", r#"tags[value eq "red"]"#, json!("green")),
                Ok(&["tags: \"red\" removed", "tags: \"green\" added"]),
            ),
            (
                "11 one simple value",
                one("add", "tags", json!("green")),
                Ok(&["tags: \"green\" added"]),
            ),
            ("12 simple value there", one("add", "tags", json!(["BLUE"])), Ok(&[])),
            ("immutable: the same", one("replace", "serial", json!("s1")), Ok(&[])),
            ("immutable: another", one("replace", "serial", json!("S2")), Err("mutability")),
            ("immutable: null", one("replace", "serial", json!(null)), Err("mutability")),
            ("immutable: removed", remove("serial"), Err("mutability")),
            ("immutable list: the same", one("replace", "codes", json!(["c2", "c1"])), Ok(&[])),
            ("immutable list: more", one("add", "codes", json!(["c3"])), Err("mutability")),
            ("immutable list: there", one("add", "codes", json!(["c1"])), Ok(&[])),
            ("immutable list: less", remove(r#"codes[value eq "c1"]"#), Err("mutability")),
            ("readOnly", one("add", "state", json!("x")), Err("mutability")),
            ("required list emptied", remove("doors[value pr]"), Err("mutability")),
            (
                "required list emptied by value",
                one("replace", "doors", json!([])),
                Err("mutability"),
            ),
            (
                "required sub-attribute removed",
                remove(r#"doors[value eq "south"].value"#),
                Err("mutability"),
            ),
            (
                "required sub-attribute missing",
                one("add", "doors", json!([{"key": "k"}])),
                Err("invalidValue"),
            ),
            (
                "immutable sub-attribute stays",
                one("replace", r#"doors[value eq "north"]"#, json!({"value": "west"})),
                Ok(&[
                    r#"doors: {"key":"k1","value":"north","zones":["a"]} removed"#,
                    r#"doors: {"value":"west","key":"k1"} added"#,
                ]),
            ),
            (
                "immutable sub-attribute set",
                one("add", r#"doors[value eq "south"].key"#, json!("k2")),
                Ok(&[r#"doors: {"value":"south"} -> {"value":"south","key":"k2"}"#]),
            ),
            (
                "immutable sub-attribute changed",
                one("add", r#"doors[value eq "north"].key"#, json!("k2")),
                Err("mutability"),
            ),
            (
                "list inside grows",
                one("add", r#"doors[value eq "north"].zones"#, json!(["b", "A"])),
                Ok(&[
                    r#"doors: {"key":"k1","value":"north","zones":["a"]} -> {"key":"k1","value":"north","zones":["a","b"]}"#,
                ]),
            ),
            (
                "list inside replaced",
                one("replace", r#"doors[value eq "north"].zones"#, json!(["b"])),
                Ok(&[
                    r#"doors: {"key":"k1","value":"north","zones":["a"]} -> {"key":"k1","value":"north","zones":["b"]}"#,
                ]),
            ),
            (
                "extension without its required attribute",
                one("add", "urn:x:Vault:label", json!("x")),
                Err("invalidValue"),
            ),
            (
                "extension with it",
                one("add", "urn:x:Vault", json!({"shelf": "1"})),
                Ok(&["urn:x:Vault:shelf: \"1\" added"]),
            ),
            (
                "the attribute that makes it valid comes later",
                json!([
                    {"op": "add", "path": "urn:x:Vault:label", "value": "x"},
                    {"op": "add", "path": "urn:x:Vault:shelf", "value": "1"},
                ]),
                Ok(&["urn:x:Vault:label: \"x\" added", "urn:x:Vault:shelf: \"1\" added"]),
            ),
            (
                "a URL as schema",
                one("add", "https://x.example/schemas/Note:text", json!("t")),
                Ok(&["https://x.example/schemas/Note:text: \"t\" added"]),
            ),
            (
                "a URL as path",
                one("add", "https://x.example/schemas/Note", json!({"text": "t"})),
                Ok(&["https://x.example/schemas/Note:text: \"t\" added"]),
            ),
            (
                "immutable keeps its extension",
                json!([
                    {"op": "add", "path": "https://x.example/schemas/Note:seal", "value": "s"},
                    {"op": "remove", "path": "https://x.example/schemas/Note"},
                ]),
                Err("mutability"),
            ),
            ("numbers are no strings", one("add", "level", json!("7")), Err("invalidValue")),
        ],
        schema,
        &badge(),
        Profile::strict(),
    );
}

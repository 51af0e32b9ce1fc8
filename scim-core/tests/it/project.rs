//! Projection: returned rules, sub-attributes, extensions, what a store may leave out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use scim_core::{
    AttrPath, Error, Leniency, Limits, Object, Profile, Projection, Registry, ResolvedProjection,
    Resource, ResourceSchema, Returned, urn,
};
use serde_json::{Value as Json, json};

const ENTERPRISE: &str = urn::ENTERPRISE_USER;

/// A registry with a resource type that has attributes of every `returned` kind.
fn badges() -> Registry {
    let mut registry = Registry::standard();
    registry
        .add_json(
            r#"{
  "schemas": [
    { "id": "urn:x:Badge", "attributes": [
      { "name": "serial", "returned": "always" },
      { "name": "pin", "returned": "never" },
      { "name": "photo", "returned": "request" },
      { "name": "colour" },
      { "name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
        { "name": "value", "returned": "always" },
        { "name": "floor" },
        { "name": "map", "returned": "request" },
        { "name": "code", "returned": "never" } ] } ] },
    { "id": "urn:x:Wear", "attributes": [
      { "name": "lace" }, { "name": "tag", "returned": "always" }, { "name": "scan", "returned": "request" } ] }
  ],
  "resourceTypes": [
    { "name": "Badge", "endpoint": "/Badges", "schema": "urn:x:Badge",
      "schemaExtensions": [{ "schema": "urn:x:Wear" }] } ]
}"#,
        )
        .unwrap();
    registry
}

fn badge() -> Json {
    json!({
        "schemas": ["urn:x:Badge", "urn:x:Wear"],
        "id": "7",
        "serial": "s-1",
        "pin": "1234",
        "photo": "cGhvdG8=",
        "colour": "red",
        "doors": [
            { "value": "north", "floor": "1", "map": "m", "code": "c" },
            { "value": "south", "floor": "2" }
        ],
        "urn:x:Wear": { "lace": "blue", "tag": "t", "scan": "s" },
        "meta": { "resourceType": "Badge", "version": "W/\"1\"" }
    })
}

fn resolve(
    schema: &ResourceSchema,
    attributes: Option<&str>,
    excluded: Option<&str>,
) -> ResolvedProjection {
    Projection::parse(attributes, excluded, &Limits::default())
        .unwrap()
        .resolve(schema, &mut Leniency::new(Profile::strict()))
}

fn apply(projection: &ResolvedProjection, resource: Json) -> Json {
    let mut resource: Resource = serde_json::from_value(resource).unwrap();
    projection.apply(&mut resource);
    serde_json::to_value(resource).unwrap()
}

fn show(attributes: Option<&str>, excluded: Option<&str>) -> Json {
    let registry = badges();
    apply(&resolve(registry.get("Badge").unwrap(), attributes, excluded), badge())
}

#[test]
fn default_set() {
    assert_eq!(
        show(None, None),
        json!({
            "schemas": ["urn:x:Badge", "urn:x:Wear"], "id": "7", "serial": "s-1", "colour": "red",
            "doors": [{ "value": "north", "floor": "1" }, { "value": "south", "floor": "2" }],
            "urn:x:Wear": { "lace": "blue", "tag": "t" },
            "meta": { "resourceType": "Badge", "version": "W/\"1\"" }
        })
    );
}

#[test]
fn named_attributes() {
    let minimum = json!({
        "schemas": ["urn:x:Badge", "urn:x:Wear"], "id": "7", "serial": "s-1", "urn:x:Wear": { "tag": "t" }
    });
    let and = |members: Json| {
        let mut all = minimum.clone();
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        all
    };
    for (attributes, expected) in [
        ("colour", and(json!({ "colour": "red" }))),
        ("COLOUR, nothing,,a b", and(json!({ "colour": "red" }))),
        ("nothing", minimum.clone()),
        ("a b", minimum.clone()),
        ("pin,doors.code", minimum.clone()),
        ("photo", and(json!({ "photo": "cGhvdG8=" }))),
        (
            "doors.floor",
            and(json!({ "doors": [
            { "value": "north", "floor": "1" }, { "value": "south", "floor": "2" } ] })),
        ),
        ("doors.value", and(json!({ "doors": [{ "value": "north" }, { "value": "south" }] }))),
        (
            "doors.map",
            and(json!({ "doors": [{ "value": "north", "map": "m" }, { "value": "south" }] })),
        ),
        ("meta.version", and(json!({ "meta": { "version": "W/\"1\"" } }))),
        ("urn:x:Badge:colour", and(json!({ "colour": "red" }))),
        ("urn:x:Wear:lace", and(json!({ "urn:x:Wear": { "lace": "blue", "tag": "t" } }))),
        ("urn:x:Wear:scan", and(json!({ "urn:x:Wear": { "tag": "t", "scan": "s" } }))),
        ("URN:X:WEAR", and(json!({ "urn:x:Wear": { "lace": "blue", "tag": "t" } }))),
        (
            "urn:x:Badge",
            and(json!({
            "colour": "red",
            "doors": [{ "value": "north", "floor": "1" }, { "value": "south", "floor": "2" }],
            "meta": { "resourceType": "Badge", "version": "W/\"1\"" } })),
        ),
        // The bare name of an extension's attribute is unknown to the strict profile.
        ("lace", minimum.clone()),
    ] {
        assert_eq!(show(Some(attributes), None), expected, "{attributes}");
    }
}

#[test]
fn excluded_attributes() {
    let shown = |excluded: &str| show(None, Some(excluded));
    let without = |excluded: &str, pointer: &str| {
        let answer = shown(excluded);
        assert!(answer.pointer(pointer).is_none(), "{excluded}: {answer}");
        answer
    };
    assert_eq!(shown("nothing,id,serial,schemas,doors.value,urn:x:Wear:tag"), show(None, None));
    without("colour", "/colour");
    without("meta", "/meta");
    assert!(without("doors.floor", "/doors/0/floor").pointer("/doors/0/value").is_some());
    without("urn:x:Wear:lace", "/urn:x:Wear/lace");
    // An attribute of the extension is always shown, so its object stays.
    assert_eq!(shown("urn:x:Wear")["urn:x:Wear"], json!({ "tag": "t" }));
    let core = shown("urn:x:Badge");
    assert_eq!(
        core,
        json!({
            "schemas": ["urn:x:Badge", "urn:x:Wear"], "id": "7", "serial": "s-1",
            "urn:x:Wear": { "lace": "blue", "tag": "t" }
        })
    );
}

#[test]
fn bare_extension_name_is_a_tolerance() {
    let registry = Registry::standard();
    let projection = Projection::parse(Some("department"), None, &Limits::default()).unwrap();
    let mut leniency = Leniency::new(Profile::default());
    let user = json!({ "id": "7", ENTERPRISE: { "department": "x", "division": "y" } });
    let shown = apply(&projection.resolve(registry.user(), &mut leniency), user);
    assert_eq!(shown, json!({ "id": "7", ENTERPRISE: { "department": "x" } }));
    assert_eq!(leniency.traces()[0].at, "department");
}

#[test]
fn schemas_follow_what_is_shown() {
    let registry = Registry::standard();
    let user = json!({
        "schemas": [urn::USER, ENTERPRISE], "id": "7", "userName": "ada",
        ENTERPRISE: { "department": "x" }
    });
    let shown = apply(&resolve(registry.user(), Some("userName"), None), user.clone());
    assert_eq!(shown, json!({ "schemas": [urn::USER], "id": "7", "userName": "ada" }));
    let shown = apply(&resolve(registry.user(), Some(ENTERPRISE), None), user.clone());
    assert_eq!(
        shown,
        json!({ "schemas": [urn::USER, ENTERPRISE], "id": "7", ENTERPRISE: { "department": "x" } })
    );
    let shown = apply(&resolve(registry.user(), None, Some(ENTERPRISE)), user);
    assert_eq!(shown, json!({ "schemas": [urn::USER], "id": "7", "userName": "ada" }));
}

#[test]
fn password_is_never_shown() {
    let registry = Registry::standard();
    let user = json!({ "id": "7", "userName": "ada", "password": "canary" });
    let base = format!("{}:password", urn::USER);
    for attributes in ["password", "PassWord", &base, urn::USER, "password,userName"] {
        let mut resolved = resolve(registry.user(), Some(attributes), None);
        let body: Object = serde_json::from_value(user.clone()).unwrap();
        resolved.show_written_body(registry.user(), &body);
        let shown = apply(&resolved, user.clone()).to_string();
        assert!(!shown.contains("canary"), "{attributes}: {shown}");
    }
}

#[test]
fn values_left_empty_are_dropped() {
    let registry = Registry::standard();
    let user = json!({
        "id": "7", "name": { "givenName": "Ada" },
        "emails": [{ "type": "work" }, { "value": "a@x", "type": "home" }], "phoneNumbers": [{ "type": "work" }]
    });
    let projection =
        resolve(registry.user(), Some("name.familyName,emails.value,phoneNumbers.value"), None);
    assert_eq!(apply(&projection, user), json!({ "id": "7", "emails": [{ "value": "a@x" }] }));
}

#[test]
fn stores_learn_what_to_leave_out() {
    let registry = Registry::standard();
    let group = registry.group();
    for (attributes, excluded, members, display) in [
        (None, None, true, true),
        (Some("displayName"), None, false, false),
        (Some("members"), None, true, true),
        (Some("members.value"), None, true, false),
        (None, Some("members"), false, false),
        (None, Some("members.display"), true, false),
        (Some(urn::GROUP), None, true, true),
    ] {
        let projection = resolve(group, attributes, excluded);
        let case = format!("{attributes:?} {excluded:?}");
        assert_eq!(projection.wants("MEMBERS"), members, "{case}");
        // `display` is in the schema of Microsoft's and the RFC's examples, not in every published one.
        if group.attribute("members").unwrap().sub("display").is_some() {
            assert_eq!(projection.wants_sub("members", "display"), display, "{case}");
        }
        assert_eq!(projection.wants_sub("members", "value"), members, "{case}");
    }
    assert!(resolve(group, Some("id"), None).is_minimum());
    assert!(resolve(group, Some("schemas,unknown"), None).is_minimum());
    assert!(!resolve(group, Some("displayName"), None).is_minimum());
    assert!(!resolve(group, None, None).is_minimum());
}

#[test]
fn what_was_written_is_shown_on_request() {
    let registry = badges();
    let schema = registry.get("Badge").unwrap();
    let body: Object = serde_json::from_value(json!({
        "photo": "cGhvdG8=", "pin": "1234",
        "doors": [{ "value": "north", "map": "m", "code": "c" }], "urn:x:Wear": { "scan": "s" }
    }))
    .unwrap();
    let written = |attributes, excluded| {
        let mut projection = resolve(schema, attributes, excluded);
        projection.show_written_body(schema, &body);
        apply(&projection, badge())
    };
    let shown = written(None, None);
    assert_eq!(shown["photo"], "cGhvdG8=");
    assert_eq!(shown["doors"][0], json!({ "value": "north", "floor": "1", "map": "m" }));
    assert_eq!(shown["urn:x:Wear"], json!({ "lace": "blue", "tag": "t", "scan": "s" }));
    assert!(shown.get("pin").is_none());
    // A request that says what it wants gets that.
    assert!(written(Some("colour"), None).get("photo").is_none());
    assert!(written(None, Some("photo")).get("photo").is_none());
    assert!(written(None, Some("doors.map"))["doors"][0].get("map").is_none());
    // A PATCH says it by paths.
    let mut projection = resolve(schema, None, None);
    let path: AttrPath = "photo".parse().unwrap();
    projection.show_written(schema, &path);
    let shown = apply(&projection, badge());
    assert!(shown.get("photo").is_some() && shown["urn:x:Wear"].get("scan").is_none());
    // `null` writes nothing.
    let nothing: Object = serde_json::from_value(json!({ "photo": null })).unwrap();
    let mut projection = resolve(schema, None, None);
    projection.show_written_body(schema, &nothing);
    assert!(apply(&projection, badge()).get("photo").is_none());
}

#[test]
fn parameters_exclude_each_other_and_have_limits() {
    let limits = Limits { projection_names: 3, ..Limits::default() };
    let parse = |attributes, excluded| Projection::parse(attributes, excluded, &limits);
    assert!(matches!(parse(Some("a"), Some("b")), Err(Error::InvalidValue { .. })));
    assert!(parse(Some("a"), Some("")).is_ok());
    assert!(parse(Some("a,b,c"), None).is_ok());
    assert!(matches!(parse(Some("a,b,c,d"), None), Err(Error::InvalidValue { .. })));
    assert!(parse(Some(""), None).unwrap().is_default());
    assert!(parse(None, Some("a b")).unwrap().is_default());
    assert!(!parse(Some("a b"), None).unwrap().is_default());
}

proptest! {
    /// Whatever is asked for: the minimum set is there, nothing secret is, and nothing is made up.
    #[test]
    fn any_projection_keeps_the_rules(
        names in proptest::collection::vec(prop_oneof![
            Just("serial"), Just("pin"), Just("photo"), Just("colour"), Just("doors"), Just("doors.value"),
            Just("doors.floor"), Just("doors.map"), Just("doors.code"), Just("id"), Just("schemas"), Just("meta"),
            Just("meta.version"), Just("urn:x:Wear"), Just("urn:x:Wear:tag"), Just("urn:x:Wear:lace"),
            Just("urn:x:Badge"), Just("urn:x:Badge:pin"), Just("unknown"), Just("meta.unknown"),
        ], 0..5),
        exclude: bool,
    ) {
        let list = names.join(",");
        let (attributes, excluded) = if exclude { (None, Some(&*list)) } else { (Some(&*list), None) };
        let shown = show(attributes, excluded);
        let object = shown.as_object().unwrap();
        prop_assert_eq!(&shown["id"], "7");
        prop_assert_eq!(&shown["serial"], "s-1");
        prop_assert_eq!(&shown["urn:x:Wear"]["tag"], "t");
        let text = shown.to_string();
        prop_assert!(!text.contains("1234") && !text.contains("\"code\""));
        prop_assert_eq!(text.contains("cGhvdG8"), !exclude && names.contains(&"photo"));
        let all: BTreeSet<String> = badge().as_object().unwrap().keys().cloned().collect();
        prop_assert!(object.keys().all(|name| all.contains(name)));
        for door in shown.get("doors").and_then(Json::as_array).into_iter().flatten() {
            prop_assert!(door.get("value").is_some());
        }
        let registry = badges();
        let projection = resolve(registry.get("Badge").unwrap(), attributes, excluded);
        for attribute in &registry.get("Badge").unwrap().base().attributes {
            let name = attribute.name.as_str();
            prop_assert_eq!(projection.wants(name), object.contains_key(name), "{}", name);
            if attribute.returned == Returned::Always {
                prop_assert!(projection.wants(name));
            }
        }
    }
}

//! The gate for writes: every tolerance on and off, types, required attributes, replacement.

use scim_core::check::{self, Owner, Place};
use scim_core::{
    AttrPath, Error, Leniency, Limits, Object, Patch, Profile, Registry, Resource, ResourceSchema,
    Target, Tolerance, Value, urn,
};
use serde_json::{Value as Json, json};

fn resource(json: Json) -> Resource {
    let Value::Object(object) = Value::from(json) else { panic!("not an object") };
    object.into()
}

fn user(mut members: Json) -> Json {
    let fields = members.as_object_mut().unwrap();
    fields.entry("schemas").or_insert(json!([urn::USER]));
    fields.entry("userName").or_insert(json!("ada"));
    members
}

fn create(body: Json, schema: &ResourceSchema, profile: Profile) -> Result<Json, Error> {
    let checked = check::create(resource(body), schema, &mut Leniency::new(profile))?;
    Ok(serde_json::to_value(&*checked).unwrap())
}

fn create_user(members: Json, profile: Profile) -> Result<Json, Error> {
    create(user(members), Registry::standard().user(), profile)
}

fn patch_value(path: &str, value: Json, profile: Profile) -> Result<(Json, Vec<String>), Error> {
    let registry = Registry::standard();
    let path: AttrPath = path.parse().unwrap();
    let Ok(Target::Attribute { extension, attribute, sub, .. }) = registry.user().resolve(&path)
    else {
        panic!("{path}")
    };
    let owner = Owner::of(registry.user(), extension);
    let mut leniency = Leniency::new(profile);
    let at = "Operations[0].value";
    let attribute = sub.unwrap_or(attribute);
    let value = check::value(value.into(), attribute, owner, at, Place::Patch, &mut leniency)?;
    let traces = leniency.traces().iter().map(|t| format!("{} {}", t.tolerance, t.at)).collect();
    Ok((value.into(), traces))
}

#[test]
fn a_user_name_of_white_space_is_none() {
    for profile in [Profile::default(), Profile::strict()] {
        for name in [" ", "\t", " \u{a0}\u{3000}\n"] {
            let body = json!({ "userName": name });
            let created = create_user(body.clone(), profile);
            assert!(matches!(created, Err(Error::InvalidValue { .. })), "{name:?}: {created:?}");
            let patched = patch_value("userName", json!(name), profile);
            assert!(matches!(patched, Err(Error::InvalidValue { .. })), "{name:?}: {patched:?}");
        }
    }
    // White space beside something else is what the default profile tolerates.
    assert!(create_user(json!({ "userName": "ada lovelace" }), Profile::default()).is_ok());
}

/// RFC 7643 section 2.4; on POST, and as the value of a PATCH.
#[test]
fn the_same_value_of_the_same_type_is_kept_once() {
    let mail = |kind: &str| json!({ "value": "ada@a.example", "type": kind });
    let (sent, kept) =
        (json!([mail("work"), mail("home"), mail("work")]), json!([mail("work"), mail("home")]));
    for profile in [Profile::default(), Profile::strict()] {
        assert_eq!(create_user(json!({ "emails": sent }), profile).unwrap()["emails"], kept);
        assert_eq!(patch_value("emails", sent.clone(), profile).unwrap().0, kept);
        let primary = json!([{ "value": "a", "primary": true }, { "value": "a", "primary": true }]);
        assert!(create_user(json!({ "emails": primary }), profile).is_err(), "two are primary");
    }
}

const ENTERPRISE: &str = urn::ENTERPRISE_USER;

/// A body, the tolerance that it needs, where the trace points, and what becomes of it with the tolerance.
fn bodies() -> Vec<(Tolerance, &'static str, Json, Json)> {
    use Tolerance as T;
    let e = |value: Json| json!({ ENTERPRISE: value });
    let kept = |members: Json| {
        let mut kept = user(members);
        kept.as_object_mut().unwrap().entry("active").or_insert(json!(true));
        kept
    };
    let with_extension =
        |value: Json| kept(json!({"schemas": [urn::USER, ENTERPRISE], ENTERPRISE: value}));
    let legacy = "urn:scim:schemas:extension:enterprise:1.0";
    vec![
        (T::StringBoolean, "active", json!({"active": "False"}), kept(json!({"active": false}))),
        (
            T::StringBoolean,
            "emails[1].primary",
            json!({"emails": [{"value": "a"}, {"value": "b", "primary": "TRUE"}]}),
            kept(json!({"emails": [{"value": "a"}, {"value": "b", "primary": true}]})),
        ),
        (
            T::WrapObject,
            "emails",
            json!({"emails": {"value": "a", "TYPE": "work"}}),
            kept(json!({"emails": [{"value": "a", "type": "work"}]})),
        ),
        (
            T::ManagerShorthand,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            e(json!({"manager": "26"})),
            with_extension(json!({"manager": {"value": "26"}})),
        ),
        (
            T::ManagerShorthand,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
            e(json!({"manager": ""})),
            kept(json!({})),
        ),
        (
            T::ManagerShorthand,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
            e(json!({"manager": {"value": ""}, "department": "x"})),
            with_extension(json!({"department": "x"})),
        ),
        (
            T::DropUndeclaredSchemas,
            "schemas[1]",
            json!({"schemas": [urn::USER, "urn:example:unheard-of"]}),
            kept(json!({})),
        ),
        (
            T::LegacySchemaUris,
            "schemas[0]",
            json!({"schemas": ["urn:scim:schemas:core:1.0"]}),
            kept(json!({})),
        ),
        (
            T::LegacySchemaUris,
            "schemas[1]",
            json!({"schemas": [urn::USER, legacy], ENTERPRISE: {"division": "x"}}),
            with_extension(json!({"division": "x"})),
        ),
        (T::DropUnknownAttributes, "x-extra", json!({"x-extra": [1]}), kept(json!({}))),
        (
            T::DropUnknownAttributes,
            "name.nick",
            json!({"name": {"nick": "A", "givenName": "Ada"}}),
            kept(json!({"name": {"givenName": "Ada"}})),
        ),
        (
            T::DropUnknownAttributes,
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:floor",
            e(json!({"floor": 3})),
            kept(json!({})),
        ),
        (
            T::DisplayNameForDisplay,
            "roles[0].displayName",
            json!({"roles": [{"value": "r", "displayName": "R"}]}),
            kept(json!({"roles": [{"value": "r", "display": "R"}]})),
        ),
        (
            T::AnyUserName,
            "userName",
            json!({"userName": "Ada Lovelace"}),
            kept(json!({"userName": "Ada Lovelace"})),
        ),
        (
            T::AnyCountry,
            "addresses[0].country",
            json!({"addresses": [{"country": "Belize"}]}),
            kept(json!({"addresses": [{"country": "Belize"}]})),
        ),
    ]
}

#[test]
fn body_tolerances_on_and_off() {
    let registry = Registry::standard();
    for (tolerance, at, body, expected) in bodies() {
        let body = user(body);
        let mut leniency = Leniency::new(Profile::strict().with(tolerance));
        let checked = check::create(resource(body.clone()), registry.user(), &mut leniency)
            .unwrap_or_else(|e| panic!("{tolerance} on: {e}"));
        assert_eq!(*checked, resource(expected), "{tolerance}");
        let traces: Vec<_> =
            leniency.traces().iter().map(|t| (t.tolerance, t.at.as_str())).collect();
        assert_eq!(traces, [(tolerance, at)]);

        // Each is one switch: all the others together do not make up for it.
        let without = Tolerance::ALL.into_iter().fold(Profile::strict(), Profile::with);
        let mut without = Leniency::new(without.without(tolerance));
        let outcome = check::create(resource(body.clone()), registry.user(), &mut without);
        if tolerance == Tolerance::DisplayNameForDisplay {
            assert_eq!(without.traces()[0].tolerance, Tolerance::DropUnknownAttributes);
        } else if tolerance == Tolerance::LegacySchemaUris && at == "schemas[1]" {
            let error = create(body.clone(), registry.user(), Profile::strict()).unwrap_err();
            assert!(error.to_string().contains("schemas[1]"), "{error}");
        } else {
            let error = outcome.expect_err(&format!("{tolerance} off"));
            assert_eq!(error.status(), 400);
            let place = if error.code().1 == Some("invalidValue") { at } else { "" };
            assert!(error.to_string().starts_with(place), "{error}");
        }
        assert!(create(body, registry.user(), Profile::strict()).is_err());
    }
}

#[test]
fn data_under_an_old_urn_moves() {
    let old = "urn:scim:schemas:extension:enterprise:2.0:User";
    let body = json!({"schemas": [urn::USER, old], old: {"costCenter": "7"}});
    let kept = create_user(body.clone(), Profile::default()).unwrap();
    assert_eq!(kept["schemas"], json!([urn::USER, ENTERPRISE]));
    assert_eq!(kept[ENTERPRISE], json!({"costCenter": "7"}));
    assert!(create_user(body, Profile::strict()).is_err());
    let twice = json!({old: {"costCenter": "7"}, ENTERPRISE: {"costCenter": "8"}});
    let error = create_user(twice, Profile::default()).unwrap_err();
    assert_eq!(error.code().1, Some("invalidSyntax"), "{error}");
}

#[test]
fn schemas_must_name_the_base() {
    for profile in [Profile::strict(), Profile::default()] {
        for bad in [
            json!(null),
            json!([]),
            json!({}),
            json!(urn::USER),
            json!([1]),
            json!([null]),
            json!([ENTERPRISE]),
            json!([urn::GROUP]),
            json!(["urn:scim:schemas:core:2.0:Group"]),
        ] {
            let error = create_user(json!({"schemas": bad}), profile).unwrap_err();
            assert_eq!(error.code().1, Some("invalidValue"), "{bad}: {error}");
            assert!(error.to_string().starts_with("schemas"), "{error}");
        }
        // Named without data, or data without name: `schemas` follows the data (AMBIGUITIES 58).
        let named = create_user(json!({"schemas": [ENTERPRISE, urn::USER]}), profile).unwrap();
        assert_eq!(named["schemas"], json!([urn::USER]));
        let unnamed = create_user(json!({ENTERPRISE: {"division": "x"}}), profile).unwrap();
        assert_eq!(unnamed["schemas"], json!([urn::USER, ENTERPRISE]));
    }
}

#[test]
fn types_are_exact_in_both_profiles() {
    for profile in [Profile::strict(), Profile::default()] {
        for (at, bad) in [
            ("userName", json!({"userName": ["ada"]})),
            ("userName", json!({"userName": null})),
            ("userName", json!({"userName": ""})),
            ("userName", json!({"userName": 5})),
            ("displayName", json!({"displayName": {"value": "x"}})),
            ("displayName", json!({"displayName": "a\0b"})),
            ("name.givenName", json!({"name": {"givenName": ["x"]}})),
            ("name", json!({"name": []})),
            ("name", json!({"name": [{"givenName": "x"}]})),
            ("active", json!({"active": "yes"})),
            ("active", json!({"active": 1})),
            ("active", json!({"active": [true]})),
            ("emails", json!({"emails": "a@x"})),
            ("emails[0]", json!({"emails": ["a@x"]})),
            ("emails[1]", json!({"emails": [{"value": "a"}, [{"value": "b"}]]})),
            ("emails[0].value", json!({"emails": [{"value": [1]}]})),
            ("emails", json!({"emails": [{"primary": true}, {"primary": true, "value": "b"}]})),
            ("x509Certificates[0].value", json!({"x509Certificates": [{"value": "?"}]})),
            ("photos[0].value", json!({"photos": [{"value": "not a uri"}]})),
            (ENTERPRISE, json!({ENTERPRISE: "x"})),
            (ENTERPRISE, json!({ENTERPRISE: []})),
            (
                "urn:ietf:params:scim:schemas:extension:hybrid:2.0:OnPremises:lastSyncDateTime",
                json!({urn::ON_PREMISES: {"lastSyncDateTime": "yesterday"}}),
            ),
        ] {
            let error = create_user(bad.clone(), profile).unwrap_err();
            assert!(matches!(error, Error::InvalidValue { .. }), "{bad}: {error}");
            assert!(error.to_string().starts_with(&format!("{at}: ")), "{bad}: {error}");
        }
        let text = json!({"nickName": "", "profileUrl": "", "emails": [{"value": ""}, null, {}]});
        let kept = create_user(text, profile).unwrap();
        assert_eq!(kept["nickName"], "");
        assert_eq!(kept["emails"], json!([{"value": ""}]));
    }
}

#[test]
fn null_is_nothing_and_names_are_respelled() {
    let body = json!({"USERNAME": "ada", "schemas": [urn::USER], "nobody": null, "Name": {"GIVENNAME": null},
        "EMAILS": [], "urn:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:user": {"DEPARTMENT": "x", "none": null}});
    let registry = Registry::standard();
    let kept = create(body, registry.user(), Profile::strict()).unwrap();
    assert_eq!(
        kept.to_string(),
        json!({"schemas": [urn::USER, ENTERPRISE], "userName": "ada", "active": true, ENTERPRISE: {"department": "x"}})
            .to_string()
    );
}

#[test]
fn members_keep_value_and_type() {
    let registry = Registry::standard();
    let group = |members: Json| {
        let body = json!({"schemas": [urn::GROUP], "displayName": "g", "members": members});
        create(body, registry.group(), Profile::strict()).map(|g| g["members"].clone())
    };
    let sent = json!([
        {"value": "1", "$ref": null, "display": "Ada"}, {"TYPE": "Group", "value": "2", "$ref": 7}, {"value": "1"}
    ]);
    assert_eq!(group(sent).unwrap(), json!([{"value": "1"}, {"type": "Group", "value": "2"}]));
    for bad in
        [json!(["1"]), json!([{"value": ""}]), json!([{"display": "x"}]), json!([{}]), json!([5])]
    {
        let error = group(bad.clone()).unwrap_err();
        assert!(error.to_string().starts_with("members[0]"), "{bad}: {error}");
    }
}

#[test]
fn patch_values() {
    let on = |tolerance| Profile::strict().with(tolerance);
    let manager = format!("{ENTERPRISE}:manager");
    let unwrap = on(Tolerance::UnwrapSingle);
    for (path, value, profile, expected) in [
        ("displayName", json!(["Ada"]), unwrap, json!("Ada")),
        ("displayName", json!([{"value": "Ada"}]), unwrap, json!("Ada")),
        ("displayName", json!([null]), unwrap, json!(null)),
        ("name", json!([{"GIVENNAME": "Ada"}]), unwrap, json!({"givenName": "Ada"})),
        ("active", json!("FALSE"), on(Tolerance::StringBoolean), json!(false)),
        ("addresses.country", json!("Belize"), on(Tolerance::AnyCountry), json!("Belize")),
        (&manager, json!("26"), on(Tolerance::ManagerShorthand), json!({"value": "26"})),
        (&manager, json!({"value": ""}), on(Tolerance::ManagerShorthand), json!(null)),
        (&manager, json!([{"value": "26"}]), unwrap, json!({"value": "26"})),
        (
            "entitlements",
            json!([{"displayName": "x"}]),
            on(Tolerance::DisplayNameForDisplay),
            json!([{"display": "x"}]),
        ),
    ] {
        let (kept, traces) = patch_value(path, value.clone(), profile).unwrap();
        assert_eq!(kept, expected, "{path}");
        assert_eq!(traces.len(), 1, "{path}: {traces:?}");
        assert!(traces[0].contains(" Operations[0].value"), "{traces:?}");
        assert!(patch_value(path, value, Profile::strict()).is_err(), "{path}");
    }
    let both = unwrap.with(Tolerance::ManagerShorthand);
    assert_eq!(patch_value(&manager, json!(["26"]), both).unwrap().0, json!({"value": "26"}));
    // One object for a list is what the RFC says in PATCH.
    let (emails, traces) = patch_value("emails", json!({"VALUE": "a"}), Profile::strict()).unwrap();
    assert_eq!((emails, traces.len()), (json!([{"value": "a"}]), 0));
    for profile in [Profile::strict(), Profile::default()] {
        for (path, bad, scim_type) in [
            ("emails", json!("a@x"), "invalidValue"),
            ("name", json!("Ada"), "invalidValue"),
            ("displayName", json!(["a", "b"]), "invalidValue"),
            ("displayName", json!([]), "invalidValue"),
            ("displayName", json!([{"value": "a", "type": "b"}]), "invalidValue"),
            ("displayName", json!({"value": "a"}), "invalidValue"),
            ("name", json!({"nick": "x"}), "invalidPath"),
            ("emails", json!([{"value": "a", "x": 1}]), "invalidPath"),
        ] {
            let error = patch_value(path, bad.clone(), profile).unwrap_err();
            assert_eq!(error.code().1, Some(scim_type), "{path} {bad}: {error}");
            assert!(error.to_string().starts_with("Operations[0].value"), "{error}");
        }
        assert_eq!(patch_value("emails", json!([]), profile).unwrap().0, json!(null));
    }
}

/// A resource type with every type and characteristic.
fn badges() -> Registry {
    let mut registry = Registry::standard();
    let file = json!({
        "schemas": [{"id": "urn:example:scim:Badge", "name": "Badge", "attributes": [
            {"name": "serial", "type": "string", "required": true, "mutability": "immutable", "uniqueness": "server"},
            {"name": "rank", "type": "integer"},
            {"name": "weight", "type": "decimal"},
            {"name": "issued", "type": "dateTime", "mutability": "immutable"},
            {"name": "count", "type": "integer", "mutability": "readOnly"},
            {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
            {"name": "tags", "type": "string", "multiValued": true, "caseExact": true, "uniqueness": "server"},
            {"name": "chip", "type": "complex", "subAttributes": [
                {"name": "maker", "type": "string", "required": true, "mutability": "immutable"},
                {"name": "key", "type": "string", "returned": "never"},
                {"name": "note", "type": "string"},
                {"name": "seen", "type": "dateTime", "mutability": "readOnly"}]},
            {"name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
                {"name": "value", "type": "string", "required": true, "uniqueness": "global"},
                {"name": "primary", "type": "boolean"}]}
        ]}, {"id": "urn:example:scim:Owner", "name": "Owner", "attributes": [
            {"name": "person", "type": "string", "required": true}, {"name": "note", "type": "string"}]}],
        "resourceTypes": [{"name": "Badge", "endpoint": "/Badges", "schema": "urn:example:scim:Badge",
            "schemaExtensions": [{"schema": "urn:example:scim:Owner", "required": true}]}]
    });
    registry.add_json(&file.to_string()).unwrap();
    registry
}

fn badge(members: Json) -> Json {
    let mut badge = json!({"schemas": ["urn:example:scim:Badge"], "serial": "A-1",
        "urn:example:scim:Owner": {"person": "p"}});
    for (name, value) in members.as_object().unwrap() {
        badge[name] = value.clone();
    }
    badge
}

#[test]
fn numbers_may_be_text_where_the_profile_says_so() {
    let registry = badges();
    let schema = registry.get("Badge").unwrap();
    let on = Profile::strict().with(Tolerance::StringNumber);
    let kept = create(badge(json!({"rank": "7", "weight": "-1.5e1"})), schema, on).unwrap();
    assert_eq!((&kept["rank"], &kept["weight"]), (&json!(7), &json!(-15.0)));
    for profile in [Profile::strict(), Profile::default()] {
        for bad in [
            json!("seven"),
            json!(""),
            json!(" 7"),
            json!("7.5"),
            json!("9223372036854775808"),
            json!(7.0),
            json!(9_223_372_036_854_775_808_u64),
            json!(true),
            json!({"value": 7}),
        ] {
            let error = create(badge(json!({"rank": bad})), schema, profile).unwrap_err();
            assert!(error.to_string().starts_with("rank: "), "{bad}: {error}");
        }
        assert!(create(badge(json!({"rank": i64::MIN, "weight": 3})), schema, profile).is_ok());
    }
    assert!(create(badge(json!({"rank": "7"})), schema, Profile::strict()).is_err());
}

#[test]
fn required_attributes_sub_attributes_and_extensions() {
    let registry = badges();
    let schema = registry.get("Badge").unwrap();
    for (at, bad) in [
        ("serial", json!({"serial": null})),
        ("serial", json!({"serial": ""})),
        ("chip.maker", json!({"chip": {"note": "n"}})),
        ("chip.maker", json!({"chip": {"note": "n", "maker": ""}})),
        ("doors[1].value", json!({"doors": [{"value": "1"}, {"primary": false}]})),
        ("urn:example:scim:Owner", json!({"urn:example:scim:Owner": null})),
        ("urn:example:scim:Owner", json!({"urn:example:scim:Owner": {"person": null}})),
        ("urn:example:scim:Owner:person", json!({"urn:example:scim:Owner": {"note": "n"}})),
    ] {
        let error = create(badge(bad.clone()), schema, Profile::default()).unwrap_err();
        assert_eq!(error.code().1, Some("invalidValue"), "{bad}");
        assert!(error.to_string().starts_with(&format!("{at}: ")), "{bad}: {error}");
        let after = check::patched(resource(badge(bad.clone())), schema).unwrap_err();
        assert!(after.to_string().starts_with(&format!("{at}: ")), "{bad}: {after}");
    }
    assert!(
        create(badge(json!({"chip": {"note": null}, "doors": []})), schema, Profile::strict())
            .is_ok()
    );
}

#[test]
fn replacement_keeps_what_the_client_cannot_send() {
    let registry = badges();
    let schema = registry.get("Badge").unwrap();
    let stored = resource(badge(
        json!({"id": "1", "issued": "2026-01-01T00:00:00Z", "pin": "1234", "count": 3,
        "rank": 5, "chip": {"maker": "M", "key": "k", "note": "old"}, "tags": ["a"]}),
    ));
    let replace = |members: Json| {
        let mut leniency = Leniency::new(Profile::strict());
        check::replace(resource(badge(members)), &stored, schema, &mut leniency)
            .map(|checked| serde_json::to_value(&*checked).unwrap())
    };
    // Left out: immutable and secret stay, the rest is cleared; readOnly is the store's.
    let kept = replace(json!({"serial": "a-1", "count": 9})).unwrap();
    assert_eq!(
        kept,
        badge(json!({"schemas": ["urn:example:scim:Badge", "urn:example:scim:Owner"],
            "issued": "2026-01-01T00:00:00Z", "pin": "1234", "chip": {"maker": "M", "key": "k"}}))
    );
    // Equal by the attribute's own rule passes, and the stored spelling stays.
    let kept = replace(
        json!({"issued": "2026-01-01T01:00:00+01:00", "chip": {"maker": "m", "note": "new"}, "pin": "9"}),
    );
    let kept = kept.unwrap();
    assert_eq!(kept["issued"], "2026-01-01T00:00:00Z");
    assert_eq!(kept["chip"], json!({"maker": "M", "note": "new", "key": "k"}));
    assert_eq!(kept["pin"], "9");
    for (at, bad) in [
        ("serial", json!({"serial": "A-2"})),
        ("issued", json!({"issued": "2026-01-01T00:00:01Z"})),
        ("chip.maker", json!({"chip": {"maker": "N"}})),
    ] {
        let error = replace(bad).unwrap_err();
        assert_eq!(error.code().1, Some("mutability"), "{error}");
        assert!(error.to_string().starts_with(&format!("{at}: ")), "{error}");
    }
    // What never had a value may be given one.
    let empty = resource(badge(json!({"id": "1"})));
    let body = resource(badge(json!({"issued": "2026-01-01T00:00:00Z"})));
    assert!(check::replace(body, &empty, schema, &mut Leniency::new(Profile::strict())).is_ok());
}

#[test]
fn replacing_a_user_keeps_the_password_and_does_not_invent_active() {
    let registry = Registry::standard();
    let stored = resource(user(json!({"password": "hash", "nickName": "a", "active": false})));
    let mut leniency = Leniency::new(Profile::strict());
    let kept =
        check::replace(resource(user(json!({}))), &stored, registry.user(), &mut leniency).unwrap();
    assert_eq!(kept.get_str("password"), Some("hash"));
    assert_eq!((kept.get("nickName"), kept.get("active")), (None, None));
}

#[test]
fn a_patched_resource_is_checked_as_a_whole() {
    let registry = Registry::standard();
    let after =
        resource(user(json!({"id": "1", "meta": {"version": "x"}, "nickName": null, "emails": [],
        "name": {"givenName": null}, ENTERPRISE: {"manager": {"value": null}},
        urn::ON_PREMISES: {"samAccountName": "a"}})));
    let checked = check::patched(after, registry.user()).unwrap();
    assert_eq!(
        *checked,
        resource(json!({"schemas": [urn::USER, urn::ON_PREMISES], "userName": "ada", "id": "1",
            "meta": {"version": "x"}, urn::ON_PREMISES: {"samAccountName": "a"}}))
    );
    let two = json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    assert!(check::patched(resource(user(two)), registry.user()).is_err());
    assert!(check::patched(resource(user(json!({"userName": null}))), registry.user()).is_err());
}

#[test]
fn unique_values_are_named() {
    let registry = badges();
    let schema = registry.get("Badge").unwrap();
    let badge = resource(badge(json!({"id": "1", "serial": "ÉA", "tags": ["T", "T", "t"],
        "doors": [{"value": "D1"}, {"value": "d2"}]})));
    let values: Vec<_> = check::unique_values(&badge, schema)
        .into_iter()
        .map(|v| format!("{}={}", v.path, v.key))
        .collect();
    assert_eq!(values, ["serial=éa", "tags=T", "tags=t", "doors.value=d1", "doors.value=d2"]);
}

#[test]
fn errors_never_hold_values() {
    let secret = "s3cr3t-value";
    let registry = Registry::standard();
    for body in [
        json!({"userName": secret, "active": secret}),
        json!({"profileUrl": format!("{secret} {secret}")}),
        json!({"userName": format!("{secret} x"), "x": secret}),
        json!({"schemas": [urn::USER, secret]}),
        json!({"addresses": [{"country": secret}]}),
        json!({"password": [secret]}),
        json!({ENTERPRISE: secret}),
    ] {
        let mut leniency = Leniency::new(Profile::strict());
        let error =
            check::create(resource(user(body)), registry.user(), &mut leniency).unwrap_err();
        assert!(!error.to_string().contains(secret), "{error}");
    }
}

#[test]
fn an_extension_may_repeat_its_own_uri_and_no_other() {
    let registry = Registry::standard();
    for (uri, fine) in [(urn::ENTERPRISE_USER, true), (urn::USER, false)] {
        let body = json!({
            "schemas": [urn::USER],
            "userName": "ada",
            (urn::ENTERPRISE_USER): { "schemas": [uri], "department": "Engines" }
        });
        let resource: Resource = serde_json::from_value(body).unwrap();
        let checked = check::create(resource, registry.user(), &mut Profile::strict().into());
        assert_eq!(checked.is_ok(), fine, "{uri}");
        if let Ok(user) = checked {
            assert!(!user.extension(urn::ENTERPRISE_USER).unwrap().contains("schemas"));
        }
        let operation = json!({ "op": "add", "path": urn::ENTERPRISE_USER, "value": { "schemas": [uri], "division": "X" } });
        let message = json!({ "schemas": [urn::PATCH_OP], "Operations": [operation] });
        let message: Object = serde_json::from_value(message).unwrap();
        let mut strict = Leniency::new(Profile::strict());
        let patch = Patch::from_object(message, &Limits::default(), &mut strict).unwrap();
        assert_eq!(patch.resolve(registry.user(), &mut strict).is_ok(), fine, "{uri}");
    }
}

/// `manager.value` set to an empty text means what the object with it means.
#[test]
fn an_empty_manager_id_is_no_manager_by_its_own_path_either() {
    let registry = Registry::standard();
    let path = format!("{}:manager.value", urn::ENTERPRISE_USER);
    let operation = json!({ "op": "replace", "path": path, "value": "" });
    let message = json!({ "schemas": [urn::PATCH_OP], "Operations": [operation] });
    let before = json!({
        "schemas": [urn::USER, urn::ENTERPRISE_USER],
        "userName": "ada",
        (urn::ENTERPRISE_USER): { "manager": { "value": "7" } }
    });
    for (profile, fine) in [(Profile::default(), true), (Profile::strict(), false)] {
        let mut leniency = Leniency::new(profile);
        let message: Object = serde_json::from_value(message.clone()).unwrap();
        let patch = Patch::from_object(message, &Limits::default(), &mut leniency).unwrap();
        let mut user: Resource = serde_json::from_value(before.clone()).unwrap();
        match patch.resolve(registry.user(), &mut leniency) {
            Ok(resolved) => {
                resolved.apply(&mut user, registry.user(), &mut leniency).unwrap();
                assert!(fine && user.extension(urn::ENTERPRISE_USER).is_none(), "{user:?}");
                assert_eq!(leniency.traces()[0].tolerance, Tolerance::ManagerShorthand);
            }
            Err(error) => assert!(!fine && matches!(error, Error::InvalidValue { .. }), "{error}"),
        }
    }
}

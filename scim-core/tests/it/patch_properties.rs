//! Properties of PATCH that hold for any message and any resource.

use std::collections::BTreeSet;

use proptest::prelude::*;
use scim_core::patch::{Patch, PatchPath, diff};
use scim_core::{Leniency, Limits, Profile, Registry, Resource, check, json};
use serde_json::{Value as Json, json};

use crate::patch::{comparable, message, resource, run};

const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn pick(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(str::to_owned)
}

fn word() -> impl Strategy<Value = String> {
    pick(&["a", "b", "c", "A", "é", ""])
}

/// An e-mail address; few values, so that elements meet.
fn element() -> impl Strategy<Value = Json> {
    (
        pick(&["a@x", "b@x", "c@x", "A@X"]),
        proptest::option::of(pick(&["work", "home", "WORK"])),
        proptest::option::of(any::<bool>()),
        proptest::option::weighted(0.2, word()),
    )
        .prop_map(|(value, kind, primary, display)| {
            let mut element = json!({"value": value});
            let members = [
                ("type", kind.map(Json::from)),
                ("primary", primary.map(Json::from)),
                ("display", display.map(Json::from)),
            ];
            for (name, value) in members.into_iter().filter_map(|(n, v)| Some((n, v?))) {
                element[name] = value;
            }
            element
        })
}

fn member() -> impl Strategy<Value = Json> {
    (pick(&["u-1", "u-2", "u-3", "u-4"]), proptest::option::of(Just("User")))
        .prop_map(|(value, kind)| json!({"value": value, "type": kind}))
}

/// A valid user, as a server has it stored.
fn user() -> impl Strategy<Value = Resource> {
    (
        pick(&["ada", "grace"]),
        proptest::option::of(word()),
        proptest::option::of((proptest::option::of(word()), proptest::option::of(word()))),
        proptest::collection::vec(element(), 0..4),
        proptest::option::of((
            proptest::option::of(word()),
            proptest::option::of(pick(&["m-1", "m-2"])),
        )),
        any::<bool>(),
    )
        .prop_map(|(user_name, title, name, emails, enterprise, active)| {
            let body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": user_name,
                "title": title,
                "active": active,
                "name": name.map(|(given, family)| json!({"givenName": given, "familyName": family})),
                "emails": one_primary(emails),
                ENTERPRISE: enterprise.map(|(department, manager)| {
                    json!({"department": department, "manager": manager.map(|m| json!({"value": m}))})
                }),
            });
            let registry = Registry::standard();
            let mut leniency = Leniency::new(Profile::default());
            let checked = check::create(resource(&body), registry.user(), &mut leniency);
            let mut user = checked.expect("the body is valid").into_inner();
            user.set("id", "u-1");
            user.set("groups", [scim_core::Value::from("g-1")]);
            user
        })
}

/// Distinct addresses, of which at most the first primary one stays so.
fn one_primary(mut emails: Vec<Json>) -> Vec<Json> {
    let mut seen = Vec::new();
    emails.retain(|email| {
        let key = (
            email["value"].as_str().unwrap_or_default().to_lowercase(),
            email["type"].as_str().unwrap_or_default().to_lowercase(),
        );
        let new = !seen.contains(&key);
        seen.push(key);
        new
    });
    let mut found = false;
    for email in &mut emails {
        if email["primary"] == json!(true) {
            if found {
                email["primary"] = json!(false);
            }
            found = true;
        }
        email.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    emails
}

fn group() -> impl Strategy<Value = Resource> {
    (pick(&["Engines", "Tours"]), proptest::collection::vec(member(), 0..4)).prop_map(
        |(name, members)| {
            let registry = Registry::standard();
            let body = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": name,
                "members": members,
            });
            let mut leniency = Leniency::new(Profile::default());
            let checked = check::create(resource(&body), registry.group(), &mut leniency);
            checked.expect("the body is valid").into_inner()
        },
    )
}

fn filter() -> impl Strategy<Value = String> {
    pick(&[
        r#"type eq "work""#,
        r#"type eq "home""#,
        r#"type eq "other""#,
        r#"value eq "a@x""#,
        r#"value eq "u-1""#,
        r#"value eq "u-1" or value eq "u-3""#,
        "value pr",
        "not (type pr)",
        "primary eq true",
        r#"primary eq "True""#,
        r#"type eq "work" and value co "b""#,
        r#"type eq "new" and primary eq true"#,
        r#"nothing eq "x""#,
    ])
}

fn path() -> impl Strategy<Value = Option<String>> {
    let plain = pick(&[
        "userName",
        "title",
        "active",
        "name",
        "name.givenName",
        "NAME.familyname",
        "emails",
        "emails.value",
        "emails.primary",
        "members",
        "members.display",
        "displayName",
        "externalId",
        "schemas",
        "id",
        "meta",
        "meta.version",
        "groups",
        "password",
        "manager",
        "department",
        "unknown",
        ENTERPRISE,
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "urn:ietf:params:scim:schemas:core:2.0:User:title",
        "schemas[value eq \"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User\"]",
    ]);
    let selected = (
        pick(&["emails", "members", "name", "title", "roles"]),
        filter(),
        proptest::option::of(pick(&["value", "type", "primary", "display", "givenName", "x"])),
    )
        .prop_map(|(name, filter, sub)| match sub {
            Some(sub) => format!("{name}[{filter}].{sub}"),
            None => format!("{name}[{filter}]"),
        });
    prop_oneof![1 => Just(None), 5 => plain.prop_map(Some), 4 => selected.prop_map(Some)]
}

fn simple() -> impl Strategy<Value = Json> {
    prop_oneof![
        word().prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        Just(json!("True")),
        Just(json!(7)),
        Just(json!(null)),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    let object = prop_oneof![
        element(),
        member(),
        (word(), word()).prop_map(|(a, b)| json!({"givenName": a, "familyName": b})),
        Just(json!({"familyName": null})),
        word().prop_map(|w| json!({"title": w, "name.givenName": w})),
        word().prop_map(|w| json!({ENTERPRISE: {"department": w}})),
        Just(json!({"id": "u-1", "active": false})),
        Just(json!({"meta": {"version": "x"}})),
        member().prop_map(|m| json!({"members": [m]})),
        Just(json!({})),
    ];
    prop_oneof![
        2 => simple(),
        3 => object,
        2 => proptest::collection::vec(element(), 0..3).prop_map(Json::from),
        2 => proptest::collection::vec(member(), 0..3).prop_map(Json::from),
        1 => proptest::collection::vec(simple(), 0..3).prop_map(Json::from),
    ]
}

fn operation() -> impl Strategy<Value = Json> {
    (pick(&["add", "replace", "remove"]), path(), proptest::option::weighted(0.8, value()))
        .prop_map(|(op, path, value)| {
            let mut operation = json!({"op": op});
            if let Some(path) = path {
                operation["path"] = json!(path);
            }
            // Most removals have no value.
            if let Some(value) = value.filter(|v| op != "remove" || v.is_array()) {
                operation["value"] = value;
            }
            operation
        })
}

fn profile() -> impl Strategy<Value = Profile> {
    proptest::sample::select(vec![Profile::strict(), Profile::default()])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    /// Nothing panics, an error leaves no trace, what only the server writes stays, the split form and the full check
    /// agree (all in `run`), and a message does what its operations do one by one.
    #[test]
    fn any_message_on_any_user(
        user in user(),
        operations in proptest::collection::vec(operation(), 1..5),
        profile in profile(),
    ) {
        let registry = Registry::standard();
        any_message(&operations, &user, registry.user(), profile)?;
    }

    #[test]
    fn any_message_on_any_group(
        group in group(),
        operations in proptest::collection::vec(operation(), 1..5),
        profile in profile(),
    ) {
        let registry = Registry::standard();
        any_message(&operations, &group, registry.group(), profile)?;
    }

    /// A difference leads where it should, in forms that the strictest reader takes; no difference, no operation.
    #[test]
    fn differences_lead_from_one_state_to_the_other(before in user(), after in user()) {
        let registry = Registry::standard();
        leads(&before, &after, registry.user())?;
    }

    #[test]
    fn differences_of_groups(before in group(), after in group()) {
        let registry = Registry::standard();
        leads(&before, &after, registry.group())?;
    }

    /// Whatever a message does to a user, the difference does too.
    #[test]
    fn differences_repeat_messages(
        before in user(),
        operations in proptest::collection::vec(operation(), 1..4),
    ) {
        let registry = Registry::standard();
        let mut leniency = Leniency::new(Profile::default());
        let message = message(&json!(operations));
        if let Ok((after, _)) = run(&message, &before, registry.user(), &mut leniency) {
            leads(&before, &after, registry.user())?;
        }
    }
}

proptest! {
    /// What reads as a path prints as one that reads the same; what does not is refused with words.
    #[test]
    fn any_text_as_path(text in "\\PC{0,24}|[a-z.:\\[\\]\" ]{0,32}") {
        let mut leniency = Leniency::new(Profile::default());
        match PatchPath::parse(&text, &Limits::default(), &mut leniency) {
            Ok(path) => prop_assert_eq!(path.to_string().parse::<PatchPath>().unwrap(), path),
            Err(error) => prop_assert!(!error.detail.is_empty()),
        }
    }

    /// Any JSON at all as message, as operation and as value.
    #[test]
    fn any_json(json in any_json_value(), profile in profile()) {
        let registry = Registry::standard();
        let before = registry_user();
        let bodies = [
            json.clone(),
            message(&json),
            message(&json!([json])),
            message(&json!([{"op": "add", "value": json}])),
            message(&json!([{"op": "replace", "path": "emails", "value": json}])),
            message(&json!([{"op": "replace", "path": "name", "value": json}])),
            message(&json!([{"op": "remove", "path": "emails", "value": json}])),
            message(&json!([{"op": "add", "path": ENTERPRISE, "value": json}])),
        ];
        for body in bodies {
            let _ = run(&body, &before, registry.user(), &mut Leniency::new(profile));
        }
    }
}

fn any_json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        "\\PC{0,8}".prop_map(Json::from),
    ];
    let name = prop_oneof![
        pick(&[
            "op", "path", "value", "type", "primary", "emails", "name", "schemas", "id", "meta",
            "manager"
        ]),
        "[a-zA-Z.:$]{0,6}",
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            proptest::collection::btree_map(name.clone(), inner, 0..4).prop_map(|members| {
                // Names that differ in letter case only are refused before PATCH sees them.
                let mut seen = BTreeSet::new();
                let fresh =
                    members.into_iter().filter(|(n, _)| seen.insert(n.to_ascii_lowercase()));
                Json::Object(fresh.collect())
            }),
        ]
    })
}

fn registry_user() -> Resource {
    resource(&json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": "u-1", "userName": "ada", "name": {"givenName": "Ada"},
        "emails": [{"value": "a@x", "type": "work", "primary": true}, {"value": "b@x"}],
    }))
}

/// Long lists take time by their length, not by its square.
#[test]
fn long_lists() {
    let registry = Registry::standard();
    let list = |kind: &str| -> Vec<Json> {
        (0..20_000).map(|i| json!({"type": kind, "locality": format!("{kind} {i}")})).collect()
    };
    let mut user = registry_user();
    for (op, kind, expected) in
        [("add", "a", 20_000), ("replace", "b", 40_000), ("add", "a", 20_000), ("add", "b", 0)]
    {
        let operation = json!([{"op": op, "path": "addresses", "value": list(kind)}]);
        let mut leniency = Leniency::new(Profile::strict());
        let limits = Limits::default();
        let message =
            json::parse_object(message(&operation).to_string().as_bytes(), &limits).unwrap();
        let patch = Patch::from_object(message, &limits, &mut leniency).unwrap();
        let changes = patch.apply(&mut user, registry.user(), Profile::strict()).unwrap();
        assert_eq!(changes.len(), expected, "{op} {kind}");
    }
    let none = Resource::new();
    assert_eq!(diff(&user, &none, registry.user()).operations().len(), user.object().len() - 2);
}

fn any_message(
    operations: &[Json],
    before: &Resource,
    schema: &scim_core::ResourceSchema,
    profile: Profile,
) -> Result<(), TestCaseError> {
    let mut leniency = Leniency::new(profile);
    let outcome = run(&message(&json!(operations)), before, schema, &mut leniency);
    let mut state = before.clone();
    let mut failed = false;
    for operation in operations {
        match run(&message(&json!([operation])), &state, schema, &mut leniency) {
            Ok((after, _)) => state = after,
            Err(_) => {
                failed = true;
                break;
            }
        }
    }
    prop_assert_eq!(outcome.is_err(), failed);
    let Ok((after, changes)) = outcome else { return Ok(()) };
    prop_assert_eq!(comparable(&after), comparable(&state));
    for name in ["id", "groups", "meta"] {
        prop_assert_eq!(before.get(name), after.get(name));
        prop_assert!(!changes.touches(name));
    }
    Ok(())
}

fn leads(
    before: &Resource,
    after: &Resource,
    schema: &scim_core::ResourceSchema,
) -> Result<(), TestCaseError> {
    let patch = diff(before, after, schema);
    prop_assert!(diff(after, after, schema).is_empty());
    prop_assert!(diff(before, before, schema).is_empty());
    let mut state = before.clone();
    if patch.is_empty() {
        return Ok(());
    }
    prop_assert!(patch.operations().iter().all(|o| o.path.is_some()));
    let wire = serde_json::to_value(&patch).unwrap();
    let mut leniency = Leniency::new(Profile::default());
    let read = run(&wire, before, schema, &mut leniency).map(|(after, _)| after);
    let changes = apply(&patch, &mut state, schema)?;
    prop_assert!(!changes, "{:?}", patch);
    prop_assert_eq!(known(&state), known(after), "{}", wire);
    prop_assert_eq!(read.map(|r| comparable(&r)).ok(), Some(comparable(&state)));
    Ok(())
}

/// Applies a patch; whether it did nothing.
fn apply(
    patch: &Patch,
    state: &mut Resource,
    schema: &scim_core::ResourceSchema,
) -> Result<bool, TestCaseError> {
    // The values are those of stored resources, which may have needed a tolerance to come in.
    patch
        .apply(state, schema, Profile::default())
        .map(|changes| changes.is_empty())
        .map_err(|e| TestCaseError::fail(format!("{patch:?}: {e}")))
}

/// What `diff` compares: members by their ids.
fn known(resource: &Resource) -> Json {
    let mut json = comparable(resource);
    if let Some(members) = json.get_mut("members").and_then(Json::as_array_mut) {
        for member in members.iter_mut() {
            *member = member["value"].clone();
        }
        members.sort_by_key(ToString::to_string);
    }
    json
}

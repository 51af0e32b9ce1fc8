//! What becomes of bodies and PATCH messages, by profile.

use scim_core::{Limits, Object, Patch, json};
use serde_json::{Value, json};

use super::named;
use crate::target::TargetProfile;
use crate::target::fields::Action;

fn object(value: &Value) -> Object {
    json::parse_object(value.to_string().as_bytes(), &Limits::default()).unwrap()
}

fn patch(operations: &Value) -> Patch {
    let message = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations,
    });
    let mut leniency = scim_core::Leniency::new(scim_core::Profile::default());
    Patch::from_object(object(&message), &Limits::default(), &mut leniency).unwrap()
}

/// The operations of each message.
fn shaped(
    profile: &TargetProfile,
    endpoint: &str,
    operations: &Value,
) -> Result<Vec<Value>, String> {
    let shaped = profile.shape(endpoint, &patch(operations)).map_err(|e| e.to_string())?;
    Ok(shaped
        .messages
        .iter()
        .map(|message| serde_json::to_value(message).unwrap()["Operations"].clone())
        .collect())
}

fn toml(text: &str) -> TargetProfile {
    TargetProfile::from_toml(&format!("name = \"test\"\n{text}")).unwrap()
}

fn members(range: std::ops::Range<usize>) -> Value {
    range.map(|n| json!({"value": n.to_string()})).collect()
}

#[test]
fn the_generic_profile_leaves_messages_as_they_are() {
    for operations in [
        json!([{"op":"replace","value":{"title":"x","name":{"givenName":"y"}}}]),
        json!([{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}]),
        json!([{"op":"add","path":"members","value":[{"value":"a"}]},{"op":"add","path":"members","value":[{"value":"b"}]}]),
        json!([{"op":"remove","path":"members","value":[{"value":"a"}]}, {"op":"replace","path":"displayName","value":"x"}]),
        json!([{"op":"replace","path":"members","value":[]}]),
        json!([{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"x"}}}]),
    ] {
        assert_eq!(shaped(&named("generic"), "Groups", &operations), Ok(vec![operations]));
    }
}

#[test]
fn operations_without_path_get_paths() {
    let operations = json!([{"op":"replace","value":{
        "title":"x",
        "name":{"givenName":"y"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"z"},
        "name.familyName":"w",
    }}]);
    let sent = shaped(&named("aws"), "Users", &operations).unwrap();
    assert_eq!(
        sent,
        [json!([
            {"op":"replace","path":"name","value":{"givenName":"y"}},
            {"op":"replace","path":"name.familyName","value":"w"},
            {"op":"replace","path":"title","value":"x"},
            {"op":"replace","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"z"},
        ])]
    );
}

#[test]
fn paths_go_where_a_server_does_not_take_them() {
    let profile = toml("[patch]\npath = \"omitted\"\nattributes-without-path = 1");
    let operations = json!([
        {"op":"replace","path":"title","value":"x"},
        {"op":"replace","path":"name.givenName","value":"y"},
    ]);
    let sent = shaped(&profile, "Users", &operations).unwrap();
    assert_eq!(
        sent,
        [json!([
            {"op":"replace","value":{"title":"x"}},
            {"op":"replace","value":{"name":{"givenName":"y"}}},
        ])]
    );
    let joined = toml("[patch]\npath = \"omitted\"");
    let sent = shaped(&joined, "Users", &operations).unwrap();
    assert_eq!(sent, [json!([{"op":"replace","value":{"title":"x","name":{"givenName":"y"}}}])]);
    let removal = json!([{"op":"remove","path":"title"}]);
    assert!(shaped(&profile, "Users", &removal).unwrap_err().contains("without path only"));
}

#[test]
fn attributes_without_path_are_counted() {
    let profile = toml("[patch]\nattributes-without-path = 1");
    let operations = json!([{"op":"add","value":{"title":"x","nickName":"y"}}]);
    let sent = shaped(&profile, "Users", &operations).unwrap();
    assert_eq!(
        sent,
        [json!([{"op":"add","value":{"nickName":"y"}},{"op":"add","value":{"title":"x"}}])]
    );
}

#[test]
fn gitlab_spells_operations_with_a_capital_and_knows_two_attributes() {
    let gitlab = named("gitlab");
    let operations = json!([{"op":"replace","path":"active","value":false}]);
    assert_eq!(
        shaped(&gitlab, "Users", &operations),
        Ok(vec![json!([{"op":"Replace","path":"active","value":false}])])
    );
    let title = json!([{"op":"replace","path":"title","value":"x"}]);
    assert!(shaped(&gitlab, "Users", &title).unwrap_err().contains("PATCH of title, only of"));
    let removal = json!([{"op":"remove","path":"active"}]);
    assert!(shaped(&gitlab, "Users", &removal).unwrap_err().contains("operation remove"));
    let renamed = gitlab
        .shape("Users", &patch(&json!([{"op":"replace","path":"externalId","value":"u2"}])))
        .unwrap();
    assert_eq!(gitlab.id_after("Users", &renamed.messages[0]).as_deref(), Some("u2"));
    assert_eq!(named("generic").id_after("Users", &renamed.messages[0]), None);
}

#[test]
fn operations_are_split_by_number_and_by_bytes() {
    let operations: Value =
        (0..250).map(|i| json!({"op":"replace","path":format!("a{i}"),"value":"x"})).collect();
    let counts: Vec<usize> = shaped(&named("terraform"), "Users", &operations)
        .unwrap()
        .iter()
        .map(|message| message.as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [100, 100, 50]);

    let miro = toml("extends = \"miro\"\n[patch]\nmax-bytes = 1000");
    let add = json!([{"op":"add","path":"members","value":members(0..100)}]);
    let sent = shaped(&miro, "Groups", &add).unwrap();
    assert!(sent.len() > 1);
    let all: usize = sent.iter().map(|m| m[0]["value"].as_array().unwrap().len()).sum();
    assert_eq!(all, 100);
    assert!(sent.iter().all(|message| message.to_string().len() < 1_000));
    let long = json!([{"op":"replace","path":"title","value":"x".repeat(2_000)}]);
    assert!(shaped(&miro, "Users", &long).unwrap_err().contains("at most 1000"));
}

#[test]
fn members_come_in_the_portions_of_the_target() {
    let add = json!([{"op":"add","path":"members","value":members(0..45)}]);
    let sizes = |profile: &str| -> Vec<usize> {
        let sent = shaped(&named(profile), "Groups", &add).unwrap();
        sent.iter().map(|m| m[0]["value"].as_array().unwrap().len()).collect()
    };
    assert_eq!(sizes("entra"), [20, 20, 5]);
    assert_eq!(sizes("aws"), [45]);
    // Removals one by one, and nothing else beside membership.
    let both = json!([
        {"op":"replace","path":"displayName","value":"x"},
        {"op":"remove","path":"members","value":members(0..2)},
        {"op":"add","path":"members","value":[{"value":"a"}]},
        {"op":"add","path":"members","value":[{"value":"b"}]},
    ]);
    assert_eq!(
        shaped(&named("entra"), "Groups", &both).unwrap(),
        [
            json!([{"op":"replace","path":"displayName","value":"x"}]),
            json!([{"op":"remove","path":"members[value eq \"0\"]"}]),
            json!([{"op":"remove","path":"members[value eq \"1\"]"}]),
            json!([{"op":"add","path":"members","value":[{"value":"a"},{"value":"b"}]}]),
        ]
    );
    // The form that Salesforce wants.
    let removal = json!([{"op":"remove","path":"members[value eq \"a\" or value eq \"b\"]"}]);
    assert_eq!(
        shaped(&named("salesforce"), "Groups", &removal).unwrap(),
        [json!([{"op":"remove","path":"members","value":[{"value":"a"},{"value":"b"}]}])]
    );
    for all in [
        json!([{"op":"replace","path":"members","value":members(0..2)}]),
        json!([{"op":"remove","path":"members"}]),
        json!([{"op":"replace","value":{"members":[]}}]),
    ] {
        assert!(shaped(&named("aws"), "Groups", &all).is_err(), "{all}");
        assert!(shaped(&named("generic"), "Groups", &all).is_ok(), "{all}");
    }
}

#[test]
fn attributes_that_a_target_refuses_in_a_patch() {
    for (profile, endpoint, operation, why) in [
        (
            "entra",
            "Users",
            json!({"op":"replace","path":"password","value":"secret"}),
            "after the resource",
        ),
        (
            "entra",
            "Users",
            json!({"op":"remove","path":"urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User:mailNickname"}),
            "the removal of",
        ),
        (
            "entra",
            "Users",
            json!({"op":"replace","path":"addresses[type eq \"home\"].locality","value":"x"}),
            "only [type eq \"work\"]",
        ),
        (
            "sentry",
            "Users",
            json!({"op":"replace","path":"active","value":true}),
            "with this value",
        ),
        ("sentry", "Users", json!({"op":"replace","value":{"active":true}}), "with this value"),
        ("sentry", "Users", json!({"op":"replace","path":"title","value":"x"}), "only of active"),
        (
            "formstack",
            "Users",
            json!({"op":"replace","path":"title","value":"x"}),
            "operation replace",
        ),
        (
            "terraform",
            "Groups",
            json!({"op":"replace","path":"title","value":"x"}),
            "only of members",
        ),
        (
            "aws",
            "Users",
            json!({"op":"replace","path":"emails","value":[{"value":"a","primary":true},{"value":"b"}]}),
            "2 values of emails",
        ),
        (
            "quickbase",
            "Users",
            json!({"op":"replace","path":"userName","value":"a b"}),
            "white space",
        ),
    ] {
        let operations = json!([operation]);
        let error = shaped(&named(profile), endpoint, &operations).unwrap_err();
        assert!(error.contains(why), "{profile}: {error}");
        assert!(!error.contains("secret"), "{error}");
        assert!(shaped(&named("generic"), endpoint, &operations).is_ok());
    }
    let good = json!([{"op":"replace","path":"addresses[type eq \"work\"].locality","value":"x"}]);
    assert!(shaped(&named("entra"), "Users", &good).is_ok());
    let off = json!([{"op":"replace","path":"active","value":false}]);
    assert!(shaped(&named("sentry"), "Users", &off).is_ok());
    assert!(shaped(&toml("[features]\npatch = false"), "Users", &off).is_err());
}

#[test]
fn what_a_target_does_not_have_is_left_out_and_named() {
    let user = object(&json!({
        "userName":"ada", "displayName":"Ada", "name":{"givenName":"Ada","familyName":"L"},
        "password":"secret", "emails":[{"value":"a@x","primary":true,"display":"Ada"}], "photos":[{"value":"p"}],
    }));
    let shaped = named("aws").shape_body("Users", Action::Create, user).unwrap();
    assert_eq!(shaped.dropped, ["password", "photos", "emails.display"]);
    assert!(!shaped.body.contains("password"));
    assert_eq!(
        serde_json::to_value(shaped.body.get("emails").unwrap()).unwrap(),
        json!([{"value":"a@x","primary":true}])
    );
    let patch = patch(&json!([
        {"op":"replace","path":"password","value":"x"},
        {"op":"replace","path":"title","value":"y"},
    ]));
    let shaped = named("aws").shape("Users", &patch).unwrap();
    assert_eq!(shaped.dropped, ["password"]);
    assert_eq!(shaped.messages.len(), 1);
}

#[test]
fn bodies_that_a_target_refuses() {
    let entra = json!({
        "userName":"a", "password":"secret", "active":true, "displayName":"A",
        "name":{"givenName":"A","familyName":"B"},
    });
    let with = |name: &str, value: Value| {
        let mut user = entra.clone();
        user[name] = value;
        user
    };
    let aws = json!({"userName":"a","displayName":"A","name":{"givenName":"A","familyName":"B"}});
    let mut unmarked = aws.clone();
    unmarked["emails"] = json!([{"value":"a@x"}]);
    for (profile, endpoint, body, why) in [
        ("entra", "Users", with("password", Value::Null), "without password"),
        ("entra", "Users", with("name", json!({"givenName":"A"})), "without name.familyName"),
        (
            "entra",
            "Users",
            with("emails", json!([{"value":"a"},{"value":"b"}])),
            "2 values of emails",
        ),
        (
            "entra",
            "Users",
            with("phoneNumbers", json!([{"value":"1","type":"work"},{"value":"2","type":"Work"}])),
            "2 values of phoneNumbers with the type",
        ),
        ("entra", "Users", with("addresses", json!([{"type":"home"}])), "another type than work"),
        ("entra", "Groups", json!({"members":[]}), "without displayName"),
        (
            "entra",
            "Groups",
            json!({"displayName":"g","members":members(0..21)}),
            "21 members, at most 20",
        ),
        ("aws", "Groups", json!({"displayName":"g","members":members(0..101)}), "at most 100"),
        ("aws", "Users", unmarked, "emails without a primary one"),
        ("salesforce", "Users", json!({"userName":"a"}), "without entitlements"),
        ("quickbase", "Users", json!({"userName":"x".repeat(256)}), "more than 255"),
    ] {
        let error = named(profile).shape_body(endpoint, Action::Create, object(&body)).unwrap_err();
        assert!(error.to_string().contains(why), "{profile}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(named("generic").shape_body(endpoint, Action::Create, object(&body)).is_ok());
    }
    let phones =
        with("phoneNumbers", json!([{"value":"1","type":"work"},{"value":"2","type":"mobile"}]));
    assert!(named("entra").shape_body("Users", Action::Create, object(&phones)).is_ok());
    let refusing = toml(
        "[types.Users]\nrefuse = [\"title\"]\ncreate-only = [\"userType\"]\n[types.Groups.members]\nmax-replace = 1",
    );
    for (action, endpoint, body, why) in [
        (Action::Create, "Users", json!({"title":"x"}), "the attribute title"),
        (
            Action::Replace,
            "Users",
            json!({"userType":"x"}),
            "userType after the resource was created",
        ),
        (Action::Replace, "Groups", json!({"members":members(0..2)}), "a replace with 2 members"),
    ] {
        let error = refusing.shape_body(endpoint, action, object(&body)).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(refusing.shape_body("Users", Action::Create, object(&json!({"userType":"x"}))).is_ok());
}

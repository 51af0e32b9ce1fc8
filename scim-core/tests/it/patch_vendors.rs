//! PATCH requests as identity providers send them: what they do in the default profile, and what strict answers.

use std::collections::BTreeSet;

use scim_core::{Leniency, Profile, Registry, Resource, Tolerance};
use serde_json::{Value as Json, json};

use crate::patch::{comparable, resource, run};

use Before::{Bare, Full, Group, Mixed, Others};

/// The resource that a request meets.
#[derive(Clone, Copy)]
enum Before {
    /// A user with names, a work and a home address, an enterprise extension with a manager.
    Full,
    /// A user with a user name only, not active.
    Bare,
    /// A group of three.
    Group,
    /// A group of two others.
    Others,
    /// A group of the first and another.
    Mixed,
}

impl Before {
    fn resource(self) -> Resource {
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let member = |id: &str| json!({"value": id, "type": "User"});
        resource(&match self {
            Full => json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise],
                "id": "u-1", "externalId": "ext-0", "userName": "dana@fabrikam.example", "active": true,
                "displayName": "Dana", "preferredLanguage": "en",
                "name": {"givenName": "Dana", "familyName": "Kline"},
                "emails": [
                    {"value": "dana@fabrikam.example", "type": "work", "primary": true},
                    {"value": "dana@home.example", "type": "home"},
                ],
                enterprise: {"employeeNumber": "1", "department": "Ops", "manager": {"value": "m-0"}},
                "meta": {"resourceType": "User", "version": "W/\"1\""},
            }),
            Bare => json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "id": "u-1", "userName": "probe@fabrikam.example", "active": false,
            }),
            Group => json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "id": "g-1", "displayName": "Field Engineers",
                "members": [member("u-1"), member("u-2"), member("u-3")],
                "meta": {"resourceType": "Group", "version": "W/\"1\""},
            }),
            Others => json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "id": "g-1", "displayName": "Field Engineers", "members": [member("u-8"), member("u-9")],
            }),
            Mixed => json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "id": "g-1", "displayName": "Field Engineers", "members": [member("u-1"), member("u-9")],
            }),
        })
    }

    fn is_group(self) -> bool {
        matches!(self, Group | Others | Mixed)
    }
}

use Tolerance as T;

/// What strict answers: the same, or an error because a tolerance is off.
type Strict = Option<(&'static str, &'static [Tolerance])>;

/// File, what it meets, what changes, and what strict answers with the tolerances that the default profile used.
const ROWS: &[(&str, Before, &[&str], Strict)] = &[
    (
        "entra/entra-disable-user-patch",
        Full,
        &["active: true -> false"],
        Some(("invalidValue", &[T::StringBoolean])),
    ),
    (
        "entra/entra-enable-user-patch",
        Bare,
        &["active: false -> true"],
        Some(("invalidValue", &[T::StringBoolean])),
    ),
    ("entra/entra-disable-user-patch-boolean", Full, &["active: true -> false"], None),
    ("entra/entra-disable-user-flag", Full, &["active: true -> false"], None),
    ("entra/entra-add-nickname", Full, &[r#"nickName: "Dee" added"#], None),
    ("entra/entra-add-nickname-flag", Full, &[r#"nickName: "Dee" added"#], None),
    (
        "entra/entra-replace-many",
        Full,
        &[
            r#"displayName: "Dana" -> "Dana K.""#,
            r#"emails: {"primary":true,"type":"work","value":"dana@fabrikam.example"} -> {"primary":true,"type":"work","value":"dana.k@fabrikam.example"}"#,
            r#"name.familyName: "Kline" -> "Klein""#,
            r#"name.givenName: "Dana" -> "Dane""#,
            r#"externalId: "ext-0" -> "dk-9""#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: "1" -> "40017""#,
        ],
        None,
    ),
    (
        "entra/entra-replace-many-flag",
        Full,
        &[
            r#"emails: {"primary":true,"type":"work","value":"dana@fabrikam.example"} -> {"primary":true,"type":"work","value":"dana.k@fabrikam.example"}"#,
            r#"displayName: "Dana" -> "Dana K.""#,
            r#"name.familyName: "Kline" -> "Klein""#,
            r#"name.givenName: "Dana" -> "Dane""#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber: "1" -> "40017""#,
        ],
        Some(("invalidPath", &[T::PathKeys])),
    ),
    (
        "entra/entra-update-email-and-surname",
        Full,
        &[
            r#"emails: {"primary":true,"type":"work","value":"dana@fabrikam.example"} -> {"primary":true,"type":"work","value":"new.mail@fabrikam.example"}"#,
            r#"name.familyName: "Kline" -> "Klein""#,
        ],
        None,
    ),
    (
        "entra/entra-update-username",
        Full,
        &[r#"userName: "dana@fabrikam.example" -> "dana.klein@fabrikam.example""#],
        None,
    ),
    (
        "entra/entra-add-email-when-absent",
        Bare,
        &[r#"emails: {"type":"work","value":"dana@fabrikam.example"} added"#],
        Some(("noTarget", &[T::CreateOnFilterMiss])),
    ),
    (
        "entra/entra-replace-phone-when-absent",
        Full,
        &[r#"phoneNumbers: {"type":"mobile","value":"+49 30 5550100"} added"#],
        Some(("noTarget", &[T::CreateOnFilterMiss])),
    ),
    (
        "entra/entra-add-address-parts",
        Full,
        &[
            r#"addresses: {"type":"work","formatted":"Unter den Eichen 1, Berlin","locality":"Berlin","region":"BE"} added"#,
        ],
        Some(("noTarget", &[T::CreateOnFilterMiss])),
    ),
    (
        "entra/entra-manager-patch",
        Full,
        &[
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value: "m-0" -> "m-1""#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.$ref: "https://scim.example/v2/Users/m-1" added"#,
        ],
        Some(("invalidPath", &[T::BareExtensionName, T::UnwrapSingle])),
    ),
    (
        "entra/entra-manager-urn-string",
        Full,
        &[
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value: "m-0" -> "m-1""#,
        ],
        Some(("invalidValue", &[T::ManagerShorthand])),
    ),
    (
        "entra/entra-manager-replace-string",
        Full,
        &[
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value: "m-0" -> "m-2""#,
        ],
        Some(("invalidValue", &[T::ManagerShorthand])),
    ),
    (
        "entra/entra-manager-remove-empty-string",
        Full,
        &[
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: {"value":"m-0"} removed"#,
        ],
        Some(("invalidValue", &[T::ManagerShorthand])),
    ),
    (
        "entra/entra-manager-remove-empty-value",
        Full,
        &[
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: {"value":"m-0"} removed"#,
        ],
        Some(("invalidValue", &[T::ManagerShorthand])),
    ),
    (
        "entra/entra-approles-json-in-string",
        Full,
        &[
            r#"roles: {"value":"{\"id\":\"11111111-aaaa-4bbb-8ccc-000000000001\",\"value\":\"Reader\",\"displayName\":\"Reader\"}"} added"#,
            r#"roles: {"value":"{\"id\":\"11111111-aaaa-4bbb-8ccc-000000000002\",\"value\":\"Writer\",\"displayName\":\"Writer\"}"} added"#,
        ],
        None,
    ),
    (
        "entra/entra-legacy-scalar-wrapped",
        Full,
        &[r#"displayName: "Dana" -> "Dana K.""#],
        Some(("invalidValue", &[T::UnwrapSingle])),
    ),
    (
        "entra/entra-group-rename",
        Group,
        &[r#"displayName: "Field Engineers" -> "Field Engineers EMEA""#],
        None,
    ),
    ("entra/entra-add-member", Others, &[r#"members: {"value":"u-1"} added"#], None),
    (
        "entra/entra-remove-member-legacy",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        Some(("invalidSyntax", &[T::RemoveByValue])),
    ),
    (
        "entra/entra-remove-member-legacy-noref",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        Some(("invalidSyntax", &[T::RemoveByValue])),
    ),
    (
        "entra/entra-remove-member-compliant",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        None,
    ),
    (
        "entra/entra-validator-add-verbose",
        Bare,
        &[
            "active: false -> true",
            r#"displayName: "PROBE TWO" added"#,
            r#"title: "Tester" added"#,
            r#"emails: {"type":"work","value":"p2@fabrikam.example","primary":true} added"#,
            r#"name: {"givenName":"Pro"} added"#,
            r#"roles: {"primary":true,"display":"RD","value":"RV","type":"RT"} added"#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: "QA" added"#,
        ],
        Some(("invalidFilter", &[T::CreateOnFilterMiss, T::StringBoolean])),
    ),
    (
        "entra/entra-validator-update-username-nopath",
        Full,
        &[r#"userName: "dana@fabrikam.example" -> "renamed@fabrikam.example""#],
        None,
    ),
    (
        "entra/entra-validator-multi-op-different",
        Full,
        &[
            r#"preferredLanguage: "en" removed"#,
            r#"externalId: "ext-0" -> "ext-42""#,
            r#"displayName: "Dana" -> "After""#,
        ],
        None,
    ),
    ("entra/entra-validator-multi-op-same", Full, &[r#"externalId: "ext-0" -> "ext-final""#], None),
    ("entra/entra-validator-group-add-remove-same", Others, &[], None),
    ("entra/entra-patch-with-id-and-name", Full, &[r#"displayName: "Dana" -> "Dana K.""#], None),
    (
        "entra/entra-role-displayname-for-display",
        Full,
        &[r#"roles: {"display":"Reader role","primary":true,"value":"Reader"} added"#],
        Some(("invalidPath", &[T::DisplayNameForDisplay, T::StringBoolean])),
    ),
    ("okta/okta-deactivate", Full, &["active: true -> false"], None),
    ("okta/okta-reactivate", Full, &[], None),
    ("okta/okta-password-sync", Full, &[r#"password: "***" added"#], None),
    (
        "okta/okta-group-rename",
        Group,
        &[r#"displayName: "Field Engineers" -> "Okta Pushed 2""#],
        None,
    ),
    (
        "okta/okta-group-remove-add",
        Mixed,
        &[r#"members: {"type":"User","value":"u-1"} removed"#, r#"members: {"value":"u-2"} added"#],
        None,
    ),
    ("okta/okta-add-member-no-type", Others, &[r#"members: {"value":"u-1"} added"#], None),
    (
        "okta/okta-group-push-replace",
        Others,
        &[
            r#"members: {"type":"User","value":"u-8"} removed"#,
            r#"members: {"type":"User","value":"u-9"} removed"#,
            r#"members: {"value":"u-1"} added"#,
            r#"members: {"value":"u-2"} added"#,
        ],
        None,
    ),
    (
        "okta/okta-group-push-empty",
        Group,
        &[
            r#"members: {"type":"User","value":"u-1"} removed"#,
            r#"members: {"type":"User","value":"u-2"} removed"#,
            r#"members: {"type":"User","value":"u-3"} removed"#,
        ],
        None,
    ),
    (
        "onelogin/onelogin-remove-member-value-array",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        Some(("invalidSyntax", &[T::RemoveByValue])),
    ),
    ("onelogin/onelogin-add-member", Others, &[r#"members: {"value":"u-1"} added"#], None),
    (
        "onelogin/onelogin-replace-email-object",
        Full,
        &[
            r#"emails: {"primary":true,"type":"work","value":"dana@fabrikam.example"} -> {"primary":true,"type":"work","value":"one.user01@onelogin.example"}"#,
            r#"emails: {"type":"home","value":"dana@home.example"} removed"#,
        ],
        None,
    ),
    (
        "jumpcloud/jumpcloud-remove-member-value-array",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        Some(("invalidSyntax", &[T::RemoveByValue])),
    ),
    ("jumpcloud/jumpcloud-add-member", Others, &[r#"members: {"value":"u-1"} added"#], None),
    (
        "authentik/authentik-group-replace-nopath",
        Group,
        &[r#"displayName: "Field Engineers" -> "ak-staff""#, r#"externalId: "7d2b" added"#],
        None,
    ),
    (
        "authentik/authentik-group-replace-aws-mode",
        Group,
        &[r#"displayName: "Field Engineers" -> "ak-staff""#, r#"externalId: "7d2b" added"#],
        None,
    ),
    (
        "authentik/authentik-add-members",
        Others,
        &[r#"members: {"value":"u-1"} added"#, r#"members: {"value":"u-2"} added"#],
        None,
    ),
    (
        "authentik/authentik-remove-members",
        Group,
        &[
            r#"members: {"type":"User","value":"u-1"} removed"#,
            r#"members: {"type":"User","value":"u-2"} removed"#,
        ],
        Some(("invalidSyntax", &[T::RemoveByValue])),
    ),
    (
        "generic/salesforce-remove-member-object",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        Some(("invalidSyntax", &[T::RemoveByValue])),
    ),
    ("generic/add-members-nopath", Others, &[r#"members: {"value":"u-1"} added"#], None),
    (
        "generic/replace-scalar-array",
        Full,
        &["active: true -> false"],
        Some(("invalidValue", &[T::UnwrapSingle])),
    ),
    (
        "generic/replace-whole-resource-nopath",
        Others,
        &[
            r#"displayName: "Field Engineers" -> "Lab""#,
            r#"externalId: "g-1" added"#,
            r#"members: {"type":"User","value":"u-8"} removed"#,
            r#"members: {"type":"User","value":"u-9"} removed"#,
            r#"members: {"type":"User","value":"u-1"} added"#,
        ],
        None,
    ),
    (
        "generic/extension-nopath-object",
        Full,
        &[
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department: "Ops" -> "QA""#,
            r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter: "1" added"#,
        ],
        None,
    ),
    (
        "generic/replace-primary-email-filter",
        Full,
        &[
            r#"emails: {"primary":true,"type":"work","value":"dana@fabrikam.example"} -> {"primary":true,"type":"work","value":"x@y.example"}"#,
        ],
        None,
    ),
    (
        "generic/remove-many-members-filters",
        Group,
        &[
            r#"members: {"type":"User","value":"u-1"} removed"#,
            r#"members: {"type":"User","value":"u-2"} removed"#,
            r#"members: {"type":"User","value":"u-3"} removed"#,
        ],
        None,
    ),
    (
        "generic/remove-value-path-two-clauses",
        Group,
        &[r#"members: {"type":"User","value":"u-1"} removed"#],
        None,
    ),
];

fn fixture(path: &str) -> String {
    let path = format!("{}/tests/fixtures/vendors/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn filled(text: &str) -> Json {
    let text = [
        ("{{userId}}", "u-1"),
        ("{{userId2}}", "u-2"),
        ("{{userId3}}", "u-3"),
        ("{{managerId}}", "m-1"),
        ("{{managerId2}}", "m-2"),
        ("{{groupId}}", "g-1"),
        ("{{base}}", "https://scim.example/v2"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value));
    assert!(!text.contains("{{"), "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_patch_of_every_vendor_is_listed() {
    let mut files = BTreeSet::new();
    for vendor in ["entra", "okta", "onelogin", "jumpcloud", "google", "authentik", "generic"] {
        for line in fixture(&format!("{vendor}/index.tsv")).lines().skip(1) {
            let columns: Vec<&str> = line.split('\t').collect();
            if columns[2] == "PATCH" && columns[0] != "-" {
                files.insert(format!("{vendor}/{}", columns[0]));
            }
        }
    }
    let listed: BTreeSet<String> =
        ROWS.iter().map(|(file, ..)| format!("{file}.json")).chain([REFUSED.to_owned()]).collect();
    assert_eq!(files, listed);
    println!("{} requests", files.len());
    assert_eq!(files.len(), 58);
}

const REFUSED: &str = "entra/entra-validator-empty-operations.json";

#[test]
fn no_profile_takes_a_request_without_operations() {
    let registry = Registry::standard();
    let message = filled(&fixture(REFUSED));
    for profile in [Profile::strict(), Profile::default()] {
        let outcome = run(&message, &Full.resource(), registry.user(), &mut Leniency::new(profile));
        assert_eq!(outcome.unwrap_err().code().1, Some("invalidSyntax"));
    }
}

#[test]
fn requests_do_what_their_senders_mean() {
    let registry = Registry::standard();
    let mut failures = Vec::new();
    for (file, before, expected, strict) in ROWS {
        let schema = if before.is_group() { registry.group() } else { registry.user() };
        let message = filled(&fixture(&format!("{file}.json")));
        let before = before.resource();
        let mut leniency = Leniency::new(Profile::default());
        match run(&message, &before, schema, &mut leniency) {
            Ok((_, changes)) => {
                let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
                if lines != *expected {
                    failures.push(format!("{file}: {lines:#?}"));
                }
            }
            Err(error) => failures.push(format!("{file}: {error}")),
        }
        let used: BTreeSet<Tolerance> = leniency.traces().iter().map(|t| t.tolerance).collect();
        let needed: BTreeSet<Tolerance> =
            strict.iter().flat_map(|(_, tolerances)| tolerances.iter().copied()).collect();
        if used != needed {
            failures.push(format!("{file}: uses {used:?}"));
        }
        // Strict: as told; and each needed tolerance alone makes the difference.
        let mut leniency = Leniency::new(Profile::strict());
        match (run(&message, &before, schema, &mut leniency), strict) {
            (Ok((_, changes)), None) => {
                let lines: Vec<String> = changes.iter().map(ToString::to_string).collect();
                if lines != *expected {
                    failures.push(format!("{file}: strict {lines:#?}"));
                }
            }
            (Err(error), Some((scim_type, _))) if error.code().1 == Some(*scim_type) => {}
            (outcome, _) => failures.push(format!("{file}: strict {outcome:?}")),
        }
        for tolerance in &needed {
            let profile = Profile::default().without(*tolerance);
            if run(&message, &before, schema, &mut Leniency::new(profile)).is_ok() {
                failures.push(format!("{file}: passes without {tolerance}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{} requests in both profiles", ROWS.len());
}

/// What can be sent twice, because an answer was lost, must do nothing the second time.
#[test]
fn requests_can_be_repeated() {
    let registry = Registry::standard();
    for (file, before, ..) in ROWS {
        // Adding a removed value back, in one request, is meant to work each time.
        let schema = if before.is_group() { registry.group() } else { registry.user() };
        let message = filled(&fixture(&format!("{file}.json")));
        let mut leniency = Leniency::new(Profile::default());
        let (after, _) = run(&message, &before.resource(), schema, &mut leniency).unwrap();
        let (again, changes) = run(&message, &after, schema, &mut leniency).unwrap();
        assert!(changes.is_empty(), "{file}: {changes}");
        assert_eq!(comparable(&again), comparable(&after), "{file}");
    }
}

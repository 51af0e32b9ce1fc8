//! What must be there before a captured request is sent, and what strict answers to it.

use serde_json::{Value, json};

use crate::support::{ENTERPRISE, USER};

/// A precondition.
pub(super) struct Given {
    /// The body that creates `{{userId}}`.
    pub(super) user: Value,
    /// The name of `{{groupId}}`.
    pub(super) group_name: &'static str,
    /// The members of `{{groupId}}`, by placeholder.
    pub(super) members: &'static [&'static str],
    /// How many more groups there are.
    pub(super) more_groups: usize,
}

/// The precondition of a row.
pub(super) fn given(key: &str) -> Given {
    let (folder, name) = key.split_once('/').unwrap_or(("", key));
    Given {
        user: user(folder, name),
        group_name: if folder == "okta" { "Okta Pushed" } else { "Field Engineers" },
        members: members(folder, name),
        more_groups: if name.contains("startIndex={{n}}") { 2 } else { 0 },
    }
}

fn user(folder: &str, name: &str) -> Value {
    let mut user = json!({
        "schemas": [USER],
        "userName": "subject@fabrikam.example",
        "displayName": "Before",
        "name": { "givenName": "Old", "familyName": "Name" },
        "active": true,
    });
    let work = || json!([{ "type": "work", "value": "old@fabrikam.example", "primary": true }]);
    let set = |user: &mut Value, attribute: &str, value: Value| user[attribute] = value;
    match (folder, name) {
        ("entra", "entra-enable-user-patch.json") | ("okta", "okta-reactivate.json") => {
            set(&mut user, "active", json!(false));
        }
        ("entra", name) if name.starts_with("GET /Users/{{userId}}") => {
            set(&mut user, "active", json!(false));
        }
        (
            "entra",
            "entra-replace-many.json"
            | "entra-replace-many-flag.json"
            | "entra-update-email-and-surname.json",
        ) => {
            set(&mut user, "emails", work());
            user["emails"]
                .as_array_mut()
                .unwrap()
                .push(json!({ "type": "home", "value": "home@fabrikam.example" }));
        }
        ("generic", "replace-primary-email-filter.json")
        | ("onelogin", "onelogin-replace-email-object.json") => set(&mut user, "emails", work()),
        ("entra", name) if name.starts_with("entra-manager-re") => {
            set(&mut user, "schemas", json!([USER, ENTERPRISE]));
            set(&mut user, ENTERPRISE, json!({ "manager": { "value": "{{managerId}}" } }));
        }
        ("entra", "entra-validator-multi-op-different.json") => {
            set(&mut user, "preferredLanguage", json!("en-US"));
        }
        ("entra", "entra-validator-multi-op-same.json") => {
            set(&mut user, "externalId", json!("ext-before"));
        }
        ("entra", "entra-validator-add-verbose.json") => {
            user = json!({ "schemas": [USER], "userName": "subject@fabrikam.example" });
        }
        ("okta", "okta-update-user-put.json" | "okta-deactivate-put.json")
        | ("okta", "okta-update-user-entitlements-put.json") => {
            set(&mut user, "userName", json!("rio.tan@okta.example"));
            set(&mut user, "nickName", json!("gone after a replacement"));
        }
        ("okta", name) if name.starts_with("GET /Users?filter") => {
            set(&mut user, "userName", json!("rio.tan@okta.example"));
        }
        ("onelogin", name) if name.starts_with("GET ") || name.starts_with("onelogin-put") => {
            set(&mut user, "userName", json!("one.user01"));
        }
        ("google", _) => set(&mut user, "userName", json!("x@domain")),
        _ => {}
    }
    user
}

fn members(folder: &str, name: &str) -> &'static [&'static str] {
    match (folder, name) {
        ("generic", "remove-many-members-filters.json") => {
            &["userId", "userId2", "userId3", "userId4", "userId5"]
        }
        ("authentik", "authentik-remove-members.json") => &["userId", "userId2", "userId3"],
        ("authentik", "authentik-put-group.json") => &["userId3"],
        ("okta", "okta-group-push-replace.json" | "okta-group-put.json") => &["userId3", "userId4"],
        ("okta", "okta-group-remove-add.json") => &["userId", "userId3"],
        ("generic", "replace-whole-resource-nopath.json") => &["userId4"],
        ("entra", "entra-add-member.json" | "entra-validator-group-add-remove-same.json")
        | ("okta", "okta-add-member-no-type.json")
        | ("onelogin", "onelogin-add-member.json")
        | ("jumpcloud", "jumpcloud-add-member.json")
        | ("generic", "add-members-nopath.json")
        | ("authentik", "authentik-add-members.json") => &["userId5"],
        _ => &["userId", "userId5"],
    }
}

/// Which `scimType`s strict may answer with its 400; `None` where both profiles accept.
pub(super) fn strict_refusal(key: &str) -> Option<&'static [&'static str]> {
    Some(match key.split_once('/').unwrap().1 {
        "entra-create-user-malformed-extension-urn.json"
        | "entra-create-user-custom-extension.json"
        | "entra-create-group.json"
        | "entra-disable-user-patch.json"
        | "entra-enable-user-patch.json"
        | "entra-legacy-scalar-wrapped.json"
        | "entra-manager-urn-string.json"
        | "entra-manager-replace-string.json"
        | "entra-manager-remove-empty-string.json"
        | "entra-manager-remove-empty-value.json"
        | "entra-validator-create-user-string-primary.json"
        | "onelogin-put-user-legacy-schemas.json"
        | "replace-scalar-array.json" => &["invalidValue"],
        // Two things are wrong with it; either may be named.
        "entra-role-displayname-for-display.json" => &["invalidValue", "invalidPath"],
        "entra-replace-many-flag.json" | "entra-manager-patch.json" => &["invalidPath"],
        "entra-add-email-when-absent.json"
        | "entra-replace-phone-when-absent.json"
        | "entra-add-address-parts.json" => &["noTarget"],
        // Its string for a boolean is found before any operation is applied.
        "entra-validator-add-verbose.json" => &["noTarget", "invalidFilter"],
        "entra-remove-member-legacy.json"
        | "entra-remove-member-legacy-noref.json"
        | "onelogin-remove-member-value-array.json"
        | "jumpcloud-remove-member-value-array.json"
        | "authentik-remove-members.json"
        | "salesforce-remove-member-object.json" => &["invalidSyntax"],
        _ => return None,
    })
}

//! What must be true after each captured request that is accepted: the `expected_effect` column, in code.

use serde_json::{Value, json};

use super::Seen;
use crate::support::{BASE, ENTERPRISE, GROUP, USER, assert_error, header, listed_ids, member_ids};

/// Checks the effect of a row. A row without an effect in code fails.
pub(super) fn check(key: &str, seen: &Seen, at: &str) {
    let (folder, name) = key.split_once('/').unwrap();
    match folder {
        "entra" if name.ends_with(".json") => entra(name, seen, at),
        "okta" if name.ends_with(".json") => okta(name, seen, at),
        "onelogin" | "jumpcloud" | "authentik" | "generic" if name.ends_with(".json") => {
            others(name, seen, at);
        }
        _ => reads_and_deletes(folder, name, seen, at),
    }
}

fn entra(name: &str, seen: &Seen, at: &str) {
    let user = &seen.user.body;
    match name {
        "entra-create-user.json" => {
            let user = created_user(seen, "dana.kline@fabrikam.example", at);
            assert_eq!(user.get("roles"), None, "{at}: an empty list is unassigned");
            assert_eq!(user["externalId"], "6f0c2d1e-0001-4a4a-9c9c-0a0a0a0a0001", "{at}");
            assert_eq!(user["name"]["formatted"], "Dana Kline", "{at}");
            assert_eq!(
                user["emails"],
                json!([{ "value": "dana.kline@fabrikam.example", "type": "work", "primary": true }]),
                "{at}"
            );
            assert_eq!(user["schemas"], json!([USER]), "{at}: no extension has data");
        }
        "entra-create-user-nulls.json" => {
            let user = created_user(seen, "dana.kline@fabrikam.example", at);
            for name in
                ["addresses", "phoneNumbers", "preferredLanguage", "title", "department", "manager"]
            {
                assert_eq!(user.get(name), None, "{at}: {name}");
            }
            assert_eq!(user.get(ENTERPRISE), None, "{at}");
            assert_eq!(user["displayName"], "Dana Kline", "{at}");
        }
        "entra-create-user-malformed-extension-urn.json" => {
            let user = created_user(seen, "dana.kline2@fabrikam.example", at);
            assert_eq!(user["schemas"], json!([USER]), "{at}: the unknown URI is not echoed");
        }
        "entra-create-user-custom-extension.json" => {
            let user = created_user(seen, "dana.kline3@fabrikam.example", at);
            let fabrikam = "urn:ietf:params:scim:schemas:extension:FabrikamApp:2.0:User";
            assert_eq!(user[fabrikam], json!({ "tag": "blue-7" }), "{at}");
            assert_eq!(user[ENTERPRISE]["manager"]["value"], seen.vars.get("managerId"), "{at}");
            assert_eq!(user["schemas"], json!([USER, ENTERPRISE, fabrikam]), "{at}");
        }
        "entra-disable-user-patch.json"
        | "entra-disable-user-patch-boolean.json"
        | "entra-disable-user-flag.json" => {
            only_changed(seen, &[("active", json!(false))], at);
        }
        "entra-enable-user-patch.json" => only_changed(seen, &[("active", json!(true))], at),
        "entra-add-nickname.json" | "entra-add-nickname-flag.json" => {
            only_changed(seen, &[("nickName", json!("Dee"))], at);
        }
        "entra-replace-many.json" => {
            replaced_many(seen, at);
            assert_eq!(user["externalId"], "dk-9", "{at}");
        }
        "entra-replace-many-flag.json" => {
            replaced_many(seen, at);
            for name in user.as_object().unwrap().keys() {
                assert!(!name.contains("name."), "{at}: {name} is stored literally");
                assert!(!name.ends_with(":employeeNumber"), "{at}: {name} is stored literally");
            }
        }
        "entra-update-email-and-surname.json" => {
            assert_eq!(work_email(user), Some("new.mail@fabrikam.example"), "{at}");
            assert_eq!(user["emails"].as_array().unwrap().len(), 2, "{at}");
            assert_eq!(user["name"], json!({ "givenName": "Old", "familyName": "Klein" }), "{at}");
        }
        "entra-update-username.json" => {
            only_changed(seen, &[("userName", json!("dana.klein@fabrikam.example"))], at);
        }
        "entra-validator-update-username-nopath.json" => {
            only_changed(seen, &[("userName", json!("renamed@fabrikam.example"))], at);
        }
        "entra-add-email-when-absent.json" => {
            let email = json!([{ "value": "dana@fabrikam.example", "type": "work" }]);
            only_changed(seen, &[("emails", email)], at);
        }
        "entra-replace-phone-when-absent.json" => {
            let phone = json!([{ "value": "+49 30 5550100", "type": "mobile" }]);
            only_changed(seen, &[("phoneNumbers", phone)], at);
        }
        "entra-add-address-parts.json" => {
            let address = json!([{
                "formatted": "Unter den Eichen 1, Berlin", "locality": "Berlin", "region": "BE", "type": "work",
            }]);
            only_changed(seen, &[("addresses", address)], at);
        }
        "entra-manager-patch.json" => {
            let id = seen.vars.get("managerId");
            manager(seen, Some(id), at);
            let reference = format!("{BASE}/Users/{id}");
            assert_eq!(user[ENTERPRISE]["manager"]["$ref"], json!(reference), "{at}");
        }
        "entra-manager-urn-string.json" => manager(seen, Some(seen.vars.get("managerId")), at),
        "entra-manager-replace-string.json" => {
            manager(seen, Some(seen.vars.get("managerId2")), at);
        }
        "entra-manager-remove-empty-string.json" | "entra-manager-remove-empty-value.json" => {
            manager(seen, None, at);
        }
        "entra-approles-json-in-string.json" => {
            let roles: Vec<Value> = user["roles"]
                .as_array()
                .unwrap()
                .iter()
                .map(|role| serde_json::from_str(role["value"].as_str().unwrap()).unwrap())
                .collect();
            assert_eq!(roles.len(), 2, "{at}");
            assert_eq!(
                (&roles[0]["value"], &roles[1]["value"]),
                (&json!("Reader"), &json!("Writer")),
                "{at}"
            );
        }
        "entra-legacy-scalar-wrapped.json" | "entra-patch-with-id-and-name.json" => {
            only_changed(seen, &[("displayName", json!("Dana K."))], at);
        }
        "entra-create-group.json" => {
            let group = &seen.created;
            assert_eq!(group["schemas"], json!([GROUP]), "{at}: the ADSCIM URI is not echoed");
            assert_eq!(group["displayName"], "Field Engineers", "{at}");
            assert_eq!(group["externalId"], "6f0c2d1e-0002-4a4a-9c9c-0a0a0a0a0002", "{at}");
            assert_eq!(group.get("members"), None, "{at}");
        }
        "entra-group-rename.json" => {
            group_is(seen, "Field Engineers EMEA", &["userId", "userId5"], at)
        }
        "entra-add-member.json" => group_is(seen, "Field Engineers", &["userId", "userId5"], at),
        "entra-remove-member-legacy.json"
        | "entra-remove-member-legacy-noref.json"
        | "entra-remove-member-compliant.json"
        | "entra-validator-group-add-remove-same.json" => {
            group_is(seen, "Field Engineers", &["userId5"], at);
        }
        "entra-validator-create-user-string-primary.json" => {
            let user = created_user(seen, "probe.one@fabrikam.example", at);
            assert_eq!(user["roles"][0]["primary"], json!(true), "{at}: a boolean");
            assert_eq!(user["addresses"][0]["country"], "Belize", "{at}");
            assert_eq!(user[ENTERPRISE]["manager"]["value"], "PROBEMANAGER", "{at}");
            assert_eq!(user["phoneNumbers"].as_array().unwrap().len(), 3, "{at}");
        }
        "entra-validator-add-verbose.json" => {
            let email =
                json!([{ "value": "p2@fabrikam.example", "type": "work", "primary": true }]);
            let role = json!([{ "value": "RV", "display": "RD", "type": "RT", "primary": true }]);
            only_changed(
                seen,
                &[
                    ("displayName", json!("PROBE TWO")),
                    ("title", json!("Tester")),
                    ("emails", email),
                    ("name", json!({ "givenName": "Pro" })),
                    ("roles", role),
                    (ENTERPRISE, json!({ "department": "QA" })),
                    ("schemas", json!([USER, ENTERPRISE])),
                ],
                at,
            );
        }
        "entra-validator-multi-op-different.json" => {
            let changes = [
                ("externalId", json!("ext-42")),
                ("displayName", json!("After")),
                ("preferredLanguage", Value::Null),
            ];
            only_changed(seen, &changes, at);
        }
        "entra-validator-multi-op-same.json" => {
            only_changed(seen, &[("externalId", json!("ext-final"))], at);
        }
        "entra-validator-empty-operations.json" => {
            assert_error(&seen.answer, 400, &["invalidSyntax"], at);
            assert_eq!(*user, seen.user_before, "{at}");
        }
        "entra-role-displayname-for-display.json" => {
            let role = json!([{ "value": "Reader", "display": "Reader role", "primary": true }]);
            only_changed(seen, &[("roles", role)], at);
        }
        _ => panic!("{at}: no effect in code"),
    }
}

fn okta(name: &str, seen: &Seen, at: &str) {
    let user = &seen.user.body;
    match name {
        "okta-create-user.json" => {
            let user = created_user(seen, "rio.tan@okta.example", at);
            assert_eq!(user["externalId"], "00ub0oNGTSWTBKOLGLNR", "{at}");
            assert_eq!(user["locale"], "en-US", "{at}");
            assert_eq!(user.get("groups"), None, "{at}");
            assert!(!seen.answer.text.contains("placeholder"), "{at}: {}", seen.answer.text);
        }
        "okta-spec-create-user.json" => {
            let user = created_user(seen, "Runscope300probe@example.com", at);
            assert_eq!(
                (&user["active"], &user["name"]["familyName"]),
                (&json!(true), &json!("Tan")),
                "{at}"
            );
        }
        "okta-update-user-put.json" => {
            replaced_user(seen, at);
            assert_eq!(user["name"]["middleName"], "Q", "{at}");
            assert_eq!(user["emails"][0]["display"], "rio.tan@okta.example", "{at}");
            assert_eq!(user["active"], json!(true), "{at}");
        }
        "okta-deactivate-put.json" => {
            replaced_user(seen, at);
            assert_eq!(user["active"], json!(false), "{at}");
        }
        "okta-update-user-entitlements-put.json" => {
            replaced_user(seen, at);
            let entitlement =
                json!({ "value": "profile-123", "display": "Profile 123", "type": "Profile" });
            assert_eq!(user["entitlements"], json!([entitlement]), "{at}");
            assert_eq!(
                user["roles"],
                json!([{ "value": "role-1", "display": "First Role" }]),
                "{at}"
            );
        }
        "okta-deactivate.json" => only_changed(seen, &[("active", json!(false))], at),
        "okta-reactivate.json" => only_changed(seen, &[("active", json!(true))], at),
        "okta-password-sync.json" => {
            only_changed(seen, &[], at);
            assert_ne!(user["meta"]["version"], seen.user_before["meta"]["version"], "{at}");
            assert!(!seen.answer.text.contains("N3w"), "{at}: {}", seen.answer.text);
            assert_eq!(seen.answer.body.get("password"), None, "{at}");
        }
        "okta-create-group.json" => {
            assert_eq!(seen.created["displayName"], "Okta Pushed", "{at}");
            assert_eq!(seen.created.get("members"), None, "{at}");
        }
        "okta-group-rename.json" => group_is(seen, "Okta Pushed 2", &["userId", "userId5"], at),
        "okta-group-remove-add.json" => group_is(seen, "Okta Pushed", &["userId2", "userId3"], at),
        "okta-add-member-no-type.json" => {
            group_is(seen, "Okta Pushed", &["userId", "userId5"], at);
            let members = seen.group.body["members"].as_array().unwrap();
            assert!(members.iter().all(|member| member["type"] == "User"), "{at}: {members:?}");
        }
        "okta-group-push-replace.json" => group_is(seen, "Okta Pushed", &["userId", "userId2"], at),
        "okta-group-push-empty.json" => group_is(seen, "Okta Pushed", &[], at),
        "okta-group-put.json" => {
            group_is(seen, "Okta Pushed", &["userId"], at);
            assert_eq!(
                member_ids(&seen.answer.body),
                [seen.vars.get("userId")],
                "{at}: the answer"
            );
        }
        _ => panic!("{at}: no effect in code"),
    }
}

fn others(name: &str, seen: &Seen, at: &str) {
    let user = &seen.user.body;
    match name {
        "onelogin-put-user-legacy-schemas.json" => {
            assert_eq!(user["schemas"], json!([USER]), "{at}: today's URN, and only with data");
            let name = json!({ "familyName": "User 01", "givenName": "AAA Test" });
            assert_eq!((&user["userName"], &user["name"]), (&json!("one.user01"), &name), "{at}");
            assert_eq!(user.get("displayName"), None, "{at}: what PUT does not name is gone");
        }
        "onelogin-remove-member-value-array.json"
        | "jumpcloud-remove-member-value-array.json"
        | "salesforce-remove-member-object.json"
        | "remove-value-path-two-clauses.json" => {
            group_is(seen, "Field Engineers", &["userId5"], at)
        }
        "onelogin-add-member.json" | "jumpcloud-add-member.json" | "add-members-nopath.json" => {
            group_is(seen, "Field Engineers", &["userId", "userId5"], at);
        }
        "onelogin-replace-email-object.json" => {
            let email = json!([{ "value": "one.user01@onelogin.example", "type": "work", "primary": true }]);
            only_changed(seen, &[("emails", email)], at);
        }
        "jumpcloud-test-user-create.json" => {
            created_user(seen, "jc.test@jumpcloud.example", at);
        }
        "authentik-group-replace-nopath.json" | "authentik-group-replace-aws-mode.json" => {
            group_is(seen, "ak-staff", &["userId", "userId5"], at);
            assert_eq!(seen.group.body["externalId"], "7d2b", "{at}");
        }
        "authentik-add-members.json" => {
            group_is(seen, "Field Engineers", &["userId", "userId2", "userId5"], at);
        }
        "authentik-remove-members.json" => group_is(seen, "Field Engineers", &["userId3"], at),
        "authentik-put-group.json" => {
            group_is(seen, "ak-staff", &["userId", "userId2"], at);
            assert_eq!(seen.group.body["externalId"], "7d2b", "{at}");
            assert_eq!(member_ids(&seen.answer.body).len(), 2, "{at}: the answer");
        }
        "replace-scalar-array.json" => only_changed(seen, &[("active", json!(false))], at),
        "replace-whole-resource-nopath.json" => {
            group_is(seen, "Lab", &["userId"], at);
            assert_eq!(seen.group.body["externalId"], "g-1", "{at}");
        }
        "extension-nopath-object.json" => {
            let enterprise = json!({ "department": "QA", "costCenter": "1" });
            only_changed(
                seen,
                &[(ENTERPRISE, enterprise), ("schemas", json!([USER, ENTERPRISE]))],
                at,
            );
        }
        "replace-primary-email-filter.json" => {
            let email = json!([{ "value": "x@y.example", "type": "work", "primary": true }]);
            only_changed(seen, &[("emails", email)], at);
        }
        "remove-many-members-filters.json" => {
            group_is(seen, "Field Engineers", &["userId4", "userId5"], at);
        }
        _ => panic!("{at}: no effect in code"),
    }
}

fn reads_and_deletes(folder: &str, name: &str, seen: &Seen, at: &str) {
    let (answer, list) = (&seen.answer, &seen.answer.body);
    let (user, group) = (seen.vars.get("userId"), seen.vars.get("groupId"));
    match (folder, name) {
        ("entra", "GET /Users?filter=userName eq \"{{guid}}\"") => {
            assert_eq!((listed_ids(list), &list["totalResults"]), (vec![], &json!(0)), "{at}");
        }
        ("entra", "GET /Users/{{userId}}") => {
            assert_eq!(list["active"], json!(false), "{at}: an inactive user is shown");
            assert_eq!(*list, seen.user_before, "{at}");
        }
        ("entra", "GET /Groups/{{groupId}}?excludedAttributes=members") => {
            assert_eq!(list.get("members"), None, "{at}");
            assert_eq!(list["displayName"], "Field Engineers", "{at}");
            assert_eq!(member_ids(&seen.group_before).len(), 2, "{at}: it has members");
        }
        ("entra", "GET /Schemas") => {
            let ids = listed_ids(list);
            assert!(
                ids.contains(&USER) && ids.contains(&GROUP) && ids.contains(&ENTERPRISE),
                "{at}"
            );
            for attribute in list["Resources"]
                .as_array()
                .unwrap()
                .iter()
                .flat_map(|schema| schema["attributes"].as_array().unwrap())
            {
                for word in ["mutability", "returned", "uniqueness", "type"] {
                    let Some(word) = attribute[word].as_str() else { continue };
                    assert!(word.starts_with(|c: char| c.is_ascii_lowercase()), "{at}: {word}");
                }
            }
        }
        ("entra" | "jumpcloud", "DELETE /Users/{{userId}}") => {
            assert_eq!(seen.user.status, 404, "{at}");
            assert_error(&seen.again, 404, &[], at);
            assert_eq!(
                member_ids(&seen.group.body),
                [seen.vars.get("userId5")],
                "{at}: it left its group"
            );
        }
        ("entra" | "okta", "DELETE /Groups/{{groupId}}") => {
            assert_eq!((seen.group.status.as_u16(), seen.user.status.as_u16()), (404, 200), "{at}");
            assert_eq!(seen.user.body.get("groups"), None, "{at}");
            assert_error(&seen.again, 404, &[], at);
        }
        (
            "okta",
            "GET /Users?filter=userName eq \"rio.tan@okta.example\"&startIndex=1&count=100",
        )
        | ("onelogin", "GET /Users?filter=userName eq \"one.user01\"&")
        | ("google", "GET /Users?filter=userName eq \"x@domain\"&startIndex=1") => {
            assert_eq!(listed_ids(list), [user], "{at}");
            for name in ["totalResults", "itemsPerPage", "startIndex"] {
                assert_eq!(list[name], json!(1), "{at}: {name} is a JSON number");
            }
        }
        ("okta", "GET /Users?startIndex=1&count=100") => {
            assert_eq!(list["totalResults"], json!(7), "{at}");
            assert_eq!(listed_ids(list).len(), 7, "{at}");
            assert_eq!(listed_ids(&seen.again.body), listed_ids(list), "{at}: a stable order");
        }
        ("okta", "GET /Groups?filter=displayName eq \"Okta Pushed\"&startIndex=1&count=100") => {
            assert_eq!(listed_ids(list), [group], "{at}");
        }
        ("okta", "GET /Users?count=1&startIndex=1") => {
            let numbers =
                ["totalResults", "itemsPerPage", "startIndex"].map(|name| list[name].as_u64());
            assert_eq!(numbers, [Some(7), Some(1), Some(1)], "{at}");
            assert_eq!(listed_ids(list).len(), 1, "{at}");
        }
        ("okta", "GET /Users/{{unknownId}}") => assert_error(answer, 404, &[], at),
        ("okta", "GET /Users (without token)") => {
            assert_error(answer, 401, &[], at);
            assert!(
                header(answer, "www-authenticate").is_some_and(|h| h.starts_with("Bearer")),
                "{at}"
            );
        }
        ("okta", "GET /Groups") => {
            assert_eq!(listed_ids(list), [group], "{at}");
            assert!(seen.took < std::time::Duration::from_millis(600), "{at}: {:?}", seen.took);
        }
        ("okta", "GET /ResourceTypes") => {
            let types = list["Resources"].as_array().unwrap();
            for (name, endpoint) in
                [("Role", "/Roles"), ("Entitlement", "/Entitlements"), ("User", "/Users")]
            {
                let found = types
                    .iter()
                    .find(|t| t["name"] == name)
                    .unwrap_or_else(|| panic!("{at}: {name}"));
                assert_eq!(found["endpoint"], endpoint, "{at}");
            }
            let role = types.iter().find(|t| t["name"] == "Role").unwrap();
            assert_eq!(role["schema"], "urn:okta:scim:schemas:core:1.0:Role", "{at}");
        }
        ("authentik", "GET /Groups?startIndex={{n}}") => {
            assert_eq!(
                (&list["totalResults"], &list["startIndex"]),
                (&json!(3), &json!(2)),
                "{at}"
            );
            assert_eq!(listed_ids(list).len(), 2, "{at}: the rest, without count");
        }
        _ => panic!("{at}: no effect in code"),
    }
}

/// A user that was created: answered whole, located, active, and not created a second time.
fn created_user<'a>(seen: &'a Seen, name: &str, at: &str) -> &'a Value {
    let user = &seen.created;
    assert_eq!(*user, seen.answer.body, "{at}: what POST answers is what GET finds");
    assert_eq!((&user["userName"], &user["active"]), (&json!(name), &json!(true)), "{at}");
    assert_eq!(user["meta"]["resourceType"], "User", "{at}");
    assert_eq!(header(&seen.answer, "location"), user["meta"]["location"].as_str(), "{at}");
    assert_eq!(header(&seen.answer, "etag"), user["meta"]["version"].as_str(), "{at}");
    assert_eq!(user.get("password"), None, "{at}");
    assert_error(&seen.again, 409, &["uniqueness"], at);
    user
}

/// A user whose PUT repeated what the server had said: read-only members are ignored, the rest is replaced.
fn replaced_user(seen: &Seen, at: &str) {
    let user = &seen.user.body;
    assert_eq!(seen.answer.body, *user, "{at}: the full user is returned");
    for name in ["id", "userName"] {
        assert_eq!(user[name], seen.user_before[name], "{at}");
    }
    assert_eq!(user["groups"], seen.user_before["groups"], "{at}: groups are the groups' business");
    assert!(user["groups"].is_array(), "{at}: the user is in a group");
    assert_eq!(user["meta"]["created"], seen.user_before["meta"]["created"], "{at}");
    assert_ne!(user["meta"]["version"], seen.user_before["meta"]["version"], "{at}");
    assert_eq!(user.get("nickName"), None, "{at}: what PUT does not name is gone");
    assert_eq!(seen.again.body["meta"], user["meta"], "{at}: the same again is no change");
}

/// The subject is as before but for these attributes (null: unassigned) and its version and time.
fn only_changed(seen: &Seen, changes: &[(&str, Value)], at: &str) {
    let mut expected = seen.user_before.clone();
    for (name, value) in changes {
        match value {
            Value::Null => drop(expected.as_object_mut().unwrap().remove(*name)),
            value => expected[*name] = value.clone(),
        }
    }
    let user = &seen.user.body;
    assert_ne!(user["meta"]["version"], seen.user_before["meta"]["version"], "{at}: the version");
    expected["meta"] = user["meta"].clone();
    assert_eq!(*user, expected, "{at}");
    assert_eq!(seen.answer.body, *user, "{at}: the answer is the user");
}

fn replaced_many(seen: &Seen, at: &str) {
    let user = &seen.user.body;
    assert_eq!(user["displayName"], "Dana K.", "{at}");
    assert_eq!(work_email(user), Some("dana.k@fabrikam.example"), "{at}");
    assert_eq!(user["emails"].as_array().unwrap().len(), 2, "{at}");
    assert_eq!(user["name"], json!({ "givenName": "Dane", "familyName": "Klein" }), "{at}");
    assert_eq!(user[ENTERPRISE], json!({ "employeeNumber": "40017" }), "{at}");
    assert_eq!(user["schemas"], json!([USER, ENTERPRISE]), "{at}");
}

fn work_email(user: &Value) -> Option<&str> {
    user["emails"].as_array()?.iter().find(|email| email["type"] == "work")?["value"].as_str()
}

fn manager(seen: &Seen, id: Option<&str>, at: &str) {
    let user = &seen.user.body;
    match id {
        Some(id) => assert_eq!(user[ENTERPRISE]["manager"]["value"], id, "{at}"),
        None => {
            assert_eq!(user.get(ENTERPRISE), None, "{at}: unassigned, not an empty string");
            assert_eq!(user["schemas"], json!([USER]), "{at}");
        }
    }
}

/// The group has this name and exactly these members, each of which shows it.
fn group_is(seen: &Seen, name: &str, members: &[&str], at: &str) {
    let group = &seen.group.body;
    assert_eq!(group["displayName"], name, "{at}");
    let mut expected: Vec<&str> = members.iter().map(|name| seen.vars.get(name)).collect();
    expected.sort_unstable();
    assert_eq!(member_ids(group), expected, "{at}");
    for member in group["members"].as_array().into_iter().flatten() {
        let reference = format!("{BASE}/Users/{}", member["value"].as_str().unwrap());
        assert_eq!((&member["$ref"], &member["type"]), (&json!(reference), &json!("User")), "{at}");
    }
    let inside = seen.user.body["groups"]
        .as_array()
        .is_some_and(|groups| groups.iter().any(|g| g["value"] == seen.vars.get("groupId")));
    assert_eq!(inside, members.contains(&"userId"), "{at}: the user shows its groups");
}

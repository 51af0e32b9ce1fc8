//! Groups, their members, and what users show of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::servers;
use crate::harness::{Answer, TestServer, encode};
use crate::support::{
    BASE, ENTERPRISE, GROUP, assert_error, group, header, listed_ids, made, member_ids, patch_op,
    user,
};

async fn members_op(server: &TestServer, id: &str, op: &str, members: &[&str]) -> Answer {
    let operation = match op {
        "remove" => members
            .iter()
            .map(|id| json!({ "op": "remove", "path": format!("members[value eq \"{id}\"]") }))
            .collect(),
        op => {
            let values: Vec<Value> = members.iter().map(|id| json!({ "value": id })).collect();
            json!([{ "op": op, "path": "members", "value": values }])
        }
    };
    server.patch(&format!("/Groups/{id}"), &patch_op(&operation)).await
}

/// The groups that a user shows: id to `direct` or `indirect`.
async fn groups_of(server: &TestServer, id: &str) -> BTreeMap<String, String> {
    let user = server.get(&format!("/Users/{id}")).await.body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let groups = user["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    for group in groups {
        assert_eq!(text(&group["$ref"]), format!("{BASE}/Groups/{}", text(&group["value"])));
    }
    groups.iter().map(|g| (text(&g["value"]), text(&g["type"]))).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn users_show_direct_and_indirect_groups() {
    for server in servers().await {
        let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
        let inner = group(&server, "inner", &[&ada]).await;
        let middle = group(&server, "middle", &[&inner]).await;
        let outer = group(&server, "outer", &[&middle, &bob]).await;
        let nested = map(&[(&inner, "direct"), (&middle, "indirect"), (&outer, "indirect")]);
        assert_eq!(groups_of(&server, &ada).await, nested);
        assert_eq!(groups_of(&server, &bob).await, map(&[(&outer, "direct")]));
        let shown = server.get(&format!("/Groups/{outer}")).await.body;
        let types: BTreeMap<&str, &str> = shown["members"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| (m["value"].as_str().unwrap(), m["type"].as_str().unwrap()))
            .collect();
        assert_eq!(
            types,
            BTreeMap::from([(middle.as_str(), "Group"), (bob.as_str(), "User")]),
            "direct ones only"
        );
        // Both ways at once is direct.
        members_op(&server, &outer, "add", &[&ada]).await;
        let both = map(&[(&inner, "direct"), (&middle, "indirect"), (&outer, "direct")]);
        assert_eq!(groups_of(&server, &ada).await, both);
        members_op(&server, &outer, "remove", &[&ada]).await;
        assert_eq!(groups_of(&server, &ada).await, nested);
        // A list shows the same, a filter finds it.
        let list =
            server.get(&format!("/Users?filter={}", encode("userName eq \"ada\""))).await.body;
        assert_eq!(list["Resources"][0], server.get(&format!("/Users/{ada}")).await.body);
        let filter = encode(&format!("groups.value eq \"{inner}\""));
        assert_eq!(
            listed_ids(&server.get(&format!("/Users?filter={filter}")).await.body),
            [ada.as_str()]
        );
        members_op(&server, &middle, "remove", &[&inner]).await;
        assert_eq!(groups_of(&server, &ada).await, map(&[(&inner, "direct")]));
        // A new name of the group is shown at once.
        let rename =
            patch_op(&json!([{ "op": "replace", "path": "displayName", "value": "core" }]));
        server.patch(&format!("/Groups/{inner}"), &rename).await;
        let ada_shown = server.get(&format!("/Users/{ada}")).await.body;
        assert_eq!(ada_shown["groups"][0]["display"], "core");
        server.delete(&format!("/Groups/{inner}")).await;
        assert_eq!(groups_of(&server, &ada).await, map(&[]));
    }
}

#[tokio::test]
async fn a_deleted_user_leaves_its_groups() {
    for server in servers().await {
        let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
        let (one, other) =
            (group(&server, "one", &[&ada, &bob]).await, group(&server, "other", &[&bob]).await);
        let before = server.get(&format!("/Groups/{one}")).await;
        let untouched = server.get(&format!("/Groups/{other}")).await;
        server.delete(&format!("/Users/{ada}")).await;
        let after = server.get(&format!("/Groups/{one}")).await;
        assert_eq!(member_ids(&after.body), [bob.as_str()]);
        assert_ne!(header(&after, "etag"), header(&before, "etag"), "the group is another one");
        assert!(
            after.body["meta"]["lastModified"].as_str()
                >= before.body["meta"]["lastModified"].as_str()
        );
        assert_eq!(server.get(&format!("/Groups/{other}")).await.body, untouched.body);
        assert_error(
            &members_op(&server, &one, "add", &[&ada]).await,
            400,
            &["invalidValue"],
            "it is gone",
        );
    }
}

#[tokio::test]
async fn membership_by_patch() {
    for server in servers().await {
        let mut people = Vec::new();
        for n in 0..4 {
            people.push(user(&server, &format!("u{n}")).await);
        }
        let [a, b, c, d] = [0, 1, 2, 3].map(|n| people[n].as_str());
        let team = group(&server, "team", &[]).await;
        let path = format!("/Groups/{team}");
        let sorted = |ids: &[&str]| {
            let mut ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
            ids.sort();
            ids
        };
        for (op, members, expected) in [
            ("add", vec![a, b], vec![a, b]),
            ("add", vec![b, c], vec![a, b, c]),
            ("remove", vec![a, d], vec![b, c]),
            ("replace", vec![d, a], vec![a, d]),
            ("replace", vec![a, d], vec![a, d]),
            ("replace", vec![], vec![]),
        ] {
            let before = server.get(&path).await;
            let answer = members_op(&server, &team, op, &members).await;
            assert_eq!(
                (answer.status.as_u16(), answer.text.as_str()),
                (204, ""),
                "{op} {members:?}"
            );
            let after = server.get(&path).await;
            assert_eq!(member_ids(&after.body), sorted(&expected), "{op} {members:?}");
            let changed = member_ids(&before.body) != member_ids(&after.body);
            assert_eq!(
                header(&before, "etag") != header(&after, "etag"),
                changed,
                "{op}: the version"
            );
            if !changed {
                assert_eq!(before.body["meta"], after.body["meta"], "{op}: no change, no new time");
            }
        }
        members_op(&server, &team, "add", &[a, b, c]).await;
        let everyone = server.get(&path).await;
        for bad in [
            json!([{ "op": "add", "path": "members", "value": [{ "value": d }, { "value": "nobody" }] }]),
            json!([{ "op": "remove", "path": format!("members[value eq \"{a}\"]") },
                   { "op": "add", "path": "members", "value": [{ "display": "no value" }] }]),
            json!([{ "op": "replace", "path": "members", "value": [{ "value": team.as_str() }] }]),
            json!([{ "op": "replace", "path": format!("members[value eq \"{a}\"].value"), "value": d }]),
            json!([{ "op": "add", "path": "members", "value": "text" }]),
        ] {
            let answer = server.patch(&path, &patch_op(&bad)).await;
            assert_error(&answer, 400, &["invalidValue", "mutability"], &bad.to_string());
            assert_eq!(server.get(&path).await.body, everyone.body, "{bad}: all or nothing");
        }
    }
}

#[tokio::test]
async fn groups_cannot_contain_themselves() {
    for server in servers().await {
        let inner = group(&server, "inner", &[]).await;
        let outer = group(&server, "outer", &[&inner]).await;
        for (id, member) in [(&inner, &inner), (&inner, &outer), (&outer, &outer)] {
            let answer = members_op(&server, id, "add", &[member]).await;
            assert_error(&answer, 400, &["invalidValue"], "a circle");
            let body =
                json!({ "schemas": [GROUP], "displayName": "x", "members": [{ "value": member }] });
            let answer = server.put(&format!("/Groups/{id}"), &body).await;
            assert_error(&answer, 400, &["invalidValue"], "a circle by PUT");
        }
        assert_eq!(member_ids(&server.get(&format!("/Groups/{inner}")).await.body), [""; 0]);
    }
}

#[tokio::test]
async fn members_are_found_and_listed() {
    for server in servers().await {
        let (ada, bob) = (user(&server, "ada").await, user(&server, "bob").await);
        let contact = json!({
            "schemas": ["urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact"], "displayName": "Carol",
        });
        let carol = made(&server, "/Contacts", &contact).await["id"].as_str().unwrap().to_owned();
        let one = group(&server, "one", &[&ada, &carol]).await;
        let two = group(&server, "two", &[&ada, &bob]).await;
        for (filter, found) in [
            (format!("members eq \"{ada}\""), vec![&one, &two]),
            (format!("members.value eq \"{bob}\""), vec![&two]),
            (format!("members[value eq \"{carol}\"]"), vec![&one]),
            (format!("members[value eq \"{carol}\" and type eq \"Contact\"]"), vec![&one]),
            (format!("members[value eq \"{carol}\" and type eq \"User\"]"), vec![]),
            (format!("members[value eq \"{ada}\"] and members[value eq \"{bob}\"]"), vec![&two]),
            (format!("not (members.value eq \"{bob}\")"), vec![&one]),
            ("members.display eq \"Carol\"".to_owned(), vec![&one]),
            ("members pr".to_owned(), vec![&one, &two]),
            ("members eq \"nobody\"".to_owned(), vec![]),
            (format!("id eq \"{one}\" and members eq \"{ada}\""), vec![&one]),
        ] {
            let list =
                server.get(&format!("/Groups?filter={}&attributes=id", encode(&filter))).await;
            assert_eq!(list.status, 200, "{filter}: {}", list.text);
            let mut expected: Vec<&str> = found.into_iter().map(String::as_str).collect();
            expected.sort_unstable();
            let mut ids = listed_ids(&list.body);
            ids.sort_unstable();
            assert_eq!(ids, expected, "{filter}");
        }
        let shown = server.get(&format!("/Groups/{one}")).await.body;
        let carol_shown = shown["members"]
            .as_array()
            .unwrap()
            .iter()
            .find(|m| m["value"] == carol.as_str())
            .unwrap();
        assert_eq!(
            *carol_shown,
            json!({
                "value": carol, "$ref": format!("{BASE}/Contacts/{carol}"), "display": "Carol", "type": "Contact",
            })
        );
        server.delete(&format!("/Contacts/{carol}")).await;
        assert_eq!(member_ids(&server.get(&format!("/Groups/{one}")).await.body), [ada.as_str()]);
    }
}

/// A reference is the same in each of its forms, in the brackets of a path and in a filter.
#[tokio::test]
async fn members_are_selected_by_their_references() {
    for server in servers().await {
        let ada = user(&server, "ada").await;
        let bob = user(&server, "bob").await;
        let eve = user(&server, "eve").await;
        let forms =
            |id: &str| ["", "/", "../", &format!("{BASE}/")].map(|f| format!("{f}Users/{id}"));
        for form in forms(&ada) {
            let team = group(&server, "team", &[&ada, &bob, &eve]).await;
            let path = format!("/Groups/{team}");
            for filter in
                [format!("members.$ref eq \"{form}\""), format!("members[$ref eq \"{form}\"]")]
            {
                let list = server.get(&format!("/Groups?filter={}", encode(&filter))).await;
                assert_eq!(listed_ids(&list.body), [team.as_str()], "{filter}: {}", list.text);
            }
            let removal = |form: &str| {
                patch_op(
                    &json!([{ "op": "remove", "path": format!("members[$ref eq \"{form}\"]") }]),
                )
            };
            assert_eq!(server.patch(&path, &removal(&form)).await.status, 204);
            let mut left = vec![bob.as_str(), eve.as_str()];
            left.sort_unstable();
            assert_eq!(member_ids(&server.get(&path).await.body), left, "{form}");
            // References to elsewhere, and to nobody, select nobody.
            for other in [
                format!("https://elsewhere.test/scim/v2/Users/{bob}"),
                format!("Groups/{bob}"),
                bob.clone(),
            ] {
                assert_eq!(server.patch(&path, &removal(&other)).await.status, 204);
                assert_eq!(member_ids(&server.get(&path).await.body), left, "{other}");
            }
            let several = format!("members[$ref ew \"{bob}\" or $ref eq \"Users/{eve}\"]");
            let several = patch_op(&json!([{ "op": "remove", "path": several }]));
            assert_eq!(server.patch(&path, &several).await.status, 204);
            assert_eq!(server.get(&path).await.body.get("members"), None);
            let all_but = patch_op(&json!([
                { "op": "add", "path": "members", "value": [{ "value": ada }, { "value": bob }] },
                { "op": "remove", "path": format!("members[not ($ref eq \"{form}\")]") }]));
            assert_eq!(server.patch(&path, &all_but).await.status, 204);
            assert_eq!(member_ids(&server.get(&path).await.body), [ada.as_str()]);
            assert_eq!(server.delete(&path).await.status, 204);
        }
        // What is stored relative is found by its absolute form too.
        let manager = patch_op(&json!([{ "op": "add", "path": format!("{ENTERPRISE}:manager"),
            "value": { "value": ada, "$ref": format!("../Users/{ada}") } }]));
        assert_eq!(server.patch(&format!("/Users/{bob}"), &manager).await.status, 200);
        for form in forms(&ada) {
            let filter = format!("{ENTERPRISE}:manager.$ref eq \"{form}\"");
            let list = server.get(&format!("/Users?filter={}", encode(&filter))).await;
            assert_eq!(listed_ids(&list.body), [bob.as_str()], "{filter}: {}", list.text);
        }
    }
}

/// Groups that a bulk request has made contain each other can be read and sent back; only a new cycle is refused.
#[tokio::test]
async fn a_circular_group_can_be_put_as_it_was_read() {
    for server in servers().await {
        let operation = |name: &str, other: &str| {
            json!({
                "method": "POST", "path": "/Groups", "bulkId": name,
                "data": { "schemas": [GROUP], "displayName": name, "members": [{ "value": format!("bulkId:{other}") }] }
            })
        };
        let bulk = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [operation("a", "b"), operation("b", "a")]
        });
        let made = server.post("/Bulk", &bulk).await;
        let location = made.body["Operations"][0]["location"].as_str().unwrap();
        let path = format!("/Groups/{}", location.rsplit('/').next().unwrap());
        let body = server.get(&path).await.body;
        assert_eq!(body["members"].as_array().unwrap().len(), 1, "{body}");
        let put = server.put(&path, &body).await;
        assert_eq!(put.status, 200, "{}", put.text);
        assert_eq!(put.body["members"], body["members"]);
        let itself =
            json!({ "schemas": [GROUP], "displayName": "a", "members": [{ "value": body["id"] }] });
        assert_eq!(server.put(&path, &itself).await.status, 400, "a new cycle");
    }
}

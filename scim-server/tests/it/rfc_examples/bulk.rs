//! The examples of RFC 7644 section 3.7.

use serde_json::{Value, json};

use super::{assert_like, example, with_ids};
use crate::harness::{Answer, TestServer, encode};
use crate::support::{BASE, ENTERPRISE, listed_ids, profiles, user};

#[tokio::test]
async fn bulk_with_references() {
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        let answer =
            server.post("/Bulk", &example("rfc7644-3.7.1-bulk-circular-groups-request")).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert_statuses(&answer, &["201", "201"]);
        let filter = encode("displayName sw \"Group \"");
        let list = server.get(&format!("/Groups?filter={filter}&sortBy=displayName")).await;
        let ids: Vec<&str> = listed_ids(&list.body);
        let theirs =
            ["c3a26dd3-27a0-4dec-a2ac-ce211e105f97", "6c5bb468-14b2-4183-baf2-06d523e03bd3"];
        let ids: Vec<_> = theirs.into_iter().zip(ids).collect();
        assert_like(
            &with_ids("rfc7644-3.7.1-circular-groups-list-response", &ids),
            &list.body,
            "3.7.1",
        );

        let answer =
            server.post("/Bulk", &example("rfc7644-3.7.2-bulk-bulkid-user-group-request")).await;
        let mut expected = example("rfc7644-3.7.2-bulk-bulkid-user-group-response");
        // An object with `code` is a leftover of SCIM 1.1 in this one example; section 3.7.3 has a string.
        for operation in expected["Operations"].as_array_mut().unwrap() {
            operation["status"] = operation["status"]["code"].take();
        }
        assert_like(&expected, &answer.body, "3.7.2");
        let located = |i: usize| {
            answer.body["Operations"][i]["location"].as_str().unwrap().strip_prefix(BASE).unwrap()
        };
        let team = server.get(located(1)).await;
        let alice = located(0).strip_prefix("/Users/").unwrap();
        let ids = [("92b725cd-9465-4e7d-8c16-01f8e146b87a", alice)];
        assert_like(
            &with_ids("rfc7644-3.7.2-get-group-after-bulk-response", &ids),
            &team.body,
            "3.7.2",
        );
        server.delete(located(0)).await;

        let answer =
            server.post("/Bulk", &example("rfc7644-3.7.2-bulk-bulkid-manager-request")).await;
        assert_statuses(&answer, &["201", "201"]);
        let located = |i: usize| {
            answer.body["Operations"][i]["location"].as_str().unwrap().strip_prefix(BASE).unwrap()
        };
        let bob = server.get(located(1)).await.body;
        let manager = &bob[ENTERPRISE]["manager"]["value"];
        assert_eq!(
            manager,
            located(0).strip_prefix("/Users/").unwrap(),
            "{name}: Bob's manager is Alice"
        );
    }
}

#[track_caller]
fn assert_statuses(answer: &Answer, expected: &[&str]) {
    let operations =
        answer.body["Operations"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    let statuses: Vec<&str> = operations.iter().map(|o| o["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, expected, "{}", answer.text);
}

#[tokio::test]
async fn bulk_with_errors() {
    const IDS: [&str; 3] = [
        "b7c14771-226c-4d05-8860-134711653041",
        "5d8d29d3-342c-4b5f-8683-a3cb6763ffcc",
        "e9025315-6bea-44e1-899c-1e07454e468b",
    ];
    const VERSIONS: [&str; 3] = ["3694e05e9dff591", "edac3253e2c0ef2", "0ee8add0a938e1a"];
    for (name, profile) in profiles() {
        let server = TestServer::new(profile).await;
        let (mut ids, mut versions) = (Vec::new(), Vec::new());
        for n in 0..3 {
            let id = user(&server, &format!("existing{n}")).await;
            let read = server.get(&format!("/Users/{id}")).await.body;
            versions.push(
                read["meta"]["version"].as_str().unwrap().trim_matches(['W', '/', '"']).to_owned(),
            );
            ids.push(id);
        }
        let theirs = |ours: &[String], names: [&'static str; 3]| -> Vec<(&'static str, String)> {
            names.into_iter().zip(ours.iter().cloned()).collect()
        };
        let ids = theirs(&ids, IDS);
        let current = theirs(&versions, VERSIONS);
        let fill = |pairs: &[(&'static str, String)]| -> Value {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(a, b)| (*a, b.as_str())).collect();
            with_ids("rfc7644-3.7.3-bulk-mixed-request", &pairs)
        };

        // Everything goes wrong: no userName, two stale versions, and a resource that is gone.
        let mut failing = fill(&ids);
        failing.as_object_mut().unwrap().remove("failOnErrors");
        failing["Operations"][0]["data"].as_object_mut().unwrap().remove("userName");
        failing["Operations"][3]["path"] = json!(format!("/Users/{}", IDS[2]));
        let answer = server.post("/Bulk", &failing).await;
        let mut expected = example("rfc7644-3.7.3-bulk-response-all-failed");
        // The RFC calls a missing attribute invalidSyntax here; table 9 has invalidValue for it.
        expected["Operations"][0]["response"]["scimType"] = json!("invalidValue");
        assert_like(&expected, &answer.body, "3.7.3 all failed");

        failing["failOnErrors"] = json!(1);
        let answer = server.post("/Bulk", &failing).await;
        let mut expected = example("rfc7644-3.7.3-bulk-response-stopped-on-first-error");
        expected["Operations"][0]["response"]["scimType"] = json!("invalidValue");
        assert_like(&expected, &answer.body, "3.7.3 stopped on the first error");

        let both: Vec<_> = ids.iter().chain(&current).cloned().collect();
        let answer = server.post("/Bulk", &fill(&both)).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text);
        assert_like(
            &example("rfc7644-3.7.3-bulk-mixed-response-success"),
            &answer.body,
            "3.7.3 success",
        );
        let dave = server.get(&format!("/Users/{}", ids[1].1)).await.body;
        assert_eq!(dave["userName"], "Dave", "{name}");
        assert_eq!(server.get(&format!("/Users/{}", ids[2].1)).await.status, 404, "{name}");
    }
}

//! `sortBy` and `sortOrder`.

use serde_json::{Value, json};

use super::servers;
use crate::harness::TestServer;
use crate::support::{ENTERPRISE, USER, made};

async fn order(server: &TestServer, query: &str) -> Vec<String> {
    let list = server.get(&format!("/Users?{query}")).await;
    assert_eq!(list.status, 200, "{query}: {}", list.text);
    let resources = list.body["Resources"].as_array().unwrap();
    resources.iter().map(|r| r["userName"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn by_any_attribute() {
    for server in servers().await {
        let people: [Value; 5] = [
            json!({ "userName": "u1", "title": "beta", "active": true,
                    "emails": [{ "value": "z@x.example" }, { "value": "a@x.example", "primary": true }],
                    "name": { "familyName": "Ångström" }, ENTERPRISE: { "employeeNumber": "10" } }),
            json!({ "userName": "u2", "title": "Alpha", "active": false,
                    "emails": [{ "value": "m@x.example" }], "name": { "familyName": "Zuse" } }),
            json!({ "userName": "u3", "active": true, "emails": [{ "value": "b@x.example" }],
                    ENTERPRISE: { "employeeNumber": "9" } }),
            json!({ "userName": "u4", "title": "ALPHA", "active": false }),
            json!({ "userName": "u5", "title": "gamma", "active": true, "name": { "familyName": "adams" } }),
        ];
        for mut person in people {
            person["schemas"] = json!([USER, ENTERPRISE]);
            made(&server, "/Users", &person).await;
        }
        // Those without a value come last when ascending and first when descending; equals stand in the order of ids,
        // which is that of their creation.
        for (by, ascending) in [
            ("userName", ["u1", "u2", "u3", "u4", "u5"]),
            ("title", ["u2", "u4", "u1", "u5", "u3"]),
            ("TITLE", ["u2", "u4", "u1", "u5", "u3"]),
            ("active", ["u2", "u4", "u1", "u3", "u5"]),
            ("emails", ["u1", "u3", "u2", "u4", "u5"]),
            ("emails.value", ["u1", "u3", "u2", "u4", "u5"]),
            ("meta.created", ["u1", "u2", "u3", "u4", "u5"]),
            (
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
                ["u1", "u3", "u2", "u4", "u5"],
            ),
        ] {
            assert_eq!(order(&server, &format!("sortBy={by}")).await, ascending, "{by}");
            assert_eq!(
                order(&server, &format!("sortBy={by}&sortOrder=ascending")).await,
                ascending,
                "{by}"
            );
            let mut descending = ascending;
            descending.reverse();
            assert_eq!(
                order(&server, &format!("sortBy={by}&sortOrder=DESCENDING")).await,
                descending,
                "{by}"
            );
        }
        let by_family = order(&server, "sortBy=name.familyName").await;
        assert_eq!(
            (by_family[0].as_str(), &by_family[3..]),
            ("u5", &["u3".to_owned(), "u4".to_owned()][..])
        );
        // What cannot be sorted by is ignored: the order is that of the ids.
        for by in ["password", "nosuch", "name"] {
            assert_eq!(
                order(&server, &format!("sortBy={by}")).await,
                ["u1", "u2", "u3", "u4", "u5"],
                "{by}"
            );
        }
        let answer = server.get("/Users?sortBy=userName&sortOrder=sideways").await;
        crate::support::assert_error(&answer, 400, &["invalidValue"], "sideways");
    }
}

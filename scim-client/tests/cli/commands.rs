//! Each command, its answer and its exit code.

use serde_json::{Value, json};

use crate::help::{run, run_with, server, user};

#[test]
fn one_life() {
    let server = server();
    let made =
        run_with(&server, &["create", "user", "-"], r#"{"userName":"ada","title":"Dr"}"#).json();
    let id = made["id"].as_str().unwrap();
    assert_eq!(made["schemas"], json!(["urn:ietf:params:scim:schemas:core:2.0:User"]));
    assert_eq!(run(&server, &["get", "users", id]).json()["title"], "Dr");

    let set = [
        "patch",
        "user",
        id,
        "--set",
        "active=false",
        "--set",
        "name.familyName=King",
        "--remove",
        "title",
    ];
    let patched = run(&server, &set).json();
    assert_eq!(
        (&patched["active"], &patched["name"]["familyName"]),
        (&json!(false), &json!("King"))
    );
    assert_eq!(patched.get("title"), None);

    let version = patched["meta"]["version"].as_str().unwrap();
    let state =
        r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada.king"}"#;
    let replace = ["replace", "user", id, "-", "--if-match", version];
    let replaced = run_with(&server, &replace, state).json();
    assert_eq!((&replaced["userName"], replaced.get("name")), (&json!("ada.king"), None));
    run_with(&server, &replace, state).failed(1, "412");

    assert_eq!(run(&server, &["delete", "user", id]).done(), "");
    run(&server, &["get", "user", id]).failed(1, "404");
    run(&server, &["delete", "user", id]).failed(1, id);
}

#[test]
fn several_at_once_and_one_refused() {
    let server = server();
    let input = r#"{"userName":"ada"} {"userName":"charles"}
        [{"userName":"ADA"},{"userName":"mary"}]"#;
    let ran = run_with(&server, &["create", "users", "--format", "jsonl"], input);
    assert!(ran.stderr.contains("standard input, number 3"), "{ran:?}");
    let stdout = ran.failed(1, "uniqueness");
    let made: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = made.iter().map(|user| user["userName"].as_str().unwrap()).collect();
    assert_eq!(names, ["ada", "charles", "mary"]);

    let first = made[0]["id"].as_str().unwrap();
    let read = run(&server, &["get", "user", first, "nobody", "-f", "csv", "-c", "userName,id"]);
    assert_eq!(read.failed(1, "nobody: "), format!("userName,id\nada,{first}\n"));
    run(&server, &["delete", "user", "nobody", first]).failed(1, "nobody: ");
    run(&server, &["get", "user", first]).failed(1, "404");
}

#[test]
fn lists_and_searches() {
    let server = server();
    for name in ["ada", "adele", "charles"] {
        user(&server, name);
    }
    let filter = ["--filter", r#"userName sw "ad""#];
    let listed = run(&server, &["list", "users", filter[0], filter[1], "--page-size", "1"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let sorted = [
        "--sort-by",
        "userName",
        "--descending",
        "--limit",
        "2",
        "--attributes",
        "userName",
        "--format",
        "csv",
    ];
    let csv = run(&server, &[&["list", "User"], &sorted[..]].concat()).done();
    let names: Vec<&str> = csv.lines().map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(names, ["userName", "charles", "adele"]);
    let found = run(&server, &["search", "users", filter[0], filter[1]]).json();
    assert_eq!(found.as_array().unwrap().len(), 2);
    let all = run(&server, &["search", "--filter", r#"displayName co "the user""#]).json();
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(run(&server, &["list", "groups"]).json(), json!([]));
    run(&server, &["list", "users", "--filter", "userName xx 1"]).failed(2, "userName xx 1");
    run(&server, &["list", "unicorns"]).failed(2, "404");
}

#[test]
fn differences_become_patches() {
    let server = server();
    let id = user(&server, "ada");
    let folder = tempfile::tempdir().unwrap();
    let (path, place) = (folder.path().join("ada.json"), format!("users/{id}"));
    let path = path.to_str().unwrap();
    let mut wanted = run(&server, &["get", "user", &id]).json();
    wanted["title"] = json!("Countess");
    wanted["id"] = json!("ignored");
    std::fs::write(path, wanted.to_string()).unwrap();

    let ran = run(&server, &["diff", &place, path]);
    assert_eq!(ran.stderr, "title: \"Countess\" added\n");
    let patch = ran.done();
    assert_eq!(
        serde_json::from_str::<Value>(&patch).unwrap()["Operations"],
        json!([{"op": "add", "path": "title", "value": "Countess"}])
    );
    let table = run(&server, &["diff", &place, path, "--format", "csv"]).done();
    assert_eq!(table, "path,before,after\ntitle,,Countess\n");
    run_with(&server, &["patch", "user", &id, "-"], &patch).done();
    let ran = run(&server, &["diff", &place, path]);
    assert_eq!(ran.stderr, "nothing differs\n");

    // Files alone need no server.
    let other = folder.path().join("other.json");
    std::fs::write(&other, r#"{"userName":"x"}"#).unwrap();
    let mut command = crate::help::bare();
    command.args(["diff", other.to_str().unwrap(), path]);
    let patch = crate::help::finish(&mut command, "").json();
    assert_eq!(patch["Operations"].as_array().unwrap().len(), 4, "{patch}");
    run(&server, &["diff", &place, "users/nobody"]).failed(1, "404");
}

#[test]
fn bulk_from_messages_and_operations() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let message = folder.path().join("message.json");
    let create = |name: &str, bulk_id: &str| {
        json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name}})
    };
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [create("ada", "a"), create("charles", "b")]});
    std::fs::write(&message, body.to_string()).unwrap();
    let group = json!({"method": "POST", "path": "/Groups", "bulkId": "g", "data": {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Engines",
        "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}]}});
    let input = format!("{group}\n{}", create("ADA", "c"));
    let ran = run_with(&server, &["bulk", message.to_str().unwrap(), "-"], &input);
    assert!(ran.stderr.contains("operation 4: POST /Users"), "{ran:?}");
    let rows: Value = serde_json::from_str(&ran.failed(1, "uniqueness")).unwrap();
    let outcomes: Vec<&str> =
        rows.as_array().unwrap().iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["done", "done", "done", "refused"]);
    let groups = run(&server, &["list", "groups"]).json();
    assert_eq!(groups[0]["members"].as_array().unwrap().len(), 2);
    let remove = json!({"method": "DELETE", "path": format!("/Groups/{}", groups[0]["id"].as_str().unwrap())});
    run_with(&server, &["bulk"], &remove.to_string()).done();
    assert_eq!(run(&server, &["list", "groups"]).json(), json!([]));
}

#[test]
fn what_a_server_is() {
    let server = server();
    let all = run(&server, &["discover"]).json();
    assert_eq!(all["ServiceProviderConfig"]["patch"]["supported"], true);
    assert!(all["Schemas"].as_array().unwrap().len() >= 3);
    let types = run(&server, &["discover", "types", "--format", "csv"]).done();
    assert!(types.contains("User,/Users,urn:ietf:params:scim:schemas:core:2.0:User"), "{types}");
    let table = run(&server, &["profile", "show"]).done();
    assert!(table.contains("announced") && table.contains("patch"), "{table}");
    let csv = run(&server, &["--target", "aws", "profile", "show", "--format", "csv"]).done();
    assert!(csv.contains(",profile,"), "{csv}");
    // The token of these tests stands for no user.
    run(&server, &["me"]).failed(1, "/Me");
}

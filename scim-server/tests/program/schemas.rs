//! Schema files: stored data outlives the file that registered it.

use std::path::Path;

use serde_json::{Value, json};
use testkit::Server;

use super::*;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const BADGE: &str = "urn:example:scim:Badge";

fn schema_file(folder: &Path) -> String {
    let file = folder.join("badges.json");
    let text = json!({
        "schemas": [
            { "id": BADGE, "attributes": [{ "name": "serial" }, { "name": "room" }] },
            { "id": "urn:example:scim:Door", "attributes": [{ "name": "name", "required": true }] },
        ],
        "resourceTypes": [
            { "name": "Door", "endpoint": "/Doors", "schema": "urn:example:scim:Door" },
        ],
        "extensions": { "User": [{ "schema": BADGE }] },
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file.display().to_string()
}

fn body(name: &str) -> Value {
    json!({ "schemas": [USER], "userName": name })
}

fn patch(path: &str, value: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{ "op": "replace", "path": path, "value": value }],
    })
}

#[test]
fn data_of_schemas_that_are_not_registered_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = schema_file(folder.path());
    let plain = launch().data(folder.path().join("data"));
    let with = plain.clone().args(&["--schemas", &file]);

    let server = with.start();
    let client = server.client();
    let ids: Vec<String> = ["put", "patched", "bulk", "deleted"]
        .iter()
        .map(|name| {
            let mut user = body(name);
            user[BADGE] = json!({ "serial": name, "room": "r" });
            let made = client.post("/Users", &user).expect(201);
            made["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let door = json!({ "schemas": ["urn:example:scim:Door"], "name": "north" });
    let door = client.post("/Doors", &door).expect(201)["id"].as_str().unwrap().to_owned();
    assert!(server.stop(SOON).success());

    let server: Server = plain.start();
    let client = server.client();
    let warned = server.logged(BADGE, SOON);
    assert!(warned.contains("WARN") && warned.contains("4 stored resources"), "{warned}");
    let warned = server.logged("type Door", SOON);
    assert!(warned.contains("WARN") && warned.contains("1 stored resource"), "{warned}");
    let ready = client.at("").anonymous().get("/health/ready");
    assert_eq!(ready.status, 200, "{}", ready.text());
    let verified = run(&folder.path().join("data"), &["verify"]);
    assert_eq!(said(&verified).trim(), "everything is whole");
    let notes = String::from_utf8_lossy(&verified.stderr).into_owned();
    assert!(notes.contains(BADGE) && notes.contains("Door"), "{notes}");

    // Not shown, so that what is read can be sent back in either profile.
    let shown = client.get(&format!("/Users/{}", ids[0])).expect(200);
    assert!(shown.get(BADGE).is_none() && shown["schemas"] == json!([USER]), "{shown}");
    assert_eq!(client.get(&format!("/Doors/{door}")).status, 404);
    let mut changed = shown.clone();
    changed["displayName"] = json!("P");
    let _ = client.put(&format!("/Users/{}", ids[0]), &changed).expect(200);
    let path = format!("/Users/{}", ids[1]);
    let _ = client.patch(&path, &patch("displayName", "P")).expect(200);
    let _ = client.patch(&path, &patch(&format!("{BADGE}:room"), "x")).expect(400);
    let bulk = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
        "Operations": [
            { "method": "PUT", "path": format!("/Users/{}", ids[2]), "data": body("bulk2") },
            { "method": "PATCH", "path": format!("/Users/{}", ids[2]),
              "data": patch("displayName", "P") },
        ],
    });
    let answer = client.post("/Bulk", &bulk).expect(200);
    assert!(
        answer["Operations"].as_array().unwrap().iter().all(|o| o["status"] == "200"),
        "{answer}"
    );
    assert_eq!(client.delete(&format!("/Users/{}", ids[3])).status, 204);
    assert!(server.stop(SOON).success());

    let server = with.start();
    let client = server.client();
    for (id, serial, name) in
        [(&ids[0], "put", "put"), (&ids[1], "patched", "patched"), (&ids[2], "bulk", "bulk2")]
    {
        let user = client.get(&format!("/Users/{id}")).expect(200);
        assert_eq!(user[BADGE], json!({ "serial": serial, "room": "r" }), "{user}");
        assert_eq!(user["schemas"], json!([USER, BADGE]));
        assert_eq!((&user["userName"], &user["displayName"]), (&json!(name), &json!("P")));
    }
    assert_eq!(client.get(&format!("/Users/{}", ids[3])).status, 404);
    assert_eq!(client.get(&format!("/Doors/{door}")).expect(200)["name"], "north");
    assert!(!server.stderr().contains("not registered"), "{}", server.stderr());
}

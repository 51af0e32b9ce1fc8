//! Export and import of a whole directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::help::{finish, run, run_with, scim, server};
use testkit::server::TOKEN;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const CONTACT: &str = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:Contact";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Users with managers in a circle, contacts, nested groups in a circle, unicode: references forwards and backwards.
fn directory() -> Vec<Value> {
    let mut lines = Vec::new();
    for number in 0..12 {
        let mut user = testkit::people::user(number);
        user["id"] = json!(format!("u{number}"));
        user[ENTERPRISE]["manager"] =
            json!({"value": format!("u{}", (number + 1) % 12), "displayName": "not mine to write"});
        lines.push(user);
    }
    lines.push(json!({"schemas": [USER], "id": "ünïcode/?#", "userName": "光.ada@example.org",
        "displayName": "Àdá 👩‍💻 Løvelace", "title": "a\u{2028}b\\\"c", "groups": [{"value": "g1"}],
        "meta": {"resourceType": "User", "version": "W/\"77\""}}));
    for number in 0..3 {
        let mut contact = testkit::people::contact(number);
        contact["id"] = json!(format!("c{number}"));
        contact["manager"] = json!({"value": if number == 0 { "c1" } else { "u3" }});
        lines.push(contact);
    }
    for (id, members) in [
        ("g1", vec!["u0", "u1", "g2", "ünïcode/?#"]),
        ("g2", vec!["u1", "c0", "g3"]),
        ("g3", vec![]),
    ] {
        let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
        lines.push(json!({"schemas": [GROUP], "id": id, "displayName": format!("Group {id}"), "members": members}));
    }
    lines
}

fn text(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A directory as it is but for ids and meta: references by the names of what they refer to.
fn comparable(export: &str) -> Vec<Value> {
    let mut lines: Vec<Value> =
        export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let name = |line: &Value| {
        let name = line.get("userName").or_else(|| line.get("displayName")).unwrap();
        name.as_str().unwrap().to_owned()
    };
    let names: BTreeMap<String, String> =
        lines.iter().map(|line| (line["id"].as_str().unwrap().to_owned(), name(line))).collect();
    for line in &mut lines {
        rename(line, &names);
    }
    lines.sort_by_key(|line| name(line));
    lines
}

fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Object(object) => {
            for key in ["id", "meta", "$ref"] {
                object.remove(key);
            }
            if let Some(name) = object.get("value").and_then(|v| names.get(v.as_str()?)).cloned() {
                object.insert("value".to_owned(), json!(name));
            }
            object.values_mut().for_each(|value| rename(value, names));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| rename(item, names));
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
}

fn count(export: &str) -> usize {
    export.lines().count()
}

#[test]
fn a_directory_comes_back_as_it_was() {
    let (first, second) = (server(), server());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.jsonl");
    fs::write(&file, text(&directory())).unwrap();
    let file = file.to_str().unwrap();

    let dry = run(&first, &["import", file, "--dry-run"]);
    assert!(dry.stderr.contains("would create 3 Contacts, 3 Groups, 13 Users"), "{dry:?}");
    dry.done();
    assert_eq!(run(&first, &["export"]).done(), "");

    let ran = run(&first, &["import", file]);
    assert!(ran.stderr.contains("created 3 Contacts, 3 Groups, 13 Users"), "{ran:?}");
    assert_eq!(ran.done(), "");
    assert!(!Path::new(&format!("{file}.import-state")).exists());

    let export = run(&first, &["export", "--page-size", "5"]).done();
    let read = comparable(&export);
    // What came in is there: managers and members by name, and what only the server writes is its own.
    let find = |name: &str| {
        let named =
            |line: &&Value| [&line["userName"], &line["displayName"]].contains(&&json!(name));
        read.iter().find(named).unwrap()
    };
    let ada = find(&testkit::people::user_name(11));
    assert_eq!(ada[ENTERPRISE]["manager"]["value"], testkit::people::user_name(0));
    let unicode = find("光.ada@example.org");
    assert_eq!(unicode["displayName"], "Àdá 👩‍💻 Løvelace");
    assert_eq!(unicode["title"], "a\u{2028}b\\\"c");
    assert_eq!(unicode["groups"][0]["value"], "Group g1");
    let members = |group: &str| {
        let members = find(group)["members"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> =
            members.iter().map(|m| m["value"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    let mut wanted = [
        testkit::people::user_name(0),
        testkit::people::user_name(1),
        "Group g2".to_owned(),
        "光.ada@example.org".to_owned(),
    ];
    wanted.sort();
    assert_eq!(members("Group g1"), wanted);
    assert_eq!(members("Group g2").len(), 3);
    // Users first, groups last.
    let kinds: Vec<String> = export
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["meta"]["resourceType"].as_str().unwrap().to_owned()
        })
        .collect();
    let mut sorted = kinds.clone();
    sorted.dedup();
    assert_eq!(sorted, ["User", "Contact", "Group"]);

    // From one server to the other, by a pipe.
    run_with(&second, &["import", "-", "--jobs", "1"], &export).done();
    let output = folder.path().join("second.jsonl");
    run(&second, &["export", "--output", output.to_str().unwrap()]).done();
    assert_eq!(comparable(&fs::read_to_string(&output).unwrap()), read);
    let only = run(&second, &["export", "groups"]).done();
    assert_eq!(count(&only), 3);
}

#[test]
fn groups_in_a_circle_and_groups_first() {
    let server = server();
    let lines = [
        json!({"schemas": [GROUP], "id": "all", "displayName": "All", "members": [{"value": "ada"}, {"value": "some"}]}),
        json!({"meta": {"resourceType": "User"}, "id": "ada", "userName": "ada"}),
        json!({"schemas": [GROUP], "id": "some", "displayName": "Some", "members": [{"$ref": "https://old.example/v2/Users/ada"}]}),
    ];
    run_with(&server, &["import", "-"], &text(&lines)).done();
    let groups = run(&server, &["list", "groups", "--sort-by", "displayName"]).json();
    let sizes: Vec<usize> = groups
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["members"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [2, 1]);
}

#[test]
fn refused_lines_are_named_and_the_others_go_on() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.jsonl");
    let user = |id: &str, name: &str| json!({"schemas": [USER], "id": id, "userName": name});
    let mut lines: Vec<String> = [
        user("1", "ada"),
        user("2", "ADA"),
        json!({"schemas": [USER], "id": "3"}),
        user("1", "again"),
        json!({"schemas": ["urn:example:unicorn"], "id": "4"}),
        json!({"schemas": [GROUP], "id": "5", "displayName": "All", "members": [{"value": "1"}, {"value": "2"}, {"value": "nobody"}]}),
    ]
    .map(|line| line.to_string())
    .into();
    lines.push("{no json".to_owned());
    lines.push(user("8", "charles").to_string());
    fs::write(&file, lines.join("\n")).unwrap();
    let path = file.to_str().unwrap();
    // One after the other: of two lines with one name, the first is to win.
    let ran = run(&server, &["import", path, "--jobs", "1"]);
    for says in [
        "line 2: POST /Users: 409 Conflict uniqueness",
        "line 3: POST /Users: 400",
        "line 4: its id 1 is that of line 1 too",
        "line 5: it does not say its type",
        "line 6: members: it refers to 2, and line 2 was not created",
        "line 6: members: nobody: ",
        "line 7: ",
        "6 lines refused",
    ] {
        assert!(ran.stderr.contains(says), "{says}: {ran:#?}");
    }
    assert_eq!(ran.failed(1, "go on with --resume"), "");
    assert_eq!(run(&server, &["list", "users"]).json().as_array().unwrap().len(), 2);

    // A second one by mistake changes nothing; mended lines are done when it goes on.
    run(&server, &["import", path]).failed(2, "--resume");
    lines[1] = user("2", "adele").to_string();
    lines[2] = user("3", "mary").to_string();
    lines[3] = user("4", "again").to_string();
    lines[4].clear();
    lines[5] = lines[5].replace(r#",{"value":"nobody"}"#, "");
    lines[6].clear();
    fs::write(&file, lines.join("\n")).unwrap();
    let ran = run(&server, &["import", path, "--resume"]);
    assert!(ran.stderr.contains("created 3 Users; 3 were there from before"), "{ran:#?}");
    ran.done();
    let groups = run(&server, &["list", "groups"]).json();
    assert_eq!(groups.as_array().unwrap().len(), 1);
    assert_eq!(groups[0]["members"].as_array().unwrap().len(), 2);
    assert!(!folder.path().join("people.jsonl.import-state").exists());
}

/// Cuts an import off after each of its steps, and goes on.
#[test]
fn an_interrupted_import_goes_on_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.jsonl");
    let mut lines = directory();
    // Two groups of the same name are two groups.
    lines.push(json!({"schemas": [GROUP], "id": "g4", "displayName": "Group g3"}));
    fs::write(&file, text(&lines)).unwrap();
    let path = file.to_str().unwrap();
    let state = folder.path().join("directory.jsonl.import-state");
    // With a line that is refused the state stays, to be cut.
    let bad = format!("{}{}\n", text(&lines), json!({"schemas": [USER], "id": "bad"}));
    for keep in [2, 9, 20, 31, 38, 41] {
        let server = server();
        fs::write(&file, &bad).unwrap();
        run(&server, &["import", path, "--jobs", "3"]).failed(1, "1 line refused");
        let steps = fs::read_to_string(&state).unwrap();
        assert!(steps.lines().count() > 41, "{steps}");
        // The answers to what was begun by then are lost: all lines were in fact created.
        let begun = steps.lines().filter(|line| line.contains("begun"));
        let known = steps.lines().take(keep).filter(|line| !line.contains("begun"));
        let cut: Vec<&str> = steps.lines().take(1).chain(begun).chain(known.skip(1)).collect();
        fs::write(&state, format!("{}\n{{\"made\":{{\"li", cut.join("\n"))).unwrap();
        fs::write(&file, text(&lines)).unwrap();
        let ran = run(&server, &["import", path, "--resume"]);
        assert!(
            ran.stderr.contains("created nothing; 20 were there from before"),
            "{keep}: {ran:#?}"
        );
        ran.done();
        let export = run(&server, &["export"]).done();
        assert_eq!(count(&export), 20, "{keep}");
    }
}

#[test]
fn without_a_state_lines_are_looked_up() {
    let server = server();
    let lines = text(&directory());
    let some: String = lines.lines().take(5).map(|line| format!("{line}\n")).collect();
    run_with(&server, &["import", "-"], &some).done();
    let ran = run_with(&server, &["import", "-", "--resume"], &lines);
    assert!(ran.stderr.contains("5 were there from before"), "{ran:#?}");
    ran.done();
    assert_eq!(count(&run(&server, &["export"]).done()), 19);
    let again = run_with(&server, &["import", "-", "--resume"], &lines);
    assert!(again.stderr.contains("created nothing; 19 were there"), "{again:#?}");
    again.done();
    let contact = json!({"schemas": [CONTACT], "id": "x", "name": {"givenName": "N"}});
    run_with(&server, &["import", "-", "--resume"], &contact.to_string()).failed(1, "line 1: ");
}

#[test]
fn a_server_that_goes_away_leaves_a_state_to_go_on_from() {
    let first = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.jsonl");
    fs::write(&file, text(&directory())).unwrap();
    let path = file.to_str().unwrap();
    let mut gone = scim(&first, &["import", path]);
    gone.env("SCIM_TOKEN", format!("{TOKEN}x"));
    finish(&mut gone, "").failed(2, "SCIM_TOKEN");
    let elsewhere = server();
    fs::write(
        folder.path().join("directory.jsonl.import-state"),
        format!("{}\n", json!({"target": {"url": elsewhere.url()}})),
    )
    .unwrap();
    run(&first, &["import", path, "--resume"]).failed(2, "was begun at");
    run(&elsewhere, &["import", path, "--resume"]).done();
    run(&first, &["import", "/nonexistent/file"]).failed(2, "/nonexistent/file");
}

/// Contacts, which a server does not keep from being created twice.
#[test]
fn a_killed_import_goes_on() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("contacts.jsonl");
    let contact = |number: usize| {
        let mut contact = testkit::people::contact(number);
        contact["id"] = json!(format!("c{number}"));
        contact["manager"] = json!({"value": format!("c{}", (number + 7) % 1000)});
        contact
    };
    fs::write(&file, text(&(0..1000).map(contact).collect::<Vec<_>>())).unwrap();
    let path = file.to_str().unwrap();
    let state = format!("{path}.import-state");
    let mut child = scim(&server, &["import", path, "--jobs", "8"]).spawn().unwrap();
    testkit::poll::until(Duration::from_secs(20), || {
        let steps = fs::read_to_string(&state).unwrap_or_default().lines().count();
        if steps > 100 { Ok(()) } else { Err(format!("{steps} steps")) }
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(Path::new(&state).exists(), "it was over before it was killed");
    let ran = run(&server, &["import", path, "--resume"]);
    assert!(ran.stderr.contains("were there from before"), "{ran:#?}");
    ran.done();
    let export = run(&server, &["export"]);
    assert_eq!(export.stderr, "");
    let read = comparable(&export.done());
    assert_eq!(read.len(), 1000);
    assert!(
        read.iter()
            .all(|contact| contact["manager"]["value"].as_str().unwrap().contains("contact"))
    );
}

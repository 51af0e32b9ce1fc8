//! The commands beside `serve`, mostly while a server runs on the same folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};
use testkit::{Server, people, poll};

use super::*;

fn folder(server: &Server) -> PathBuf {
    server.launch().data_dir().to_owned()
}

#[test]
fn tokens_beside_a_running_server() {
    let server = launch().start();
    let data = folder(&server);
    let made = run(&data, &["token", "create", "--name", "entra", "--scope", "read"]);
    let token = said(&made).trim().to_owned();
    assert!(token.starts_with("scim_") && !token.contains(char::is_whitespace), "{token}");
    assert!(
        !String::from_utf8_lossy(&made.stderr).contains(&token),
        "the token is on both streams"
    );
    let client = server.client().with_token(&token);
    assert_eq!(client.get("/Users").status, 200);
    assert_eq!(client.post("/Users", &people::user(1)).status, 403);

    let list = said(&run(&data, &["token", "list"]));
    let row = list.lines().find(|line| line.contains("entra")).unwrap_or_else(|| panic!("{list}"));
    let id = row.split_whitespace().next().unwrap();
    assert!(token.contains(id), "{row}");
    assert!(row.contains("live") && row.contains("read") && !row.contains("write"), "{row}");
    assert!(!list.contains(token.split('_').nth(2).unwrap()), "the list shows the secret: {list}");

    let revoked = said(&run(&data, &["token", "revoke", id]));
    assert!(revoked.contains(id), "{revoked}");
    poll::until(Duration::from_secs(6), || match client.get("/Users").status {
        401 => Ok(()),
        status => Err(format!("a revoked token is answered {status}")),
    });
    let list = said(&run(&data, &["token", "list", "--tenant", "default"]));
    assert!(list.lines().any(|line| line.contains(id) && line.contains("revoked")), "{list}");
    let (code, sentence) = refused(&run(&data, &["token", "revoke", id]));
    assert_eq!(code, 1, "{sentence}");
    assert!(sentence.contains(id), "{sentence}");
    let (_, sentence) = refused(&run(&data, &["token", "revoke", "no-id"]));
    assert!(sentence.contains("no-id"), "{sentence}");
    let (_, sentence) = refused(&run(&data, &["token", "create", "--tenant", "nobody"]));
    assert!(sentence.contains("nobody"), "{sentence}");
}

#[test]
fn a_token_may_expire() {
    let server = launch().start();
    let token = said(&run(&folder(&server), &["token", "create", "--expires", "1s"]));
    let client = server.client().with_token(token.trim());
    poll::until(SOON, || match client.get("/Users").status {
        401 => Ok(()),
        status => Err(format!("answered {status} still")),
    });
}

#[test]
fn me_is_the_user_of_a_bound_token() {
    let server = launch().start();
    let made = server.client().post("/Users", &people::user(1)).expect(201);
    let id = made["id"].as_str().unwrap();
    let token = said(&run(&folder(&server), &["token", "create", "--user", id]));
    let me = server.client().with_token(token.trim()).get("/Me").expect(200);
    assert_eq!(me["id"], made["id"]);
    assert_eq!(server.client().get("/Me").status, 501);
}

#[test]
fn a_token_is_bound_to_a_user_who_exists() {
    let server = launch().start();
    let data = folder(&server);
    assert!(said(&run(&data, &["tenant", "create", "acme"])).contains("acme"));
    let made = server.client().post("/Users", &people::user(1)).expect(201);
    let (id, name) = (made["id"].as_str().unwrap(), made["userName"].as_str().unwrap());
    let group = server.client().post("/Groups", &people::group::<&str>(1, &[])).expect(201);
    let cases = [
        vec!["--user", "00000000-0000-7000-8000-000000000000"],
        vec!["--user", name],
        vec!["--user", ""],
        vec!["--user", group["id"].as_str().unwrap()],
        vec!["--user", id, "--tenant", "acme"],
    ];
    for case in cases {
        let (code, sentence) = refused(&run(&data, &[&["token", "create"], &case[..]].concat()));
        assert_eq!(code, 1, "{case:?}: {sentence}");
        assert!(sentence.contains("no user") && sentence.contains(case[1]), "{sentence}");
    }
    let list = said(&run(&data, &["token", "list"]));
    assert_eq!(list.lines().count(), 1, "a refused token was made: {list}");
}

#[test]
fn tokens_of_a_tenant_that_is_not_there_are_not_listed() {
    let server = launch().start();
    let output = run(&folder(&server), &["token", "list", "--tenant", "nope"]);
    let (code, sentence) = refused(&output);
    assert_eq!(code, 1, "{sentence}");
    assert!(sentence.contains("no tenant nope"), "{sentence}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn tenants_beside_a_running_server() {
    let server = launch().start();
    let data = folder(&server);
    assert!(said(&run(&data, &["tenant", "create", "acme"])).contains("acme"));
    let (_, sentence) = refused(&run(&data, &["tenant", "create", "acme"]));
    assert!(sentence.contains("exists"), "{sentence}");
    assert_eq!(
        said(&run(&data, &["tenant", "list"])).lines().collect::<Vec<_>>(),
        ["acme", "default"]
    );
    let token = said(&run(&data, &["token", "create", "--tenant", "acme"])).trim().to_owned();
    let acme = server.client().at("/t/acme/scim/v2").with_token(&token);
    let made = acme.post("/Users", &people::user(1)).expect(201);
    let location = made["meta"]["location"].as_str().unwrap();
    assert!(location.contains("/t/acme/scim/v2/Users/"), "{location}");
    assert_eq!(server.client().with_token(&token).get("/Users").status, 401);
    assert_eq!(server.client().get("/Users").expect(200)["totalResults"], 0);

    let (_, sentence) = refused(&run(&data, &["tenant", "delete", "acme"]));
    assert!(sentence.contains("--yes"), "{sentence}");
    assert_eq!(acme.get("/Users").expect(200)["totalResults"], 1);
    let _ = said(&run(&data, &["tenant", "delete", "acme", "--yes"]));
    poll::until(Duration::from_secs(6), || match acme.get("/Users").status {
        401 => Ok(()),
        status => Err(format!("a token of a deleted tenant is answered {status}")),
    });
    let (_, sentence) = refused(&run(&data, &["tenant", "delete", "acme", "--yes"]));
    assert!(sentence.contains("acme"), "{sentence}");
    let (_, sentence) = refused(&run(&data, &["tenant", "delete", "default", "--yes"]));
    assert!(sentence.contains("default"), "{sentence}");
    assert_eq!(said(&run(&data, &["verify"])).trim(), "everything is whole");
    assert_eq!(server.client().post("/Users", &people::user(2)).status, 201);
}

/// A backup taken under writes is one state: it holds all that was acknowledged before, and it can be served from.
#[test]
fn a_backup_under_load_can_be_served_from() {
    let server = launch().start();
    let client = server.client();
    let stop = Arc::new(AtomicBool::new(false));
    let mut before = Vec::new();
    for number in 0..50 {
        before.push(client.post("/Users", &people::user(number)).expect(201)["id"].clone());
    }
    let writers: Vec<_> = (1..=3)
        .map(|writer| {
            let (client, stop) = (client.clone(), Arc::clone(&stop));
            thread::spawn(move || {
                let mut number = writer * 100_000;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let id = client.post("/Users", &people::user(number)).expect(201)["id"].clone();
                    let id = id.as_str().unwrap().to_owned();
                    assert_eq!(client.post("/Groups", &people::group(number, &[id])).status, 201);
                }
            })
        })
        .collect();
    let target = tempfile::tempdir().unwrap();
    let file = target.path().join("scim.db");
    let path = file.display().to_string();
    let told = said(&run(&folder(&server), &["backup", &path]));
    assert!(told.contains(&path), "{told}");
    let (_, sentence) = refused(&run(&folder(&server), &["backup", &path]));
    assert!(sentence.contains(&path), "{sentence}");
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    drop(server);

    assert_eq!(said(&run(target.path(), &["verify"])).trim(), "everything is whole");
    let copy = launch().data(target.path()).start();
    for id in &before {
        let path = format!("/Users/{}", id.as_str().unwrap());
        assert_eq!(copy.client().get(&path).status, 200, "{path} is not in the backup");
    }
    assert_eq!(copy.client().post("/Users", &people::user(999_999)).status, 201);
}

#[test]
fn verify_finds_damage_and_changes_nothing() {
    let server = launch().start();
    let client = server.client();
    let ids: Vec<String> = (0..40)
        .map(|number| {
            client.post("/Users", &people::user(number)).expect(201)["id"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(client.post("/Groups", &people::group(1, &ids)).status, 201);
    let data = folder(&server);
    assert_eq!(said(&run(&data, &["verify"])).trim(), "everything is whole");
    let launch = server.launch().clone();
    assert!(server.stop(SOON).success());
    let file = data.join("scim.db");
    let mut bytes = std::fs::read(&file).unwrap();
    let name = people::user_name(7).into_bytes();
    let places: Vec<usize> = bytes
        .windows(name.len())
        .enumerate()
        .filter(|(_, window)| *window == name)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] = b'#';
    }
    std::fs::write(&file, &bytes).unwrap();
    let output = run(&data, &["verify"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let found = [output.stdout, output.stderr].concat();
    assert!(String::from_utf8_lossy(&found).lines().count() >= 1);
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "verify changed the file");
    drop(launch);
}

#[test]
fn openapi_is_the_committed_document() {
    let folder = tempfile::tempdir().unwrap();
    let printed = said(&run(folder.path(), &["openapi"]));
    let committed = include_str!("../../openapi.json");
    assert_eq!(
        serde_json::from_str::<Value>(&printed).unwrap(),
        serde_json::from_str::<Value>(committed).unwrap(),
        "run `cargo xtask openapi --write` and commit the result"
    );
    assert_eq!(printed, committed, "the documents are equal, but written differently");
    let server = launch().start();
    let served = server.client().get("/openapi.json").expect(200);
    assert_eq!(served["openapi"], json!("3.1.0"));
    assert_eq!(served["paths"], serde_json::from_str::<Value>(committed).unwrap()["paths"]);
}

#[test]
fn check_config_prints_a_file_that_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let with = |args: &[&str]| {
        let command =
            launch().data(folder.path()).env("SCIM_MAX_PAGE", "250").token("do-not-show-me-please");
        command.args(args).command().output().unwrap()
    };
    let text = said(&with(&["check-config", "--profile", "strict"]));
    for (name, value, origin) in [
        ("max_page", "250", "environment"),
        ("profile", "\"strict\"", "flag"),
        ("default_page", "100", "default"),
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.contains(value) && line.contains(origin), "{line}");
    }
    assert!(!text.contains("do-not-show-me"), "{text}");
    let file = folder.path().join("scim.toml");
    std::fs::write(&file, &text).unwrap();
    let again =
        said(&run(folder.path(), &["check-config", "--config", &file.display().to_string()]));
    let value = |text: &str| -> Vec<String> {
        let lines =
            text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("listen"));
        lines.map(|line| line.split("  #").next().unwrap().to_owned()).collect()
    };
    assert_eq!(value(&text), value(&again));
    std::fs::write(&file, "max_pages = 3\n").unwrap();
    let (code, sentence) =
        refused(&run(folder.path(), &["check-config", "--config", &file.display().to_string()]));
    assert_eq!(code, 2, "{sentence}");
    assert!(sentence.contains("max_pages"), "{sentence}");
}

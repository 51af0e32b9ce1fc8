//! Starting and stopping.

use std::net::TcpListener;

use serde_json::{Value, json};
use testkit::http::Connection;
use testkit::people;

use super::*;

#[test]
fn the_first_start_prints_a_curl_line_that_works() {
    let launch = launch().without_token();
    let server = launch.start();
    let line = server.logged("curl ", SOON);
    let output = shell(&format!("{line} --silent --fail --show-error"));
    let list: Value = serde_json::from_str(&said(&output)).unwrap();
    assert_eq!(list["totalResults"], 0, "{list}");
    let verbatim = shell(&line);
    assert_eq!(serde_json::from_str::<Value>(&said(&verbatim)).unwrap(), list);

    assert_eq!(server.stdout(), format!("listening on {}\n", server.url()));
    let token = line.split("Bearer ").nth(1).unwrap().split('\'').next().unwrap().to_owned();
    assert!(token.starts_with("scim_") && token.len() > 70, "{token}");
    assert_eq!(server.stderr().matches(&token).count(), 1, "the token is shown once");
    assert!(!server.stderr().contains('\u{1b}'), "colours without a terminal");
    for entry in std::fs::read_dir(launch.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let secret = token.split('_').nth(2).unwrap().as_bytes();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{} holds the token itself", path.display());
    }
    assert!(server.stop(SOON).success());

    let again = launch.start();
    assert!(
        !again.stderr().contains("curl") && !again.stderr().contains("scim_"),
        "{}",
        again.stderr()
    );
    let found = again.client().with_token(&token).get("/Users").expect(200);
    assert_eq!(found["totalResults"], 0);
    assert_eq!(again.client().get("/Users").status, 401);
}

#[test]
fn the_token_of_the_environment_wins() {
    let launch = launch();
    assert!(launch.clone().without_token().start().stop(SOON).success());
    let own = "a-token-of-my-own-choice";
    let server = launch.clone().token(own).start();
    assert_eq!(server.client().get("/Users").status, 200);
    assert!(
        !server.stderr().contains("curl") && !server.stderr().contains(own),
        "{}",
        server.stderr()
    );
    drop(server);
    // Empty counts as not set.
    let server = launch.without_token().env("SCIM_TOKEN", "").start();
    assert_eq!(server.client().with_token(own).get("/Users").status, 401);
}

#[test]
fn a_start_without_a_token_that_opens_says_how_to_make_one() {
    let launch = launch().without_token().env("SCIM_LOG", "off");
    let data = launch.data_dir().to_owned();
    let server = launch.start();
    let id = said(&run(&data, &["token", "list"])).lines().nth(1).unwrap()[..16].to_owned();
    let _ = said(&run(&data, &["token", "revoke", id.trim()]));
    assert!(server.stop(SOON).success());

    let again = launch.start();
    let line = again.logged("token create", SOON);
    assert!(again.stderr().contains("revoked or expired"), "{}", again.stderr());
    // The line works when pasted, with the program's own path for its name.
    let output = shell(&line.replacen("scim-server", PROGRAM, 1));
    let token = said(&output);
    assert_eq!(again.client().with_token(token.trim()).get("/Users").status, 200);
}

#[test]
fn bad_settings_are_refused_with_a_sentence() {
    let cases: [(&str, &str, &str); 7] = [
        ("SCIM_TOKEN", "short", "at least 16"),
        ("SCIM_TOKEN", "has a space in it, sadly", "SCIM_TOKEN"),
        ("SCIM_LISTEN", "nowhere", "SCIM_LISTEN"),
        ("SCIM_PROFILE", "odd", "SCIM_PROFILE"),
        ("SCIM_MAX_PAGE", "many", "SCIM_MAX_PAGE"),
        ("SCIM_CONFIG", "/no/such/file.toml", "/no/such/file.toml"),
        ("SCIM_TLS_CERT", "/no/such/cert.pem", "tls"),
    ];
    for (name, value, sentence) in cases {
        let launch = launch().without_token().env(name, value);
        let refused = launch.try_start().unwrap_err();
        let code = refused.status.and_then(|status| status.code());
        assert!(matches!(code, Some(1 | 2)), "{name}={value}: {refused}");
        assert!(refused.stderr.contains(sentence), "{name}={value}: {refused}");
        assert!(!refused.stderr.contains("panicked"), "{refused}");
        assert_eq!(refused.stderr.trim().lines().count(), 1, "more than a sentence: {refused}");
        if name == "SCIM_TOKEN" {
            assert!(!refused.stderr.contains(value), "the token is repeated: {refused}");
        }
    }
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let server = launch().start();
    let folder = server.launch().data_dir().to_owned();
    let refused = launch().data(&folder).try_start().unwrap_err();
    assert!(refused.stderr.contains(&folder.display().to_string()), "{refused}");
    assert!(refused.stderr.contains("another server"), "{refused}");
    assert_eq!(refused.status.and_then(|status| status.code()), Some(1));
    assert_eq!(server.client().get("/Users").status, 200);
    // The lock ends with the process, however it ends.
    let again = server.kill().start();
    assert_eq!(again.client().get("/Users").status, 200);
}

#[test]
fn a_port_in_use_is_a_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = launch().args(&["--listen", &address]).try_start().unwrap_err();
    assert!(refused.stderr.contains(&address), "{refused}");
    assert!(refused.stderr.to_lowercase().contains("in use"), "{refused}");
    assert!(!refused.stderr.contains("panicked"), "{refused}");
}

#[test]
fn memory_writes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("data");
    let server = launch().data(&folder).args(&["--memory"]).start();
    let id = server.client().post("/Users", &people::user(1)).expect(201)["id"].clone();
    assert!(id.is_string());
    assert!(server.stop(SOON).success());
    assert!(!folder.exists(), "--memory made the data folder");
    assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
}

#[test]
fn a_stop_answers_what_is_under_way() {
    let mut server = launch().start();
    let client = server.client();
    let made = client.post("/Users", &people::user(1)).expect(201);
    let body = people::user(2).to_string();
    let mut slow = Connection::open(server.address(), SOON).unwrap();
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        testkit::server::TOKEN,
        body.len()
    );
    slow.send(head.as_bytes()).unwrap();
    slow.send(&body.as_bytes()[..10]).unwrap();
    // Once a later request is answered, the server has the head of this one.
    assert_eq!(client.get("/Users?count=0").status, 200);
    server.terminate();
    let _ = server.logged("stopping", SOON);
    slow.send(&body.as_bytes()[10..]).unwrap();
    let answer = slow.receive().unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(server.wait(SOON).code(), Some(0));
    assert_eq!(server.stdout().lines().count(), 1);

    let again = server.launch().start();
    let list = again.client().get("/Users").expect(200);
    assert_eq!(list["totalResults"], json!(2));
    assert_eq!(list["Resources"][0]["id"], made["id"]);
}

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    let help = said(&run(folder.path(), &["--help"]));
    let settings = said(&run(folder.path(), &["check-config"]));
    let names: Vec<String> = settings
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| format!("SCIM_{}", name.trim().to_uppercase()))
        .collect();
    assert!(names.len() >= 20, "{settings}");
    for name in names.iter().map(String::as_str).chain([
        "SCIM_TOKEN",
        "SCIM_CONFIG",
        "SCIM_TLS_CERT",
        "SCIM_TLS_KEY",
    ]) {
        assert!(help.contains(name), "--help does not name {name}");
    }
    for command in ["serve", "token", "tenant", "backup", "verify", "openapi", "check-config"] {
        assert!(help.contains(command), "--help does not name {command}");
        let own = said(&run(folder.path(), &[command, "--help"]));
        assert!(own.contains("Example"), "{command} --help has no example");
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "help touched the data folder"
    );
}

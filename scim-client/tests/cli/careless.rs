//! What people get wrong: nothing of theirs is lost by it, nothing is passed over, and they are told what to do.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::help::{bare, finish, run, run_with, scim, server, user};
use testkit::server::TOKEN;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";

fn line(id: &str, name: &str) -> String {
    format!("{}\n", json!({"schemas": [USER], "id": id, "userName": name}))
}

#[test]
fn help_fits_a_terminal() {
    let commands = [
        "bulk",
        "completions",
        "create",
        "delete",
        "diff",
        "discover",
        "export",
        "get",
        "import",
        "list",
        "me",
        "patch",
        "profile",
        "replace",
        "search",
    ];
    let mut texts = vec![finish(bare().args(["--help"]), "").done()];
    texts.extend(commands.map(|command| finish(bare().args([command, "--help"]), "").done()));
    for text in texts {
        let own = text.split_once("\nCredentials:").or(text.split_once("--plain-http"));
        for line in own.map_or("", |(_, own)| own).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

#[test]
fn no_option_is_passed_over() {
    let server = server();
    let id = user(&server, "ada");
    // A page of no resources would be an empty directory.
    run(&server, &["list", "users", "--page-size", "0"]).failed(2, "--page-size");
    run(&server, &["export", "--page-size", "0"]).failed(2, "--page-size");
    run(&server, &["list", "/"]).failed(2, "the type is empty");
    run(&server, &["list", "users", "-c", "id"]).failed(2, "--format table");
    run(&server, &["discover", "-c", "id"]).failed(2, "--format table");
    // Before anything is written.
    for columns in [&["-c", "id"][..], &["-f", "csv", "-c", "bad["]] {
        let patch = [&["patch", "user", &id, "--set", "title=new"], columns].concat();
        run(&server, &patch).failed(2, "");
        let bulk = [&["bulk", "-"], columns].concat();
        let delete = format!(r#"{{"method":"DELETE","path":"/Users/{id}"}}"#);
        run_with(&server, &bulk, &delete).failed(2, "");
    }
    assert_eq!(run(&server, &["get", "user", &id]).json().get("title"), None);
    let listed = run(&server, &["list", "users", "--attributes", "ID,userName", "-f", "csv"]);
    assert_eq!(listed.done(), format!("id,userName\n{id},ada\n"));
}

#[test]
fn what_is_wrong_with_the_connection_is_said() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, "no certificate").unwrap();
    for name in ["SCIM_CA_FILE", "SCIM_CLIENT_CERTIFICATE_FILE"] {
        let mut list = scim(&server, &["list", "users"]);
        finish(list.env(name, &file), "").failed(2, "holds no certificate");
    }
    let mut list = scim(&server, &["list", "users"]);
    let ran = finish(list.env("SCIM_URL", "https://ada:sekret@127.0.0.1/"), "");
    assert!(!ran.stderr.contains("sekret"), "{ran:#?}");
    ran.failed(2, "SCIM_PASSWORD");
    let url = server.url();
    let root = url.trim_end_matches("/scim/v2");
    let mut list = scim(&server, &["list", "users"]);
    finish(list.env("SCIM_URL", root), "").failed(2, "Is the base URL right?");
    run(&server, &["list", "people"]).failed(2, "scim discover types");
}

#[test]
fn nothing_to_change_and_schemas_left_out() {
    let server = server();
    let id = user(&server, "ada");
    let place = format!("users/{id}");
    let none = run(&server, &["diff", &place, &place]).done();
    let ran = run_with(&server, &["patch", "user", &id, "-"], &none);
    assert!(ran.stderr.contains("nothing to change"), "{ran:#?}");
    assert_eq!(ran.json()["meta"]["version"], "W/\"1\"");
    run_with(&server, &["patch", "user", &id, "-"], "{}").failed(2, "Operations");
    run(&server, &["patch", "user", &id]).failed(2, "--set");
    let replaced = run_with(&server, &["replace", "user", &id], r#"{"userName":"ada.king"}"#);
    assert_eq!(replaced.json()["schemas"], json!([USER]));
}

#[test]
fn an_export_replaces_a_file_only_when_it_is_complete() {
    let server = server();
    user(&server, "ada");
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let files = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let file = path("kept.jsonl");
    fs::write(&file, "before").unwrap();
    run(&server, &["export", "people", "-o", &file]).failed(2, "nothing could be read");
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    run(&server, &["export", "-o", folder.path().to_str().unwrap()]).failed(2, "is a folder");
    assert_eq!(files(), ["kept.jsonl"]);
    assert_eq!(run(&server, &["export", "-o", "-"]).done().lines().count(), 1);

    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, symlink};
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let link = path("link.jsonl");
        symlink("kept.jsonl", &link).unwrap();
        run(&server, &["export", "-o", &link]).done();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read_to_string(&file).unwrap().contains("\"ada\""));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        // A device is written to and stays one. Not /dev/null itself: were this wrong, it would be gone.
        let null = path("null");
        symlink("/dev/stderr", &null).unwrap();
        let ran = run(&server, &["export", "-o", &null]);
        assert!(ran.stderr.contains("\"ada\""), "{ran:#?}");
        ran.done();
        assert_eq!(files(), ["kept.jsonl", "link.jsonl", "null"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named_and_what_was_done_is_done() {
    let server = server();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let ended = |args: &[&str], input: &str| {
        let mut child = scim(&server, args)
            .stdin(Stdio::piped())
            .stdout(full())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, says) = ended(&["create", "user"], r#"{"userName":"ada"}"#);
    assert_eq!(code, 2, "{says}");
    assert!(says.contains("it is done, but cannot be shown: standard output"), "{says}");
    assert_eq!(run(&server, &["list", "users"]).json().as_array().unwrap().len(), 1);
    for args in [&["list", "users"][..], &["export"], &["discover"], &["completions", "bash"]] {
        let (code, says) = ended(args, "");
        assert_eq!(code, 2, "{args:?} {says}");
        assert!(says.contains("standard output cannot be written: No space"), "{args:?} {says}");
    }
}

#[test]
fn an_input_of_another_kind_is_refused_as_a_whole() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    let file = path.to_str().unwrap();
    let wide: Vec<u8> = line("1", "ada").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&b"\xff\xfe"[..], &wide].concat();
    let array = serde_json::to_string_pretty(&json!([{"userName": "ada"}])).unwrap();
    for (bytes, says) in [
        (&wide[..], "UTF-16"),
        (&marked, "UTF-16"),
        (array.as_bytes(), "jq -c"),
        (b"{\n  \"userName\": \"ada\"\n}\n", "jq -c"),
    ] {
        fs::write(&path, bytes).unwrap();
        let ran = run(&server, &["import", file]);
        assert!(ran.stderr.lines().count() == 1, "{ran:#?}");
        ran.failed(2, says);
        // There is nothing to go on from, so nothing is in the way of the next one.
        assert!(!folder.path().join("input.import-state").exists());
    }
    fs::write(&path, &marked).unwrap();
    run(&server, &["create", "user", file]).failed(2, "UTF-16");
    // One malformed line among others is refused by itself, with its place in the line.
    let lines = format!(
        "\u{feff}{}\r\n{{\"schemas\":\r\n\r\n{}",
        line("1", "ada").trim(),
        line("2", "mary")
    );
    fs::write(&path, lines).unwrap();
    let ran = run(&server, &["import", file]);
    assert!(ran.stderr.contains("created 2 Users; 1 line refused"), "{ran:#?}");
    ran.failed(1, "line 2: it is not acceptable JSON: EOF while parsing a value at column 11");
}

#[test]
fn a_state_is_no_other_file_and_stays_out_of_the_way() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, notes) = (path("people.jsonl"), path("notes.txt"));
    fs::write(&file, line("1", "ada")).unwrap();
    for text in ["precious notes", "precious\nnotes", "{\"line\":1}\n"] {
        fs::write(&notes, text).unwrap();
        let ran = run(&server, &["import", &file, "--state", &notes, "--resume"]);
        ran.failed(2, "is no state of an import");
        assert_eq!(fs::read_to_string(&notes).unwrap(), text);
    }
    for resume in [&[][..], &["--resume"]] {
        let import = [&["import", &file, "--state", &file], resume].concat();
        run(&server, &import).failed(2, "is the input");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), line("1", "ada"));
    // With the wrong token nothing was begun; with the right one it begins.
    let mut wrong = scim(&server, &["import", &file]);
    finish(wrong.env("SCIM_TOKEN", format!("{TOKEN}x")), "").failed(2, "SCIM_TOKEN");
    run(&server, &["import", &file]).done();
}

/// An import that looks lines up because nothing is known of them goes on doing so.
#[test]
fn looking_up_is_remembered() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts.jsonl");
    let file = path.to_str().unwrap();
    let contact = |number: usize| format!("{}\n", testkit::people::contact(number));
    run_with(&server, &["import", "-"], &(contact(0) + &contact(1))).done();
    fs::write(&path, contact(0) + &line("bad", "")).unwrap();
    let ran = run(&server, &["import", file, "--resume"]);
    ran.failed(1, "created nothing; 1 were there from before; 1 line refused");
    // A contact may be there twice; the second time round this one is found as the first was.
    fs::write(&path, contact(0) + "\n" + &contact(1)).unwrap();
    let ran = run(&server, &["import", file, "--resume"]);
    assert!(ran.stderr.contains("created nothing; 2 were there from before"), "{ran:#?}");
    ran.done();
}

/// A circle cannot be made where the server takes none: it is named as the file names it.
#[test]
fn a_refused_member_has_the_name_of_the_file() {
    let server = server();
    let group = |id: &str, member: &str| {
        let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
        format!(
            "{}\n",
            json!({"schemas": [schema], "id": id, "displayName": id, "members": [{"value": member}]})
        )
    };
    let lines = group("g1", "g2") + &group("g2", "g3") + &group("g3", "g1");
    let ran = run_with(&server, &["import", "-"], &lines);
    assert!(ran.stderr.contains("created 3 Groups; 1 line refused"), "{ran:#?}");
    let named = ["line 1: members: g2: ", "line 2: members: g3: ", "line 3: members: g1: "];
    assert!(named.iter().any(|named| ran.stderr.contains(named)), "{ran:#?}");
    ran.failed(1, "the group would contain itself");
}

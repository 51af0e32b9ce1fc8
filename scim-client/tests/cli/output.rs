//! Formats, and readers that go away.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use crate::help::{bare, finish, run, run_with, scim, server, user};

#[test]
fn tables_and_csv() {
    let server = server();
    let input = r#"{"userName":"ada","displayName":"Ada \"Countess\", L.\u001b[31m","active":true,
        "emails":[{"value":"a@example.org","type":"work"},{"value":"b@example.org","type":"home"}]}"#;
    let csv = run_with(
        &server,
        &[
            "create",
            "user",
            "--format",
            "csv",
            "-c",
            "userName,displayName,active,emails,emails.type",
        ],
        input,
    );
    assert_eq!(
        csv.done(),
        "userName,displayName,active,emails,emails.type\nada,\"Ada \"\"Countess\"\", L.\u{1b}[31m\",true,a@example.org; b@example.org,work; home\n"
    );
    // What a server says may not steer a terminal.
    let table = run(&server, &["list", "users", "--format", "table"]).done();
    assert!(
        table.contains("userName") && table.contains("a@example.org; b@example.org"),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "{table}");
    assert_eq!(
        run(&server, &["list", "groups", "-f", "csv"]).done(),
        "id,displayName,externalId\n"
    );
    assert_eq!(run(&server, &["list", "groups", "-f", "jsonl"]).done(), "");
}

#[test]
fn a_reader_that_goes_is_no_error() {
    let server = server();
    for number in 0..30 {
        let input = testkit::people::user(number).to_string();
        run_with(&server, &["create", "user"], &input).done();
    }
    for args in [&["list", "users"][..], &["export"], &["list", "users", "-f", "table"]] {
        let mut command = scim(&server, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One byte is in the pipe for sure before its reader goes; the rest does not fit.
        let mut reader = BufReader::with_capacity(1, child.stdout.take().unwrap());
        reader.fill_buf().unwrap();
        drop(reader);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn help_teaches_and_completions_complete() {
    let server = server();
    user(&server, "ada");
    for command in [
        "list", "get", "create", "replace", "patch", "delete", "search", "bulk", "diff", "export",
        "import", "profile",
    ] {
        let help = finish(bare().args([command, "--help"]), "").done();
        assert!(
            help.contains("Examples:") && help.contains(&format!("scim {command}")),
            "{command}: {help}"
        );
        assert!(!help.to_lowercase().contains("--token"), "{command}");
    }
    let help = finish(bare().arg("--help"), "").done();
    assert!(help.contains("SCIM_TOKEN") && help.contains("Exit codes: 0 done"), "{help}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = finish(bare().args(["completions", shell]), "").done();
        assert!(script.contains("scim") && script.contains("export"), "{shell}");
    }
    let ran = finish(bare().env("NO_COLOR", "1").arg("lst"), "");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    ran.failed(2, "list");
}

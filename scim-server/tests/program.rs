//! The real program as a person meets it: what it prints, what it refuses and with which sentence, and its commands
//! beside a running server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

#[path = "program/commands.rs"]
mod commands;
#[path = "program/large.rs"]
mod large;
#[path = "program/schemas.rs"]
mod schemas;
#[path = "program/secrets.rs"]
mod secrets;
#[path = "program/start.rs"]
mod start;
#[path = "program/wire.rs"]
mod wire;

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testkit::Launch;

/// When a test gives up on something that takes a moment.
const SOON: Duration = Duration::from_secs(15);

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_scim-server");

/// A server to start on a folder of its own.
fn launch() -> Launch {
    Launch::new(PROGRAM)
}

/// Runs a command of the program on a data folder.
fn run(folder: &Path, args: &[&str]) -> Output {
    launch().without_token().data(folder).args(args).command().output().unwrap()
}

/// What a command wrote to standard output, if it left with success.
#[track_caller]
fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The sentence that a command was refused with, and its exit code.
#[track_caller]
fn refused(output: &Output) -> (i32, String) {
    assert!(!output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(!text.contains("panicked"), "{text}");
    (output.status.code().unwrap(), text)
}

/// Runs a line with the shell, as if pasted.
fn shell(line: &str) -> Output {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let missing = output.status.code() == Some(127);
    assert!(!missing, "this test needs curl: {}", String::from_utf8_lossy(&output.stderr));
    output
}

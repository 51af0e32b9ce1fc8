//! Runs the program.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::Launch;
use testkit::server::{Server, TOKEN};

/// Not a test: the server, run by [`server`].
#[test]
#[ignore = "runs the server for other tests"]
fn serve() {
    let _ = scim_server::run::main_with(["scim-server".into()]);
}

/// A server in memory.
pub(crate) fn server() -> Server {
    Launch::of_test("help::serve").env("SCIM_MEMORY", "true").start()
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// It is done, and said nothing on standard error but notes.
    #[track_caller]
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:#?}");
        self.stdout
    }

    /// It ended with this code and said this on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, says: &str) -> String {
        assert_eq!(self.code, code, "{self:#?}");
        assert!(self.stderr.contains(says), "{self:#?}");
        self.stdout
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.done()).unwrap()
    }
}

/// The program without any settings.
pub(crate) fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scim"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SCIM_") {
            command.env_remove(name);
        }
    }
    command.env("XDG_CONFIG_HOME", "/nonexistent").stdin(Stdio::null());
    command
}

/// The program, connected to this server by `SCIM_URL` and `SCIM_TOKEN` alone.
pub(crate) fn scim(server: &Server, args: &[&str]) -> Command {
    let mut command = bare();
    command.env("SCIM_URL", server.url()).env("SCIM_TOKEN", TOKEN).args(args);
    command
}

pub(crate) fn finish(command: &mut Command, input: &str) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A program that does not read its input to the end is no failure of the test.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

pub(crate) fn run(server: &Server, args: &[&str]) -> Ran {
    finish(&mut scim(server, args), "")
}

pub(crate) fn run_with(server: &Server, args: &[&str], input: &str) -> Ran {
    finish(&mut scim(server, args), input)
}

/// Creates a user of this name and gives its id.
pub(crate) fn user(server: &Server, name: &str) -> String {
    let input = format!(r#"{{"userName":"{name}","displayName":"{name} the user"}}"#);
    let made = run_with(server, &["create", "user"], &input).json();
    made["id"].as_str().unwrap().to_owned()
}

//! What every test has: a SCIM server behind a proxy that counts, a folder for the state, and the agent's program.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use testkit::proxy::Seen;
use testkit::{Launch, Proxy, Server};

pub(crate) use testkit::{Held, Thing};

/// Not a test: the server, run by [`Bed::new`].
#[test]
#[ignore = "runs the server for other tests"]
fn serve() {
    let _ = scim_server::run::main_with(["scim-server".into()]);
}

/// A target, a state and the agent's program with a configuration.
pub(crate) struct Bed {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    folder: TempDir,
    environment: BTreeMap<String, String>,
}

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Fails the test unless the program ended with this code.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code\n{self}");
        self
    }

    /// Fails the test unless this text is in what was said.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(all.contains(text), "{text:?} should be said\n{self}");
        self
    }

    /// The digest that a stop named.
    #[track_caller]
    pub(crate) fn digest(&self) -> String {
        let after = self.stdout.split("`allow ").nth(1);
        let digest = after.and_then(|rest| rest.split('`').next());
        digest.unwrap_or_else(|| panic!("no digest is named\n{self}")).to_owned()
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--- code {}\n--- stdout\n{}\n--- stderr\n{}",
            self.code, self.stdout, self.stderr
        )
    }
}

impl Bed {
    /// Starts a server and writes the configuration; `environment` is what the program sees besides the target's.
    pub(crate) fn new(config: &str, environment: &[(&str, &str)]) -> Self {
        let server = Launch::of_test("bed::serve").start();
        let proxy = Proxy::start(server.address(), server.url());
        let folder = TempDir::with_prefix("agent-").unwrap();
        let mut all: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        all.insert("SCIM_URL".to_owned(), proxy.url());
        all.insert("SCIM_TOKEN".to_owned(), testkit::server::TOKEN.to_owned());
        all.insert(
            "STATE_DIR".to_owned(),
            folder.path().join("state").to_string_lossy().into_owned(),
        );
        let bed = Self { server, proxy, folder, environment: all };
        bed.configure(config);
        bed
    }

    /// Writes another configuration.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.config(), config).unwrap();
    }

    /// Changes what the program sees.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("agent.toml")
    }

    /// The folder of the state.
    pub(crate) fn state(&self) -> PathBuf {
        PathBuf::from(&self.environment["STATE_DIR"])
    }

    /// A command of the program.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning-agent"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .envs(&self.environment)
            .env_remove("RUST_LOG")
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let output = self.command(arguments).output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Starts the program and lets it run; what it says goes nowhere.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// One cycle.
    pub(crate) fn sync(&self) -> Ran {
        self.run(&["sync", "--once", "--quiet"])
    }

    /// One cycle that must be done, with the requests it wrote with.
    #[track_caller]
    pub(crate) fn synced(&self) -> Writes {
        let _ = self.proxy.take();
        let ran = self.sync().expect(0);
        Writes::of(self.proxy.take(), ran)
    }

    /// The writes since this was asked last.
    pub(crate) fn written(&self) -> Vec<Seen> {
        self.proxy.take().into_iter().filter(Seen::is_write).collect()
    }

    /// One cycle that must have nothing to write.
    #[track_caller]
    pub(crate) fn quiet(&self) -> Ran {
        let writes = self.synced();
        assert!(writes.requests.is_empty(), "nothing was to be written: {writes}");
        writes.ran
    }

    /// What the server holds.
    pub(crate) fn held(&self) -> Held {
        Held::read(&self.server)
    }

    /// Whether the server holds nothing at all.
    pub(crate) fn held_nothing(&self) -> bool {
        self.held().0.is_empty()
    }

    /// The files by which runs are taken back, oldest first.
    pub(crate) fn undo_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.state().join("undo"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    /// Throws the state away.
    pub(crate) fn forget(&self) {
        std::fs::remove_dir_all(self.state()).unwrap();
    }
}

/// The writes of one cycle.
pub(crate) struct Writes {
    pub(crate) requests: Vec<Seen>,
    pub(crate) ran: Ran,
}

impl Writes {
    fn of(seen: Vec<Seen>, ran: Ran) -> Self {
        Self { requests: seen.into_iter().filter(Seen::is_write).collect(), ran }
    }

    /// How many there were with this method.
    pub(crate) fn count(&self, method: &str) -> usize {
        self.requests.iter().filter(|seen| seen.method == method).count()
    }
}

impl fmt::Display for Writes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for seen in &self.requests {
            let body: String = seen.body.chars().take(400).collect();
            writeln!(f, "{} {} {body}", seen.method, seen.target)?;
        }
        write!(f, "{}", self.ran)
    }
}

/// An example that is shipped.
pub(crate) fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A file of this crate's tests.
pub(crate) fn config(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/config").join(name);
    std::fs::read_to_string(path).unwrap()
}

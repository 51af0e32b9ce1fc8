//! The agent's program, as a managed agent.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use testkit::poll;

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with an agent in it.
pub(crate) struct Home {
    folder: TempDir,
    pub(crate) environment: Vec<(String, String)>,
}

/// An agent that runs. Dropped, it is killed.
pub(crate) struct Run {
    child: Child,
    log: PathBuf,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Run {
    /// As `kill -9` does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// As systemd does.
    pub(crate) fn terminate(&self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for its end and gives the exit code.
    pub(crate) fn code(&mut self) -> i32 {
        poll::until(PATIENCE, || match self.child.try_wait().unwrap() {
            Some(status) => Ok(status.code().unwrap_or(-1)),
            None => Err(format!("it runs still\n{}", self.log())),
        })
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub(crate) fn says(&self, text: &str) {
        poll::until(PATIENCE, || {
            let log = self.log();
            if log.contains(text) {
                Ok(())
            } else {
                Err(format!("{text:?} was not said in\n{log}"))
            }
        });
    }
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("managed-").unwrap();
        std::fs::write(folder.path().join("password"), "fake-password\n").unwrap();
        Self { folder, environment: Vec::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn identity(&self) -> PathBuf {
        self.path("identity")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_provisioning-agent"));
        command.args(arguments).arg("--config").arg(self.path("agent.toml"));
        for name in [
            "RUST_LOG",
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "NO_PROXY",
            "no_proxy",
            "PROVISIONING_CODE",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned());
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let both = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (status.code().unwrap_or(-1), both.concat())
    }

    /// `setup` beside a directory.
    pub(crate) fn setup(&self, service: &str, code: &str, more: &[&str]) -> (i32, String) {
        let password = self.path("password").display().to_string();
        let mut arguments = vec![
            "setup",
            "--no-questions",
            "--service",
            service,
            "--code",
            code,
            "--bind-password-file",
            &password,
            "--bind-dn",
            "CN=reader,DC=fake,DC=example",
        ];
        arguments.extend(more);
        self.run(&arguments)
    }

    /// `setup`, with files as the directory.
    #[track_caller]
    pub(crate) fn enrol(&self, service: &str, code: &str) {
        let nowhere = ["--no-check", "--server", "ldaps://127.0.0.1:1", "--base", "DC=x"];
        let (status, text) = self.setup(service, code, &nowhere);
        assert_eq!(status, 0, "{text}");
        self.files(20);
    }

    /// Puts files with so many people in the place of the directory.
    pub(crate) fn files(&self, people: usize) {
        let lines = (0..people).map(|n| format!("{n},user{n:06},\"{}\"\n", "x".repeat(60)));
        let text: String = std::iter::once("id,userName,note\n".to_owned()).chain(lines).collect();
        std::fs::write(self.path("people.csv"), text).unwrap();
        let config = self.path("agent.toml");
        let before = std::fs::read_to_string(&config).unwrap();
        let head = before.split("[[source]]").next().unwrap();
        let source = "[[source]]\nname = \"people\"\nkind = \"csv\"\n\
            files.user = { path = \"people.csv\", anchor = \"id\" }\n";
        std::fs::write(&config, format!("{head}{source}")).unwrap();
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Run {
        let log = self.path("agent.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = self.command(&["run"]);
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Run { child, log }
    }

    /// The number of the identity in use.
    pub(crate) fn generation(&self) -> u32 {
        let text = std::fs::read_to_string(self.identity().join("current")).unwrap();
        text.trim().parse().unwrap()
    }
}

pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

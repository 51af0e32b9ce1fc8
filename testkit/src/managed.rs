//! Managed mode as real processes: the provisioning service and its agents, through their command lines, as an operator
//! installs them.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::api::Api;
use crate::ldap_tools;
use crate::poll;
use crate::program::{self, Program, Ran};

/// How long a program may take to begin or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the programs are.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `provisioning-service`.
    pub service: PathBuf,
    /// `provisioning-agent`.
    pub agent: PathBuf,
    /// `scim-server`.
    pub server: PathBuf,
}

impl Programs {
    /// Those in a folder.
    ///
    /// # Errors
    ///
    /// A sentence that names the program that is not there.
    pub fn within(folder: &Path) -> Result<Self, String> {
        let program = |name: &str, package: &str| {
            let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
            match path.exists() {
                true => Ok(path),
                false => {
                    Err(format!("there is no {}: cargo build -p {package} --bins", path.display()))
                }
            }
        };
        Ok(Self {
            service: program("provisioning-service", "scim-provisioning-service")?,
            agent: program("provisioning-agent", "scim-agent")?,
            server: program("scim-server", "scim-reference-server")?,
        })
    }
}

/// What a program sees of this process's environment: nothing that would change what it does.
fn command(program: &Path, environment: &[(String, OsString)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let ours = ["SCIM_", "PROVISIONING_", "RUST_LOG"].iter().any(|own| name.starts_with(own));
        if ours || name.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name.as_ref());
        }
    }
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
}

fn set(environment: &mut Vec<(String, OsString)>, name: &str, value: &OsStr) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.to_owned(), value.to_owned()));
}

/// The provisioning service over a folder: started, stopped, killed and started again on the same port.
#[derive(Debug)]
pub struct Service {
    program: PathBuf,
    data: PathBuf,
    url: String,
    token: String,
    environment: Vec<(String, OsString)>,
    running: Option<Program>,
}

impl Service {
    /// Starts a service on a free port, with targets on this machine allowed, that keeps everything below `folder`, with settings by their names in its
    /// environment, like `PROVISIONING_BOOTSTRAP_INTERVAL`. The token is the one that its first start prints.
    #[must_use]
    #[track_caller]
    pub fn start(program: &Path, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut service = Self::placed(program, folder, Vec::new());
        for (name, value) in settings {
            service.set(name, value);
        }
        service.begin();
        let token = poll::until(PATIENCE, || {
            let log = service.log();
            let token = log.lines().map(str::trim).find(|line| line.starts_with("prov_"));
            token.map(str::to_owned).ok_or_else(|| format!("no token in\n{log}"))
        });
        service.token = token;
        let _ = service.authority();
        service
    }

    /// Starts another replica of it: the same settings, among them the database and the key that both share, with a port
    /// and a folder of its own below `folder`.
    #[must_use]
    #[track_caller]
    pub fn beside(&self, folder: &Path) -> Self {
        let mut other = Self::placed(&self.program, folder, self.environment.clone());
        other.token.clone_from(&self.token);
        other.begin();
        let _ = other.authority();
        other
    }

    #[track_caller]
    fn placed(program: &Path, folder: &Path, environment: Vec<(String, OsString)>) -> Self {
        let address = format!("127.0.0.1:{}", ldap_tools::free_port());
        let mut service = Self {
            program: program.to_owned(),
            data: folder.join("service"),
            url: format!("https://{address}"),
            token: String::new(),
            environment,
            running: None,
        };
        service.set("PROVISIONING_LISTEN", &address);
        service.set("PROVISIONING_PRIVATE_TARGETS", "127.0.0.1");
        let data = service.data.clone();
        set(&mut service.environment, "PROVISIONING_DATA", data.as_os_str());
        service
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The folder with everything that it keeps.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        set(&mut self.environment, name, OsStr::new(value));
    }

    /// Starts it, and waits until it listens.
    #[track_caller]
    pub fn begin(&mut self) {
        let mut serve = command(&self.program, &self.environment);
        let running = Program::start("the service", serve.arg("serve"));
        let _ = running.says("listening on ", PATIENCE);
        self.running = Some(running);
    }

    /// As systemd stops it: what is under way is brought to an end.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.terminate();
            let status = running.wait(PATIENCE);
            if !status.success() {
                crate::fail(format_args!("the service ended with {status}:\n{}", running.log()));
            }
        }
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// The process.
    #[must_use]
    #[track_caller]
    pub fn process(&self) -> &Program {
        match &self.running {
            Some(running) => running,
            None => crate::fail(format_args!("the service does not run")),
        }
    }

    /// What it has logged since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Runs a command beside it.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        program::run(command(&self.program, &self.environment).args(arguments))
    }

    /// The certificate of its authority, in a file.
    #[must_use]
    #[track_caller]
    pub fn authority(&self) -> PathBuf {
        let path = self.data.join("authority.pem");
        if !path.exists() {
            let told = self.run(&["authority"]).expect(0);
            if let Err(error) = fs::write(&path, told.stdout) {
                crate::fail(format_args!("{} cannot be written: {error}", path.display()));
            }
        }
        path
    }

    /// Its API, with the administrator's token.
    #[must_use]
    #[track_caller]
    pub fn api(&self) -> Api {
        Api::new(&self.url, &self.authority(), &self.token)
    }

    /// A code for an agent of this group.
    #[must_use]
    #[track_caller]
    pub fn code(&self, group: &str) -> String {
        self.run(&["agent", "code", "--group", group]).expect(0).stdout.trim().to_owned()
    }
}

/// An agent in a folder of its own.
#[derive(Debug)]
pub struct Agent {
    program: PathBuf,
    folder: PathBuf,
    name: String,
    environment: Vec<(String, OsString)>,
    running: Option<Program>,
}

impl Agent {
    /// An agent that is not set up yet.
    #[must_use]
    #[track_caller]
    pub fn new(program: &Path, folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        if let Err(error) = fs::create_dir_all(&folder) {
            crate::fail(format_args!("{} cannot be made: {error}", folder.display()));
        }
        Self {
            program: program.to_owned(),
            folder,
            name: name.to_owned(),
            environment: Vec::new(),
            running: None,
        }
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A file or folder of its own.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A variable for what is started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        set(&mut self.environment, name, OsStr::new(value));
    }

    /// Takes a variable back.
    pub fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// Runs a command.
    #[must_use]
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ran {
        program::run(self.command().args(arguments))
    }

    fn command(&self) -> Command {
        let mut command = command(&self.program, &self.environment);
        command.arg("--config").arg(self.path("agent.toml")).current_dir(&self.folder);
        command
    }

    /// `setup` with a code, for a directory that an account with this name and password reads.
    #[must_use]
    #[track_caller]
    pub fn setup(
        &self,
        service: &str,
        code: &str,
        account: (&str, &str),
        directory: &[&str],
    ) -> Ran {
        let password = self.path("password");
        if let Err(error) = fs::write(&password, account.1) {
            crate::fail(format_args!("{} cannot be written: {error}", password.display()));
        }
        let mut setup = self.command();
        setup.args(["setup", "--no-questions", "--service", service, "--name", &self.name]);
        setup.args(["--bind-dn", account.0, "--bind-password-file"]).arg(&password);
        // Not on the command line, where everybody on the machine could read it.
        setup.env("PROVISIONING_CODE", code).args(directory);
        program::run(&mut setup)
    }

    /// Starts it.
    #[track_caller]
    pub fn begin(&mut self) {
        let running = Program::start(&self.name, self.command().arg("run"));
        self.running = Some(running);
    }

    /// The process.
    #[must_use]
    #[track_caller]
    pub fn process(&mut self) -> &mut Program {
        match &mut self.running {
            Some(running) => running,
            None => crate::fail(format_args!("{} does not run", self.name)),
        }
    }

    /// The id of the process, where it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(Program::pid)
    }

    /// As `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
        }
    }

    /// As systemd stops it.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.terminate();
            let status = running.wait(PATIENCE);
            if !status.success() {
                crate::fail(format_args!("{} ended with {status}:\n{}", self.name, running.log()));
            }
        }
    }

    /// What it has logged since it was started last.
    #[must_use]
    pub fn log(&self) -> String {
        self.running.as_ref().map(Program::log).unwrap_or_default()
    }

    /// Its id, from its own identity.
    #[must_use]
    #[track_caller]
    pub fn id(&self) -> String {
        let told = self.run(&["status", "--json"]).expect(0);
        let status: serde_json::Value = serde_json::from_str(&told.stdout).unwrap_or_default();
        match status["agent"].as_str() {
            Some(id) => id.to_owned(),
            None => crate::fail(format_args!("{} does not tell its id: {told}", self.name)),
        }
    }
}

//! A throw-away PostgreSQL server.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{ldap_tools, poll};

const USER: &str = "postgres";
/// With a character that an address has to escape.
const PASSWORD: &str = "testkit secret";
const DEADLINE: Duration = Duration::from_secs(60);

/// A PostgreSQL in a temporary folder, on a free port of 127.0.0.1, with a password; destroyed when dropped.
///
/// Tests of the same machine share one empty cluster, which is copied: making one takes seconds. Nothing is synced to the
/// disk unless a test asks for it, so a killed server loses nothing and a power cut may.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    settings: Vec<(String, String)>,
    running: Mutex<Option<Child>>,
    databases: AtomicU32,
}

impl Postgres {
    /// Starts a server.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[("fsync", "off"), ("full_page_writes", "off")])
    }

    /// Starts a server with settings of its configuration file, and syncs what it writes.
    #[must_use]
    #[track_caller]
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let server = Self::prepared(settings);
        server.start_again();
        server
    }

    /// Starts a server that speaks TLS, and gives the certificate, which is its own authority, for the address 127.0.0.1.
    #[must_use]
    #[track_caller]
    pub fn start_with_tls() -> (Self, PathBuf) {
        ldap_tools::need("PostgreSQL with TLS", &[("openssl", "openssl")]);
        let mut server = Self::prepared(&[("fsync", "off"), ("full_page_writes", "off")]);
        let path = |name: &str| server.folder.path().join(name);
        let (key, certificate) = (path("server.key"), path("server.crt"));
        server.tool(
            Command::new("openssl")
                .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
                .args(["-nodes", "-days", "2", "-subj", "/CN=testkit"])
                .args(["-addext", "subjectAltName=IP:127.0.0.1"])
                .args(["-addext", "basicConstraints=critical,CA:FALSE"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        );
        let setting = |name: &str, value: &Path| (name.to_owned(), value.display().to_string());
        server.settings.extend([
            ("ssl".to_owned(), "on".to_owned()),
            setting("ssl_key_file", &key),
            setting("ssl_cert_file", &certificate),
        ]);
        server.start_again();
        (server, certificate)
    }

    #[track_caller]
    fn prepared(settings: &[(&str, &str)]) -> Self {
        let programs = programs();
        let user = unprivileged();
        let folder = match TempDir::with_prefix("postgres-") {
            Ok(folder) => folder,
            Err(error) => crate::fail(format_args!("no temporary folder: {error}")),
        };
        if let Some((uid, gid)) = user {
            let owned = chown(folder.path(), Some(uid), Some(gid));
            owned.unwrap_or_else(|error| crate::fail(format_args!("chown: {error}")));
        }
        let settings = settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let server = Self {
            folder,
            programs,
            user,
            port: ldap_tools::free_port(),
            settings,
            running: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        let empty = server.empty_cluster();
        server
            .tool(Command::new("cp").args(["-a", "--reflink=auto"]).arg(empty).arg(server.data()));
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// An empty cluster, made where there is none of this version and user.
    #[track_caller]
    fn empty_cluster(&self) -> PathBuf {
        let version = self.tool(Command::new(self.programs.join("initdb")).arg("--version"));
        let version: String = version.chars().filter(char::is_ascii_digit).collect();
        let uid = self.user.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid);
        let shared = std::env::temp_dir().join(format!("testkit-postgres-{version}-{uid}"));
        let made = shared.join("empty");
        let fault = |error: std::io::Error| -> ! {
            crate::fail(format_args!("{} cannot be used: {error}", shared.display()))
        };
        std::fs::create_dir_all(&shared).unwrap_or_else(|error| fault(error));
        if let Some((uid, gid)) = self.user {
            chown(&shared, Some(uid), Some(gid)).unwrap_or_else(|error| fault(error));
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&shared, private).unwrap_or_else(|error| fault(error));
        // Other test processes wait until it is whole.
        let lock = std::fs::File::create(shared.join("lock")).unwrap_or_else(|error| fault(error));
        lock.lock().unwrap_or_else(|error| fault(error));
        if !made.exists() {
            let (half, password) = (shared.join("half"), shared.join("password"));
            let _ = std::fs::remove_dir_all(&half);
            std::fs::write(&password, PASSWORD).unwrap_or_else(|error| fault(error));
            self.tool(
                Command::new(self.programs.join("initdb"))
                    .args(["--username", USER, "--auth", "scram-sha-256", "--no-sync"])
                    .args(["--encoding", "UTF8", "--locale", "C", "--pwfile"])
                    .arg(password)
                    .arg(&half),
            );
            std::fs::rename(half, &made).unwrap_or_else(|error| fault(error));
        }
        made
    }

    /// Makes a fresh database and gives its address, `postgres://...`.
    #[must_use]
    #[track_caller]
    pub fn database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.address(&name)
    }

    /// The address of a database of this name.
    #[must_use]
    pub fn address(&self, database: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://{USER}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL in a database and gives what came of it, columns separated by `|`; fails the test where it fails.
    #[track_caller]
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.psql(database);
        self.tool(psql.args(["--command", sql])).trim_end().to_owned()
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only"])
            .args(["--set", "ON_ERROR_STOP=1", "--host", "127.0.0.1", "--username", USER])
            .args(["--port", &self.port.to_string(), "--dbname", database])
            .env("PGPASSWORD", PASSWORD);
        psql
    }

    /// Kills the server without a word: what it had not committed is gone.
    #[track_caller]
    pub fn kill(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Shuts the server down; sessions are ended.
    #[track_caller]
    pub fn stop(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = running.take() {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if pid.is_none_or(|pid| kill_process(pid, Signal::INT).is_err()) {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }

    /// Starts it (again) on the same port, and waits until it answers.
    #[track_caller]
    pub fn start_again(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        poll::until(DEADLINE, || {
            let child = match running.as_mut() {
                Some(child) => child,
                None => running.insert(self.spawn()),
            };
            // What is left of a killed one may be in the way for a moment.
            if let Ok(Some(status)) = child.try_wait() {
                *running = None;
                return Err(format!("PostgreSQL ended with {status}:\n{}", self.log()));
            }
            let answer = self.psql("postgres").args(["--command", "SELECT 1"]).output();
            match answer {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
                Err(error) => Err(error.to_string()),
            }
        });
    }

    #[track_caller]
    fn spawn(&self) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"));
        let mut command = Command::new(self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .args(["-c", "listen_addresses=127.0.0.1", "-p", &self.port.to_string()])
            .args(["-c", "unix_socket_directories="]);
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        match log {
            Ok(log) => command.stderr(log),
            Err(_) => command.stderr(Stdio::null()),
        };
        match self.as_user(&mut command).spawn() {
            Ok(child) => child,
            Err(error) => crate::fail(format_args!("PostgreSQL does not start: {error}")),
        }
    }

    /// What the server has logged.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn as_user<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.current_dir(self.folder.path()).env("LC_ALL", "C")
    }

    #[track_caller]
    fn tool(&self, command: &mut Command) -> String {
        match self.as_user(command).stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => {
                String::from_utf8_lossy(&output.stdout).into_owned()
            }
            Ok(output) => crate::fail(format_args!(
                "{} failed ({}):\n{}{}",
                command.get_program().display(),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )),
            Err(error) => crate::fail(format_args!(
                "{} does not start: {error}",
                command.get_program().display()
            )),
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder of PostgreSQL's programs, which are on nobody's path on Debian.
#[track_caller]
fn programs() -> PathBuf {
    let whole = |folder: &Path| {
        ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists())
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| whole(folder));
    let installed = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let folders = versions.filter_map(Result::ok).map(|version| version.path().join("bin"));
        folders.filter(|folder| whole(folder)).max()
    };
    on_path.or_else(installed).unwrap_or_else(|| {
        crate::fail(format_args!(
            "PostgreSQL cannot be started: install the package postgresql (apt-get install --no-install-recommends postgresql)"
        ))
    })
}

/// The user and group to run as: PostgreSQL does not run as root.
#[track_caller]
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = ids("postgres").or_else(|| ids("nobody"));
    Some(found.unwrap_or_else(|| {
        crate::fail(format_args!(
            "PostgreSQL does not run as root, and there is neither a user postgres nor nobody"
        ))
    }))
}

#[cfg(test)]
mod tests {
    use super::Postgres;

    #[test]
    fn what_was_committed_survives_a_kill() {
        let server = Postgres::start();
        let address = server.database();
        let name = address.rsplit('/').next().unwrap();
        server.sql(name, "CREATE TABLE t (n int)");
        server.sql(name, "INSERT INTO t VALUES (7)");
        server.kill();
        server.start_again();
        assert_eq!(server.sql(name, "SELECT n FROM t"), "7");
        server.stop();
        server.start_again();
        assert_ne!(server.database(), address);
    }
}

//! The real server binary as a child process: started, stopped, killed and started again.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::output::Output;
use crate::{Client, poll, program};

/// The bearer token of servers started here, unless a test sets its own.
pub const TOKEN: &str = "testkit-bearer-token-0123456789";

/// What the one line on standard output begins with.
const READY: &str = "listening on ";

/// How to start a server; can be started more than once, each time on the same data folder.
///
/// Defaults come as environment variables, so that any argument beats them: a free port of
/// `127.0.0.1`, a temporary data folder, and the token [`TOKEN`]. No `SCIM_*` variable of the
/// test's own environment reaches the server.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    token: Option<String>,
    data: Data,
    deadline: Duration,
    preamble: usize,
}

#[derive(Clone, Debug)]
enum Data {
    /// Removed with the last clone of this launch and the last server started from it.
    Temporary(Arc<TempDir>),
    Folder(PathBuf),
}

impl Launch {
    /// A launch of the given binary, in a test usually `env!("CARGO_BIN_EXE_scim-server")`.
    #[must_use]
    #[track_caller]
    pub fn new(program: impl AsRef<Path>) -> Self {
        let folder = match TempDir::with_prefix("scim-test-") {
            Ok(folder) => folder,
            Err(error) => crate::fail(format_args!("no temporary folder: {error}")),
        };
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            token: Some(TOKEN.to_owned()),
            data: Data::Temporary(Arc::new(folder)),
            deadline: Duration::from_secs(20),
            preamble: 0,
        }
    }

    /// A launch of this very test binary, whose test of the given name runs the server: it is marked
    /// `#[ignore]` and calls `scim_server::run::main_with(["scim-server"])`. For tests outside of the server's own
    /// package, to which cargo does not name the server's binary; settings go into the environment.
    #[must_use]
    #[track_caller]
    pub fn of_test(name: &str) -> Self {
        let program = match std::env::current_exe() {
            Ok(program) => program,
            Err(error) => crate::fail(format_args!("this test binary cannot be found: {error}")),
        };
        let arguments = ["--quiet", "--nocapture", "--ignored", "--exact", name];
        // The test harness begins with an empty line and "running 1 test".
        Self { preamble: 2, ..Self::new(program).args(&arguments) }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: &[S]) -> Self {
        self.args.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Sets the default tenant's token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Sets no token: the server makes one and prints it on standard error.
    #[must_use]
    pub fn without_token(mut self) -> Self {
        self.token = None;
        self
    }

    /// Uses a data folder of the test's own choice.
    #[must_use]
    pub fn data(mut self, folder: impl AsRef<Path>) -> Self {
        self.data = Data::Folder(folder.as_ref().to_owned());
        self
    }

    /// How long the server may take until it answers; 20 seconds unless set.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        match &self.data {
            Data::Temporary(folder) => folder.path(),
            Data::Folder(folder) => folder,
        }
    }

    /// Starts the server and waits until it answers; fails the test with what it wrote otherwise.
    #[must_use]
    #[track_caller]
    pub fn start(&self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(refused) => crate::fail(format_args!("{refused}")),
        }
    }

    /// Starts the server; for tests that expect it to refuse.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the process ended or the deadline passed before the line
    /// `listening on URL` appeared on standard output.
    pub fn try_start(&self) -> Result<Server, Refused> {
        let mut child = program::grouped(&mut self.command()).spawn().map_err(|error| Refused {
            status: None,
            stderr: format!("{} does not start: {error}", self.program.display()),
        })?;
        let stderr = Output::collect(child.stderr.take(), None);
        let (sender, lines) = mpsc::channel();
        let stdout = Output::collect(child.stdout.take(), Some(sender));
        // From here on a failure must not leave the process behind: `Server` kills it on drop.
        let mut server = Server {
            child,
            launch: self.clone(),
            url: String::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            stdout,
            stderr,
        };
        match ready_url(&lines, self.preamble, Instant::now() + self.deadline) {
            Some((url, address)) => {
                server.url = url;
                server.address = address;
                Ok(server)
            }
            None => Err(server.refuse()),
        }
    }

    /// The command this launch runs, for tests of other subcommands on the same data folder.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SCIM_") {
                command.env_remove(name);
            }
        }
        command
            .env("SCIM_LISTEN", "127.0.0.1:0")
            .env("SCIM_DATA", self.data_dir())
            .envs(self.token.iter().map(|token| ("SCIM_TOKEN", token)))
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    launch: Launch,
    url: String,
    address: SocketAddr,
    stdout: Output,
    stderr: Output,
}

impl Server {
    /// Starts a binary with arguments and the defaults of [`Launch`].
    #[must_use]
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(program: impl AsRef<Path>, args: &[S]) -> Self {
        Launch::new(program).args(args).start()
    }

    /// The URL it printed, for example `http://127.0.0.1:40123/scim/v2`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it was started; start that again after a [`Server::kill`] to find the same data.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// A client for the printed URL with the token of the launch.
    #[must_use]
    pub fn client(&self) -> Client {
        let rest = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let path = rest.find('/').map_or("", |slash| &rest[slash..]);
        let client = Client::new(self.address, path, "");
        match &self.launch.token {
            Some(token) => client.with_token(token),
            None => client.anonymous(),
        }
    }

    /// Everything written to standard output so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Everything written to standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until standard error contains a text and returns the first line that does.
    #[must_use]
    #[track_caller]
    pub fn logged(&self, text: &str, deadline: Duration) -> String {
        poll::until(deadline, || {
            let log = self.stderr();
            let line = log.lines().find(|line| line.contains(text)).map(str::to_owned);
            line.ok_or_else(|| format!("nothing with {text:?} in the log:\n{log}"))
        })
    }

    /// Whether the process is still there.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the server to stop (`SIGTERM`) and returns at once.
    #[track_caller]
    pub fn terminate(&self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let sent = pid.ok_or(rustix::io::Errno::SRCH).and_then(|p| kill_process(p, Signal::TERM));
        if let Err(error) = sent {
            crate::fail(format_args!("no SIGTERM to {}: {error}", self.pid()));
        }
    }

    /// Waits for the process to end by itself; fails the test when it does not.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        match poll::try_until(deadline, || self.child.try_wait().ok().flatten().ok_or(())) {
            Ok(status) => status,
            Err(()) => crate::fail(format_args!(
                "process {} still runs after {deadline:?}; standard error:\n{}",
                self.pid(),
                self.stderr()
            )),
        }
    }

    /// Asks the server to stop and waits until it has.
    #[track_caller]
    pub fn stop(mut self, deadline: Duration) -> ExitStatus {
        self.terminate();
        self.wait(deadline)
    }

    /// Kills the process (`SIGKILL`) without any warning and hands the launch back, whose data
    /// folder is as the crash left it.
    #[must_use]
    pub fn kill(mut self) -> Launch {
        self.end();
        self.launch.clone()
    }

    fn end(&mut self) {
        // Both fail only when the process has already ended and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn refuse(mut self) -> Refused {
        let status = poll::try_until(Duration::from_millis(500), || {
            self.child.try_wait().ok().flatten().ok_or(())
        });
        self.end();
        self.stderr.finish();
        Refused { status: status.ok(), stderr: self.stderr() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server that did not come up.
#[derive(Clone, Debug)]
pub struct Refused {
    /// How the process ended; `None` when it was still running or never started.
    pub status: Option<ExitStatus>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "the server ended ({status}) before it listened")?,
            None => f.write_str("the server did not say that it listens")?,
        }
        write!(f, "; standard error:\n{}", self.stderr)
    }
}

impl std::error::Error for Refused {}

/// The URL of the first line on standard output after the preamble, if it is the promised one.
fn ready_url(
    lines: &Receiver<String>,
    preamble: usize,
    end: Instant,
) -> Option<(String, SocketAddr)> {
    let line = || lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok();
    for _ in 0..preamble {
        line()?;
    }
    let line = line()?;
    let url = line.strip_prefix(READY)?;
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let address = authority.to_socket_addrs().ok()?.next()?;
    Some((url.to_owned(), address))
}

#[cfg(test)]
mod tests {
    use super::{Launch, Server};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);
    const READY: &str = "echo listening on http://127.0.0.1:4711/scim/v2";

    /// A shell script in the server's place.
    fn script(text: &str) -> Launch {
        Launch::new("/bin/sh").args(&["-c", text]).deadline(SOON)
    }

    #[test]
    fn reads_the_url_and_hands_over_the_defaults() {
        let tell = "echo \"$SCIM_LISTEN $SCIM_DATA $SCIM_TOKEN\" >&2";
        let server = script(&format!("{tell}; {READY}; exec tail -f /dev/null")).start();
        assert_eq!(server.url(), "http://127.0.0.1:4711/scim/v2");
        assert_eq!(server.address().port(), 4711);
        let line = server.logged("127.0.0.1:0", SOON);
        let data = server.launch().data_dir().display().to_string();
        assert_eq!(line, format!("127.0.0.1:0 {data} {}", super::TOKEN));
    }

    #[test]
    fn a_refusal_carries_status_and_words() {
        let refused = script("echo 'the folder is in use' >&2; exit 3").try_start().unwrap_err();
        assert_eq!(refused.status.and_then(|s| s.code()), Some(3));
        assert!(refused.to_string().contains("the folder is in use"), "{refused}");
    }

    #[test]
    fn a_program_that_does_not_exist_is_a_refusal() {
        let refused = Launch::new("/no/such/server").try_start().unwrap_err();
        assert!(refused.stderr.contains("/no/such/server"), "{refused}");
    }

    #[test]
    fn a_silent_process_is_given_up_and_killed() {
        let launch = script("exec tail -f /dev/null").deadline(Duration::from_millis(100));
        assert!(launch.try_start().unwrap_err().status.is_none());
    }

    #[test]
    fn stops_on_a_signal() {
        let trap = "trap 'echo bye >&2; exit 0' TERM";
        let server = script(&format!("{trap}; {READY}; while :; do :; done")).start();
        assert!(server.stop(SOON).success());
    }

    #[test]
    fn a_killed_server_leaves_its_data_to_the_next() {
        let write = "echo x >> \"$SCIM_DATA/log\"; wc -l < \"$SCIM_DATA/log\" >&2";
        let first = script(&format!("{write}; {READY}; exec tail -f /dev/null")).start();
        let mut second: Server = first.kill().start();
        assert_eq!(second.logged("2", SOON).trim(), "2");
        assert!(second.is_running());
    }

    #[test]
    fn the_temporary_folder_goes_with_its_last_user() {
        let server = script(&format!("{READY}; exec tail -f /dev/null")).start();
        let folder = server.launch().data_dir().to_owned();
        assert!(folder.exists());
        drop(server);
        assert!(!folder.exists());
    }
}

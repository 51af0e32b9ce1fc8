//! A throw-away NATS server.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::ldap_tools;
use crate::poll;

const PATIENCE: Duration = Duration::from_secs(20);
const PROGRAMS: &[(&str, &str)] = &[("nats-server", "nats-server")];

/// A `nats-server` in a temporary folder, on a free port of 127.0.0.1; killed when dropped. Needs no root.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    port: u16,
    settings: String,
    child: Option<Child>,
}

impl Nats {
    /// Starts one that lets everybody in.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::with("")
    }

    /// Starts one with more settings, in the language of its configuration file. `{folder}` in them is [`Self::folder`].
    #[must_use]
    #[track_caller]
    pub fn with(settings: &str) -> Self {
        ldap_tools::need("NATS", PROGRAMS);
        let folder = match TempDir::with_prefix("nats-") {
            Ok(folder) => folder,
            Err(error) => crate::fail(format_args!("no temporary folder: {error}")),
        };
        let settings = settings.replace("{folder}", &folder.path().display().to_string());
        let mut server = Self { folder, port: ldap_tools::free_port(), settings, child: None };
        server.start_again();
        server
    }

    /// Its temporary folder.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `nats://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it; whoever is connected notices.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // One that has ended by itself is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it (again) on the same port.
    #[track_caller]
    pub fn start_again(&mut self) {
        let config = self.folder.path().join("nats.conf");
        let text = format!("listen: \"127.0.0.1:{}\"\n{}\n", self.port, self.settings);
        if let Err(error) = std::fs::write(&config, text) {
            crate::fail(format_args!("{}: {error}", config.display()));
        }
        let log = self.folder.path().join("nats.log");
        let mut command = Command::new("nats-server");
        command
            .env("PATH", ldap_tools::search_path())
            .arg("--config")
            .arg(&config)
            .arg("--log")
            .arg(&log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => self.child = Some(child),
            Err(error) => crate::fail(format_args!("nats-server cannot be started: {error}")),
        }
        let port = self.port;
        poll::until(PATIENCE, || {
            greeted(port).map_err(|error| {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                format!("NATS does not answer: {error}\n{log}")
            })
        });
    }
}

/// It talks first, when it is ready.
fn greeted(port: u16) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    if !line.starts_with("INFO ") {
        return Err(std::io::Error::other(format!("it says {line:?}")));
    }
    stream.flush()
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.stop();
    }
}

//! The API of the provisioning service as an operator asks it: with `curl`, a token, and the certificate of the service's
//! own authority.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program;

/// Who asks, and whom.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    ca: PathBuf,
    token: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request, for failures.
    asked: String,
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; `null` where there is none. Fails the test where the status is another.
    #[must_use]
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        if self.status != status {
            crate::fail(format_args!(
                "{} answers {} and not {status}: {}",
                self.asked, self.status, self.body
            ));
        }
        self.json()
    }

    /// The body as JSON; `null` where it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Api {
    /// Asks this origin, whose certificate comes from the authority in this file.
    #[must_use]
    pub fn new(base: &str, ca: &Path, token: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            ca: ca.to_owned(),
            token: token.to_owned(),
        }
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// `GET path`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None)
    }

    /// `POST path` with a body, or with none.
    #[must_use]
    #[track_caller]
    pub fn post(&self, path: &str, body: Option<&Value>) -> Answer {
        self.ask("POST", path, body)
    }

    /// `PUT path`.
    #[must_use]
    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask("PUT", path, Some(body))
    }

    /// `PATCH path`.
    #[must_use]
    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask("PATCH", path, Some(body))
    }

    /// `DELETE path`.
    #[must_use]
    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.ask("DELETE", path, None)
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        match self.try_ask(method, path, body) {
            Ok(answer) => answer,
            Err(error) => crate::fail(format_args!("{method} {path}: {error}")),
        }
    }

    /// Asks, and hands back why no answer came: for whoever waits for a service.
    ///
    /// # Errors
    ///
    /// What `curl` says.
    pub fn try_ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        // Through standard input: a token on a command line can be read by everybody on the machine.
        let mut config = String::new();
        let mut set = |name: &str, value: &str| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            // Writing to a String cannot fail.
            let _ = writeln!(config, "{name} = \"{value}\"");
        };
        set("url", &format!("{}{path}", self.base));
        set("request", method);
        set("header", &format!("Authorization: Bearer {}", self.token));
        if let Some(body) = body {
            set("header", "Content-Type: application/json");
            set("data-raw", &body.to_string());
        }
        let mut command = Command::new("curl");
        command
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "60",
                "--noproxy",
                "*",
                "--config",
                "-",
            ])
            .args(["--write-out", "\n%{http_code}", "--cacert"])
            .arg(&self.ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let spawned = program::grouped(&mut command).spawn();
        let mut child = spawned.map_err(|error| format!("curl does not start: {error}"))?;
        if let Some(mut stdin) = child.stdin.take() {
            // A curl that ended early says why on its standard error.
            let _ = stdin.write_all(config.as_bytes());
        }
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, status) = text.rsplit_once('\n').unwrap_or_default();
        Ok(Answer {
            asked: format!("{method} {path}"),
            status: status.parse().map_err(|_| format!("curl tells no status: {text}"))?,
            body: body.to_owned(),
        })
    }
}

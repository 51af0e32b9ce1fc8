//! The configuration file: what is read, what is written, by which rules, and how far a run may go.
//!
//! One TOML file holds all of it, rules included. Texts outside of the rules may have `${NAME}` for an environment variable
//! and `${NAME:-default}`; secrets are only ever named.

mod environment;
mod managed;
mod schedule;
mod secret;
mod source;
mod target;

use std::fmt;
use std::path::{Path, PathBuf};

use scim_sync::guard::Guard;
use serde::{Deserialize, Serialize};
use toml::Table;

pub use environment::{Environment, Process};
pub(crate) use managed::check_service;
pub use managed::{ManagedConfig, ManagedSettings};
pub use schedule::{Period, ScheduleConfig};
pub use secret::SecretSource;
pub use source::{
    CsvSource, LdapSource, ScopeConfig, SignIn, SourceConfig, SourceKind, Tls, Tracking,
};
pub(crate) use target::is_loopback;
pub use target::{BulkConfig, TargetConfig};

/// The keys that rules have at the top of the file.
const RULES: &[&str] = &["version", "parameters", "rule"];

/// What is wrong with a configuration: one sentence that names the place and says what to mend.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// A configuration file that was read and checked as far as it can be without asking anybody.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the file is.
    pub path: PathBuf,
    /// The text of the file, which the rules are read from.
    pub text: String,
    /// What the file says beside the rules.
    pub settings: Settings,
}

/// What a configuration file says beside the rules.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where the state is kept, with the logs and what is needed to undo a run.
    pub state_dir: PathBuf,
    /// Whether changes are written, or only worked out.
    #[serde(default)]
    pub mode: Mode,
    /// The directories that are read.
    #[serde(rename = "source")]
    pub sources: Vec<SourceConfig>,
    /// The services that are written to.
    #[serde(rename = "target")]
    pub targets: Vec<TargetConfig>,
    /// How many deletions are too many.
    #[serde(default)]
    pub guard: Guard,
    /// How often.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Where the health endpoint listens; nowhere when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<std::net::SocketAddr>,
}

/// Whether changes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They are.
    #[default]
    Active,
    /// Everything is read and worked out, and nothing is written: `pending` shows what would be.
    Staging,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Staging => "staging",
        })
    }
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file in front.
    pub fn load(path: &Path, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let here = |error: ConfigError| ConfigError::new(format!("{}: {error}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::new(format!("{} cannot be read: {error}", path.display()))
        })?;
        let settings = Settings::parse(&text, environment).map_err(here)?;
        Ok(Self { path: path.to_owned(), text, settings })
    }

    /// The folder of the file: what it names by a relative path is looked for there.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Where the state is kept, as an absolute or working path.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.folder().join(&self.settings.state_dir)
    }
}

impl Settings {
    /// Reads what a file says beside the rules.
    ///
    /// # Errors
    /// [`ConfigError`] with the line, as far as it is known.
    pub fn parse(text: &str, environment: &dyn Environment) -> Result<Self, ConfigError> {
        let mut table: Table =
            toml::from_str(text).map_err(|error| ConfigError::new(located(text, &error)))?;
        environment::expand(&mut table, RULES, environment)?;
        table.retain(|key, _| !RULES.contains(&key));
        let settings: Self = table.try_into().map_err(|error: toml::de::Error| {
            ConfigError::new(error.to_string().trim().replace('\n', " "))
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// What can be said without asking anybody.
    fn check(&self) -> Result<(), ConfigError> {
        if self.sources.is_empty() {
            return Err(ConfigError::new("there is no [[source]]: name a directory to read"));
        }
        if self.targets.is_empty() {
            return Err(ConfigError::new("there is no [[target]]: name a service to write to"));
        }
        if self.state_dir.as_os_str().is_empty() {
            return Err(ConfigError::new(
                "state-dir is empty: name a folder where the state is kept",
            ));
        }
        let names = self
            .sources
            .iter()
            .map(|source| &source.name)
            .chain(self.targets.iter().map(|target| &target.name));
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            if name.trim().is_empty() {
                return Err(ConfigError::new(
                    "a source or target has an empty name: rules and state call it by that",
                ));
            }
            if !seen.insert(name) {
                return Err(ConfigError::new(format!(
                    "two sources or targets have the name {name:?}"
                )));
            }
        }
        for source in &self.sources {
            source.check()?;
        }
        for target in &self.targets {
            target.check()?;
        }
        self.schedule.check()
    }
}

/// A mistake in TOML with its line and column.
fn located(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message().trim())
}

#[cfg(test)]
mod tests;

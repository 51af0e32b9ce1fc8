//! What `doctor` and `setup` find out: whether everything that a cycle needs is there, a line for each thing, and what to
//! mend where it is not.

mod certificate;
mod local;
mod rules;
mod source;
mod target;

use std::fmt;
use std::path::Path;

use anyhow::Result;
use scim_sync::rules::RuleSet;
use serde::Serialize;

use crate::command::print;
use crate::config::Environment;

pub(crate) use local::is_open;
pub use local::{secret, state_dir};
pub use rules::rules;
pub use source::source;
pub use target::target;

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Cycles run, and somebody should look at it.
    Warn,
    /// No cycle can run with it.
    Fail,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// How it is.
    pub state: State,
    /// The source, the target, or what else it is about.
    pub about: String,
    /// The thing.
    pub check: &'static str,
    /// What was found, and where it is not well, what to mend.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { state, about, check, text } = self;
        write!(f, "{state:<4}  {about}: {check}: {text}")
    }
}

/// The lines, as they come.
#[derive(Debug, Default)]
pub struct Report {
    lines: Vec<Line>,
    shown: bool,
}

impl Report {
    /// A report; `shown` prints each line at once, so that nobody waits before an empty screen.
    #[must_use]
    pub fn new(shown: bool) -> Self {
        Self { lines: Vec::new(), shown }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// Where it cannot be printed.
    pub fn add(
        &mut self,
        state: State,
        about: &str,
        check: &'static str,
        text: impl Into<String>,
    ) -> Result<()> {
        let line = Line { state, about: about.to_owned(), check, text: text.into() };
        if self.shown {
            print(format!("{line}\n"))?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// What there is so far.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> State {
        self.lines.iter().map(|line| line.state).max().unwrap_or(State::Ok)
    }

    /// How many lines have this state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.lines.iter().filter(|line| line.state == state).count()
    }
}

/// What the checks work with.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The folder that relative paths begin at.
    pub folder: &'a Path,
    /// Where variables are looked up.
    pub environment: &'a dyn Environment,
    /// The rules; `None` where they are not here, as those of a managed agent.
    pub rules: Option<&'a RuleSet>,
}

/// The first few of many names.
pub(crate) fn few<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests;

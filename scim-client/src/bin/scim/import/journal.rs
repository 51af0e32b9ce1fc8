//! How far an import is: a line for each step, written before and after each create.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// One step.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// Where the import goes to.
    Target { url: String },
    /// The line is about to be created.
    Begun { line: u64 },
    /// It was not created.
    Refused { line: u64 },
    /// It was created: under this id, and with all its references or not.
    Made { line: u64, name: Option<String>, id: String, whole: bool },
    /// Its references are made.
    Linked { line: u64 },
}

/// What is known about a line from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing was sent.
    #[default]
    Nothing,
    /// It may have been created.
    Begun,
    /// It was created.
    Made { name: Option<String>, id: String, whole: bool },
}

/// The file with the steps.
#[derive(Debug, Default)]
pub(super) struct Journal {
    file: Option<File>,
    before: BTreeMap<u64, Before>,
}

impl Journal {
    /// Reads what was done before, if anything, and goes on there. Keeps nothing without a file.
    pub(super) fn open(path: Option<&Path>, url: &str, input: &str) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let failed = || format!("{} cannot be used", path.display());
        let mut journal = Self::default();
        let mut known = false;
        if path.exists() {
            let text = std::fs::read_to_string(path).with_context(failed)?;
            // The end of a line that was being written when the import was killed says nothing.
            let complete = text.rfind('\n').map_or(0, |end| end + 1);
            for line in text[..complete].lines() {
                let step: Step = serde_json::from_str(line)
                    .with_context(|| format!("{} is no state of an import", path.display()))?;
                match step {
                    Step::Target { url: earlier } if earlier != url => bail!(
                        "the import of {input} was begun at {earlier}, not at {url}; go on there, or delete {}",
                        path.display()
                    ),
                    Step::Target { .. } => known = true,
                    step => journal.learn(step),
                }
            }
            let file = OpenOptions::new().write(true).open(path).with_context(failed)?;
            file.set_len(complete as u64).with_context(failed)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
        journal.file = Some(file);
        if !known {
            journal.write(&Step::Target { url: url.to_owned() })?;
        }
        Ok(journal)
    }

    fn learn(&mut self, step: Step) {
        match step {
            Step::Begun { line } => {
                self.before.insert(line, Before::Begun);
            }
            Step::Refused { line } => {
                self.before.remove(&line);
            }
            Step::Made { line, name, id, whole } => {
                self.before.insert(line, Before::Made { name, id, whole });
            }
            Step::Linked { line } => {
                if let Some(Before::Made { whole, .. }) = self.before.get_mut(&line) {
                    *whole = true;
                }
            }
            Step::Target { .. } => {}
        }
    }

    fn write(&mut self, step: &Step) -> anyhow::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut line = serde_json::to_vec(step)?;
        line.push(b'\n');
        file.write_all(&line).context("how far the import is cannot be kept")
    }

    /// The ids that were given before: each stands for its own line, and for no other.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.before.values().filter_map(|before| match before {
            Before::Made { id, .. } => Some(id.as_str()),
            Before::Nothing | Before::Begun => None,
        })
    }

    /// What is known about this line from before.
    pub(super) fn before(&mut self, line: u64) -> Before {
        self.before.remove(&line).unwrap_or_default()
    }

    pub(super) fn begun(&mut self, line: u64) -> anyhow::Result<()> {
        self.write(&Step::Begun { line })
    }

    pub(super) fn refused(&mut self, line: u64) -> anyhow::Result<()> {
        self.write(&Step::Refused { line })
    }

    pub(super) fn made(
        &mut self,
        line: u64,
        name: Option<&str>,
        id: &str,
        whole: bool,
    ) -> anyhow::Result<()> {
        let name = name.map(str::to_owned);
        self.write(&Step::Made { line, name, id: id.to_owned(), whole })
    }

    pub(super) fn linked(&mut self, line: u64) -> anyhow::Result<()> {
        self.write(&Step::Linked { line })
    }
}

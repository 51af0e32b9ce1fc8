//! How far an import is: a line for each step, written before and after each create.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// How each state begins.
const BEGINNING: &str = "{\"target\":{";

/// One step.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// Where the import goes to, and whether lines of which nothing is known may be there already.
    Target {
        url: String,
        #[serde(default, rename = "looks-up")]
        looks_up: bool,
    },
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
    looks_up: bool,
    before: BTreeMap<u64, Before>,
    /// Lines that were created, or may have been.
    begun: BTreeSet<u64>,
}

impl Journal {
    /// Reads what was done before, if anything, and goes on there. Keeps nothing without a file. `looks_up` is for an import
    /// that begins here; one that goes on keeps to what it was begun with.
    pub(super) fn open(
        path: Option<&Path>,
        url: &str,
        input: &str,
        looks_up: bool,
    ) -> anyhow::Result<Self> {
        let mut journal = Self { looks_up, ..Self::default() };
        let Some(path) = path else { return Ok(journal) };
        let failed = || format!("{} cannot be used", path.display());
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).read(true).append(true).open(path).with_context(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another import is at work with {}", path.display())
            }
            // Not every file system has locks.
            Err(TryLockError::Error(_)) => {}
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(failed)?;
        // The end of a line that was being written when the import was killed says nothing.
        let complete = text.rfind('\n').map_or(0, |end| end + 1);
        let foreign = || format!("{} is no state of an import", path.display());
        // Nothing is cut off a file that is not ours.
        if complete == 0 && !BEGINNING.starts_with(&text) && !text.starts_with(BEGINNING) {
            bail!("{}", foreign());
        }
        let mut known = false;
        for line in text[..complete].lines() {
            let step: Step = serde_json::from_str(line).with_context(foreign)?;
            match step {
                Step::Target { url: earlier, .. } if earlier != url => bail!(
                    "the import of {input} was begun at {earlier}, not at {url}; go on there, or delete {}",
                    path.display()
                ),
                Step::Target { looks_up, .. } => {
                    known = true;
                    journal.looks_up = looks_up;
                }
                step if known => journal.learn(step),
                _ => bail!("{}", foreign()),
            }
        }
        if complete < text.len() {
            file.set_len(complete as u64).with_context(failed)?;
        }
        journal.file = Some(file);
        if !known {
            journal.write(&Step::Target { url: url.to_owned(), looks_up })?;
        }
        Ok(journal)
    }

    /// Whether lines of which nothing is known may be there already.
    pub(super) fn looks_up(&self) -> bool {
        self.looks_up
    }

    /// Whether there is anything to go on from.
    pub(super) fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    fn count(&mut self, step: &Step) {
        match step {
            Step::Begun { line } | Step::Made { line, .. } => drop(self.begun.insert(*line)),
            Step::Refused { line } => drop(self.begun.remove(line)),
            Step::Target { .. } | Step::Linked { .. } => {}
        }
    }

    fn learn(&mut self, step: Step) {
        self.count(&step);
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
        self.count(step);
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

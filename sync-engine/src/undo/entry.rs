//! The undo file: one JSON line for each write that happened, with what takes it back.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::connector::ReferenceEdit;
use crate::plan::Secrets;
use crate::{Anchor, AttributeName, AttributeSet, ConnectorId, ObjectType, Values};

/// What takes one write back.
///
/// The lines of a file are in the order of the writes and are taken back from the last to the first. They hold values of
/// people, as the target had them, and no secrets: those are never known well enough to be put back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UndoEntry {
    /// When the write happened.
    pub at: DateTime<Utc>,
    /// In which run.
    pub run: u64,
    /// In which system.
    pub target: ConnectorId,
    /// To an object of this type,
    pub object_type: ObjectType,
    /// that people call so.
    pub name: String,
    /// What to do.
    #[serde(flatten)]
    pub inverse: Inverse,
}

/// The opposite of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "undo", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Inverse {
    /// Of a create: remove the object.
    Remove {
        /// Which one.
        anchor: Anchor,
        /// What the target had then, so that an object that somebody changed since is told apart.
        attributes: AttributeSet,
    },
    /// Of an update: put back what was there.
    Change {
        /// Which one.
        anchor: Anchor,
        /// Values before the write; none where the attribute was not there.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<AttributeName, Values>,
        /// What was written over them.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        written: BTreeMap<AttributeName, Values>,
        /// References to add and to take away.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        references: BTreeMap<AttributeName, UndoReferences>,
    },
    /// Of a delete: make the object again. It gets a new identifier; lines that name the old one mean the new one.
    Recreate {
        /// The identifier that it had.
        anchor: Anchor,
        /// The values that it had, as far as they were known.
        attributes: AttributeSet,
    },
}

/// References to put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoReferences {
    /// To add.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Anchor>,
    /// To take away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Anchor>,
}

impl UndoReferences {
    /// The opposite of an edit.
    #[must_use]
    pub fn of(edit: &ReferenceEdit) -> Self {
        Self { add: edit.remove.clone(), remove: edit.add.clone() }
    }
}

/// Where undo lines go.
pub trait UndoSink: Send {
    /// Keeps a line.
    ///
    /// # Errors
    /// That of the medium.
    fn record(&mut self, entry: &UndoEntry) -> io::Result<()>;

    /// Makes all lines last. Called before the outcome of their writes is kept.
    ///
    /// # Errors
    /// That of the medium.
    fn flush(&mut self) -> io::Result<()>;
}

/// Keeps no undo lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoUndo;

impl UndoSink for NoUndo {
    fn record(&mut self, _entry: &UndoEntry) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl UndoSink for Vec<UndoEntry> {
    fn record(&mut self, entry: &UndoEntry) -> io::Result<()> {
        self.push(entry.clone());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes undo lines as JSON lines. What the lines are written to decides how well [`Write::flush`] makes them last.
#[derive(Debug)]
pub struct UndoLines<W>(pub W);

impl<W: Write + Send> UndoSink for UndoLines<W> {
    fn record(&mut self, entry: &UndoEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A file that cannot be taken back as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoFileError {
    /// It could not be read.
    #[error("the undo file could not be read: {0}")]
    Io(#[from] io::Error),
    /// A line is not one of an undo file.
    #[error("line {line} of the undo file: {message}")]
    Line {
        /// Which line.
        line: u64,
        /// What is wrong with it.
        message: String,
    },
}

/// Reads the lines of an undo file; the flag says that the last line was cut off and is not among them.
///
/// # Errors
/// [`UndoFileError`].
pub fn read_entries(file: impl BufRead) -> Result<(Vec<UndoEntry>, bool), UndoFileError> {
    let lines = read_lines(file)?;
    Ok((lines.items, lines.cut_off))
}

/// JSON lines that were read.
pub(super) struct Lines<T> {
    pub(super) items: Vec<T>,
    /// Whether the last line was cut off and is not among them.
    pub(super) cut_off: bool,
    /// How long the file is up to the end of its last whole line.
    pub(super) whole: u64,
}

pub(super) fn read_lines<T: DeserializeOwned>(
    mut file: impl BufRead,
) -> Result<Lines<T>, UndoFileError> {
    let mut lines = Lines { items: Vec::new(), cut_off: false, whole: 0 };
    let mut text = Vec::new();
    let mut line = 0;
    loop {
        text.clear();
        let length = file.read_until(b'\n', &mut text)?;
        if length == 0 {
            return Ok(lines);
        }
        line += 1;
        let whole = text.ends_with(b"\n");
        if !text.trim_ascii().is_empty() {
            match serde_json::from_slice(&text) {
                Ok(item) => lines.items.push(item),
                Err(_) if !whole => {
                    lines.cut_off = true;
                    return Ok(lines);
                }
                Err(error) => return Err(UndoFileError::Line { line, message: error.to_string() }),
            }
        }
        lines.whole += length as u64;
    }
}

/// Values without those that nobody may see.
pub(crate) fn open(attributes: &AttributeSet, secrets: &Secrets) -> AttributeSet {
    attributes
        .iter()
        .filter(|(name, _)| !secrets.holds(name))
        .map(|(name, values)| (name.clone(), values.to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> UndoEntry {
        UndoEntry {
            at: DateTime::UNIX_EPOCH,
            run: 7,
            target: ConnectorId::new("cloud"),
            object_type: ObjectType::new("User"),
            name: "ada".to_owned(),
            inverse: Inverse::Change {
                anchor: Anchor::new("1"),
                attributes: BTreeMap::from([(AttributeName::new("title"), Vec::new())]),
                written: BTreeMap::new(),
                references: BTreeMap::from([(
                    AttributeName::new("members"),
                    UndoReferences::of(&ReferenceEdit {
                        add: vec![Anchor::new("2")],
                        remove: vec![],
                    }),
                )]),
            },
        }
    }

    #[test]
    fn lines_come_back_and_a_cut_off_last_one_is_told() {
        let mut sink = UndoLines(Vec::new());
        sink.record(&entry()).unwrap();
        sink.record(&entry()).unwrap();
        let text = sink.0;
        let (entries, cut) = read_entries(text.as_slice()).unwrap();
        assert_eq!((entries, cut), (vec![entry(), entry()], false));
        let (entries, cut) = read_entries(&text[..text.len() - 9]).unwrap();
        assert_eq!((entries, cut), (vec![entry()], true));
        let mut broken = text.clone();
        broken[3] = b'\n';
        let error = read_entries(broken.as_slice()).unwrap_err();
        assert!(error.to_string().starts_with("line 1 of the undo file"), "{error}");
    }

    #[test]
    fn the_form_of_a_line() {
        let line = serde_json::to_string(&entry()).unwrap();
        assert_eq!(
            line,
            r#"{"at":"1970-01-01T00:00:00Z","run":7,"target":"cloud","objectType":"User","name":"ada","undo":"change","anchor":"1","attributes":{"title":[]},"references":{"members":{"remove":["2"]}}}"#
        );
    }
}

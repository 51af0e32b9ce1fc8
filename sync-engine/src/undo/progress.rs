//! How far an undo has come, kept beside its file: one that was broken off goes on where it was.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use super::UndoLines;
use super::entry::{UndoFileError, read_lines};
use crate::Anchor;

/// Something that an undo has done about one line of its file; lines are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "did", rename_all = "camelCase")]
pub enum UndoMark {
    /// The object of the line is about to be made again: it may be there, whether or not anything else says so.
    Making {
        /// Which line.
        line: usize,
    },
    /// The object of the line is there again, with another identifier.
    Made {
        /// Which line.
        line: usize,
        /// The new identifier.
        anchor: Anchor,
    },
    /// Nothing is left to be done about the line.
    Done {
        /// Which line.
        line: usize,
    },
}

/// Where marks go.
pub trait UndoProgress: Send {
    /// Keeps a mark; it lasts when this returns.
    ///
    /// # Errors
    /// That of the medium: nothing more is written to the target.
    fn mark(&mut self, mark: &UndoMark) -> io::Result<()>;
}

impl UndoProgress for Vec<UndoMark> {
    fn mark(&mut self, mark: &UndoMark) -> io::Result<()> {
        self.push(mark.clone());
        Ok(())
    }
}

/// As JSON lines.
impl<W: Write + Send> UndoProgress for UndoLines<W> {
    fn mark(&mut self, mark: &UndoMark) -> io::Result<()> {
        let mut line = serde_json::to_vec(mark)?;
        line.push(b'\n');
        self.0.write_all(&line)?;
        self.0.flush()
    }
}

/// Reads the marks of an undo that was broken off, and how long the file is without a last line that was cut off: a file
/// that is gone on with is cut there.
///
/// # Errors
/// [`UndoFileError`].
pub fn read_marks(file: impl BufRead) -> Result<(Vec<UndoMark>, u64), UndoFileError> {
    let lines = read_lines(file)?;
    Ok((lines.items, lines.whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_come_back_and_a_cut_off_last_one_is_cut_away() {
        let marks = [
            UndoMark::Making { line: 7 },
            UndoMark::Made { line: 7, anchor: Anchor::new("x") },
            UndoMark::Done { line: 7 },
        ];
        let mut sink = UndoLines(Vec::new());
        for mark in &marks {
            sink.mark(mark).unwrap();
        }
        let text = sink.0;
        assert_eq!(
            String::from_utf8_lossy(&text),
            "{\"did\":\"making\",\"line\":7}\n{\"did\":\"made\",\"line\":7,\"anchor\":\"x\"}\n{\"did\":\"done\",\"line\":7}\n"
        );
        let (read, whole) = read_marks(text.as_slice()).unwrap();
        assert_eq!((read.as_slice(), whole), (marks.as_slice(), text.len() as u64));
        let (read, whole) = read_marks(&text[..text.len() - 3]).unwrap();
        assert_eq!(read, marks[..2]);
        assert!(text[..usize::try_from(whole).unwrap()].ends_with(b"\"x\"}\n"));
    }
}

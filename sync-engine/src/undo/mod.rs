//! Taking back what an export wrote.

mod apply;
mod entry;
mod file;
mod progress;

pub use apply::{UndoError, UndoOptions, UndoReport, Undoing};
pub(crate) use entry::open;
pub use entry::{
    Inverse, NoUndo, UndoEntry, UndoFileError, UndoLines, UndoReferences, UndoSink, read_entries,
};
pub use file::Undo;
pub use progress::{UndoMark, UndoProgress, read_marks};

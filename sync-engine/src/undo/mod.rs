//! Taking back what an export wrote.

mod apply;
mod entry;

pub use apply::{Undo, UndoError, UndoReport};
pub(crate) use entry::open;
pub use entry::{
    Inverse, NoUndo, UndoEntry, UndoFileError, UndoLines, UndoReferences, UndoSink, read_entries,
};

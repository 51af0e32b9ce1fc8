#![doc = include_str!("../README.md")]

mod sqlite;
mod undo;

pub use sqlite::SqliteStore;
pub use undo::{Lasting, UndoFile, undo_progress};

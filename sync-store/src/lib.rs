#![doc = include_str!("../README.md")]

#[cfg(feature = "postgres")]
pub mod postgres;
mod sqlite;
mod undo;

pub use sqlite::SqliteStore;
pub use undo::{Lasting, UndoFile, undo_progress};

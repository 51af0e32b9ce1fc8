//! What is particular to SQLite.

use std::sync::Arc;

use tempfile::TempDir;

use crate::store::suite::help::{REGISTRY, at};
use crate::store::{SqliteOptions, SqliteStore};

pub(super) fn open() -> (SqliteStore, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::default();
    let store = SqliteStore::open(folder.path(), Arc::clone(&REGISTRY), at(0), &options).unwrap();
    (store, folder)
}

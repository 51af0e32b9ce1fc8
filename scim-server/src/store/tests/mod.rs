//! The behaviour suite on every store, and what only some of them can show.

mod full;
mod model;
mod sqlite;
mod unregistered;

mod memory_suite {
    use std::sync::Arc;

    use crate::store::MemoryStore;
    use crate::store::suite::help::{REGISTRY, at};

    fn open() -> (MemoryStore, ()) {
        (MemoryStore::new(Arc::clone(&REGISTRY), at(0)), ())
    }

    crate::store_suite!(super::open);
}

mod sqlite_suite {
    fn open() -> (crate::store::SqliteStore, tempfile::TempDir) {
        super::sqlite::open()
    }

    crate::store_suite!(super::open);
}

//! The stores against the contract, against the store in memory, and against being killed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damaged;
mod differential;
mod file;
mod killed;
mod load;
mod postgres;

mod suite {
    fn open() -> (scim_sync_store::SqliteStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (scim_sync_store::SqliteStore::open(folder.path().join("state.db")).unwrap(), folder)
    }

    scim_sync::store_suite!(super::open);
}

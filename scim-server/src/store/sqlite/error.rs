//! What SQLite's errors mean to the callers of the store.

use rusqlite::{ErrorCode, ffi};

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let Some(sqlite) = error.sqlite_error() else {
            return StoreError::Backend(Box::new(error));
        };
        match sqlite.code {
            ErrorCode::DiskFull => StoreError::Full(Box::new(error)),
            // The shared memory file could not grow; its size is the only thing SQLite asks of it.
            ErrorCode::SystemIoFailure if sqlite.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
                StoreError::Full(Box::new(error))
            }
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy,
            // Only a read is ever stopped, and only when nobody waits for it any more.
            ErrorCode::OperationInterrupted => StoreError::Busy,
            _ => StoreError::Backend(Box::new(error)),
        }
    }
}

impl StoreError {
    /// An error of the storage that has no better name.
    pub(in crate::store) fn backend(
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        StoreError::Backend(cause.into())
    }

    /// Whether the file or the disk is to blame, so that nothing more should be done on the connection.
    pub(super) fn is_storage_failure(&self) -> bool {
        let StoreError::Backend(cause) = self else { return false };
        let code =
            cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
        matches!(
            code,
            Some(
                ErrorCode::SystemIoFailure
                    | ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::CannotOpen
                    | ErrorCode::OutOfMemory
                    | ErrorCode::ReadOnly
            )
        )
    }

    /// The same failure for another write of the group that failed with it.
    pub(super) fn shared(&self) -> Self {
        match self {
            StoreError::Full(cause) => StoreError::Full(cause.to_string().into()),
            StoreError::Busy => StoreError::Busy,
            other => StoreError::backend(other.to_string()),
        }
    }
}

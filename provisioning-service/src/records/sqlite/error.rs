//! What SQLite's errors mean to the callers of the store.

use rusqlite::ErrorCode;

use crate::records::RecordsError;

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn failed(error: rusqlite::Error) -> RecordsError {
    let Some(sqlite) = error.sqlite_error() else {
        return RecordsError::Damaged(error.to_string());
    };
    match sqlite.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => RecordsError::Busy,
        ErrorCode::DiskFull => RecordsError::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation => {
            RecordsError::Damaged(error.to_string())
        }
        _ => RecordsError::Unavailable(error.to_string()),
    }
}

/// Something stored that cannot be read.
pub(super) fn damaged(error: impl std::fmt::Display) -> RecordsError {
    RecordsError::Damaged(error.to_string())
}

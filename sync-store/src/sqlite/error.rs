//! What SQLite's errors mean to the callers of the store.

use rusqlite::{ErrorCode, ffi};
use scim_sync::StoreError;

/// What an error means.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(crate) fn failed(error: rusqlite::Error) -> StoreError {
    let Some(sqlite) = error.sqlite_error() else {
        return StoreError::Damaged(error.to_string());
    };
    match sqlite.code {
        ErrorCode::ConstraintViolation => match sqlite.extended_code {
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => {
                StoreError::Missing("row that this one refers to".to_owned())
            }
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                StoreError::Conflict(conflict(&error.to_string()).to_owned())
            }
            _ => StoreError::Damaged(error.to_string()),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            StoreError::Io("another program is writing to it".to_owned())
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            StoreError::Damaged(error.to_string())
        }
        _ => StoreError::Io(error.to_string()),
    }
}

/// What must be unique, by the columns that SQLite names.
fn conflict(text: &str) -> &'static str {
    if text.contains("object.anchor") {
        "another object of the space has this anchor"
    } else if text.contains("object.dn_key") {
        "another object of the space has this name"
    } else if text.contains("object.metaverse") {
        "the identity has another object in this space"
    } else {
        "a row with these values is there already"
    }
}

/// An error of anything else that works on the file.
pub(super) fn io(error: impl std::fmt::Display) -> StoreError {
    StoreError::Io(error.to_string())
}

/// A body that cannot be read.
pub(crate) fn damaged(error: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}

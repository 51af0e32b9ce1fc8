//! What an error means to whoever asked.

use std::error::Error as _;

use deadpool_postgres::PoolError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// Two transactions met and this one was taken back whole: doing it again is right.
    Again,
    /// Somebody held a lock for too long, or it took too long; nothing was done.
    Busy,
    /// The disk is full; nothing was done.
    Full,
    /// The database cannot be reached, or is starting or ending: later. Where it was lost during a commit, nobody knows
    /// whether that was done.
    Unavailable,
    /// What is stored cannot be read.
    Damaged,
    /// A statement that cannot be: a defect, or another program has changed the tables.
    Wrong,
}

/// What an error means.
#[must_use]
pub fn failure(error: &Error) -> Failure {
    let Some(state) = error.code() else {
        // Without a state it does not come from the database, but from the way there.
        return Failure::Unavailable;
    };
    if [&SqlState::T_R_SERIALIZATION_FAILURE, &SqlState::T_R_DEADLOCK_DETECTED].contains(&state) {
        return Failure::Again;
    }
    if [&SqlState::LOCK_NOT_AVAILABLE, &SqlState::QUERY_CANCELED].contains(&state) {
        return Failure::Busy;
    }
    if *state == SqlState::DISK_FULL {
        return Failure::Full;
    }
    match state.code().get(..2) {
        // Connections; resources; an operator; of the system; and a server that is a stand-by (25006) or that ended a
        // transaction in which nothing happened (25P03).
        Some("08" | "28" | "3D" | "53" | "57" | "58") => Failure::Unavailable,
        _ if ["25006", "25P03"].contains(&state.code()) => Failure::Unavailable,
        Some("XX") => Failure::Damaged,
        _ => Failure::Wrong,
    }
}

/// What it means that there is no connection: that there is none.
#[must_use]
pub fn pool_failure(error: &PoolError) -> (Failure, String) {
    match error {
        PoolError::Backend(error) => (Failure::Unavailable, told(error)),
        PoolError::Timeout(_) => {
            (Failure::Busy, "no connection to the database became free in time".to_owned())
        }
        error => (Failure::Unavailable, error.to_string()),
    }
}

/// An error in words, with its causes. The database names columns and constraints, and what was to be stored only in the
/// detail, which is left out.
#[must_use]
pub fn told(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

//! What went wrong, and whether to do it again.

use std::time::Duration;

use deadpool_postgres::PoolError;
use scim_postgres::{Failure, failure, pool_failure, told};

use crate::records::{Key, RecordsError};

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Failed {
    /// There is no connection.
    Pool(PoolError),
    /// A statement failed, before the commit.
    Statement(tokio_postgres::Error),
    /// The commit failed; where the connection was lost, nobody knows whether it was made.
    Commit(tokio_postgres::Error),
    /// As the contract has it.
    Told(RecordsError),
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<PoolError> for Failed {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl Failed {
    /// Whether a question may be asked again.
    pub(super) fn is_harmless(&self) -> bool {
        match self {
            // A connection of the pool died while nobody looked, or the database ends. A connection that cannot be made is
            // not tried again: that took long enough.
            Self::Statement(error) => {
                matches!(failure(error), Failure::Again | Failure::Unavailable)
            }
            _ => false,
        }
    }

    /// Whether a transaction may be begun again: nothing of it was written.
    pub(super) fn wrote_nothing(&self) -> bool {
        match self {
            Self::Commit(error) => failure(error) == Failure::Again,
            other => other.is_harmless(),
        }
    }

    /// A pause that grows, and is another one for each of those that met.
    pub(super) async fn pause(self, tries: u32) {
        let most = 2_u64 << tries;
        tokio::time::sleep(Duration::from_millis(rand::random_range(1..=most))).await;
    }

    pub(super) fn conflict(key: &Key) -> Self {
        Self::Told(RecordsError::Conflict(key.clone()))
    }

    /// Something stored that cannot be read.
    pub(super) fn damaged(error: impl std::fmt::Display) -> Self {
        Self::Told(RecordsError::Damaged(error.to_string()))
    }
}

impl From<Failed> for RecordsError {
    fn from(failed: Failed) -> Self {
        let (kind, text) = match failed {
            Failed::Told(error) => return error,
            Failed::Pool(error) => pool_failure(&error),
            Failed::Statement(error) => (failure(&error), told(&error)),
            Failed::Commit(error) => {
                (failure(&error), format!("whether it was written is not known: {}", told(&error)))
            }
        };
        match kind {
            Failure::Again | Failure::Busy => Self::Busy,
            Failure::Full => Self::Full,
            Failure::Damaged | Failure::Wrong => Self::Damaged(text),
            _ => Self::Unavailable(text),
        }
    }
}

//! What became of many writes.

use std::fmt;

use http::StatusCode;
use scim_core::bulk::BulkMethod;

use crate::error::Error;

/// What became of the operations of a bulk, in the order in which they were added.
#[derive(Clone, Debug)]
pub struct BulkReport {
    pub(super) outcomes: Vec<BulkOutcome>,
    pub(super) requests: u64,
}

/// What became of one operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BulkOutcome {
    /// What was asked for.
    pub method: BulkMethod,
    /// Where: `/Users`, or `/Users/{id}`.
    pub path: String,
    /// The bulkId.
    pub bulk_id: String,
    /// The id of the resource, as far as it is known. A failed create that has one has made the resource, and only a
    /// reference that closes a circle could not be added.
    pub id: Option<String>,
    /// The URL of the resource, where the target has named it.
    pub location: Option<String>,
    /// The version of the resource after the operation, where the target has named it.
    pub version: Option<String>,
    /// How it ended.
    pub fate: Fate,
}

/// How an operation ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It was done, and the target said so.
    Done(StatusCode),
    /// The target has accepted it and will do it later; the event of the transaction tells the outcome (RFC 9967).
    Pending {
        /// The transaction.
        txn: Option<String>,
    },
    /// It failed and changed nothing.
    Failed(Error),
    /// It refers to the resource of an operation that was not done, or that this bulk does not have; it was not sent.
    Dangling {
        /// The bulkId of that operation.
        bulk_id: String,
    },
    /// It was not begun: there were as many errors as were allowed, or the requests before it failed altogether.
    NotAttempted,
    /// It may have been done, and nothing safe tells.
    Unknown(Error),
}

impl BulkOutcome {
    /// Whether it was done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.fate, Fate::Done(_))
    }

    /// The error, where there was one.
    #[must_use]
    pub fn error(&self) -> Option<&Error> {
        match &self.fate {
            Fate::Failed(error) | Fate::Unknown(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for BulkOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}): ", self.method, self.path, self.bulk_id)?;
        match &self.fate {
            Fate::Done(status) => write!(f, "{status}"),
            Fate::Pending { .. } => f.write_str("accepted, to be done later"),
            Fate::Failed(error) => write!(f, "failed: {error}"),
            Fate::Dangling { bulk_id } => {
                write!(f, "not sent: it refers to bulkId:{bulk_id}, of which there is no resource")
            }
            Fate::NotAttempted => f.write_str("not begun"),
            Fate::Unknown(error) => write!(f, "perhaps done: {error}"),
        }
    }
}

impl BulkReport {
    /// The outcomes, in the order in which the operations were added.
    #[must_use]
    pub fn outcomes(&self) -> &[BulkOutcome] {
        &self.outcomes
    }

    /// Those of operations that were not done.
    pub fn failures(&self) -> impl Iterator<Item = &BulkOutcome> {
        self.outcomes.iter().filter(|outcome| !outcome.is_done())
    }

    /// Whether all operations were done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.outcomes.iter().all(BulkOutcome::is_done)
    }

    /// Calls that were made: batches and single requests, repetitions not counted.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests
    }
}

/// The counts, and a line for each operation that was not done.
impl fmt::Display for BulkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.outcomes.len();
        let failed = self.failures().count();
        write!(f, "{} of {all} operations done, in {} requests", all - failed, self.requests)?;
        self.failures().try_for_each(|outcome| write!(f, "\n{outcome}"))
    }
}

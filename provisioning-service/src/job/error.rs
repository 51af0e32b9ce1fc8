//! Why a job was not made, changed or run.

use scim_sync::StoreError;

use super::mapping::MappingError;
use super::state::Refused;
use crate::records::RecordsError;
use crate::seal::SealError;

/// Why a job was not made, changed or run. Every text is a sentence for an administrator and holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// There is no such thing; nor is there one that belongs to another tenant, as far as anybody is told.
    #[error("there is no {what} {id:?}")]
    Missing {
        /// What was asked for.
        what: &'static str,
        /// By which name.
        id: String,
    },
    /// What was sent makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The mapping makes no sense.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The job is not in a state for this.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It cannot be done now.
    #[error("{0}")]
    Busy(String),
    /// The credentials are not good; the text says what the target answered.
    #[error("{0}")]
    Credentials(String),
    /// What is kept of jobs could not be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The state of the synchronisation could not be read or written.
    #[error(transparent)]
    State(#[from] StoreError),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// What is kept of jobs makes no sense, or the machine has not what it takes.
    #[error("{0}")]
    Internal(String),
}

impl JobError {
    pub(crate) fn job(id: &str) -> Self {
        Self::Missing { what: "job", id: id.to_owned() }
    }
}

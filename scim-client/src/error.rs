//! What can go wrong, by who is at fault: the network, the peer, the credentials, or the request itself.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};

use crate::auth::AuthError;
use crate::pages::PagingError;
use crate::target::{Meaning, Unsupported};
use crate::transport::TransportError;

/// Why a call did not succeed.
///
/// Ask it by meaning, not by status: [`is_uniqueness`](Self::is_uniqueness), [`is_not_found`](Self::is_not_found),
/// [`is_precondition_failed`](Self::is_precondition_failed), [`is_retryable`](Self::is_retryable). Neither its texts nor
/// its `Debug` hold credentials or what the request carried.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came.
    #[error("{source} ({})", Tried(*attempts))]
    Transport {
        /// How far the last exchange came.
        source: TransportError,
        /// Requests that were made for this call.
        attempts: u32,
    },
    /// The peer refused.
    #[error("{0}")]
    Scim(Box<Rejected>),
    /// The peer accepted, and its answer cannot be understood. A write has been done all the same.
    #[error("{0}")]
    Decode(Box<Undecodable>),
    /// No credentials could be had.
    #[error("not authorised: {0}")]
    Auth(#[from] AuthError),
    /// The target's profile says that this will be refused; nothing was sent.
    #[error(transparent)]
    Target(#[from] Unsupported),
    /// The pages of a list do not add up.
    #[error(transparent)]
    Paging(#[from] PagingError),
    /// The call took longer than it may.
    #[error(
        "not done within {} s ({}){}",
        limit.as_secs_f32(),
        Tried(*attempts),
        last.as_ref().map(|e| format!("; at last: {e}")).unwrap_or_default()
    )]
    Deadline {
        /// The time that the call had.
        limit: Duration,
        /// Requests that were made.
        attempts: u32,
        /// Whether the peer may have acted on one of them.
        may_have_been_sent: bool,
        /// Why the attempt before the last one failed.
        last: Option<Box<Error>>,
    },
    /// A change that the target takes in several requests only was done in part: the first requests were, this one and
    /// those after it were not. A call of the same change goes on where it stopped, as far as the change can be repeated.
    #[error("{done} of {of} requests were done, then: {source}")]
    Partly {
        /// Requests that were done.
        done: usize,
        /// Requests that the change needs.
        of: usize,
        /// Why the next one was not.
        source: Box<Error>,
    },
    /// The call or the client is not well formed; nothing was sent.
    #[error("{0}")]
    Request(String),
}

/// A request that the peer answered with an error.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rejected {
    /// The method of the request.
    pub method: Method,
    /// The path of the request, without its query.
    pub path: String,
    /// The status.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// The detail error keyword, as the peer spelled it (RFC 7644 table 9).
    pub scim_type: Option<String>,
    /// What the peer says about it.
    pub detail: Option<String>,
    /// The beginning of the body, where it is not a SCIM error.
    pub body_excerpt: Option<String>,
    /// Whether the body is a SCIM error document (RFC 7644 section 3.12).
    pub is_scim: bool,
    /// What the target's profile says that this means; it goes before the status.
    pub meaning: Option<Meaning>,
    /// What to do about it, where the target's profile knows.
    pub hint: Option<String>,
    /// For a 404: whether a GET of the same resource has said so too.
    pub confirmed_missing: bool,
    /// Whether an earlier attempt of the same call may have done the work: its answer was lost.
    pub after_lost_answer: bool,
    /// Requests that were made for this call.
    pub attempts: u32,
    /// How long the peer asks to wait.
    pub retry_after: Option<Duration>,
}

/// A success whose body is not what it has to be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Undecodable {
    /// The method of the request.
    pub method: Method,
    /// The path of the request, without its query.
    pub path: String,
    /// The status.
    pub status: StatusCode,
    /// The headers of the answer.
    pub headers: HeaderMap,
    /// What is wrong with the body.
    pub problem: String,
    /// The beginning of the body, where it is no JSON.
    pub body_excerpt: Option<String>,
    /// Requests that were made for this call.
    pub attempts: u32,
}

impl Error {
    /// Whether the same call may succeed later, as it is. Calls have been repeated already as far as the retry policy
    /// goes; this is for a queue that tries again in minutes. Where the call makes something and
    /// [`may_have_been_done`](Self::may_have_been_done), look before you repeat it.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Transport { source, .. } => source.is_passing(),
            Error::Scim(rejected) => rejected.is_retryable(),
            Error::Auth(error) => error.is_retryable(),
            Error::Deadline { .. } => true,
            Error::Partly { source, .. } => source.is_retryable(),
            _ => false,
        }
    }

    /// Whether another resource has a value that must be unique.
    #[must_use]
    pub fn is_uniqueness(&self) -> bool {
        self.rejected().is_some_and(Rejected::is_uniqueness)
    }

    /// Whether the resource has another version than `If-Match` named.
    #[must_use]
    pub fn is_precondition_failed(&self) -> bool {
        self.rejected().is_some_and(Rejected::is_precondition_failed)
    }

    /// Whether there is no such resource: a SCIM error says so, or a GET of it has confirmed it. The 404 of a server
    /// that does not know the method is not that.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.rejected().is_some_and(Rejected::is_not_found)
    }

    /// The status of the answer, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Error::Scim(rejected) => Some(rejected.status),
            Error::Decode(undecodable) => Some(undecodable.status),
            Error::Partly { source, .. } => source.status(),
            _ => None,
        }
    }

    /// The headers of the answer, where there was one.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderMap> {
        match self {
            Error::Scim(rejected) => Some(&rejected.headers),
            Error::Decode(undecodable) => Some(&undecodable.headers),
            Error::Partly { source, .. } => source.headers(),
            _ => None,
        }
    }

    /// How long the peer asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.rejected().and_then(|rejected| rejected.retry_after)
    }

    /// The detail error keyword, as the peer spelled it.
    #[must_use]
    pub fn scim_type(&self) -> Option<&str> {
        self.rejected().and_then(|rejected| rejected.scim_type.as_deref())
    }

    /// What the peer says about it.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.rejected().and_then(|rejected| rejected.detail.as_deref())
    }

    /// Whether the peer may have done what was asked although the call failed.
    #[must_use]
    pub fn may_have_been_done(&self) -> bool {
        match self {
            Error::Transport { source, .. } => source.may_have_been_sent(),
            Error::Deadline { may_have_been_sent, .. } => *may_have_been_sent,
            Error::Scim(rejected) => {
                rejected.after_lost_answer
                    || rejected.status.is_server_error()
                    || rejected.status == StatusCode::REQUEST_TIMEOUT
            }
            Error::Decode(_) | Error::Partly { .. } => true,
            _ => false,
        }
    }

    /// Requests that were made for this call.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        match self {
            Error::Transport { attempts, .. } | Error::Deadline { attempts, .. } => *attempts,
            Error::Scim(rejected) => rejected.attempts,
            Error::Decode(undecodable) => undecodable.attempts,
            Error::Partly { source, .. } => source.attempts(),
            _ => 0,
        }
    }

    /// The refusal, where there was one.
    #[must_use]
    pub fn rejected(&self) -> Option<&Rejected> {
        match self {
            Error::Scim(rejected) => Some(rejected),
            Error::Deadline { last: Some(last), .. } => last.rejected(),
            Error::Partly { source, .. } => source.rejected(),
            _ => None,
        }
    }
}

impl Rejected {
    /// See [`Error::is_retryable`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.meaning {
            Some(meaning) => matches!(meaning, Meaning::Retryable | Meaning::SlowDown),
            None => {
                matches!(self.status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
        }
    }

    /// See [`Error::is_uniqueness`]. A 409 without a `scimType` counts; one with another `scimType` does not.
    #[must_use]
    pub fn is_uniqueness(&self) -> bool {
        match self.meaning {
            Some(meaning) => meaning == Meaning::Uniqueness,
            None => match &self.scim_type {
                Some(word) => word.eq_ignore_ascii_case("uniqueness"),
                None => self.status == StatusCode::CONFLICT,
            },
        }
    }

    /// See [`Error::is_precondition_failed`].
    #[must_use]
    pub fn is_precondition_failed(&self) -> bool {
        match self.meaning {
            Some(meaning) => meaning == Meaning::PreconditionFailed,
            None => self.status == StatusCode::PRECONDITION_FAILED,
        }
    }

    /// See [`Error::is_not_found`].
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self.meaning {
            Some(meaning) => meaning == Meaning::NotFound,
            None => {
                self.status == StatusCode::NOT_FOUND && (self.is_scim || self.confirmed_missing)
            }
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.method, self.path, self.status)?;
        if let Some(word) = &self.scim_type {
            write!(f, " {word}")?;
        }
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        } else if let Some(excerpt) = &self.body_excerpt {
            write!(f, ", with a body that is no SCIM error: {excerpt}")?;
        }
        if self.status.is_redirection() {
            f.write_str("; redirects are not followed, give the client the URL that it leads to")?;
        }
        if self.status == StatusCode::NOT_FOUND && !self.is_not_found() {
            f.write_str(if self.method == Method::POST {
                "; there is no such endpoint, look at the base URL"
            } else {
                "; the resource may be there all the same: a GET does not say that it is missing, the server may not \
                 know this method"
            })?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        if self.attempts > 1 {
            write!(f, " ({})", Tried(self.attempts))?;
        }
        Ok(())
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: the answer {} cannot be understood: {}",
            self.method, self.path, self.status, self.problem
        )?;
        if let Some(excerpt) = &self.body_excerpt {
            write!(f, ": {excerpt}")?;
        }
        Ok(())
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Error::Scim(Box::new(rejected))
    }
}

struct Tried(u32);

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 attempt"),
            n => write!(f, "{n} attempts"),
        }
    }
}

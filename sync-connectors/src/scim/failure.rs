//! What the errors of a server mean for the synchronisation.

use http::StatusCode;
use scim_client::Error;
use scim_sync::ConnectorError;
use scim_sync::connector::{ExportFailure, FailureKind};

/// A write that did not happen, or of which nobody knows.
pub(super) fn failure(error: &Error) -> ExportFailure {
    let kind = if error.is_precondition_failed() {
        FailureKind::Changed
    } else if error.is_uniqueness() {
        FailureKind::NotUnique
    } else if error.is_not_found() {
        FailureKind::Missing
    } else if matches!(error.status(), Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
        || matches!(error, Error::Auth(_))
    {
        FailureKind::Forbidden
    } else if error.may_have_been_done() {
        FailureKind::Unknown
    } else if error.is_retryable() {
        FailureKind::Busy
    } else {
        FailureKind::Refused
    };
    ExportFailure { kind, message: error.to_string() }
}

/// A read that did not come to its end.
pub(super) fn connector_error(error: &Error) -> ConnectorError {
    let text = error.to_string();
    match error {
        Error::Auth(_) => ConnectorError::Credentials(text),
        Error::Transport { .. } | Error::Deadline { .. } => ConnectorError::Unreachable(text),
        Error::Paging(_) => ConnectorError::Incomplete(text),
        Error::Target(_) => ConnectorError::Unsupported(text),
        Error::Request(_) => ConnectorError::Configuration(text),
        _ => match error.status() {
            Some(StatusCode::UNAUTHORIZED) => ConnectorError::Credentials(format!(
                "{text}: the service does not take the credentials; get new ones from it"
            )),
            Some(StatusCode::FORBIDDEN) => ConnectorError::Forbidden(format!(
                "{text}: the credentials lack a right; they have to be allowed to read and write users and groups"
            )),
            Some(_) if error.is_retryable() => ConnectorError::Unreachable(text),
            _ => ConnectorError::Protocol(text),
        },
    }
}

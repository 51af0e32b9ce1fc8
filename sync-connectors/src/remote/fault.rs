//! Errors as SCIM error documents, so that the other side gets back the error that the connector gave.

use bytes::Bytes;
use http::StatusCode;
use scim_core::resource::{Object, Value};
use scim_core::{Error, ErrorDocument, urn};
use scim_sync::ConnectorError;

use super::page::{json, with_member};
use super::wire;

/// The longest text of another system that is passed on.
const MAX_TEXT: usize = 4096;

/// An error that is about to be told.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    scim_type: Option<&'static str>,
    detail: String,
    /// Which kind of connector error it is; none for requests that are wrong in themselves.
    kind: Option<&'static str>,
}

impl Fault {
    /// A request that cannot be answered whatever the directory is.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into(), kind: None }
    }

    /// There is no such directory.
    pub(super) fn no_directory(detail: String) -> Self {
        let status = StatusCode::NOT_FOUND;
        Self { status, ..Self::from(ConnectorError::Configuration(detail)) }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether the connector may have to be opened anew: its secret may have been replaced, its configuration mended.
    pub(super) fn calls_for_reopening(&self) -> bool {
        matches!(self.kind, Some("credentials" | "forbidden" | "configuration" | "unreachable"))
    }

    /// The error document.
    pub(super) fn document(&self) -> Bytes {
        let document = ErrorDocument::new(self.status, self.scim_type, self.detail.clone());
        let document = json(&document);
        let Some(kind) = self.kind else { return document.into() };
        let kind: Object = [("kind", kind)].into_iter().collect();
        with_member(document, wire::ERROR, &json(&kind)).into()
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let (status, scim_type) = error.code();
        Self { status, scim_type, detail: error.to_string(), kind: None }
    }
}

impl From<ConnectorError> for Fault {
    fn from(error: ConnectorError) -> Self {
        let (status, scim_type, kind, detail) = match error {
            ConnectorError::WatermarkRefused(text) => {
                (StatusCode::BAD_REQUEST, Some("expiredCursor"), "watermarkRefused", text)
            }
            ConnectorError::Unreachable(text) => {
                (StatusCode::SERVICE_UNAVAILABLE, None, "unreachable", text)
            }
            ConnectorError::Credentials(text) => {
                (StatusCode::BAD_GATEWAY, None, "credentials", text)
            }
            ConnectorError::Forbidden(text) => (StatusCode::FORBIDDEN, None, "forbidden", text),
            ConnectorError::Protocol(text) => (StatusCode::BAD_GATEWAY, None, "protocol", text),
            ConnectorError::Incomplete(text) => (StatusCode::BAD_GATEWAY, None, "incomplete", text),
            ConnectorError::Unsupported(text) => {
                (StatusCode::NOT_IMPLEMENTED, None, "unsupported", text)
            }
            ConnectorError::Configuration(text) => {
                (StatusCode::BAD_REQUEST, Some("invalidValue"), "configuration", text)
            }
            other => (StatusCode::BAD_GATEWAY, None, "protocol", other.to_string()),
        };
        Self { status, scim_type, detail, kind: Some(kind) }
    }
}

/// The error behind an error document; `None` when it is none.
pub(super) fn read(document: &Object) -> Option<ConnectorError> {
    let schemas = document.get("schemas").map(Value::values).unwrap_or_default();
    if !schemas.iter().any(|uri| uri.as_str() == Some(urn::ERROR)) {
        return None;
    }
    let detail: String =
        document.get_str("detail").unwrap_or_default().chars().take(MAX_TEXT).collect();
    let kind = document.get(wire::ERROR).and_then(Value::as_object);
    let kind = kind.and_then(|kind| kind.get_str("kind"));
    Some(match kind {
        Some("watermarkRefused") => ConnectorError::WatermarkRefused(detail),
        Some("unreachable") => ConnectorError::Unreachable(detail),
        Some("credentials") => ConnectorError::Credentials(detail),
        Some("forbidden") => ConnectorError::Forbidden(detail),
        Some("incomplete") => ConnectorError::Incomplete(detail),
        Some("unsupported") => ConnectorError::Unsupported(detail),
        Some("configuration") => ConnectorError::Configuration(detail),
        Some("protocol") => ConnectorError::Protocol(detail),
        // A kind that came later than this program, or a request that the agent does not understand.
        Some(_) | None => {
            ConnectorError::Protocol(format!("the agent refused the request: {detail}"))
        }
    })
}

/// An answer that cannot be what was asked for.
pub(super) fn protocol(problem: impl std::fmt::Display) -> ConnectorError {
    ConnectorError::Protocol(format!("the agent's answer cannot be used: {problem}"))
}

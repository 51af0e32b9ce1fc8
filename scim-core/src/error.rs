//! Errors by meaning, and the one table from meaning to `(status, scimType)`.

use http::StatusCode;
use serde::Serialize;

use crate::filter::FilterError;
use crate::name::urn;

/// What went wrong, in the terms of RFC 7644 section 3.12 and RFC 9865 section 2.
///
/// `Display` is the `detail` for the peer: what to mend and where. It never holds values that the peer sent, only
/// names and positions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The filter is malformed or does not fit the schema. 400 `invalidFilter`.
    #[error("{0}")]
    InvalidFilter(FilterError),
    /// The message does not have the form that the RFC prescribes. 400 `invalidSyntax`.
    #[error("{detail}")]
    InvalidSyntax {
        /// What to mend.
        detail: String,
    },
    /// The PATCH path is malformed or names no attribute of the schema. 400 `invalidPath`.
    #[error("{at}: {detail}")]
    InvalidPath {
        /// The operation, as `Operations[0].path`.
        at: String,
        /// What to mend.
        detail: String,
    },
    /// The PATCH path fits the schema but yields nothing to work on. 400 `noTarget`.
    #[error("{at}: {detail}")]
    NoTarget {
        /// The operation, as `Operations[0].path`.
        at: String,
        /// What to mend.
        detail: String,
    },
    /// A value is missing or not of the type and form that the schema wants. 400 `invalidValue`.
    #[error("{at}: {detail}")]
    InvalidValue {
        /// The attribute, parameter or header.
        at: String,
        /// What to mend.
        detail: String,
    },
    /// The change would touch what its mutability protects. 400 `mutability`.
    #[error("{at}: {detail}")]
    Mutability {
        /// The attribute.
        at: String,
        /// What to mend.
        detail: String,
    },
    /// Another resource has this value. 409 `uniqueness`.
    #[error(
        "{at} is already taken by another resource of this type; choose another value or update that resource"
    )]
    Uniqueness {
        /// The attribute.
        at: String,
    },
    /// The query would yield more than the server is willing to work out. 400 `tooMany`.
    #[error("{detail}")]
    TooMany {
        /// What to mend.
        detail: String,
    },
    /// The protocol version in the path is not served. 400 `invalidVers`.
    #[error("{detail}")]
    InvalidVersion {
        /// What to mend.
        detail: String,
    },
    /// The request may not be made in a URL because it holds sensitive data. 403 `sensitive`.
    #[error("{detail}")]
    Sensitive {
        /// What to do instead.
        detail: String,
    },
    /// The cursor was not made by this server, or for another query. 400 `invalidCursor` (RFC 9865 section 2.1).
    #[error("cursor: {detail}")]
    InvalidCursor {
        /// What to mend.
        detail: String,
    },
    /// The cursor is too old. 400 `expiredCursor` (RFC 9865 section 2.1).
    #[error("cursor: it has expired; start again without one")]
    ExpiredCursor,
    /// The page size changed between cursor pages, or is out of range. 400 `invalidCount` (RFC 9865 section 2.1).
    #[error("count: {detail}")]
    InvalidCount {
        /// What to mend.
        detail: String,
    },
    /// There is no such resource. 404.
    #[error("{what} was not found")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// The stored version is not the one that `If-Match` (or a bulk `version`) names. 412.
    #[error(
        "the resource has changed: its version is not the one given; read it again and repeat the change"
    )]
    PreconditionFailed,
    /// An operation cannot be done in the present state, such as a bulkId that stands for nothing. 409.
    #[error("{detail}")]
    Conflict {
        /// What to mend.
        detail: String,
    },
    /// The body or the number of operations is over the limit. 413.
    #[error("{detail}")]
    TooLarge {
        /// The limit, with its name.
        detail: String,
    },
    /// The operation is not allowed. 403.
    #[error("{detail}")]
    Forbidden {
        /// Why.
        detail: String,
    },
    /// The feature is not offered. 501.
    #[error("{detail}")]
    NotImplemented {
        /// Which feature.
        detail: String,
    },
}

impl Error {
    /// [`Error::InvalidSyntax`].
    pub fn syntax(detail: impl Into<String>) -> Self {
        Self::InvalidSyntax { detail: detail.into() }
    }

    /// [`Error::InvalidValue`].
    pub fn value(at: impl ToString, detail: impl Into<String>) -> Self {
        Self::InvalidValue { at: at.to_string(), detail: detail.into() }
    }

    /// [`Error::InvalidPath`].
    pub fn path(at: impl ToString, detail: impl Into<String>) -> Self {
        Self::InvalidPath { at: at.to_string(), detail: detail.into() }
    }

    /// [`Error::NoTarget`].
    pub fn no_target(at: impl ToString, detail: impl Into<String>) -> Self {
        Self::NoTarget { at: at.to_string(), detail: detail.into() }
    }

    /// [`Error::Mutability`].
    pub fn mutability(at: impl ToString, detail: impl Into<String>) -> Self {
        Self::Mutability { at: at.to_string(), detail: detail.into() }
    }

    /// The HTTP status and, where the RFCs define one, the `scimType`.
    ///
    /// This is the only place that maps meaning to codes. Sources: RFC 7644 table 8 and 9, RFC 9865 section 2.1,
    /// RFC 7643 section 7 against RFC 7644 section 3.3 for uniqueness (409 wins).
    pub fn code(&self) -> (StatusCode, Option<&'static str>) {
        match self {
            Self::InvalidFilter(_) => (StatusCode::BAD_REQUEST, Some("invalidFilter")),
            Self::InvalidSyntax { .. } => (StatusCode::BAD_REQUEST, Some("invalidSyntax")),
            Self::InvalidPath { .. } => (StatusCode::BAD_REQUEST, Some("invalidPath")),
            Self::NoTarget { .. } => (StatusCode::BAD_REQUEST, Some("noTarget")),
            Self::InvalidValue { .. } => (StatusCode::BAD_REQUEST, Some("invalidValue")),
            Self::Mutability { .. } => (StatusCode::BAD_REQUEST, Some("mutability")),
            Self::TooMany { .. } => (StatusCode::BAD_REQUEST, Some("tooMany")),
            Self::InvalidVersion { .. } => (StatusCode::BAD_REQUEST, Some("invalidVers")),
            Self::InvalidCursor { .. } => (StatusCode::BAD_REQUEST, Some("invalidCursor")),
            Self::ExpiredCursor => (StatusCode::BAD_REQUEST, Some("expiredCursor")),
            Self::InvalidCount { .. } => (StatusCode::BAD_REQUEST, Some("invalidCount")),
            Self::Uniqueness { .. } => (StatusCode::CONFLICT, Some("uniqueness")),
            Self::Sensitive { .. } => (StatusCode::FORBIDDEN, Some("sensitive")),
            Self::NotFound { .. } => (StatusCode::NOT_FOUND, None),
            Self::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, None),
            Self::Conflict { .. } => (StatusCode::CONFLICT, None),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
            Self::Forbidden { .. } => (StatusCode::FORBIDDEN, None),
            Self::NotImplemented { .. } => (StatusCode::NOT_IMPLEMENTED, None),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code().0
    }

    /// The SCIM error document for this error.
    pub fn document(&self) -> ErrorDocument {
        let (status, scim_type) = self.code();
        ErrorDocument::new(status, scim_type, self.to_string())
    }
}

impl From<FilterError> for Error {
    fn from(error: FilterError) -> Self {
        Self::InvalidFilter(error)
    }
}

/// The body of every failed answer (RFC 7644 section 3.12). `status` is a string on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorDocument {
    schemas: [&'static str; 1],
    status: String,
    #[serde(rename = "scimType", skip_serializing_if = "Option::is_none")]
    scim_type: Option<&'static str>,
    detail: String,
}

impl ErrorDocument {
    /// A document for this status.
    pub fn new(
        status: StatusCode,
        scim_type: Option<&'static str>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            schemas: [urn::ERROR],
            status: status.as_str().to_owned(),
            scim_type,
            detail: detail.into(),
        }
    }

    /// What to mend.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The detail error keyword of RFC 7644 table 9.
    pub fn scim_type(&self) -> Option<&'static str> {
        self.scim_type
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_has_the_form_of_the_rfc() {
        let document = Error::mutability("id", "it is readOnly").document();
        assert_eq!(
            serde_json::to_string(&document).unwrap(),
            r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"mutability","detail":"id: it is readOnly"}"#
        );
        let missing = Error::NotFound { what: "User 7".to_owned() }.document();
        assert!(!serde_json::to_string(&missing).unwrap().contains("scimType"));
    }
}

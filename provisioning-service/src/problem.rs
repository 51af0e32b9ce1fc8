//! Every failure as a SCIM error document (RFC 7644 section 3.12): the one place where an error becomes a response.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::agents::AgentError;
use crate::authority::AuthorityError;
use crate::records::RecordsError;
use crate::tokens::TokenError;

/// A refusal as the other side gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: StatusCode,
    /// One sentence, without secrets and without what was sent.
    pub detail: Cow<'static, str>,
    /// Seconds to wait before another try.
    pub retry_after: Option<u64>,
}

impl Problem {
    /// A refusal.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { status, detail: detail.into(), retry_after: None }
    }

    /// Nothing is there, or nothing that the caller may see.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is no {what}"))
    }

    /// What was sent cannot be.
    #[must_use]
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// Too often, or too much at once.
    #[must_use]
    pub fn later(status: StatusCode, detail: impl Into<Cow<'static, str>>, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(status, detail) }
    }

    /// Something failed in the service: the log has it, the answer has not.
    #[must_use]
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the service failed to answer; its log has the cause",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.as_str(),
            "detail": self.detail,
        });
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<RecordsError> for Problem {
    fn from(error: RecordsError) -> Self {
        match error {
            RecordsError::Conflict(_) | RecordsError::Fenced(_) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            RecordsError::Busy => {
                Self::later(StatusCode::SERVICE_UNAVAILABLE, "the store is busy; try again", 1)
            }
            RecordsError::Unavailable(why) => {
                tracing::error!("the store cannot be used: {why}");
                Self::later(StatusCode::SERVICE_UNAVAILABLE, "the store cannot be used now", 5)
            }
            RecordsError::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "the service's storage is full; nothing was changed",
            ),
            error => Self::internal(&error),
        }
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Records(error) => error.into(),
            TokenError::Name | TokenError::Expiry => Self::invalid(error.to_string()),
            error => Self::new(StatusCode::UNAUTHORIZED, error.to_string()),
        }
    }
}

impl From<AgentError> for Problem {
    fn from(error: AgentError) -> Self {
        let status = match error {
            AgentError::Records(error) | AgentError::Authority(AuthorityError::Records(error)) => {
                return error.into();
            }
            AgentError::Authority(
                AuthorityError::Request(_)
                | AuthorityError::Algorithm
                | AuthorityError::Certificate(_),
            )
            | AgentError::Invalid(_)
            | AgentError::SameKey => StatusCode::BAD_REQUEST,
            AgentError::Authority(error) => return Self::internal(&error),
            AgentError::UnknownCode
            | AgentError::UsedCode
            | AgentError::ExpiredCode
            | AgentError::Unknown
            | AgentError::Expired => StatusCode::UNAUTHORIZED,
            AgentError::Revoked => StatusCode::FORBIDDEN,
            AgentError::NotFound(_) => StatusCode::NOT_FOUND,
            AgentError::InUse(_) => StatusCode::CONFLICT,
        };
        Self::new(status, error.to_string())
    }
}

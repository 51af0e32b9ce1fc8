//! Errors in the JSON of the API, bodies and callers.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use scim_sync::StoreError;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::job::JobError;
use crate::records::RecordsError;
use crate::tokens;

/// An error as OData writes it: `{"error": {"code": ..., "message": ...}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    /// What was sent makes no sense.
    #[must_use]
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "BadRequest", message: message.into() }
    }

    /// The status and the sentence.
    pub(super) fn told(self) -> (StatusCode, String) {
        (self.status, self.message)
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let (status, code) = match &error {
            JobError::Missing { .. } => (StatusCode::NOT_FOUND, "ResourceNotFound"),
            JobError::Invalid(_) => (StatusCode::BAD_REQUEST, "BadRequest"),
            JobError::Mapping(_) => (StatusCode::BAD_REQUEST, "InvalidSchema"),
            JobError::Refused(_) => (StatusCode::BAD_REQUEST, "JobNotConfigured"),
            JobError::Busy(_) => (StatusCode::CONFLICT, "Busy"),
            JobError::Credentials(_) => (StatusCode::BAD_REQUEST, "CredentialValidationFailed"),
            JobError::Records(RecordsError::Busy | RecordsError::Unavailable(_))
            | JobError::State(StoreError::Io(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
            }
            JobError::Records(_)
            | JobError::State(_)
            | JobError::Seal(_)
            | JobError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"),
        };
        if status.is_server_error() {
            tracing::error!("{error}");
        }
        let message = match &error {
            // What is wrong with the service's own disk is for its own log.
            JobError::Records(_) | JobError::State(_) | JobError::Seal(_) => {
                "what is kept of jobs cannot be read or written now; the log of the service says more".to_owned()
            }
            error => error.to_string(),
        };
        Self { status, code, message }
    }
}

impl From<RecordsError> for Problem {
    fn from(error: RecordsError) -> Self {
        JobError::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.code, "message": self.message } });
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = http::HeaderValue::from_static("5");
            response.headers_mut().insert(http::header::RETRY_AFTER, seconds);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = http::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// Who asks: found by the check of the route, which has seen to the role too.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) tokens::Caller);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<tokens::Caller>().cloned().ok_or_else(|| Problem {
            status: StatusCode::UNAUTHORIZED,
            code: "Unauthorized",
            message: "a token of an administrator is needed: Authorization: Bearer ...".to_owned(),
        })?;
        Ok(Self(caller))
    }
}

/// A body in JSON; mistakes are told with their place.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|error| Problem {
            status: error.status(),
            code: "BadRequest",
            message: error.body_text(),
        })?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let value = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| Problem::bad(format!("{}: {}", error.path(), error.inner())))?;
        json.end().map_err(|error| Problem::bad(error.to_string()))?;
        Ok(Self(value))
    }
}

/// What stands behind the question mark; mistakes are told.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        axum::extract::Query::from_request_parts(parts, state)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| Problem::bad(error.body_text()))
    }
}

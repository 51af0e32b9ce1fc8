//! Every failure as a SCIM error document: the one place where an error becomes a response.

use std::fmt;

use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use scim_core::{Error, ErrorDocument, media};

use crate::auth::AuthError;
use crate::auth::password::PasswordError;
use crate::service::ServiceError;
use crate::store::StoreError;

use super::body::Body;

/// Why a request failed, by meaning.
///
/// `Display` is for the log and may say more than the peer is told.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The protocol says no.
    Scim(Error),
    /// The credential says no.
    Auth(AuthError),
    /// Too many wrong credentials from this address.
    Throttled {
        /// Seconds to wait.
        seconds: u64,
    },
    /// No such endpoint.
    NoRoute,
    /// The endpoint does not answer this method.
    Method {
        /// What it does answer.
        allow: String,
    },
    /// The body's media type is not JSON.
    MediaType,
    /// The body is compressed or otherwise encoded.
    ContentEncoding,
    /// The body is over the limit.
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body broke off.
    BodyCutOff,
    /// The store cannot serve the request now.
    Store(StoreError),
    /// Hashing the password failed or has to wait.
    Password(PasswordError),
    /// The large answers that are being sent take all the room that there is for them.
    Crowded,
    /// A handler panicked.
    Panic,
}

impl Failure {
    /// Status, `scimType` and text for the peer.
    pub(crate) fn document(&self) -> (StatusCode, ErrorDocument) {
        let plain =
            |status: StatusCode, detail: &str| (status, ErrorDocument::new(status, None, detail));
        match self {
            Self::Scim(error) => (error.status(), error.document()),
            Self::Auth(error) => plain(error.status(), error.detail()),
            Self::Throttled { seconds } => plain(
                StatusCode::TOO_MANY_REQUESTS,
                &format!("too many wrong credentials from this address; try again in {seconds} s"),
            ),
            Self::NoRoute => plain(
                StatusCode::NOT_FOUND,
                "there is no such endpoint; GET /ResourceTypes under the base URL lists the resource endpoints",
            ),
            Self::Method { allow } => plain(
                StatusCode::METHOD_NOT_ALLOWED,
                &format!("this endpoint does not answer the method; it answers {allow}"),
            ),
            Self::MediaType => plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the body as application/scim+json or application/json, in UTF-8",
            ),
            Self::ContentEncoding => plain(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send the body without Content-Encoding; request bodies are not decompressed",
            ),
            Self::BodyTooLarge { limit } => plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is larger than the limit of {limit} bytes (maxPayloadSize)"),
            ),
            Self::BodyCutOff => {
                plain(StatusCode::BAD_REQUEST, "the body ended before it was complete")
            }
            Self::Store(error) => store_document(error),
            Self::Password(error) => match error {
                PasswordError::Busy => plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many passwords are being set at once; try again in a second",
                ),
                PasswordError::Failed | PasswordError::StoredHash => internal(),
                error => {
                    let error = Error::value("password", error.to_string());
                    (error.status(), error.document())
                }
            },
            Self::Crowded => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many large answers are being sent at once; try again in a second, or ask for less with count or excludedAttributes",
            ),
            Self::Panic => internal(),
        }
    }

    /// The response.
    pub(crate) fn into_response(self) -> Response<Body> {
        let (status, document) = self.document();
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media::SCIM_JSON));
        match &self {
            Self::Auth(error) => {
                if let Some(challenge) = error.challenge() {
                    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
                }
            }
            Self::Throttled { seconds } => {
                headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
            }
            Self::Method { allow } => {
                if let Ok(allow) = HeaderValue::from_str(allow) {
                    headers.insert(ALLOW, allow);
                }
            }
            _ => {}
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

fn internal() -> (StatusCode, ErrorDocument) {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let detail = "the server failed to answer; the log has the cause under the request id; read the resource to see its state";
    (status, ErrorDocument::new(status, None, detail))
}

fn store_document(error: &StoreError) -> (StatusCode, ErrorDocument) {
    let (status, detail) = match error {
        StoreError::Full(_) => (
            StatusCode::INSUFFICIENT_STORAGE,
            "the server's storage is full; nothing was changed; try again when there is room",
        ),
        StoreError::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the server has more writes than it can take; try again in a second",
        ),
        StoreError::NoTenant => return Failure::NoRoute.document(),
        _ => return internal(),
    };
    (status, ErrorDocument::new(status, None, detail))
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth(error) => fmt::Display::fmt(error, f),
            Self::Store(error) => {
                fmt::Display::fmt(error, f)?;
                let mut source = std::error::Error::source(error);
                while let Some(cause) = source {
                    write!(f, ": {cause}")?;
                    source = cause.source();
                }
                Ok(())
            }
            Self::Password(error) => fmt::Display::fmt(error, f),
            Self::Panic => f.write_str("the handler panicked"),
            other => f.write_str(other.document().1.detail()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Scim(error)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Scim(error) => Self::Scim(error),
            ServiceError::Store(error) => Self::Store(error),
            ServiceError::Password(error) => Self::Password(error),
        }
    }
}

//! How the client shows who it is.

mod basic;
mod bearer;
mod oauth2;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::HeaderValue;
use secrecy::SecretString;

pub use basic::Basic;
pub use bearer::Bearer;
pub use oauth2::OAuth2;

use crate::clock::Clock;
use crate::target::fields::AuthKind;
use crate::transport::{Transport, TransportError};

/// The credentials of a client.
///
/// A client certificate is none of these: it belongs to the connection, see
/// [`ReqwestBuilder::client_certificate`](crate::transport::ReqwestBuilder::client_certificate).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Auth {
    /// None: an open server, or one that looks at the client certificate only.
    #[default]
    None,
    /// A token that someone issued once.
    Bearer(SecretString),
    /// A name and a password (RFC 7617).
    Basic {
        /// The name; it holds no colon.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// Tokens from an OAuth 2.0 token endpoint, by client credentials (RFC 6749 section 4.4).
    OAuth2(OAuth2),
    /// Anything else.
    Provider(Arc<dyn Authorize>),
}

impl Auth {
    /// What a target profile calls it; `None` for what it has no word for.
    pub(crate) const fn kind(&self) -> Option<AuthKind> {
        match self {
            Self::Bearer(_) => Some(AuthKind::Bearer),
            Self::Basic { .. } => Some(AuthKind::Basic),
            Self::OAuth2(_) => Some(AuthKind::Oauth2),
            Self::None | Self::Provider(_) => None,
        }
    }
}

/// Makes the `Authorization` header.
#[async_trait]
pub trait Authorize: fmt::Debug + Send + Sync + 'static {
    /// The header's value for the next request; `None` to send none. Mark it
    /// [sensitive](HeaderValue::set_sensitive).
    ///
    /// # Errors
    /// [`AuthError`] when there are no credentials to be had now.
    async fn authorization(&self, tools: &Tools<'_>) -> Result<Option<HeaderValue>, AuthError>;

    /// The peer answered 401 to this value. Returns whether [`authorization`](Self::authorization) will now give another
    /// one, so that it makes sense to try once more.
    async fn refused(&self, value: &HeaderValue) -> bool;
}

/// What making an `Authorization` header may need.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tools<'a> {
    /// For requests to a token endpoint.
    pub transport: &'a dyn Transport,
    /// The time of day.
    pub clock: &'a dyn Clock,
}

impl<'a> Tools<'a> {
    /// Tools for asking an [`Authorize`] outside of a client.
    pub fn new(transport: &'a dyn Transport, clock: &'a dyn Clock) -> Self {
        Self { transport, clock }
    }
}

/// Why there are no credentials.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token endpoint could not be reached.
    #[error("the token endpoint: {0}")]
    Unreachable(#[from] TransportError),
    /// The token endpoint refused.
    #[error("the token endpoint refused: {code}{}", description.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Refused {
        /// The error code, such as `invalid_client` (RFC 6749 section 5.2).
        code: String,
        /// What the endpoint says about it.
        description: Option<String>,
    },
    /// The token endpoint answered with something that is no token.
    #[error("the token endpoint: {0}")]
    Unexpected(String),
    /// The credentials cannot be used as they are.
    #[error("{0}")]
    Unusable(String),
}

impl AuthError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            AuthError::Unreachable(error) => error.is_passing(),
            AuthError::Refused { code, .. } => {
                matches!(code.as_str(), "temporarily_unavailable" | "server_error")
            }
            AuthError::Unexpected(_) | AuthError::Unusable(_) => false,
        }
    }
}

impl From<OAuth2> for Auth {
    fn from(oauth2: OAuth2) -> Self {
        Auth::OAuth2(oauth2)
    }
}

impl From<SecretString> for Auth {
    /// A bearer token.
    fn from(token: SecretString) -> Self {
        Auth::Bearer(token)
    }
}

impl From<Arc<dyn Authorize>> for Auth {
    fn from(provider: Arc<dyn Authorize>) -> Self {
        Auth::Provider(provider)
    }
}

impl Auth {
    /// A token that someone issued once.
    pub fn bearer(token: impl Into<String>) -> Self {
        Auth::Bearer(SecretString::from(token.into()))
    }

    /// A name and a password.
    pub fn basic(user: impl Into<String>, password: impl Into<String>) -> Self {
        Auth::Basic { user: user.into(), password: SecretString::from(password.into()) }
    }

    /// What makes the header; `None` where there are no credentials.
    ///
    /// # Errors
    /// [`AuthError::Unusable`] when they cannot stand in a header.
    pub fn into_provider(self) -> Result<Option<Arc<dyn Authorize>>, AuthError> {
        Ok(match self {
            Auth::None => None,
            Auth::Bearer(token) => Some(Arc::new(Bearer::new(&token)?)),
            Auth::Basic { user, password } => Some(Arc::new(Basic::new(&user, &password)?)),
            Auth::OAuth2(oauth2) => Some(Arc::new(oauth2)),
            Auth::Provider(provider) => Some(provider),
        })
    }
}

/// `scheme credentials` as a header value that is never shown.
fn sensitive(text: &str) -> Result<HeaderValue, AuthError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        AuthError::Unusable("the credentials hold characters that no header can carry".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

//! A name and a password (RFC 7617).

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{AuthError, Authorize, Tools, sensitive};

/// Sends the same name and password with every request.
#[derive(Clone, Debug)]
pub struct Basic {
    header: HeaderValue,
}

impl Basic {
    /// Takes the name and the password.
    ///
    /// # Errors
    /// [`AuthError::Unusable`] when the name holds a colon: the server could not tell where it ends.
    pub fn new(user: &str, password: &SecretString) -> Result<Self, AuthError> {
        if user.contains(':') {
            return Err(AuthError::Unusable("the user name holds a colon".to_owned()));
        }
        let pair = SecretString::from(format!("{user}:{}", password.expose_secret()));
        let encoded = SecretString::from(STANDARD.encode(pair.expose_secret()));
        Ok(Self { header: sensitive(&format!("Basic {}", encoded.expose_secret()))? })
    }
}

#[async_trait]
impl Authorize for Basic {
    async fn authorization(&self, _: &Tools<'_>) -> Result<Option<HeaderValue>, AuthError> {
        Ok(Some(self.header.clone()))
    }

    async fn refused(&self, _: &HeaderValue) -> bool {
        false
    }
}

//! A token that does not change (RFC 6750 section 2.1).

use async_trait::async_trait;
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::{AuthError, Authorize, Tools, sensitive};

/// Sends the same bearer token with every request.
#[derive(Clone, Debug)]
pub struct Bearer {
    header: HeaderValue,
}

impl Bearer {
    /// Takes the token; white space around it, such as a file's last line break, is left out.
    ///
    /// # Errors
    /// [`AuthError::Unusable`] when it is empty or cannot stand in a header.
    pub fn new(token: &SecretString) -> Result<Self, AuthError> {
        let token = token.expose_secret().trim();
        if token.is_empty() {
            return Err(AuthError::Unusable("the token is empty".to_owned()));
        }
        Ok(Self { header: sensitive(&format!("Bearer {token}"))? })
    }
}

#[async_trait]
impl Authorize for Bearer {
    async fn authorization(&self, _: &Tools<'_>) -> Result<Option<HeaderValue>, AuthError> {
        Ok(Some(self.header.clone()))
    }

    async fn refused(&self, _: &HeaderValue) -> bool {
        false
    }
}

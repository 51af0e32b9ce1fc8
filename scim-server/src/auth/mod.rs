//! Who may enter, and what they may do.
//!
//! A request brings one bearer token in its `Authorization` header ([`CredentialInput`]). An
//! [`Authenticator`] turns it into a [`Principal`]: one tenant, a subject, scopes. The handlers
//! then ask [`Principal::authorize`] for the tenant and scope of the route.
//!
//! There is no default credential and no anonymous access: without a configured authenticator
//! every token is refused.

mod any_of;
mod bearer;
mod cache;
mod credential;
mod error;
pub mod jwt;
pub mod password;
mod principal;
pub mod throttle;
mod tokens;

use std::fmt::Debug;

use async_trait::async_trait;
use serde::Serialize;

pub use any_of::AnyOf;
pub use bearer::{InvalidStaticToken, IssueError, ServiceTokens, StaticToken};
pub use credential::{CredentialInput, Digest};
pub use error::AuthError;
pub use principal::{
    InvalidScope, InvalidTenantId, Principal, PrincipalId, Scope, Scopes, TenantId,
};
pub use tokens::{
    InvalidTokenId, InvalidTokenSpec, MemoryTokens, NewToken, TokenId, TokenRecord, TokenSpec,
    TokenStore, TokenStoreError,
};

/// A way to tell who sent a credential.
#[async_trait]
pub trait Authenticator: Debug + Send + Sync {
    /// Whether the credential has the form this authenticator checks.
    ///
    /// Looks at the form only; `true` says nothing about whether it is good.
    fn accepts(&self, input: &CredentialInput<'_>) -> bool;

    /// Checks the credential.
    ///
    /// # Errors
    /// Any [`AuthError`] but `Missing`, `WrongTenant` and `InsufficientScope`, which are not
    /// about the credential itself.
    async fn authenticate(&self, input: &CredentialInput<'_>) -> Result<Principal, AuthError>;

    /// What `/ServiceProviderConfig` tells about this way; the preferred one first.
    fn schemes(&self) -> Vec<AuthScheme>;
}

/// An element of `authenticationSchemes` in `/ServiceProviderConfig` (RFC 7643 section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthScheme {
    /// The kind, by its canonical value.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// A name for people.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// The specification.
    pub spec_uri: &'static str,
    /// Whether it is the preferred one; at most one of a list is.
    pub primary: bool,
}

impl AuthScheme {
    /// A token made or chosen by whoever runs the server.
    #[must_use]
    pub fn bearer() -> Self {
        Self {
            kind: "oauthbearertoken",
            name: "Bearer token",
            description: "A token issued by this service, in the Authorization header.",
            spec_uri: "https://www.rfc-editor.org/info/rfc6750",
            primary: true,
        }
    }

    /// A JSON Web Token from an identity provider.
    #[must_use]
    pub fn jwt() -> Self {
        Self {
            kind: "oauthbearertoken",
            name: "OAuth 2.0 access token",
            description: "A signed JSON Web Token from the configured issuer, in the \
                          Authorization header.",
            spec_uri: "https://www.rfc-editor.org/info/rfc9068",
            primary: true,
        }
    }
}

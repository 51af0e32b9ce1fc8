//! Why a request was not let in, with one text for the peer and one for the log.

use std::error::Error;

use http::StatusCode;

use super::Scope;

/// A request that was not let in.
///
/// `Display` is the precise reason and is for the log only. The peer gets [`AuthError::detail`],
/// which is the same for every credential that is not good here: whoever guesses must not learn
/// whether a token exists, has expired or belongs to another tenant.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No credential was sent.
    #[error("no Authorization header")]
    Missing,
    /// The credential cannot be any that this server knows.
    #[error("malformed credential: {0}")]
    Malformed(&'static str),
    /// The credential has a known form, but is not one of ours.
    #[error("invalid credential: {0}")]
    Invalid(&'static str),
    /// The credential was good until it expired.
    #[error("the credential has expired")]
    Expired,
    /// The credential was good until it was revoked.
    #[error("the credential was revoked")]
    Revoked,
    /// The credential is good, but for another tenant.
    #[error("the credential belongs to another tenant")]
    WrongTenant,
    /// The credential is good, but may not do this.
    #[error("the credential lacks the scope '{needed}'")]
    InsufficientScope {
        /// What the request needs.
        needed: Scope,
    },
    /// The credential could not be checked.
    #[error("the credential could not be checked")]
    Backend(#[source] Box<dyn Error + Send + Sync>),
}

const REFUSED: &str = "The access token is not valid for this service.";

impl AuthError {
    /// The status to answer with.
    ///
    /// A wrong tenant is 401 like any unknown token, so that tenants cannot be enumerated.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Missing
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Expired
            | Self::Revoked
            | Self::WrongTenant => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope { .. } => StatusCode::FORBIDDEN,
            Self::Backend(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The text for the peer.
    #[must_use]
    pub fn detail(&self) -> &'static str {
        match self {
            Self::Missing => {
                "Authentication is required: send 'Authorization: Bearer' followed by an access token."
            }
            Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Expired
            | Self::Revoked
            | Self::WrongTenant => REFUSED,
            Self::InsufficientScope { needed: Scope::Read } => {
                "The access token does not permit reading; it lacks the scope 'read'."
            }
            Self::InsufficientScope { needed: Scope::Write } => {
                "The access token does not permit changes; it lacks the scope 'write'."
            }
            Self::Backend(_) => "Access tokens cannot be checked right now; try again shortly.",
        }
    }

    /// The value of `WWW-Authenticate`, where the status calls for one (RFC 6750 section 3).
    ///
    /// Without a credential it names no error, as section 3.1 asks.
    #[must_use]
    pub fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Missing => Some(r#"Bearer realm="scim""#),
            Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Expired
            | Self::Revoked
            | Self::WrongTenant => Some(r#"Bearer realm="scim", error="invalid_token""#),
            Self::InsufficientScope { needed: Scope::Read } => {
                Some(r#"Bearer realm="scim", error="insufficient_scope", scope="read""#)
            }
            Self::InsufficientScope { needed: Scope::Write } => {
                Some(r#"Bearer realm="scim", error="insufficient_scope", scope="write""#)
            }
            Self::Backend(_) => None,
        }
    }

    /// Whether this may have been an attempt to guess a credential.
    ///
    /// Expired, revoked and misplaced credentials are not guesses: their holder knew the secret,
    /// and an identity provider with an old token must see 401, not 429.
    #[must_use]
    pub fn is_guess(&self) -> bool {
        matches!(self, Self::Malformed(_) | Self::Invalid(_))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_bad_token_looks_the_same_from_outside() {
        let bad = [
            AuthError::Malformed("a"),
            AuthError::Invalid("b"),
            AuthError::Expired,
            AuthError::Revoked,
            AuthError::WrongTenant,
        ];
        let outside: BTreeSet<_> =
            bad.iter().map(|e| (e.status().as_u16(), e.detail(), e.challenge())).collect();
        assert_eq!(outside.len(), 1);
        let log: BTreeSet<_> = bad.iter().map(ToString::to_string).collect();
        assert_eq!(log.len(), bad.len());
    }

    #[test]
    fn challenges_follow_rfc6750() {
        assert!(!AuthError::Missing.challenge().unwrap().contains("error="));
        let scope = AuthError::InsufficientScope { needed: Scope::Write };
        assert_eq!(scope.status(), StatusCode::FORBIDDEN);
        assert!(scope.challenge().unwrap().contains(r#"error="insufficient_scope""#));
        let backend = AuthError::Backend("disk I/O error at page 7".into());
        assert_eq!(backend.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(backend.challenge().is_none());
        assert!(!backend.detail().contains("disk"));
    }
}

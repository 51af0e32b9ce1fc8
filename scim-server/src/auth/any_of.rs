//! Several authenticators behind one.

use std::sync::Arc;

use async_trait::async_trait;

use super::{AuthError, AuthScheme, Authenticator, CredentialInput, Principal};

/// Tries, in order, every authenticator whose form the credential has; the first success wins.
///
/// If none succeeds, the most telling error goes to the log: a store that failed, then a
/// credential that was good once, then the last refusal. With no authenticator at all, every
/// credential is refused.
#[derive(Debug, Default)]
pub struct AnyOf {
    members: Vec<Arc<dyn Authenticator>>,
}

impl AnyOf {
    /// Asks `members` in this order.
    #[must_use]
    pub fn new(members: Vec<Arc<dyn Authenticator>>) -> Self {
        Self { members }
    }
}

#[async_trait]
impl Authenticator for AnyOf {
    fn accepts(&self, input: &CredentialInput<'_>) -> bool {
        self.members.iter().any(|member| member.accepts(input))
    }

    async fn authenticate(&self, input: &CredentialInput<'_>) -> Result<Principal, AuthError> {
        let mut refusal = AuthError::Invalid("no authenticator knows this form of token");
        for member in &self.members {
            if !member.accepts(input) {
                continue;
            }
            match member.authenticate(input).await {
                Ok(principal) => return Ok(principal),
                Err(error) if weight(&error) >= weight(&refusal) => refusal = error,
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    fn schemes(&self) -> Vec<AuthScheme> {
        let mut schemes: Vec<AuthScheme> = Vec::new();
        for mut scheme in self.members.iter().flat_map(|member| member.schemes()) {
            // Two authenticators may be one way to a client.
            if schemes.iter().all(|known| known.name != scheme.name) {
                scheme.primary &= schemes.is_empty();
                schemes.push(scheme);
            }
        }
        schemes
    }
}

fn weight(error: &AuthError) -> u8 {
    match error {
        AuthError::Backend(_) => 2,
        AuthError::Expired | AuthError::Revoked => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::auth::{PrincipalId, Scopes, TenantId};
    use crate::clock::{Clock, FixedClock};

    type Outcome = fn() -> Result<(), AuthError>;

    /// Answers every token of one length with one outcome.
    #[derive(Debug)]
    struct Fixed {
        len: usize,
        outcome: Outcome,
        scheme: AuthScheme,
    }

    #[async_trait]
    impl Authenticator for Fixed {
        fn accepts(&self, input: &CredentialInput<'_>) -> bool {
            input.token().len() == self.len
        }

        async fn authenticate(&self, _: &CredentialInput<'_>) -> Result<Principal, AuthError> {
            (self.outcome)().map(|()| Principal {
                tenant: TenantId::default(),
                subject: PrincipalId::new("s").unwrap(),
                scopes: Scopes::READ,
                user: None,
                name: "s".into(),
            })
        }

        fn schemes(&self) -> Vec<AuthScheme> {
            vec![self.scheme.clone()]
        }
    }

    async fn ask(outcomes: &[(usize, Outcome)]) -> Result<(), AuthError> {
        let member = |&(len, outcome): &(usize, _)| -> Arc<dyn Authenticator> {
            Arc::new(Fixed { len, outcome, scheme: AuthScheme::bearer() })
        };
        let all = AnyOf::new(outcomes.iter().map(member).collect());
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer abc"));
        let now = FixedClock::default().now();
        let input = CredentialInput::from_headers(&headers, now).unwrap();
        all.authenticate(&input).await.map(drop)
    }

    #[tokio::test]
    async fn the_first_success_wins_and_other_forms_are_not_asked() {
        let invalid = || Err(AuthError::Invalid("no"));
        let expired = || Err(AuthError::Expired);
        let backend = || Err(AuthError::Backend("down".into()));
        let good = || Ok(());
        assert!(ask(&[(3, invalid), (3, backend), (3, good)]).await.is_ok());
        assert!(ask(&[(4, good), (3, invalid)]).await.is_err());
        assert!(matches!(ask(&[(4, good)]).await, Err(AuthError::Invalid(_))));
        assert!(matches!(ask(&[(3, expired), (3, invalid)]).await, Err(AuthError::Expired)));
        let failed = ask(&[(3, invalid), (3, backend), (3, expired)]).await;
        assert!(matches!(failed, Err(AuthError::Backend(_))));
    }

    #[test]
    fn one_scheme_is_primary() {
        let member = |scheme| -> Arc<dyn Authenticator> {
            Arc::new(Fixed { len: 1, outcome: || Ok(()), scheme })
        };
        let kinds = [AuthScheme::bearer(), AuthScheme::jwt(), AuthScheme::bearer()];
        let schemes = AnyOf::new(kinds.map(member).to_vec()).schemes();
        let told: Vec<_> = schemes.iter().map(|s| (s.name, s.primary)).collect();
        assert_eq!(told, [(AuthScheme::bearer().name, true), (AuthScheme::jwt().name, false)]);
    }
}

//! JSON Web Tokens from an identity provider (RFC 7519, RFC 8725).
//!
//! Accepted is a token that is signed by a configured key with a configured algorithm, comes
//! from the configured issuer, is meant for us, has a subject, expires, and is now in its time.
//! Keys named or carried by the token's header (`jku`, `x5u`, `jwk`, `x5c`) are never used, and
//! nothing is fetched over the network.

mod config;
mod keys;
#[cfg(test)]
mod tests;

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation};
use serde_json::{Map, Value};
use smol_str::SmolStr;

pub use config::{InvalidJwtConfig, JwtConfig, KeySource, TenantRule};
pub use jsonwebtoken::Algorithm;
pub use keys::InvalidKeys;
use keys::{KeyRing, SigningKey};

use super::cache::PrincipalCache;
use super::principal::is_loggable;
use super::{
    AuthError, AuthScheme, Authenticator, CredentialInput, Principal, PrincipalId, Scope, Scopes,
    TenantId,
};

/// How many accepted tokens are held in memory.
const CACHED: usize = 4096;

/// Checks JSON Web Tokens.
///
/// A token that was accepted is believed for up to five seconds without checking the signature
/// again, but never beyond its expiry, nor beyond a change of the keys.
pub struct JwtAuthenticator {
    config: JwtConfig,
    keys: KeyRing,
    cache: PrincipalCache,
}

impl JwtAuthenticator {
    /// Checks the configuration and loads the keys.
    ///
    /// # Errors
    /// [`InvalidJwtConfig`].
    pub fn new(config: JwtConfig) -> Result<Self, InvalidJwtConfig> {
        config.check()?;
        let keys = KeyRing::open(&config.keys, &config.algorithms)?;
        Ok(Self { config, keys, cache: PrincipalCache::new(CACHED) })
    }

    /// The signature, then everything that the signature vouches for.
    fn check(
        &self,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(Principal, DateTime<Utc>), AuthError> {
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| AuthError::Malformed("the JWT's header cannot be read"))?;
        let keys = self.keys.current();
        let claims = self.verified_claims(token, &header, keys.select(&header)?)?;
        let ends = self.check_times(&claims, now)?;
        Ok((self.principal(&claims)?, ends))
    }

    fn verified_claims(
        &self,
        token: &str,
        header: &Header,
        key: &SigningKey,
    ) -> Result<Map<String, Value>, AuthError> {
        if header.crit.is_some() {
            return Err(AuthError::Invalid("the JWT's header has critical extensions"));
        }
        if !header.typ.as_deref().is_none_or(is_access_token_type) {
            return Err(AuthError::Invalid("the JWT is of a type other than JWT or at+jwt"));
        }
        let mut validation = Validation::new(header.alg);
        validation.set_required_spec_claims(&["iss", "aud"]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&self.config.audiences);
        // The library reads the system clock; times are checked against the injected one.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded = jsonwebtoken::decode(token, &key.decoding, &validation);
        decoded.map(|data| data.claims).map_err(|error| {
            AuthError::Invalid(match error.kind() {
                ErrorKind::InvalidIssuer => "the JWT's issuer is not the configured one",
                ErrorKind::InvalidAudience => "the JWT is meant for another audience",
                ErrorKind::MissingRequiredClaim(name) if name == "iss" => "the JWT has no issuer",
                ErrorKind::MissingRequiredClaim(_) => "the JWT has no audience",
                ErrorKind::Json(_) | ErrorKind::Utf8(_) => "the JWT's claims cannot be read",
                _ => "the JWT's signature does not verify",
            })
        })
    }

    /// Checks `exp` and `nbf`, and gives the moment from which on the token is refused.
    fn check_times(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, AuthError> {
        let leeway = TimeDelta::seconds(i64::from(self.config.leeway_seconds));
        let expires = claims.get("exp").ok_or(AuthError::Invalid("the JWT does not expire"))?;
        let expires =
            numeric_date(expires).ok_or(AuthError::Invalid("the JWT's exp is no date"))?;
        if let Some(not_before) = claims.get("nbf") {
            let not_before =
                numeric_date(not_before).ok_or(AuthError::Invalid("the JWT's nbf is no date"))?;
            if now + leeway < not_before {
                return Err(AuthError::Invalid("the JWT is not valid yet"));
            }
        }
        let ends = expires + leeway;
        if ends <= now { Err(AuthError::Expired) } else { Ok(ends) }
    }

    fn principal(&self, claims: &Map<String, Value>) -> Result<Principal, AuthError> {
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .and_then(PrincipalId::new)
            .ok_or(AuthError::Invalid("the JWT has no usable subject"))?;
        let tenant = match &self.config.tenant {
            TenantRule::Fixed(tenant) => tenant.clone(),
            // A missing tenant must never mean the default one.
            TenantRule::Claim(name) => claims
                .get(name)
                .and_then(Value::as_str)
                .and_then(|tenant| TenantId::new(tenant).ok())
                .ok_or(AuthError::Invalid("the JWT names no tenant"))?,
        };
        let user = match self.config.user_claim.as_ref().and_then(|name| claims.get(name)) {
            None => None,
            Some(Value::String(id)) if is_loggable(id, PrincipalId::MAX_LEN) => Some(id.into()),
            Some(_) => return Err(AuthError::Invalid("the JWT's user is no resource id")),
        };
        let name = SmolStr::from(subject.as_str());
        Ok(Principal { tenant, subject, scopes: self.scopes(claims), user, name })
    }

    fn scopes(&self, claims: &Map<String, Value>) -> Scopes {
        let mut scopes = Scopes::NONE;
        for claim in self.config.scope_claims.iter().filter_map(|name| claims.get(name)) {
            for word in words(claim) {
                if self.config.write_values.iter().any(|value| value == word) {
                    scopes = scopes.with(Scope::Write);
                } else if self.config.read_values.iter().any(|value| value == word) {
                    scopes = scopes.with(Scope::Read);
                }
            }
        }
        scopes
    }
}

impl fmt::Debug for JwtAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthenticator").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    fn accepts(&self, input: &CredentialInput<'_>) -> bool {
        input.token().bytes().filter(|b| *b == b'.').count() == 2
    }

    async fn authenticate(&self, input: &CredentialInput<'_>) -> Result<Principal, AuthError> {
        if self.keys.refresh(input.now()) {
            self.cache.clear();
        }
        if let Some(principal) = self.cache.get(input.digest(), input.now()) {
            return Ok(principal);
        }
        let epoch = self.cache.epoch();
        let (principal, ends) = self.check(input.token(), input.now())?;
        self.cache.put(epoch, *input.digest(), principal.clone(), input.now(), Some(ends));
        Ok(principal)
    }

    fn schemes(&self) -> Vec<AuthScheme> {
        vec![AuthScheme::jwt()]
    }
}

/// RFC 9068 section 4 and RFC 7515 section 4.1.9: other kinds of signed tokens stay out.
fn is_access_token_type(typ: &str) -> bool {
    let prefix = "application/";
    let typ = match typ.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => &typ[prefix.len()..],
        _ => typ,
    };
    typ.eq_ignore_ascii_case("jwt") || typ.eq_ignore_ascii_case("at+jwt")
}

/// Seconds since 1970, whole or not (RFC 7519 section 2).
fn numeric_date(value: &Value) -> Option<DateTime<Utc>> {
    // Year 5138; keeps the sum with a leeway in range and a float exact.
    const LAST: f64 = 1e11;
    let seconds = value.as_f64()?;
    if !(0.0..=LAST).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
}

/// The words of a claim that is a list in text (`scope`) or an array (`roles`).
fn words(claim: &Value) -> impl Iterator<Item = &str> {
    let (text, list) = match claim {
        Value::String(text) => (text.as_str(), &[][..]),
        Value::Array(list) => ("", list.as_slice()),
        _ => ("", &[][..]),
    };
    text.split(' ').chain(list.iter().filter_map(Value::as_str))
}

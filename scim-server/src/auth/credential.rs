//! The bearer token of a request (RFC 6750 section 2.1).
//!
//! ```text
//! Authorization = "Bearer" 1*SP token          scheme names ignore case (RFC 9110 section 11.1)
//! ```
//!
//! A token is taken from this header only: not from the query, a form, a cookie or another header.

use std::fmt;

use chrono::{DateTime, Utc};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};

use super::AuthError;

/// The SHA-256 of a credential; what is kept in place of it.
pub type Digest = [u8; 32];

/// What an [`Authenticator`](super::Authenticator) judges: one bearer token and the time.
///
/// `Debug` shows neither the token nor its digest.
pub struct CredentialInput<'a> {
    token: &'a str,
    digest: Digest,
    now: DateTime<Utc>,
}

impl<'a> CredentialInput<'a> {
    /// The longest token; a JWT with many roles stays well below.
    pub const MAX_LEN: usize = 8 * 1024;

    /// Finds the bearer token in `headers`.
    ///
    /// Any visible ASCII is accepted as a token, which is wider than RFC 6750's alphabet, because
    /// an operator may choose such a one.
    ///
    /// # Errors
    /// [`AuthError::Missing`] without an `Authorization` header; [`AuthError::Malformed`] for
    /// several of them, another scheme, an empty or too long token, or other characters.
    pub fn from_headers(headers: &'a HeaderMap, now: DateTime<Utc>) -> Result<Self, AuthError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next().ok_or(AuthError::Missing)?;
        if values.next().is_some() {
            return Err(AuthError::Malformed("several Authorization headers"));
        }
        let text = value
            .to_str()
            .map_err(|_| AuthError::Malformed("the Authorization header is not ASCII"))?;
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthError::Malformed("the scheme is not Bearer"));
        }
        let token = rest.trim_start_matches(' ');
        if token.is_empty() {
            return Err(AuthError::Malformed("the token is empty"));
        }
        if token.len() > Self::MAX_LEN {
            return Err(AuthError::Malformed("the token is too long"));
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(AuthError::Malformed("the token contains a space or a control character"));
        }
        Ok(Self { token, digest: Sha256::digest(token).into(), now })
    }

    /// The token as it was sent. Never log or keep it.
    #[must_use]
    pub fn token(&self) -> &'a str {
        self.token
    }

    /// The SHA-256 of the token, computed once for all authenticators.
    #[must_use]
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The time of the request.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }
}

impl fmt::Debug for CredentialInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialInput").field("now", &self.now).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::clock::{Clock, FixedClock};

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        map
    }

    fn token(values: &[&[u8]]) -> Result<String, AuthError> {
        let headers = headers(values);
        let now = FixedClock::default().now();
        CredentialInput::from_headers(&headers, now).map(|input| input.token().to_owned())
    }

    #[test]
    fn the_scheme_ignores_case_and_any_number_of_spaces_may_follow() {
        for good in ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR abc", "Bearer   abc"] {
            assert_eq!(token(&[good.as_bytes()]).unwrap(), "abc", "{good}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        assert!(matches!(token(&[]), Err(AuthError::Missing)));
        let long = format!("Bearer {}", "x".repeat(CredentialInput::MAX_LEN + 1));
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer    ",
            "Bearerabc",
            "Bearer\tabc",
            "abc",
            "Basic YTpi",
            "Digest a",
            "Bearer a b",
            "Bearer abc ",
            "Bearer abc,def ghi",
            "Bearer \u{e9}",
            "Token abc",
            " Bearer abc",
            "Bearer: abc x",
            long.as_str(),
        ] {
            assert!(matches!(token(&[bad.as_bytes()]), Err(AuthError::Malformed(_))), "{bad:?}");
        }
        assert!(matches!(token(&[b"Bearer \xff\xfe"]), Err(AuthError::Malformed(_))));
    }

    #[test]
    fn several_authorization_headers_are_refused_even_if_equal() {
        assert!(matches!(token(&[b"Bearer a", b"Bearer a"]), Err(AuthError::Malformed(_))));
        assert!(matches!(token(&[b"Basic eDp5", b"Bearer a"]), Err(AuthError::Malformed(_))));
    }

    #[test]
    fn no_other_header_is_looked_at() {
        let mut map = HeaderMap::new();
        for name in
            ["proxy-authorization", "cookie", "x-api-key", "x-access-token", "x-forwarded-user"]
        {
            map.insert(name, HeaderValue::from_static("Bearer abc"));
        }
        let now = FixedClock::default().now();
        assert!(matches!(CredentialInput::from_headers(&map, now), Err(AuthError::Missing)));
    }

    #[test]
    fn debug_shows_nothing_of_the_token() {
        let headers = headers(&[b"Bearer canary"]);
        let input = CredentialInput::from_headers(&headers, FixedClock::default().now()).unwrap();
        let shown = format!("{input:?}");
        assert!(!shown.contains("canary") && !shown.contains(&format!("{:?}", input.digest())));
    }
}

//! The configuration of [`JwtAuthenticator`](super::JwtAuthenticator).

use std::path::PathBuf;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use secrecy::SecretString;
use serde::Deserialize;

use super::keys::InvalidKeys;
use crate::auth::TenantId;

/// Which JSON Web Tokens to accept and how to read them.
///
/// ```toml
/// issuer = "https://login.example.com/"
/// audiences = ["api://scim"]
/// keys = { file = "/etc/scim/jwks.json" }
/// tenant = { claim = "tenant" }            # default: { fixed = "default" }
/// write_values = ["SCIM.Provision"]        # default: "write", "scim:write", "scim.write"
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// The only accepted `iss`.
    pub issuer: String,
    /// A token must name one of these in `aud`.
    pub audiences: Vec<String>,
    /// The keys.
    pub keys: KeySource,
    /// Accepted algorithms; all that use a key pair by default. `none` cannot be named, and the
    /// HMAC ones need [`KeySource::Inline`] keys.
    #[serde(default = "asymmetric")]
    pub algorithms: Vec<Algorithm>,
    /// By how much the issuer's clock may differ, at most 300.
    #[serde(default = "leeway_seconds")]
    pub leeway_seconds: u32,
    /// Which tenant a token opens.
    #[serde(default)]
    pub tenant: TenantRule,
    /// The claims that list scopes: text separated by spaces, or arrays.
    #[serde(default = "scope_claims")]
    pub scope_claims: Vec<String>,
    /// The values that mean the scope `read`.
    #[serde(default = "read_values")]
    pub read_values: Vec<String>,
    /// The values that mean the scope `write`.
    #[serde(default = "write_values")]
    pub write_values: Vec<String>,
    /// The claim with the id of the resource that `/Me` means, if any.
    #[serde(default)]
    pub user_claim: Option<String>,
}

/// Where the issuer's keys come from, as a JWK set (RFC 7517 section 5).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySource {
    /// A file with public keys, read again when it changes.
    File(PathBuf),
    /// The JSON itself. Only here are shared secrets (`oct`) accepted.
    Inline(SecretString),
}

/// Which tenant a token opens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TenantRule {
    /// Always this one.
    Fixed(TenantId),
    /// The one named by this claim; a token without it is refused.
    Claim(String),
}

impl Default for TenantRule {
    fn default() -> Self {
        Self::Fixed(TenantId::default())
    }
}

/// A [`JwtConfig`] that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidJwtConfig {
    /// Every token would be refused, or too many accepted.
    #[error("jwt: '{0}' must not be empty")]
    Empty(&'static str),
    /// Expired tokens would live on.
    #[error("jwt: 'leeway_seconds' is at most {}", JwtConfig::MAX_LEEWAY_SECONDS)]
    Leeway,
    /// A shared secret in a file of public keys invites confusing one with the other.
    #[error("jwt: HMAC algorithms need shared secrets given as inline keys")]
    HmacFromFile,
    /// The keys cannot be used.
    #[error("jwt keys")]
    Keys(#[from] InvalidKeys),
}

impl JwtConfig {
    /// The largest leeway.
    pub const MAX_LEEWAY_SECONDS: u32 = 300;

    /// Everything at its default.
    #[must_use]
    pub fn new(issuer: String, audiences: Vec<String>, keys: KeySource) -> Self {
        Self {
            issuer,
            audiences,
            keys,
            algorithms: asymmetric(),
            leeway_seconds: leeway_seconds(),
            tenant: TenantRule::default(),
            scope_claims: scope_claims(),
            read_values: read_values(),
            write_values: write_values(),
            user_claim: None,
        }
    }

    /// Checks everything but the keys.
    ///
    /// # Errors
    /// [`InvalidJwtConfig`].
    pub fn check(&self) -> Result<(), InvalidJwtConfig> {
        let blank = |list: &[String]| list.is_empty() || list.iter().any(String::is_empty);
        let claim_is_blank = |claim: &Option<String>| claim.as_deref() == Some("");
        let empty = [
            ("issuer", self.issuer.is_empty()),
            ("audiences", blank(&self.audiences)),
            ("algorithms", self.algorithms.is_empty()),
            ("tenant.claim", matches!(&self.tenant, TenantRule::Claim(name) if name.is_empty())),
            ("scope_claims", blank(&self.scope_claims)),
            // An empty value would be found in every empty or oddly spaced claim.
            ("read_values", self.read_values.iter().any(String::is_empty)),
            ("write_values", self.write_values.iter().any(String::is_empty)),
            ("user_claim", claim_is_blank(&self.user_claim)),
        ];
        if let Some((name, _)) = empty.into_iter().find(|(_, is_empty)| *is_empty) {
            return Err(InvalidJwtConfig::Empty(name));
        }
        if self.leeway_seconds > Self::MAX_LEEWAY_SECONDS {
            return Err(InvalidJwtConfig::Leeway);
        }
        let hmac = self.algorithms.iter().any(|alg| alg.family() == AlgorithmFamily::Hmac);
        if hmac && matches!(self.keys, KeySource::File(_)) {
            return Err(InvalidJwtConfig::HmacFromFile);
        }
        Ok(())
    }
}

fn asymmetric() -> Vec<Algorithm> {
    [AlgorithmFamily::Ec, AlgorithmFamily::Ed, AlgorithmFamily::Rsa]
        .iter()
        .flat_map(AlgorithmFamily::algorithms)
        .copied()
        .collect()
}

fn leeway_seconds() -> u32 {
    60
}

fn scope_claims() -> Vec<String> {
    ["scope", "scp", "roles"].map(str::to_owned).to_vec()
}

fn read_values() -> Vec<String> {
    ["read", "scim:read", "scim.read"].map(str::to_owned).to_vec()
}

fn write_values() -> Vec<String> {
    ["write", "scim:write", "scim.write"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        issuer = "https://idp.example/"
        audiences = ["scim"]
        keys = { file = "/etc/jwks.json" }
    "#;

    fn parse(extra: &str) -> Result<JwtConfig, toml::de::Error> {
        toml::from_str(&format!("{MINIMAL}\n{extra}"))
    }

    #[test]
    fn defaults_are_asymmetric_and_strict() {
        let config = parse("").unwrap();
        config.check().unwrap();
        assert!(config.algorithms.iter().all(|alg| alg.family() != AlgorithmFamily::Hmac));
        assert_eq!((config.leeway_seconds, config.tenant), (60, TenantRule::default()));
        assert!(config.user_claim.is_none());
    }

    #[test]
    fn the_file_form_reads_back() {
        let config = parse("tenant = { claim = 'tid' }\nalgorithms = ['EdDSA', 'RS256']").unwrap();
        assert_eq!(config.tenant, TenantRule::Claim("tid".to_owned()));
        assert_eq!(config.algorithms, [Algorithm::EdDSA, Algorithm::RS256]);
        for bad in ["algorithms = ['none']", "algorithm = ['RS256']", "tenant = { fixed = '../x' }"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unusable_settings_are_named() {
        let name = |extra: &str| match parse(extra).unwrap().check() {
            Err(InvalidJwtConfig::Empty(name)) => name,
            other => panic!("{extra}: {other:?}"),
        };
        assert_eq!(name("algorithms = []"), "algorithms");
        assert_eq!(name("scope_claims = []"), "scope_claims");
        assert_eq!(name("write_values = ['']"), "write_values");
        assert_eq!(name("user_claim = ''"), "user_claim");
        assert_eq!(name("tenant = { claim = '' }"), "tenant.claim");
        let leeway = parse("leeway_seconds = 301").unwrap().check();
        assert!(matches!(leeway, Err(InvalidJwtConfig::Leeway)));
        let hmac = parse("algorithms = ['RS256', 'HS256']").unwrap().check();
        assert!(matches!(hmac, Err(InvalidJwtConfig::HmacFromFile)));
    }

    #[test]
    fn inline_keys_do_not_show() {
        let keys = KeySource::Inline("{\"keys\":[{\"k\":\"canary\"}]}".into());
        let config = JwtConfig::new("i".to_owned(), vec!["a".to_owned()], keys);
        assert!(!format!("{config:?}").contains("canary"));
    }
}

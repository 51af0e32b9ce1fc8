//! Settings for JSON Web Tokens as credentials: the `[jwt]` table of the file.
//!
//! They exist in the file only: a list of keys or a map of tenants does not fit a flag.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::values::{check_tenant_name, human};

/// A public key as its JSON Web Key members.
pub type Jwk = serde_json::Map<String, serde_json::Value>;

/// Who may issue tokens for this server, and what their claims mean here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtConfig {
    /// The one accepted `iss`.
    pub issuer: String,
    /// Accepted values of `aud`; a token needs one of them.
    #[serde(deserialize_with = "one_or_many")]
    pub audience: Vec<String>,
    /// Accepted signature algorithms; whatever the token's header says, no other is tried.
    #[serde(default = "default_algorithms")]
    pub algorithms: Vec<JwtAlgorithm>,
    /// A file with a JSON Web Key Set; exclusive with `keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// How far `exp` and `nbf` may be off, for clocks that differ.
    #[serde(default = "default_leeway", with = "human")]
    pub leeway: Duration,
    /// The tenant of every token when there is no `tenant_claim`.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The claim that says which tenant the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_claim: Option<String>,
    /// The claim with the granted scopes: text with spaces between, or a list.
    #[serde(default = "default_scope_claim")]
    pub scope_claim: String,
    /// Scopes that allow reading.
    #[serde(default = "default_read_scopes")]
    pub read_scopes: Vec<String>,
    /// Scopes that allow writing.
    #[serde(default = "default_write_scopes")]
    pub write_scopes: Vec<String>,
    /// The claim with the id of the user that `/Me` stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_claim: Option<String>,
    /// Tenant by value of `tenant_claim`; when empty, the value itself is the tenant's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tenants: BTreeMap<String, String>,
    /// The keys themselves, as JSON Web Keys; exclusive with `jwks_file`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Jwk>,
}

impl JwtConfig {
    /// Checks what serde cannot; the answer is the setting and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.issuer.is_empty() {
            return Err(("jwt.issuer", "it may not be empty".to_owned()));
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            let why = "it needs at least one value, and none may be empty; without it a token made for another service would open this one";
            return Err(("jwt.audience", why.to_owned()));
        }
        if self.algorithms.is_empty() {
            return Err(("jwt.algorithms", "it needs at least one algorithm".to_owned()));
        }
        match (&self.jwks_file, self.keys.is_empty()) {
            (None, true) => {
                return Err((
                    "jwt.jwks_file",
                    "set it, or `jwt.keys`; without a key no token can be checked".to_owned(),
                ));
            }
            (Some(_), false) => {
                return Err(("jwt.keys", "set it or `jwt.jwks_file`, not both".to_owned()));
            }
            _ => {}
        }
        for (at, key) in self.keys.iter().enumerate() {
            let kind = key.get("kty").and_then(serde_json::Value::as_str);
            match kind {
                None => return Err(("jwt.keys", format!("key {at} has no `kty`"))),
                Some("oct") => {
                    return Err((
                        "jwt.keys",
                        format!("key {at} is a shared secret; only public keys are accepted"),
                    ));
                }
                Some(_) if key.contains_key("d") => {
                    return Err((
                        "jwt.keys",
                        format!("key {at} holds a private key; put only the public members here"),
                    ));
                }
                Some(_) => {}
            }
        }
        check_tenant_name(&self.tenant).map_err(|e| ("jwt.tenant", e))?;
        if self.tenant_claim.is_none() && !self.tenants.is_empty() {
            return Err((
                "jwt.tenants",
                "it needs `jwt.tenant_claim`, whose values it maps".to_owned(),
            ));
        }
        for tenant in self.tenants.values() {
            check_tenant_name(tenant).map_err(|e| ("jwt.tenants", e))?;
        }
        Ok(())
    }
}

/// Signature algorithms with a public key (RFC 7518 section 3.1, RFC 8037).
///
/// Shared-secret algorithms and `none` do not exist here, so no token can ask for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum JwtAlgorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// RSA-PSS with SHA-384.
    Ps384,
    /// RSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

fn default_algorithms() -> Vec<JwtAlgorithm> {
    vec![JwtAlgorithm::Rs256, JwtAlgorithm::Es256]
}

fn default_leeway() -> Duration {
    Duration::from_secs(60)
}

fn default_tenant() -> String {
    super::DEFAULT_TENANT.to_owned()
}

fn default_scope_claim() -> String {
    "scope".to_owned()
}

fn default_read_scopes() -> Vec<String> {
    vec!["scim.read".to_owned()]
}

fn default_write_scopes() -> Vec<String> {
    vec!["scim.write".to_owned()]
}

/// Accepts `"a"` where `["a"]` is meant, as JSON Web Tokens do for `aud` itself.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrMany;

    impl<'de> de::Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E: de::Error>(self, one: &str) -> Result<Vec<String>, E> {
            Ok(vec![one.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut many: A) -> Result<Vec<String>, A::Error> {
            let mut all = Vec::new();
            while let Some(one) = many.next_element()? {
                all.push(one);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_any(OneOrMany)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r#"keys = [{ kty = "OKP", crv = "Ed25519", x = "AAAA" }]"#;

    fn problem(toml: &str) -> Option<&'static str> {
        let config: JwtConfig = toml::from_str(toml).unwrap();
        config.check().err().map(|(setting, _)| setting)
    }

    #[test]
    fn a_minimal_table_has_safe_defaults() {
        let text = format!("issuer = 'https://idp'\naudience = 'scim'\n{KEY}");
        let config: JwtConfig = toml::from_str(&text).unwrap();
        assert_eq!(config.audience, ["scim"]);
        assert_eq!(config.algorithms, [JwtAlgorithm::Rs256, JwtAlgorithm::Es256]);
        assert_eq!(config.tenant, "default");
        assert_eq!(config.check(), Ok(()));
    }

    #[test]
    fn every_hole_in_the_table_is_named() {
        let base = "issuer = 'i'\naudience = ['a']\n";
        let cases = [
            (format!("issuer = ''\naudience = 'a'\n{KEY}"), "jwt.issuer"),
            (format!("issuer = 'i'\naudience = []\n{KEY}"), "jwt.audience"),
            (format!("issuer = 'i'\naudience = ['']\n{KEY}"), "jwt.audience"),
            (format!("{base}algorithms = []\n{KEY}"), "jwt.algorithms"),
            (base.to_owned(), "jwt.jwks_file"),
            (format!("{base}jwks_file = 'f'\n{KEY}"), "jwt.keys"),
            (format!("{base}keys = [{{ x = 'y' }}]"), "jwt.keys"),
            (format!("{base}keys = [{{ kty = 'oct', k = 'y' }}]"), "jwt.keys"),
            (format!("{base}keys = [{{ kty = 'EC', d = 'y' }}]"), "jwt.keys"),
            (format!("{base}tenant = 'A B'\n{KEY}"), "jwt.tenant"),
            (format!("{base}tenants = {{ x = 'acme' }}\n{KEY}"), "jwt.tenants"),
            (format!("{base}tenant_claim = 'tid'\ntenants = {{ x = 'A' }}\n{KEY}"), "jwt.tenants"),
        ];
        for (toml, setting) in cases {
            assert_eq!(problem(&toml), Some(setting), "{toml}");
        }
    }

    #[test]
    fn shared_secret_algorithms_do_not_exist() {
        for name in ["HS256", "none", "rs256"] {
            let text = format!("issuer = 'i'\naudience = 'a'\nalgorithms = ['{name}']\n{KEY}");
            assert!(toml::from_str::<JwtConfig>(&text).is_err(), "{name}");
        }
        let text = format!("issuer = 'i'\naudience = 'a'\nalgorithms = ['EdDSA', 'PS512']\n{KEY}");
        assert!(toml::from_str::<JwtConfig>(&text).is_ok());
    }
}

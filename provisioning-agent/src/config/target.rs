//! The services that are written to.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{ConfigError, SecretSource};

/// A SCIM service that is written to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TargetConfig {
    /// What rules and state call it.
    pub name: String,
    /// The base URL of the service.
    pub url: String,
    /// The bearer token.
    pub token: SecretSource,
    /// The name of a target profile (`scim profile list`), or a file with one; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// Certificates (PEM) that the service's certificate must come from; empty for the system's own.
    #[serde(default)]
    pub ca_file: PathBuf,
    /// Writes under way at a time.
    #[serde(default = "sixteen")]
    pub parallel: usize,
    /// Whether several writes are sent in one request.
    #[serde(default)]
    pub bulk: BulkConfig,
}

const fn sixteen() -> usize {
    16
}

/// Whether several writes are sent in one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BulkConfig {
    /// No.
    #[default]
    Never,
    /// Where the service takes bulk requests: for services far away.
    Always,
}

impl TargetConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong =
            |message: String| Err(ConfigError::new(format!("target {:?}: {message}", self.name)));
        let url = match Url::parse(&self.url) {
            Ok(url) => url,
            Err(error) => return wrong(format!("url {:?}: {error}", self.url)),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return wrong(format!(
                "url {:?}: it begins with https:// (or http:// on this machine)",
                self.url
            ));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            return wrong(format!(
                "url {:?} would send the token unencrypted: use https://",
                self.url
            ));
        }
        if !(1..=256).contains(&self.parallel) {
            return wrong(format!("parallel = {} is not between 1 and 256", self.parallel));
        }
        Ok(())
    }
}

/// Whether a URL stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // Of `ldap://` a URL tells an address as a name.
        Some(url::Host::Domain(name)) => {
            let address = name.parse::<IpAddr>();
            name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|it| it.is_loopback())
        }
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

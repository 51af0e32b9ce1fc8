//! The server that is checked: where it is, how it is reached, and who we are to it.

use std::fmt;
use std::sync::Arc;

use scim_client::auth::{AuthError, Authorize};
use scim_client::{Auth, Transport, TransportError};
use secrecy::SecretString;
use url::Url;

/// The server that is checked.
///
/// ```
/// use scim_conformance::Target;
/// let target = Target::new("https://directory.example/scim/v2")?.bearer("a-token");
/// assert_eq!(target.base().as_str(), "https://directory.example/scim/v2");
/// # Ok::<(), scim_conformance::TargetError>(())
/// ```
#[derive(Clone)]
pub struct Target {
    base: Url,
    transport: Option<Arc<dyn Transport>>,
    auth: Auth,
    mail_domain: String,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The base URL cannot be the start of a resource's URL.
    #[error("the base URL {0:?} is not one: {1}")]
    Base(String, &'static str),
    /// The default transport cannot be set up.
    #[error("the connection cannot be set up: {0}")]
    Transport(#[from] TransportError),
    /// The credentials cannot be used.
    #[error("the credentials cannot be used: {0}")]
    Auth(#[from] AuthError),
}

impl Target {
    /// A target at this base URL, what stands before `/Users`.
    ///
    /// # Errors
    /// [`TargetError::Base`] when it is no absolute http or https URL, or has a query, a fragment or credentials in it.
    pub fn new(base: impl AsRef<str>) -> Result<Self, TargetError> {
        let text = base.as_ref();
        let refused = |why| TargetError::Base(without_credentials(text), why);
        let mut base =
            Url::parse(text).map_err(|_| refused("it has to begin with http:// or https://"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refused("it has to begin with http:// or https://"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refused("it may have no query and no fragment"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused("credentials do not belong into it"));
        }
        let path = base.path().trim_end_matches('/').to_owned();
        base.set_path(&path);
        Ok(Self { base, transport: None, auth: Auth::None, mail_domain: "example.org".to_owned() })
    }

    /// Authenticates with a bearer token.
    #[must_use]
    pub fn bearer(self, token: impl Into<SecretString>) -> Self {
        self.auth(Auth::Bearer(token.into()))
    }

    /// Authenticates in any way that the client knows: Basic, OAuth 2.0 client credentials, one's own.
    #[must_use]
    pub fn auth(mut self, auth: impl Into<Auth>) -> Self {
        self.auth = auth.into();
        self
    }

    /// Uses this transport in place of the default one.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// The domain of made-up user names and e-mail addresses; `example.org` unless set.
    #[must_use]
    pub fn mail_domain(mut self, domain: impl Into<String>) -> Self {
        self.mail_domain = domain.into();
        self
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The URL of a path below the base; an absolute URL stays as it is.
    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with("http://") || path.starts_with("https://") {
            return path.to_owned();
        }
        let base = self.base.as_str().trim_end_matches('/');
        match path.chars().next() {
            None | Some('/' | '?') => format!("{base}{path}"),
            Some(_) => format!("{base}/{path}"),
        }
    }

    /// Whether a URL is of the target's origin, so that it may see the credentials.
    pub(crate) fn is_own(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin() == self.base.origin())
    }

    pub(crate) fn domain(&self) -> &str {
        &self.mail_domain
    }

    pub(crate) fn has_credentials(&self) -> bool {
        !matches!(self.auth, Auth::None)
    }

    /// What makes the Authorization header.
    pub(crate) fn provider(&self) -> Result<Option<Arc<dyn Authorize>>, TargetError> {
        Ok(self.auth.clone().into_provider()?)
    }

    /// The transport set, or the default one.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Transport>, TargetError> {
        match &self.transport {
            Some(transport) => Ok(Arc::clone(transport)),
            None => Ok(Arc::new(scim_client::transport::ReqwestTransport::builder().build()?)),
        }
    }
}

/// A URL for an error message: whatever stands before an `@` is not repeated.
fn without_credentials(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}***{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_has_no_slash_at_its_end() {
        for text in ["http://h/scim/v2", "http://h/scim/v2/", "http://h/scim/v2//"] {
            let target = Target::new(text).unwrap();
            assert_eq!(target.url("/Users"), "http://h/scim/v2/Users", "{text}");
            assert_eq!(target.url("Users"), "http://h/scim/v2/Users", "{text}");
            assert_eq!(target.url("?filter=x"), "http://h/scim/v2?filter=x", "{text}");
        }
        assert_eq!(Target::new("http://h").unwrap().url("/Users"), "http://h/Users");
    }

    #[test]
    fn what_cannot_be_a_base_url_is_refused_without_repeating_its_password() {
        for text in ["h/scim", "ftp://h/", "http://h/?x=1", "http://h/#x"] {
            assert!(Target::new(text).is_err(), "{text}");
        }
        let error = Target::new("http://ada:hunter2@h/scim").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn only_the_own_origin_is_own() {
        let target = Target::new("https://h:8443/scim").unwrap();
        assert!(target.is_own("https://h:8443/other"));
        for other in ["https://h/scim", "http://h:8443/scim", "https://h.evil:8443/", "x"] {
            assert!(!target.is_own(other), "{other}");
        }
    }
}

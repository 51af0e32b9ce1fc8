//! The proxy on the way to the service: one answer for every connection, whatever it carries.

use anyhow::{Result, bail};
use scim_sync_link::websocket::Proxy;
use url::Url;

use crate::config::Environment;

/// The proxy for this service: what the configuration says, or the environment where it says nothing.
///
/// # Errors
/// Where the address cannot be that of a proxy.
pub(crate) fn of(
    configured: &str,
    service: &Url,
    environment: &dyn Environment,
) -> Result<Option<Url>> {
    let text = match configured.trim() {
        "none" => return Ok(None),
        // Without TLS it is on this machine.
        "" if service.scheme() != "https" => return Ok(None),
        "" => match Proxy::named(service, |name| environment.get(name)) {
            Some(text) => text,
            None => return Ok(None),
        },
        text => text.to_owned(),
    };
    // `proxy:3128` is how many people write it.
    let full = if text.contains("://") { text.clone() } else { format!("http://{text}") };
    match Url::parse(&full) {
        Ok(url) if url.scheme() == "http" && url.host_str().is_some() => Ok(Some(url)),
        _ => bail!("the proxy {:?} should be http://host:port", without_password(&full)),
    }
}

fn without_password(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://...@{host}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(configured: &str, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let environment = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        proxy_for("https://sync.corp.example:8443", configured, &environment)
    }

    fn proxy_for(
        service: &str,
        configured: &str,
        environment: &dyn Environment,
    ) -> Result<Option<String>, String> {
        of(configured, &Url::parse(service).unwrap(), environment)
            .map(|url| url.map(|url| url.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_configuration_is_asked_before_the_environment() {
        let variables = [("HTTPS_PROXY", "http://env:1"), ("NO_PROXY", "localhost, other.example")];
        assert_eq!(proxy("", &[]), Ok(None));
        assert_eq!(proxy("", &variables), Ok(Some("http://env:1/".to_owned())));
        assert_eq!(proxy("proxy:3128", &variables), Ok(Some("http://proxy:3128/".to_owned())));
        assert_eq!(proxy("none", &variables), Ok(None));
        for exception in
            ["corp.example", ".corp.example", "*.CORP.example", "sync.corp.example:8443", "*"]
        {
            let variables = [("https_proxy", "env:1"), ("no_proxy", exception)];
            assert_eq!(proxy("", &variables), Ok(None), "{exception}");
        }
        let variables = [("https_proxy", "env:1"), ("HTTPS_PROXY", "http://other:1")];
        assert_eq!(proxy("", &variables), Ok(Some("http://env:1/".to_owned())));
        let variables = [("https_proxy", "env:1"), ("no_proxy", "p.example")];
        assert_eq!(proxy("", &variables), Ok(Some("http://env:1/".to_owned())));
    }

    #[test]
    fn networks_are_excepted() {
        let environment = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://env:1".to_owned()),
            "NO_PROXY" => Some("10.0.0.0/8".to_owned()),
            _ => None,
        };
        let proxy = |service| proxy_for(service, "", &environment);
        assert_eq!(proxy("https://10.1.2.3"), Ok(None));
        assert_eq!(proxy("https://11.1.2.3"), Ok(Some("http://env:1/".to_owned())));
    }

    #[test]
    fn a_wrong_one_is_named_without_its_password() {
        let error = proxy("socks5://me:hush@proxy", &[]).unwrap_err();
        assert!(error.contains("socks5://...@proxy") && !error.contains("hush"), "{error}");
    }
}

//! The proxy on the way to the service: one answer for every connection, whatever it carries.

use anyhow::{Result, bail};
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
        "" => match from_environment(service, environment) {
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

fn from_environment(service: &Url, environment: &dyn Environment) -> Option<String> {
    let first = |names: [&str; 2]| {
        names.iter().find_map(|name| environment.get(name).filter(|value| !value.trim().is_empty()))
    };
    if service.scheme() != "https" {
        return None;
    }
    let host = service.host_str()?;
    let excepted = first(["NO_PROXY", "no_proxy"]).unwrap_or_default();
    if excepted.split(',').map(str::trim).any(|exception| matches(exception, host)) {
        return None;
    }
    first(["HTTPS_PROXY", "https_proxy"]).or_else(|| first(["ALL_PROXY", "all_proxy"]))
}

/// `*` for all, a name with everything below it, or an address.
fn matches(exception: &str, host: &str) -> bool {
    if exception == "*" {
        return true;
    }
    let exception = exception.split(':').next().unwrap_or_default().to_lowercase();
    let exception = exception.trim_start_matches('*').trim_start_matches('.');
    let host = host.to_lowercase();
    match exception {
        "" => false,
        exception => {
            host == exception
                || host.strip_suffix(exception).is_some_and(|before| before.ends_with('.'))
        }
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
        let service = Url::parse("https://sync.corp.example:8443").unwrap();
        of(configured, &service, &environment)
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
        let variables = [("https_proxy", "env:1"), ("no_proxy", "p.example")];
        assert_eq!(proxy("", &variables), Ok(Some("http://env:1/".to_owned())));
    }

    #[test]
    fn a_wrong_one_is_named_without_its_password() {
        let error = proxy("socks5://me:hush@proxy", &[]).unwrap_err();
        assert!(error.contains("socks5://...@proxy") && !error.contains("hush"), "{error}");
    }
}

//! Through an HTTP proxy, by CONNECT (RFC 9110, section 9.3.6).

use std::{fmt, net::IpAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use super::DialError;

/// A proxy, with what it wants to know of the agent.
#[derive(Clone)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    authorization: Option<SecretString>,
}

impl Proxy {
    /// `http://[user:password@]host[:port]`; the port is 80 unless it says otherwise. Without a scheme, `http://` is meant.
    ///
    /// # Errors
    /// [`DialError::Proxy`] when it is no such address. Proxies that want TLS themselves are not supported.
    pub fn parse(address: &str) -> Result<Self, DialError> {
        let wrong = |why: &str| DialError::Proxy(format!("its address is wrong: {why}"));
        let full;
        let address = if address.contains("://") {
            address
        } else {
            full = format!("http://{address}");
            &full
        };
        // The text is not repeated: it may hold a password.
        let url = Url::parse(address).map_err(|error| wrong(&error.to_string()))?;
        if url.scheme() != "http" {
            return Err(wrong("it has to start with http://"));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it has no host"))?.to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let authorization = (!url.username().is_empty()).then(|| {
            let user = decoded(url.username());
            let password = decoded(url.password().unwrap_or_default());
            let basic = STANDARD.encode([&user[..], b":", &password[..]].concat());
            SecretString::from(format!("Basic {basic}"))
        });
        Ok(Self { host, port, authorization })
    }

    /// The proxy that the usual variables name for an address: `HTTPS_PROXY`, else `ALL_PROXY`, in capitals or not, unless
    /// `NO_PROXY` has its host, with or without its port, a domain above it, its network or `*`.
    ///
    /// # Errors
    /// [`DialError::Proxy`] when the variable holds no address of a proxy.
    pub fn from_environment(
        target: &Url,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, DialError> {
        Self::named(target, variable).map(|address| Self::parse(&address)).transpose()
    }

    /// The same as it is written there.
    pub fn named(target: &Url, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
        let either = |name: &str| {
            variable(&name.to_ascii_lowercase())
                .filter(|value| !value.trim().is_empty())
                .or_else(|| variable(name).filter(|value| !value.trim().is_empty()))
        };
        let address = either("HTTPS_PROXY").or_else(|| either("ALL_PROXY"))?;
        let excluded = either("NO_PROXY").is_some_and(|list| excludes(&list, target));
        (!excluded).then(|| address.trim().to_owned())
    }

    /// What to ask it for.
    pub(super) fn connect_request(&self, host: &str, port: u16) -> SecretString {
        let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str("Proxy-Authorization: ");
            request.push_str(authorization.expose_secret());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.into()
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("authorization", &self.authorization.is_some())
            .finish()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The bytes that a part of a URL stands for.
fn decoded(part: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = (first == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    bytes
}

fn excludes(list: &str, target: &Url) -> bool {
    let Some(host) = target.host() else { return false };
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        let Some(entry) = of_port(entry, target) else { return false };
        match &host {
            Host::Domain(name) => {
                let entry = entry.trim_start_matches("*.").trim_start_matches('.');
                let entry = entry.to_ascii_lowercase();
                let name = name.trim_end_matches('.');
                name == entry || name.strip_suffix(&entry).is_some_and(|above| above.ends_with('.'))
            }
            Host::Ipv4(ip) => within(entry, IpAddr::V4(*ip)),
            Host::Ipv6(ip) => within(entry, IpAddr::V6(*ip)),
        }
    })
}

/// An entry without its port; nothing where that is another one than the target's.
fn of_port<'a>(entry: &'a str, target: &Url) -> Option<&'a str> {
    match entry.rsplit_once(':') {
        // The colons of an address without brackets are its own.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (port.parse().ok() == target.port_or_known_default()).then_some(host)
        }
        _ => Some(entry),
    }
}

/// Whether an address is the one of an entry, or in its network (`10.0.0.0/8`).
fn within(entry: &str, ip: IpAddr) -> bool {
    let (network, prefix) = match entry.split_once('/') {
        Some((network, prefix)) => (network, prefix.parse::<u32>().ok()),
        None => (entry, Some(u32::MAX)),
    };
    let network = network.trim_matches(['[', ']']).parse::<IpAddr>();
    match (network, ip, prefix) {
        (Ok(IpAddr::V4(network)), IpAddr::V4(ip), Some(prefix)) => {
            let unset = 32 - prefix.min(32);
            let differ = u32::from(network) ^ u32::from(ip);
            differ.checked_shr(unset).unwrap_or(0) == 0
        }
        (Ok(IpAddr::V6(network)), IpAddr::V6(ip), Some(prefix)) => {
            let unset = 128 - prefix.min(128);
            let differ = u128::from(network) ^ u128::from(ip);
            differ.checked_shr(unset).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use secrecy::ExposeSecret as _;
    use url::Url;

    use super::Proxy;

    fn from(target: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variables: BTreeMap<_, _> = variables.iter().copied().collect();
        let target = Url::parse(target).unwrap();
        Proxy::from_environment(&target, |name| variables.get(name).map(|v| (*v).to_owned()))
            .unwrap()
            .map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_environment_names_a_proxy() {
        let service = "wss://service.example.com/agent/channel";
        assert_eq!(from(service, &[]), None);
        assert_eq!(from(service, &[("HTTP_PROXY", "http://p:1")]), None);
        assert_eq!(from(service, &[("HTTPS_PROXY", "http://p:1")]), Some("p:1".to_owned()));
        assert_eq!(from(service, &[("all_proxy", "p")]), Some("p:80".to_owned()));
        assert_eq!(
            from(service, &[("https_proxy", "p:1"), ("HTTPS_PROXY", "q:1")]),
            Some("p:1".to_owned())
        );
        assert_eq!(
            from(service, &[("https_proxy", " "), ("ALL_PROXY", "q:1")]),
            Some("q:1".to_owned())
        );
    }

    #[test]
    fn no_proxy_names_hosts_domains_and_networks() {
        let with = |target: &str, list: &str| {
            from(target, &[("HTTPS_PROXY", "p:1"), ("NO_PROXY", list)]).is_none()
        };
        let service = "wss://service.example.com";
        for list in ["*", "example.com", ".example.com", "a, SERVICE.example.com", "*.example.com"]
        {
            assert!(with(service, list), "{list}");
        }
        for list in ["ample.com", "other.example.com", "service.example.com.org", "10.0.0.0/8"] {
            assert!(!with(service, list), "{list}");
        }
        assert!(with("wss://10.1.2.3", "10.0.0.0/8"));
        assert!(with("wss://10.1.2.3", "10.1.2.3"));
        assert!(with("wss://10.1.2.3", "0.0.0.0/0"));
        assert!(!with("wss://10.1.2.3", "10.1.3.0/24"));
        assert!(!with("wss://10.1.2.3", "10.1.3.0/x"));
        assert!(with("wss://[fd00::1]", "fd00::/8"));
        assert!(with("wss://[fd00::1]", "[fd00::1]:443") && with("wss://[fd00::1]", "fd00::1"));
        assert!(with(service, "example.com:443") && !with(service, "example.com:8443"));
        assert!(with("wss://10.1.2.3:8443", "10.1.2.3:8443"));
        assert!(!with("wss://[fe80::1]", "fd00::/8"));
    }

    #[test]
    fn credentials_go_to_the_proxy_and_nowhere_else() {
        let proxy = Proxy::parse("http://user:p%40ss%@proxy.example.com:3128").unwrap();
        let request = proxy.connect_request("service.example.com", 443);
        assert_eq!(
            request.expose_secret(),
            "CONNECT service.example.com:443 HTTP/1.1\r\nHost: service.example.com:443\r\n\
             Proxy-Authorization: Basic dXNlcjpwQHNzJQ==\r\n\r\n"
        );
        assert!(!format!("{proxy:?} {proxy}").contains("ss"), "{proxy:?}");
        for wrong in ["https://p:1", "socks5://p:1", "http://", "http://p:99999"] {
            assert!(Proxy::parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! Which addresses the service may be sent to by those who are not its operators: public ones, and what the configuration
//! names.
//!
//! A name is looked up once, for the connection itself, and what it resolves to is checked there: a name that changes its
//! addresses between two look-ups gets nobody in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::config::Network;

/// What may be reached. As a resolver it looks names up and leaves out what may not.
#[derive(Debug, Clone)]
pub struct Reach(Arc<Allowed>);

#[derive(Debug)]
struct Allowed {
    setting: &'static str,
    names: Vec<String>,
    networks: Vec<Network>,
}

impl Reach {
    /// With these names, addresses and networks allowed though they are private; `setting` is where they are from.
    #[must_use]
    pub fn new(setting: &'static str, allowed: &[String]) -> Self {
        let (mut names, mut networks) = (Vec::new(), Vec::new());
        for entry in allowed {
            match entry.trim_matches(['[', ']']).parse() {
                Ok(network) => networks.push(network),
                Err(_) => names.push(entry.to_ascii_lowercase()),
            }
        }
        Self(Arc::new(Allowed { setting, names, networks }))
    }

    /// Looks at an address whose host is none to be looked up.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, url: &Url) -> Result<(), Refused> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(self.refused("an address without a host")),
        };
        if self.admits(address) { Ok(()) } else { Err(self.refused(&address.to_string())) }
    }

    fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.networks.iter().any(|network| network.contains(address))
    }

    fn refused(&self, host: &str) -> Refused {
        Refused { host: host.to_owned(), setting: self.0.setting }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if reach.0.names.contains(&host) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let open: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.admits(address.ip())).collect();
            if open.is_empty() {
                return Err(reach.refused(&host).into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// A host that has private addresses only.
#[derive(Debug, thiserror::Error)]
#[error("{host} has no public address, and {setting} does not name it")]
pub struct Refused {
    host: String,
    setting: &'static str,
}

/// Whether an address is one of the public network, which no machine of one's own network has.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        // Shared by carriers (RFC 6598), protocol assignments (RFC 6890), measurements (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = carried(address) {
        return is_public_v4(inner);
    }
    let [a, b, ..] = address.segments();
    // The part that is given out to networks is 2000::/3. In it are protocol assignments with Teredo (RFC 2928, RFC 4380)
    // and documentation (RFC 3849, RFC 9637).
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !special
}

/// The IPv4 address that an IPv6 address stands for: mapped, translated (RFC 6052), or by 6to4.
fn carried(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, .., s6, s7] = address.segments();
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Some(mapped);
    }
    match (s0, s1) {
        (0x64, 0xff9b) => Some(of(s6, s7)),
        (0x2002, _) => Some(of(s1, s2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr as _;

    use super::*;

    #[test]
    fn what_is_private_is_known_in_every_spelling() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "198.51.100.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "2001:db8::1",
            "::127.0.0.1",
            "100::1",
            "5f00::1",
            "2001:0:7f00:1::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "2a00:1450:4001::1",
            "2606:4700::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[tokio::test]
    async fn a_name_with_private_addresses_resolves_where_it_is_allowed_only() {
        let ask = async |allowed: &[&str]| {
            let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
            let reach = Reach::new("the_setting", &allowed);
            let found = reach.resolve(Name::from_str("localhost").unwrap()).await;
            found.map(Iterator::count).map_err(|error| error.to_string())
        };
        let error = ask(&["example.com", "10.0.0.0/8"]).await.unwrap_err();
        assert_eq!(error, "localhost has no public address, and the_setting does not name it");
        assert!(ask(&["LocalHost"]).await.unwrap() > 0);
        assert!(ask(&["127.0.0.0/8", "::1"]).await.unwrap() > 0);
    }

    #[test]
    fn an_address_is_looked_at_as_it_stands() {
        let reach = Reach::new("the_setting", &["10.1.0.0/16".to_owned(), "[::1]".to_owned()]);
        let admits = |url: &str| reach.check(&Url::parse(url).unwrap()).is_ok();
        assert!(
            admits("https://10.1.2.3/scim") && admits("https://[::1]") && admits("https://8.8.8.8")
        );
        // A name is looked at when it is looked up.
        assert!(admits("https://localhost"));
        for refused in ["https://10.2.0.1", "https://127.0.0.1", "https://[::ffff:169.254.169.254]"]
        {
            assert!(!admits(refused), "{refused}");
        }
    }
}

//! Which addresses a webhook may reach: public ones, and those of hosts that the configuration names.
//!
//! A name is looked up once, for the connection itself, and what it resolves to is checked there: a name that changes its
//! addresses between two look-ups gets nobody in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Looks names up and leaves out what may not be reached.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    allowed: Arc<[String]>,
}

impl Guarded {
    /// With these hosts allowed to have private addresses.
    pub(super) fn new(allowed: &[String]) -> Self {
        Self { allowed: allowed.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if allowed.contains(&host) {
                return Ok(Box::new(found.into_iter()) as Addrs);
            }
            let open: Vec<SocketAddr> =
                found.into_iter().filter(|address| is_public(address.ip())).collect();
            if open.is_empty() {
                return Err(Refused(host).into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

/// A host that has private addresses only.
#[derive(Debug, thiserror::Error)]
#[error("{0} has no public address, and webhook.allow_private does not name it")]
pub(super) struct Refused(pub(super) String);

/// Whether an address is one of the public network, which no machine of one's own network has.
pub(super) fn is_public(address: IpAddr) -> bool {
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
        let ask =
            async |guarded: &Guarded| guarded.resolve(Name::from_str("localhost").unwrap()).await;
        let Err(error) = ask(&Guarded::new(&[])).await else { panic!("it resolves") };
        assert!(error.to_string().contains("allow_private"), "{error}");
        assert!(ask(&Guarded::new(&["LocalHost".to_owned()])).await.unwrap().count() > 0);
    }
}

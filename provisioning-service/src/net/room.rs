//! How many connections there may be, in all and from one address; and which address one really comes from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

use crate::config::{Config, Network, TlsMode};
use crate::gateway::network;

/// Where proxies write for whom they ask.
const FORWARDED: &str = "x-forwarded-for";

/// What the edge knows of the network in front of it.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    proxies: Vec<Network>,
    per_address: usize,
    /// Whether everybody comes from a proxy that is not told which.
    behind_any: bool,
}

impl From<&Config> for Edge {
    fn from(config: &Config) -> Self {
        let proxies = config.trusted_proxies.clone();
        let behind_any = config.tls == TlsMode::Off && proxies.is_empty();
        Self { proxies, per_address: config.connections_per_address, behind_any }
    }
}

impl Edge {
    fn trusts(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(address))
    }

    /// Who asks: the peer itself, or, where that is a trusted proxy, the last one in the chain of proxies that is none.
    ///
    /// What stands before that one anybody may have written.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let told = headers.get_all(FORWARDED);
        let told: Vec<&str> = told.iter().filter_map(|value| value.to_str().ok()).collect();
        let mut told = told.iter().flat_map(|value| value.split(',')).rev();
        while self.trusts(client) {
            let Some(address) = told.next().and_then(address) else { break };
            client = address;
        }
        client
    }
}

/// An address with or without a port, and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse().map(|found: std::net::SocketAddr| found.ip()).ok();
    text.trim_matches(['[', ']']).parse().ok().or_else(with_port)
}

/// The connections that are open, by address.
#[derive(Debug, Default)]
pub(super) struct Open(Mutex<BTreeMap<IpAddr, usize>>);

/// One of them.
#[derive(Debug)]
pub(super) struct Seat {
    open: Arc<Open>,
    address: IpAddr,
}

impl Open {
    /// A place for one more; `Err` where this address has too many already. Proxies are not counted.
    pub(super) fn seat(self: &Arc<Self>, edge: &Edge, peer: IpAddr) -> Result<Option<Seat>, ()> {
        if edge.behind_any || edge.trusts(peer) {
            return Ok(None);
        }
        let address = network(peer);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= edge.per_address {
            return Err(());
        }
        *count += 1;
        Ok(Some(Seat { open: Arc::clone(self), address }))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.open.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(proxies: &[&str], per_address: usize) -> Edge {
        let proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        Edge { proxies, per_address, behind_any: false }
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_adds() {
        let client = |proxies: &[&str], peer: &str, told: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in told {
                headers.append(FORWARDED, value.parse().unwrap());
            }
            edge(proxies, 1).client(peer.parse().unwrap(), &headers).to_string()
        };
        let proxies = ["10.0.0.0/8"];
        assert_eq!(client(&proxies, "10.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1", "192.0.2.7, 10.9.9.9"]), "192.0.2.7");
        assert_eq!(client(&proxies, "10.0.0.1", &["192.0.2.7:4711"]), "192.0.2.7");
        assert_eq!(client(&proxies, "10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(&proxies, "10.0.0.1", &["1.1.1.1, nonsense"]), "10.0.0.1");
        assert_eq!(client(&proxies, "10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client(&proxies, "192.0.2.9", &["192.0.2.7"]), "192.0.2.9");
        assert_eq!(client(&[], "10.0.0.1", &["192.0.2.7"]), "10.0.0.1");
    }

    #[test]
    fn an_address_has_so_many_connections_and_a_proxy_any_number() {
        let open = Arc::new(Open::default());
        let edge = edge(&["10.0.0.1"], 2);
        let seat = |address: &str| open.seat(&edge, address.parse().unwrap());
        let one = seat("2001:db8::1").unwrap();
        // An IPv6 host has a whole network.
        let _two = seat("2001:db8::2").unwrap();
        assert!(seat("2001:db8::3").is_err());
        assert!(seat("192.0.2.1").is_ok());
        drop(one);
        let _again = seat("2001:db8::3").unwrap();
        for _ in 0..5 {
            assert!(seat("10.0.0.1").unwrap().is_none());
        }
        let unknown = Edge { behind_any: true, proxies: Vec::new(), per_address: 0 };
        assert!(open.seat(&unknown, "127.0.0.1".parse().unwrap()).is_ok());
    }
}

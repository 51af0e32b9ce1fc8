//! Slows down whoever guesses tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// How many wrong credentials a peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleConfig {
    /// So many at once, and in each [`ThrottleConfig::window`] after that; at least one.
    pub failures: u16,
    /// The time in which that many are forgiven.
    pub window: TimeDelta,
    /// How many peers are remembered, at least two; about 60 bytes each.
    pub peers: usize,
}

impl Default for ThrottleConfig {
    /// Twenty a minute, for ten thousand peers.
    fn default() -> Self {
        Self { failures: 20, window: TimeDelta::minutes(1), peers: 10_000 }
    }
}

/// Counts failed attempts per peer.
///
/// Ask only after a credential was found wrong: a good one is then never delayed, however many
/// bad ones come from the same address. IPv6 peers are counted by their /64, which is what one
/// customer gets.
///
/// One time per peer is kept, the moment at which all its failures are forgiven: each failure
/// moves it on by `window / failures`, and a peer for which it would be more than `window` away
/// is refused. Peers with nothing to forgive need no memory; when there are too many, those with
/// the least to forgive are dropped.
///
/// ```
/// use scim_server::auth::throttle::{Throttle, ThrottleConfig};
/// use scim_server::clock::{Clock as _, FixedClock};
///
/// let throttle = Throttle::new(ThrottleConfig { failures: 1, ..ThrottleConfig::default() });
/// let (peer, now) = ("192.0.2.1".parse()?, FixedClock::default().now());
/// assert_eq!(throttle.failed(peer, now), None);
/// assert_eq!(throttle.failed(peer, now).map(|wait| wait.retry_after_seconds()), Some(60));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub struct Throttle {
    config: ThrottleConfig,
    forgiven: Mutex<BTreeMap<IpAddr, DateTime<Utc>>>,
}

/// The peer sent too many wrong credentials: answer 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many failed attempts from this address")]
pub struct Throttled {
    wait: TimeDelta,
}

impl Throttled {
    /// The value of `Retry-After`: whole seconds, at least one.
    #[must_use]
    pub fn retry_after_seconds(&self) -> u64 {
        let millis = u64::try_from(self.wait.num_milliseconds()).unwrap_or(0);
        millis.div_ceil(1000).max(1)
    }
}

impl Throttle {
    /// A throttle that has seen nobody.
    #[must_use]
    pub fn new(config: ThrottleConfig) -> Self {
        let failures = config.failures.max(1);
        let window = config.window.max(TimeDelta::milliseconds(i64::from(failures)));
        let config = ThrottleConfig { failures, window, peers: config.peers.max(2) };
        Self { config, forgiven: Mutex::default() }
    }

    /// Notes a wrong credential from `peer`, or says how long the peer is to wait.
    ///
    /// A refused attempt is not counted, so the wait that was told stays true.
    pub fn failed(&self, peer: IpAddr, now: DateTime<Utc>) -> Option<Throttled> {
        let peer = network(peer);
        let step = self.config.window / i32::from(self.config.failures);
        let mut forgiven = self.forgiven.lock().unwrap_or_else(PoisonError::into_inner);
        let next = forgiven.get(&peer).map_or(now, |at| now.max(*at)) + step;
        let excess = next - now - self.config.window;
        if excess > TimeDelta::zero() {
            return Some(Throttled { wait: excess });
        }
        if forgiven.len() >= self.config.peers && !forgiven.contains_key(&peer) {
            make_room(&mut forgiven, self.config.peers / 2, now);
        }
        forgiven.insert(peer, next);
        None
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(ThrottleConfig::default())
    }
}

impl fmt::Debug for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Throttle").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Drops whom nothing is held against, and then whom the least is, down to `keep` peers. Halving
/// spreads the cost of a pass over as many new peers as it makes room for.
fn make_room(forgiven: &mut BTreeMap<IpAddr, DateTime<Utc>>, keep: usize, now: DateTime<Utc>) {
    forgiven.retain(|_, at| *at > now);
    let Some(surplus) = forgiven.len().checked_sub(keep).filter(|surplus| *surplus > 0) else {
        return;
    };
    let mut by_time: Vec<_> = forgiven.iter().map(|(peer, at)| (*at, *peer)).collect();
    by_time.select_nth_unstable(surplus - 1);
    for (_, peer) in &by_time[..surplus] {
        forgiven.remove(peer);
    }
}

/// The address by which a peer is counted.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => {
            let prefix = u128::from(v6) & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from(prefix))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::{Clock, FixedClock};

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn twenty_failures_pass_and_the_next_waits_for_its_share_of_the_minute() {
        let (throttle, clock) = (Throttle::default(), FixedClock::default());
        let (a, b) = (peer("192.0.2.1"), peer("192.0.2.2"));
        for _ in 0..20 {
            assert_eq!(throttle.failed(a, clock.now()), None);
        }
        let refused = throttle.failed(a, clock.now()).unwrap();
        assert_eq!(refused.retry_after_seconds(), 3);
        assert_eq!(throttle.failed(a, clock.now()), Some(refused), "refusals do not add up");
        assert_eq!(throttle.failed(b, clock.now()), None);

        clock.advance(TimeDelta::seconds(3));
        assert_eq!(throttle.failed(a, clock.now()), None);
        assert!(throttle.failed(a, clock.now()).is_some());
        clock.advance(TimeDelta::seconds(60));
        for _ in 0..20 {
            assert_eq!(throttle.failed(a, clock.now()), None);
        }
    }

    #[test]
    fn one_customer_is_one_peer_however_it_spells_its_address() {
        let once = ThrottleConfig { failures: 1, ..ThrottleConfig::default() };
        let now = FixedClock::default().now();
        for (first, second, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            let throttle = Throttle::new(once);
            assert_eq!(throttle.failed(peer(first), now), None);
            assert_eq!(throttle.failed(peer(second), now).is_some(), same, "{first} {second}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_worst_peer_is_remembered() {
        let config = ThrottleConfig { peers: 100, ..ThrottleConfig::default() };
        let (throttle, now) = (Throttle::new(config), FixedClock::default().now());
        let worst = peer("203.0.113.9");
        while throttle.failed(worst, now).is_none() {}
        for i in 0..10_000_u32 {
            let _ = throttle.failed(IpAddr::V4(i.into()), now);
            assert!(throttle.forgiven.lock().unwrap().len() <= 100);
        }
        assert!(throttle.failed(worst, now).is_some());
    }

    #[test]
    fn senseless_settings_do_not_panic() {
        let config = ThrottleConfig { failures: 0, window: TimeDelta::seconds(-1), peers: 0 };
        let (throttle, now) = (Throttle::new(config), FixedClock::default().now());
        assert_eq!(throttle.failed(peer("::1"), now), None);
        assert!(throttle.failed(peer("::1"), now).is_some());
    }

    proptest! {
        /// However attempts are spread, no window lets more than the double through: the burst,
        /// and what is forgiven while the window lasts.
        #[test]
        fn no_window_lets_more_than_twice_the_limit_through(
            gaps in proptest::collection::vec(0_i64..10_000, 1..300)
        ) {
            let (throttle, clock) = (Throttle::default(), FixedClock::default());
            let mut passed = Vec::new();
            for gap in gaps {
                clock.advance(TimeDelta::milliseconds(gap));
                if throttle.failed(peer("192.0.2.1"), clock.now()).is_none() {
                    passed.push(clock.now());
                }
            }
            for start in &passed {
                let end = *start + TimeDelta::minutes(1);
                let inside = passed.iter().filter(|at| **at >= *start && **at < end).count();
                prop_assert!(inside <= 40, "{inside}");
            }
        }
    }
}

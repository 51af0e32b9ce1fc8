//! Who guesses is made to wait.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::Clock;

/// Failures from one address within the window, after which it has to wait.
const FAILURES: u32 = 10;
const WINDOW: TimeDelta = TimeDelta::minutes(1);
/// Addresses that are remembered.
const ADDRESSES: usize = 10_000;

/// Counts failures by address.
#[derive(Debug)]
pub(crate) struct Throttle {
    clock: Arc<dyn Clock>,
    failures: Mutex<BTreeMap<IpAddr, (u32, DateTime<Utc>)>>,
}

impl Throttle {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, failures: Mutex::default() }
    }

    /// Seconds that this address has to wait, where it has to.
    fn wait(&self, address: IpAddr) -> Option<u64> {
        let now = self.clock.now();
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = failures.get(&network(address))?;
        let left = (*since + WINDOW).signed_duration_since(now);
        let waits = *count >= FAILURES && left > TimeDelta::zero();
        waits.then(|| u64::try_from(left.num_seconds()).unwrap_or(0) + 1)
    }

    /// Notes a failure; gives the seconds to wait where there were too many already.
    ///
    /// Who brings what is good is never made to wait: behind a proxy, or at a company, others have the same address.
    pub(crate) fn failed(&self, address: IpAddr) -> Option<u64> {
        let wait = self.wait(address);
        self.note(address);
        wait
    }

    fn note(&self, address: IpAddr) {
        let now = self.clock.now();
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= ADDRESSES {
            failures.retain(|_, (_, since)| *since + WINDOW > now);
            // All of them fresh: an attack from everywhere, against which counting by address is of no use.
            if failures.len() >= ADDRESSES {
                failures.clear();
            }
        }
        let entry = failures.entry(network(address)).or_insert((0, now));
        if entry.1 + WINDOW <= now {
            *entry = (0, now);
        }
        entry.0 += 1;
    }
}

/// An IPv6 host has a network of its own to choose addresses from.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{FixedClock, from_millis};

    #[test]
    fn ten_failures_make_an_address_wait_for_the_rest_of_the_minute() {
        let clock = Arc::new(FixedClock::at(from_millis(1_780_000_000_000)));
        let throttle = Throttle::new(clock.clone());
        let (one, other): (IpAddr, IpAddr) =
            ("2001:db8::1".parse().unwrap(), "2001:db8:0:1::1".parse().unwrap());
        for _ in 0..FAILURES {
            assert_eq!(throttle.failed(one), None);
        }
        assert_eq!(throttle.failed("2001:db8::ffff".parse().unwrap()), Some(61));
        assert_eq!(throttle.failed(other), None);
        clock.advance(TimeDelta::seconds(60));
        assert_eq!(throttle.failed(one), None);
        assert_eq!(throttle.failed(one), None);
    }
}

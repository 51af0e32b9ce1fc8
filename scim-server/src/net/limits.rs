//! Who may come in: places for connections, in all and for each address.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Places beyond the cap for connections that ask about health.
pub(super) const RESERVE: usize = 16;

/// Refusals that are spoken at the same time; beyond them the door is shut without a word.
const SPOKEN_REFUSALS: usize = 64;

/// Counts the connections inside.
#[derive(Debug)]
pub(super) struct Door {
    most: usize,
    most_per_address: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    open: usize,
    reserve: usize,
    refusals: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// What a new connection gets.
#[derive(Debug)]
pub(super) enum Admission {
    /// A place.
    Welcome(Ticket),
    /// A place of the reserve: one answer, about health.
    Reserve(Ticket),
    /// None, because of the cap over all, and time to be told so.
    Full(Ticket),
    /// None, because of the cap for its address, and time to be told so.
    FullForAddress(Ticket),
    /// Nothing: too many are being refused already.
    Nothing,
}

/// A place; it becomes free when this is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    door: Arc<Door>,
    place: Place,
    address: IpAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Open,
    Reserve,
    Refusal,
}

impl Door {
    /// A door with the two caps; 0 for an address is no cap.
    pub(super) fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self { most, most_per_address, inside: Mutex::default() })
    }

    /// Decides about a connection from `address`.
    pub(super) fn admit(self: &Arc<Self>, address: IpAddr) -> Admission {
        let address = counted_as(address);
        let mut inside = self.inside();
        let from_there = inside.by_address.get(&address).copied().unwrap_or(0);
        let address_full = self.most_per_address != 0 && from_there >= self.most_per_address;
        let place = if address_full {
            Place::Refusal
        } else if inside.open < self.most {
            Place::Open
        } else if inside.reserve < RESERVE {
            Place::Reserve
        } else {
            Place::Refusal
        };
        match place {
            Place::Open => inside.open += 1,
            Place::Reserve => inside.reserve += 1,
            Place::Refusal if inside.refusals == SPOKEN_REFUSALS => return Admission::Nothing,
            Place::Refusal => inside.refusals += 1,
        }
        if place != Place::Refusal {
            inside.by_address.insert(address, from_there + 1);
        }
        drop(inside);
        let ticket = Ticket { door: Arc::clone(self), place, address };
        match place {
            Place::Open => Admission::Welcome(ticket),
            Place::Reserve => Admission::Reserve(ticket),
            Place::Refusal if address_full => Admission::FullForAddress(ticket),
            Place::Refusal => Admission::Full(ticket),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // Counters are whole after every statement, so a panic elsewhere leaves them right.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut inside = self.door.inside();
        match self.place {
            Place::Open => inside.open -= 1,
            Place::Reserve => inside.reserve -= 1,
            Place::Refusal => {
                inside.refusals -= 1;
                return;
            }
        }
        if let Some(count) = inside.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                inside.by_address.remove(&self.address);
            }
        }
    }
}

/// The address whose connections are counted together.
///
/// One customer of a provider has a whole IPv6 /64 network; and an IPv4 address is the same one
/// when a dual-stack socket shows it mapped.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let network = u128::from(v6) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_cap_over_all_leaves_a_reserve() {
        let door = Door::new(2, 0);
        let here = address("127.0.0.1");
        let first = door.admit(here);
        let _second = door.admit(here);
        assert!(matches!(first, Admission::Welcome(_)));
        let reserve: Vec<_> = (0..RESERVE).map(|_| door.admit(here)).collect();
        assert!(reserve.iter().all(|a| matches!(a, Admission::Reserve(_))));
        assert!(matches!(door.admit(here), Admission::Full(_)));
        drop(first);
        assert!(matches!(door.admit(here), Admission::Welcome(_)));
    }

    #[test]
    fn an_address_has_its_own_cap() {
        let door = Door::new(10, 1);
        let _first = door.admit(address("192.0.2.1"));
        assert!(matches!(door.admit(address("192.0.2.1")), Admission::FullForAddress(_)));
        assert!(matches!(door.admit(address("::ffff:192.0.2.1")), Admission::FullForAddress(_)));
        let _other = door.admit(address("2001:db8::1"));
        assert!(matches!(door.admit(address("2001:db8::ffff:2")), Admission::FullForAddress(_)));
        assert!(matches!(door.admit(address("2001:db8:0:1::1")), Admission::Welcome(_)));
    }

    #[test]
    fn refusals_are_bounded() {
        let door = Door::new(1, 1);
        let here = address("127.0.0.1");
        let _only = door.admit(here);
        let refused: Vec<_> = (0..SPOKEN_REFUSALS).map(|_| door.admit(here)).collect();
        assert!(refused.iter().all(|a| matches!(a, Admission::FullForAddress(_))));
        assert!(matches!(door.admit(here), Admission::Nothing));
    }

    proptest! {
        #[test]
        fn when_all_have_left_nothing_is_counted(
            moves in prop::collection::vec((0u8..4, prop::bool::ANY), 0..200)
        ) {
            let door = Door::new(5, 3);
            let mut inside = Vec::new();
            for (host, enter) in moves {
                if enter {
                    inside.push(door.admit(IpAddr::from([192, 0, 2, host])));
                } else if !inside.is_empty() {
                    inside.swap_remove(usize::from(host) % inside.len());
                }
                let counted = door.inside();
                prop_assert!(counted.open <= 5 && counted.reserve <= RESERVE);
                prop_assert!(counted.by_address.values().all(|n| (1..=3).contains(n)));
                let sum: usize = counted.by_address.values().sum();
                prop_assert_eq!(sum, counted.open + counted.reserve);
            }
            inside.clear();
            let counted = door.inside();
            prop_assert_eq!((counted.open, counted.reserve, counted.refusals), (0, 0, 0));
            prop_assert!(counted.by_address.is_empty());
        }
    }
}

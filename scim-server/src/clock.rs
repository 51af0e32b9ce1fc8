//! Where time and new ids enter the server.
//!
//! Everything else takes `now` and ids as arguments or asks these traits, so a run can be
//! repeated exactly. Nothing outside this file reads the system clock.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use uuid::Uuid;

/// A source of the current time, in whole milliseconds.
///
/// Values never go backwards within one source, even when the machine's clock is set back:
/// `lastModified`, cursors and token expiry rely on it.
pub trait Clock: Debug + Send + Sync {
    /// The current time, truncated to milliseconds.
    fn now(&self) -> DateTime<Utc>;
}

/// A source of new resource ids.
///
/// Ids are UUID version 7 and strictly increasing within one source, so that they can serve as
/// an insertion order (RFC 9562 section 6.2).
pub trait IdSource: Debug + Send + Sync {
    /// The next id; greater than every id given before.
    fn next_id(&self) -> Uuid;
}

/// The machine's clock, held still while the machine's clock is behind what was already told.
#[derive(Debug, Default)]
pub struct SystemClock {
    last_millis: AtomicI64,
}

impl SystemClock {
    /// A clock that has told no time yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        #[expect(clippy::disallowed_methods, reason = "the one place where time enters")]
        let read = Utc::now().timestamp_millis();
        let before = self.last_millis.fetch_max(read, Ordering::Relaxed);
        from_millis(before.max(read))
    }
}

/// Version 7 ids from a [`Clock`] and the thread's random generator.
///
/// Within one millisecond, or while the clock stands still, the random part is counted up by a
/// random step (RFC 9562 section 6.2, method 2): ids stay ordered and are still not guessable
/// from their neighbours.
#[derive(Debug)]
pub struct SystemIds {
    clock: Arc<dyn Clock>,
    last: Mutex<LastId>,
}

#[derive(Debug, Default)]
struct LastId {
    millis: u64,
    tail: u128,
}

/// Bits of a version 7 id that are neither time, version nor variant.
const TAIL_BITS: u32 = 74;

impl SystemIds {
    /// A source that takes its times from `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: Mutex::default() }
    }
}

impl IdSource for SystemIds {
    fn next_id(&self) -> Uuid {
        let millis = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or(0);
        let mut rng = rand::rng();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if millis > last.millis {
            *last = LastId { millis, tail: fresh_tail(&mut rng) };
        } else {
            last.tail += 1 + u128::from(rng.next_u32());
            if last.tail >> TAIL_BITS != 0 {
                *last = LastId { millis: last.millis + 1, tail: fresh_tail(&mut rng) };
            }
        }
        assemble(last.millis, last.tail)
    }
}

/// A clock that moves only when told to; for tests and reproducible runs.
#[derive(Debug)]
pub struct FixedClock {
    millis: AtomicI64,
}

impl FixedClock {
    /// A clock that says `at`, truncated to milliseconds.
    #[must_use]
    pub fn at(at: DateTime<Utc>) -> Self {
        Self { millis: AtomicI64::new(at.timestamp_millis()) }
    }

    /// Moves forward by `step`; a negative step is ignored, as time never goes backwards.
    pub fn advance(&self, step: TimeDelta) {
        self.millis.fetch_add(step.num_milliseconds().max(0), Ordering::Relaxed);
    }

    /// Moves forward to `at`; a time in the past is ignored.
    pub fn set(&self, at: DateTime<Utc>) {
        self.millis.fetch_max(at.timestamp_millis(), Ordering::Relaxed);
    }
}

impl Default for FixedClock {
    /// Noon UTC on the first of January 2026.
    fn default() -> Self {
        Self { millis: AtomicI64::new(1_767_268_800_000) }
    }
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        from_millis(self.millis.load(Ordering::Relaxed))
    }
}

/// Ids counted up from one, in version 7 form; for tests and reproducible runs.
#[derive(Debug, Default)]
pub struct SequentialIds {
    given: AtomicU64,
}

impl SequentialIds {
    /// A source whose first id ends in `…0001`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl IdSource for SequentialIds {
    fn next_id(&self) -> Uuid {
        let count = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        assemble(0, u128::from(count))
    }
}

fn from_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Random start values leave the top bit free, so that counting up has room before it overflows.
fn fresh_tail(rng: &mut impl Rng) -> u128 {
    let bits = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
    bits >> (128 - TAIL_BITS + 1)
}

/// Lays out the time and the 74 tail bits as RFC 9562 section 5.7 has it: 12 of them before the
/// variant, 62 after. Setting version and variant clears only bits that are theirs.
fn assemble(millis: u64, tail: u128) -> Uuid {
    const LOW: u128 = (1 << 62) - 1;
    let high_12 = (tail >> 62) & 0xfff;
    let bits = (u128::from(millis) << 80) | (0x7 << 76) | (high_12 << 64) | (0b10 << 62);
    Uuid::from_u128(bits | (tail & LOW))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn system_clock_is_monotonic_and_whole_milliseconds() {
        let clock = SystemClock::new();
        let mut before = clock.now();
        for _ in 0..10_000 {
            let now = clock.now();
            assert!(now >= before);
            assert_eq!(now.timestamp_subsec_nanos() % 1_000_000, 0);
            before = now;
        }
    }

    #[test]
    fn system_clock_stands_still_while_the_machine_is_behind() {
        let clock = SystemClock::new();
        let ahead = clock.now() + TimeDelta::hours(1);
        clock.last_millis.store(ahead.timestamp_millis(), Ordering::Relaxed);
        assert_eq!(clock.now(), ahead);
    }

    #[test]
    fn fixed_clock_only_moves_forward() {
        let clock = FixedClock::default();
        let start = clock.now();
        assert_eq!(start.to_rfc3339(), "2026-01-01T12:00:00+00:00");
        clock.advance(TimeDelta::seconds(-5));
        clock.set(start - TimeDelta::days(1));
        assert_eq!(clock.now(), start);
        clock.advance(TimeDelta::milliseconds(1));
        assert_eq!(clock.now(), start + TimeDelta::milliseconds(1));
    }

    #[test]
    fn ids_are_version_7_carry_the_time_and_never_repeat_or_go_back() {
        let clock = Arc::new(FixedClock::default());
        let ids = SystemIds::new(clock.clone());
        let mut seen = BTreeSet::new();
        let mut before = Uuid::nil();
        for round in 0..5_000 {
            let id = ids.next_id();
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            assert!(id > before, "{id} after {before}");
            assert!(seen.insert(id));
            before = id;
            if round % 100 == 0 {
                clock.advance(TimeDelta::milliseconds(1));
            }
        }
        let (seconds, _) = ids.next_id().get_timestamp().unwrap().to_unix();
        assert_eq!(i64::try_from(seconds).unwrap(), clock.now().timestamp());
    }

    #[test]
    fn ids_move_to_the_next_millisecond_when_the_counter_is_full() {
        let ids = SystemIds::new(Arc::new(FixedClock::default()));
        let before = ids.next_id();
        ids.last.lock().unwrap().tail = (1 << TAIL_BITS) - 1;
        let after = ids.next_id();
        assert!(after > before);
        assert_eq!(after.get_version_num(), 7);
    }

    #[test]
    fn ids_from_many_threads_are_distinct() {
        let ids = SystemIds::new(Arc::new(SystemClock::new()));
        let all: Vec<Uuid> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..2_000).map(|_| ids.next_id()).collect()))
                .collect();
            workers.into_iter().flat_map(|w| -> Vec<Uuid> { w.join().unwrap() }).collect()
        });
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn sequential_ids_count() {
        let ids = SequentialIds::new();
        assert_eq!(ids.next_id().to_string(), "00000000-0000-7000-8000-000000000001");
        assert_eq!(ids.next_id().to_string(), "00000000-0000-7000-8000-000000000002");
    }

    proptest! {
        #[test]
        fn assembled_ids_keep_the_order_of_time_and_tail(
            a in (0_u64..1 << 48, 0_u128..1 << TAIL_BITS),
            b in (0_u64..1 << 48, 0_u128..1 << TAIL_BITS),
        ) {
            prop_assert_eq!(assemble(a.0, a.1).cmp(&assemble(b.0, b.1)), a.cmp(&b));
        }
    }
}

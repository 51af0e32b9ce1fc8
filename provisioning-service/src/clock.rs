//! The one place where the service asks for the time.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// A source of the current time, in whole milliseconds.
///
/// Values never go backwards within one source, even when the machine's clock is set back: what has expired stays
/// expired.
pub trait Clock: Debug + Send + Sync {
    /// The current time.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock, held still while it is behind what was already told.
#[derive(Debug, Default)]
pub struct SystemClock {
    last: AtomicI64,
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
        #[expect(
            clippy::disallowed_methods,
            reason = "time enters the service here and nowhere else"
        )]
        let read = Utc::now().timestamp_millis();
        from_millis(self.last.fetch_max(read, Ordering::Relaxed).max(read))
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
}

impl Clock for FixedClock {
    fn now(&self) -> DateTime<Utc> {
        from_millis(self.millis.load(Ordering::Relaxed))
    }
}

/// The time of a count of milliseconds; the far future where the calendar ends.
pub(crate) fn from_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

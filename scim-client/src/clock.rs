//! Where the time of day and chance come from; tests put in their own.

use std::fmt;

use chrono::{DateTime, Utc};

/// Tells the time of day: for dates in `Retry-After` and in signed assertions.
///
/// Waiting and deadlines do not ask it; they go by tokio's monotonic clock.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the time")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// Chance, for spreading retries in time.
pub trait Jitter: fmt::Debug + Send + Sync + 'static {
    /// A number from 0 to 1.
    fn fraction(&self) -> f64;
}

/// Evenly distributed numbers from the system's generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemJitter;

impl Jitter for SystemJitter {
    fn fraction(&self) -> f64 {
        rand::random()
    }
}

/// Always the same number.
impl Jitter for f64 {
    fn fraction(&self) -> f64 {
        *self
    }
}

/// Always the same instant.
impl Clock for DateTime<Utc> {
    fn now(&self) -> DateTime<Utc> {
        *self
    }
}

//! Where the time of day comes from.

use chrono::{DateTime, Utc};

/// The time of day, for the head of a report.
#[expect(clippy::disallowed_methods, reason = "the one place where this crate reads the clock")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

//! The one place where the agent asks for the time.

use chrono::{DateTime, Utc};

/// Now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "time enters the agent here and nowhere else")]
pub fn now() -> DateTime<Utc> {
    Utc::now()
}

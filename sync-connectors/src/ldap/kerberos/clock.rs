//! The only place of this crate where the time of day enters: Kerberos proves with it that somebody asks now.

use std::time::SystemTime;

use chrono::{DateTime, SubsecRound as _, Utc};

/// Now, to the microsecond, which is as exact as Kerberos tells it.
pub(super) fn now() -> DateTime<Utc> {
    DateTime::<Utc>::from(SystemTime::now()).trunc_subsecs(6)
}

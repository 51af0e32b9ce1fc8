//! Entries on their way into the store.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::records::{Journal, LogEntry, Records, RecordsError};
use crate::tenant::TenantId;

/// How long a store may be away, as a database is that restarts, before entries are given up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The first pause between two tries, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Appends entries to the provisioning log; tries again for a minute while the store is busy or away. What they tell has
/// happened and is not done again.
///
/// Where only the answer of a try was lost, they are there twice.
pub(crate) async fn append(
    records: &dyn Records,
    tenant: &TenantId,
    entries: Vec<LogEntry>,
) -> Result<(), RecordsError> {
    patiently(async || records.append(tenant, Journal::Provisioning, entries.clone()).await).await
}

async fn patiently(
    mut write: impl AsyncFnMut() -> Result<(), RecordsError>,
) -> Result<(), RecordsError> {
    let until = Instant::now() + PATIENCE;
    let mut pause = PAUSE;
    loop {
        match write().await {
            Err(error @ (RecordsError::Busy | RecordsError::Unavailable(_)))
                if Instant::now() + pause < until =>
            {
                tracing::warn!("the provisioning log waits: {error}");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries while the store fails for so many seconds; gives the tries and how it ended.
    async fn away(seconds: u64, error: fn() -> RecordsError) -> (u32, Result<(), RecordsError>) {
        let (back, mut tries) = (Instant::now() + Duration::from_secs(seconds), 0);
        let done = patiently(async || {
            tries += 1;
            if Instant::now() < back { Err(error()) } else { Ok(()) }
        });
        let done = done.await;
        (tries, done)
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_for_a_moment_loses_nothing() {
        for seconds in [0, 2, 40] {
            let unavailable = || RecordsError::Unavailable("it restarts".to_owned());
            assert!(away(seconds, unavailable).await.1.is_ok(), "{seconds}");
            assert!(away(seconds, || RecordsError::Busy).await.1.is_ok(), "{seconds}");
        }
        let (tries, given_up) = away(3600, || RecordsError::Busy).await;
        assert!(given_up.is_err() && (10..40).contains(&tries), "{tries}");
        // What does not pass by itself is not tried again.
        let (tries, full) = away(2, || RecordsError::Full).await;
        assert!(full.is_err() && tries == 1);
    }
}

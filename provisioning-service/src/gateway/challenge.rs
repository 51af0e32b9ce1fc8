//! Nonces for proofs: made without keeping anything, and noted when they are used, which only a proven agent can do.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use scim_sync_link::gateway::ChallengeResponse;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::clock::{Clock, from_millis};
use crate::records::{Key, Records, RecordsError, Write};
use crate::seal::{SealError, Sealer};
use crate::tenant::TenantId;
use crate::tokens::hex;

/// The kind of the records of used nonces.
const KIND: &str = "used-nonce";
/// Where nonces are kept, for the seal: nowhere.
const PLACE: &str = "$service/nonce";
/// Records that are looked at with one call.
const PAGE: usize = 500;

/// Why a nonce is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NonceError {
    #[error("the nonce of the proof is not one of this service")]
    Foreign,
    #[error("the nonce of the proof has expired; ask for a new challenge")]
    Expired,
    #[error("the nonce of the proof was used already; ask for a new challenge")]
    Replayed,
    #[error(transparent)]
    Records(#[from] RecordsError),
}

/// Makes nonces and takes each once.
#[derive(Debug)]
pub(crate) struct Challenges {
    records: Arc<dyn Records>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    good: TimeDelta,
}

impl Challenges {
    pub(crate) fn new(
        records: Arc<dyn Records>,
        sealer: Arc<Sealer>,
        clock: Arc<dyn Clock>,
        good: TimeDelta,
    ) -> Self {
        Self { records, sealer, clock, good }
    }

    /// A nonce: its end, sealed; the seal's own nonce makes it differ from every other.
    pub(crate) fn make(&self) -> Result<ChallengeResponse, SealError> {
        let expires = self.clock.now() + self.good;
        let plain = expires.timestamp_millis().to_be_bytes();
        Ok(ChallengeResponse { nonce: self.sealer.seal(PLACE, &plain)?, expires })
    }

    /// Takes a nonce whose proof was verified. Only one of several that come with the same nonce gets through.
    pub(crate) async fn take(&self, nonce: &str) -> Result<(), NonceError> {
        let plain = self.sealer.open(PLACE, nonce).map_err(|_| NonceError::Foreign)?;
        let millis: [u8; 8] = plain.as_slice().try_into().map_err(|_| NonceError::Foreign)?;
        let expires = from_millis(i64::from_be_bytes(millis));
        if expires <= self.clock.now() {
            return Err(NonceError::Expired);
        }
        let key = Key::new(&TenantId::service(), KIND, hex(&Sha256::digest(nonce.as_bytes())));
        let used = Write::create(key, json!({ "expires": expires }));
        match self.records.write(vec![used]).await {
            Ok(()) => Ok(()),
            Err(RecordsError::Conflict(_)) => Err(NonceError::Replayed),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets used nonces that have expired anyway.
    pub(crate) async fn forget(&self) -> Result<(), RecordsError> {
        let now = self.clock.now();
        let service = TenantId::service();
        let mut after: Option<String> = None;
        loop {
            let page = self.records.list(&service, KIND, after.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            let over = page.into_iter().filter(|(_, record)| {
                let expires = record.value["expires"].as_str();
                expires.and_then(|at| at.parse::<DateTime<Utc>>().ok()).is_none_or(|at| at <= now)
            });
            let writes: Vec<Write> = over
                .map(|(id, _)| Write {
                    key: Key::new(&service, KIND, id),
                    expect: crate::records::Expect::Any,
                    value: None,
                })
                .collect();
            if !writes.is_empty() {
                self.records.write(writes).await?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FixedClock;
    use crate::records::SqliteRecords;

    #[tokio::test]
    async fn a_nonce_is_good_once_and_for_its_time() {
        let clock = Arc::new(FixedClock::at(from_millis(1_780_000_000_000)));
        let records: Arc<dyn Records> = Arc::new(SqliteRecords::in_memory().unwrap());
        let sealer = Arc::new(Sealer::parse(&Sealer::new_key()).unwrap());
        let challenges =
            Challenges::new(Arc::clone(&records), sealer, clock.clone(), TimeDelta::minutes(1));
        let nonce = challenges.make().unwrap().nonce;
        assert_ne!(challenges.make().unwrap().nonce, nonce);
        challenges.take(&nonce).await.unwrap();
        assert!(matches!(challenges.take(&nonce).await, Err(NonceError::Replayed)));
        assert!(matches!(challenges.take("AAAA").await, Err(NonceError::Foreign)));
        let late = challenges.make().unwrap().nonce;
        clock.advance(TimeDelta::minutes(1));
        assert!(matches!(challenges.take(&late).await, Err(NonceError::Expired)));
        assert!(matches!(challenges.take(&nonce).await, Err(NonceError::Expired)));
        challenges.forget().await.unwrap();
        assert!(records.list(&TenantId::service(), KIND, None, 9).await.unwrap().is_empty());
    }
}

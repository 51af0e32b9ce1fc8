//! What the service keeps beside the state of the synchronisation: JSON records with versions, append-only journals, and
//! leases.
//!
//! Every key begins with the tenant. A commit is whole or not at all, over records and journal entries together, and can
//! be fenced: whoever lost a lease cannot write under it any more.

mod postgres;
mod sqlite;
mod types;

#[cfg(test)]
mod suite;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use scim_sync_store::postgres::{Guard, PostgresStates};

pub use postgres::PostgresRecords;
pub use sqlite::SqliteRecords;
pub use types::{
    Batch, Entry, Expect, Fence, Journal, Key, Lease, LogEntry, LogOrder, LogQuery, Logged, Record,
    Write,
};

use crate::tenant::TenantId;

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// A record is not as the write expects; nothing was written.
    #[error("{0} was changed by someone else meanwhile")]
    Conflict(Key),
    /// The lease belongs to someone else by now; nothing was written.
    #[error("the lease {0} is held by someone else by now")]
    Fenced(String),
    /// Others write to the store for too long; nothing was written.
    #[error("the store is busy")]
    Busy,
    /// The disk is full; nothing was written.
    #[error("the store is full")]
    Full,
    /// What is stored cannot be read.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The store cannot be reached or used.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

/// The contract of the store. What one call wrote, every later call sees, also of other processes.
#[async_trait]
pub trait Records: Debug + Send + Sync {
    /// The record of a key.
    async fn get(&self, key: &Key) -> Result<Option<Record>, RecordsError>;

    /// The records of one kind of a tenant whose ids come after `after`, by id in byte order, at most `limit`.
    async fn list(
        &self,
        tenant: &TenantId,
        kind: &'static str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordsError>;

    /// The records of one kind of all tenants that come after `after`, by tenant and id.
    ///
    /// For the service's own work, like a schedule. What answers a request asks [`Records::list`], which has the tenant.
    async fn scan(
        &self,
        kind: &'static str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, RecordsError>;

    /// Writes all of a batch or nothing; durable when this returns.
    ///
    /// # Errors
    /// [`RecordsError::Conflict`] with the first record that is not as expected, [`RecordsError::Fenced`].
    async fn commit(&self, batch: Batch) -> Result<(), RecordsError>;

    /// The entries of a journal of a tenant.
    async fn log(
        &self,
        tenant: &TenantId,
        journal: Journal,
        query: &LogQuery,
    ) -> Result<Vec<Logged>, RecordsError>;

    /// Forgets the entries of a journal, of all tenants, that are older than `before`; gives how many.
    async fn forget_log(
        &self,
        journal: Journal,
        before: DateTime<Utc>,
    ) -> Result<u64, RecordsError>;

    /// Takes a lease that is free or has expired. `None` while someone holds it, be it the same holder.
    ///
    /// Its fence is greater than that of every lease of this name before.
    async fn lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Lease>, RecordsError>;

    /// Keeps a lease for `ttl` from `now`. `None` when it has expired or is someone else's.
    async fn renew(
        &self,
        lease: &Lease,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Lease>, RecordsError>;

    /// Whether somebody has a lease of this name now.
    async fn is_held(&self, name: &str, now: DateTime<Utc>) -> Result<bool, RecordsError>;

    /// Gives a lease back; one that was lost meanwhile is left alone.
    async fn release(&self, lease: &Lease) -> Result<(), RecordsError>;

    /// Where the states of the synchronisations are kept beside the records, for replicas that share them. `None`: each in a
    /// file of the one service that there is.
    fn states(&self) -> Option<&PostgresStates> {
        None
    }

    /// What asks, in a transaction of [`Records::states`], whether a lease is still the last one of its name.
    fn guard(&self, fence: &Fence) -> Option<Guard> {
        let _ = fence;
        None
    }

    /// Writes records: a [`Records::commit`] of nothing else.
    ///
    /// # Errors
    /// [`RecordsError::Conflict`].
    async fn write(&self, writes: Vec<Write>) -> Result<(), RecordsError> {
        self.commit(Batch { writes, ..Batch::default() }).await
    }

    /// Appends to a journal: a [`Records::commit`] of nothing else.
    async fn append(
        &self,
        tenant: &TenantId,
        journal: Journal,
        entries: Vec<LogEntry>,
    ) -> Result<(), RecordsError> {
        let entries = entries
            .into_iter()
            .map(|entry| Entry { tenant: tenant.clone(), journal, entry })
            .collect();
        self.commit(Batch { entries, ..Batch::default() }).await
    }
}

//! The store on PostgreSQL, for several services that share the work.
//!
//! A tenant's commits take turns by a row of its own, so that versions and journal entries are seen in their order and
//! two commits never wait for each other crosswise. What two transactions did to each other is done again inside; a
//! connection that was lost is only tried again where nothing can have been written.

mod commit;
mod error;
mod lease;
mod read;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use deadpool_postgres::{Object, Pool};
use scim_postgres::{Address, Failure, MigrateError, Options, Tables, pool_failure};
use scim_sync_store::postgres::{Guard, PostgresStates};

use self::error::Failed;
use super::{Batch, Fence, Journal, Key, Lease, LogQuery, Logged, Record, Records, RecordsError};
use crate::clock::from_millis;
use crate::tenant::TenantId;

/// Connections at most: each is a process of the database.
const CONNECTIONS: usize = 8;
/// How many times a transaction is begun that meets others, or a connection that died while nobody looked.
const TRIES: u32 = 8;
/// The table that says which version the others are of.
const HISTORY: &str = "records_history";

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// Asks something that changes nothing: on another connection where one was lost. A macro, because a future that borrows
/// what it is given cannot yet be said to be `Send` for every borrow.
macro_rules! asked {
    ($store:expr, $client:ident => $question:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            let done: Result<_, Failed> = async {
                let $client = &$store.client().await?;
                $question.await
            }
            .await;
            match done {
                Err(error) if tries < TRIES && error.is_harmless() => error.pause(tries).await,
                done => break done.map_err(RecordsError::from),
            }
        }
    }};
}

/// Does something in a transaction of its own, again where it was taken back because of others.
macro_rules! done {
    ($store:expr, $transaction:ident => $work:expr) => {{
        let mut tries = 0;
        loop {
            tries += 1;
            let done: Result<_, Failed> = async {
                let mut client = $store.client().await?;
                let transaction = client.transaction().await?;
                let $transaction = &transaction;
                let done = $work.await?;
                transaction.commit().await.map_err(Failed::Commit)?;
                Ok(done)
            }
            .await;
            match done {
                Err(error) if tries < TRIES && error.wrote_nothing() => error.pause(tries).await,
                done => break done.map_err(RecordsError::from),
            }
        }
    }};
}

/// [`Records`] in a PostgreSQL database, which services on several machines may share.
///
/// Leases go by the time that their takers give, as the contract has it, and not by the database's: so the service has one
/// clock, in tests too. Clocks that do not agree let a lease be taken early; they never let two write, because what is
/// written under a lease is fenced.
#[derive(Clone)]
pub struct PostgresRecords {
    pool: Pool,
    address: Address,
    states: PostgresStates,
}

impl PostgresRecords {
    /// Connects, and brings the database to the tables of this version. Services may start together.
    ///
    /// # Errors
    /// [`RecordsError::Unavailable`] where that cannot be done, or a newer version of the program was there.
    pub async fn open(address: &Address) -> Result<Self, RecordsError> {
        let options = Options::new("provisioning-service", CONNECTIONS);
        let unavailable = |text: String| RecordsError::Unavailable(format!("{address}: {text}"));
        let pool = scim_postgres::pool(address, options).map_err(|e| unavailable(e.to_string()))?;
        let mut client = pool.get().await.map_err(|e| unavailable(pool_failure(&e).1))?;
        let runner = embedded::migrations::runner();
        match scim_postgres::migrate(&mut client, runner, HISTORY).await {
            Ok(()) => {}
            Err(error) => {
                // It may hold the lock of the migrations, which ends with it.
                drop(Object::take(client));
                return Err(match error {
                    error @ MigrateError::Newer { .. } => unavailable(error.to_string()),
                    MigrateError::Database(Failure::Full, _) => RecordsError::Full,
                    error => unavailable(error.to_string()),
                });
            }
        }
        drop(client);
        let address = address.clone();
        let states = tokio::task::spawn_blocking({
            let address = address.clone();
            move || PostgresStates::open(&address)
        });
        let states = states.await.map_err(|e| unavailable(e.to_string()))?;
        let states = states.map_err(|e| unavailable(e.to_string()))?;
        Ok(Self { pool, address, states })
    }

    /// Which tables a database has: those of the records and those of the states. Changes nothing.
    ///
    /// # Errors
    /// [`RecordsError::Unavailable`].
    pub async fn tables(address: &Address) -> Result<[Tables; 2], RecordsError> {
        let unavailable = |text: String| RecordsError::Unavailable(format!("{address}: {text}"));
        let options = Options::new("provisioning-service", 1);
        let pool = scim_postgres::pool(address, options).map_err(|e| unavailable(e.to_string()))?;
        let client = pool.get().await.map_err(|e| unavailable(pool_failure(&e).1))?;
        let runner = embedded::migrations::runner();
        let records = scim_postgres::tables(&client, &runner, HISTORY).await;
        let records = records.map_err(|e| unavailable(e.to_string()))?;
        let states = tokio::task::spawn_blocking({
            let address = address.clone();
            move || PostgresStates::tables(&address)
        });
        let states = states.await.map_err(|e| unavailable(e.to_string()))?;
        let states = states.map_err(|e| RecordsError::Unavailable(e.to_string()))?;
        Ok([records, states])
    }

    /// The time by the database's clock.
    ///
    /// # Errors
    /// [`RecordsError::Unavailable`].
    pub async fn time(&self) -> Result<DateTime<Utc>, RecordsError> {
        let sql = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
        asked!(self, client => async { Ok(from_millis(client.query_one(sql, &[]).await?.get(0))) })
    }

    async fn client(&self) -> Result<Object, Failed> {
        self.pool.get().await.map_err(Failed::Pool)
    }
}

impl fmt::Debug for PostgresRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresRecords").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Holds the lease until the transaction ends.
const GUARD: &str = "SELECT 1 FROM lease WHERE name = $1 AND fence = $2 FOR SHARE";

#[async_trait]
impl Records for PostgresRecords {
    fn states(&self) -> Option<&PostgresStates> {
        Some(&self.states)
    }

    fn guard(&self, fence: &Fence) -> Option<Guard> {
        // A fence that is no number of the database's is nobody's lease.
        let number = i64::try_from(fence.fence).unwrap_or(-1);
        Some(Guard { sql: GUARD, name: fence.name.clone(), fence: number })
    }

    async fn get(&self, key: &Key) -> Result<Option<Record>, RecordsError> {
        asked!(self, client => read::get(client, key))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &'static str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordsError> {
        asked!(self, client => read::list(client, tenant, kind, after, limit))
    }

    async fn scan(
        &self,
        kind: &'static str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, RecordsError> {
        asked!(self, client => read::scan(client, kind, after, limit))
    }

    async fn commit(&self, batch: Batch) -> Result<(), RecordsError> {
        done!(self, transaction => commit::commit(transaction, &batch))
    }

    async fn log(
        &self,
        tenant: &TenantId,
        journal: Journal,
        query: &LogQuery,
    ) -> Result<Vec<Logged>, RecordsError> {
        asked!(self, client => read::log(client, tenant, journal, query))
    }

    async fn forget_log(
        &self,
        journal: Journal,
        before: DateTime<Utc>,
    ) -> Result<u64, RecordsError> {
        let tenants = asked!(self, client => read::tenants(client))?;
        let mut gone = 0;
        for tenant in tenants {
            gone +=
                done!(self, transaction => commit::forget(transaction, &tenant, journal, before))?;
        }
        Ok(gone)
    }

    async fn lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Lease>, RecordsError> {
        done!(self, transaction => lease::take(transaction, name, holder, ttl, now))
    }

    async fn renew(
        &self,
        lease: &Lease,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Lease>, RecordsError> {
        done!(self, transaction => lease::renew(transaction, lease, ttl, now))
    }

    async fn is_held(&self, name: &str, now: DateTime<Utc>) -> Result<bool, RecordsError> {
        asked!(self, client => lease::is_held(client, name, now))
    }

    async fn release(&self, lease: &Lease) -> Result<(), RecordsError> {
        done!(self, transaction => lease::release(transaction, lease))
    }
}

#[cfg(test)]
mod tests;

//! The store on SQLite: one connection, on a thread of its own.

mod error;
mod log;
mod open;
mod work;

use std::fmt;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Batch, Journal, Key, Lease, LogQuery, Logged, Record, Records, RecordsError};
use crate::tenant::TenantId;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// [`Records`] in one SQLite file.
///
/// Several processes may use the file, like the service and its command line; several machines may not.
pub struct SqliteRecords {
    jobs: mpsc::Sender<Job>,
}

impl SqliteRecords {
    /// Opens the file, and makes it where there is none.
    ///
    /// # Errors
    /// [`RecordsError::Unavailable`] where that cannot be done, or a newer version of the program made the file.
    pub fn open(path: &Path) -> Result<Self, RecordsError> {
        Self::start(open::open(path)?)
    }

    /// A store that is gone when it is dropped.
    ///
    /// # Errors
    /// [`RecordsError::Unavailable`].
    pub fn in_memory() -> Result<Self, RecordsError> {
        Self::start(open::open_in_memory()?)
    }

    fn start(mut connection: Connection) -> Result<Self, RecordsError> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("records".to_owned());
        thread
            .spawn(move || {
                // Ends when the last sender is dropped.
                for job in queue {
                    job(&mut connection);
                }
            })
            .map_err(|error| RecordsError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { jobs })
    }

    /// Runs something on the thread of the connection.
    ///
    /// A caller who no longer waits does not stop it: what was begun is finished.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, RecordsError> + Send + 'static,
    ) -> Result<T, RecordsError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let _ = answer.send(work(connection));
        });
        let ended = || RecordsError::Unavailable("its thread has ended".to_owned());
        self.jobs.send(job).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())?
    }
}

impl fmt::Debug for SqliteRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRecords").finish_non_exhaustive()
    }
}

#[async_trait]
impl Records for SqliteRecords {
    async fn get(&self, key: &Key) -> Result<Option<Record>, RecordsError> {
        let key = key.clone();
        self.run(move |connection| work::get(connection, &key)).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &'static str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Record)>, RecordsError> {
        let (tenant, after) = (tenant.clone(), after.map(str::to_owned));
        self.run(move |connection| work::list(connection, &tenant, kind, after.as_deref(), limit))
            .await
    }

    async fn scan(
        &self,
        kind: &'static str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Record)>, RecordsError> {
        let after = after.cloned();
        self.run(move |connection| work::scan(connection, kind, after.as_ref(), limit)).await
    }

    async fn commit(&self, batch: Batch) -> Result<(), RecordsError> {
        self.run(move |connection| work::commit(connection, &batch)).await
    }

    async fn log(
        &self,
        tenant: &TenantId,
        journal: Journal,
        query: &LogQuery,
    ) -> Result<Vec<Logged>, RecordsError> {
        let (tenant, query) = (tenant.clone(), query.clone());
        self.run(move |connection| log::read(connection, &tenant, journal, &query)).await
    }

    async fn forget_log(
        &self,
        journal: Journal,
        before: DateTime<Utc>,
    ) -> Result<u64, RecordsError> {
        self.run(move |connection| log::forget(connection, journal, before)).await
    }

    async fn lease(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Lease>, RecordsError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        self.run(move |connection| work::lease(connection, name, holder, ttl, now)).await
    }

    async fn renew(
        &self,
        lease: &Lease,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Lease>, RecordsError> {
        let lease = lease.clone();
        self.run(move |connection| work::renew(connection, lease, ttl, now)).await
    }

    async fn is_held(&self, name: &str, now: DateTime<Utc>) -> Result<bool, RecordsError> {
        let name = name.to_owned();
        self.run(move |connection| work::is_held(connection, &name, now)).await
    }

    async fn release(&self, lease: &Lease) -> Result<(), RecordsError> {
        let lease = lease.clone();
        self.run(move |connection| work::release(connection, &lease)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tempfile::TempDir;

    use super::*;
    use crate::records::suite;

    #[test]
    fn it_keeps_the_contract_in_memory() {
        suite::run(|| Arc::new(SqliteRecords::in_memory().unwrap()));
    }

    #[test]
    fn it_keeps_the_contract_in_a_file() {
        let folder = TempDir::new().unwrap();
        let count = std::sync::atomic::AtomicUsize::new(0);
        suite::run(|| {
            let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Arc::new(SqliteRecords::open(&folder.path().join(format!("{n}.db"))).unwrap())
        });
    }

    #[test]
    fn it_is_as_the_model() {
        suite::like_the_model(|| Arc::new(SqliteRecords::in_memory().unwrap()));
    }

    #[test]
    fn two_processes_share_a_file() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("records.db");
        let one = Arc::new(SqliteRecords::open(&path).unwrap());
        let other = Arc::new(SqliteRecords::open(&path).unwrap());
        suite::share(one, other);
    }

    #[test]
    fn a_file_of_a_newer_program_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("records.db");
        drop(SqliteRecords::open(&path).unwrap());
        let file = Connection::open(&path).unwrap();
        file.execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES (99, 'x', '', '')",
            [],
        )
        .unwrap();
        let error = SqliteRecords::open(&path).unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_database_is_named() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("records.db");
        std::fs::write(&path, "x".repeat(5000)).unwrap();
        assert!(SqliteRecords::open(&path).is_err());
        let error = SqliteRecords::open(&folder.path().join("none/records.db")).unwrap_err();
        assert!(error.to_string().contains("none/records.db"), "{error}");
    }
}

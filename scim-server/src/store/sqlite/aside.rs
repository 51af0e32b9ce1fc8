//! Reads that may take long: on threads that may be kept waiting, not too many at a time, and no longer than somebody
//! waits for the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::catalog::Catalog;
use super::pool::Readers;
use crate::store::StoreError;

/// Reads of each kind at the same time.
const AT_ONCE: usize = 4;

/// What a read is likely to cost. Those of one kind do not wait for those of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// As much as there is stored: queries, the feed, checks.
    Scan,
    /// As much as there is of one thing: the members of a group, the tokens of a tenant.
    Single,
}

/// The room for reads aside.
#[derive(Debug)]
pub(super) struct Aside {
    scans: Arc<Semaphore>,
    singles: Arc<Semaphore>,
    wait: Duration,
}

impl Aside {
    /// Room that a read waits for so long.
    pub(super) fn new(wait: Duration) -> Self {
        let room = || Arc::new(Semaphore::new(AT_ONCE));
        Self { scans: room(), singles: room(), wait }
    }

    /// Reads in one transaction. A read whose future is dropped ends soon, and makes room.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when there was no room in time; what the read answers.
    pub(super) async fn read<T, F>(
        &self,
        lane: Lane,
        readers: &Arc<Readers>,
        catalog: &Arc<Catalog>,
        read: F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Catalog) -> Result<T, StoreError> + Send + 'static,
    {
        let room = Arc::clone(match lane {
            Lane::Scan => &self.scans,
            Lane::Single => &self.singles,
        });
        let permit = match timeout(self.wait, room.acquire_owned()).await {
            Ok(permit) => permit.map_err(StoreError::backend)?,
            Err(_) => return Err(StoreError::Busy),
        };
        let waiting = Waiting(Arc::default());
        let left = Arc::clone(&waiting.0);
        let (readers, catalog) = (Arc::clone(readers), Arc::clone(catalog));
        let task = tokio::task::spawn_blocking(move || {
            let result = readers.snapshot_unless(&left, |connection| read(connection, &catalog));
            drop(permit);
            result
        });
        let result = task.await.map_err(StoreError::backend)?;
        drop(waiting);
        result
    }
}

/// Somebody who waits for an answer; the flag is set when they have left.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::block_on;
    use crate::store::suite::help::{
        REGISTRY, at, create_group, create_users, find, get, group, members, query, scope,
    };
    use crate::store::{ResourceStore, SqliteOptions, SqliteStore};

    const SOON: Duration = Duration::from_secs(20);

    fn open(read_wait: Duration) -> (SqliteStore, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteOptions { read_wait, ..SqliteOptions::default() };
        let registry = Arc::clone(&REGISTRY);
        (SqliteStore::open(folder.path(), registry, at(0), &options).unwrap(), folder)
    }

    /// Takes far longer than a test.
    fn heavy(connection: &Connection, _: &Catalog) -> Result<i64, StoreError> {
        let sql =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000000)
                   SELECT count(*) FROM n";
        Ok(connection.query_row(sql, [], |row| row.get(0))?)
    }

    #[test]
    fn a_read_that_nobody_waits_for_ends() {
        let (store, _folder) = open(SOON);
        block_on(async {
            create_users(&store, &["a"]).await;
            for _ in 0..2 {
                let all = || store.read_aside(Lane::Scan, heavy);
                let heavies = async { tokio::join!(all(), all(), all(), all()) };
                assert!(timeout(Duration::from_millis(50), heavies).await.is_err());
            }
            let room = timeout(SOON, store.aside.scans.acquire_many(AT_ONCE as u32)).await;
            drop(room.expect("the reads go on").unwrap());
            // The connections are good for other reads.
            assert_eq!(find(&store, "User", r#"userName co "a""#).await, [1]);
        });
    }

    #[test]
    fn heavy_scans_do_not_stand_in_the_way_of_groups() {
        let (store, _folder) = open(Duration::from_millis(20));
        block_on(async {
            create_users(&store, &["a", "b"]).await;
            create_group(&store, 10, &[1, 2]).await;
            let taken = store.aside.scans.acquire_many(AT_ONCE as u32).await.unwrap();
            assert_eq!(members(&store, 10).await, [1, 2]);
            assert_eq!(store.members(&group(10), None, 9).await.unwrap().members.len(), 2);
            assert_eq!(get(&store, &group(10)).await.members.len(), 2);
            // A scan is told so, soon.
            let scan = query(vec![scope("User", r#"userName co "a""#)]);
            let busy = timeout(SOON, store.query(&scan)).await.expect("a bounded wait");
            assert!(matches!(busy, Err(StoreError::Busy)), "{busy:?}");
            drop(taken);
            assert_eq!(find(&store, "User", r#"userName co "a""#).await, [1]);
        });
    }
}

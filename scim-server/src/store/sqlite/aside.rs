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
        REGISTRY, at, create, create_group, create_users, find, get, group, id, members, query,
        scope, user,
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
    /// The bound on what is read inline is lower in tests: six candidates.
    #[test]
    fn only_what_is_few_is_read_on_the_callers_thread() {
        let (store, _folder) = open(Duration::from_millis(5));
        block_on(async {
            for n in 1..=16_u64 {
                let json = format!(
                    r#"{{"userName":"u{n}","externalId":"x{n}","displayName":"{}",
                        "emails":[{{"value":"u{n}@x"}},{{"value":"all@x"}}]}}"#,
                    if n <= 6 { "six" } else { "ten" }
                );
                create(&store, &user(n), &json).await;
            }
            // One is in six groups, two in seven.
            for n in 100..107 {
                create_group(&store, n, if n < 106 { &[1, 2] } else { &[2] }).await;
            }
            let (one, two) = (id(1), id(2));
            let six_ids: Vec<String> = (1..=6).map(|n| format!(r#"id eq "{}""#, id(n))).collect();
            let nobody: Vec<String> = (1..=7).map(|n| format!(r#"externalId eq "n{n}""#)).collect();
            let few = [
                ("User", format!(r#"id eq "{one}""#)),
                ("User", r#"userName eq "U1" and active eq true"#.to_owned()),
                ("User", r#"externalId eq "x9""#.to_owned()),
                ("User", r#"externalId eq "nobody""#.to_owned()),
                ("User", r#"emails.value eq "U3@x""#.to_owned()),
                ("User", r#"emails[value eq "u3@x"]"#.to_owned()),
                ("User", r#"displayName eq "six" and userName co "u""#.to_owned()),
                ("User", r#"externalId eq "x1" or userName eq "u2""#.to_owned()),
                ("User", six_ids.join(" or ")),
                ("Group", format!(r#"members.value eq "{one}""#)),
                ("Group", r#"members.value eq "nobody""#.to_owned()),
                ("Group", format!(r#"id eq "{}" and members.value eq "{two}""#, id(106))),
                ("Group", format!(r#"id eq "{}" and members[value eq "{one}"]"#, id(106))),
            ];
            let many = [
                ("User", String::new()),
                ("User", r#"displayName eq "ten" and userName co "zzz""#.to_owned()),
                ("User", r#"displayName eq "ten""#.to_owned()),
                ("User", r#"emails.value eq "all@x""#.to_owned()),
                ("User", r#"displayName eq "six" or externalId eq "x9""#.to_owned()),
                ("User", format!(r#"{} or userName eq "u9""#, six_ids.join(" or "))),
                ("User", nobody.join(" or ")),
                ("User", r#"userName sw "u1""#.to_owned()),
                ("Group", format!(r#"members.value eq "{two}""#)),
                ("Group", format!(r#"id eq "{}" and members.display co "u""#, id(100))),
            ];
            let taken = store.aside.scans.acquire_many(AT_ONCE as u32).await.unwrap();
            for (resource_type, filter) in &few {
                let result = store.query(&query(vec![scope(resource_type, filter)])).await;
                assert!(result.is_ok(), "{filter}: {result:?}");
            }
            for (resource_type, filter) in &many {
                let result = store.query(&query(vec![scope(resource_type, filter)])).await;
                assert!(matches!(result, Err(StoreError::Busy)), "{filter}: {result:?}");
            }
            // The types of a list share the bound.
            let both = |name: &str| {
                let filter = format!(r#"displayName eq "{name}""#);
                query(vec![scope("User", &filter), scope("Group", r#"displayName eq "Group 100""#)])
            };
            assert!(matches!(store.query(&both("six")).await, Err(StoreError::Busy)));
            assert_eq!(store.query(&both("one")).await.unwrap().items.len(), 1);
            drop(taken);
            for (resource_type, filter) in few.iter().chain(&many) {
                find(&store, resource_type, filter).await;
            }
        });
    }
}

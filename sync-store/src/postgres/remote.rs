//! What is done in the database, on a thread that has nothing else to do: whoever asks waits, as the engine expects it.

use std::future::Future;
use std::sync::{Arc, mpsc};

use deadpool_postgres::{Object, Pool};
use scim_postgres::{Address, Failure, MigrateError, Options, Tables, failure, pool_failure, told};
use scim_sync::StoreError;
use tokio::runtime::Runtime;

use super::{Guard, StateKey};

/// Connections at most: one for each cycle that runs, and some for what they keep beside.
const CONNECTIONS: usize = 16;
/// The table that says which version the others are of.
const TABLES: &str = "sync_history";
/// The form of the rows.
const FORMAT: i32 = 1;
/// How many commits back a working copy is brought up to date by what has changed; one that is older is made anew.
const HISTORY: i64 = 10_000;
/// How often, in commits, what is older than that is forgotten.
const TRIM: i64 = 1_000;

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// A row as it travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: i16,
    pub(super) key: String,
    /// `None` for one that is gone.
    pub(super) body: Option<String>,
}

/// Where a page ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub(super) revision: i64,
    pub(super) kind: i16,
    pub(super) key: String,
}

/// A commit, by its number and what tells it from another one with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revision {
    pub(super) number: i64,
    pub(super) stamp: i64,
}

/// The connections, and the thread that drives them.
pub(super) struct Remote {
    pool: Pool,
    pub(super) address: Address,
    runtime: Option<Runtime>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Not waited for: this may happen on a thread of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub(super) fn io(error: impl std::fmt::Display) -> StoreError {
    StoreError::Io(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn failed(error: tokio_postgres::Error) -> StoreError {
    match failure(&error) {
        Failure::Damaged | Failure::Wrong => StoreError::Damaged(told(&error)),
        _ => StoreError::Io(told(&error)),
    }
}

impl Remote {
    pub(super) fn open(address: &Address) -> Result<Self, StoreError> {
        let remote = Self::reach(address)?;
        let pool = remote.pool.clone();
        let migrated = remote.run(async move {
            let mut client = pool.get().await.map_err(|error| pool_failure(&error).1)?;
            let runner = embedded::migrations::runner();
            let done = scim_postgres::migrate(&mut client, runner, TABLES).await;
            done.map_err(|error: MigrateError| {
                // It may hold the lock of the migrations, which ends with it.
                drop(Object::take(client));
                error.to_string()
            })
        })?;
        migrated.map_err(|error| io(format!("{address}: {error}")))?;
        Ok(remote)
    }

    /// Which tables there are; changes nothing.
    pub(super) fn tables(address: &Address) -> Result<Tables, StoreError> {
        let remote = Self::reach(address)?;
        let pool = remote.pool.clone();
        let found = remote.run(async move {
            let client = pool.get().await.map_err(|error| pool_failure(&error).1)?;
            let runner = embedded::migrations::runner();
            let found = scim_postgres::tables(&client, &runner, TABLES).await;
            found.map_err(|error| error.to_string())
        })?;
        found.map_err(|error| io(format!("{address}: {error}")))
    }

    fn reach(address: &Address) -> Result<Self, StoreError> {
        let mut options = Options::new("sync-state", CONNECTIONS);
        options.statement = std::time::Duration::from_secs(600);
        let named = |error: &dyn std::fmt::Display| io(format!("{address}: {error}"));
        let pool = scim_postgres::pool(address, options).map_err(|error| named(&error))?;
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).thread_name("sync-state").enable_all().build();
        Ok(Self { pool, address: address.clone(), runtime: Some(runtime.map_err(io)?) })
    }

    /// Has something done on the thread, and waits for it.
    ///
    /// The wait is that of a channel and not of the runtime: the caller may be within another one.
    fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let ended = || io("the thread of the database has ended");
        let (answer, answered) = mpsc::sync_channel(1);
        self.runtime.as_ref().ok_or_else(ended)?.spawn(async move {
            let _ = answer.send(work.await);
        });
        answered.recv().map_err(|_| ended())
    }

    pub(super) fn connect(self: &Arc<Self>) -> Result<Session, StoreError> {
        let pool = self.pool.clone();
        let client = self.run(async move { pool.get().await })?;
        let client = client.map_err(|error| io(pool_failure(&error).1))?;
        Ok(Session { client: Arc::new(client), remote: Arc::clone(self) })
    }
}

/// A connection of its own, for as long as it is kept.
pub(super) struct Session {
    client: Arc<Object>,
    remote: Arc<Remote>,
}

/// Asks that whoever writes still may; `None` asks nothing.
async fn guarded(client: &Object, guard: Option<&Guard>) -> Result<bool, tokio_postgres::Error> {
    let Some(Guard { sql, name, fence }) = guard else { return Ok(true) };
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, &[name, fence]).await?.is_some())
}

const UPSERT: &str = "INSERT INTO sync_row (tenant, job, kind, key, revision, body) \
    SELECT $1, $2, u.kind, u.key, $3, u.body \
    FROM unnest($4::smallint[], $5::text[], $6::text[]) AS u (kind, key, body) \
    ON CONFLICT (tenant, job, kind, key) DO UPDATE SET revision = excluded.revision, body = excluded.body";

const BURY: &str = "UPDATE sync_row r SET revision = $3, body = NULL \
    FROM unnest($4::smallint[], $5::text[]) AS u (kind, key) \
    WHERE r.tenant = $1 AND r.job = $2 AND r.kind = u.kind AND r.key = u.key";

/// Sends rows of one revision.
async fn send(
    client: &Object,
    key: &StateKey,
    revision: i64,
    rows: &[Row],
) -> Result<(), tokio_postgres::Error> {
    let (mut kinds, mut keys, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    let (mut gone_kinds, mut gone_keys) = (Vec::new(), Vec::new());
    for row in rows {
        match &row.body {
            Some(body) => {
                kinds.push(row.kind);
                keys.push(row.key.as_str());
                bodies.push(body.as_str());
            }
            None => {
                gone_kinds.push(row.kind);
                gone_keys.push(row.key.as_str());
            }
        }
    }
    if !kinds.is_empty() {
        let upsert = client.prepare_cached(UPSERT).await?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
            [&key.tenant, &key.job, &revision, &kinds, &keys, &bodies];
        client.execute(&upsert, &values).await?;
    }
    if !gone_kinds.is_empty() {
        let bury = client.prepare_cached(BURY).await?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&key.tenant, &key.job, &revision, &gone_kinds, &gone_keys];
        client.execute(&bury, &values).await?;
    }
    Ok(())
}

/// What a commit comes to.
pub(super) enum Begun {
    /// It goes on as this revision.
    As(Revision),
    /// The guard says no.
    Lost,
    /// Someone else has committed meanwhile.
    Behind,
}

impl Session {
    fn run<T: Send + 'static, F>(
        &self,
        work: impl FnOnce(Arc<Object>) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, tokio_postgres::Error>> + Send + 'static,
    {
        let client = Arc::clone(&self.client);
        let working = work(Arc::clone(&client));
        let done = self.remote.run(async move {
            let done = working.await;
            if done.is_err() {
                // The pool looks at nothing: whoever has the connection next must not be within a transaction that failed.
                let _ = client.batch_execute("ROLLBACK").await;
            }
            done
        });
        done?.map_err(failed)
    }

    /// Begins a commit on top of the revision `base`, with its first rows. Everything is sent at once, and taken back where
    /// it was not to be.
    pub(super) fn begin(
        &self,
        key: &StateKey,
        guard: Option<Guard>,
        base: i64,
        rows: Vec<Row>,
    ) -> Result<Begun, StoreError> {
        let key = key.clone();
        self.run(move |client| async move {
            let sql = "WITH head AS (UPDATE sync_state SET revision = revision + 1 \
                       WHERE tenant = $1 AND job = $2 AND revision = $3 RETURNING revision) \
                       INSERT INTO sync_commit (tenant, job, revision, stamp) \
                       SELECT $1, $2, revision, (random() * 9007199254740991)::bigint FROM head RETURNING stamp";
            let head = client.prepare_cached(sql).await?;
            let number = base + 1;
            // In this order on the wire, without waiting in between.
            let (begun, may, head, sent) = futures::future::join4(
                client.batch_execute("BEGIN"),
                guarded(&client, guard.as_ref()),
                client.query_opt(&head, &[&key.tenant, &key.job, &base]),
                send(&client, &key, number, &rows),
            )
            .await;
            begun?;
            let (may, head) = (may?, head?);
            sent?;
            let stamp: Option<i64> = head.map(|row| row.get(0));
            let begun = match stamp {
                _ if !may => Begun::Lost,
                Some(stamp) => return Ok(Begun::As(Revision { number, stamp })),
                None => Begun::Behind,
            };
            client.batch_execute("ROLLBACK").await?;
            Ok(begun)
        })
    }

    /// More rows of the commit under way.
    pub(super) fn more(
        &self,
        key: &StateKey,
        revision: Revision,
        rows: Vec<Row>,
    ) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |client| async move { send(&client, &key, revision.number, &rows).await })
    }

    /// Ends the commit under way. An error says that nobody knows whether it was made.
    pub(super) fn commit(&self, key: &StateKey, revision: Revision) -> Result<(), StoreError> {
        let key = key.clone();
        self.run(move |client| async move {
            if revision.number % TRIM == 0 {
                let old = revision.number - HISTORY;
                for sql in [
                    "DELETE FROM sync_row WHERE tenant = $1 AND job = $2 AND revision <= $3 AND body IS NULL",
                    "DELETE FROM sync_commit WHERE tenant = $1 AND job = $2 AND revision <= $3",
                ] {
                    client.execute(sql, &[&key.tenant, &key.job, &old]).await?;
                }
            }
            client.batch_execute("COMMIT").await
        })
    }

    /// Takes back what is under way. What cannot be, ends with the connection.
    pub(super) fn abandon(&self) {
        let _ = self.run(|client| async move { client.batch_execute("ROLLBACK").await });
    }

    /// Begins to read one state as it is now: which revision it has, and whether `known` belongs to its past.
    pub(super) fn look(
        &self,
        key: &StateKey,
        known: Option<Revision>,
    ) -> Result<(Revision, bool), StoreError> {
        let key = key.clone();
        let (format, now, is_past) = self.run(move |client| async move {
            let sql = "INSERT INTO sync_state (tenant, job, format, revision) VALUES ($1, $2, $3, 0) \
                       ON CONFLICT DO NOTHING";
            client.execute(sql, &[&key.tenant, &key.job, &FORMAT]).await?;
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
            let sql = "SELECT s.format, s.revision, coalesce(c.stamp, 0) FROM sync_state s \
                       LEFT JOIN sync_commit c USING (tenant, job, revision) WHERE s.tenant = $1 AND s.job = $2";
            let row = client.query_one(sql, &[&key.tenant, &key.job]).await?;
            let is_past = match known {
                None => false,
                Some(known) => {
                    let sql = "SELECT 1 FROM sync_commit \
                               WHERE tenant = $1 AND job = $2 AND revision = $3 AND stamp = $4";
                    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                        [&key.tenant, &key.job, &known.number, &known.stamp];
                    client.query_opt(sql, &values).await?.is_some()
                }
            };
            let revision = Revision { number: row.get(1), stamp: row.get(2) };
            Ok((row.get::<_, i32>(0), revision, is_past))
        })?;
        if format > FORMAT {
            self.abandon();
            return Err(io(format!(
                "the state was written by a newer version of this program (its form is {format}, this program knows \
                 {FORMAT}): use that version"
            )));
        }
        Ok((now, is_past))
    }

    /// A page of what was written after a place, in order; without bodies where only keys are asked for.
    pub(super) fn page(
        &self,
        key: &StateKey,
        after: &Place,
        bodies: bool,
        limit: i64,
    ) -> Result<(Vec<Row>, Place), StoreError> {
        let (key, after) = (key.clone(), after.clone());
        self.run(move |client| async move {
            let body = if bodies { "body" } else { "NULL" };
            let sql = format!(
                "SELECT kind, key, {body}, revision FROM sync_row WHERE tenant = $1 AND job = $2 \
                 AND (revision, kind, key) > ($3, $4, $5) ORDER BY revision, kind, key LIMIT $6"
            );
            let statement = client.prepare_cached(&sql).await?;
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] =
                [&key.tenant, &key.job, &after.revision, &after.kind, &after.key, &limit];
            let rows = client.query(&statement, &values).await?;
            let place = rows.last().map_or(after, |row| Place {
                revision: row.get(3),
                kind: row.get(0),
                key: row.get(1),
            });
            let row = |row: &tokio_postgres::Row| Row {
                kind: row.get(0),
                key: row.get(1),
                body: row.get(2),
            };
            Ok((rows.iter().map(row).collect(), place))
        })
    }

    /// Removes a state with all that belongs to it; whether the guard let it.
    pub(super) fn remove(&self, key: &StateKey, guard: Option<Guard>) -> Result<bool, StoreError> {
        let key = key.clone();
        self.run(move |client| async move {
            client.batch_execute("BEGIN").await?;
            if !guarded(&client, guard.as_ref()).await? {
                client.batch_execute("ROLLBACK").await?;
                return Ok(false);
            }
            for table in ["sync_state", "sync_commit", "sync_row", "sync_undo"] {
                let sql = format!("DELETE FROM {table} WHERE tenant = $1 AND job = $2");
                client.execute(&sql, &[&key.tenant, &key.job]).await?;
            }
            client.batch_execute("COMMIT").await?;
            Ok(true)
        })
    }

    /// Keeps lines by which a cycle is taken back, from the line `first` on; whether the guard let it.
    pub(super) fn undo(
        &self,
        key: &StateKey,
        guard: Option<Guard>,
        cycle: &str,
        first: i64,
        lines: Vec<String>,
    ) -> Result<bool, StoreError> {
        let (key, cycle) = (key.clone(), cycle.to_owned());
        self.run(move |client| async move {
            client.batch_execute("BEGIN").await?;
            if !guarded(&client, guard.as_ref()).await? {
                client.batch_execute("ROLLBACK").await?;
                return Ok(false);
            }
            let sql = "INSERT INTO sync_undo (tenant, job, cycle, line, body) \
                       SELECT $1, $2, $3, $4 + u.number - 1, u.line \
                       FROM unnest($5::text[]) WITH ORDINALITY AS u (line, number)";
            let statement = client.prepare_cached(sql).await?;
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&key.tenant, &key.job, &cycle, &first, &lines];
            client.execute(&statement, &values).await?;
            client.batch_execute("COMMIT").await?;
            Ok(true)
        })
    }

    /// The lines of a cycle.
    pub(super) fn undo_lines(
        &self,
        key: &StateKey,
        cycle: &str,
    ) -> Result<Vec<String>, StoreError> {
        let (key, cycle) = (key.clone(), cycle.to_owned());
        self.run(move |client| async move {
            let sql = "SELECT body FROM sync_undo WHERE tenant = $1 AND job = $2 AND cycle = $3 ORDER BY line";
            let rows = client.query(sql, &[&key.tenant, &key.job, &cycle]).await?;
            Ok(rows.iter().map(|row| row.get(0)).collect())
        })
    }
}

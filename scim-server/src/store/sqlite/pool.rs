//! Connections: how they are opened, and the pool of readers.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::store::StoreError;

/// How long a connection waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// Page cache of a reader, in KiB. The operating system caches the file as well; this holds the upper levels of the
/// trees and the pages in use.
const READER_CACHE: i64 = 4 * 1024;
/// Page cache of the writer, in KiB; a transaction that changes more spills into the log.
const WRITER_CACHE: i64 = 8 * 1024;
/// Readers that stay open when idle.
const IDLE: usize = 6;
/// The journal is cut back to this size after it has been copied into the database.
const JOURNAL_LIMIT: i64 = 32 << 20;
/// Steps of SQLite's machine, of which a row takes some ten, between two looks at whether to go on.
const STEPS: i32 = 1_000;

/// Opens the connection that writes, and creates the file.
pub(super) fn open_writer(path: &Path, max_pages: Option<u32>) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::backend(format!(
            "{} cannot be used with a write-ahead log (journal mode {mode})",
            path.display()
        )));
    }
    prepare(&connection, WRITER_CACHE)?;
    // The writer copies the log itself, after it has answered.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_LIMIT)?;
    if let Some(pages) = max_pages {
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
    }
    Ok(connection)
}

/// Opens a connection that can only read.
fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    prepare(&connection, READER_CACHE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens a connection that copies the database. SQLite wants one that could write, though it only reads here.
pub(super) fn open_copier(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    prepare(&connection, READER_CACHE)?;
    Ok(connection)
}

/// Settings of every connection. Those that safety depends on are read back, since SQLite takes an unknown or
/// impossible setting without a word.
fn prepare(connection: &Connection, cache: i64) -> Result<(), StoreError> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    for (pragma, expected) in [("synchronous", 2), ("foreign_keys", 1)] {
        let found: i64 = connection.pragma_query_value(None, pragma, |row| row.get(0))?;
        if found != expected {
            return Err(StoreError::backend(format!("SQLite did not take the setting {pragma}")));
        }
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // A statement keeps its plan. Otherwise SQLite plans again whenever a parameter has another value, which takes many
    // times as long as the statement itself.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Connections that read. Each call takes one of its own, so a slow scan never stands in the way of a look-up.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default() }
    }

    /// Runs the closure on a connection. Each statement sees one state of the data, as do those that are made while another
    /// one is open; see [`super::read::in_tenant`].
    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.lend(|connection| read(connection))
    }

    /// Runs the closure in one transaction, which ends soon after the flag is set.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the flag was set before the end; what the closure answers.
    pub(super) fn snapshot_unless<T>(
        &self,
        flag: &Arc<AtomicBool>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if flag.load(Ordering::Relaxed) {
            return Err(StoreError::Busy);
        }
        self.lend(|connection| {
            begin(connection)?;
            let flag = Arc::clone(flag);
            connection.progress_handler(STEPS, Some(move || flag.load(Ordering::Relaxed)))?;
            let result = read(connection);
            // The end of the transaction is not to be stopped, nor are the readers to come.
            connection.progress_handler(0, None::<fn() -> bool>)?;
            end(connection, result)
        })
    }

    fn lend<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path)?,
        };
        let result = read(&mut connection);
        // A connection that failed may be the reason.
        if !matches!(result, Err(StoreError::Backend(_))) && connection.is_autocommit() {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(connection);
            }
        }
        result
    }
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    Ok(())
}

fn end<T>(connection: &Connection, result: Result<T, StoreError>) -> Result<T, StoreError> {
    let ended = connection.prepare_cached("COMMIT")?.execute([]);
    let value = result?;
    ended?;
    Ok(value)
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("path", &self.path).finish_non_exhaustive()
    }
}

//! The file: made for its owner only, opened, brought to the tables of this version.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use scim_sync::StoreError;

use super::error::{failed, io};

/// How long a call waits for another program that writes to the same state.
const BUSY: Duration = Duration::from_secs(5);
/// Page cache in KiB: the upper levels of the trees and the pages in use; the operating system caches the file as well.
const CACHE: i64 = 16 * 1024;
/// The journal is cut back to this size after it has been copied into the file.
const JOURNAL_LIMIT: i64 = 32 << 20;
/// The journal is copied into the file when it has so many pages (16 MiB): the less often, the fewer pages are copied that are
/// written again soon.
const JOURNAL_PAGES: i64 = 4_000;
/// Statements that stay prepared: all there are.
const STATEMENTS: usize = 128;

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Opens the file, and makes it where there is none.
pub(crate) fn open(path: &Path) -> Result<Connection, StoreError> {
    make_private(path).map_err(|error| {
        StoreError::Io(format!("{} cannot be opened or made: {error}", path.display()))
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(StoreError::Io(format!(
            "{} cannot be used with a write-ahead log (journal mode {mode}): put it on a local disk",
            path.display()
        )));
    }
    prepare(connection)
}

/// Opens a state that is gone when it is closed.
pub(super) fn open_in_memory() -> Result<Connection, StoreError> {
    prepare(Connection::open_in_memory().map_err(failed)?)
}

#[cfg(unix)]
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).map(drop)
}

fn prepare(mut connection: Connection) -> Result<Connection, StoreError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement is planned anew for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    let pragmas = [
        ("synchronous", 2),
        ("cache_size", -CACHE),
        ("journal_size_limit", JOURNAL_LIMIT),
        ("wal_autocheckpoint", JOURNAL_PAGES),
    ];
    for (name, value) in pragmas {
        connection.pragma_update(None, name, value).map_err(failed)?;
    }
    migrate(&mut connection)?;
    // Only now: a migration may make a table anew.
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    Ok(connection)
}

/// Runs the migrations that are missing. A file of a newer version is left alone.
fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0);
    let has_history: Option<i64> = connection
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'",
            [],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed)?;
    if has_history.is_some() {
        let sql = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
        let found: i64 = connection.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
        if found > known {
            return Err(StoreError::Io(format!(
                "the state was written by a newer version of this program (its tables are {found}, this program knows \
                 {known}): use that version, or throw the state away"
            )));
        }
        if found == known {
            return Ok(());
        }
    }
    runner.run(connection).map(drop).map_err(io)
}

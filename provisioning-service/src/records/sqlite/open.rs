//! The file: made for its owner only, opened, brought to the tables of this version.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::error::failed;
use crate::records::RecordsError;

/// How long a call waits for another program that writes to the same file.
const BUSY: Duration = Duration::from_secs(5);
/// The journal is cut back to this size after it has been copied into the file.
const JOURNAL_LIMIT: i64 = 32 << 20;
/// Statements that stay prepared: more than there are.
const STATEMENTS: usize = 64;

#[allow(missing_docs, unreachable_pub, reason = "generated")]
mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Opens the file, and makes it where there is none.
pub(super) fn open(path: &Path) -> Result<Connection, RecordsError> {
    let named = |error: &dyn std::fmt::Display| {
        RecordsError::Unavailable(format!("{}: {error}", path.display()))
    };
    make_private(path).map_err(|error| named(&error))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| named(&e))?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(named(&"no write-ahead log can be used there; put it on a local disk"));
    }
    prepare(connection)
}

/// A store that is gone when it is closed.
pub(super) fn open_in_memory() -> Result<Connection, RecordsError> {
    prepare(Connection::open_in_memory().map_err(failed)?)
}

#[cfg(unix)]
fn make_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

#[cfg(not(unix))]
fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path).map(drop)
}

fn prepare(mut connection: Connection) -> Result<Connection, RecordsError> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A commit that was acknowledged survives a power cut.
    for (name, value) in [("synchronous", 2), ("journal_size_limit", JOURNAL_LIMIT)] {
        connection.pragma_update(None, name, value).map_err(failed)?;
    }
    migrate(&mut connection)?;
    Ok(connection)
}

/// Runs the migrations that are missing. A file of a newer version is left alone.
fn migrate(connection: &mut Connection) -> Result<(), RecordsError> {
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
            return Err(RecordsError::Unavailable(format!(
                "it was written by a newer version of this program (its tables are {found}, this program knows {known}): \
                 use that version"
            )));
        }
        if found == known {
            return Ok(());
        }
    }
    runner.run(connection).map(drop).map_err(|e| RecordsError::Unavailable(e.to_string()))
}

//! Bringing a database to the tables of this version.

use refinery::Runner;
use tokio_postgres::Client;

use crate::{Failure, failure, told};

/// Names the advisory lock: only programs that migrate take it.
const LOCK: i64 = 0x5343_494d_0001;

/// Why a database was not brought to the tables of this version.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// A newer version of the program was there before.
    #[error(
        "it was written by a newer version of this program (its tables are {found}, this program knows {known}): use that \
         version"
    )]
    Newer {
        /// The version of the tables.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The database refused, or could not be asked.
    #[error("{1}")]
    Database(Failure, String),
}

impl From<tokio_postgres::Error> for MigrateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(failure(&error), told(&error))
    }
}

/// Which version of the tables a database has, and which one this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// That of the database; `None` where there are none.
    pub found: Option<i64>,
    /// The newest that is known here.
    pub known: i64,
}

impl Tables {
    /// Whether a program of this version can work with them as they are.
    #[must_use]
    pub fn are_current(self) -> bool {
        self.found == Some(self.known)
    }
}

/// Looks which version of the tables there is, with their history in the table `history`. Changes nothing.
///
/// # Errors
/// [`MigrateError::Database`].
pub async fn tables(
    client: &Client,
    runner: &Runner,
    history: &str,
) -> Result<Tables, MigrateError> {
    let known = runner.get_migrations().iter().map(|m| i64::from(m.version())).max().unwrap_or(0);
    Ok(Tables { found: version(client, history).await?, known })
}

/// Runs the migrations that are missing, with their history in the table `history`. Programs that start together do it one
/// after the other, by an advisory lock; a database of a newer version is left alone.
///
/// A client that this fails with is to be thrown away: it may hold the lock.
///
/// # Errors
/// [`MigrateError`].
pub async fn migrate(
    client: &mut Client,
    mut runner: Runner,
    history: &str,
) -> Result<(), MigrateError> {
    runner.set_migration_table_name(history);
    let before = tables(client, &runner, history).await?;
    if before.are_current() {
        return Ok(());
    }
    let known = before.known;
    // Another program's migration may take a while.
    client.batch_execute("SET lock_timeout = 0; SET statement_timeout = 0").await?;
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    match version(client, history).await? {
        Some(found) if found > known => return Err(MigrateError::Newer { found, known }),
        Some(found) if found == known => {}
        _ => {
            let ran = runner.run_async(client).await;
            ran.map_err(|error| MigrateError::Database(Failure::Wrong, causes(&error)))?;
        }
    }
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await?;
    client.batch_execute("RESET lock_timeout; RESET statement_timeout").await?;
    Ok(())
}

/// The version of the tables; `None` where there are none.
async fn version(client: &Client, history: &str) -> Result<Option<i64>, MigrateError> {
    let row = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&history]).await?;
    if !row.get::<_, bool>(0) {
        return Ok(None);
    }
    let sql = format!("SELECT max(version)::bigint FROM {history}");
    Ok(client.query_one(&sql, &[]).await?.get(0))
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

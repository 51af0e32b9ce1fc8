//! States in PostgreSQL, so that another replica can go on where one ended.
//!
//! The state is in the database: a commit that comes back is in there. The engine works in a copy of it, which is an SQLite
//! file, and so asks its questions at the speed of a file; what a transaction has changed is sent as a whole before it is
//! committed in the copy. A replica that takes a job over fetches what changed since its own copy was current, or all of it.
//!
//! A commit says on which revision it builds, and asks in the same transaction whether its writer still may
//! ([`Guard`]): of two that believe to have the job, one at most writes.

mod kinds;
mod mirror;
mod remote;
mod undo;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use scim_postgres::{Address, Tables};
use scim_sync::StoreError;

use self::mirror::LOST;
pub(crate) use self::mirror::Mirror;
use self::remote::{Remote, io};
pub use self::undo::PostgresUndo;
use crate::SqliteStore;

/// Whose state, and of which job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey {
    /// The tenant.
    pub tenant: String,
    /// The job.
    pub job: String,
}

/// Asks, in the transaction of every commit, whether its writer still may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// A statement that gives a row where it may, and keeps that so until the transaction ends: `SELECT ... FOR SHARE`. `$1`
    /// is the name, `$2` the fence.
    pub sql: &'static str,
    /// The name of the lease.
    pub name: String,
    /// Its fence.
    pub fence: i64,
}

/// The states of many jobs in one database. Clones are one and the same.
#[derive(Clone)]
pub struct PostgresStates(Arc<Remote>);

impl fmt::Debug for PostgresStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStates").field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl PostgresStates {
    /// Connects, and brings the database to the tables of this version. Programs may start together.
    ///
    /// It blocks, as everything here does.
    ///
    /// # Errors
    /// [`StoreError::Io`] where that cannot be done, or a newer version of the program was there.
    pub fn open(address: &Address) -> Result<Self, StoreError> {
        Ok(Self(Arc::new(Remote::open(address)?)))
    }

    /// Which tables of states a database has. Changes nothing, and blocks as everything here does.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn tables(address: &Address) -> Result<Tables, StoreError> {
        Remote::tables(address)
    }

    /// Opens a state, with its working copy in the file at `copy`: made where there is none, made anew where it is of another
    /// past or cannot be read, and otherwise brought up to date. The file is one program's, and may be thrown away.
    ///
    /// A commit fails, and changes nothing, where the guard refuses it or another program has committed since. The store has
    /// to be opened again then; nothing else helps.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn store(
        &self,
        key: &StateKey,
        copy: &Path,
        guard: Option<Guard>,
    ) -> Result<SqliteStore, StoreError> {
        let open = || {
            let mut connection = crate::sqlite::open::open(copy)?;
            let mirror = Mirror::attach(&self.0, &mut connection, key, guard.clone())?;
            Ok(SqliteStore::mirrored(connection, mirror))
        };
        match open() {
            Err(StoreError::Damaged(_)) => {
                for beside in ["", "-wal", "-shm"] {
                    let mut file = copy.as_os_str().to_owned();
                    file.push(beside);
                    match std::fs::remove_file(&file) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(io(error));
                        }
                        _ => {}
                    }
                }
                open()
            }
            opened => opened,
        }
    }

    /// Keeps by which lines a cycle is taken back, in the database too.
    #[must_use]
    pub fn undo(&self, key: &StateKey, cycle: &str, guard: Option<Guard>) -> PostgresUndo {
        PostgresUndo::new(Arc::clone(&self.0), key.clone(), cycle.to_owned(), guard)
    }

    /// The lines of a cycle, as its undo file would have them.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn undo_lines(&self, key: &StateKey, cycle: &str) -> Result<Vec<String>, StoreError> {
        self.0.connect()?.undo_lines(key, cycle)
    }

    /// Removes a state with all that belongs to it. Working copies of it begin anew.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remove(&self, key: &StateKey, guard: Option<Guard>) -> Result<(), StoreError> {
        match self.0.connect()?.remove(key, guard)? {
            true => Ok(()),
            false => Err(io(LOST)),
        }
    }
}

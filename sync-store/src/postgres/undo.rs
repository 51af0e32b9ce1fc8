//! The lines by which a cycle is taken back, where every replica finds them.

use std::io;
use std::sync::Arc;

use scim_sync::undo::{UndoEntry, UndoSink};

use super::mirror::LOST;
use super::remote::Remote;
use super::{Guard, StateKey};

/// The lines of one cycle; a flush means that they are in the database.
pub struct PostgresUndo {
    remote: Arc<Remote>,
    key: StateKey,
    cycle: String,
    guard: Option<Guard>,
    /// The number of the next line that is sent.
    next: i64,
    lines: Vec<String>,
}

impl std::fmt::Debug for PostgresUndo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresUndo")
            .field("key", &self.key)
            .field("cycle", &self.cycle)
            .finish_non_exhaustive()
    }
}

impl PostgresUndo {
    pub(super) fn new(
        remote: Arc<Remote>,
        key: StateKey,
        cycle: String,
        guard: Option<Guard>,
    ) -> Self {
        Self { remote, key, cycle, guard, next: 1, lines: Vec::new() }
    }
}

impl UndoSink for PostgresUndo {
    fn record(&mut self, entry: &UndoEntry) -> io::Result<()> {
        self.lines.push(serde_json::to_string(entry)?);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        // Not kept between flushes: the state of the cycle has a connection for as long as it runs.
        let session = self.remote.connect().map_err(io::Error::other)?;
        let lines = std::mem::take(&mut self.lines);
        let count = i64::try_from(lines.len()).map_err(io::Error::other)?;
        let kept = session.undo(&self.key, self.guard.clone(), &self.cycle, self.next, lines);
        if !kept.map_err(io::Error::other)? {
            return Err(io::Error::other(LOST));
        }
        self.next += count;
        Ok(())
    }
}

//! One long list that is asked for in pages.

use std::cell::RefCell;

use crate::{AttributeName, ConnectorId, SpaceId};

/// What [`SyncStore::edges_in`](super::SyncStore::edges_in) was asked for.
pub type Asked = (SpaceId, AttributeName, ConnectorId);

/// Keeps the answer of [`SyncStore::edges_in`](super::SyncStore::edges_in) between two pages: its rows are in the order of
/// the other space, so that every page would have to go through all edges again. Eight bytes for each row; a store
/// forgets it with every write.
#[derive(Debug, Default)]
pub struct Listed {
    kept: RefCell<Option<(Asked, Vec<SpaceId>)>>,
}

impl Listed {
    /// The page of `asked` after `after`; `list` makes the whole list, in order, where it is not kept.
    ///
    /// # Errors
    /// Those of `list`.
    pub fn page<E>(
        &self,
        asked: Asked,
        after: Option<SpaceId>,
        limit: usize,
        list: impl FnOnce(&Asked) -> Result<Vec<SpaceId>, E>,
    ) -> Result<Vec<SpaceId>, E> {
        let mut kept = self.kept.borrow_mut();
        let rows = match kept.take() {
            Some((what, rows)) if what == asked => rows,
            _ => list(&asked)?,
        };
        let from = after.map_or(0, |after| rows.partition_point(|row| *row <= after));
        let page: Vec<SpaceId> = rows[from..].iter().take(limit).copied().collect();
        if from + page.len() < rows.len() {
            *kept = Some((asked, rows));
        }
        Ok(page)
    }

    /// Forgets the list: to be called with every write.
    pub fn forget(&mut self) {
        self.kept.get_mut().take();
    }
}

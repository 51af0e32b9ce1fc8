//! Import: what a connected system tells is staged into its connector space.
//!
//! [`Staging`] takes the pages of one read, each in a transaction of its own. The hologram of an object is what the system
//! was last known to have, what was just told included; its pending import is what no synchronisation has seen yet.
//!
//! Objects are found by their anchor and then by their name. What others refer to and nobody has told is a placeholder;
//! when it is told its row stays, so that the references stay, and those who refer to it are looked at again. An object
//! whose name another anchor has now is a transient until it is told where it went.
//!
//! Nothing is concluded from what a read did not tell unless the read came to its end, and never from a read that told
//! nothing at all.

mod end;
mod names;
mod object;
mod references;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use self::names::ToldByName;
use crate::connector::{ImportChange, ImportEnd, ImportPage, ImportedObject};
use crate::escrow::RetrySchedule;
use crate::space::{PendingImport, SpaceKind, SpaceObject};
use crate::store::{EscrowStage, StoreError, SyncStore, Which};
use crate::{Anchor, AttributeName, ConnectorId, ObjectType, SpaceId};

/// How many rows are asked of the store at a time.
const PAGE: usize = 1_000;

/// What a read is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadKind {
    /// Everything: what is not told is gone, once the read has come to its end.
    Full,
    /// What changed since the watermark.
    Delta,
}

/// What a page brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Staged {
    /// Objects that are new.
    pub added: u64,
    /// Objects of which something is otherwise than it was.
    pub updated: u64,
    /// Objects that are gone.
    pub deleted: u64,
    /// Objects that are as they were.
    pub unchanged: u64,
    /// Objects that have to be read whole with [`Connector::read`](crate::Connector::read); the answer is for
    /// [`Staging::read_back`]. Each is named once.
    pub unknown: Vec<Anchor>,
}

/// What a read brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StagingReport {
    /// Whether the read came to its end and everything it asked for was read back: only then was the watermark moved.
    pub complete: bool,
    /// Objects that are new.
    pub added: u64,
    /// Objects of which something is otherwise than it was.
    pub updated: u64,
    /// Objects that are gone.
    pub deleted: u64,
    /// Objects that are as they were.
    pub unchanged: u64,
}

/// Why a page was not staged. Nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StagingError {
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A complete read told of no object, or of none of a type, where there were some.
    #[error(
        "{connector} answered a complete read with no {} at all, and {known} are known of it: nothing was deleted; \
         see whether the search base is right and whether the account may still read below it, and throw the state of \
         {connector} away if there really are none now",
        .object_type.as_ref().map_or("object", ObjectType::as_str)
    )]
    Empty {
        /// Who answered.
        connector: ConnectorId,
        /// The type of which there were none, where there were others.
        object_type: Option<ObjectType>,
        /// How many objects of it are known.
        known: u64,
    },
}

/// One read that is being staged.
///
/// ```
/// use chrono::DateTime;
/// use scim_sync::connector::{ImportChange, ImportEnd, ImportPage, ImportedObject, SourceScope};
/// use scim_sync::import::{ReadKind, Staging};
/// use scim_sync::{AttributeSet, ConnectorId, MemoryStore};
///
/// let ada = ImportedObject {
///     anchor: "b7a1".into(),
///     dn: Some("cn=Ada,dc=corp".into()),
///     object_type: "user".into(),
///     scope: SourceScope::In,
///     attributes: AttributeSet::new().with("cn", "Ada"),
///     references: Default::default(),
///     version: None,
/// };
/// let mut store = MemoryStore::new();
/// let now = DateTime::UNIX_EPOCH;
/// let mut staging = Staging::begin(&mut store, &ConnectorId::new("corp-ad"), ReadKind::Full, now)?;
/// staging.page(ImportPage { changes: vec![ImportChange::Object(ada)], ..Default::default() })?;
/// let end = Some(ImportEnd { watermark: None, sweep: true });
/// staging.page(ImportPage { end, ..Default::default() })?;
/// let report = staging.finish()?;
/// assert!(report.complete && report.added == 1);
/// # Ok::<(), scim_sync::import::StagingError>(())
/// ```
pub struct Staging<'s> {
    store: &'s mut dyn SyncStore,
    connector: ConnectorId,
    kind: ReadKind,
    now: DateTime<Utc>,
    retry: RetrySchedule,
    shape: Option<String>,
    /// The number of this read, from its first page on.
    read: Option<u64>,
    /// How many times an object was told to be there,
    told: u64,
    /// and of which types.
    told_types: BTreeSet<ObjectType>,
    /// The types that are read; `None` for all.
    types: Option<BTreeSet<ObjectType>>,
    /// What was named in [`Staged::unknown`],
    asked: BTreeSet<Anchor>,
    /// and has not been read back.
    outstanding: BTreeSet<Anchor>,
    /// The end mark, from when it was told until it can be carried out.
    end: Option<ImportEnd>,
    /// No more pages: the end was told.
    closed: bool,
    /// A page failed.
    failed: bool,
    /// Whether an object of the space is in escrow.
    escrows: bool,
    by_name: ToldByName,
    /// The object at work, whose row is written last,
    current: Option<SpaceId>,
    /// and those of its references that changed by what happened to others.
    touched: BTreeSet<AttributeName>,
    report: StagingReport,
}

impl<'s> Staging<'s> {
    /// Begins to stage a read. Nothing is written before its first page.
    ///
    /// # Errors
    /// [`StagingError::Store`].
    pub fn begin(
        store: &'s mut dyn SyncStore,
        connector: &ConnectorId,
        kind: ReadKind,
        now: DateTime<Utc>,
    ) -> Result<Self, StagingError> {
        let escrows = store.count_objects(connector, Which::Escrowed)? > 0;
        Ok(Self {
            store,
            connector: connector.clone(),
            kind,
            now,
            retry: RetrySchedule::default(),
            shape: None,
            read: None,
            told: 0,
            told_types: BTreeSet::new(),
            types: None,
            asked: BTreeSet::new(),
            outstanding: BTreeSet::new(),
            end: None,
            closed: false,
            failed: false,
            escrows,
            by_name: ToldByName::default(),
            current: None,
            touched: BTreeSet::new(),
            report: StagingReport::default(),
        })
    }

    /// Keeps the digest of what is read (base, scope, attributes) when a full read comes to its end, in the same
    /// transaction.
    #[must_use]
    pub fn with_shape(mut self, digest: impl Into<String>) -> Self {
        self.shape = Some(digest.into());
        self
    }

    /// Reads these types only: nothing is concluded about objects of others but that no rule asks for them.
    #[must_use]
    pub fn with_types(mut self, types: BTreeSet<ObjectType>) -> Self {
        self.types = Some(types);
        self
    }

    /// With another schedule for what was written in vain too often.
    #[must_use]
    pub fn with_retry(mut self, retry: RetrySchedule) -> Self {
        self.retry = retry;
        self
    }

    /// Stages a page, whole or not at all; with the end mark, the sweep and the watermark in the same transaction.
    ///
    /// Where objects have to be read whole first, the end waits for [`Staging::read_back`]: a watermark never goes past
    /// a change that was not staged. After an error the read is over.
    ///
    /// # Errors
    /// [`StagingError::Empty`] where this is the end of a complete read that told nothing; [`StagingError::Store`].
    pub fn page(&mut self, page: ImportPage) -> Result<Staged, StagingError> {
        if self.closed {
            return Err(StoreError::Misuse("a page after the end of its read").into());
        }
        self.within(|this, staged| {
            for change in page.changes {
                this.change(change, staged)?;
            }
            if page.end.is_some() {
                this.end = page.end;
                this.closed = true;
            }
            Ok(())
        })
    }

    /// Stages what [`Connector::read`](crate::Connector::read) answered for the anchors of [`Staged::unknown`]: those
    /// that were asked for and are not in the answer are gone.
    ///
    /// # Errors
    /// As [`Staging::page`].
    pub fn read_back(
        &mut self,
        asked: &[Anchor],
        objects: Vec<ImportedObject>,
    ) -> Result<Staged, StagingError> {
        self.within(|this, staged| {
            for object in objects {
                this.object(object, staged)?;
            }
            for anchor in asked {
                if this.outstanding.contains(anchor) {
                    this.deleted(anchor, staged)?;
                }
            }
            Ok(())
        })
    }

    /// Ends the staging and says what it brought. A read without an end, or with objects that were not read back, is not
    /// complete: what it told is staged, nothing is concluded from what it did not tell.
    ///
    /// # Errors
    /// [`StagingError::Store`].
    pub fn finish(self) -> Result<StagingReport, StagingError> {
        Ok(self.report)
    }

    /// Runs `work` in a transaction, and the end of the read where its time has come.
    fn within(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Staged) -> Result<(), StagingError>,
    ) -> Result<Staged, StagingError> {
        if self.failed {
            return Err(StoreError::Misuse("a read goes on after an error").into());
        }
        let mut staged = Staged::default();
        self.store.begin()?;
        let done = self.number().and_then(|()| work(self, &mut staged)).and_then(|()| {
            let complete = self.conclude(&mut staged)?;
            self.store.commit()?;
            Ok(complete)
        });
        match done {
            Ok(complete) => {
                self.report.complete |= complete;
                self.report.added += staged.added;
                self.report.updated += staged.updated;
                self.report.deleted += staged.deleted;
                self.report.unchanged += staged.unchanged;
                Ok(staged)
            }
            Err(error) => {
                self.failed = true;
                // The first error says more; a store that cannot roll back has not committed either.
                let _ = self.store.rollback();
                Err(error)
            }
        }
    }

    /// Gives the read its number with its first page.
    fn number(&mut self) -> Result<(), StagingError> {
        if self.read.is_none() {
            let mut state = self.store.connector(&self.connector)?;
            state.read += 1;
            self.store.put_connector(&self.connector, &state)?;
            self.read = Some(state.read);
        }
        Ok(())
    }

    fn change(&mut self, change: ImportChange, staged: &mut Staged) -> Result<(), StagingError> {
        match change {
            ImportChange::Object(object) => self.object(object, staged),
            ImportChange::Changed(changed) => self.changed(changed, staged),
            ImportChange::Present(anchor) => self.present(anchor, staged),
            ImportChange::Deleted(anchor) => self.deleted(&anchor, staged),
        }
    }

    /// An object that is there and has not changed, or so it is said.
    fn present(&mut self, anchor: Anchor, staged: &mut Staged) -> Result<(), StagingError> {
        self.told += 1;
        match self.by_anchor(&anchor)? {
            Some(row)
                if row.kind != SpaceKind::Placeholder
                    && row.pending_import != PendingImport::Delete =>
            {
                self.told_types.extend(row.object_type);
                self.seen(row.id)?;
                staged.unchanged += 1;
            }
            _ => self.ask(anchor, staged),
        }
        Ok(())
    }

    /// An object that is gone. Its row waits for the synchronisation; that of a placeholder does not.
    fn deleted(&mut self, anchor: &Anchor, staged: &mut Staged) -> Result<(), StagingError> {
        self.outstanding.remove(anchor);
        let Some(row) = self.by_anchor(anchor)? else { return Ok(()) };
        if row.kind == SpaceKind::Placeholder {
            self.store.remove_object(row.id)?;
        } else {
            self.gone(row, staged)?;
        }
        Ok(())
    }

    fn gone(&mut self, mut row: SpaceObject, staged: &mut Staged) -> Result<(), StagingError> {
        if row.pending_import != PendingImport::Delete {
            let name = row.dn.clone().filter(|_| row.holds_its_name());
            row.pending_import = PendingImport::Delete;
            self.store.put_object(&row)?;
            staged.deleted += 1;
            // Who was told to refer to the name now, refers to whoever gets it.
            if let Some(name) = name {
                self.read_anew(row.id, &name)?;
            }
        }
        Ok(())
    }

    /// Names an object that has to be read whole.
    fn ask(&mut self, anchor: Anchor, staged: &mut Staged) {
        if self.asked.insert(anchor.clone()) {
            self.outstanding.insert(anchor.clone());
            staged.unknown.push(anchor);
        }
    }

    fn seen(&mut self, id: SpaceId) -> Result<(), StagingError> {
        if let Some(read) = self.read {
            self.store.mark_seen(id, read)?;
        }
        // What was wrong in an earlier import is over when an import tells the object again.
        if self.escrows
            && self.store.escrow(id)?.is_some_and(|escrow| escrow.stage == EscrowStage::Import)
        {
            self.store.put_escrow(id, None)?;
        }
        Ok(())
    }

    fn by_anchor(&self, anchor: &Anchor) -> Result<Option<SpaceObject>, StagingError> {
        match self.store.object_by_anchor(&self.connector, anchor)? {
            Some(id) => Ok(Some(self.load(id)?)),
            None => Ok(None),
        }
    }

    fn load(&self, id: SpaceId) -> Result<SpaceObject, StagingError> {
        let row = self.store.object(id)?;
        Ok(row.ok_or_else(|| StoreError::Damaged(format!("object {id} is named and not there")))?)
    }
}

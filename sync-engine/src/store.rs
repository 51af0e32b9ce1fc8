//! Where the state of a synchronisation is kept.
//!
//! The state is a cache of two truths, the directory's and the target's: it can be thrown away and is rebuilt from both.
//!
//! Calls are blocking, because the work between them is computing: a program runs the engine on a thread of its own.
//! Every change happens between [`SyncStore::begin`] and [`SyncStore::commit`]; reads see what the same transaction wrote.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::connector::Watermark;
use crate::metaverse::MetaverseObject;
use crate::space::SpaceObject;
use crate::{Anchor, AttributeName, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};

/// The state of one synchronisation.
///
/// Lists are given in pages, in the order of the row numbers, so that memory does not grow with the state.
pub trait SyncStore: Send {
    // --- transactions

    /// Begins a transaction.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::Misuse`] where one is under way.
    fn begin(&mut self) -> Result<(), StoreError>;

    /// Makes the changes since [`SyncStore::begin`] last, all of them or none.
    ///
    /// # Errors
    /// [`StoreError::Io`]: none was made.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Takes back the changes since [`SyncStore::begin`].
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn rollback(&mut self) -> Result<(), StoreError>;

    // --- connectors

    /// What is kept of a connector.
    ///
    /// # Errors
    /// [`StoreError`].
    fn connector(&self, connector: &ConnectorId) -> Result<ConnectorState, StoreError>;

    /// Keeps it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_connector(
        &mut self,
        connector: &ConnectorId,
        state: &ConnectorState,
    ) -> Result<(), StoreError>;

    // --- connector space

    /// One object.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object(&self, id: SpaceId) -> Result<Option<SpaceObject>, StoreError>;

    /// The object with this anchor, placeholders among them.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_by_anchor(
        &self,
        connector: &ConnectorId,
        anchor: &Anchor,
    ) -> Result<Option<SpaceId>, StoreError>;

    /// The object with this name, compared by [`Dn::folded`]; transients have none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_by_dn(&self, connector: &ConnectorId, dn: &Dn)
    -> Result<Option<SpaceId>, StoreError>;

    /// Adds an object; its `id` is ignored and the new one given.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the anchor, the name or the link is taken.
    fn insert_object(&mut self, object: &SpaceObject) -> Result<SpaceId, StoreError>;

    /// Replaces an object.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the anchor, the name or the link is taken; [`StoreError::Missing`].
    fn put_object(&mut self, object: &SpaceObject) -> Result<(), StoreError>;

    /// Removes an object, its edges in both directions and its index entries.
    ///
    /// # Errors
    /// [`StoreError`].
    fn remove_object(&mut self, id: SpaceId) -> Result<(), StoreError>;

    /// Objects of a space after `after`, in the order of their rows.
    ///
    /// # Errors
    /// [`StoreError`].
    fn objects(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceObject>, StoreError>;

    /// How many objects of a space there are.
    ///
    /// # Errors
    /// [`StoreError`].
    fn count_objects(&self, connector: &ConnectorId, which: Which) -> Result<u64, StoreError>;

    // --- mark and sweep of a full read

    /// Remembers that `id` was told by the read with number `read`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn mark_seen(&mut self, id: SpaceId, read: u64) -> Result<(), StoreError>;

    /// Staged objects of a space, with an anchor, that the read with number `read` did not tell.
    ///
    /// # Errors
    /// [`StoreError`].
    fn unseen(
        &self,
        connector: &ConnectorId,
        read: u64,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError>;

    // --- edges: references between objects of one space

    /// Adds an edge; whether it was not there before.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError>;

    /// Removes an edge; whether it was there.
    ///
    /// # Errors
    /// [`StoreError`].
    fn remove_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError>;

    /// What `from` refers to by `attribute`, in the order of the rows.
    ///
    /// # Errors
    /// [`StoreError`].
    fn edges(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError>;

    /// The reference attributes that `from` has, with the number of edges of each.
    ///
    /// # Errors
    /// [`StoreError`].
    fn edge_counts(&self, from: SpaceId) -> Result<Vec<(AttributeName, u64)>, StoreError>;

    /// What refers to `to`, in the order of the rows.
    ///
    /// # Errors
    /// [`StoreError`].
    fn referrers(
        &self,
        to: SpaceId,
        after: Option<(SpaceId, AttributeName)>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, AttributeName)>, StoreError>;

    /// The objects of `target` that the edges `attribute` of `from` come to there: each referred object's identity, and
    /// that identity's object in `target`, where there is one. In the order of the rows of `target`, each once.
    ///
    /// # Errors
    /// [`StoreError`].
    fn edges_in(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        target: &ConnectorId,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError>;

    // --- indexes for joins

    /// Replaces the values by which an object of a space is found.
    ///
    /// # Errors
    /// [`StoreError`].
    fn index_object(&mut self, id: SpaceId, keys: &[JoinKey]) -> Result<(), StoreError>;

    /// Staged objects of a space with this value, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn objects_by_key(
        &self,
        connector: &ConnectorId,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError>;

    /// Replaces the values by which an identity is found.
    ///
    /// # Errors
    /// [`StoreError`].
    fn index_metaverse(&mut self, id: MetaverseId, keys: &[JoinKey]) -> Result<(), StoreError>;

    /// Identities with this value, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn metaverse_by_key(
        &self,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError>;

    // --- metaverse

    /// One identity.
    ///
    /// # Errors
    /// [`StoreError`].
    fn metaverse(&self, id: MetaverseId) -> Result<Option<MetaverseObject>, StoreError>;

    /// Adds an identity; its `id` is ignored and the new one given.
    ///
    /// # Errors
    /// [`StoreError`].
    fn insert_metaverse(&mut self, object: &MetaverseObject) -> Result<MetaverseId, StoreError>;

    /// Replaces an identity.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    fn put_metaverse(&mut self, object: &MetaverseObject) -> Result<(), StoreError>;

    /// Removes an identity that nothing is linked to.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where something is linked.
    fn remove_metaverse(&mut self, id: MetaverseId) -> Result<(), StoreError>;

    /// Identities after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn metaverse_objects(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseObject>, StoreError>;

    /// The objects that are linked to an identity, at most one of each connector.
    ///
    /// # Errors
    /// [`StoreError`].
    fn links(&self, id: MetaverseId) -> Result<Vec<(ConnectorId, SpaceId)>, StoreError>;

    // --- work to do

    /// Says that the outbound rules have to look at an identity (again).
    ///
    /// # Errors
    /// [`StoreError`].
    fn mark_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError>;

    /// Identities that the outbound rules have to look at.
    ///
    /// # Errors
    /// [`StoreError`].
    fn dirty(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError>;

    /// Says that they have looked.
    ///
    /// # Errors
    /// [`StoreError`].
    fn clear_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError>;

    // --- errors of single objects

    /// The escrow entry of an object.
    ///
    /// # Errors
    /// [`StoreError`].
    fn escrow(&self, id: SpaceId) -> Result<Option<Escrow>, StoreError>;

    /// Keeps an escrow entry for an object; `None` ends it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_escrow(&mut self, id: SpaceId, escrow: Option<&Escrow>) -> Result<(), StoreError>;

    /// Escrow entries after `after`; with `due`, only those to be tried again by then.
    ///
    /// # Errors
    /// [`StoreError`].
    fn escrows(
        &self,
        due: Option<DateTime<Utc>>,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, Escrow)>, StoreError>;

    // --- history and small facts

    /// Adds a run to the history and gives its number.
    ///
    /// # Errors
    /// [`StoreError`].
    fn add_run(&mut self, run: &RunRecord) -> Result<u64, StoreError>;

    /// Replaces a run of the history.
    ///
    /// # Errors
    /// [`StoreError::Missing`].
    fn put_run(&mut self, number: u64, run: &RunRecord) -> Result<(), StoreError>;

    /// The newest runs, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    fn runs(&self, limit: usize) -> Result<Vec<(u64, RunRecord)>, StoreError>;

    /// Forgets runs that ended before `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn forget_runs(&mut self, before: DateTime<Utc>) -> Result<(), StoreError>;

    /// A small fact by name (digest of the rules, digest that was allowed, ...).
    ///
    /// # Errors
    /// [`StoreError`].
    fn fact(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Keeps a small fact; `None` forgets it.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put_fact(&mut self, name: &str, value: Option<&str>) -> Result<(), StoreError>;
}

/// Which objects of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those with a pending import.
    PendingImport,
    /// Those with a pending export.
    PendingExport,
    /// Those that belong to an identity.
    Linked,
    /// Those in escrow.
    Escrowed,
}

/// What is kept of a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorState {
    /// From where the next delta import goes on.
    pub watermark: Option<Watermark>,
    /// The number of the last full read that was begun.
    pub read: u64,
    /// Whether a full read has ever come to its end: before that, what is not in the space may well be in the system.
    pub complete: bool,
    /// Digest of the configuration (base, scope, attributes) that the space was read with.
    pub shape: Option<String>,
    /// When the last read came to its end.
    pub last_import: Option<DateTime<Utc>>,
}

/// A value by which an object is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JoinKey {
    /// The attribute.
    pub attribute: AttributeName,
    /// Its value, folded as the join asks (see [`scim_core::text`]).
    pub value: SmolStr,
}

/// An object that could not be synchronised or exported, kept to be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// Where it went wrong.
    pub stage: EscrowStage,
    /// What happened and what to mend.
    pub message: String,
    /// The first time.
    pub first: DateTime<Utc>,
    /// When it is tried again; `None` no more.
    pub next: Option<DateTime<Utc>>,
    /// How many times it was tried.
    pub attempts: u32,
}

/// Where an object went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EscrowStage {
    /// The import told something that cannot be (two objects with one anchor).
    Import,
    /// A rule failed (an expression, an ambiguous join).
    Sync,
    /// The target refused it.
    Export,
    /// A reference of it could not be written.
    Reference,
}

/// One run of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was run.
    pub profile: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended; `None` while it runs, and for ever where the program died.
    pub ended: Option<DateTime<Utc>>,
    /// How it ended, in a word: `done`, `stopped by the guard`, `failed`.
    pub outcome: String,
    /// Counts by name, as the job status names them.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// What went wrong, in sentences.
    pub errors: Vec<String>,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The medium failed.
    #[error("the state could not be read or written: {0}")]
    Io(String),
    /// What is kept does not make sense.
    #[error("the state is damaged: {0}; it can be thrown away and is then rebuilt from both sides")]
    Damaged(String),
    /// Something that must be unique is not.
    #[error("{0}")]
    Conflict(String),
    /// A row that must be there is not.
    #[error("there is no {0}")]
    Missing(String),
    /// A call at the wrong time: a defect of the caller.
    #[error("{0}")]
    Misuse(&'static str),
}

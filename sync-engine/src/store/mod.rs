//! Where the state of a synchronisation is kept.
//!
//! The state is a cache of two truths, the directory's and the target's: it can be thrown away and is rebuilt from both.
//!
//! # Contract
//!
//! - *Transactions.* Every change happens between [`SyncStore::begin`] and [`SyncStore::commit`] and is refused with
//!   [`StoreError::Misuse`] outside. Reads see what the same transaction wrote. [`SyncStore::rollback`] takes back
//!   everything, row numbers among it. A program that dies within a transaction has changed nothing.
//! - *A refused call changes nothing*, and the transaction goes on: the caller may try something else.
//! - *Row numbers* grow from 1 and are given once; the numbers of a transaction that was taken back are given again.
//! - *Unique in a space*: the anchor, placeholders included; the folded name ([`SpaceObject::holds_its_name`]); the object of
//!   an identity. What refers to a row (an edge, a link, an index entry, an escrow entry) asks that the row is there
//!   ([`StoreError::Missing`]) and goes with it.
//! - *Removing what is not there* is done already.
//! - *Lists* are ordered by row number and given in pages, so that memory does not grow with the state. A page begins after
//!   the row given as `after`; a page shorter than `limit` is the last. What is written between two pages may or may not be
//!   seen by the second; rows that were there before and after are given exactly once.
//! - *Names of attributes* are compared as [`AttributeName`] compares them.
//!
//! Calls are blocking, because the work between them is computing: a program runs the engine on a thread of its own.
//! The suite (feature `suite`) has a case for each of these sentences and runs on every implementation.

mod listed;
mod types;

use chrono::{DateTime, Utc};

pub use listed::{Asked, Listed};
pub use types::{
    ConnectorState, Escrow, EscrowStage, JoinKey, ObjectOutline, RunRecord, StoreError, Which,
};

use crate::metaverse::{IdentityOutline, MetaverseObject};
use crate::space::SpaceObject;
use crate::{Anchor, AttributeName, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};

/// The state of one synchronisation; the contract is that of the [module](self).
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

    /// One object without its values, for those who would not look at them.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_outline(&self, id: SpaceId) -> Result<Option<ObjectOutline>, StoreError> {
        Ok(self.object(id)?.as_ref().map(ObjectOutline::of))
    }

    /// The object with this anchor, placeholders among them.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_by_anchor(
        &self,
        connector: &ConnectorId,
        anchor: &Anchor,
    ) -> Result<Option<SpaceId>, StoreError>;

    /// The object that holds this name ([`SpaceObject::holds_its_name`]), compared by [`Dn::folded`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_by_dn(&self, connector: &ConnectorId, dn: &Dn)
    -> Result<Option<SpaceId>, StoreError>;

    /// Adds an object; its `id` is ignored and the new one given.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the anchor, the name or the link is taken; [`StoreError::Missing`] where it is
    /// linked to an identity that is not there.
    fn insert_object(&mut self, object: &SpaceObject) -> Result<SpaceId, StoreError>;

    /// Replaces an object. It stays in its space: another connector is [`StoreError::Misuse`].
    ///
    /// # Errors
    /// [`StoreError::Missing`] where the object or the identity of its link is not there; [`StoreError::Conflict`] where
    /// the anchor, the name or the link is taken.
    fn put_object(&mut self, object: &SpaceObject) -> Result<(), StoreError>;

    /// Removes an object, its edges in both directions, its index entries and its escrow entry.
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

    /// The rows of objects of a space after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_ids(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        let page = self.objects(connector, which, after, limit)?;
        Ok(page.into_iter().map(|object| object.id).collect())
    }

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

    /// The number of the read that told `id` last.
    ///
    /// # Errors
    /// [`StoreError`].
    fn seen(&self, id: SpaceId) -> Result<Option<u64>, StoreError>;

    /// Objects of a space that have an anchor and that the read with number `read` did not tell: transients too, which
    /// must be told again, and never placeholders.
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
    /// [`StoreError::Missing`] where one of its ends is not there.
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

    /// The values by which an object of a space is found.
    ///
    /// # Errors
    /// [`StoreError`].
    fn object_keys(&self, id: SpaceId) -> Result<Vec<JoinKey>, StoreError>;

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

    /// The values by which an identity is found.
    ///
    /// # Errors
    /// [`StoreError`].
    fn metaverse_keys(&self, id: MetaverseId) -> Result<Vec<JoinKey>, StoreError>;

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

    /// One identity without its values, for those who would not look at them.
    ///
    /// # Errors
    /// [`StoreError`].
    fn identity_outline(&self, id: MetaverseId) -> Result<Option<IdentityOutline>, StoreError> {
        Ok(self.metaverse(id)?.map(Into::into))
    }

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

    /// Removes an identity that nothing is linked to, its index entries and its mark.
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

    /// The rows of identities after `after`.
    ///
    /// # Errors
    /// [`StoreError`].
    fn metaverse_ids(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        let page = self.metaverse_objects(after, limit)?;
        Ok(page.into_iter().map(|identity| identity.id).collect())
    }

    /// The objects that are linked to an identity, at most one of each connector, ordered by connector.
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

//! A state that stops existing in the middle of a run: every call after a chosen commit fails, and that commit is not made.

use chrono::{DateTime, Utc};
use scim_sync::metaverse::MetaverseObject;
use scim_sync::space::SpaceObject;
use scim_sync::store::{ConnectorState, Escrow, JoinKey, RunRecord, Which};
use scim_sync::{
    Anchor, AttributeName, ConnectorId, Dn, MemoryStore, MetaverseId, ObjectType, SpaceId,
    StoreError, SyncStore,
};

/// Breaks off before its `commits`th commit.
pub(crate) struct Crashing {
    inner: MemoryStore,
    commits: u64,
    dead: bool,
    open: bool,
}

impl Crashing {
    pub(crate) fn new(inner: MemoryStore, commits: u64) -> Self {
        Self { inner, commits, dead: false, open: false }
    }

    /// What a program finds that is started again, and whether there was a crash.
    pub(crate) fn after(mut self) -> (MemoryStore, bool) {
        if self.open {
            self.inner.rollback().unwrap();
        }
        (self.inner, self.dead)
    }

    fn alive(&self) -> Result<(), StoreError> {
        if self.dead { Err(StoreError::Io("crashed".to_owned())) } else { Ok(()) }
    }
}

impl SyncStore for Crashing {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.begin()?;
        self.open = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        if self.commits == 0 {
            self.dead = true;
            return self.alive();
        }
        self.commits -= 1;
        self.inner.commit()?;
        self.open = false;
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.rollback()?;
        self.open = false;
        Ok(())
    }

    fn connector(&self, connector: &ConnectorId) -> Result<ConnectorState, StoreError> {
        self.alive()?;
        self.inner.connector(connector)
    }

    fn put_connector(
        &mut self,
        connector: &ConnectorId,
        state: &ConnectorState,
    ) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.put_connector(connector, state)
    }

    fn object(&self, id: SpaceId) -> Result<Option<SpaceObject>, StoreError> {
        self.alive()?;
        self.inner.object(id)
    }

    fn object_by_anchor(
        &self,
        connector: &ConnectorId,
        anchor: &Anchor,
    ) -> Result<Option<SpaceId>, StoreError> {
        self.alive()?;
        self.inner.object_by_anchor(connector, anchor)
    }

    fn object_by_dn(
        &self,
        connector: &ConnectorId,
        dn: &Dn,
    ) -> Result<Option<SpaceId>, StoreError> {
        self.alive()?;
        self.inner.object_by_dn(connector, dn)
    }

    fn insert_object(&mut self, object: &SpaceObject) -> Result<SpaceId, StoreError> {
        self.alive()?;
        self.inner.insert_object(object)
    }

    fn put_object(&mut self, object: &SpaceObject) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.put_object(object)
    }

    fn remove_object(&mut self, id: SpaceId) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.remove_object(id)
    }

    fn objects(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceObject>, StoreError> {
        self.alive()?;
        self.inner.objects(connector, which, after, limit)
    }

    fn count_objects(&self, connector: &ConnectorId, which: Which) -> Result<u64, StoreError> {
        self.alive()?;
        self.inner.count_objects(connector, which)
    }

    fn mark_seen(&mut self, id: SpaceId, read: u64) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.mark_seen(id, read)
    }

    fn seen(&self, id: SpaceId) -> Result<Option<u64>, StoreError> {
        self.alive()?;
        self.inner.seen(id)
    }

    fn unseen(
        &self,
        connector: &ConnectorId,
        read: u64,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        self.alive()?;
        self.inner.unseen(connector, read, after, limit)
    }

    fn add_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        self.alive()?;
        self.inner.add_edge(from, attribute, to)
    }

    fn remove_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        self.alive()?;
        self.inner.remove_edge(from, attribute, to)
    }

    fn edges(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        self.alive()?;
        self.inner.edges(from, attribute, after, limit)
    }

    fn edge_counts(&self, from: SpaceId) -> Result<Vec<(AttributeName, u64)>, StoreError> {
        self.alive()?;
        self.inner.edge_counts(from)
    }

    fn referrers(
        &self,
        to: SpaceId,
        after: Option<(SpaceId, AttributeName)>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, AttributeName)>, StoreError> {
        self.alive()?;
        self.inner.referrers(to, after, limit)
    }

    fn edges_in(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        target: &ConnectorId,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        self.alive()?;
        self.inner.edges_in(from, attribute, target, after, limit)
    }

    fn index_object(&mut self, id: SpaceId, keys: &[JoinKey]) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.index_object(id, keys)
    }

    fn object_keys(&self, id: SpaceId) -> Result<Vec<JoinKey>, StoreError> {
        self.alive()?;
        self.inner.object_keys(id)
    }

    fn objects_by_key(
        &self,
        connector: &ConnectorId,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        self.alive()?;
        self.inner.objects_by_key(connector, object_type, key, limit)
    }

    fn index_metaverse(&mut self, id: MetaverseId, keys: &[JoinKey]) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.index_metaverse(id, keys)
    }

    fn metaverse_keys(&self, id: MetaverseId) -> Result<Vec<JoinKey>, StoreError> {
        self.alive()?;
        self.inner.metaverse_keys(id)
    }

    fn metaverse_by_key(
        &self,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        self.alive()?;
        self.inner.metaverse_by_key(object_type, key, limit)
    }

    fn metaverse(&self, id: MetaverseId) -> Result<Option<MetaverseObject>, StoreError> {
        self.alive()?;
        self.inner.metaverse(id)
    }

    fn insert_metaverse(&mut self, object: &MetaverseObject) -> Result<MetaverseId, StoreError> {
        self.alive()?;
        self.inner.insert_metaverse(object)
    }

    fn put_metaverse(&mut self, object: &MetaverseObject) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.put_metaverse(object)
    }

    fn remove_metaverse(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.remove_metaverse(id)
    }

    fn metaverse_objects(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseObject>, StoreError> {
        self.alive()?;
        self.inner.metaverse_objects(after, limit)
    }

    fn links(&self, id: MetaverseId) -> Result<Vec<(ConnectorId, SpaceId)>, StoreError> {
        self.alive()?;
        self.inner.links(id)
    }

    fn mark_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.mark_dirty(id)
    }

    fn dirty(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        self.alive()?;
        self.inner.dirty(after, limit)
    }

    fn clear_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.clear_dirty(id)
    }

    fn escrow(&self, id: SpaceId) -> Result<Option<Escrow>, StoreError> {
        self.alive()?;
        self.inner.escrow(id)
    }

    fn put_escrow(&mut self, id: SpaceId, escrow: Option<&Escrow>) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.put_escrow(id, escrow)
    }

    fn escrows(
        &self,
        due: Option<DateTime<Utc>>,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, Escrow)>, StoreError> {
        self.alive()?;
        self.inner.escrows(due, after, limit)
    }

    fn add_run(&mut self, run: &RunRecord) -> Result<u64, StoreError> {
        self.alive()?;
        self.inner.add_run(run)
    }

    fn put_run(&mut self, number: u64, run: &RunRecord) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.put_run(number, run)
    }

    fn runs(&self, limit: usize) -> Result<Vec<(u64, RunRecord)>, StoreError> {
        self.alive()?;
        self.inner.runs(limit)
    }

    fn forget_runs(&mut self, before: DateTime<Utc>) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.forget_runs(before)
    }

    fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.alive()?;
        self.inner.fact(name)
    }

    fn put_fact(&mut self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.alive()?;
        self.inner.put_fact(name, value)
    }
}

//! The store in memory: for tests, for previews, and as the meaning of the contract.
//!
//! Everything is in sorted tables that remember what they were before the transaction, so that taking back is going
//! backwards. It is quick enough for a hundred thousand objects and keeps nothing when the program ends.

mod table;
mod tables;

use std::collections::BTreeSet;
use std::ops::Bound;

use chrono::{DateTime, Utc};

use self::tables::{Numbered, Tables};
use crate::metaverse::MetaverseObject;
use crate::space::{SpaceKind, SpaceObject};
use crate::store::{
    ConnectorState, Escrow, JoinKey, Listed, ObjectOutline, RunRecord, StoreError, SyncStore, Which,
};
use crate::{Anchor, AttributeName, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};

/// The state of one synchronisation in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Tables,
    in_transaction: bool,
    listed: Listed,
}

impl MemoryStore {
    /// An empty state.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tables, to be changed.
    fn change(&mut self) -> Result<&mut Tables, StoreError> {
        if !self.in_transaction {
            return Err(StoreError::Misuse("the state is changed within a transaction only"));
        }
        self.listed.forget();
        Ok(&mut self.tables)
    }

    fn end(&mut self) -> Result<&mut Tables, StoreError> {
        self.change()?;
        self.in_transaction = false;
        Ok(&mut self.tables)
    }
}

/// The first row after `after`.
fn next(after: Option<SpaceId>) -> SpaceId {
    SpaceId(after.map_or(0, |after| after.0 + 1))
}

const NO_NAME: &str = "";

impl SyncStore for MemoryStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        if self.in_transaction {
            return Err(StoreError::Misuse("a transaction is under way"));
        }
        self.in_transaction = true;
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.end()?.keep();
        Ok(())
    }

    fn rollback(&mut self) -> Result<(), StoreError> {
        self.end()?.take_back();
        Ok(())
    }

    fn connector(&self, connector: &ConnectorId) -> Result<ConnectorState, StoreError> {
        Ok(self.tables.connectors.get(connector).cloned().unwrap_or_default())
    }

    fn put_connector(
        &mut self,
        connector: &ConnectorId,
        state: &ConnectorState,
    ) -> Result<(), StoreError> {
        self.change()?.connectors.insert(connector.clone(), state.clone());
        Ok(())
    }

    fn object(&self, id: SpaceId) -> Result<Option<SpaceObject>, StoreError> {
        Ok(self.tables.objects.get(&id).cloned())
    }

    fn object_outline(&self, id: SpaceId) -> Result<Option<ObjectOutline>, StoreError> {
        Ok(self.tables.objects.get(&id).map(ObjectOutline::of))
    }

    fn object_by_anchor(
        &self,
        connector: &ConnectorId,
        anchor: &Anchor,
    ) -> Result<Option<SpaceId>, StoreError> {
        Ok(self.tables.by_anchor.get(&(connector.clone(), anchor.clone())).copied())
    }

    fn object_by_dn(
        &self,
        connector: &ConnectorId,
        dn: &Dn,
    ) -> Result<Option<SpaceId>, StoreError> {
        Ok(self.tables.by_dn.get(&(connector.clone(), dn.folded())).copied())
    }

    fn insert_object(&mut self, object: &SpaceObject) -> Result<SpaceId, StoreError> {
        let tables = self.change()?;
        tables.check_unique(object, None)?;
        let id = SpaceId(tables.number(Numbered::Object));
        let object = SpaceObject { id, ..object.clone() };
        tables.enter(&object);
        tables.objects.insert(id, object);
        Ok(id)
    }

    fn put_object(&mut self, object: &SpaceObject) -> Result<(), StoreError> {
        let tables = self.change()?;
        let Some(before) = tables.objects.get(&object.id).cloned() else {
            return Err(StoreError::Missing(format!("object {}", object.id)));
        };
        if before.connector != object.connector {
            return Err(StoreError::Misuse("an object stays in its space"));
        }
        tables.check_unique(object, Some(object.id))?;
        tables.leave(&before);
        tables.enter(object);
        tables.objects.insert(object.id, object.clone());
        Ok(())
    }

    fn remove_object(&mut self, id: SpaceId) -> Result<(), StoreError> {
        let tables = self.change()?;
        let Some(object) = tables.objects.get(&id).cloned() else { return Ok(()) };
        let first = (id, AttributeName::new(NO_NAME), SpaceId(0));
        let beyond = (SpaceId(id.0 + 1), AttributeName::new(NO_NAME), SpaceId(0));
        let out: Vec<_> =
            tables.edges.range(first..beyond).map(|(edge, ())| edge.clone()).collect();
        let first = (id, SpaceId(0), AttributeName::new(NO_NAME));
        let beyond = (SpaceId(id.0 + 1), SpaceId(0), AttributeName::new(NO_NAME));
        let into = tables.referrers.range(first..beyond);
        let into: Vec<_> = into.map(|((to, from, name), ())| (*from, name.clone(), *to)).collect();
        for (from, name, to) in out.into_iter().chain(into) {
            tables.referrers.remove(&(to, from, name.clone()));
            tables.edges.remove(&(from, name, to));
        }
        tables.forget_object_keys(id);
        tables.escrows.remove(&id);
        tables.lists.remove(&(Which::Escrowed, object.connector.clone(), id));
        tables.seen.remove(&id);
        tables.leave(&object);
        tables.objects.remove(&id);
        Ok(())
    }

    fn objects(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceObject>, StoreError> {
        let rows = self.tables.list(connector, which, after).take(limit);
        Ok(rows.filter_map(|id| self.tables.objects.get(&id).cloned()).collect())
    }

    fn object_ids(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        Ok(self.tables.list(connector, which, after).take(limit).collect())
    }

    fn count_objects(&self, connector: &ConnectorId, which: Which) -> Result<u64, StoreError> {
        Ok(self.tables.list(connector, which, None).count() as u64)
    }

    fn mark_seen(&mut self, id: SpaceId, read: u64) -> Result<(), StoreError> {
        let tables = self.change()?;
        tables.must_have(id)?;
        tables.seen.insert(id, read);
        Ok(())
    }

    fn seen(&self, id: SpaceId) -> Result<Option<u64>, StoreError> {
        Ok(self.tables.seen.get(&id).copied())
    }

    fn unseen(
        &self,
        connector: &ConnectorId,
        read: u64,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        let is_unseen = |id: &SpaceId| {
            self.tables.seen.get(id) != Some(&read)
                && self.tables.objects.get(id).is_some_and(|object| {
                    object.kind != SpaceKind::Placeholder && object.anchor.is_some()
                })
        };
        let rows = self.tables.list(connector, Which::All, after);
        Ok(rows.filter(is_unseen).take(limit).collect())
    }

    fn add_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        let tables = self.change()?;
        tables.must_have(from)?;
        tables.must_have(to)?;
        let edge = (from, attribute.clone(), to);
        if tables.edges.contains(&edge) {
            return Ok(false);
        }
        tables.edges.insert(edge, ());
        tables.referrers.insert((to, from, attribute.clone()), ());
        Ok(true)
    }

    fn remove_edge(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        let tables = self.change()?;
        tables.referrers.remove(&(to, from, attribute.clone()));
        Ok(tables.edges.remove(&(from, attribute.clone(), to)))
    }

    fn edges(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        let first = (from, attribute.clone(), next(after));
        let last = (from, attribute.clone(), SpaceId(u64::MAX));
        let edges = self.tables.edges.range(first..=last);
        Ok(edges.map(|((_, _, to), ())| *to).take(limit).collect())
    }

    fn edge_counts(&self, from: SpaceId) -> Result<Vec<(AttributeName, u64)>, StoreError> {
        let first = (from, AttributeName::new(NO_NAME), SpaceId(0));
        let beyond = (SpaceId(from.0 + 1), AttributeName::new(NO_NAME), SpaceId(0));
        let mut counts: Vec<(AttributeName, u64)> = Vec::new();
        for ((_, name, _), ()) in self.tables.edges.range(first..beyond) {
            match counts.last_mut() {
                Some((last, count)) if last == name => *count += 1,
                _ => counts.push((name.clone(), 1)),
            }
        }
        Ok(counts)
    }

    fn referrers(
        &self,
        to: SpaceId,
        after: Option<(SpaceId, AttributeName)>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, AttributeName)>, StoreError> {
        let first = match after {
            Some((from, name)) => Bound::Excluded((to, from, name)),
            None => Bound::Included((to, SpaceId(0), AttributeName::new(NO_NAME))),
        };
        let beyond = (SpaceId(to.0 + 1), SpaceId(0), AttributeName::new(NO_NAME));
        let rows = self.tables.referrers.range((first, Bound::Excluded(beyond)));
        Ok(rows.map(|((_, from, name), ())| (*from, name.clone())).take(limit).collect())
    }

    fn edges_in(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        target: &ConnectorId,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        let asked = (from, attribute.clone(), target.clone());
        self.listed.page(asked, after, limit, |_| {
            let there = |to: SpaceId| {
                let link = self.tables.objects.get(&to)?.link.as_ref()?;
                self.tables.links.get(&(link.metaverse, target.clone())).copied()
            };
            let edges = self.edges(from, attribute, None, usize::MAX)?;
            let rows: BTreeSet<SpaceId> = edges.into_iter().filter_map(there).collect();
            Ok(rows.into_iter().collect())
        })
    }

    fn index_object(&mut self, id: SpaceId, keys: &[JoinKey]) -> Result<(), StoreError> {
        let tables = self.change()?;
        tables.must_have(id)?;
        tables.forget_object_keys(id);
        for key in keys {
            tables.object_keys.insert((id, key.clone()), ());
            tables.objects_by_key.insert((key.clone(), id), ());
        }
        Ok(())
    }

    fn object_keys(&self, id: SpaceId) -> Result<Vec<JoinKey>, StoreError> {
        Ok(self.tables.keys_of_object(id).collect())
    }

    fn objects_by_key(
        &self,
        connector: &ConnectorId,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<SpaceId>, StoreError> {
        let found = |id: &SpaceId| {
            self.tables.objects.get(id).is_some_and(|object| {
                object.kind == SpaceKind::Staged
                    && object.connector == *connector
                    && object.object_type.as_ref() == Some(object_type)
            })
        };
        let rows = (key.clone(), SpaceId(0))..=(key.clone(), SpaceId(u64::MAX));
        let rows = self.tables.objects_by_key.range(rows).map(|((_, id), ())| *id);
        Ok(rows.filter(found).take(limit).collect())
    }

    fn index_metaverse(&mut self, id: MetaverseId, keys: &[JoinKey]) -> Result<(), StoreError> {
        let tables = self.change()?;
        tables.must_have_identity(id)?;
        tables.forget_metaverse_keys(id);
        for key in keys {
            tables.metaverse_keys.insert((id, key.clone()), ());
            tables.metaverse_by_key.insert((key.clone(), id), ());
        }
        Ok(())
    }

    fn metaverse_keys(&self, id: MetaverseId) -> Result<Vec<JoinKey>, StoreError> {
        Ok(self.tables.keys_of_identity(id).collect())
    }

    fn metaverse_by_key(
        &self,
        object_type: &ObjectType,
        key: &JoinKey,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        let found = |id: &MetaverseId| {
            self.tables.metaverse.get(id).is_some_and(|object| object.object_type == *object_type)
        };
        let rows = (key.clone(), MetaverseId(0))..=(key.clone(), MetaverseId(u64::MAX));
        let rows = self.tables.metaverse_by_key.range(rows).map(|((_, id), ())| *id);
        Ok(rows.filter(found).take(limit).collect())
    }

    fn metaverse(&self, id: MetaverseId) -> Result<Option<MetaverseObject>, StoreError> {
        Ok(self.tables.metaverse.get(&id).cloned())
    }

    fn insert_metaverse(&mut self, object: &MetaverseObject) -> Result<MetaverseId, StoreError> {
        let tables = self.change()?;
        let id = MetaverseId(tables.number(Numbered::Metaverse));
        tables.metaverse.insert(id, MetaverseObject { id, ..object.clone() });
        Ok(id)
    }

    fn put_metaverse(&mut self, object: &MetaverseObject) -> Result<(), StoreError> {
        let tables = self.change()?;
        tables.must_have_identity(object.id)?;
        tables.metaverse.insert(object.id, object.clone());
        Ok(())
    }

    fn remove_metaverse(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        let tables = self.change()?;
        if let Some((connector, object)) = tables.links_of(id).next() {
            let text = format!("identity {id} is linked to object {object} of {connector}");
            return Err(StoreError::Conflict(text));
        }
        tables.forget_metaverse_keys(id);
        tables.dirty.remove(&id);
        tables.metaverse.remove(&id);
        Ok(())
    }

    fn metaverse_objects(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseObject>, StoreError> {
        let first = MetaverseId(after.map_or(0, |after| after.0 + 1));
        let rows = self.tables.metaverse.range(first..).take(limit);
        Ok(rows.map(|(_, object)| object.clone()).collect())
    }

    fn metaverse_ids(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        let first = MetaverseId(after.map_or(0, |after| after.0 + 1));
        Ok(self.tables.metaverse.range(first..).take(limit).map(|(id, _)| *id).collect())
    }

    fn links(&self, id: MetaverseId) -> Result<Vec<(ConnectorId, SpaceId)>, StoreError> {
        Ok(self.tables.links_of(id).collect())
    }

    fn mark_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        let tables = self.change()?;
        tables.must_have_identity(id)?;
        tables.dirty.insert(id, ());
        Ok(())
    }

    fn dirty(
        &self,
        after: Option<MetaverseId>,
        limit: usize,
    ) -> Result<Vec<MetaverseId>, StoreError> {
        let first = MetaverseId(after.map_or(0, |after| after.0 + 1));
        Ok(self.tables.dirty.range(first..).take(limit).map(|(id, ())| *id).collect())
    }

    fn clear_dirty(&mut self, id: MetaverseId) -> Result<(), StoreError> {
        self.change()?.dirty.remove(&id);
        Ok(())
    }

    fn escrow(&self, id: SpaceId) -> Result<Option<Escrow>, StoreError> {
        Ok(self.tables.escrows.get(&id).cloned())
    }

    fn put_escrow(&mut self, id: SpaceId, escrow: Option<&Escrow>) -> Result<(), StoreError> {
        let tables = self.change()?;
        let connector = tables.objects.get(&id).map(|object| object.connector.clone());
        match (escrow, connector) {
            (Some(escrow), Some(connector)) => {
                tables.escrows.insert(id, escrow.clone());
                tables.lists.insert((Which::Escrowed, connector, id), ());
            }
            (Some(_), None) => return Err(StoreError::Missing(format!("object {id}"))),
            (None, Some(connector)) => {
                tables.escrows.remove(&id);
                tables.lists.remove(&(Which::Escrowed, connector, id));
            }
            (None, None) => {}
        }
        Ok(())
    }

    fn escrows(
        &self,
        due: Option<DateTime<Utc>>,
        after: Option<SpaceId>,
        limit: usize,
    ) -> Result<Vec<(SpaceId, Escrow)>, StoreError> {
        let is_due =
            |escrow: &Escrow| due.is_none_or(|due| escrow.next.is_some_and(|next| next <= due));
        let rows = self.tables.escrows.range(next(after)..);
        let rows = rows.filter(|(_, escrow)| is_due(escrow)).take(limit);
        Ok(rows.map(|(id, escrow)| (*id, escrow.clone())).collect())
    }

    fn add_run(&mut self, run: &RunRecord) -> Result<u64, StoreError> {
        let tables = self.change()?;
        let number = tables.number(Numbered::Run);
        tables.runs.insert(number, run.clone());
        Ok(number)
    }

    fn put_run(&mut self, number: u64, run: &RunRecord) -> Result<(), StoreError> {
        let tables = self.change()?;
        if !tables.runs.contains(&number) {
            return Err(StoreError::Missing(format!("run {number}")));
        }
        tables.runs.insert(number, run.clone());
        Ok(())
    }

    fn runs(&self, limit: usize) -> Result<Vec<(u64, RunRecord)>, StoreError> {
        let rows = self.tables.runs.iter().rev().take(limit);
        Ok(rows.map(|(number, run)| (*number, run.clone())).collect())
    }

    fn forget_runs(&mut self, before: DateTime<Utc>) -> Result<(), StoreError> {
        let tables = self.change()?;
        let old = |run: &RunRecord| run.ended.is_some_and(|ended| ended < before);
        let rows = tables.runs.iter().filter(|(_, run)| old(run));
        let numbers: Vec<u64> = rows.map(|(number, _)| *number).collect();
        for number in numbers {
            tables.runs.remove(&number);
        }
        Ok(())
    }

    fn fact(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(self.tables.facts.get(&name.to_owned()).cloned())
    }

    fn put_fact(&mut self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        let tables = self.change()?;
        match value {
            Some(value) => tables.facts.insert(name.to_owned(), value.to_owned()),
            None => drop(tables.facts.remove(&name.to_owned())),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    crate::store_suite!(|| (crate::MemoryStore::new(), ()));
}

//! The tables of the memory store, and what has to change together.

use smol_str::SmolStr;

use super::table::{Table, Transactional};
use crate::metaverse::MetaverseObject;
use crate::space::{PendingImport, SpaceKind, SpaceObject};
use crate::store::{ConnectorState, Escrow, JoinKey, RunRecord, Which};
use crate::{Anchor, AttributeName, ConnectorId, Dn, MetaverseId, SpaceId, StoreError};

/// What gives out row numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Numbered {
    Object,
    Metaverse,
    Run,
}

/// Everything that is kept. A table with `()` is a set; those that say so are indexes of another table.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) numbers: Table<Numbered, u64>,
    pub(super) connectors: Table<ConnectorId, ConnectorState>,
    pub(super) objects: Table<SpaceId, SpaceObject>,
    /// Index of `objects`.
    pub(super) by_anchor: Table<(ConnectorId, Anchor), SpaceId>,
    /// Index of `objects`.
    pub(super) by_dn: Table<(ConnectorId, SmolStr), SpaceId>,
    /// Index of `objects`.
    pub(super) links: Table<(MetaverseId, ConnectorId), SpaceId>,
    /// Index of `objects` and `escrows`.
    pub(super) lists: Table<(Which, ConnectorId, SpaceId), ()>,
    pub(super) seen: Table<SpaceId, u64>,
    pub(super) edges: Table<(SpaceId, AttributeName, SpaceId), ()>,
    /// Index of `edges`: to, from.
    pub(super) referrers: Table<(SpaceId, SpaceId, AttributeName), ()>,
    pub(super) object_keys: Table<(SpaceId, JoinKey), ()>,
    /// Index of `object_keys`.
    pub(super) objects_by_key: Table<(JoinKey, SpaceId), ()>,
    pub(super) metaverse: Table<MetaverseId, MetaverseObject>,
    pub(super) metaverse_keys: Table<(MetaverseId, JoinKey), ()>,
    /// Index of `metaverse_keys`.
    pub(super) metaverse_by_key: Table<(JoinKey, MetaverseId), ()>,
    pub(super) dirty: Table<MetaverseId, ()>,
    pub(super) escrows: Table<SpaceId, Escrow>,
    pub(super) runs: Table<u64, RunRecord>,
    pub(super) facts: Table<String, String>,
}

impl Tables {
    /// All of them, so that none is forgotten at the end of a transaction.
    fn all(&mut self) -> [&mut dyn Transactional; 19] {
        let Self {
            numbers,
            connectors,
            objects,
            by_anchor,
            by_dn,
            links,
            lists,
            seen,
            edges,
            referrers,
            object_keys,
            objects_by_key,
            metaverse,
            metaverse_keys,
            metaverse_by_key,
            dirty,
            escrows,
            runs,
            facts,
        } = self;
        [
            numbers,
            connectors,
            objects,
            by_anchor,
            by_dn,
            links,
            lists,
            seen,
            edges,
            referrers,
            object_keys,
            objects_by_key,
            metaverse,
            metaverse_keys,
            metaverse_by_key,
            dirty,
            escrows,
            runs,
            facts,
        ]
    }

    pub(super) fn keep(&mut self) {
        for table in self.all() {
            table.keep();
        }
    }

    pub(super) fn take_back(&mut self) {
        for table in self.all() {
            table.take_back();
        }
    }

    /// The next row number.
    pub(super) fn number(&mut self, of: Numbered) -> u64 {
        let number = self.numbers.get(&of).copied().unwrap_or(0) + 1;
        self.numbers.insert(of, number);
        number
    }

    /// Whether `object`, which is or becomes the row `id`, would have something that another row has.
    pub(super) fn check_unique(
        &self,
        object: &SpaceObject,
        id: Option<SpaceId>,
    ) -> Result<(), StoreError> {
        let connector = &object.connector;
        let taken = |by: Option<&SpaceId>| by.is_some_and(|by| Some(*by) != id);
        if let Some(anchor) = &object.anchor
            && taken(self.by_anchor.get(&(connector.clone(), anchor.clone())))
        {
            let text = format!("another object of {connector} has the anchor {anchor}");
            return Err(StoreError::Conflict(text));
        }
        if let Some(name) = unique_name(object)
            && taken(self.by_dn.get(&(connector.clone(), name.clone())))
        {
            let text = format!("another object of {connector} has the name {name}");
            return Err(StoreError::Conflict(text));
        }
        if let Some(link) = &object.link {
            if taken(self.links.get(&(link.metaverse, connector.clone()))) {
                let text = format!("identity {} has another object in {connector}", link.metaverse);
                return Err(StoreError::Conflict(text));
            }
            if !self.metaverse.contains(&link.metaverse) {
                return Err(StoreError::Missing(format!("identity {}", link.metaverse)));
            }
        }
        Ok(())
    }

    pub(super) fn must_have(&self, id: SpaceId) -> Result<(), StoreError> {
        match self.objects.contains(&id) {
            true => Ok(()),
            false => Err(StoreError::Missing(format!("object {id}"))),
        }
    }

    pub(super) fn must_have_identity(&self, id: MetaverseId) -> Result<(), StoreError> {
        match self.metaverse.contains(&id) {
            true => Ok(()),
            false => Err(StoreError::Missing(format!("identity {id}"))),
        }
    }

    /// The rows of a list after `after`.
    pub(super) fn list(
        &self,
        connector: &ConnectorId,
        which: Which,
        after: Option<SpaceId>,
    ) -> impl Iterator<Item = SpaceId> {
        let first = (which, connector.clone(), SpaceId(after.map_or(0, |after| after.0 + 1)));
        let last = (which, connector.clone(), SpaceId(u64::MAX));
        self.lists.range(first..=last).map(|((_, _, id), ())| *id)
    }

    pub(super) fn links_of(&self, id: MetaverseId) -> impl Iterator<Item = (ConnectorId, SpaceId)> {
        let rows = (id, ConnectorId::new(""))..(MetaverseId(id.0 + 1), ConnectorId::new(""));
        self.links.range(rows).map(|((_, connector), object)| (connector.clone(), *object))
    }

    pub(super) fn keys_of_object(&self, id: SpaceId) -> impl Iterator<Item = JoinKey> {
        let rows = (id, no_key())..(SpaceId(id.0 + 1), no_key());
        self.object_keys.range(rows).map(|((_, key), ())| key.clone())
    }

    pub(super) fn forget_object_keys(&mut self, id: SpaceId) {
        let keys: Vec<JoinKey> = self.keys_of_object(id).collect();
        for key in keys {
            self.objects_by_key.remove(&(key.clone(), id));
            self.object_keys.remove(&(id, key));
        }
    }

    pub(super) fn keys_of_identity(&self, id: MetaverseId) -> impl Iterator<Item = JoinKey> {
        let rows = (id, no_key())..(MetaverseId(id.0 + 1), no_key());
        self.metaverse_keys.range(rows).map(|((_, key), ())| key.clone())
    }

    pub(super) fn forget_metaverse_keys(&mut self, id: MetaverseId) {
        let keys: Vec<JoinKey> = self.keys_of_identity(id).collect();
        for key in keys {
            self.metaverse_by_key.remove(&(key.clone(), id));
            self.metaverse_keys.remove(&(id, key));
        }
    }

    /// Enters a row into the indexes.
    pub(super) fn enter(&mut self, object: &SpaceObject) {
        let (connector, id) = (&object.connector, object.id);
        if let Some(anchor) = &object.anchor {
            self.by_anchor.insert((connector.clone(), anchor.clone()), id);
        }
        if let Some(name) = unique_name(object) {
            self.by_dn.insert((connector.clone(), name), id);
        }
        if let Some(link) = &object.link {
            self.links.insert((link.metaverse, connector.clone()), id);
        }
        for which in lists_of(object) {
            self.lists.insert((which, connector.clone(), id), ());
        }
    }

    /// Takes a row out of the indexes.
    pub(super) fn leave(&mut self, object: &SpaceObject) {
        let (connector, id) = (&object.connector, object.id);
        if let Some(anchor) = &object.anchor {
            self.by_anchor.remove(&(connector.clone(), anchor.clone()));
        }
        if let Some(name) = unique_name(object) {
            self.by_dn.remove(&(connector.clone(), name));
        }
        if let Some(link) = &object.link {
            self.links.remove(&(link.metaverse, connector.clone()));
        }
        for which in lists_of(object) {
            self.lists.remove(&(which, connector.clone(), id));
        }
    }
}

/// The key that is before all others.
fn no_key() -> JoinKey {
    JoinKey { attribute: AttributeName::new(""), value: SmolStr::default() }
}

/// The form of the name that must be unique.
fn unique_name(object: &SpaceObject) -> Option<SmolStr> {
    object.dn.as_ref().filter(|_| object.holds_its_name()).map(Dn::folded)
}

/// The lists that a row is in, without that of the escrow.
fn lists_of(object: &SpaceObject) -> impl Iterator<Item = Which> {
    [
        (Which::All, true),
        (Which::PendingImport, object.pending_import != PendingImport::None),
        (Which::PendingExport, object.pending_export.is_some()),
        (Which::Linked, object.link.is_some()),
        (Which::Transient, object.kind == SpaceKind::Transient),
    ]
    .into_iter()
    .filter_map(|(which, is_in)| is_in.then_some(which))
}

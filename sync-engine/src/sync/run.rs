//! A synchronisation from its first object to its last identity, in batches of one transaction each.

use std::collections::BTreeSet;

use super::explain::Explanation;
use super::inbound::Pass;
use super::trouble::Trouble;
use super::{SyncError, SyncMode, SyncReport, Synchronizer};
use crate::escrow;
use crate::observer::{Event, LinkChange, Observer, Phase};
use crate::space::{PendingImport, SpaceObject};
use crate::store::{EscrowStage, SyncStore, Which};
use crate::{Anchor, ConnectorId, Dn, MetaverseId, SpaceId, StoreError};

/// A synchronisation under way.
pub(super) struct Run<'a, 'r> {
    pub(super) sync: &'a Synchronizer<'r>,
    pub(super) store: &'a mut dyn SyncStore,
    pub(super) observer: &'a mut dyn Observer,
    pub(super) report: SyncReport,
    /// Unlinked objects that may have something to join now.
    pub(super) again: BTreeSet<SpaceId>,
    /// Objects whose identities were marked dirty and have not been looked at since: a group is marked once and not
    /// once for each member.
    pub(super) requeued: BTreeSet<SpaceId>,
    /// Where everything is written down, when one object is explained.
    pub(super) trace: Option<Explanation>,
}

impl<'a, 'r> Run<'a, 'r> {
    pub(super) fn new(
        sync: &'a Synchronizer<'r>,
        store: &'a mut dyn SyncStore,
        observer: &'a mut dyn Observer,
    ) -> Self {
        Self {
            sync,
            store,
            observer,
            report: SyncReport::default(),
            again: BTreeSet::new(),
            requeued: BTreeSet::new(),
            trace: None,
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self, mode: SyncMode) -> Result<SyncReport, SyncError> {
        let reread = self.changed_groups()?;
        let connectors = self.readable()?;
        let due = self.due()?;
        for pass in [Pass::Projecting, Pass::Joining] {
            for connector in &connectors {
                let full = mode == SyncMode::Full || reread.contains(connector);
                let which = match (pass, full) {
                    (Pass::Projecting, true) => Which::All,
                    // What the first pass did not settle has its pending import still, or is not linked.
                    (Pass::Joining, true) if self.has_joiners(connector) => Which::All,
                    (Pass::Joining, true) => continue,
                    (_, false) => Which::PendingImport,
                };
                self.inbound_space(connector, which, pass)?;
            }
        }
        self.inbound_list(due)?;
        if mode == SyncMode::Full {
            self.mark_all_dirty()?;
        }
        // An identity that goes on the way out may let others join.
        loop {
            while !self.again.is_empty() {
                let again = std::mem::take(&mut self.again);
                self.inbound_list(again.into_iter().collect())?;
            }
            self.outbound_all()?;
            if self.again.is_empty() {
                break;
            }
        }
        Ok(self.report)
    }

    /// The connectors whose objects may be looked at: not the sources that were never read to their end. What is not told
    /// yet would look as if it were not there: members would go, and values that only that source has. What was staged of
    /// them waits.
    fn readable(&self) -> Result<BTreeSet<ConnectorId>, StoreError> {
        let (sources, targets) = (self.sync.rules.sources(), self.sync.rules.targets());
        let mut readable = targets.clone();
        for source in sources {
            if !targets.contains(&source) && self.store.connector(&source)?.complete {
                readable.insert(source);
            }
        }
        Ok(readable)
    }

    /// The connectors where a group changed by which a scope decides: all their objects are looked at.
    fn changed_groups(&self) -> Result<BTreeSet<ConnectorId>, StoreError> {
        let mut changed = BTreeSet::new();
        for (connector, groups) in self.sync.programs.memberships() {
            for group in groups {
                let by_anchor = self.store.object_by_anchor(&connector, &Anchor::new(&group))?;
                let id = match by_anchor {
                    Some(id) => Some(id),
                    None => self.store.object_by_dn(&connector, &Dn::new(&group))?,
                };
                let object = id.map(|id| self.store.object(id)).transpose()?.flatten();
                if object.is_some_and(|object| object.pending_import != PendingImport::None) {
                    changed.insert(connector.clone());
                    break;
                }
            }
        }
        Ok(changed)
    }

    /// Whether objects of the connector can be linked by a join alone.
    fn has_joiners(&self, connector: &ConnectorId) -> bool {
        let mut joining = self.sync.programs.joining.values().flatten();
        joining.any(|rule| rule.connector == *connector)
    }

    /// The objects in escrow whose time has come.
    fn due(&self) -> Result<Vec<SpaceId>, StoreError> {
        let mut due = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.escrows(Some(self.sync.now), after, self.sync.batch)?;
            let full = page.len() == self.sync.batch;
            after = page.last().map(|(id, _)| *id);
            let ours = |stage| matches!(stage, EscrowStage::Sync | EscrowStage::Outbound);
            due.extend(page.into_iter().filter(|(_, it)| ours(it.stage)).map(|(id, _)| id));
            if !full {
                return Ok(due);
            }
        }
    }

    fn inbound_space(
        &mut self,
        connector: &ConnectorId,
        which: Which,
        pass: Pass,
    ) -> Result<(), SyncError> {
        if pass == Pass::Projecting {
            let expected = Some(self.store.count_objects(connector, which)?);
            let connector = Some(connector.clone());
            self.observer.event(&Event::PhaseStarted {
                phase: Phase::Inbound,
                connector,
                expected,
            });
        }
        let mut after = None;
        loop {
            let batch = self.sync.batch;
            let page = self.store.objects(connector, which, after, batch)?;
            let Some(last) = page.last().map(|object| object.id) else { break };
            let ended = page.len() < batch;
            after = Some(last);
            // The second pass is for what the first one left.
            let left = |object: &SpaceObject| pass == Pass::Projecting || object.link.is_none();
            let page: Vec<SpaceId> =
                page.iter().filter(|object| left(object)).map(|object| object.id).collect();
            self.transaction(|run| page.into_iter().try_for_each(|id| run.one(id, pass)))?;
            if ended {
                break;
            }
        }
        if pass == Pass::Projecting {
            let connector = Some(connector.clone());
            self.observer.event(&Event::PhaseEnded { phase: Phase::Inbound, connector });
        }
        Ok(())
    }

    fn inbound_list(&mut self, ids: Vec<SpaceId>) -> Result<(), SyncError> {
        for page in ids.chunks(self.sync.batch) {
            self.transaction(|run| {
                for id in page {
                    run.one(*id, Pass::Joining)?;
                    // What went wrong may have been in a target.
                    if let Some(link) = run.store.object(*id)?.and_then(|object| object.link) {
                        run.store.mark_dirty(link.metaverse)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// One object, and its escrow where it cannot be handled.
    pub(super) fn one(&mut self, id: SpaceId, pass: Pass) -> Result<(), SyncError> {
        let Some(object) = self.store.object(id)? else { return Ok(()) };
        let change = match self.inbound(object, pass) {
            Ok(None) => return Ok(()),
            Ok(Some(change)) => {
                if change != LinkChange::Removed {
                    self.end_escrow(id, EscrowStage::Sync)?;
                }
                change
            }
            Err(Trouble::Store(error)) => return Err(error.into()),
            Err(Trouble::Object { message, .. }) => {
                self.escrow(id, EscrowStage::Sync, message)?;
                // It was seen; when it is looked at again is said in its escrow.
                if let Some(mut object) = self.store.object(id)? {
                    object.pending_import = PendingImport::None;
                    self.store.put_object(&object)?;
                    self.store.index_object(id, &self.sync.programs.keys_of(&object))?;
                }
                LinkChange::None
            }
        };
        self.report.objects += 1;
        self.observer.event(&Event::ObjectSynchronized { object: id, change });
        Ok(())
    }

    fn mark_all_dirty(&mut self) -> Result<(), SyncError> {
        let mut after = None;
        loop {
            let page = self.store.metaverse_objects(after, self.sync.batch)?;
            let Some(last) = page.last().map(|identity| identity.id) else { return Ok(()) };
            after = Some(last);
            self.transaction(|run| {
                for identity in page {
                    run.store.mark_dirty(identity.id)?;
                }
                Ok(())
            })?;
        }
    }

    /// Looks at dirty identities until there are none: a new object in a target lets others refer to it.
    fn outbound_all(&mut self) -> Result<(), SyncError> {
        let phase = Phase::Outbound;
        self.observer.event(&Event::PhaseStarted { phase, connector: None, expected: None });
        let mut after: Option<MetaverseId> = None;
        loop {
            let page = self.store.dirty(after, self.sync.batch)?;
            if page.is_empty() {
                if after.take().is_none() {
                    break;
                }
                continue;
            }
            after = page.last().copied();
            self.transaction(|run| page.into_iter().try_for_each(|id| run.identity(id)))?;
        }
        self.observer.event(&Event::PhaseEnded { phase, connector: None });
        Ok(())
    }

    pub(super) fn identity(&mut self, id: MetaverseId) -> Result<(), SyncError> {
        let exports = match self.outbound(id) {
            Ok(exports) => exports,
            Err(Trouble::Store(error)) => return Err(error.into()),
            Err(Trouble::Object { object, message }) => {
                if let Some(object) = object {
                    self.escrow(object, EscrowStage::Outbound, message)?;
                }
                0
            }
        };
        self.report.identities += 1;
        self.observer.event(&Event::IdentityEvaluated { identity: id, exports });
        Ok(())
    }

    /// Keeps an entry for an object that could not be handled.
    pub(super) fn escrow(
        &mut self,
        id: SpaceId,
        stage: EscrowStage,
        message: String,
    ) -> Result<(), StoreError> {
        escrow::fail(self.store, id, stage, &message, self.sync.now, &self.sync.retry)?;
        self.report.escrowed += 1;
        self.observer.event(&Event::Escrowed { object: id, stage, message });
        Ok(())
    }

    /// Ends the entry of an object that could be handled now.
    pub(super) fn end_escrow(&mut self, id: SpaceId, stage: EscrowStage) -> Result<(), StoreError> {
        escrow::mend(self.store, id, stage)
    }

    /// Does work in a transaction, and takes it back where the state fails.
    fn transaction(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<(), SyncError>,
    ) -> Result<(), SyncError> {
        self.store.begin()?;
        match work(self) {
            Ok(()) => Ok(self.store.commit()?),
            Err(error) => {
                self.store.rollback()?;
                Err(error)
            }
        }
    }
}

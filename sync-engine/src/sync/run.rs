//! A synchronisation from its first object to its last identity, in batches of one transaction each.

use std::collections::BTreeSet;

use super::explain::Explanation;
use super::hold::held_back;
use super::inbound::Pass;
use super::trouble::Trouble;
use super::view::group_named;
use super::{SyncError, SyncMode, SyncReport, Synchronizer};
use crate::escrow;
use crate::observer::{Event, LinkChange, Observer, Phase};
use crate::run::{self, Open, ScopeGroups};
use crate::space::PendingImport;
use crate::store::{EscrowStage, SyncStore, Which};
use crate::{ConnectorId, MetaverseId, SpaceId, StoreError};

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
    /// Systems that have to wait.
    pub(super) held: BTreeSet<ConnectorId>,
    /// The groups by which scopes decide.
    pub(super) groups: ScopeGroups,
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
            held: BTreeSet::new(),
            groups: ScopeGroups::new(),
            trace: None,
        }
    }

    /// Runs to the end.
    ///
    /// Which groups changed, and who may have something to join, is known in memory only: that a run has begun is kept
    /// from before its first change until after its last, and one that finds another unfinished looks at everything.
    pub(super) fn run(mut self, mode: SyncMode) -> Result<SyncReport, SyncError> {
        self.held = held_back(self.sync.rules, &self.lacking()?);
        let (sources, targets) = (self.sync.rules.sources(), self.sync.rules.targets());
        let connectors: BTreeSet<ConnectorId> =
            sources.union(&targets).filter(|id| !self.held.contains(*id)).cloned().collect();
        let found_before = run::scope_groups(&*self.store)?;
        let groups = self.scope_groups(&found_before)?;
        self.groups.clone_from(&groups);
        let reread = self.changed_groups(&groups, &found_before)?;
        let due = self.due()?;
        let open = run::open(&*self.store)?;
        let leaving = run::next_release(&*self.store)?.is_some_and(|look| look <= self.sync.now);
        let full = mode == SyncMode::Full || open.is_some();
        let left = (!self.held.is_empty()).then_some(Open::LeftOut);
        if full || leaving || !due.is_empty() || !reread.is_empty() || self.has_news(&connectors)? {
            self.keep_open(Some(Open::Begun))?;
            if leaving {
                self.mark_leaving()?;
            }
            self.work(&connectors, full, &reread, due)?;
            self.transaction(|run| {
                if groups != found_before {
                    run::keep_scope_groups(run.store, &groups)?;
                }
                Ok(run::keep_open(run.store, left)?)
            })?;
        } else if left.is_some() {
            self.keep_open(left)?;
        }
        Ok(self.report)
    }

    fn keep_open(&mut self, open: Option<Open>) -> Result<(), SyncError> {
        self.transaction(|run| Ok(run::keep_open(run.store, open)?))
    }

    /// Whether a synchronisation of what changed has anything to look at.
    fn has_news(&self, connectors: &BTreeSet<ConnectorId>) -> Result<bool, StoreError> {
        for connector in connectors {
            if !self.store.object_ids(connector, Which::PendingImport, None, 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(!self.store.dirty(None, 1)?.is_empty())
    }

    fn work(
        &mut self,
        connectors: &BTreeSet<ConnectorId>,
        full: bool,
        reread: &BTreeSet<ConnectorId>,
        due: Vec<SpaceId>,
    ) -> Result<(), SyncError> {
        for pass in [Pass::Projecting, Pass::Joining] {
            for connector in connectors {
                let full = full || reread.contains(connector);
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
        if full {
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
                return Ok(());
            }
        }
    }

    /// The systems of which too little is known: those that the caller named, and sources that were never read to their
    /// end.
    fn lacking(&self) -> Result<BTreeSet<ConnectorId>, StoreError> {
        let mut lacking = self.sync.lacking.clone();
        for source in self.sync.rules.sources() {
            if !self.store.connector(&source)?.complete {
                lacking.insert(source);
            }
        }
        Ok(lacking)
    }

    /// The groups by which a scope decides, as they are found now. One that has another name since it was found last is
    /// the same group still.
    pub(super) fn scope_groups(&self, before: &ScopeGroups) -> Result<ScopeGroups, StoreError> {
        let mut groups = ScopeGroups::new();
        for (connector, named) in self.sync.programs.memberships() {
            let found = groups.entry(connector.clone()).or_default();
            for name in named {
                let known = before.get(&connector).and_then(|found| *found.get(&name)?);
                let group = group_named(&*self.store, &connector, &name, known)?;
                found.insert(name, group.map(|group| group.id));
            }
        }
        Ok(groups)
    }

    /// The connectors where a group changed by which a scope decides, or where another one or none is called so now: all
    /// their objects are looked at.
    fn changed_groups(
        &self,
        groups: &ScopeGroups,
        before: &ScopeGroups,
    ) -> Result<BTreeSet<ConnectorId>, StoreError> {
        let mut changed = BTreeSet::new();
        for (connector, found) in groups {
            let mut is_changed = before.get(connector) != Some(found);
            for id in found.values().flatten() {
                let object = self.store.object(*id)?;
                is_changed |= object.is_some_and(|it| it.pending_import != PendingImport::None);
            }
            if is_changed {
                changed.insert(connector.clone());
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
            let mut page = self.store.object_ids(connector, which, after, batch)?;
            let Some(last) = page.last().copied() else { break };
            let ended = page.len() < batch;
            after = Some(last);
            if pass == Pass::Joining {
                page = self.unlinked(page)?;
            }
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

    /// What the first pass left.
    fn unlinked(&self, page: Vec<SpaceId>) -> Result<Vec<SpaceId>, StoreError> {
        let mut left = Vec::new();
        for id in page {
            let outline = self.store.object_outline(id)?;
            left.extend(outline.is_some_and(|it| it.metaverse.is_none()).then_some(id));
        }
        Ok(left)
    }

    fn inbound_list(&mut self, ids: Vec<SpaceId>) -> Result<(), SyncError> {
        for page in ids.chunks(self.sync.batch) {
            self.transaction(|run| {
                for id in page {
                    run.one(*id, Pass::Joining)?;
                    // What went wrong may have been in a target.
                    if let Some(identity) = run.identity_of(*id)? {
                        run.store.mark_dirty(identity)?;
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
        if self.held.contains(&object.connector) {
            return Ok(());
        }
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

    /// The identity that an object belongs to.
    pub(super) fn identity_of(&self, id: SpaceId) -> Result<Option<MetaverseId>, StoreError> {
        Ok(self.store.object_outline(id)?.and_then(|outline| outline.metaverse))
    }

    fn mark_all_dirty(&mut self) -> Result<(), SyncError> {
        let mut after = None;
        loop {
            let page = self.store.metaverse_ids(after, self.sync.batch)?;
            let Some(last) = page.last().copied() else { return Ok(()) };
            after = Some(last);
            self.transaction(|run| {
                Ok(page.into_iter().try_for_each(|id| run.store.mark_dirty(id))?)
            })?;
        }
    }

    /// Has the identities looked at whose objects are to be removed some day, because it is the day for one of them.
    ///
    /// A target that has to wait is looked at later, with everything else.
    fn mark_leaving(&mut self) -> Result<(), SyncError> {
        for target in self.sync.rules.targets() {
            let mut after = None;
            loop {
                let page = self.store.objects(&target, Which::Linked, after, self.sync.batch)?;
                let full = page.len() == self.sync.batch;
                after = page.last().map(|object| object.id);
                let links = page.into_iter().filter_map(|object| object.link);
                let leaving = links.filter(|link| link.released.is_some());
                self.transaction(|run| {
                    for link in leaving {
                        run.store.mark_dirty(link.metaverse)?;
                    }
                    Ok(())
                })?;
                if !full {
                    break;
                }
            }
        }
        // Who looks at them says when they have to be looked at again.
        self.transaction(|run| Ok(run::forget_release(run.store)?))
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

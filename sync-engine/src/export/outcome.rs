//! Keeps what became of writes, and finds out where that is not clear.

use std::collections::BTreeMap;

use super::adopt::{Found, locate_one};
use super::carried::Carried;
use super::values::write_of;
use super::{ExportEnd, ExportError, Told, Work};
use crate::attribute::same_values;
use crate::connector::{ExportFailure, ExportOutcome, Exported, FailureKind, ImportedObject};
use crate::observer::StepStatus;
use crate::plan::Secrets;
use crate::space::{ExportKind, PendingExport, PendingImport, SpaceKind, SpaceObject, Unconfirmed};
use crate::store::EscrowStage;
use crate::undo::{Inverse, UndoReferences, open};
use crate::{Anchor, AttributeName, AttributeSet, SpaceId, Values};

impl Work<'_> {
    /// Keeps writes that happened; gives back creates of which the target told no identifier.
    pub(super) fn keep_done(
        &mut self,
        done: Vec<(SpaceObject, Exported)>,
    ) -> Result<Vec<(SpaceObject, ExportFailure)>, ExportError> {
        let mut nameless = Vec::new();
        let mut named = Vec::with_capacity(done.len());
        for (object, exported) in done {
            let add = object.pending_export.as_ref().is_some_and(|p| p.kind == ExportKind::Add);
            if add && exported.anchor.is_none() {
                let message =
                    "the target did not say which identifier the new object has".to_owned();
                nameless.push((object, ExportFailure { kind: FailureKind::Unknown, message }));
            } else {
                named.push((object, exported));
            }
        }
        for (object, exported) in &named {
            self.record_undo(object, exported)?;
        }
        if !named.is_empty() {
            self.with.undo.flush()?;
            self.transaction(|work| {
                named.iter().try_for_each(|(object, exported)| work.apply(object, exported))
            })?;
        }
        Ok(nameless)
    }

    /// Writes the lines that take a write back; those that are taken back last come first.
    fn record_undo(
        &mut self,
        object: &SpaceObject,
        exported: &Exported,
    ) -> Result<(), ExportError> {
        let Some(pending) = &object.pending_export else { return Ok(()) };
        let secrets = &self.with.options.plan.secrets;
        let inverse = match (pending.kind, &object.anchor) {
            (ExportKind::Add, _) => {
                let Some(anchor) = exported.anchor.clone() else { return Ok(()) };
                // An answer that names an object that is known: nothing was made that could be taken back.
                let known = self.with.store.object_by_anchor(&self.target, &anchor)?;
                if known.is_some_and(|id| id != object.id) {
                    return Ok(());
                }
                // As the target has them, where it said so: it is what tells apart whether somebody changed them.
                let kept = |(name, values): (&AttributeName, &Values)| {
                    let observed = exported.observed.as_ref().map(|all| all.get(name).to_vec());
                    (name.clone(), observed.unwrap_or_else(|| values.clone()))
                };
                let attributes = pending.attributes.iter().map(kept).collect();
                let references =
                    self.carried.get(&object.id).map(Carried::references).unwrap_or_default();
                Inverse::Remove { anchor, attributes: open(&attributes, secrets), references }
            }
            (ExportKind::Update | ExportKind::Disable, Some(anchor)) => {
                let names = || pending.attributes.iter().filter(|(name, _)| !secrets.holds(name));
                Inverse::Change {
                    anchor: anchor.clone(),
                    attributes: names()
                        .map(|(name, _)| (name.clone(), object.hologram.get(name).to_vec()))
                        .collect(),
                    written: names().map(|(name, after)| (name.clone(), after.clone())).collect(),
                    references: BTreeMap::new(),
                }
            }
            (ExportKind::Delete | ExportKind::DeleteAdd, Some(anchor)) => {
                let attributes = open(&object.hologram, secrets);
                let anchor = anchor.clone();
                self.record_references(object, &anchor)?;
                Inverse::Recreate { anchor, attributes }
            }
            (
                ExportKind::Update
                | ExportKind::Disable
                | ExportKind::Delete
                | ExportKind::DeleteAdd,
                None,
            ) => {
                return Ok(());
            }
        };
        let entry = self.undo_entry(object, inverse);
        Ok(self.with.undo.record(&entry)?)
    }

    /// The references of an object that is gone, and those to it.
    fn record_references(
        &mut self,
        object: &SpaceObject,
        anchor: &Anchor,
    ) -> Result<(), ExportError> {
        let chunk = self.with.options.reference_batch.max(1);
        for (attribute, _) in self.with.store.edge_counts(object.id)? {
            let mut after = None;
            loop {
                let page = self.with.store.edges(object.id, &attribute, after, chunk)?;
                let mut add = Vec::new();
                for to in &page {
                    add.extend(self.anchor_of(*to)?);
                }
                if !add.is_empty() {
                    let inverse = refer(anchor.clone(), attribute.clone(), add);
                    let entry = self.undo_entry(object, inverse);
                    self.with.undo.record(&entry)?;
                }
                match page.last() {
                    Some(last) if page.len() == chunk => after = Some(*last),
                    _ => break,
                }
            }
        }
        let mut after = None;
        loop {
            let page = self.with.store.referrers(object.id, after, chunk)?;
            for (from, attribute) in &page {
                let Some(referrer) = self.with.store.object(*from)? else { continue };
                let Some(its) = referrer.anchor.clone() else { continue };
                let inverse = refer(its, attribute.clone(), vec![anchor.clone()]);
                let entry = self.undo_entry(&referrer, inverse);
                self.with.undo.record(&entry)?;
            }
            match page.last() {
                Some(last) if page.len() == chunk => after = Some(last.clone()),
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn anchor_of(&self, id: SpaceId) -> Result<Option<Anchor>, ExportError> {
        Ok(self.with.store.object_outline(id)?.and_then(|object| object.anchor))
    }

    /// Keeps one write that happened. Called within a transaction.
    fn apply(&mut self, object: &SpaceObject, exported: &Exported) -> Result<(), ExportError> {
        let Some(pending) = object.pending_export.clone() else { return Ok(()) };
        let mut changes = self.property_changes(object, &pending.attributes);
        let mut stored = object.clone();
        match pending.kind {
            ExportKind::Add => {
                if let Some(anchor) = &exported.anchor
                    && let Some(id) = self.with.store.object_by_anchor(&self.target, anchor)?
                    && id != object.id
                {
                    return self.answered_with_another(object, anchor, id, exported);
                }
                stored.anchor.clone_from(&exported.anchor);
                stored.kind = SpaceKind::Staged;
                self.report.created += 1;
            }
            ExportKind::Update => self.report.updated += 1,
            ExportKind::Disable => self.report.disabled += 1,
            ExportKind::Delete | ExportKind::DeleteAdd => {
                self.report.deleted += 1;
                self.removed(object)?;
                self.tell(Told {
                    object,
                    action: pending.kind,
                    status: StepStatus::Success,
                    changes: Vec::new(),
                    message: &pending.reason,
                });
                return Ok(());
            }
        }
        for (name, values) in &pending.attributes {
            if !Secrets::is_write_only(name) {
                stored.hologram.set(name.clone(), values.clone());
            }
        }
        stored.version.clone_from(&exported.version);
        stored.pending_export = rest(&pending);
        if let Some(carried) = self.carried.remove(&object.id) {
            self.keep_carried(&mut stored, &carried, exported)?;
            changes.extend(carried.changes());
        }
        self.confirm(&mut stored, &pending.attributes, exported.observed.as_ref())?;
        self.tell(Told {
            object: &stored,
            action: pending.kind,
            status: StepStatus::Success,
            changes,
            message: &pending.reason,
        });
        Ok(())
    }

    /// A create was answered with an object that is known: the target has taken it for one that it had.
    fn answered_with_another(
        &mut self,
        object: &SpaceObject,
        anchor: &Anchor,
        id: SpaceId,
        exported: &Exported,
    ) -> Result<(), ExportError> {
        let Some(other) = self.with.store.object(id)? else { return Ok(()) };
        let mut attributes = other.hologram.clone();
        for (name, values) in object.pending_export.iter().flat_map(|pending| &pending.attributes) {
            if !Secrets::is_write_only(name) {
                attributes.set(name.clone(), values.clone());
            }
        }
        let found = ImportedObject {
            anchor: anchor.clone(),
            dn: other.dn.clone(),
            object_type: crate::plan::type_of(object),
            scope: other.scope.clone(),
            attributes,
            references: BTreeMap::new(),
            version: exported.version.clone(),
        };
        self.adopt(object, &found, &AttributeName::new("the answer to its creation"))
    }

    /// Compares what the target answered with what was written, and keeps the object.
    ///
    /// What the answer shows is known, whether it is what was written or not, and is not judged again by the next import:
    /// only what no answer showed is unconfirmed.
    fn confirm(
        &mut self,
        stored: &mut SpaceObject,
        written: &BTreeMap<AttributeName, Values>,
        observed: Option<&AttributeSet>,
    ) -> Result<(), ExportError> {
        let open = || written.iter().filter(|(name, _)| !Secrets::is_write_only(name));
        let before = stored.unconfirmed.take();
        let (mut attributes, mut mismatches) = before
            .map_or_else(|| (BTreeMap::new(), 0), |before| (before.attributes, before.mismatches));
        let mut other: Vec<&str> = Vec::new();
        for (name, values) in open() {
            let Some(observed) = observed else {
                attributes.insert(name.clone(), values.clone());
                continue;
            };
            attributes.remove(name);
            if !same_values(observed.get(name), values) {
                other.push(name.as_str());
                stored.hologram.set(name.clone(), observed.get(name).to_vec());
            }
        }
        if !other.is_empty() {
            mismatches = mismatches.saturating_add(1);
        }
        let is_told = observed.is_some() && other.is_empty() && attributes.is_empty();
        if !is_told && (!attributes.is_empty() || mismatches > 0) {
            let at = (self.with.now)();
            stored.unconfirmed = Some(Unconfirmed { at, attributes, mismatches });
        }
        self.put(stored)?;
        if !other.is_empty()
            && let Some(link) = &stored.link
        {
            self.with.store.mark_dirty(link.metaverse)?;
        }
        if is_told || mismatches < Unconfirmed::MISMATCHES {
            return self.mended(stored);
        }
        if other.is_empty() {
            // It has been in vain too often: the entry, and with it the schedule, stays until the write is read back.
            return Ok(());
        }
        let message = format!(
            "the target takes {} and answers with other values each time; map what it accepts, or leave it out",
            other.join(", ")
        );
        self.fail(stored, EscrowStage::Export, &message)
    }

    fn mended(&mut self, object: &SpaceObject) -> Result<(), ExportError> {
        Ok(crate::escrow::mend(self.with.store, object.id, EscrowStage::Export)?)
    }

    /// An object is gone from the target because it was asked to be. One of another type is made in its place by the next
    /// synchronisation, which looks at its identity. Called within a transaction.
    fn removed(&mut self, object: &SpaceObject) -> Result<(), ExportError> {
        let store = &mut *self.with.store;
        let link = object.link.clone();
        store.remove_object(object.id)?;
        if let Some(link) = link {
            if store.links(link.metaverse)?.is_empty() {
                store.clear_dirty(link.metaverse)?;
                store.remove_metaverse(link.metaverse)?;
            } else {
                store.mark_dirty(link.metaverse)?;
            }
        }
        Ok(())
    }

    /// Finds out what has to be done about a write that failed.
    pub(super) async fn follow_up(
        &mut self,
        mut object: SpaceObject,
        mut failure: ExportFailure,
    ) -> Result<(), ExportError> {
        let mut retried = false;
        loop {
            let Some(kind) = object.pending_export.as_ref().map(|pending| pending.kind) else {
                return Ok(());
            };
            let add = kind == ExportKind::Add;
            let delete = matches!(kind, ExportKind::Delete | ExportKind::DeleteAdd);
            // It may be a reference that is not taken, and an object is worth more than its references.
            let bare = add
                && matches!(failure.kind, FailureKind::Refused | FailureKind::Missing)
                && self.carried.remove(&object.id).is_some();
            if bare {
                match self.send_again(&object).await? {
                    Some(again) => {
                        failure = again;
                        continue;
                    }
                    None => return Ok(()),
                }
            }
            match failure.kind {
                FailureKind::Busy => {
                    self.not_begun(std::slice::from_ref(&object))?;
                    self.report.ended = Some(ExportEnd::Busy(failure.message));
                    return Ok(());
                }
                FailureKind::NotUnique | FailureKind::Unknown if add => {
                    return self.made_already(&object, &failure).await;
                }
                FailureKind::Refused | FailureKind::Forbidden | FailureKind::NotUnique => {
                    return self.transaction(|work| work.refused(&object, &failure.message));
                }
                FailureKind::Missing if delete => {
                    self.keep_done(vec![(object, Exported::default())])?;
                    return Ok(());
                }
                FailureKind::Missing | FailureKind::Changed | FailureKind::Unknown => {}
            }
            let Some(anchor) = object.anchor.clone() else {
                return self.leave(&object, &failure.message);
            };
            let read = self
                .with
                .connector
                .read(std::slice::from_ref(&anchor), &self.with.options.shape)
                .await;
            let Ok(mut read) = read else { return self.leave(&object, &failure.message) };
            let Some(found) = read.pop() else {
                if delete {
                    self.keep_done(vec![(object, Exported::default())])?;
                    return Ok(());
                }
                return self.gone(&object);
            };
            if failure.kind == FailureKind::Missing {
                let message =
                    "the target says that the object is not there, and shows it when it is read";
                return self.transaction(|work| work.refused(&object, message));
            }
            if !delete && self.happened(&object, &found)? {
                return Ok(());
            }
            object = self.refresh(object, &found)?;
            if retried || failure.kind == FailureKind::Unknown {
                return self.leave(&object, &failure.message);
            }
            retried = true;
            match self.send_again(&object).await? {
                Some(again) => failure = again,
                None => return Ok(()),
            }
        }
    }

    /// Sends one write anew, without references; gives back how it failed, where it did.
    async fn send_again(
        &mut self,
        object: &SpaceObject,
    ) -> Result<Option<ExportFailure>, ExportError> {
        let Some(write) = write_of(object) else {
            let message = "it is not known which object of the target this is";
            self.leave(object, message)?;
            return Ok(None);
        };
        match self.with.connector.export(vec![write]).await.map(|mut outcomes| outcomes.pop()) {
            Ok(Some(ExportOutcome::Done(exported))) => {
                let nameless = self.keep_done(vec![(object.clone(), exported)])?;
                Ok(nameless.into_iter().next().map(|(_, failure)| failure))
            }
            Ok(Some(ExportOutcome::Failed(again))) => Ok(Some(again)),
            Ok(None) => {
                self.leave(object, "the target left the write without an answer")?;
                Ok(None)
            }
            Err(error) => {
                self.broken(&error);
                self.not_begun(std::slice::from_ref(object))?;
                Ok(None)
            }
        }
    }

    /// A create that failed because something is there, or that may have happened.
    async fn made_already(
        &mut self,
        object: &SpaceObject,
        failure: &ExportFailure,
    ) -> Result<(), ExportError> {
        let found = locate_one(self.with.connector, self.with.options, object).await;
        match found {
            Found::One(one, by) => self.transaction(|work| work.adopt(object, &one, &by)),
            Found::Several(message) => self.transaction(|work| work.refused(object, &message)),
            // The mark stays, so the next cycle looks again before it makes the object.
            Found::None { .. } | Found::Error(_) if failure.kind == FailureKind::Unknown => {
                self.leave(object, &failure.message)
            }
            Found::None { .. } | Found::Error(_) => {
                self.transaction(|work| work.refused(object, &failure.message))
            }
        }
    }

    /// Whether a read shows that a write happened after all; then it is kept as such.
    fn happened(
        &mut self,
        object: &SpaceObject,
        found: &ImportedObject,
    ) -> Result<bool, ExportError> {
        let Some(pending) = &object.pending_export else { return Ok(true) };
        let all = pending.attributes.iter().all(|(name, values)| {
            !Secrets::is_write_only(name) && same_values(found.attributes.get(name), values)
        });
        if all {
            let exported = Exported {
                version: found.version.clone(),
                observed: Some(found.attributes.clone()),
                ..Exported::default()
            };
            self.keep_done(vec![(object.clone(), exported)])?;
        }
        Ok(all)
    }

    /// Takes in what a read showed, and leaves out of the write what is there already.
    fn refresh(
        &mut self,
        mut object: SpaceObject,
        found: &ImportedObject,
    ) -> Result<SpaceObject, ExportError> {
        object.hologram = found.attributes.clone();
        object.version.clone_from(&found.version);
        if let Some(pending) = &mut object.pending_export
            && matches!(pending.kind, ExportKind::Update | ExportKind::Disable)
        {
            pending
                .attributes
                .retain(|name, values| !same_values(object.hologram.get(name), values));
        }
        self.transaction(|work| {
            work.put(&object)?;
            let news = work.edges_as_found(&object, found)?;
            if work.takes_away(&object, &news)? {
                work.settled.insert(object.id);
            }
            if let Some(link) = &object.link {
                work.with.store.mark_dirty(link.metaverse)?;
            }
            Ok(())
        })?;
        Ok(object)
    }

    /// An object is gone from the target without being asked to: the next synchronisation sees that and decides.
    pub(super) fn gone(&mut self, object: &SpaceObject) -> Result<(), ExportError> {
        self.report.left += 1;
        self.settled.insert(object.id);
        self.transaction(|work| {
            let Some(mut stored) = work.with.store.object(object.id)? else { return Ok(()) };
            stored.pending_export = None;
            stored.pending_import = PendingImport::Delete;
            work.put(&stored)?;
            if let Some(link) = &stored.link {
                work.with.store.mark_dirty(link.metaverse)?;
            }
            let message = "the object is gone from the target; the next synchronisation decides what becomes of it";
            let action = object.pending_export.as_ref().map_or(ExportKind::Update, |p| p.kind);
            work.tell(Told { object, action, status: StepStatus::Warning, changes: Vec::new(), message });
            Ok(())
        })
    }

    /// Leaves a write for the next cycle.
    pub(super) fn leave(&mut self, object: &SpaceObject, message: &str) -> Result<(), ExportError> {
        self.report.left += 1;
        self.settled.insert(object.id);
        let action = object.pending_export.as_ref().map_or(ExportKind::Update, |p| p.kind);
        self.tell(Told {
            object,
            action,
            status: StepStatus::Warning,
            changes: Vec::new(),
            message,
        });
        Ok(())
    }
}

/// What is left of a pending export when its values are written.
fn rest(pending: &PendingExport) -> Option<PendingExport> {
    (!pending.references.is_empty()).then(|| PendingExport {
        kind: ExportKind::Update,
        attributes: BTreeMap::new(),
        references: pending.references.clone(),
        reason: pending.reason.clone(),
        sent: None,
    })
}

fn refer(anchor: Anchor, attribute: AttributeName, add: Vec<Anchor>) -> Inverse {
    Inverse::Change {
        anchor,
        attributes: BTreeMap::new(),
        written: BTreeMap::new(),
        references: BTreeMap::from([(attribute, UndoReferences { add, remove: Vec::new() })]),
    }
}

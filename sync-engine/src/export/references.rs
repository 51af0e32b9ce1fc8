//! Sends references, when all that they refer to is there: a batch of objects at a time, each in pieces, so that a group of
//! a million members needs no more memory than a small one.

use std::collections::{BTreeMap, BTreeSet};

use super::{ExportEnd, ExportError, Told, Work};
use crate::connector::{
    ExportFailure, ExportOperation, ExportOutcome, ExportWrite, Exported, FailureKind,
    ReferenceEdit,
};
use crate::observer::{PropertyChange, StepStatus};
use crate::plan::references::{Edit, Edits, leaves};
use crate::plan::{hold, type_of};
use crate::space::{ExportKind, SpaceObject};
use crate::store::{EscrowStage, Which};
use crate::undo::{Inverse, UndoReferences};
use crate::{Anchor, AttributeName, AttributeValue, SpaceId};

const PAGE: usize = 500;
/// How many references of a write the log names one by one.
const NAMED: usize = 20;

/// An object whose references are being written.
struct Group {
    object: SpaceObject,
    open: Vec<(AttributeName, Edits)>,
    /// Whether a piece was written.
    written: bool,
    /// References that wait for their objects.
    waiting: bool,
    retried: bool,
}

/// One piece: what is sent, and the rows that it is about.
#[derive(Default)]
struct Piece {
    edits: BTreeMap<AttributeName, ReferenceEdit>,
    added: Vec<(AttributeName, SpaceId, Anchor)>,
    removed: Vec<(AttributeName, SpaceId)>,
}

impl Work<'_> {
    /// Carries out the phase of references.
    pub(super) async fn references(&mut self) -> Result<(), ExportError> {
        let mut after = None;
        let mut batch = Vec::new();
        loop {
            let page = self.with.store.objects(&self.target, Which::PendingExport, after, PAGE)?;
            let last = page.len() < PAGE;
            for object in page {
                after = Some(object.id);
                batch.extend(self.group(object)?);
                if batch.len() >= self.pace.size {
                    let began = self.now();
                    self.groups(std::mem::take(&mut batch)).await?;
                    self.pace.learn(self.now() - began);
                    if self.over() {
                        return Ok(());
                    }
                }
            }
            if last {
                break;
            }
        }
        if !batch.is_empty() {
            self.groups(batch).await?;
        }
        Ok(())
    }

    fn group(&self, object: SpaceObject) -> Result<Option<Group>, ExportError> {
        let Some(pending) = &object.pending_export else { return Ok(None) };
        if pending.references.is_empty()
            || leaves(&object)
            || object.anchor.is_none()
            || self.settled.contains(&object.id)
            || hold(self.with.store, object.id, self.now())?.is_some()
        {
            return Ok(None);
        }
        let mut open = Vec::new();
        for attribute in &pending.references {
            let edits = Edits::of(self.with.references, self.with.store, &object, attribute)?;
            open.extend(edits.map(|edits| (attribute.clone(), edits)));
        }
        // The last one is taken first.
        open.reverse();
        Ok(Some(Group { object, open, written: false, waiting: false, retried: false }))
    }

    /// Writes the references of some objects, a piece of each at a time.
    async fn groups(&mut self, mut groups: Vec<Group>) -> Result<(), ExportError> {
        while !groups.is_empty() {
            if self.over() {
                return Ok(());
            }
            let mut pieces = Vec::new();
            let mut under_way = Vec::new();
            let mut finished = Vec::new();
            for mut group in groups {
                let piece = self.piece(&mut group)?;
                if piece.edits.is_empty() {
                    finished.push(group);
                } else {
                    pieces.push(piece);
                    under_way.push(group);
                }
            }
            self.finish(finished)?;
            if under_way.is_empty() {
                return Ok(());
            }
            groups = self.send(under_way, pieces).await?;
        }
        Ok(())
    }

    /// The next piece of an object's references; empty where there is nothing left to write.
    fn piece(&mut self, group: &mut Group) -> Result<Piece, ExportError> {
        let mut piece = Piece::default();
        let mut room = self.with.options.reference_batch.max(1);
        while room > 0 {
            let Some((attribute, edits)) = group.open.last_mut() else { break };
            let Some(edit) = edits.next(self.with.store)? else {
                group.open.pop();
                continue;
            };
            let (Edit::Add(id) | Edit::Remove(id)) = edit;
            let Some(other) = self.with.store.object_outline(id)? else { continue };
            if edits.comes_by_itself(edit, &other) {
                continue;
            }
            let Some(anchor) = other.anchor else {
                group.waiting = true;
                continue;
            };
            let sent = piece.edits.entry(attribute.clone()).or_default();
            if matches!(edit, Edit::Add(_)) {
                sent.add.push(anchor.clone());
                piece.added.push((attribute.clone(), id, anchor));
            } else {
                sent.remove.push(anchor);
                piece.removed.push((attribute.clone(), id));
            }
            room -= 1;
        }
        Ok(piece)
    }

    async fn send(
        &mut self,
        groups: Vec<Group>,
        pieces: Vec<Piece>,
    ) -> Result<Vec<Group>, ExportError> {
        let writes = groups
            .iter()
            .zip(&pieces)
            .filter_map(|(group, piece)| write_of(&group.object, &piece.edits))
            .collect();
        let outcomes = match self.with.connector.export(writes).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.broken(&error);
                return Ok(Vec::new());
            }
        };
        if outcomes.len() < groups.len() {
            let silent = groups.len() - outcomes.len();
            self.report.ended = Some(ExportEnd::Broken(format!(
                "the target left {silent} writes without an answer"
            )));
        }
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for ((group, piece), outcome) in groups.into_iter().zip(pieces).zip(outcomes) {
            match outcome {
                ExportOutcome::Done(exported) => done.push((group, piece, exported)),
                ExportOutcome::Failed(failure) => failed.push((group, piece, failure)),
            }
        }
        let mut left = self.keep(done)?;
        for (group, piece, failure) in failed {
            left.extend(self.follow_up_references(group, piece, failure).await?);
        }
        Ok(left)
    }

    fn keep(&mut self, done: Vec<(Group, Piece, Exported)>) -> Result<Vec<Group>, ExportError> {
        for (group, piece, exported) in &done {
            let Some(anchor) = group.object.anchor.clone() else { continue };
            let refused = refused(exported);
            let mut references: BTreeMap<AttributeName, UndoReferences> = BTreeMap::new();
            for (attribute, edit) in &piece.edits {
                let mut inverse = UndoReferences::of(edit);
                inverse.remove.retain(|to| !refused.contains(&(attribute, to)));
                references.insert(attribute.clone(), inverse);
            }
            let inverse = Inverse::Change {
                anchor,
                attributes: BTreeMap::new(),
                written: BTreeMap::new(),
                references,
            };
            let entry = self.undo_entry(&group.object, inverse);
            self.with.undo.record(&entry)?;
        }
        if done.is_empty() {
            return Ok(Vec::new());
        }
        self.with.undo.flush()?;
        self.transaction(|work| {
            done.into_iter()
                .map(|(group, piece, exported)| work.keep_piece(group, &piece, &exported))
                .collect()
        })
    }

    fn keep_piece(
        &mut self,
        mut group: Group,
        piece: &Piece,
        exported: &Exported,
    ) -> Result<Group, ExportError> {
        let id = group.object.id;
        let refused = refused(exported);
        for (attribute, to, anchor) in &piece.added {
            if !refused.contains(&(attribute, anchor)) {
                self.with.store.add_edge(id, attribute, *to)?;
            }
        }
        for (attribute, to) in &piece.removed {
            self.unrefer(id, attribute, *to)?;
        }
        group.object.version.clone_from(&exported.version);
        self.put(&group.object)?;
        group.retried = false;
        if !group.written {
            group.written = true;
            self.report.references += 1;
        }
        let reason = group
            .object
            .pending_export
            .as_ref()
            .map(|pending| pending.reason.clone())
            .unwrap_or_default();
        let status = if refused.is_empty() { StepStatus::Success } else { StepStatus::Warning };
        self.tell(Told {
            object: &group.object,
            action: ExportKind::Update,
            status,
            changes: changes(&piece.edits),
            message: &reason,
        });
        if let Some(first) = exported.refused.first() {
            let message = format!(
                "the target would not take {} of the references ({} {}: {})",
                exported.refused.len(),
                first.attribute,
                crate::plan::one_line(first.anchor.as_str()),
                first.message
            );
            self.fail(&group.object, EscrowStage::Reference, &message)?;
            group.waiting = true;
        }
        Ok(group)
    }

    async fn follow_up_references(
        &mut self,
        mut group: Group,
        piece: Piece,
        failure: ExportFailure,
    ) -> Result<Option<Group>, ExportError> {
        let Some(anchor) = group.object.anchor.clone() else { return Ok(None) };
        match failure.kind {
            FailureKind::Busy => {
                self.report.ended = Some(ExportEnd::Busy(failure.message));
                return Ok(None);
            }
            FailureKind::Refused | FailureKind::NotUnique | FailureKind::Forbidden => {
                self.transaction(|work| {
                    work.fail(&group.object, EscrowStage::Reference, &failure.message)?;
                    work.tell(Told {
                        object: &group.object,
                        action: ExportKind::Update,
                        status: StepStatus::Failure,
                        changes: changes(&piece.edits),
                        message: &failure.message,
                    });
                    Ok(())
                })?;
                return Ok(None);
            }
            FailureKind::Missing | FailureKind::Changed | FailureKind::Unknown => {}
        }
        let options = self.with.options;
        let read = self.with.connector.read(std::slice::from_ref(&anchor), &options.shape).await;
        let Ok(mut read) = read else {
            self.leave(&group.object, &failure.message)?;
            return Ok(None);
        };
        let Some(found) = read.pop() else {
            self.gone(&group.object)?;
            return Ok(None);
        };
        if failure.kind == FailureKind::Missing {
            // The object is there: it is one of those that it was to refer to that is not.
            let known: BTreeSet<SpaceId> = piece.added.iter().map(|(_, id, _)| *id).collect();
            self.missing_members(&known).await?;
            self.leave(&group.object, &failure.message)?;
            return Ok(None);
        }
        group.object.hologram = found.attributes.clone();
        group.object.version.clone_from(&found.version);
        let news = self.transaction(|work| {
            work.put(&group.object)?;
            let news = work.edges_as_found(&group.object, &found)?;
            if let Some(link) = &group.object.link {
                work.with.store.mark_dirty(link.metaverse)?;
            }
            Ok(news)
        })?;
        if group.retried || self.takes_away(&group.object, &news)? {
            self.leave(&group.object, &failure.message)?;
            return Ok(None);
        }
        let again = self.group(group.object)?;
        Ok(again.map(|again| Group { retried: true, written: group.written, ..again }))
    }

    /// Whether some of these references would be taken away. Where nobody knew of them no plan says so, and nobody has
    /// seen it: they wait for the next plan.
    pub(super) fn takes_away(
        &self,
        object: &SpaceObject,
        news: &BTreeSet<(AttributeName, SpaceId)>,
    ) -> Result<bool, ExportError> {
        let attributes: BTreeSet<&AttributeName> = news.iter().map(|(name, _)| name).collect();
        for attribute in attributes {
            let found = Edits::of(self.with.references, self.with.store, object, attribute)?;
            let Some(mut edits) = found else { continue };
            while let Some(edit) = edits.next(self.with.store)? {
                if let Edit::Remove(id) = edit
                    && news.contains(&(attribute.clone(), id))
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Reads the objects that a group was to refer to: those that are gone are told to the next synchronisation.
    async fn missing_members(&mut self, members: &BTreeSet<SpaceId>) -> Result<(), ExportError> {
        let mut objects = Vec::new();
        for id in members {
            objects.extend(self.with.store.object(*id)?.filter(|object| object.anchor.is_some()));
        }
        let anchors: Vec<Anchor> =
            objects.iter().filter_map(|object| object.anchor.clone()).collect();
        let shape = &self.with.options.shape;
        let Ok(read) = self.with.connector.read(&anchors, shape).await else { return Ok(()) };
        let there: BTreeSet<Anchor> = read.into_iter().map(|found| found.anchor).collect();
        for object in objects {
            if object.anchor.as_ref().is_some_and(|anchor| !there.contains(anchor)) {
                self.gone(&object)?;
            }
        }
        Ok(())
    }

    /// Ends the work on objects that have no piece left, in one transaction: a commit waits for the disk.
    fn finish(&mut self, groups: Vec<Group>) -> Result<(), ExportError> {
        let done: Vec<_> = groups.into_iter().filter(|group| !group.waiting).collect();
        if done.is_empty() {
            return Ok(());
        }
        self.transaction(|work| {
            for Group { mut object, .. } in done {
                if let Some(pending) = &mut object.pending_export {
                    pending.references.clear();
                    if pending.kind == ExportKind::Update && pending.attributes.is_empty() {
                        object.pending_export = None;
                    }
                }
                work.put(&object)?;
                crate::escrow::mend(work.with.store, object.id, EscrowStage::Reference)?;
            }
            Ok(())
        })
    }
}

fn write_of(
    object: &SpaceObject,
    edits: &BTreeMap<AttributeName, ReferenceEdit>,
) -> Option<ExportWrite> {
    Some(ExportWrite {
        object: object.id,
        object_type: type_of(object),
        operation: ExportOperation::Update {
            anchor: object.anchor.clone()?,
            version: object.version.clone(),
            current: object.hologram.clone(),
            attributes: BTreeMap::new(),
            references: edits.clone(),
        },
    })
}

/// The references that the target would not take.
pub(super) fn refused(exported: &Exported) -> BTreeSet<(&AttributeName, &Anchor)> {
    exported.refused.iter().map(|refused| (&refused.attribute, &refused.anchor)).collect()
}

/// References as the log shows them: what came and what went, and beyond some only how many.
pub(super) fn changes(edits: &BTreeMap<AttributeName, ReferenceEdit>) -> Vec<PropertyChange> {
    let named = |anchors: &[Anchor]| {
        let mut values: Vec<AttributeValue> =
            anchors.iter().take(NAMED).map(|anchor| anchor.as_str().into()).collect();
        if anchors.len() > NAMED {
            values.push(AttributeValue::text(format!("... and {} more", anchors.len() - NAMED)));
        }
        values
    };
    edits
        .iter()
        .map(|(attribute, edit)| PropertyChange {
            attribute: attribute.clone(),
            old: named(&edit.remove),
            new: named(&edit.add),
        })
        .collect()
}

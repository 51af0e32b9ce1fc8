//! Sends what is about single objects: creates, updates, disables, deletes.

use std::collections::BTreeSet;
use std::pin::Pin;

use chrono::{DateTime, Utc};
use futures::future::{self, BoxFuture, FutureExt as _, MaybeDone};

use super::adopt::{Found, locate};
use super::{ExportEnd, ExportError, Told, Work};
use crate::connector::{
    AttributeEdit, ConnectorError, ExportOperation, ExportOutcome, ExportWrite, Exported,
};
use crate::metaverse::Life;
use crate::observer::StepStatus;
use crate::plan::references::leaves;
use crate::plan::{Phase, hold, type_of, value_step};
use crate::space::{ExportKind, PendingExport, SpaceObject};
use crate::store::{EscrowStage, Which};
use crate::{Anchor, ObjectType, SpaceId};

const PAGE: usize = 500;

type Answer = Result<Vec<ExportOutcome>, ConnectorError>;

/// Writes that are marked as sent and are about to be.
struct Batch {
    objects: Vec<SpaceObject>,
    writes: Vec<ExportWrite>,
}

/// Writes that were sent.
pub(super) struct Flight<'a> {
    objects: Vec<SpaceObject>,
    sending: Pin<Box<MaybeDone<BoxFuture<'a, Answer>>>>,
    began: DateTime<Utc>,
}

/// Whether each write of a batch happened.
fn all_done(objects: &[SpaceObject], outcomes: &[ExportOutcome]) -> bool {
    objects.len() == outcomes.len()
        && outcomes.iter().all(|outcome| matches!(outcome, ExportOutcome::Done(_)))
}

impl<'a> Work<'a> {
    /// Finds out about all writes that were broken off, as far as that matters: objects that were being made, and objects
    /// that were being removed.
    pub(super) async fn recover(&mut self) -> Result<(), ExportError> {
        let mut after = None;
        loop {
            let page = self.with.store.objects(&self.target, Which::PendingExport, after, PAGE)?;
            let Some(last) = page.last().map(|object| object.id) else { return Ok(()) };
            let ended = page.len() < PAGE;
            after = Some(last);
            let (making, other): (Vec<_>, Vec<_>) =
                page.into_iter().filter(was_sent).partition(|object| object.anchor.is_none());
            let Some(unmade) = self.not_there_yet(making).await? else { return Ok(()) };
            self.transaction(|work| {
                for object in &unmade {
                    work.clear_sent(object)?;
                    if let Some(link) = &object.link {
                        work.with.store.mark_dirty(link.metaverse)?;
                    }
                }
                Ok(())
            })?;
            let removing: Vec<_> = other.into_iter().filter(leaves).collect();
            if !self.removed_already(removing).await? || ended || self.over() {
                return Ok(());
            }
        }
    }

    /// Keeps that objects are gone whose removal was broken off after it happened; whether the target could be asked.
    async fn removed_already(&mut self, objects: Vec<SpaceObject>) -> Result<bool, ExportError> {
        if objects.is_empty() {
            return Ok(true);
        }
        let anchors: Vec<Anchor> =
            objects.iter().filter_map(|object| object.anchor.clone()).collect();
        match self.with.connector.read(&anchors, &self.with.options.shape).await {
            Ok(read) => {
                let there: BTreeSet<Anchor> = read.into_iter().map(|found| found.anchor).collect();
                let gone = |object: &SpaceObject| {
                    object.anchor.as_ref().is_some_and(|anchor| !there.contains(anchor))
                };
                let gone = objects.into_iter().filter(gone);
                self.keep_done(gone.map(|object| (object, Exported::default())).collect())?;
                Ok(true)
            }
            Err(error) => {
                self.broken(&error);
                Ok(false)
            }
        }
    }

    /// Carries out one phase for one type. While a batch is under way, what became of the one before is kept and the next
    /// one is read.
    pub(super) async fn values(
        &mut self,
        phase: Phase,
        object_type: &ObjectType,
    ) -> Result<(), ExportError> {
        let mut after = None;
        let mut batch = Vec::new();
        let mut flight = None;
        'pages: loop {
            let page = self.with.store.objects(&self.target, Which::PendingExport, after, PAGE)?;
            let last = page.len() < PAGE;
            for object in page {
                after = Some(object.id);
                if self.is_for(phase, object_type, &object)? {
                    batch.push(object);
                }
                if batch.len() >= self.pace.size {
                    flight = self.next(flight, std::mem::take(&mut batch)).await?;
                    if self.report.ended.is_some() {
                        break 'pages;
                    }
                }
            }
            if last {
                break;
            }
        }
        if !batch.is_empty() && self.report.ended.is_none() {
            flight = self.next(flight, batch).await?;
        }
        match flight {
            Some(flight) => self.land(flight).await,
            None => Ok(()),
        }
    }

    /// Prepares a batch while the one before is under way, and sends it as soon as that one has its answers.
    async fn next(
        &mut self,
        before: Option<Flight<'a>>,
        objects: Vec<SpaceObject>,
    ) -> Result<Option<Flight<'a>>, ExportError> {
        let prepared = if self.over() { None } else { self.prepare(objects).await? };
        let Some(before) = before else {
            return prepared.map(|batch| self.send_off(batch)).transpose();
        };
        let (before, answer) = self.answered(before).await;
        match answer {
            // Nothing that happened to these decides about what follows.
            Ok(outcomes) if all_done(&before, &outcomes) && !self.over() => {
                self.made(&before, &outcomes)?;
                let flight = prepared.map(|batch| self.send_off(batch)).transpose()?;
                self.landed(before, Ok(outcomes)).await?;
                Ok(flight)
            }
            answer => {
                self.landed(before, answer).await?;
                let Some(batch) = prepared else { return Ok(None) };
                if self.over() {
                    self.not_begun(&batch.objects)?;
                    return Ok(None);
                }
                self.send_off(batch).map(Some)
            }
        }
    }

    /// Waits for the answers to a batch and keeps them.
    async fn land(&mut self, flight: Flight<'a>) -> Result<(), ExportError> {
        let (objects, answer) = self.answered(flight).await;
        self.landed(objects, answer).await
    }

    async fn answered(&mut self, mut flight: Flight<'a>) -> (Vec<SpaceObject>, Answer) {
        flight.sending.as_mut().await;
        let answer = flight.sending.as_mut().take_output().unwrap_or_else(|| Ok(Vec::new()));
        if flight.objects.len() >= self.pace.size {
            self.pace.learn(self.now() - flight.began);
        }
        (flight.objects, answer)
    }

    async fn landed(
        &mut self,
        objects: Vec<SpaceObject>,
        answer: Answer,
    ) -> Result<(), ExportError> {
        let ids: Vec<SpaceId> = objects.iter().map(|object| object.id).collect();
        match answer {
            Ok(outcomes) => self.settle(objects, outcomes).await?,
            Err(error) => {
                self.broken(&error);
                self.not_begun(&objects)?;
            }
        }
        for id in ids {
            self.carried.remove(&id);
            self.made.remove(&id);
        }
        Ok(())
    }

    /// Remembers which objects are there now, for references to them, until that is kept.
    fn made(
        &mut self,
        objects: &[SpaceObject],
        outcomes: &[ExportOutcome],
    ) -> Result<(), ExportError> {
        for (object, outcome) in objects.iter().zip(outcomes) {
            let ExportOutcome::Done(Exported { anchor: Some(anchor), .. }) = outcome else {
                continue;
            };
            // One that is known already is another object, and what comes of that is not known yet.
            if object.anchor.is_none()
                && self.with.store.object_by_anchor(&self.target, anchor)?.is_none()
            {
                self.made.insert(object.id, anchor.clone());
            }
        }
        Ok(())
    }

    fn is_for(
        &self,
        phase: Phase,
        object_type: &ObjectType,
        object: &SpaceObject,
    ) -> Result<bool, ExportError> {
        let Some(pending) = &object.pending_export else { return Ok(false) };
        if value_step(pending).is_none_or(|(found, _)| found != phase)
            || type_of(object) != *object_type
            || self.settled.contains(&object.id)
        {
            return Ok(false);
        }
        let hold = hold(self.with.store, object.id, self.now())?;
        Ok(hold.is_none_or(|stage| stage == EscrowStage::Reference))
    }

    /// Marks a batch in the state as sent; what is to be done about it without sending is done.
    async fn prepare(&mut self, objects: Vec<SpaceObject>) -> Result<Option<Batch>, ExportError> {
        if !self.within_plan(&objects) {
            return Ok(None);
        }
        let Some(found) = self.not_there_yet(objects).await? else { return Ok(None) };
        let mut objects = Vec::with_capacity(found.len());
        for object in found {
            if object.anchor.is_some() || self.is_held(&object)? {
                objects.push(object);
            } else {
                self.leave(&object, "nothing asks for it any more")?;
            }
        }
        if objects.is_empty() {
            return Ok(None);
        }
        let now = self.now();
        let mut writes = Vec::with_capacity(objects.len());
        let objects = self.transaction(|work| {
            let mut sendable = Vec::with_capacity(objects.len());
            for mut object in objects.drain(..) {
                let Some(write) = write_of(&object) else {
                    work.refused(&object, "it is not known which object of the target this is")?;
                    continue;
                };
                if let Some(pending) = &mut object.pending_export {
                    pending.sent = Some(now);
                }
                // By which values it is found stays.
                work.with.store.put_object(&object)?;
                writes.push(write);
                sendable.push(object);
            }
            Ok(sendable)
        })?;
        Ok(Some(Batch { objects, writes }))
    }

    /// Sends a batch, with the references to all that is there by now.
    fn send_off(&mut self, batch: Batch) -> Result<Flight<'a>, ExportError> {
        let Batch { objects, mut writes } = batch;
        for (object, write) in objects.iter().zip(&mut writes) {
            let ExportOperation::Create { references, .. } = &mut write.operation else { continue };
            let carried = self.known_references(object)?;
            if !carried.is_empty() {
                *references = carried.references();
                self.carried.insert(object.id, carried);
            }
        }
        let began = self.now();
        let connector = self.with.connector;
        let mut sending = Box::pin(future::maybe_done(connector.export(writes)));
        // A future does nothing before it is asked; a connector that has other threads goes on by itself from there.
        let _ = sending.as_mut().now_or_never();
        Ok(Flight { objects, sending, began })
    }

    /// Whether a batch takes away no more than was planned.
    fn within_plan(&mut self, objects: &[SpaceObject]) -> bool {
        for object in objects {
            let Some(pending) = &object.pending_export else { continue };
            let off = self.with.options.plan.switches_off(object, pending);
            if !self.budget.take(pending.kind, off) {
                self.report.ended = Some(ExportEnd::Drift(
                    "the state asks for more to be taken away than was planned; the next cycle plans anew".to_owned(),
                ));
                return false;
            }
        }
        true
    }

    /// Those of a batch that the target does not have: where a create may have happened already, or where nobody knows
    /// what the target has, each object is looked up first. `None` where the target could not be asked.
    async fn not_there_yet(
        &mut self,
        objects: Vec<SpaceObject>,
    ) -> Result<Option<Vec<SpaceObject>>, ExportError> {
        let complete = self.complete;
        let doubtful = |object: &SpaceObject| {
            object.pending_export.as_ref().is_some_and(|pending| {
                pending.kind == ExportKind::Add && (pending.sent.is_some() || !complete)
            })
        };
        let (doubtful, mut plain): (Vec<_>, Vec<_>) = objects.into_iter().partition(doubtful);
        if doubtful.is_empty() {
            return Ok(Some(plain));
        }
        let found = locate(self.with.connector, self.with.options, doubtful).await;
        for (object, found) in found {
            match found {
                Found::None { asked: false } if was_sent(&object) => self.unknowable(&object)?,
                Found::None { .. } => plain.push(object),
                Found::One(one, by) => {
                    self.transaction(|work| work.adopt(&object, &one, &by))?;
                }
                Found::Several(message) => {
                    self.transaction(|work| work.refused(&object, &message))?;
                }
                Found::Error(error) => {
                    self.broken(&error);
                    return Ok(None);
                }
            }
        }
        plain.sort_by_key(|object| object.id);
        Ok(Some(plain))
    }

    /// An object that was sent to be made, and that the target cannot be asked for: its mark stays, and somebody is told.
    fn unknowable(&mut self, object: &SpaceObject) -> Result<(), ExportError> {
        self.settled.insert(object.id);
        if hold(self.with.store, object.id, self.now())?.is_some() {
            return Ok(());
        }
        let message = "it was sent to be made, no answer came, and the target cannot be asked whether it is there by the \
             attributes that the rules match by: look there. Once the target can be asked it goes on by itself; \
             otherwise reset ConnectorDataStore, by which the target is read whole";
        self.transaction(|work| work.fail(object, EscrowStage::Export, message))?;
        self.tell(Told {
            object,
            action: ExportKind::Add,
            status: StepStatus::Failure,
            changes: Vec::new(),
            message,
        });
        Ok(())
    }

    /// Whether the identity of an object lives: what was sent to be made may have been released since.
    fn is_held(&self, object: &SpaceObject) -> Result<bool, ExportError> {
        let Some(link) = &object.link else { return Ok(false) };
        let identity = self.with.store.identity_outline(link.metaverse)?;
        Ok(identity.is_some_and(|identity| identity.life == Life::Held))
    }

    /// Keeps that none of these writes was begun.
    pub(super) fn not_begun(&mut self, objects: &[SpaceObject]) -> Result<(), ExportError> {
        self.transaction(|work| objects.iter().try_for_each(|object| work.clear_sent(object)))
    }

    async fn settle(
        &mut self,
        mut objects: Vec<SpaceObject>,
        outcomes: Vec<ExportOutcome>,
    ) -> Result<(), ExportError> {
        let silent = objects.split_off(outcomes.len().min(objects.len()));
        let mut done = Vec::new();
        let mut open = Vec::new();
        for (object, outcome) in objects.into_iter().zip(outcomes) {
            match outcome {
                ExportOutcome::Done(exported) => done.push((object, exported)),
                ExportOutcome::Failed(failure) => open.push((object, failure)),
            }
        }
        let nameless = self.keep_done(done)?;
        // Of these nobody knows: their marks stay, so that the next cycle looks before it writes.
        if !silent.is_empty() {
            let count = silent.len();
            self.report.ended = Some(ExportEnd::Broken(format!(
                "the target left {count} writes without an answer"
            )));
        }
        for (object, failure) in nameless.into_iter().chain(open) {
            self.follow_up(object, failure).await?;
        }
        Ok(())
    }
}

/// Whether a write was sent and nobody knows what became of it.
fn was_sent(object: &SpaceObject) -> bool {
    object.pending_export.as_ref().is_some_and(|pending| pending.sent.is_some())
}

/// The write of an object, as it is pending, without references.
pub(super) fn write_of(object: &SpaceObject) -> Option<ExportWrite> {
    let pending = object.pending_export.as_ref()?;
    let operation = match pending.kind {
        ExportKind::Add => ExportOperation::Create {
            attributes: pending
                .attributes
                .iter()
                .map(|(name, values)| (name.clone(), values.clone()))
                .collect(),
            references: std::collections::BTreeMap::new(),
        },
        ExportKind::Update | ExportKind::Disable => update(object, pending, object.anchor.clone()?),
        ExportKind::Delete | ExportKind::DeleteAdd => ExportOperation::Delete {
            anchor: object.anchor.clone()?,
            version: object.version.clone(),
        },
    };
    Some(ExportWrite { object: object.id, object_type: type_of(object), operation })
}

fn update(object: &SpaceObject, pending: &PendingExport, anchor: Anchor) -> ExportOperation {
    let edit = |(name, after): (&crate::AttributeName, &crate::Values)| {
        let before = object.hologram.get(name).to_vec();
        (name.clone(), AttributeEdit { before, after: after.clone() })
    };
    ExportOperation::Update {
        anchor,
        version: object.version.clone(),
        current: object.hologram.clone(),
        attributes: pending.attributes.iter().map(edit).collect(),
        references: std::collections::BTreeMap::new(),
    }
}

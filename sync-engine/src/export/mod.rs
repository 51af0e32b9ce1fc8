//! Carries out a plan that was admitted.
//!
//! Each batch of writes is three steps: what is about to be sent is marked in the state, it is sent, and what became of it
//! is kept, after the lines of the undo file that take it back. The last step happens while the next batch is under way. A
//! program that dies in between finds the marks, and looks up an object in the target before it makes it again.
//!
//! One object that fails goes to escrow and the others go on. A target that has no time ends the export politely; the next
//! cycle goes on where it ended.

mod adopt;
mod carried;
mod outcome;
mod references;
mod values;

pub(crate) use self::adopt::{Found, look_up};

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::connector::{Connector, ConnectorError, ImportShape};
use crate::escrow::RetrySchedule;
use crate::observer::{Event, Observer, PropertyChange, Step, StepStatus};
use crate::plan::{ExportPlan, Phase, PlanOptions, References, StepKind, label, type_of};
use crate::space::{ExportKind, SpaceObject};
use crate::stop::Stop;
use crate::store::EscrowStage;
use crate::undo::{UndoEntry, UndoSink};
use crate::{
    Anchor, AttributeName, AttributeValue, ConnectorId, ObjectType, StoreError, SyncStore, Values,
};

/// The time, told by whoever has a clock.
pub type Now<'a> = &'a (dyn Fn() -> DateTime<Utc> + Send + Sync);

/// How an export is carried out.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// How many objects are sent at a time, to begin with; up to five times as many while that takes less than half a second.
    /// Each batch waits for the disk three times, and a stop waits for the end of a batch.
    pub batch: usize,
    /// How many references of one object are sent at a time.
    pub reference_batch: usize,
    /// How many look-ups are under way at a time.
    pub lookups: usize,
    /// By which attributes an object of each type is found in the target.
    pub matching: BTreeMap<ObjectType, Vec<AttributeName>>,
    /// What is read of an object that is found.
    pub shape: ImportShape,
    /// When what failed is tried again.
    pub retry: RetrySchedule,
    /// How objects are called and which values are secret.
    pub plan: PlanOptions,
}

impl ExportOptions {
    /// The usual ones.
    #[must_use]
    pub fn new(plan: PlanOptions) -> Self {
        Self {
            batch: 100,
            reference_batch: 1000,
            lookups: 8,
            matching: BTreeMap::new(),
            shape: ImportShape::default(),
            retry: RetrySchedule::default(),
            plan,
        }
    }
}

/// What an export did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExportReport {
    /// Objects that were made.
    pub created: u64,
    /// Objects that were found in the target instead of being made.
    pub adopted: u64,
    /// Objects whose values were changed.
    pub updated: u64,
    /// Objects whose references were changed.
    pub references: u64,
    /// Objects that were switched off.
    pub disabled: u64,
    /// Objects that were removed.
    pub deleted: u64,
    /// Writes that failed; their objects are in escrow.
    pub failed: u64,
    /// References that the target would not take.
    pub references_failed: u64,
    /// Writes that are left for the next cycle: their answer was lost, or their object changed meanwhile.
    pub left: u64,
    /// Why it ended before its end.
    pub ended: Option<ExportEnd>,
}

impl ExportReport {
    /// How many writes happened.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.created + self.updated + self.references + self.disabled + self.deleted
    }
}

/// Why an export ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", content = "message", rename_all = "camelCase")]
pub enum ExportEnd {
    /// Somebody asked it to stop.
    Stopped,
    /// The target has no time now.
    Busy(String),
    /// The target could not be written to at all.
    Broken(String),
    /// The state asks for more than was planned.
    Drift(String),
}

/// Why an export could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The undo file could not be written: nothing more is written to the target.
    #[error("the undo file could not be written: {0}")]
    Undo(#[from] io::Error),
}

/// What an export needs.
pub struct Exporter<'a> {
    /// The state.
    pub store: &'a mut dyn SyncStore,
    /// The target.
    pub connector: &'a dyn Connector,
    /// Which references the target's objects must have.
    pub references: &'a dyn References,
    /// How.
    pub options: &'a ExportOptions,
    /// The clock.
    pub now: Now<'a>,
    /// Ends it early.
    pub stop: &'a Stop,
    /// Where the undo lines go.
    pub undo: &'a mut dyn UndoSink,
    /// Who listens.
    pub observer: &'a mut (dyn Observer + Send),
    /// The number of the run, for logs.
    pub run: u64,
}

impl Exporter<'_> {
    /// Carries out a plan: phase by phase, and within a phase by type, as the plan says.
    ///
    /// It takes away no more objects than the plan counted.
    ///
    /// # Errors
    /// [`ExportError`]. Everything else that goes wrong is in the report.
    pub async fn run(self, plan: &ExportPlan) -> Result<ExportReport, ExportError> {
        let counts = plan.counts();
        let budget = Budget {
            disable: counts.disable,
            delete: counts.delete + counts.replace,
            switch_off: counts.switched_off,
        };
        let mut work = self.work(plan.target(), budget)?;
        for phase in Phase::ALL {
            if phase == Phase::References {
                if counts.references > 0 || counts.references_waiting > 0 || counts.create > 0 {
                    work.references().await?;
                }
            } else {
                for object_type in types(plan, phase, &work.with.options.plan) {
                    work.values(phase, &object_type).await?;
                }
            }
            if work.report.ended.is_some() {
                break;
            }
        }
        Ok(work.report)
    }
}

impl<'a> Exporter<'a> {
    /// Finds out what became of objects whose making was broken off before its outcome was kept. Nothing is written.
    ///
    /// Done before anything else of a cycle, so that the rules see an object that was made as one that is there.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn recover(self, target: &ConnectorId) -> Result<ExportReport, ExportError> {
        let mut work = self.work(target, Budget { disable: 0, delete: 0, switch_off: 0 })?;
        work.recover().await?;
        Ok(work.report)
    }

    fn work(self, target: &ConnectorId, budget: Budget) -> Result<Work<'a>, ExportError> {
        Ok(Work {
            budget,
            target: target.clone(),
            complete: self.store.connector(target)?.complete,
            report: ExportReport::default(),
            settled: BTreeSet::new(),
            carried: BTreeMap::new(),
            made: BTreeMap::new(),
            pace: Pace::new(self.options.batch),
            with: self,
        })
    }
}

/// The types that a phase is about, in their order.
fn types(plan: &ExportPlan, phase: Phase, options: &PlanOptions) -> Vec<ObjectType> {
    let words: &[&str] = match phase {
        Phase::Create => &[StepKind::Create.word()],
        Phase::Update => &[StepKind::Update.word()],
        Phase::References => &[StepKind::References.word()],
        Phase::Disable => &[StepKind::Disable.word()],
        Phase::Delete => &[StepKind::Delete.word(), StepKind::Replace.word()],
    };
    let by_type = &plan.counts().by_type;
    let mut types: Vec<ObjectType> = by_type
        .iter()
        .filter(|(_, kinds)| words.iter().any(|word| kinds.contains_key(word)))
        .map(|(object_type, _)| object_type.clone())
        .collect();
    types.sort_by_key(|object_type| options.rank(object_type));
    types
}

/// How many more objects may be taken away: as many as were planned, and so as many as the guard has seen.
struct Budget {
    disable: u64,
    delete: u64,
    switch_off: u64,
}

impl Budget {
    /// Takes one; whether there was one left.
    fn take(&mut self, kind: ExportKind, off: bool) -> bool {
        let left = match kind {
            ExportKind::Disable => &mut self.disable,
            ExportKind::Delete | ExportKind::DeleteAdd => &mut self.delete,
            ExportKind::Update if off => &mut self.switch_off,
            ExportKind::Add | ExportKind::Update => return true,
        };
        match left.checked_sub(1) {
            Some(less) => {
                *left = less;
                true
            }
            None => false,
        }
    }
}

/// How many objects are sent at a time.
struct Pace {
    size: usize,
    least: usize,
}

impl Pace {
    /// Two batches are held at a time.
    const MOST: usize = 5;

    fn new(least: usize) -> Self {
        let least = least.max(1);
        Self { size: least, least }
    }

    /// Learns from a full batch.
    fn learn(&mut self, took: TimeDelta) {
        if took < TimeDelta::milliseconds(500) {
            self.size = (self.size * 2).min(self.least * Self::MOST);
        } else if took > TimeDelta::seconds(1) {
            self.size = (self.size / 2).max(self.least);
        }
    }
}

/// An export under way.
struct Work<'a> {
    with: Exporter<'a>,
    target: ConnectorId,
    complete: bool,
    budget: Budget,
    report: ExportReport,
    /// Objects that this export is done with, whatever became of them.
    settled: BTreeSet<crate::SpaceId>,
    /// What goes with the objects that are being made.
    carried: BTreeMap<crate::SpaceId, carried::Carried>,
    /// Objects that were made, until that is kept.
    made: BTreeMap<crate::SpaceId, Anchor>,
    pace: Pace,
}

impl Work<'_> {
    fn now(&self) -> DateTime<Utc> {
        (self.with.now)()
    }

    /// Whether to begin nothing further.
    fn over(&mut self) -> bool {
        if self.report.ended.is_none() && self.with.stop.asked() {
            self.report.ended = Some(ExportEnd::Stopped);
        }
        self.report.ended.is_some()
    }

    /// Does something in a transaction: all of it or nothing.
    fn transaction<T>(
        &mut self,
        change: impl FnOnce(&mut Self) -> Result<T, ExportError>,
    ) -> Result<T, ExportError> {
        self.with.store.begin()?;
        match change(self) {
            Ok(done) => {
                self.with.store.commit()?;
                Ok(done)
            }
            Err(error) => {
                self.with.store.rollback()?;
                Err(error)
            }
        }
    }

    /// Keeps an object that changed, and by which values it is found. Called within a transaction.
    fn put(&mut self, object: &SpaceObject) -> Result<(), ExportError> {
        self.with.store.put_object(object)?;
        let keys = self.with.references.keys(object);
        if self.with.store.object_keys(object.id)? != keys {
            self.with.store.index_object(object.id, &keys)?;
        }
        Ok(())
    }

    fn undo_entry(&self, object: &SpaceObject, inverse: crate::undo::Inverse) -> UndoEntry {
        UndoEntry {
            at: self.now(),
            run: self.with.run,
            target: self.target.clone(),
            object_type: type_of(object),
            name: label(object, &self.with.options.plan.labels).to_string(),
            inverse,
        }
    }

    /// Keeps the failure of an object. Called within a transaction.
    fn fail(
        &mut self,
        object: &SpaceObject,
        stage: EscrowStage,
        message: &str,
    ) -> Result<(), ExportError> {
        let now = self.now();
        let retry = &self.with.options.retry;
        crate::escrow::fail(self.with.store, object.id, stage, message, now, retry)?;
        if stage == EscrowStage::Reference {
            self.report.references_failed += 1;
        } else {
            self.report.failed += 1;
        }
        self.with.observer.event(&Event::Escrowed {
            object: object.id,
            stage,
            message: message.to_owned(),
        });
        Ok(())
    }

    /// Tells the log what became of a write.
    fn tell(&mut self, told: Told<'_>) {
        let Told { object, action, status, changes, message } = told;
        let step = Step {
            connector: self.target.clone(),
            object: object.id,
            object_type: type_of(object),
            name: label(object, &self.with.options.plan.labels).to_string(),
            source: source_anchor(self.with.store, object),
            target: object.anchor.clone(),
            action,
            status,
            changes,
            message: message.to_owned(),
        };
        self.with.observer.event(&Event::StepDone(Box::new(step)));
    }

    /// The changes of a write for the log: secrets are told as such.
    fn property_changes(
        &self,
        object: &SpaceObject,
        attributes: &BTreeMap<AttributeName, Values>,
    ) -> Vec<PropertyChange> {
        let secrets = &self.with.options.plan.secrets;
        let shown = |name: &AttributeName, values: &[AttributeValue]| -> Values {
            if secrets.holds(name) && !values.is_empty() {
                vec![AttributeValue::text("(redacted)")]
            } else {
                values.to_vec()
            }
        };
        attributes
            .iter()
            .map(|(name, new)| PropertyChange {
                attribute: name.clone(),
                old: shown(name, object.hologram.get(name)),
                new: shown(name, new),
            })
            .collect()
    }

    /// An error of a whole call.
    fn broken(&mut self, error: &ConnectorError) {
        self.report.ended = Some(ExportEnd::Broken(error.to_string()));
    }
}

/// What is told of a write.
struct Told<'t> {
    object: &'t SpaceObject,
    action: ExportKind,
    status: StepStatus,
    changes: Vec<PropertyChange>,
    message: &'t str,
}

/// What identifies the object in the source that it came from: that of the first other object of its identity.
fn source_anchor(store: &dyn SyncStore, object: &SpaceObject) -> Option<Anchor> {
    let link = object.link.as_ref()?;
    let links = store.links(link.metaverse).ok()?;
    links
        .into_iter()
        .filter(|(connector, _)| *connector != object.connector)
        .find_map(|(_, id)| store.object_outline(id).ok()??.anchor)
}

//! A cycle: import, synchronise, plan, guard, export.
//!
//! Every step leaves the state so that the next cycle can go on from there, wherever this one ends. Nothing is written to
//! a target before its whole plan was made and admitted; nothing is concluded from a read that did not come to its end.

mod import;
mod known;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use self::import::{Import, ImportEnded};
use crate::connector::{Connector, ConnectorError, ConnectorSchema, ImportShape};
use crate::escrow::{QuarantineFigures, QuarantineLimits, QuarantineReason, RetrySchedule};
use crate::export::{ExportEnd, ExportError, ExportOptions, Exporter, Now};
use crate::expr::Random;
use crate::guard::{Baseline, Guard, GuardStop};
use crate::import::StagingError;
use crate::observer::{Event, Observer, Phase};
use crate::plan::{
    Desired, ExportPlan, PlanOptions, References, Secrets, StepKind, default_labels,
};
use crate::rules::{RuleSet, Source};
use crate::run::{self, CycleMode, Reset};
use crate::space::SpaceObject;
use crate::stop::Stop;
use crate::store::{ConnectorState, EscrowStage, JoinKey, RunRecord, Which};
use crate::sync::{SyncError, SyncMode, Synchronizer};
use crate::undo::UndoSink;
use crate::{AttributeName, AttributeValue, ConnectorId, ObjectType, StoreError, SyncStore};

pub use self::import::ImportReport;
pub use self::report::{CycleReport, Outcome, TargetReport};

/// How cycles are run.
#[derive(Clone, Debug)]
pub struct CycleOptions {
    /// What is read.
    pub mode: CycleMode,
    /// What is forgotten before.
    pub reset: BTreeSet<Reset>,
    /// Whether anything is written to a target. Without, a cycle imports, synchronises and plans: staging mode.
    pub export: bool,
    /// The limits.
    pub guard: Guard,
    /// A target that does not tell changes is read whole when its last read is as old as this.
    pub read_targets_every: TimeDelta,
    /// How long the history is kept.
    pub history: TimeDelta,
    /// When what failed is tried again.
    pub retry: RetrySchedule,
    /// When failures are the failure of the whole job.
    pub quarantine: QuarantineLimits,
    /// How many objects are handled in a transaction of the synchronisation.
    pub sync_batch: usize,
    /// How many objects are sent at a time.
    pub export_batch: usize,
    /// How many references of one object are sent at a time.
    pub reference_batch: usize,
    /// How many steps of a plan are kept to be shown.
    pub plan_lines: usize,
    /// The attributes by which people know objects.
    pub labels: Vec<AttributeName>,
    /// What nobody is to see.
    pub secrets: Secrets,
    /// The order of object types in plans.
    pub type_order: Vec<ObjectType>,
    /// Where expressions that make passwords and identifiers have their random numbers from; without it, these fail.
    pub random: Option<RandomSource>,
}

/// A source of random numbers: that of the operating system, outside of tests. It gives nothing where that fails.
#[derive(Clone, Copy, Debug)]
pub struct RandomSource(pub fn() -> Option<u64>);

impl Random for RandomSource {
    fn next(&self) -> Option<u64> {
        (self.0)()
    }
}

impl Default for CycleOptions {
    fn default() -> Self {
        Self {
            mode: CycleMode::Incremental,
            reset: BTreeSet::new(),
            export: true,
            guard: Guard::default(),
            read_targets_every: TimeDelta::days(1),
            history: TimeDelta::days(7),
            retry: RetrySchedule::default(),
            quarantine: QuarantineLimits::default(),
            sync_batch: 500,
            export_batch: 100,
            reference_batch: 1000,
            plan_lines: 1000,
            labels: default_labels(),
            secrets: Secrets::default(),
            type_order: Vec::new(),
            random: None,
        }
    }
}

impl CycleOptions {
    /// How a plan for this target is made and shown: what the rules redact is secret, and what they switch off by counts.
    ///
    /// Whoever shows what a cycle would write takes these, so that both say the same.
    #[must_use]
    pub fn plan(&self, rules: &RuleSet, target: &ConnectorId, now: DateTime<Utc>) -> PlanOptions {
        let shape = rules.shape(target);
        let mut plan = PlanOptions::new(now);
        plan.lines = self.plan_lines;
        plan.labels.clone_from(&self.labels);
        let redacted = shape.types.iter().flat_map(|(found, names)| {
            names.iter().filter(move |name| rules.is_redacted(target, found, name)).cloned()
        });
        plan.secrets = self.secrets.clone().and(redacted);
        plan.type_order.clone_from(&self.type_order);
        let switches = shape.types.keys().flat_map(|found| rules.disable_of(target, found));
        for flow in switches {
            let off = matches!(&flow.source, Source::Constant(values) if values.first() == Some(&AttributeValue::Boolean(false)));
            if off && !plan.active.contains(&flow.to) {
                plan.active.push(flow.to.clone());
            }
        }
        plan
    }
}

/// What a cycle needs.
pub struct CycleInput<'a> {
    /// The state.
    pub store: &'a mut dyn SyncStore,
    /// The rules.
    pub rules: &'a RuleSet,
    /// The systems that the rules name.
    pub connectors: &'a [&'a dyn Connector],
    /// How.
    pub options: &'a CycleOptions,
    /// The clock.
    pub now: Now<'a>,
    /// Ends the cycle early.
    pub stop: &'a Stop,
    /// Where the undo lines go.
    pub undo: &'a mut dyn UndoSink,
}

/// Why a cycle could not go on. What was done until then is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CycleError {
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The undo file could not be written.
    #[error("the undo file could not be written: {0}")]
    Undo(#[from] io::Error),
    /// The rules name a system that is not there.
    #[error("the rules name the connector `{0}`, which is not configured")]
    NoConnector(ConnectorId),
    /// The rules do not fit what the systems have.
    #[error("{0}")]
    Rules(String),
}

impl From<SyncError> for CycleError {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ExportError> for CycleError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => Self::Store(error),
            ExportError::Undo(error) => Self::Undo(error),
        }
    }
}

/// Runs a cycle and keeps it in the history.
///
/// A system that cannot be read or written is an error of the report and the others go on: a source that was not read to
/// its end has nothing deleted, a target that was not is not written to. Where a source was never read whole, or not with
/// all that the rules ask for now, and where a target has never said what it has, what depends on it waits, and the report
/// says so.
///
/// # Errors
/// [`CycleError`].
pub async fn run_cycle(
    input: CycleInput<'_>,
    observer: &mut (dyn Observer + Send),
) -> Result<CycleReport, CycleError> {
    let started = (input.now)();
    let profile = match (input.options.mode, input.options.export) {
        (mode, true) => mode.word().to_owned(),
        (mode, false) => format!("{}, nothing exported", mode.word()),
    };
    let (number, record) = run::begin(input.store, &profile, started, input.options.history)?;
    observer.event(&Event::CycleStarted { run: number, profile });
    let report = CycleReport {
        run: number,
        started,
        ended: started,
        imports: BTreeMap::new(),
        sync: None,
        targets: Vec::new(),
        errors: Vec::new(),
        escrowed: 0,
        stopped: false,
    };
    let mut cycle = Cycle {
        input,
        observer,
        report,
        schemas: BTreeMap::new(),
        failed: BTreeSet::new(),
        rest: None,
    };
    let done = cycle.run().await;
    cycle.close(record, done.as_ref().err())?;
    done?;
    Ok(cycle.report)
}

struct Cycle<'a, 'o> {
    input: CycleInput<'a>,
    observer: &'o mut (dyn Observer + Send),
    report: CycleReport,
    /// What the systems have, as they say now or, of targets that do not answer, as they said last.
    schemas: BTreeMap<ConnectorId, ConnectorSchema>,
    /// Systems that could not be read.
    failed: BTreeSet<ConnectorId>,
    /// An error for which the whole job has to rest.
    rest: Option<String>,
}

impl<'a> Cycle<'a, '_> {
    fn synchronizer(&self, rules: &'a RuleSet) -> Synchronizer<'a> {
        let options = self.input.options;
        let synchronizer = Synchronizer::new(rules, (self.input.now)())
            .with_schemas(self.schemas.clone())
            .with_batch(options.sync_batch)
            .with_retry(options.retry.clone());
        match &options.random {
            Some(random) => synchronizer.with_random(random),
            None => synchronizer,
        }
    }
}

impl Cycle<'_, '_> {
    async fn run(&mut self) -> Result<(), CycleError> {
        let (sources, targets) = (self.input.rules.sources(), self.input.rules.targets());
        for id in sources.iter().chain(&targets) {
            find(self.input.connectors, id)?;
        }
        if !self.input.options.reset.is_empty() {
            run::reset(self.input.store, &sources, &targets, &self.input.options.reset)?;
        }
        let reads = self.input.options.mode != CycleMode::ExportOnly;
        let asked = sources.iter().filter(|_| reads).chain(&targets);
        self.schemas(asked.collect(), &targets).await?;
        if self.input.options.export {
            for target in &targets {
                if !self.failed.contains(target) {
                    self.recover(target).await?;
                }
            }
        }
        if reads {
            self.imports(&sources, &targets).await?;
            if self.stopped() || sources.is_subset(&self.failed) {
                return Ok(());
            }
        } else if let Some(why) = self.unsynchronised()? {
            self.report.errors.push(why);
            return Ok(());
        }
        let (lacking, held) = self.hold_back(sources.union(&targets), &targets)?;
        if reads {
            self.sync(lacking)?;
        }
        for target in &targets {
            if self.stopped() {
                return Ok(());
            }
            if !self.failed.contains(target) && !held.contains(target) {
                self.target(target).await?;
            }
        }
        Ok(())
    }

    /// Finds out what became of objects whose making was broken off.
    async fn recover(&mut self, target: &ConnectorId) -> Result<(), CycleError> {
        let options = self.export_options(target);
        let synchronizer = self.synchronizer(self.input.rules);
        let exporter = Exporter {
            store: &mut *self.input.store,
            connector: find(self.input.connectors, target)?,
            references: &synchronizer,
            options: &options,
            now: self.input.now,
            stop: self.input.stop,
            undo: &mut *self.input.undo,
            observer: &mut *self.observer,
            run: self.report.run,
        };
        if let Some(ExportEnd::Broken(why)) = exporter.recover(target).await?.ended {
            self.failed.insert(target.clone());
            self.report.errors.push(format!("{target}: {why}"));
        }
        Ok(())
    }

    fn stopped(&mut self) -> bool {
        self.report.stopped |= self.input.stop.asked();
        self.report.stopped
    }

    /// Keeps that a system could not be used in this cycle.
    fn trouble(&mut self, id: &ConnectorId, error: &ConnectorError) {
        if QuarantineFigures::at_once(error) && self.rest.is_none() {
            self.rest = Some(format!("{id}: {error}"));
        }
        self.failed.insert(id.clone());
        self.report.errors.push(format!("{id}: {error}"));
    }

    async fn imports(
        &mut self,
        sources: &BTreeSet<ConnectorId>,
        targets: &BTreeSet<ConnectorId>,
    ) -> Result<(), CycleError> {
        let all = sources.iter().chain(targets.iter().filter(|target| !sources.contains(*target)));
        for id in all {
            if self.stopped() {
                return Ok(());
            }
            if self.failed.contains(id) {
                continue;
            }
            let shape = self.input.rules.shape(id);
            let digest = shape_digest(&shape);
            let state = self.input.store.connector(id)?;
            let mut full = self.input.options.mode == CycleMode::Initial
                || !state.complete
                || state.shape.as_deref() != Some(digest.as_str())
                || state.watermark.is_none();
            if !sources.contains(id) {
                let due = self.is_due(id, &state, &digest)?;
                if full && !due {
                    continue;
                }
                // The changes of most targets do not tell what is gone.
                full = due;
            }
            self.import(id, &shape, &digest, full).await?;
        }
        Ok(())
    }

    /// Whether a target has to be read whole.
    fn is_due(
        &self,
        id: &ConnectorId,
        state: &ConnectorState,
        digest: &str,
    ) -> Result<bool, StoreError> {
        let age = run::read_whole(self.input.store, id)?.map(|last| (self.input.now)() - last);
        Ok(self.input.options.mode == CycleMode::Initial
            || !state.complete
            || state.shape.as_deref() != Some(digest)
            || age.is_none_or(|age| age >= self.input.options.read_targets_every))
    }

    async fn import(
        &mut self,
        id: &ConnectorId,
        shape: &ImportShape,
        digest: &str,
        full: bool,
    ) -> Result<(), CycleError> {
        let connector = find(self.input.connectors, id)?;
        let import = Import {
            store: &mut *self.input.store,
            connector,
            shape,
            digest,
            now: (self.input.now)(),
            retry: &self.input.options.retry,
            stop: self.input.stop,
            observer: &mut *self.observer,
        };
        match import.run(full).await {
            Ok(report) => {
                if report.full {
                    let now = (self.input.now)();
                    run::transaction(self.input.store, |store| {
                        run::keep_read_whole(store, id, now)
                    })?;
                }
                self.report.imports.insert(id.clone(), report);
            }
            Err(ImportEnded::Stopped) => self.report.stopped = true,
            Err(ImportEnded::Connector(error)) => self.trouble(id, &error),
            Err(ImportEnded::Staging(StagingError::Store(error))) => return Err(error.into()),
            Err(ImportEnded::Staging(error @ StagingError::Empty { .. })) => {
                self.failed.insert(id.clone());
                self.report.errors.push(error.to_string());
            }
        }
        Ok(())
    }

    /// Lets the objects pass the rules: all of them where the rules are others than those that they have passed.
    fn sync(&mut self, lacking: BTreeSet<ConnectorId>) -> Result<(), CycleError> {
        let digest = self.input.rules.digest();
        let passed = run::rules_digest(self.input.store)?;
        let full =
            self.input.options.mode == CycleMode::Initial || passed.as_ref() != Some(&digest);
        let mode = if full { SyncMode::Full } else { SyncMode::Delta };
        let synchronizer = self.synchronizer(self.input.rules).without(lacking);
        let report = synchronizer.run(self.input.store, mode, &mut *self.observer)?;
        self.report.sync = Some(report);
        if full {
            run::transaction(self.input.store, |store| run::keep_rules_digest(store, &digest))?;
        }
        Ok(())
    }

    async fn target(&mut self, target: &ConnectorId) -> Result<(), CycleError> {
        let options = self.export_options(target);
        let rules = self.input.rules;
        let synchronizer = self.synchronizer(rules);
        let started =
            |phase| Event::PhaseStarted { phase, connector: Some(target.clone()), expected: None };
        self.observer.event(&started(Phase::Plan));
        let plan = ExportPlan::build(self.input.store, target, &synchronizer, &options.plan)?;
        let ended = Event::PhaseEnded { phase: Phase::Plan, connector: Some(target.clone()) };
        self.observer.event(&ended);
        let stop = self.admit(target, &plan)?;
        let mut export = None;
        if stop.is_none() && self.input.options.export {
            let connector = find(self.input.connectors, target)?;
            self.observer.event(&Event::PhaseStarted {
                phase: Phase::Export,
                connector: Some(target.clone()),
                expected: Some(plan.counts().steps()),
            });
            let exporter = Exporter {
                store: &mut *self.input.store,
                connector,
                references: &synchronizer,
                options: &options,
                now: self.input.now,
                stop: self.input.stop,
                undo: &mut *self.input.undo,
                observer: &mut *self.observer,
                run: self.report.run,
            };
            let report = exporter.run(&plan).await?;
            let ended = Event::PhaseEnded { phase: Phase::Export, connector: Some(target.clone()) };
            self.observer.event(&ended);
            match &report.ended {
                None => {
                    let now = (self.input.now)();
                    run::transaction(self.input.store, |store| run::exported(store, target, now))?;
                }
                Some(ExportEnd::Stopped) => self.report.stopped = true,
                Some(ExportEnd::Busy(_) | ExportEnd::Broken(_) | ExportEnd::Drift(_)) => {}
            }
            export = Some(report);
        }
        self.report.targets.push(TargetReport { target: target.clone(), plan, stop, export });
        Ok(())
    }

    /// Lets a plan through, or keeps and tells why not.
    fn admit(
        &mut self,
        target: &ConnectorId,
        plan: &ExportPlan,
    ) -> Result<Option<GuardStop>, CycleError> {
        let store = &mut *self.input.store;
        let linked =
            store.count_objects(target, Which::Linked)?.saturating_sub(plan.counts().unmade);
        let baseline = Baseline { linked, first_run: run::first_run(store, target)? };
        let allowed = run::allowance(store, target)?;
        match self.input.options.guard.admit(plan, &baseline, allowed.as_ref()) {
            Ok(()) => {
                if self.input.options.export {
                    run::transaction(store, |store| run::passed(store, target))?;
                }
                Ok(None)
            }
            Err(stop) => {
                run::transaction(store, |store| run::keep_stop(store, target, &stop))?;
                for step in plan.steps() {
                    if matches!(step.kind, StepKind::Disable | StepKind::Delete | StepKind::Replace)
                    {
                        self.observer.event(&Event::StepStaged(Box::new(step.clone())));
                    }
                }
                self.observer.event(&Event::GuardStopped(Box::new(stop.clone())));
                Ok(Some(stop))
            }
        }
    }

    fn export_options(&self, target: &ConnectorId) -> ExportOptions {
        let options = self.input.options;
        let rules = self.input.rules;
        let plan = options.plan(rules, target, (self.input.now)());
        let mut export = ExportOptions::new(plan);
        export.batch = options.export_batch;
        export.reference_batch = options.reference_batch;
        export.retry = options.retry.clone();
        export.matching = rules.all_matching(target);
        export.shape = rules.shape(target);
        export
    }

    /// Ends the run of the history, and keeps how the job is doing.
    fn close(
        &mut self,
        mut record: RunRecord,
        error: Option<&CycleError>,
    ) -> Result<(), CycleError> {
        let now = (self.input.now)();
        self.report.ended = now;
        let escrows = match crate::escrow::count(self.input.store) {
            Ok(escrows) => escrows,
            // The state is broken: the error that the cycle ended with says more.
            Err(_) if error.is_some() => BTreeMap::new(),
            Err(error) => return Err(error.into()),
        };
        self.report.escrowed = escrows.values().sum();
        record.ended = Some(now);
        record.outcome = match error {
            Some(_) => Outcome::CouldNotRun.words().to_owned(),
            None => self.report.outcome().words().to_owned(),
        };
        record.counts = self.report.counts();
        record.errors.clone_from(&self.report.errors);
        record.errors.extend(error.map(ToString::to_string));
        for target in &self.report.targets {
            record.errors.extend(target.stop.as_ref().map(ToString::to_string));
            if let Some(ExportEnd::Broken(why) | ExportEnd::Busy(why) | ExportEnd::Drift(why)) =
                target.export.as_ref().and_then(|export| export.ended.as_ref())
            {
                record.errors.push(format!("{}: {why}", target.target));
            }
        }
        let kept = self.keep(&record, &escrows);
        self.observer.event(&Event::CycleEnded { run: self.report.run, outcome: record.outcome });
        match (kept, error) {
            (Err(kept), None) => Err(kept.into()),
            _ => Ok(()),
        }
    }

    fn keep(
        &mut self,
        record: &RunRecord,
        escrows: &BTreeMap<EscrowStage, u64>,
    ) -> Result<(), StoreError> {
        let now = (self.input.now)();
        let failures = escrows.iter().filter(|(stage, _)| **stage != EscrowStage::Reference);
        let mut figures = run::quarantine(self.input.store)?;
        figures.events = record.counts.get("countExports").copied().unwrap_or_default();
        figures.failures = failures.map(|(_, count)| count).sum();
        figures.reference_failures = escrows.get(&EscrowStage::Reference).copied().unwrap_or(0);
        let could_not = self.report.outcome() == Outcome::CouldNotRun;
        figures.successive_complete_failures =
            if could_not { figures.successive_complete_failures.saturating_add(1) } else { 0 };
        let guard = self.report.targets.iter().find_map(|target| target.stop.as_ref());
        if let Some(why) = &self.rest {
            figures.rest(QuarantineReason::EncounteredQuarantineException, why, now);
        } else if figures.too_many(&self.input.options.quarantine) {
            let why = format!("{} objects are in escrow", self.report.escrowed);
            figures.rest(QuarantineReason::EncounteredEscrowProportionThreshold, &why, now);
        } else if let Some(stop) = guard {
            figures.rest(QuarantineReason::DeleteThresholdExceeded, &stop.to_string(), now);
        } else if !could_not {
            figures.quarantine = None;
        }
        let number = self.report.run;
        run::transaction(self.input.store, |store| {
            run::keep_quarantine(store, &figures)?;
            store.put_run(number, record)
        })
    }
}

impl References for Synchronizer<'_> {
    fn desired(
        &self,
        store: &dyn SyncStore,
        object: &SpaceObject,
        attribute: &AttributeName,
    ) -> Result<Option<Desired>, StoreError> {
        let desired =
            self.desired_references(store, object, attribute).map_err(|error| match error {
                SyncError::Store(error) => error,
            })?;
        let known = object.object_type.as_ref().and_then(|found| {
            self.schemas().get(&object.connector)?.types.get(found)?.attribute(attribute)
        });
        let single = known.is_some_and(|attribute| !attribute.multi_valued);
        Ok(desired.map(|desired| Desired {
            sources: desired
                .sources
                .into_iter()
                .map(|source| (source.from, source.attribute))
                .collect(),
            adds_only: desired.add_only,
            single,
        }))
    }

    fn keys(&self, object: &SpaceObject) -> Vec<JoinKey> {
        self.keys_of(object)
    }
}

fn find<'c>(
    connectors: &[&'c dyn Connector],
    id: &ConnectorId,
) -> Result<&'c dyn Connector, CycleError> {
    let found = connectors.iter().find(|connector| connector.id() == id);
    found.copied().ok_or_else(|| CycleError::NoConnector(id.clone()))
}

/// Stands for what is read of a system.
fn shape_digest(shape: &ImportShape) -> String {
    let mut hasher = Sha256::new();
    for (object_type, names) in &shape.types {
        hasher.update(format!("{}:{object_type}\n", object_type.as_str().len()));
        let names: BTreeSet<String> = names.iter().map(|name| name.folded().to_string()).collect();
        for name in names {
            hasher.update(format!("\t{}:{name}\n", name.len()));
        }
    }
    crate::plan::hex(&hasher.finalize())
}

//! One cycle of a job, on a thread of its own: the engine computes between two waits, and nobody else is to wait for it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use scim_sync::Connector;
use scim_sync::cycle::{CycleInput, CycleOptions, Outcome, RandomSource, run_cycle};
use scim_sync::observer::{Event, Observer, Phase};
use scim_sync::run::allow;
use scim_sync::stop::Stop;

use super::Mode;
use super::connectors::{Probing, Watched};
use super::error::JobError;
use super::folder::Place;
use super::mapping::Mapping;
use super::pilot::Pilot;
use super::planned::Planned;
use super::status::{JobStatus, Told};
use super::wire::Progress;
use crate::clock::Clock;
use crate::logs::{LogObserver, Names};
use crate::records::LogEntry;

/// Where entries of the log go, from the thread of a cycle.
pub(super) type LogSink = std::sync::mpsc::SyncSender<LogEntry>;

/// How far a cycle is, for whoever asks.
pub(super) type Shown = Arc<Mutex<Option<Progress>>>;

/// What a job reads and writes.
#[derive(Clone)]
pub(super) struct Systems {
    pub(super) mapping: Arc<Mapping>,
    pub(super) source: Arc<dyn Connector>,
    pub(super) target: Arc<dyn Connector>,
    pub(super) options: CycleOptions,
    pub(super) pilot: Option<Pilot>,
}

/// What a cycle leaves.
pub(super) struct Ended {
    /// How the job is doing.
    pub(super) status: JobStatus,
    /// How the cycle ended.
    pub(super) outcome: Result<Outcome, JobError>,
    /// What would be written, where nothing of it was.
    pub(super) plan: Option<Planned>,
}

/// Everything that a cycle needs.
pub(super) struct Work {
    pub(super) names: Names,
    pub(super) place: Place,
    pub(super) systems: Systems,
    /// The digest of the stopped plan that somebody looked at and let through.
    pub(super) allowed: Option<String>,
    pub(super) status: JobStatus,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) stop: Stop,
    pub(super) shown: Shown,
    pub(super) log: LogSink,
}

/// Runs a cycle to its end.
pub(super) fn cycle(work: Work) -> Ended {
    let Work { names, place, systems, allowed, mut status, clock, stop, shown, log } = work;
    let mut plan = None;
    let outcome = (|| {
        let held = place.hold()?;
        let mut store = place.open(&held)?;
        let targets = BTreeSet::from([systems.mapping.target.clone()]);
        // What a service left that died in the middle.
        status.observe(&store, &names.job, &targets, &Told::default())?;
        // Another plan may have been stopped since somebody looked: that one waits.
        if let Some(digest) = &allowed
            && allow(&mut store, &targets, digest)?.is_none()
        {
            tracing::warn!(job = names.job, digest, "the plan that was allowed waits no more");
        }
        let source = Watched::new(Arc::clone(&systems.source));
        let target = Probing::new(Arc::clone(&systems.target), &systems.mapping);
        let target = Watched::new(Arc::new(target));
        let connectors: [&dyn Connector; 2] = [&source, &target];
        let now = || clock.now();
        let mut undo = place.undo(clock.now());
        let sink = move |entry| {
            // Whoever writes the log has said already that it cannot.
            let _ = log.send(entry);
        };
        let job = names.job.clone();
        let database = place.database();
        let mut observer = Both {
            log: LogObserver::new(names, Arc::clone(&clock), Some(&database), sink),
            shown: &shown,
            clock: &*clock,
            expected: None,
        };
        let input = CycleInput {
            store: &mut store,
            rules: &systems.mapping.rules,
            connectors: &connectors,
            options: &systems.options,
            now: &now,
            stop: &stop,
            undo: &mut *undo,
        };
        let report = runtime()?.block_on(run_cycle(input, &mut observer));
        let live = systems.options.export;
        plan = report.as_ref().ok().and_then(|report| report.targets.first()).and_then(|target| {
            let stopped = target.stop.as_ref().map(ToString::to_string);
            if live && stopped.is_none() {
                return None;
            }
            // The same plan is told once, however often it is worked out.
            if !live && status.planned.as_deref() != Some(target.plan.digest()) {
                target.plan.steps().iter().for_each(|step| observer.log.planned(step));
            }
            let mode = if live { Mode::Active } else { Mode::Staging };
            Some(Planned::of(&target.plan, mode, systems.pilot.as_ref(), stopped, clock.now()))
        });
        let told = Told {
            reference_deltas: Some(source.references()),
            refused: source.refused().or_else(|| target.refused()),
        };
        let outcome = status.observe(&store, &job, &targets, &told)?;
        match (report, outcome) {
            // The run is in the history, with the error: the status has it.
            (_, Some(outcome)) => Ok(outcome),
            (Ok(report), None) => Ok(report.outcome()),
            (Err(error), None) => Err(JobError::Internal(error.to_string())),
        }
    })();
    match (&plan, &outcome) {
        (Some(plan), _) => status.planned = Some(plan.digest.clone()),
        (None, Ok(Outcome::Done | Outcome::SomeFailed)) => status.planned = None,
        (None, _) => {}
    }
    Ended { status, outcome, plan }
}

/// What the thread of a cycle runs on: the engine computes on the thread itself, and what it reads and writes goes on beside.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, JobError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("beside")
        .enable_all()
        .build()
        .map_err(|error| JobError::Internal(format!("no thread can be run: {error}")))
}

/// The operating system's generator: rules make passwords of it.
pub(super) fn random() -> RandomSource {
    RandomSource(|| {
        use rand::TryRng as _;
        rand::rngs::SysRng.try_next_u64().ok()
    })
}

/// The log, and whoever watches.
struct Both<'a, S: FnMut(LogEntry) + Send> {
    log: LogObserver<S>,
    shown: &'a Shown,
    clock: &'a dyn Clock,
    expected: Option<(u64, u64)>,
}

impl<S: FnMut(LogEntry) + Send> Both<'_, S> {
    fn show(&self, done: u64, all: Option<u64>, units: &str) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(Progress {
            completed_units: done,
            progress_observation_date_time: self.clock.now(),
            total_units: all,
            units: units.to_owned(),
        });
    }
}

impl<S: FnMut(LogEntry) + Send> Observer for Both<'_, S> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::PageImported { connector, told, expected } => {
                self.show(*told, *expected, &format!("objects read of {connector}"));
            }
            Event::PhaseStarted { phase: Phase::Export, expected: Some(expected), .. } => {
                self.expected = Some((0, *expected));
                self.show(0, Some(*expected), "objects written");
            }
            Event::StepDone(_) => {
                if let Some((done, all)) = &mut self.expected {
                    *done += 1;
                    let (done, all) = (*done, *all);
                    self.show(done, Some(all.max(done)), "objects written");
                }
            }
            _ => {}
        }
        self.log.event(event);
    }
}

/// Keeps that a cycle could not begin, or did not come so far that its own history has it.
pub(super) fn could_not_begin(
    status: &mut JobStatus,
    job: &str,
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
    error: &JobError,
) {
    use super::wire::{SynchronizationError, TaskExecution, TaskState};
    status.failures = status.failures.saturating_add(1);
    status.last = Some(TaskExecution {
        activity_identifier: format!("{job}.{}", began.timestamp_millis()),
        count_entitled: 0,
        count_entitled_for_provisioning: 0,
        count_escrowed: 0,
        count_escrowed_raw: 0,
        count_exported: 0,
        count_exports: 0,
        count_imported: 0,
        count_imported_deltas: 0,
        count_imported_reference_deltas: Some(0),
        error: Some(SynchronizationError {
            code: "CycleNotBegun".to_owned(),
            message: error.to_string(),
            tenant_actionable: true,
        }),
        state: TaskState::Failed,
        time_began: began,
        time_ended: ended,
    });
}

//! How a job is doing, read off what its cycles left in their state.
//!
//! A cycle keeps its outcome in one transaction of its own state. The status is worked out from there, run by run: a service
//! that dies between the two finds the runs again and comes to the same status.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use scim_sync::cycle::Outcome;
use scim_sync::escrow::{self, Quarantine};
use scim_sync::guard::GuardStop;
use scim_sync::run;
use scim_sync::store::{EscrowStage, RunRecord, Which};
use scim_sync::{ConnectorId, ObjectType, StoreError, SyncStore};
use serde::{Deserialize, Serialize};

use super::state::Found;
use super::wire::{self, SynchronizationError, TaskExecution, TaskState};

/// Runs that are looked at; more than are ever left by a service that died.
const RUNS: usize = 100;
const PAGE: usize = 500;

/// How a job is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    /// The last run of the history that is in here.
    pub last_run: u64,
    /// Whether a cycle ever came to its end.
    pub ran: bool,
    /// When the last cycle began,
    pub began: Option<DateTime<Utc>>,
    /// and with which restart.
    pub tried: Option<u64>,
    /// Cycles in a row that could not be run.
    pub failures: u64,
    /// The last cycle.
    pub last: Option<TaskExecution>,
    /// The last one without any failure.
    pub last_successful: Option<TaskExecution>,
    /// The last one that wrote something.
    pub last_with_exports: Option<TaskExecution>,
    /// What the job rests for.
    pub quarantine: Option<Quarantine>,
    /// What objects have come to that failed for so long that they are tried no more, in a sentence.
    pub given_up: Option<String>,
    /// What a system said that did not accept the credentials in the last cycle.
    pub refused: Option<String>,
    /// The digest of the plan that is kept to be looked at, because nothing of it was written.
    pub planned: Option<String>,
    /// When there was nothing to do for the first time,
    pub steady_first: Option<DateTime<Utc>>,
    /// and for the last time.
    pub steady_last: Option<DateTime<Utc>>,
    /// Objects of the target that belong to the job, by type.
    pub entries: BTreeMap<ObjectType, u64>,
    /// Objects in escrow, by where they went wrong.
    pub escrows: BTreeMap<EscrowStage, u64>,
    /// Plans that the guard stopped, until somebody allows them or they are no more.
    pub stops: BTreeMap<ConnectorId, GuardStop>,
}

/// What a state does not tell of the cycle that just ended.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Objects of which references were told as changed.
    pub reference_deltas: Option<u64>,
    /// What a system said that did not accept the credentials.
    pub refused: Option<String>,
}

impl JobStatus {
    /// What decides when the job runs next.
    #[must_use]
    pub fn found(&self) -> Found<'_> {
        Found {
            ran: self.ran,
            began: self.began,
            tried: self.tried,
            quarantine: self.quarantine.as_ref(),
            given_up: self.given_up.is_some(),
        }
    }

    /// Takes in what the state has that is not in here; gives the outcome of the last cycle among it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn observe(
        &mut self,
        store: &dyn SyncStore,
        job: &str,
        targets: &BTreeSet<ConnectorId>,
        told: &Told,
    ) -> Result<Option<Outcome>, StoreError> {
        let runs = store.runs(RUNS)?;
        // A state that was thrown away counts from 1 again.
        if runs.first().is_some_and(|(newest, _)| *newest < self.last_run) {
            self.last_run = 0;
        }
        let escrows = escrow::count(store)?;
        let mut outcome = None;
        let mut moved = self.entries.is_empty();
        for (number, run) in runs.iter().rev() {
            let Some(ended) = run.ended else { continue };
            if *number <= self.last_run {
                continue;
            }
            self.last_run = *number;
            moved |= ["created", "deleted", "disabled", "countImportedDeltas"]
                .iter()
                .any(|name| run.counts.get(*name).is_some_and(|count| *count > 0));
            let newest = runs.first().is_some_and(|(newest, _)| newest == number);
            let deltas = if newest { told.reference_deltas } else { None };
            let by_stage = newest.then_some(&escrows);
            outcome = Some(self.take(&cycle_id(job, *number), run, ended, by_stage, deltas));
        }
        if moved {
            self.entries = entries(store, targets)?;
        }
        if outcome.is_some_and(|outcome| outcome != Outcome::Stopped) {
            self.refused.clone_from(&told.refused);
        }
        self.escrows = escrows;
        self.given_up = escrow::given_up(store)?;
        self.quarantine = run::quarantine(store)?.quarantine;
        self.stops.clear();
        for target in targets {
            // What was allowed waits no longer.
            if run::allowance(store, target)?.is_none()
                && let Some(stop) = run::stopped(store, target)?
            {
                self.stops.insert(target.clone(), stop);
            }
        }
        Ok(outcome)
    }

    fn take(
        &mut self,
        id: &str,
        run: &RunRecord,
        ended: DateTime<Utc>,
        escrows: Option<&BTreeMap<EscrowStage, u64>>,
        reference_deltas: Option<u64>,
    ) -> Outcome {
        let outcome = outcome_of(run);
        let count = |name: &str| run.counts.get(name).copied().unwrap_or(0);
        let raw = count("countEscrowed");
        let references =
            escrows.and_then(|stages| stages.get(&EscrowStage::Reference)).copied().unwrap_or(0);
        let execution = TaskExecution {
            activity_identifier: id.to_owned(),
            count_entitled: count("countEntitled"),
            count_entitled_for_provisioning: count("countEntitledForProvisioning"),
            count_escrowed: raw.saturating_sub(references),
            count_escrowed_raw: raw,
            count_exported: count("countExported"),
            count_exports: count("countExports"),
            count_imported: count("countImported"),
            count_imported_deltas: count("countImportedDeltas"),
            count_imported_reference_deltas: reference_deltas,
            error: error_of(outcome, run),
            state: match outcome {
                Outcome::Done => TaskState::Succeeded,
                Outcome::SomeFailed => TaskState::EntryLevelErrors,
                Outcome::Stopped | Outcome::GuardStopped | Outcome::CouldNotRun => {
                    TaskState::Failed
                }
            },
            time_began: run.started,
            time_ended: ended,
        };
        self.failures = match outcome {
            Outcome::CouldNotRun => self.failures.saturating_add(1),
            Outcome::Stopped => self.failures,
            Outcome::Done | Outcome::SomeFailed | Outcome::GuardStopped => 0,
        };
        self.ran |= matches!(outcome, Outcome::Done | Outcome::SomeFailed);
        let quiet = execution.count_exports == 0 && execution.count_imported_deltas == 0;
        if quiet && matches!(outcome, Outcome::Done | Outcome::SomeFailed) {
            self.steady_first.get_or_insert(ended);
            self.steady_last = Some(ended);
        }
        if execution.count_exported > 0 {
            self.last_with_exports = Some(execution.clone());
        }
        if outcome == Outcome::Done {
            self.last_successful = Some(execution.clone());
        }
        self.last = Some(execution);
        outcome
    }

    /// The status as the API tells it.
    #[must_use]
    pub fn wire(&self, code: wire::StatusCode, progress: Vec<wire::Progress>) -> wire::Status {
        let entries = self
            .entries
            .iter()
            .map(|(name, count)| wire::KeyLongPair { key: name.to_string(), value: *count });
        wire::Status {
            code,
            count_successive_complete_failures: self.failures,
            escrows_pruned: false,
            last_execution: self.last.clone(),
            last_successful_execution: self.last_successful.clone(),
            last_successful_execution_with_exports: self.last_with_exports.clone(),
            progress,
            quarantine: self.quarantine.as_ref().map(|found| quarantine(found, self.last.as_ref())),
            steady_state_first_achieved_time: self.steady_first,
            steady_state_last_achieved_time: self.steady_last,
            synchronized_entry_count_by_type: entries.collect(),
            troubleshooting_url: None,
        }
    }
}

/// The name of a cycle: of its job and its number in the history.
#[must_use]
pub fn cycle_id(job: &str, run: u64) -> String {
    format!("{job}.{run}")
}

fn quarantine(found: &Quarantine, last: Option<&TaskExecution>) -> wire::Quarantine {
    use scim_sync::escrow::QuarantineReason as Engine;
    let reason = match found.reason {
        Engine::EncounteredQuarantineException => {
            wire::QuarantineReason::EncounteredQuarantineException
        }
        Engine::EncounteredEscrowProportionThreshold => {
            wire::QuarantineReason::EncounteredEscrowProportionThreshold
        }
        Engine::QuarantineOnDemand => wire::QuarantineReason::QuarantinedOnDemand,
        Engine::DeleteThresholdExceeded => wire::QuarantineReason::TooManyDeletes,
    };
    wire::Quarantine {
        // When it was last found to be so: with the last cycle.
        current_began: last.map_or(found.since, |last| last.time_ended.max(found.since)),
        next_attempt: found.next,
        reason,
        series_began: found.since,
        series_count: u64::from(found.attempts),
        error: SynchronizationError {
            code: format!("{reason:?}"),
            message: found.message.clone(),
            tenant_actionable: true,
        },
    }
}

fn outcome_of(run: &RunRecord) -> Outcome {
    [Outcome::Done, Outcome::Stopped, Outcome::SomeFailed, Outcome::GuardStopped]
        .into_iter()
        .find(|outcome| outcome.words() == run.outcome)
        .unwrap_or(Outcome::CouldNotRun)
}

fn error_of(outcome: Outcome, run: &RunRecord) -> Option<SynchronizationError> {
    let code = match outcome {
        Outcome::Done | Outcome::SomeFailed if run.errors.is_empty() => return None,
        Outcome::Done | Outcome::SomeFailed => "EntryLevelErrors",
        Outcome::Stopped => "JobStopped",
        Outcome::GuardStopped => "TooManyDeletes",
        Outcome::CouldNotRun => "CycleFailed",
    };
    let message = if run.errors.is_empty() {
        "the cycle was asked to stop before its end; the next one goes on from there".to_owned()
    } else {
        run.errors.join("\n")
    };
    let tenant_actionable = outcome != Outcome::Stopped;
    Some(SynchronizationError { code: code.to_owned(), message, tenant_actionable })
}

fn entries(
    store: &dyn SyncStore,
    targets: &BTreeSet<ConnectorId>,
) -> Result<BTreeMap<ObjectType, u64>, StoreError> {
    let mut entries = BTreeMap::new();
    for target in targets {
        let mut after = None;
        loop {
            let page = store.objects(target, Which::Linked, after, PAGE)?;
            for object in page.iter().filter(|object| object.anchor.is_some()) {
                if let Some(object_type) = &object.object_type {
                    *entries.entry(object_type.clone()).or_default() += 1;
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.id),
                _ => break,
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use scim_sync::MemoryStore;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn run(store: &mut MemoryStore, minute: i64, outcome: Outcome, counts: &[(&str, u64)]) -> u64 {
        store.begin().unwrap();
        let errors = if outcome == Outcome::CouldNotRun { vec!["no".to_owned()] } else { vec![] };
        let record = RunRecord {
            profile: "incremental".to_owned(),
            started: at(minute),
            ended: Some(at(minute + 1)),
            outcome: outcome.words().to_owned(),
            counts: counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            errors,
        };
        let number = store.add_run(&record).unwrap();
        store.commit().unwrap();
        number
    }

    fn observed(status: &mut JobStatus, store: &MemoryStore) -> Option<Outcome> {
        status.observe(store, "job", &BTreeSet::new(), &Told::default()).unwrap()
    }

    #[test]
    fn every_run_counts_once_however_often_it_is_looked_at() {
        let mut store = MemoryStore::new();
        let mut status = JobStatus::default();
        assert_eq!(observed(&mut status, &store), None);
        run(&mut store, 0, Outcome::CouldNotRun, &[]);
        run(&mut store, 2, Outcome::CouldNotRun, &[]);
        assert_eq!(observed(&mut status, &store), Some(Outcome::CouldNotRun));
        assert_eq!((status.failures, status.ran), (2, false));
        assert_eq!(status.last.as_ref().unwrap().error.as_ref().unwrap().message, "no");
        assert_eq!(observed(&mut status, &store), None);
        assert_eq!(status.failures, 2);

        let counts = [
            ("countExported", 3),
            ("countExports", 3),
            ("countEntitled", 5),
            ("countEntitledForProvisioning", 4),
        ];
        run(&mut store, 4, Outcome::Done, &counts);
        assert_eq!(observed(&mut status, &store), Some(Outcome::Done));
        let last = status.last.as_ref().unwrap();
        assert_eq!((last.count_entitled, last.count_entitled_for_provisioning), (5, 4));
        assert_eq!((status.failures, status.ran), (0, true));
        assert_eq!(status.steady_first, None);
        run(&mut store, 6, Outcome::Done, &[]);
        run(&mut store, 8, Outcome::Done, &[]);
        observed(&mut status, &store);
        assert_eq!((status.steady_first, status.steady_last), (Some(at(7)), Some(at(9))));
        assert_eq!(status.last_with_exports.as_ref().unwrap().time_began, at(4));
    }

    #[test]
    fn a_cycle_that_still_runs_is_no_last_cycle() {
        let mut store = MemoryStore::new();
        let number = run(&mut store, 0, Outcome::Done, &[]);
        store.begin().unwrap();
        let mut record = store.runs(1).unwrap().remove(0).1;
        record.ended = None;
        store.put_run(number, &record).unwrap();
        store.commit().unwrap();
        let mut status = JobStatus::default();
        assert_eq!(observed(&mut status, &store), None);
        assert_eq!((status.last_run, status.last.is_none(), status.ran), (0, true, false));
    }
}

//! What a cycle did.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::ImportReport;
use crate::ConnectorId;
use crate::export::{ExportEnd, ExportReport};
use crate::guard::GuardStop;
use crate::plan::ExportPlan;
use crate::sync::SyncReport;

/// What a cycle did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CycleReport {
    /// Its number in the history.
    pub run: u64,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// What was read, by system.
    pub imports: BTreeMap<ConnectorId, ImportReport>,
    /// What the rules did; none where nothing passed them.
    pub sync: Option<SyncReport>,
    /// What was planned and written, by target.
    pub targets: Vec<TargetReport>,
    /// What went wrong with whole systems, in sentences.
    pub errors: Vec<String>,
    /// Objects in escrow at the end.
    pub escrowed: u64,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// What was planned and written to one target.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TargetReport {
    /// The target.
    pub target: ConnectorId,
    /// What there was to do.
    pub plan: ExportPlan,
    /// Why nothing of it was done, where the guard stopped it.
    pub stop: Option<GuardStop>,
    /// What was done; none where the guard stopped it and where nothing is exported.
    pub export: Option<ExportReport>,
}

/// How a cycle ended, in the order of how bad that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// It was asked to stop.
    Stopped,
    /// Some objects failed, or are left for the next cycle because the target has no time.
    SomeFailed,
    /// The guard stopped a plan.
    GuardStopped,
    /// A system could not be read or written.
    CouldNotRun,
}

impl Outcome {
    /// The words for the history.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::SomeFailed => "some objects failed",
            Self::GuardStopped => "stopped by the guard",
            Self::CouldNotRun => "failed",
        }
    }
}

impl CycleReport {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let exports = || self.targets.iter().filter_map(|target| target.export.as_ref());
        let broken = |export: &ExportReport| matches!(export.ended, Some(ExportEnd::Broken(_)));
        if !self.errors.is_empty() || exports().any(broken) {
            return Outcome::CouldNotRun;
        }
        if self.targets.iter().any(|target| target.stop.is_some()) {
            return Outcome::GuardStopped;
        }
        let unfinished = |export: &ExportReport| {
            matches!(export.ended, Some(ExportEnd::Busy(_) | ExportEnd::Drift(_)))
                || export.failed + export.references_failed + export.left > 0
        };
        if self.escrowed > 0 || exports().any(unfinished) {
            return Outcome::SomeFailed;
        }
        if self.stopped { Outcome::Stopped } else { Outcome::Done }
    }

    /// How many writes happened.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.targets
            .iter()
            .filter_map(|target| target.export.as_ref())
            .map(ExportReport::writes)
            .sum()
    }

    /// The counts, by the names of the job status.
    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        let exports = || self.targets.iter().filter_map(|target| target.export.as_ref());
        let imported: u64 = self.imports.values().map(|import| import.told).sum();
        let deltas = |import: &ImportReport| import.added + import.updated + import.deleted;
        let failed: u64 = exports().map(|export| export.failed + export.references_failed).sum();
        let mut counts = BTreeMap::from([
            ("countImported".to_owned(), imported),
            ("countImportedDeltas".to_owned(), self.imports.values().map(deltas).sum()),
            ("countExported".to_owned(), self.writes()),
            ("countExports".to_owned(), self.writes() + failed),
            ("countEscrowed".to_owned(), self.escrowed),
        ]);
        if let Some(sync) = &self.sync {
            counts.insert("countEntitled".to_owned(), sync.identities);
            counts.insert("countEntitledForProvisioning".to_owned(), sync.in_scope);
            counts.insert("countSynchronized".to_owned(), sync.objects);
        }
        for export in exports() {
            for (name, count) in [
                ("created", export.created),
                ("updated", export.updated),
                ("references", export.references),
                ("disabled", export.disabled),
                ("deleted", export.deleted),
            ] {
                *counts.entry(name.to_owned()).or_default() += count;
            }
        }
        counts
    }
}

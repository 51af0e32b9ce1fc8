//! What a job would write: the plan of its last cycle, where nothing of it was written.

use chrono::{DateTime, Utc};
use scim_sync::plan::{ExportPlan, PlanCounts};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Mode;
use super::pilot::Pilot;

/// Steps that are kept to be shown.
const STEPS: usize = 200;

/// A plan of which nothing was written: the job is in staging mode, or the guard stopped it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// When it was worked out.
    pub at: DateTime<Utc>,
    /// In which mode.
    pub mode: Mode,
    /// For whom only.
    pub pilot: Option<Pilot>,
    /// The same in words; for everybody in the scope where there is no pilot.
    pub scope: String,
    /// Stands for everything that would be written.
    pub digest: String,
    /// Why the guard would not let it through, where it would not.
    pub stopped: Option<String>,
    /// How much there would be to do.
    pub counts: Value,
    /// The first steps in words.
    pub lines: Vec<String>,
    /// The same as data.
    pub steps: Vec<Value>,
    /// Steps that are not here.
    pub omitted: u64,
}

impl Planned {
    pub(super) fn of(
        plan: &ExportPlan,
        mode: Mode,
        pilot: Option<&Pilot>,
        stopped: Option<String>,
        at: DateTime<Utc>,
    ) -> Self {
        let shown = || plan.steps().iter().take(STEPS);
        let steps: Vec<Value> =
            shown().filter_map(|step| serde_json::to_value(step).ok()).collect();
        let all: u64 = plan.counts().steps();
        Self {
            at,
            mode,
            scope: scope(pilot),
            pilot: pilot.cloned(),
            digest: plan.digest().to_owned(),
            stopped,
            counts: counts(plan.counts()),
            lines: shown().map(ToString::to_string).collect(),
            omitted: all.saturating_sub(steps.len() as u64),
            steps,
        }
    }
}

/// Whom a job is for, in words.
pub(super) fn scope(pilot: Option<&Pilot>) -> String {
    pilot.map_or_else(|| "everybody in the scope".to_owned(), |pilot| format!("pilot: {pilot}"))
}

fn counts(counts: &PlanCounts) -> Value {
    serde_json::to_value(counts).unwrap_or_default()
}

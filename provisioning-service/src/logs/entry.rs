//! An entry of the log: `microsoft.graph.provisioningObjectSummary`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What was done to one object. It holds no secret: what a rule redacts is redacted before it comes here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningObjectSummary {
    /// The entry's place in the log.
    #[serde(default)]
    pub id: String,
    /// When.
    pub activity_date_time: DateTime<Utc>,
    /// Whose.
    pub tenant_id: String,
    /// Of which job.
    pub job_id: String,
    /// In which cycle.
    pub cycle_id: String,
    /// Which change of that cycle.
    pub change_id: String,
    /// `create`, `update`, `delete`, `stageddelete`, `disable` or `other`.
    pub provisioning_action: String,
    /// How long it took; not measured for single writes, which are sent together.
    pub duration_in_milliseconds: Option<u64>,
    /// How it went.
    pub provisioning_status_info: StatusInfo,
    /// What was done, step by step.
    pub provisioning_steps: Vec<ProvisioningStep>,
    /// What changed.
    pub modified_properties: Vec<ModifiedProperty>,
    /// Where the object came from.
    pub source_system: System,
    /// Where it went to.
    pub target_system: System,
    /// The object there,
    pub source_identity: Identity,
    /// and here.
    pub target_identity: Identity,
    /// Who asked for it.
    pub initiated_by: Initiator,
}

/// How it went: `microsoft.graph.provisioningStatusInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusInfo {
    /// `success`, `failure`, `skipped` or `warning`.
    pub status: String,
    /// What went wrong.
    pub error_information: Option<ErrorInformation>,
}

/// What went wrong: `microsoft.graph.provisioningErrorInfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorInformation {
    /// What kind.
    pub error_code: String,
    /// What happened and what to mend.
    pub reason: String,
}

/// A step: `microsoft.graph.provisioningStep`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningStep {
    /// What it is called.
    pub name: String,
    /// `import`, `scoping`, `matching`, `processing`, `referenceResolution` or `export`.
    pub provisioning_step_type: String,
    /// As that of the whole.
    pub status: String,
    /// What happened, in a sentence.
    pub description: String,
    /// More.
    pub details: Map<String, Value>,
}

/// A changed property: `microsoft.graph.modifiedProperty`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModifiedProperty {
    /// Its name.
    pub display_name: String,
    /// Its values before, with commas between.
    pub old_value: Option<String>,
    /// Its values after.
    pub new_value: Option<String>,
}

/// A system: `microsoft.graph.provisioningSystem`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct System {
    /// What the job calls it.
    pub id: String,
    /// The same.
    pub display_name: String,
    /// More.
    pub details: Map<String, Value>,
}

impl System {
    /// A system of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { id: name.to_owned(), display_name: name.to_owned(), details: Map::new() }
    }
}

/// An object: `microsoft.graph.provisionedIdentity`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// What identifies it; empty where it is not there.
    pub id: String,
    /// What people call it.
    pub display_name: String,
    /// What it is.
    pub identity_type: String,
    /// More.
    pub details: Map<String, Value>,
}

/// Who asked: `microsoft.graph.initiator`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Initiator {
    /// Who.
    pub id: String,
    /// The same for people.
    pub display_name: String,
    /// `system` for the schedule, `user` for somebody who asked for one object.
    pub initiator_type: String,
}

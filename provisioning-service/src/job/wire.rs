//! The JSON of Microsoft's synchronization API, by its names: what clients of that API send and read.
//!
//! What has no place there is in one member of its own, `hybrid`, of a job: which agents are asked, how the target is
//! spoken to, the limits of the guard.

use chrono::{DateTime, Utc};
use scim_sync::expr::MappingSource;
use scim_sync::rules::graph::JobSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::duration::IsoDuration;
use super::record::JobSettings;

/// A collection as OData writes one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collection<T> {
    /// Where the next page is.
    #[serde(rename = "@odata.nextLink", default, skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    /// What is in it.
    pub value: Vec<T>,
}

impl<T> Collection<T> {
    /// All there is.
    #[must_use]
    pub fn of(value: Vec<T>) -> Self {
        Self { next_link: None, value }
    }
}

/// `microsoft.graph.synchronizationJob`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SynchronizationJob {
    /// What it is called in addresses.
    pub id: String,
    /// The template that it was made from.
    pub template_id: String,
    /// When it runs.
    pub schedule: Schedule,
    /// How it is doing.
    pub status: Status,
    /// Its settings as pairs, for clients that know no `hybrid`.
    pub synchronization_job_settings: Vec<KeyValuePair>,
    /// Its settings.
    pub hybrid: JobSettings,
}

/// `microsoft.graph.keyValuePair`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyValuePair {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
}

/// `microsoft.graph.synchronizationSchedule`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// When the job expires: never.
    pub expiration: Option<DateTime<Utc>>,
    /// The time from the beginning of a cycle to the beginning of the next.
    pub interval: IsoDuration,
    /// Whether it runs.
    pub state: ScheduleState,
}

/// Whether a job runs by its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScheduleState {
    /// It does.
    Active,
    /// It does not: it was never started, or it has rested for too long.
    Disabled,
    /// Somebody paused it.
    Paused,
}

/// The state of a job in a word: `synchronizationStatusCode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StatusCode {
    /// It has no credentials and never ran.
    NotConfigured,
    /// It has all it needs, and has not come to the end of its first cycle.
    NotRun,
    /// It runs by its schedule.
    Active,
    /// Somebody paused it; everything is kept.
    Paused,
    /// It rests after failures, and is tried again now and then.
    Quarantine,
}

/// `microsoft.graph.synchronizationStatus`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// In a word.
    pub code: StatusCode,
    /// Cycles in a row that could not be run.
    pub count_successive_complete_failures: u64,
    /// Whether failures were thrown away to get through the first cycle: never, they are kept.
    pub escrows_pruned: bool,
    /// The last cycle.
    pub last_execution: Option<TaskExecution>,
    /// The last cycle without any failure.
    pub last_successful_execution: Option<TaskExecution>,
    /// The last cycle that wrote something.
    pub last_successful_execution_with_exports: Option<TaskExecution>,
    /// How far the cycle is that runs now.
    pub progress: Vec<Progress>,
    /// Why and since when the job rests, if it does.
    pub quarantine: Option<Quarantine>,
    /// When there was nothing more to do for the first time,
    pub steady_state_first_achieved_time: Option<DateTime<Utc>>,
    /// and for the last time.
    pub steady_state_last_achieved_time: Option<DateTime<Utc>>,
    /// How many objects of the target belong to the job, by type.
    pub synchronized_entry_count_by_type: Vec<KeyLongPair>,
    /// Where to read what to do: nowhere, the messages say it.
    pub troubleshooting_url: Option<String>,
}

/// `microsoft.graph.stringKeyLongValuePair`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyLongPair {
    /// The name.
    pub key: String,
    /// The number.
    pub value: u64,
}

/// `microsoft.graph.synchronizationProgress`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// So many are done,
    pub completed_units: u64,
    /// at this time,
    pub progress_observation_date_time: DateTime<Utc>,
    /// of so many, where that is known.
    pub total_units: Option<u64>,
    /// What they are.
    pub units: String,
}

/// `microsoft.graph.synchronizationTaskExecution`: one cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskExecution {
    /// The cycle, as the provisioning log names it.
    pub activity_identifier: String,
    /// Identities that the rules looked at.
    pub count_entitled: u64,
    /// Of these, those that are to be in the target.
    pub count_entitled_for_provisioning: u64,
    /// Objects that failed and are tried again.
    pub count_escrowed: u64,
    /// The same with failed references.
    pub count_escrowed_raw: u64,
    /// Writes that happened.
    pub count_exported: u64,
    /// Writes that were tried.
    pub count_exports: u64,
    /// Objects that were told of.
    pub count_imported: u64,
    /// Objects that were new, otherwise than before, or gone.
    pub count_imported_deltas: u64,
    /// Objects of which references were told as changed; not known of cycles that died with their program.
    pub count_imported_reference_deltas: Option<u64>,
    /// What went wrong with the cycle as a whole.
    pub error: Option<SynchronizationError>,
    /// How it ended.
    pub state: TaskState,
    /// When it began,
    pub time_began: DateTime<Utc>,
    /// and when it ended.
    pub time_ended: DateTime<Utc>,
}

/// How a cycle ended: `synchronizationTaskExecutionResult`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskState {
    /// Everything was done.
    Succeeded,
    /// It could not be run, was stopped, or the guard let nothing through.
    Failed,
    /// Single objects failed.
    EntryLevelErrors,
}

/// `microsoft.graph.synchronizationError`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SynchronizationError {
    /// What kind.
    pub code: String,
    /// What happened and what to mend.
    pub message: String,
    /// Whether the administrator can do something.
    pub tenant_actionable: bool,
}

/// `microsoft.graph.synchronizationQuarantine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// When it was last found to be so.
    pub current_began: DateTime<Utc>,
    /// When a cycle is tried next.
    pub next_attempt: DateTime<Utc>,
    /// Why.
    pub reason: QuarantineReason,
    /// When it began.
    pub series_began: DateTime<Utc>,
    /// How many times it was found to be so still.
    pub series_count: u64,
    /// What happened.
    pub error: SynchronizationError,
}

/// Why a job rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuarantineReason {
    /// Too large a share of the objects failed.
    EncounteredEscrowProportionThreshold,
    /// A system refused the credentials, or answered with what it must not.
    EncounteredQuarantineException,
    /// Somebody asked for it.
    QuarantinedOnDemand,
    /// The plan takes away more than the limits allow.
    TooManyDeletes,
}

/// `microsoft.graph.synchronizationTemplate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// What jobs name it by.
    pub id: String,
    /// Whether it is the usual one.
    pub default: bool,
    /// What it does.
    pub description: String,
    /// Whether it is in the list.
    pub discoverable: bool,
    /// Which implementation runs its jobs: always the one there is.
    pub factory_tag: String,
    /// The schema of new jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<JobSchema>,
}

/// What makes a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewJob {
    /// From which template.
    pub template_id: String,
    /// With which settings.
    pub hybrid: JobSettings,
}

/// `microsoft.graph.synchronizationSecretKeyStringValuePair`. Its value is a secret: this type has no `Debug` that shows it.
#[derive(Clone, Deserialize)]
pub struct SecretPair {
    /// Which one.
    pub key: String,
    /// What it is.
    pub value: secrecy::SecretString,
}

impl std::fmt::Debug for SecretPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretPair").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The secrets of a job, as they are put.
#[derive(Clone, Debug, Deserialize)]
pub struct Secrets {
    /// The pairs. The documents of the API call them `value` in the example and `credentials` in the table.
    #[serde(alias = "credentials")]
    pub value: Vec<SecretPair>,
}

/// Asks whether credentials are good.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValidateCredentials {
    /// Those of the job, and not the ones given here.
    pub use_saved_credentials: bool,
    /// These.
    pub credentials: Vec<SecretPair>,
}

/// Asks for a job to begin anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Restart {
    /// What is forgotten before.
    pub criteria: RestartCriteria,
}

/// `microsoft.graph.synchronizationJobRestartCriteria`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RestartCriteria {
    /// The names, with commas between; empty for the usual ones.
    pub reset_scope: String,
}

/// Asks what an expression says.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParseExpression {
    /// The expression.
    pub expression: String,
    /// An object to try it with.
    pub test_input_object: Option<ExpressionInput>,
}

/// `microsoft.graph.expressionInputObject`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ExpressionInput {
    /// Its attributes.
    pub properties: Vec<InputProperty>,
}

/// An attribute of an object to try an expression with: `microsoft.graph.stringKeyObjectValuePair`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct InputProperty {
    /// Its name.
    pub key: String,
    /// Its value, or an array of them.
    #[serde(default)]
    pub value: Value,
}

/// `microsoft.graph.parseExpressionResponse`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParsedExpression {
    /// What is wrong with it.
    pub error: Option<PublicError>,
    /// Whether it could be tried with the object.
    pub evaluation_succeeded: bool,
    /// What it gave.
    pub evaluation_result: Vec<String>,
    /// The expression as a tree.
    pub parsed_expression: Option<MappingSource>,
    /// Whether it is one.
    pub parsing_succeeded: bool,
}

/// `microsoft.graph.publicError`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicError {
    /// What kind.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

/// Asks for objects to be provisioned now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionOnDemand {
    /// Which ones.
    pub parameters: Vec<OnDemandParameters>,
    /// Whether only to say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

/// `microsoft.graph.synchronizationJobApplicationParameters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandParameters {
    /// The synchronization rule. A job has one; its id or nothing.
    #[serde(default)]
    pub rule_id: Option<String>,
    /// The objects.
    pub subjects: Vec<Subject>,
}

/// `microsoft.graph.synchronizationJobSubject`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subject {
    /// Its distinguished name, or what identifies it.
    pub object_id: String,
    /// What it is, in the words of the source.
    pub object_type_name: String,
    /// What is to be provisioned with it.
    pub links: Option<Links>,
}

/// `microsoft.graph.synchronizationLinkedObjects`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Members of a group.
    pub members: Vec<Subject>,
    /// Managers.
    pub manager: Option<Box<Subject>>,
}

/// `microsoft.graph.stringKeyStringValuePair`: the result and, as JSON in a text, what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyStringPair {
    /// The result, as JSON in a text.
    pub key: String,
    /// What was done, as JSON in a text.
    pub value: String,
}

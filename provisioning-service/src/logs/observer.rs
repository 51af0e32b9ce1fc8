//! From what a cycle tells to entries of the log.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_sync::observer::{Event, Observer, PropertyChange, Step, StepStatus};
use scim_sync::plan::{self, Shown, StepKind};
use scim_sync::rules::text_of;
use scim_sync::space::ExportKind;
use scim_sync::store::EscrowStage;
use scim_sync::{AttributeValue, SpaceId, SyncStore};
use scim_sync_store::SqliteStore;
use serde_json::Map;

use super::entry::{
    ErrorInformation, Identity, Initiator, ModifiedProperty, ProvisioningObjectSummary,
    ProvisioningStep, StatusInfo, System,
};
use crate::clock::Clock;
use crate::records::LogEntry;

/// What every entry of a cycle has in common.
#[derive(Clone, Debug)]
pub struct Names {
    /// The tenant.
    pub tenant: String,
    /// The job.
    pub job: String,
    /// The directory.
    pub source: String,
    /// The target.
    pub target: String,
    /// Who asked; `None` for the schedule.
    pub asked_by: Option<String>,
}

/// Makes entries of events and hands each on at once: what waits here is lost with a process that dies. What becomes of them
/// is for `sink`: it may wait.
pub struct LogObserver<S: FnMut(LogEntry) + Send> {
    names: Names,
    clock: Arc<dyn Clock>,
    /// The state once more, for the names of objects that failed.
    look_up: Option<SqliteStore>,
    sink: S,
    cycle: String,
    change: u64,
}

impl<S: FnMut(LogEntry) + Send> LogObserver<S> {
    /// Entries with these names; `state` is the file that names of objects are looked up in.
    pub fn new(names: Names, clock: Arc<dyn Clock>, state: Option<&Path>, sink: S) -> Self {
        let look_up = state.and_then(|path| SqliteStore::open(path).ok());
        Self { names, clock, look_up, sink, cycle: String::new(), change: 0 }
    }

    fn keep(&mut self, mut summary: ProvisioningObjectSummary) {
        self.change += 1;
        summary.change_id = format!("{}.{}", self.cycle, self.change);
        let parts = [
            &summary.source_identity.display_name,
            &summary.source_identity.id,
            &summary.target_identity.id,
        ];
        let object: Vec<&str> =
            parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let entry = LogEntry {
            at: summary.activity_date_time,
            job: self.names.job.clone(),
            object: object.join(" "),
            action: summary.provisioning_action.clone(),
            status: summary.provisioning_status_info.status.clone(),
            body: serde_json::to_value(&summary).unwrap_or_default(),
        };
        (self.sink)(entry);
    }

    fn blank(&self, at: DateTime<Utc>, action: &str, status: &str) -> ProvisioningObjectSummary {
        let asked = self.names.asked_by.as_deref();
        ProvisioningObjectSummary {
            id: String::new(),
            activity_date_time: at,
            tenant_id: self.names.tenant.clone(),
            job_id: self.names.job.clone(),
            cycle_id: self.cycle.clone(),
            change_id: String::new(),
            provisioning_action: action.to_owned(),
            duration_in_milliseconds: None,
            provisioning_status_info: StatusInfo {
                status: status.to_owned(),
                error_information: None,
            },
            provisioning_steps: Vec::new(),
            modified_properties: Vec::new(),
            source_system: System::named(&self.names.source),
            target_system: System::named(&self.names.target),
            source_identity: Identity::default(),
            target_identity: Identity::default(),
            initiated_by: Initiator {
                id: asked.unwrap_or_default().to_owned(),
                display_name: asked.unwrap_or("the schedule").to_owned(),
                initiator_type: if asked.is_some() { "user" } else { "system" }.to_owned(),
            },
        }
    }

    fn written(&mut self, step: &Step) {
        let (action, name) = match step.action {
            ExportKind::Add => ("create", "EntryExportAdd"),
            ExportKind::Update => ("update", "EntryExportUpdate"),
            ExportKind::Disable => ("disable", "EntryExportDisable"),
            ExportKind::Delete => ("delete", "EntryExportDelete"),
            ExportKind::DeleteAdd => ("delete", "EntryExportDeleteAdd"),
        };
        let status = match step.status {
            StepStatus::Success => "success",
            StepStatus::Failure => "failure",
            StepStatus::Skipped => "skipped",
            StepStatus::Warning => "warning",
        };
        let mut summary = self.blank(self.clock.now(), action, status);
        let text = |anchor: &Option<scim_sync::Anchor>| {
            anchor.as_ref().map(ToString::to_string).unwrap_or_default()
        };
        summary.source_identity = Identity {
            id: text(&step.source),
            display_name: step.name.clone(),
            ..Identity::default()
        };
        summary.target_identity = Identity {
            id: text(&step.target),
            display_name: step.name.clone(),
            identity_type: step.object_type.to_string(),
            details: Map::new(),
        };
        summary.modified_properties = step.changes.iter().map(changed).collect();
        summary.provisioning_steps = vec![one_step(name, "export", status, step.message.clone())];
        if step.status == StepStatus::Failure {
            summary.provisioning_status_info.error_information = Some(ErrorInformation {
                error_code: name.to_owned(),
                reason: step.message.clone(),
            });
        }
        self.keep(summary);
    }

    /// Keeps what would be written by a job that writes nothing.
    pub fn planned(&mut self, step: &plan::Step) {
        let (action, what) = match step.kind {
            StepKind::Create => ("create", "made"),
            StepKind::Update | StepKind::References => ("update", "changed"),
            StepKind::Disable => ("disable", "switched off"),
            StepKind::Delete | StepKind::Replace => ("delete", "removed"),
        };
        let told = format!("staging: it would be {what}, and nothing is written; {}", step.reason);
        self.unwritten(action, step, told);
    }

    fn staged(&mut self, step: &plan::Step) {
        let what = match step.kind {
            StepKind::Disable => "would be switched off",
            StepKind::Replace => "would be removed and made anew",
            StepKind::Delete | StepKind::Create | StepKind::Update | StepKind::References => {
                "would be removed"
            }
        };
        let told = format!("it {what}, and the guard stopped the plan: {}", step.reason);
        self.unwritten("stageddelete", step, told);
    }

    fn unwritten(&mut self, action: &str, step: &plan::Step, told: String) {
        let mut summary = self.blank(self.clock.now(), action, "skipped");
        let anchor = step.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
        summary.target_identity = Identity {
            id: anchor,
            display_name: step.label.to_string(),
            identity_type: step.object_type.to_string(),
            details: Map::new(),
        };
        summary.source_identity.display_name = step.label.to_string();
        summary.modified_properties = step
            .changes
            .iter()
            .map(|change| ModifiedProperty {
                display_name: change.name.to_string(),
                old_value: shown(&change.before),
                new_value: shown(&change.after),
            })
            .collect();
        summary.provisioning_steps = vec![one_step("EntryExportStaged", "export", "skipped", told)];
        self.keep(summary);
    }

    fn failed(&mut self, object: SpaceId, stage: EscrowStage, message: &str) {
        let (name, kind) = match stage {
            EscrowStage::Import => ("EntryImport", "import"),
            EscrowStage::Sync => ("EntrySynchronization", "matching"),
            EscrowStage::Outbound => ("EntrySynchronization", "processing"),
            // Their write was told already.
            EscrowStage::Export | EscrowStage::Reference => return,
        };
        let mut summary = self.blank(self.clock.now(), "other", "failure");
        let found = self.look_up.as_ref().and_then(|store| store.object(object).ok().flatten());
        if let Some(found) = found {
            let label = plan::label(&found, &plan::default_labels()).to_string();
            let named = found.dn.as_ref().map_or(label, ToString::to_string);
            let identity = Identity {
                id: found.anchor.as_ref().map(ToString::to_string).unwrap_or_default(),
                display_name: named,
                identity_type: found.object_type.map(|it| it.to_string()).unwrap_or_default(),
                details: Map::new(),
            };
            if found.connector.as_str() == self.names.target {
                summary.target_identity = identity;
            } else {
                summary.source_identity = identity;
            }
        }
        summary.provisioning_status_info.error_information =
            Some(ErrorInformation { error_code: name.to_owned(), reason: message.to_owned() });
        summary.provisioning_steps = vec![one_step(name, kind, "failure", message.to_owned())];
        self.keep(summary);
    }

    fn stopped(&mut self, stop: &scim_sync::guard::GuardStop) {
        let mut summary = self.blank(self.clock.now(), "other", "warning");
        let told = stop.to_string();
        summary.provisioning_status_info.error_information = Some(ErrorInformation {
            error_code: "TooManyDeletes".to_owned(),
            reason: told.clone(),
        });
        let mut step = one_step("EntryExportStaged", "export", "skipped", told);
        step.details.insert("digest".to_owned(), stop.digest.clone().into());
        summary.provisioning_steps = vec![step];
        self.keep(summary);
    }
}

fn one_step(name: &str, kind: &str, status: &str, description: String) -> ProvisioningStep {
    ProvisioningStep {
        name: name.to_owned(),
        provisioning_step_type: kind.to_owned(),
        status: status.to_owned(),
        description,
        details: Map::new(),
    }
}

fn changed(change: &PropertyChange) -> ModifiedProperty {
    ModifiedProperty {
        display_name: change.attribute.to_string(),
        old_value: joined(&change.old),
        new_value: joined(&change.new),
    }
}

/// Values with commas between; none are no value.
pub(crate) fn joined(values: &[AttributeValue]) -> Option<String> {
    (!values.is_empty()).then(|| values.iter().map(text_of).collect::<Vec<_>>().join(","))
}

fn shown(values: &Shown) -> Option<String> {
    match values {
        Shown::Open(values) => joined(values),
        Shown::Redacted { present } => present.then(|| "[Redact]".to_owned()),
    }
}

impl<S: FnMut(LogEntry) + Send> Observer for LogObserver<S> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::CycleStarted { run, .. } => {
                self.cycle = match &self.names.asked_by {
                    None => crate::job::cycle_id(&self.names.job, *run),
                    // It has a state of its own, which counts from 1.
                    Some(_) => {
                        let moment = self.clock.now().timestamp_millis();
                        format!("{}.on-demand.{moment}", self.names.job)
                    }
                };
                self.change = 0;
            }
            Event::StepDone(step) => self.written(step),
            Event::StepStaged(step) => self.staged(step),
            Event::Escrowed { object, stage, message } => self.failed(*object, *stage, message),
            Event::GuardStopped(stop) => self.stopped(stop),
            _ => {}
        }
    }
}

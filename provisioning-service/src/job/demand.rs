//! Single objects on demand: what becomes of them, and, if asked, done at once.
//!
//! An object is worked out in a state of its own that holds nothing else and is thrown away. So it says the same whatever the
//! job is doing, takes nothing away from anybody, and works before the first cycle and while the job rests. References are
//! added to what was asked for together; none is taken away, because a state of few objects does not know the others.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use scim_sync::connector::{ImportShape, ImportedObject, MatchQuery};
use scim_sync::cycle::{CycleInput, run_cycle};
use scim_sync::observer::{Event, Observer, Step, StepStatus};
use scim_sync::preview;
use scim_sync::run::CycleMode;
use scim_sync::space::ExportKind;
use scim_sync::stop::Stop;
use scim_sync::sync::{Explanation, Synchronizer};
use scim_sync::{Connector, ObjectType, SpaceId, SyncStore};
use scim_sync_store::SqliteStore;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::connectors::Only;
use super::error::JobError;
use super::folder::Place;
use super::kept::{self, JobKey};
use super::run::{LogSink, Systems, runtime};
use super::schedule::{Claim, on_thread};
use super::wire::{KeyStringPair, ProvisionOnDemand, Subject};
use super::{Jobs, Mode};
use crate::audit::Actor;
use crate::clock::Clock;
use crate::logs::{LogObserver, ModifiedProperty, Names};
use crate::records::{Batch, LogEntry};

/// Objects of one request, members of groups among them.
const MOST: usize = 6;

/// What became of the objects that were asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnDemand {
    /// The answer of Microsoft's API, about the first object.
    #[serde(flatten)]
    pub pair: KeyStringPair,
    /// All of them.
    pub hybrid: Vec<OnDemandResult>,
}

/// What became of one object, in the four sections.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandResult {
    /// What was asked for.
    pub object_id: String,
    /// `Success`, `Skipped` or `Failure`.
    pub result: String,
    /// Whether it was only said and not done.
    pub dry_run: bool,
    /// `Create`, `Update`, `Delete`, `Disable` or `Other`.
    pub action: String,
    /// Why the scope of the job leaves it out, where it does: on demand it is taken in all the same.
    pub left_out: Option<String>,
    /// Import, in scope, match, action: what every rule said.
    pub explanation: Explanation,
    /// What was written, or would be.
    pub modified_properties: Vec<ModifiedProperty>,
    /// What happened, in a sentence.
    pub message: String,
}

impl Jobs {
    /// Provisions single objects now, or only says what would be done.
    ///
    /// The scope of the directory is not applied: whoever asks for an object means it. The rules are.
    ///
    /// # Errors
    /// [`JobError::Invalid`], [`JobError::Missing`]; [`JobError::Busy`] while a cycle of the job runs, unless nothing is to
    /// be written; [`JobError::Credentials`] and [`JobError::Internal`] where a system cannot be asked.
    pub async fn on_demand(
        &self,
        key: &JobKey,
        asked: &ProvisionOnDemand,
        by: &Actor,
    ) -> Result<OnDemand, JobError> {
        let job = kept::job(&*self.0.records, key).await?.value;
        let subjects = subjects(asked)?;
        let systems = self.0.systems(key, &job, None).await?;
        let mut request = Request {
            names: self.0.names(key, &systems, Some(&by.to_string())),
            systems,
            subjects,
            dry_run: asked.dry_run,
            place: None,
            clock: Arc::clone(&self.0.clock),
        };
        if !asked.dry_run && job.settings.mode == Mode::Staging {
            return Err(JobError::Invalid(
                "the job is in staging mode and writes nothing: ask with dryRun, or let it go live"
                    .to_owned(),
            ));
        }
        if asked.dry_run {
            return on_thread(key, move || request.run(None)).await?;
        }
        let objects: Vec<&str> = request.subjects.iter().map(|it| it.object_id.as_str()).collect();
        let act = self.act(by, "job.provisionOnDemand", json!({ "objects": objects }));
        let entries = vec![act.entry(key)];
        self.0.records.commit(Batch { entries, ..Batch::default() }).await?;
        let busy =
            || JobError::Busy("a cycle of the job runs: try again when it is over".to_owned());
        let claim = Claim::take(&self.0, key).ok_or_else(busy)?;
        let lease = self.0.lease(key).await?.ok_or_else(busy)?;
        request.place = Some(self.0.place(key, &lease));
        let (inner, key) = (Arc::clone(&self.0), key.clone());
        // Whoever asked may go away; what was begun is ended, with its claim and its lease.
        let work = tokio::spawn(async move {
            let (log, writing) = inner.log_writer(&key);
            let done = tokio::select! {
                () = inner.keep(&claim, &lease, &job) => {
                    Err(JobError::Internal("the lease is kept for ever".to_owned()))
                }
                done = on_thread(&key, move || request.run(Some(log))) => done,
            };
            let _ = writing.await;
            inner.release(&lease).await;
            drop(claim);
            done?
        });
        work.await.map_err(|error| JobError::Internal(error.to_string()))?
    }
}

fn subjects(asked: &ProvisionOnDemand) -> Result<Vec<Subject>, JobError> {
    let mut subjects: Vec<Subject> = Vec::new();
    for subject in asked.parameters.iter().flat_map(|parameters| &parameters.subjects) {
        subjects.push(subject.clone());
        if let Some(links) = &subject.links {
            subjects.extend(links.members.iter().cloned());
            subjects.extend(links.manager.as_deref().cloned());
        }
    }
    if subjects.is_empty() || subjects.len() > MOST {
        return Err(JobError::Invalid(format!(
            "name 1 to {MOST} objects, members of groups counted: a group and five of its members at most"
        )));
    }
    if subjects.iter().any(|subject| subject.object_id.trim().is_empty()) {
        return Err(JobError::Invalid(
            "an objectId is a distinguished name or what identifies an object".to_owned(),
        ));
    }
    Ok(subjects)
}

/// What the thread does.
struct Request {
    names: Names,
    systems: Systems,
    subjects: Vec<Subject>,
    dry_run: bool,
    /// Where the state of the job is, where something is to be written.
    place: Option<Place>,
    clock: Arc<dyn Clock>,
}

/// One object, as its directory has it now.
struct Found {
    subject: Subject,
    object: ImportedObject,
    left_out: Option<String>,
    explanation: Explanation,
}

impl Request {
    fn run(self, log: Option<LogSink>) -> Result<OnDemand, JobError> {
        let runtime = runtime()?;
        runtime.block_on(self.work(log))
    }

    async fn work(self, log: Option<LogSink>) -> Result<OnDemand, JobError> {
        let began = self.clock.now();
        let mapping = &self.systems.mapping;
        let shape = mapping.rules.shape(&mapping.source);
        let mut found = Vec::new();
        for subject in &self.subjects {
            let object = preview::find(&*self.systems.source, &subject.object_id, &shape).await;
            let object = object.map_err(|error| told(&mapping.source, &error))?;
            let mut object = object.ok_or_else(|| JobError::Missing {
                what: "object of the directory with the name or identifier",
                id: subject.object_id.clone(),
            })?;
            let left_out = preview::take_in(&mut object);
            let (subject, explanation) = (subject.clone(), Explanation::default());
            found.push(Found { subject, object, left_out, explanation });
        }
        let folder = private_folder()?;
        let matched = self.explain(&mut found, &folder.path().join("explained.db")).await?;
        let mut steps = Vec::new();
        let mut errors = Vec::new();
        if let (Some(log), Some(place)) = (log, &self.place) {
            let database = folder.path().join("written.db");
            (steps, errors) = self.write(&found, matched, &database, place, log).await?;
            self.make_known(&steps, place, began).await?;
        }
        let ended = self.clock.now();
        let results: Vec<OnDemandResult> =
            found.into_iter().map(|one| self.result(one, &steps, &errors)).collect();
        let first = results.first().ok_or_else(|| JobError::Internal("no object".to_owned()))?;
        let pair = self.pair(first, &steps, began, ended);
        Ok(OnDemand { pair, hybrid: results })
    }

    /// Lets the objects pass the rules, with what the target has of them; gives what it has.
    async fn explain(
        &self,
        found: &mut [Found],
        database: &Path,
    ) -> Result<Vec<ImportedObject>, JobError> {
        let mapping = &self.systems.mapping;
        let (source, target) = (&*self.systems.source, &*self.systems.target);
        let mut store = SqliteStore::open(database)?;
        let now = self.clock.now();
        let failed = |error: scim_sync::import::StagingError| JobError::Internal(error.to_string());
        let mut rows = Vec::new();
        for one in found.iter() {
            rows.push(preview::stage(&mut store, source, one.object.clone(), now).map_err(failed)?);
        }
        let schema = target.schema().await.map_err(|error| told(&mapping.target, &error))?;
        let mut schemas = std::collections::BTreeMap::from([(mapping.target.clone(), schema)]);
        let schema = source.schema().await.map_err(|error| told(&mapping.source, &error))?;
        schemas.insert(mapping.source.clone(), schema);
        let synchronizer = Synchronizer::new(&mapping.rules, now).with_schemas(schemas);
        let shape = mapping.rules.shape(&mapping.target);
        let mut matched: Vec<ImportedObject> = Vec::new();
        for (one, row) in found.iter_mut().zip(rows) {
            let row =
                row.ok_or_else(|| JobError::Internal("the object was not staged".to_owned()))?;
            let explain = |store: &mut SqliteStore| {
                synchronizer
                    .explain(store, row)
                    .map_err(|error| JobError::Internal(error.to_string()))
            };
            one.explanation = explain(&mut store)?;
            let here = matching(&one.explanation, mapping);
            let mut news = false;
            for query in here {
                let objects = target.find(&query, &shape).await;
                let objects = objects.map_err(|error| told(&mapping.target, &error))?;
                for mut object in objects {
                    if matched.iter().any(|known| known.anchor == object.anchor) {
                        continue;
                    }
                    // What it refers to is not in this state, and must not look as if it were to go.
                    object.references.clear();
                    matched.push(object.clone());
                    let row = preview::stage(&mut store, target, object, now).map_err(failed)?;
                    if let Some(row) = row {
                        make_findable(&mut store, &synchronizer, row)?;
                    }
                    news = true;
                }
                if news {
                    break;
                }
            }
            if news {
                one.explanation = explain(&mut store)?;
            }
        }
        Ok(matched)
    }

    /// A cycle over these objects and no others.
    async fn write(
        &self,
        found: &[Found],
        matched: Vec<ImportedObject>,
        database: &Path,
        place: &Place,
        log: LogSink,
    ) -> Result<(Vec<Step>, Vec<String>), JobError> {
        let _held = place.hold()?;
        let mut store = SqliteStore::open(database)?;
        let objects = found.iter().map(|one| one.object.clone()).collect();
        let source = Only { inner: Arc::clone(&self.systems.source), objects };
        let target = Only { inner: Arc::clone(&self.systems.target), objects: matched };
        let connectors: [&dyn Connector; 2] = [&source, &target];
        let mut options = self.systems.options.clone();
        options.mode = CycleMode::Initial;
        // Asked for by name, so it is meant.
        options.export = true;
        let now = || self.clock.now();
        let mut undo = place.undo(self.clock.now());
        let sink = move |entry: LogEntry| {
            let _ = log.send(entry);
        };
        let mut observer = Steps {
            log: LogObserver::new(
                self.names.clone(),
                Arc::clone(&self.clock),
                Some(database),
                sink,
            ),
            steps: Vec::new(),
        };
        let input = CycleInput {
            store: &mut store,
            rules: &self.systems.mapping.rules,
            connectors: &connectors,
            options: &options,
            now: &now,
            stop: &Stop::new(),
            undo: &mut *undo,
        };
        let report = run_cycle(input, &mut observer).await;
        let report = report.map_err(|error| JobError::Internal(error.to_string()))?;
        let mut errors = report.errors;
        errors.extend(
            report
                .targets
                .iter()
                .filter_map(|target| target.stop.as_ref())
                .map(ToString::to_string),
        );
        Ok((observer.steps, errors))
    }

    /// Tells the state of the job what the target has now, so that its next cycle finds what was made here.
    async fn make_known(
        &self,
        steps: &[Step],
        place: &Place,
        now: DateTime<Utc>,
    ) -> Result<(), JobError> {
        let mapping = &self.systems.mapping;
        let anchors: BTreeSet<_> = steps.iter().filter_map(|step| step.target.clone()).collect();
        if anchors.is_empty() || !place.may_be_known() {
            return Ok(());
        }
        let anchors: Vec<_> = anchors.into_iter().collect();
        let shape: ImportShape = mapping.rules.shape(&mapping.target);
        let target = &*self.systems.target;
        let objects = target.read(&anchors, &shape).await;
        let objects = objects.map_err(|error| told(&mapping.target, &error))?;
        let held = place.hold()?;
        let mut store = place.open(&held)?;
        // A state that has never read the target reads it whole anyway.
        if !store.connector(&mapping.target)?.complete {
            return Ok(());
        }
        for object in objects {
            preview::stage(&mut store, target, object, now)
                .map_err(|error| JobError::Internal(error.to_string()))?;
        }
        Ok(())
    }

    fn result(&self, found: Found, steps: &[Step], errors: &[String]) -> OnDemandResult {
        let Found { subject, object, left_out, explanation } = found;
        let mine = steps.iter().filter(|step| step.source.as_ref() == Some(&object.anchor));
        let mine: Vec<&Step> = mine.collect();
        let planned = explanation.actions.iter().find(|action| action.action.is_some());
        let kind = mine.first().map(|step| step.action).or(planned.and_then(|it| it.action));
        let action = match kind {
            Some(ExportKind::Add) => "Create",
            Some(ExportKind::Update) => "Update",
            Some(ExportKind::Disable) => "Disable",
            Some(ExportKind::Delete | ExportKind::DeleteAdd) => "Delete",
            None => "Other",
        };
        let failed = mine.iter().find(|step| step.status == StepStatus::Failure);
        let (result, message) = if let Some(step) = failed {
            ("Failure", step.message.clone())
        } else if !mine.is_empty() {
            (
                "Success",
                mine.iter().map(|step| step.message.as_str()).collect::<Vec<_>>().join("; "),
            )
        } else if let Some(trouble) = explanation.troubles.first() {
            ("Failure", trouble.clone())
        } else if let Some(error) = errors.first() {
            ("Failure", error.clone())
        } else if self.dry_run
            && let Some(planned) = planned
        {
            ("Success", format!("nothing was written; it would be: {}", planned.reason))
        } else if explanation.scope.iter().all(|rule| !rule.in_scope) {
            ("Skipped", "no rule takes the object in".to_owned())
        } else {
            ("Skipped", "the target has everything already".to_owned())
        };
        let modified_properties = if mine.is_empty() {
            let changes = planned.into_iter().flat_map(|planned| &planned.changes);
            changes
                .map(|(name, old, new)| ModifiedProperty {
                    display_name: name.to_string(),
                    old_value: crate::logs::joined(old),
                    new_value: crate::logs::joined(new),
                })
                .collect()
        } else {
            let changes = mine.iter().flat_map(|step| &step.changes);
            changes
                .map(|change| ModifiedProperty {
                    display_name: change.attribute.to_string(),
                    old_value: crate::logs::joined(&change.old),
                    new_value: crate::logs::joined(&change.new),
                })
                .collect()
        };
        OnDemandResult {
            object_id: subject.object_id,
            result: result.to_owned(),
            dry_run: self.dry_run,
            action: action.to_owned(),
            left_out,
            explanation,
            modified_properties,
            message,
        }
    }

    /// The answer of Microsoft's API: JSON in texts.
    fn pair(
        &self,
        result: &OnDemandResult,
        steps: &[Step],
        began: DateTime<Utc>,
        ended: DateTime<Utc>,
    ) -> KeyStringPair {
        let details = match result.result.as_str() {
            "Success" => json!({}),
            kind => json!({
                "errorCode": if kind == "Skipped" { "RedundantExport" } else { "ExportFailed" },
                "errorMessage": result.message,
            }),
        };
        let import = result.explanation.import.as_ref();
        let anchor = import.and_then(|import| import.anchor.clone());
        let source_type = import.and_then(|import| import.object_type.clone());
        let step = steps.iter().find(|step| step.source == anchor && anchor.is_some());
        let action = result.explanation.actions.first();
        let target_id = step
            .and_then(|step| step.target.clone())
            .or_else(|| action.and_then(|action| action.anchor.clone()));
        let target_type: Option<ObjectType> = action.and_then(|action| action.object_type.clone());
        let value = json!({
            "action": result.action,
            "changeId": format!("{}.on-demand.{}", self.names.job, began.timestamp_millis()),
            "startTime": began,
            "endTime": ended,
            "reportableIdentifier": result.object_id,
            "provisioningSteps": sections(result, ended),
            "modifiedProperties": result.modified_properties,
            "statusInfo": { "status": result.result },
            "sourceIdentity": { "id": anchor, "type": source_type },
            "sourceSystem": { "name": self.names.source },
            "targetIdentity": { "id": target_id, "type": target_type },
            "targetSystem": { "name": self.names.target },
        });
        let key = json!({ "result": result.result, "details": details });
        KeyStringPair { key: key.to_string(), value: value.to_string() }
    }
}

/// The searches of the target that would find the object there and were made in a state that has nothing of the target.
fn matching(explanation: &Explanation, mapping: &super::Mapping) -> Vec<MatchQuery> {
    let searches = explanation.matching.iter().filter(|search| search.found == 0);
    searches
        .filter_map(|search| {
            let rule = mapping.rules.by_name(&search.rule)?;
            Some(MatchQuery {
                object_type: rule.object_type.clone(),
                attribute: search.by.as_str().into(),
                value: search.value.clone()?,
                limit: 2,
            })
        })
        .collect()
}

/// Has the rules find an object that was staged: a cycle does that when it takes the object in.
fn make_findable(
    store: &mut SqliteStore,
    synchronizer: &Synchronizer<'_>,
    row: SpaceId,
) -> Result<(), JobError> {
    let Some(object) = store.object(row)? else { return Ok(()) };
    store.begin()?;
    store.index_object(row, &synchronizer.keys_of(&object))?;
    Ok(store.commit()?)
}

/// The four sections: import, in scope, match, action.
fn sections(result: &OnDemandResult, at: DateTime<Utc>) -> Value {
    let explanation = &result.explanation;
    let step = |name: &str, kind: &str, status: &str, description: String, details: Value| {
        json!({
            "name": name, "type": kind, "status": status, "description": description,
            "timestamp": at, "details": details,
        })
    };
    let object = &result.object_id;
    let mut attributes = Map::new();
    if let Some(import) = &explanation.import {
        for (name, values) in import.attributes.iter() {
            attributes.insert(name.to_string(), json!(crate::logs::joined(values)));
        }
        for (name, count) in &import.references {
            attributes.insert(name.to_string(), json!(format!("{count} references")));
        }
    }
    let mut scope = Map::new();
    for rule in &explanation.scope {
        scope.insert(rule.rule.clone(), json!(if rule.in_scope { "True" } else { "False" }));
    }
    if let Some(reason) = &result.left_out {
        scope.insert(
            "Left out by the scope of the job, which is not applied on demand".to_owned(),
            json!(reason),
        );
    }
    let in_scope = explanation.scope.iter().any(|rule| rule.in_scope);
    let mut matches = Map::new();
    for search in &explanation.matching {
        matches.insert(format!("{} by {}", search.rule, search.by), json!(search.told));
    }
    let name = match result.action.as_str() {
        "Create" => "EntryExportAdd",
        "Update" => "EntryExportUpdate",
        "Disable" => "EntryExportDisable",
        "Delete" => "EntryExportDelete",
        _ => "EntrySynchronizationSkip",
    };
    json!([
        step(
            "EntryImport",
            "Import",
            "Success",
            format!("Read {object:?} from the directory"),
            Value::Object(attributes)
        ),
        step(
            "EntrySynchronizationScoping",
            "Scoping",
            if in_scope { "Success" } else { "Skipped" },
            "Whether the object is in scope, by each rule".to_owned(),
            Value::Object(scope),
        ),
        step(
            "EntryImportByMatchingProperty",
            "Matching",
            "Success",
            "What was looked for in the target and what was found".to_owned(),
            Value::Object(matches),
        ),
        step(
            name,
            "Export",
            &result.result,
            result.message.clone(),
            json!({ "dryRun": result.dry_run })
        ),
    ])
}

fn told(system: &scim_sync::ConnectorId, error: &scim_sync::ConnectorError) -> JobError {
    JobError::Credentials(format!("{system}: {error}"))
}

/// Values of people stand in it.
fn private_folder() -> Result<tempfile::TempDir, JobError> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("provisioning-service-");
    #[cfg(unix)]
    folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    folder.tempdir().map_err(|error| JobError::Internal(format!("no temporary folder: {error}")))
}

/// Keeps the writes, and logs them.
struct Steps<S: FnMut(LogEntry) + Send> {
    log: LogObserver<S>,
    steps: Vec<Step>,
}

impl<S: FnMut(LogEntry) + Send> Observer for Steps<S> {
    fn event(&mut self, event: &Event) {
        if let Event::StepDone(step) = event {
            self.steps.push((**step).clone());
        }
        self.log.event(event);
    }
}

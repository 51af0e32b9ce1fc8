//! What administrators do with jobs.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use scim_sync::Connector;
use scim_sync::cycle::CycleOptions;
use scim_sync::guard::GuardStop;
use scim_sync::rules::Release;
use scim_sync::rules::graph::JobSchema;
use scim_sync::stop::Stop;
use scim_sync_connectors::Beside;
use scim_sync_connectors::remote::RemoteConnector;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::connectors::{Fenced, Probing};
use super::error::JobError;
use super::kept::{self, Act, JOB, JobKey, PLAN, SECRETS};
use super::mapping::{Difference, Mapping, differences};
use super::planned::Planned;
use super::record::{Deprovision, JobRecord, MappingVersion, Mode};
use super::run::{self, Systems};
use super::schedule::Running;
use super::state::{Command, JobState};
use super::status::JobStatus;
use super::{Inner, Jobs, planned, secrets, templates, wire};
use crate::audit::Actor;
use crate::logs::{self, LogPage};
use crate::records::{Batch, Lease, LogQuery, RecordsError, Write};
use crate::tenant::TenantId;

/// How long somebody who deletes a job waits for its cycle to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A plan that waits for somebody to look at it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoppedPlan {
    /// Why, in a sentence.
    pub message: String,
    /// Whom the job is for.
    pub scope: String,
    /// The stop.
    #[serde(flatten)]
    pub stop: GuardStop,
}

impl StoppedPlan {
    pub(super) fn of(stop: GuardStop, scope: &str) -> Self {
        Self { message: stop.to_string(), scope: scope.to_owned(), stop }
    }
}

impl Jobs {
    /// Every job of a tenant.
    ///
    /// # Errors
    /// [`JobError::Records`].
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<wire::SynchronizationJob>, JobError> {
        let mut list = Vec::new();
        for job in kept::jobs(&*self.0.records, tenant).await? {
            let key = JobKey::new(tenant, &job.id);
            let status = kept::status(&*self.0.records, &key).await?;
            let elsewhere = self.0.runs_elsewhere(&key).await?;
            list.push(self.0.told(&key, job, &status.value, elsewhere));
        }
        Ok(list)
    }

    /// One job.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn get(&self, key: &JobKey) -> Result<wire::SynchronizationJob, JobError> {
        let job = kept::job(&*self.0.records, key).await?;
        let status = kept::status(&*self.0.records, key).await?;
        let elsewhere = self.0.runs_elsewhere(key).await?;
        Ok(self.0.told(key, job.value, &status.value, elsewhere))
    }

    /// Makes a job from a template. It does nothing before it has secrets and somebody starts it.
    ///
    /// # Errors
    /// [`JobError::Missing`] for the template, [`JobError::Invalid`], [`JobError::Mapping`], [`JobError::Records`].
    pub async fn create(
        &self,
        tenant: &TenantId,
        new: wire::NewJob,
        by: &Actor,
    ) -> Result<wire::SynchronizationJob, JobError> {
        let template = templates::by_id(&new.template_id)
            .ok_or(JobError::Missing { what: "template", id: new.template_id })?;
        new.hybrid.check().map_err(JobError::Invalid)?;
        let schema = template.schema().map_err(JobError::Internal)?;
        let mapping = Mapping::of(&schema, &new.hybrid.deprovision)?;
        let id = format!("{}.{:032x}", template.id, rand::random::<u128>());
        let key = JobKey::new(tenant, &id);
        let now = self.0.clock.now();
        let job = JobRecord {
            id,
            template_id: template.id,
            created: now,
            settings: new.hybrid,
            state: JobState::default(),
            mapping: 1,
            secrets: BTreeSet::new(),
            deleted: false,
        };
        let version = MappingVersion {
            version: 1,
            at: now,
            by: by.to_string(),
            copy_of: None,
            notes: mapping.notes,
            schema,
        };
        let writes = vec![
            Write::create(key.record(JOB), kept::json(&job)?),
            Write::create(key.mapping(1), kept::json(&version)?),
        ];
        let details = json!({ "template": job.template_id, "settings": job.settings });
        let act = Act { by, action: "job.create", details, at: now };
        let batch = Batch { writes, entries: vec![act.entry(&key)], fence: None };
        self.0.records.commit(batch).await?;
        Ok(self.0.told(&key, job, &JobStatus::default(), false))
    }

    /// Gives a job other settings: those that are named, each as a whole; `null` for what is usual. The others stay. They
    /// hold from its next cycle on.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Invalid`], [`JobError::Records`].
    pub async fn configure(
        &self,
        key: &JobKey,
        named: &Map<String, Value>,
        by: &Actor,
    ) -> Result<wire::SynchronizationJob, JobError> {
        let act = self.act(by, "job.configure", Value::Object(named.clone()));
        kept::change(&*self.0.records, key, act, |job| {
            let settings = job.settings.with(named).map_err(JobError::Invalid)?;
            if job.settings.mode == Mode::Staging && settings.mode == Mode::Active {
                return Err(JobError::Invalid(
                    "a job in staging mode begins to write when it goes live (goLive), not by its settings"
                        .to_owned(),
                ));
            }
            job.settings = settings;
            Ok(((), Vec::new()))
        })
        .await?;
        self.wake();
        self.get(key).await
    }

    /// Stops a job and removes it with its state. What it has written stays in the target.
    ///
    /// # Errors
    /// [`JobError::Missing`]; [`JobError::Busy`] where its cycle has not ended in time: then it is removed as soon as it
    /// has.
    pub async fn delete(&self, key: &JobKey, by: &Actor) -> Result<(), JobError> {
        let act = self.act(by, "job.delete", json!({}));
        kept::change(&*self.0.records, key, act, |job| {
            job.deleted = true;
            job.state = job.state.command(&Command::Pause, true)?.0;
            Ok(((), Vec::new()))
        })
        .await?;
        self.0.stop(key);
        let mut done = self.0.running(key).map(|running| running.done);
        let gone = async {
            loop {
                if let Some(done) = &mut done {
                    while done.changed().await.is_ok() {}
                }
                self.wake();
                if kept::get::<JobRecord>(&*self.0.records, key.record(JOB)).await?.is_none() {
                    return Ok(());
                }
                done = self.0.running(key).map(|running| running.done);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, gone).await {
            Ok(gone) => gone,
            Err(_) => Err(JobError::Busy(
                "the job runs no more and is removed as soon as its last write has been answered"
                    .to_owned(),
            )),
        }
    }

    /// Starts, pauses or restarts a job.
    ///
    /// A cycle that has to stop is told so before this returns; what it has sent is waited for, and nothing further is begun.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Refused`], [`JobError::Records`].
    pub async fn command(
        &self,
        key: &JobKey,
        command: &Command,
        by: &Actor,
    ) -> Result<(), JobError> {
        let act = match command {
            Command::Start => self.act(by, "job.start", json!({})),
            Command::Pause => self.act(by, "job.pause", json!({})),
            Command::Restart(resets) => {
                self.act(by, "job.restart", json!({ "resetScope": resets }))
            }
            Command::Allow(digest) => self.act(by, "job.allow", json!({ "digest": digest })),
        };
        let effects = kept::change(&*self.0.records, key, act, |job| {
            let (state, effects) = job.state.command(command, job.is_configured())?;
            job.state = state;
            Ok((effects, Vec::new()))
        })
        .await?;
        if effects.stop {
            self.0.stop(key);
        }
        if effects.wake {
            self.wake();
        }
        Ok(())
    }

    /// What the job would write: the plan of its last cycle, where nothing of it was written.
    ///
    /// # Errors
    /// [`JobError::Missing`] where there is none, [`JobError::Records`].
    pub async fn plan(&self, key: &JobKey) -> Result<Planned, JobError> {
        kept::job(&*self.0.records, key).await?;
        let found = kept::get::<Planned>(&*self.0.records, key.record(PLAN)).await?;
        let missing = || JobError::Missing {
            what: "plan of which nothing was written for",
            id: key.id.clone(),
        };
        found.map(|read| read.value).ok_or_else(missing)
    }

    /// Ends the staging mode of a job: from its next cycle on it writes. With a digest, only if what it would write is
    /// what somebody looked at; its beginning is enough.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Invalid`] where it is live already or would write something else,
    /// [`JobError::Records`].
    pub async fn go_live(
        &self,
        key: &JobKey,
        digest: Option<&str>,
        by: &Actor,
    ) -> Result<(), JobError> {
        let plan = match self.plan(key).await {
            Ok(plan) => Some(plan),
            Err(JobError::Missing { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(digest) = digest {
            let digest = digest.trim().to_ascii_lowercase();
            let same = plan.as_ref().is_some_and(|plan| {
                plan.digest == digest || digest.len() >= 8 && plan.digest.starts_with(&digest)
            });
            if !same {
                return Err(JobError::Invalid(
                    "the plan is another one by now: look at it again".to_owned(),
                ));
            }
        }
        let details = json!({
            "digest": plan.as_ref().map(|plan| &plan.digest),
            "counts": plan.as_ref().map(|plan| &plan.counts),
        });
        let act = self.act(by, "job.goLive", details);
        kept::change(&*self.0.records, key, act, |job| {
            if job.settings.mode == Mode::Active {
                return Err(JobError::Invalid("the job is live already".to_owned()));
            }
            job.settings.mode = Mode::Active;
            Ok(((), Vec::new()))
        })
        .await?;
        self.wake();
        Ok(())
    }

    /// The plans that the guard stopped and nobody has allowed.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn stopped_plans(&self, key: &JobKey) -> Result<Vec<StoppedPlan>, JobError> {
        let settings = kept::job(&*self.0.records, key).await?.value.settings;
        let stops = kept::status(&*self.0.records, key).await?.value.stops;
        let scope = planned::scope(settings.pilot.as_ref());
        Ok(stops.into_values().map(|stop| StoppedPlan::of(stop, &scope)).collect())
    }

    /// Lets a stopped plan through, once, if it still takes away the same. The beginning of its digest is enough.
    ///
    /// # Errors
    /// [`JobError::Missing`] where no plan of this digest waits, [`JobError::Refused`], [`JobError::Records`].
    pub async fn allow(&self, key: &JobKey, digest: &str, by: &Actor) -> Result<(), JobError> {
        let digest = digest.trim().to_ascii_lowercase();
        let waits = |plan: &StoppedPlan| {
            plan.stop.digest == digest || digest.len() >= 8 && plan.stop.digest.starts_with(&digest)
        };
        match self.stopped_plans(key).await?.into_iter().find(waits) {
            Some(plan) => self.command(key, &Command::Allow(plan.stop.digest), by).await,
            None => Err(JobError::Missing { what: "stopped plan", id: digest }),
        }
    }

    /// The mapping that is in force.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn schema(&self, key: &JobKey) -> Result<JobSchema, JobError> {
        let job = kept::job(&*self.0.records, key).await?;
        Ok(kept::mapping(&*self.0.records, key, job.value.mapping).await?.schema)
    }

    /// Saves a mapping as a new version. The next cycle lets all objects pass it; links are kept.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Mapping`], [`JobError::Records`].
    pub async fn save_schema(
        &self,
        key: &JobKey,
        schema: &JobSchema,
        by: &Actor,
    ) -> Result<MappingVersion, JobError> {
        self.save(key, schema, by, None).await
    }

    /// Makes an old version the newest one.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Mapping`], [`JobError::Records`].
    pub async fn roll_back(
        &self,
        key: &JobKey,
        version: u64,
        by: &Actor,
    ) -> Result<MappingVersion, JobError> {
        let old = kept::mapping(&*self.0.records, key, version).await?;
        self.save(key, &old.schema, by, Some(version)).await
    }

    async fn save(
        &self,
        key: &JobKey,
        schema: &JobSchema,
        by: &Actor,
        copy_of: Option<u64>,
    ) -> Result<MappingVersion, JobError> {
        let at = self.0.clock.now();
        let act = self.act(by, "job.mapping", json!({ "copyOf": copy_of }));
        let saved = kept::change(&*self.0.records, key, act, |job| {
            let notes = Mapping::of(schema, &job.settings.deprovision)?.notes;
            job.mapping += 1;
            let version = MappingVersion {
                version: job.mapping,
                at,
                by: by.to_string(),
                copy_of,
                notes,
                schema: schema.clone(),
            };
            let write = Write::create(key.mapping(job.mapping), kept::json(&version)?);
            Ok((version, vec![write]))
        })
        .await?;
        self.wake();
        Ok(saved)
    }

    /// The versions of the mapping, the newest first.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn versions(&self, key: &JobKey) -> Result<Vec<MappingVersion>, JobError> {
        kept::job(&*self.0.records, key).await?;
        kept::mappings(&*self.0.records, key).await
    }

    /// One version of the mapping.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn version(&self, key: &JobKey, version: u64) -> Result<MappingVersion, JobError> {
        kept::job(&*self.0.records, key).await?;
        kept::mapping(&*self.0.records, key, version).await
    }

    /// What is different between two versions.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn compare(
        &self,
        key: &JobKey,
        old: u64,
        new: u64,
    ) -> Result<Vec<Difference>, JobError> {
        kept::job(&*self.0.records, key).await?;
        let old = kept::mapping(&*self.0.records, key, old).await?;
        let new = kept::mapping(&*self.0.records, key, new).await?;
        Ok(differences(&old.schema, &new.schema))
    }

    /// Keeps secrets of a job, sealed; those that are not named stay, empty ones are forgotten.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Invalid`], [`JobError::Seal`], [`JobError::Records`].
    pub async fn save_secrets(
        &self,
        key: &JobKey,
        pairs: &[wire::SecretPair],
        by: &Actor,
    ) -> Result<(), JobError> {
        let named: Vec<&str> = pairs.iter().map(|pair| pair.key.as_str()).collect();
        let act = self.act(by, "job.secrets", json!({ "names": named }));
        loop {
            let mut sealed = kept::secrets(&*self.0.records, key).await?;
            let before = sealed.value.clone();
            secrets::same_place(&before, &self.0.sealer, &key.tenant, &key.id, pairs)?;
            secrets::seal(&mut sealed.value, &self.0.sealer, &key.tenant, &key.id, pairs)?;
            let write = sealed.replace(key.record(SECRETS), &sealed.value)?;
            if before == sealed.value {
                kept::job(&*self.0.records, key).await?;
                return Ok(());
            }
            let names: BTreeSet<String> = sealed.value.keys().cloned().collect();
            let job = kept::job(&*self.0.records, key).await?;
            let value = JobRecord { secrets: names, ..job.value.clone() };
            let writes = vec![job.replace(key.record(JOB), &value)?, write];
            let batch = Batch { writes, entries: vec![act.entry(key)], fence: None };
            match self.0.records.commit(batch).await {
                Err(RecordsError::Conflict(_)) => {}
                written => {
                    written?;
                    self.wake();
                    return Ok(());
                }
            }
        }
    }

    /// Asks the target whether credentials are good: those given, or those of the job.
    ///
    /// # Errors
    /// [`JobError::Credentials`] with what the target answered; otherwise as [`Jobs::save_secrets`].
    pub async fn validate(
        &self,
        key: &JobKey,
        asked: &wire::ValidateCredentials,
    ) -> Result<(), JobError> {
        let job = kept::job(&*self.0.records, key).await?.value;
        let opened = if asked.use_saved_credentials {
            self.0.opened(key).await?
        } else {
            secrets::of(&asked.credentials)?
        };
        let version = kept::mapping(&*self.0.records, key, job.mapping).await?;
        let mapping = Mapping::of(&version.schema, &job.settings.deprovision)?;
        let target =
            opened.connector(mapping.target.clone(), &job.settings.target, &self.0.targets)?;
        let probing = Probing::new(Arc::new(target), &mapping);
        let told = probing.schema().await;
        told.map(drop).map_err(|error| JobError::Credentials(error.to_string()))
    }
}

impl Jobs {
    /// The time, as the jobs have it.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// A page of the provisioning log.
    ///
    /// # Errors
    /// [`JobError::Records`].
    pub async fn log(&self, tenant: &TenantId, query: &LogQuery) -> Result<LogPage, JobError> {
        Ok(logs::page(&*self.0.records, tenant, query).await?)
    }

    /// A piece of the provisioning log as JSON lines, oldest first, and where the next one begins.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn log_lines(
        &self,
        tenant: &TenantId,
        query: &LogQuery,
    ) -> Result<(String, Option<u64>), RecordsError> {
        logs::lines(&*self.0.records, tenant, query).await
    }

    pub(super) fn act<'a>(&self, by: &'a Actor, action: &'static str, details: Value) -> Act<'a> {
        Act { by, action, details, at: self.0.clock.now() }
    }
}

impl Inner {
    pub(super) fn told(
        &self,
        key: &JobKey,
        job: JobRecord,
        status: &JobStatus,
        elsewhere: bool,
    ) -> wire::SynchronizationJob {
        let code = job.state.code(job.is_configured(), status.found());
        let here = self.running(key).and_then(|running| {
            running.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
        });
        // How far another replica is, it alone knows.
        let progress = here.or_else(|| {
            elsewhere.then(|| wire::Progress {
                completed_units: 0,
                progress_observation_date_time: self.clock.now(),
                total_units: None,
                units: "objects so far, as much as is known here: another replica runs it"
                    .to_owned(),
            })
        });
        let pair = |name: &str, value: &str| wire::KeyValuePair {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let source = &job.settings.source;
        wire::SynchronizationJob {
            schedule: wire::Schedule {
                expiration: None,
                interval: job.settings.interval,
                state: job.state.schedule(),
            },
            status: status.wire(code, progress.into_iter().collect()),
            synchronization_job_settings: vec![
                pair("AgentGroup", &source.group),
                pair("Directory", &source.directory),
                pair("Mode", job.settings.mode.name()),
                pair("Scope", &planned::scope(job.settings.pilot.as_ref())),
            ],
            id: job.id,
            template_id: job.template_id,
            hybrid: job.settings,
        }
    }

    /// Whether another replica has the job at work: it has the lease then.
    pub(super) async fn runs_elsewhere(&self, key: &JobKey) -> Result<bool, JobError> {
        if self.running(key).is_some() {
            return Ok(false);
        }
        Ok(self.records.is_held(&key.lease(), self.clock.now()).await?)
    }

    pub(super) fn running(&self, key: &JobKey) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn stop(&self, key: &JobKey) {
        if let Some(running) = self.running(key) {
            running.stop.stop();
        }
    }

    pub(super) async fn opened(&self, key: &JobKey) -> Result<secrets::Opened, JobError> {
        let kept = kept::secrets(&*self.records, key).await?;
        secrets::open(&kept.value, &self.sealer, &key.tenant, &key.id)
    }

    /// What a job reads and writes, and how; what is written `under` a lease is written as long as that holds, and its loss stops
    /// the cycle.
    pub(super) async fn systems(
        &self,
        key: &JobKey,
        job: &JobRecord,
        under: Option<(&Lease, &Stop)>,
    ) -> Result<Systems, JobError> {
        let opened = self.opened(key).await?;
        let settings = &job.settings;
        let mut deprovision: Deprovision = settings.deprovision;
        if opened.skip_out_of_scope {
            deprovision.on_out_of_scope = Release::Keep;
        }
        let version = kept::mapping(&*self.records, key, job.mapping).await?;
        let mapping = Mapping::of(&version.schema, &deprovision)?;
        let relay = self.sources.relay(&key.tenant, &settings.source.group);
        let source = RemoteConnector::new(
            mapping.source.clone(),
            settings.source.directory.clone(),
            settings.scope().map_err(JobError::Invalid)?,
            relay,
        )
        .with_known(self.known_schema(key));
        let target = opened.connector(mapping.target.clone(), &settings.target, &self.targets)?;
        let together = target.together();
        let mut target: Arc<dyn Connector> = Arc::new(target);
        if let Some((lease, stop)) = under {
            let records = Arc::clone(&self.records);
            target = Arc::new(Fenced::new(target, records, lease, stop.clone(), together));
        }
        let read_targets_every = chrono::TimeDelta::from_std(settings.read_target_every.get());
        let options = CycleOptions {
            export: settings.mode == Mode::Active,
            guard: opened.guard(&settings.guard)?,
            quarantine: settings.quarantine.clone(),
            retry: settings.retry.clone(),
            read_targets_every: read_targets_every.unwrap_or(chrono::TimeDelta::MAX),
            random: Some(run::random()),
            ..CycleOptions::default()
        };
        Ok(Systems {
            mapping: Arc::new(mapping),
            source: Arc::new(Beside::new(Arc::new(source))),
            target: Arc::new(Beside::new(target)),
            options,
            pilot: settings.pilot.clone(),
        })
    }
}

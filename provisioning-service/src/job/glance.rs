//! Jobs as operators look at them: how each is doing, when it runs next, and what waits for somebody.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use scim_sync::store::EscrowStage;
use serde_json::Value;

use super::error::JobError;
use super::jobs::StoppedPlan;
use super::kept::{self, JobKey};
use super::planned;
use super::record::JobRecord;
use super::state::{Due, Switch};
use super::status::JobStatus;
use super::{Inner, Jobs, schedule, wire};
use crate::logs;
use crate::records::LogQuery;
use crate::tenant::TenantId;

/// Entries of the log that are looked through for those of a plan.
const ENTRIES: usize = 1000;

/// A job at a look.
#[derive(Clone, Debug)]
pub struct Glance {
    /// The job as the API tells it.
    pub job: wire::SynchronizationJob,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// The version of its mapping that is in force.
    pub mapping: u64,
    /// When it runs next.
    pub next: Due,
    /// Whether a cycle of it runs, here or in another replica.
    pub running: bool,
    /// Objects in escrow, by where they went wrong.
    pub escrows: BTreeMap<EscrowStage, u64>,
    /// Plans that the guard stopped and nobody has allowed.
    pub stops: Vec<StoppedPlan>,
    /// What it rested for, where that was for so long that it was switched off.
    pub switched_off: Option<String>,
}

/// What a stopped plan would take away.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StagedObjects {
    /// The entries of the provisioning log about them, the newest first.
    pub entries: Vec<Value>,
    /// Whether there are more than are here.
    pub more: bool,
}

impl Jobs {
    /// Every job of a tenant.
    ///
    /// # Errors
    /// [`JobError::Records`].
    pub async fn glances(&self, tenant: &TenantId) -> Result<Vec<Glance>, JobError> {
        let mut all = Vec::new();
        for job in kept::jobs(&*self.0.records, tenant).await? {
            let key = JobKey::new(tenant, &job.id);
            let status = kept::status(&*self.0.records, &key).await?;
            let elsewhere = self.0.runs_elsewhere(&key).await?;
            all.push(self.0.glance(&key, job, status.value, elsewhere));
        }
        Ok(all)
    }

    /// One job.
    ///
    /// # Errors
    /// [`JobError::Missing`], [`JobError::Records`].
    pub async fn glance(&self, key: &JobKey) -> Result<Glance, JobError> {
        let job = kept::job(&*self.0.records, key).await?;
        let status = kept::status(&*self.0.records, key).await?;
        let elsewhere = self.0.runs_elsewhere(key).await?;
        Ok(self.0.glance(key, job.value, status.value, elsewhere))
    }

    /// What a plan would take away that the guard stopped, object by object, as its last cycle noted it in the log.
    ///
    /// # Errors
    /// [`JobError::Missing`] where no plan of this digest waits, [`JobError::Records`].
    pub async fn staged(&self, key: &JobKey, digest: &str) -> Result<StagedObjects, JobError> {
        let waits = self.stopped_plans(key).await?.iter().any(|plan| plan.stop.digest == digest);
        if !waits {
            return Err(JobError::Missing { what: "stopped plan", id: digest.to_owned() });
        }
        let query = |action: &str, status: &str, limit| LogQuery {
            job: Some(key.id.clone()),
            action: Some(action.to_owned()),
            status: Some(status.to_owned()),
            limit,
            ..LogQuery::default()
        };
        let records = &*self.0.records;
        let stops = logs::page(records, &key.tenant, &query("other", "warning", 100)).await?;
        let of_plan = |entry: &&Value| {
            let steps = entry["provisioningSteps"].as_array();
            steps.into_iter().flatten().any(|step| step["details"]["digest"] == *digest)
        };
        let Some(cycle) = stops.entries.iter().find(of_plan).map(|entry| &entry["cycleId"]) else {
            return Ok(StagedObjects::default());
        };
        let page =
            logs::page(records, &key.tenant, &query("stageddelete", "skipped", ENTRIES)).await?;
        let full = page.next.is_some();
        let entries: Vec<Value> =
            page.entries.into_iter().filter(|entry| entry["cycleId"] == *cycle).collect();
        Ok(StagedObjects { more: full && entries.len() == ENTRIES, entries })
    }
}

impl Inner {
    fn glance(&self, key: &JobKey, job: JobRecord, status: JobStatus, elsewhere: bool) -> Glance {
        let scope = planned::scope(job.settings.pilot.as_ref());
        let stops = status.stops.values().cloned();
        let switched_off = match &job.state.switch {
            Switch::Disabled(why) => Some(why.clone()),
            Switch::Off | Switch::On | Switch::Paused => None,
        };
        Glance {
            created: job.created,
            mapping: job.mapping,
            next: schedule::due(&job, &status, self.clock.now()),
            running: elsewhere || self.running(key).is_some(),
            escrows: status.escrows.clone(),
            stops: stops.map(|stop| StoppedPlan::of(stop, &scope)).collect(),
            switched_off,
            job: self.told(key, job, &status, elsewhere),
        }
    }
}

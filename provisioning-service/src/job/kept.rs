//! Jobs as they are kept: typed records over the store of the service.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::JobError;
use super::record::{JobRecord, MappingVersion};
use super::secrets::Sealed;
use super::status::JobStatus;
use crate::audit::{self, Actor};
use crate::records::{Batch, Entry, Key, Records, RecordsError, Write};
use crate::tenant::TenantId;

pub(super) const JOB: &str = "job";
pub(super) const STATUS: &str = "job-status";
pub(super) const SECRETS: &str = "job-secrets";
pub(super) const MAPPING: &str = "job-mapping";
pub(super) const PLAN: &str = "job-plan";

/// How many times a change is tried that meets others.
const TRIES: usize = 16;
const PAGE: usize = 200;

/// Whose job, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JobKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The job.
    pub id: String,
}

impl JobKey {
    /// A key of its parts.
    #[must_use]
    pub fn new(tenant: &TenantId, id: &str) -> Self {
        Self { tenant: tenant.clone(), id: id.to_owned() }
    }

    /// The name of the lease under which the job is run.
    #[must_use]
    pub fn lease(&self) -> String {
        format!("job/{}/{}", self.tenant, self.id)
    }

    pub(super) fn record(&self, kind: &'static str) -> Key {
        Key::new(&self.tenant, kind, self.id.as_str())
    }

    pub(super) fn mapping(&self, version: u64) -> Key {
        Key::new(&self.tenant, MAPPING, format!("{}/{version:010}", self.id))
    }
}

/// A value with the version that it was read at; 0 for one that is not there yet.
#[derive(Clone, Debug)]
pub(super) struct Read<T> {
    pub(super) version: u64,
    pub(super) value: T,
}

impl<T: Serialize> Read<T> {
    /// The write of a new value for what was read.
    pub(super) fn replace(&self, key: Key, value: &T) -> Result<Write, JobError> {
        let value = json(value)?;
        Ok(if self.version == 0 {
            Write::create(key, value)
        } else {
            Write::replace(key, self.version, value)
        })
    }
}

pub(super) fn json(value: &impl Serialize) -> Result<serde_json::Value, JobError> {
    serde_json::to_value(value).map_err(|error| JobError::Internal(error.to_string()))
}

fn typed<T: DeserializeOwned>(key: &Key, value: serde_json::Value) -> Result<T, JobError> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| JobError::Records(RecordsError::Damaged(format!("{key}: {error}"))))
}

pub(super) async fn get<T: DeserializeOwned>(
    records: &dyn Records,
    key: Key,
) -> Result<Option<Read<T>>, JobError> {
    let Some(record) = records.get(&key).await? else { return Ok(None) };
    Ok(Some(Read { version: record.version, value: typed(&key, record.value)? }))
}

/// What was read, or nothing where it is damaged, which is told: the other jobs go on.
pub(super) fn readable<T>(key: &JobKey, read: Result<T, JobError>) -> Result<Option<T>, JobError> {
    match read {
        Err(error @ JobError::Records(RecordsError::Damaged(_))) => {
            tracing::error!(tenant = %key.tenant, job = key.id, "{error}");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// A job that is there and not being deleted.
pub(super) async fn job(records: &dyn Records, key: &JobKey) -> Result<Read<JobRecord>, JobError> {
    get::<JobRecord>(records, key.record(JOB))
        .await?
        .filter(|read| !read.value.deleted)
        .ok_or_else(|| JobError::job(&key.id))
}

pub(super) async fn status(
    records: &dyn Records,
    key: &JobKey,
) -> Result<Read<JobStatus>, JobError> {
    let found = get(records, key.record(STATUS)).await?;
    Ok(found.unwrap_or(Read { version: 0, value: JobStatus::default() }))
}

pub(super) async fn secrets(records: &dyn Records, key: &JobKey) -> Result<Read<Sealed>, JobError> {
    let found = get(records, key.record(SECRETS)).await?;
    Ok(found.unwrap_or(Read { version: 0, value: Sealed::new() }))
}

pub(super) async fn mapping(
    records: &dyn Records,
    key: &JobKey,
    version: u64,
) -> Result<MappingVersion, JobError> {
    let found = get(records, key.mapping(version)).await?;
    let missing = || JobError::Missing { what: "version of the mapping", id: version.to_string() };
    found.map(|read| read.value).ok_or_else(missing)
}

/// An administrative act, for the audit log.
pub(super) struct Act<'a> {
    pub(super) by: &'a Actor,
    pub(super) action: &'static str,
    pub(super) details: serde_json::Value,
    pub(super) at: DateTime<Utc>,
}

impl Act<'_> {
    pub(super) fn entry(&self, key: &JobKey) -> Entry {
        let (object, details) = (key.id.as_str(), self.details.clone());
        audit::entry(&key.tenant, self.by, self.action, object, details, self.at)
    }
}

/// Changes a job, again and again while others change it too. Gives what the change gave.
///
/// The audit log has it in the same commit; what changes nothing is not in there.
pub(super) async fn change<T>(
    records: &dyn Records,
    key: &JobKey,
    act: Act<'_>,
    mut change: impl FnMut(&mut JobRecord) -> Result<(T, Vec<Write>), JobError>,
) -> Result<T, JobError> {
    for _ in 0..TRIES {
        let read = job(records, key).await?;
        let mut value = read.value.clone();
        let (told, mut writes) = change(&mut value)?;
        if value == read.value && writes.is_empty() {
            return Ok(told);
        }
        writes.insert(0, read.replace(key.record(JOB), &value)?);
        let batch = Batch { writes, entries: vec![act.entry(key)], fence: None };
        match records.commit(batch).await {
            Ok(()) => return Ok(told),
            Err(RecordsError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(JobError::Busy(format!("the job {} is being changed by others all the time", key.id)))
}

/// Every job of a tenant.
pub(super) async fn jobs(
    records: &dyn Records,
    tenant: &TenantId,
) -> Result<Vec<JobRecord>, JobError> {
    let mut jobs = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = records.list(tenant, JOB, after.as_deref(), PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().map(|(id, _)| id.clone());
        for (id, record) in page {
            let job: JobRecord = typed(&Key::new(tenant, JOB, id), record.value)?;
            if !job.deleted {
                jobs.push(job);
            }
        }
        if !full {
            return Ok(jobs);
        }
    }
}

/// Every job of every tenant, those that are being deleted among them. One that cannot be read is told and left out: the
/// others run.
pub(super) async fn all(records: &dyn Records) -> Result<Vec<(JobKey, JobRecord)>, JobError> {
    let mut jobs = Vec::new();
    let mut after: Option<Key> = None;
    loop {
        let page = records.scan(JOB, after.as_ref(), PAGE).await?;
        let full = page.len() == PAGE;
        after = page.last().map(|(key, _)| key.clone());
        for (key, record) in page {
            match typed::<JobRecord>(&key, record.value) {
                Ok(job) => jobs.push((JobKey::new(&key.tenant, &key.id), job)),
                Err(error) => tracing::error!(%key, "a job cannot be read: {error}"),
            }
        }
        if !full {
            return Ok(jobs);
        }
    }
}

/// The versions of a mapping, the newest first.
pub(super) async fn mappings(
    records: &dyn Records,
    key: &JobKey,
) -> Result<Vec<MappingVersion>, JobError> {
    let mut versions = Vec::new();
    let prefix = format!("{}/", key.id);
    let mut after = prefix.clone();
    loop {
        let page = records.list(&key.tenant, MAPPING, Some(&after), PAGE).await?;
        let full = page.len() == PAGE;
        for (id, record) in page {
            if !id.starts_with(&prefix) {
                versions.reverse();
                return Ok(versions);
            }
            after.clone_from(&id);
            versions.push(typed(&Key::new(&key.tenant, MAPPING, id), record.value)?);
        }
        if !full {
            versions.reverse();
            return Ok(versions);
        }
    }
}

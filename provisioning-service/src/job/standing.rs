//! How all jobs stand, for whoever tells people of it.

use super::error::JobError;
use super::kept::{self, JobKey};
use super::state::Switch;
use super::status::JobStatus;
use super::{Jobs, Mode};

/// How a job stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Which job.
    pub key: JobKey,
    /// What people call it.
    pub name: String,
    /// The group of agents that it reads through.
    pub group: String,
    /// Whether anything is written.
    pub mode: Mode,
    /// Whether it runs.
    pub switch: Switch,
    /// How it is doing; nothing where that cannot be read.
    pub status: Option<JobStatus>,
}

impl Jobs {
    /// How every job of every tenant stands.
    ///
    /// # Errors
    /// [`JobError::Records`].
    pub async fn standing(&self) -> Result<Vec<Standing>, JobError> {
        let mut all = Vec::new();
        for (key, job) in kept::all(&*self.0.records).await? {
            if job.deleted {
                continue;
            }
            let status = kept::status(&*self.0.records, &key).await;
            let status = kept::readable(&key, status)?.map(|read| read.value);
            all.push(Standing {
                name: job.settings.name,
                group: job.settings.source.group,
                mode: job.settings.mode,
                switch: job.state.switch,
                status,
                key,
            });
        }
        Ok(all)
    }

    /// The mailboxes that the job's `SyncNotificationSettings` name.
    ///
    /// # Errors
    /// [`JobError::Seal`], [`JobError::Records`].
    pub async fn recipients(&self, key: &JobKey) -> Result<Vec<String>, JobError> {
        Ok(self.0.opened(key).await?.recipients)
    }
}

//! Jobs: what is read through which agents and written to which service, and when.
//!
//! A job is a mapping, the secrets of its target and a switch, kept as records of the service; and a state of its
//! synchronisation, a file of its own. Its cycles are those of the engine of the direct mode: there is no second one.

mod connectors;
mod demand;
mod duration;
mod error;
mod folder;
mod glance;
mod jobs;
mod kept;
mod mapping;
mod pilot;
mod planned;
mod record;
mod run;
mod schedule;
mod secrets;
mod standing;
mod state;
mod status;
pub mod templates;
pub mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scim_sync_connectors::remote::{KnownSchema, Relay};
use tokio::sync::Notify;

pub use demand::{OnDemand, OnDemandResult};
pub use duration::{IsoDuration, NoDuration};
pub use error::JobError;
pub use glance::{Glance, StagedObjects};
pub use jobs::StoppedPlan;
pub use kept::JobKey;
pub use mapping::{Difference, Mapping, MappingError, differences, parse};
pub use pilot::Pilot;
pub use planned::Planned;
pub use record::{
    Deprovision, JobRecord, JobSettings, MappingVersion, Mode, SourceSettings, TargetSettings,
};
pub use standing::Standing;
pub use state::{Command, Due, Effects, Found, JobState, Refused, Requested, Switch};
pub use status::{JobStatus, Told, cycle_id};

use crate::clock::Clock;
use crate::reach::Reach;
use crate::records::Records;
use crate::seal::Sealer;
use crate::tenant::TenantId;

/// The way to the agents.
pub trait Sources: Send + Sync {
    /// What carries requests to the agents of a group. That there is none shows when it is used.
    fn relay(&self, tenant: &TenantId, group: &str) -> Arc<dyn Relay>;
}

/// What jobs need of the service.
pub struct JobParts {
    /// Where jobs and the log are kept.
    pub records: Arc<dyn Records>,
    /// The way to the agents.
    pub sources: Arc<dyn Sources>,
    /// What seals secrets.
    pub sealer: Arc<Sealer>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Which targets may be reached.
    pub targets: Reach,
    /// The folder of the service. Each job has one of its own below it for the state of its synchronisation.
    pub folder: PathBuf,
    /// What this process is called among those that share the records.
    pub instance: String,
    /// How long a lease is held without being renewed.
    pub lease_for: Duration,
    /// How long entries of the provisioning log are kept.
    pub keep_log: Duration,
}

/// The jobs of a service. Clones are one and the same.
#[derive(Clone)]
pub struct Jobs(Arc<Inner>);

struct Inner {
    records: Arc<dyn Records>,
    sources: Arc<dyn Sources>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    targets: Reach,
    folder: PathBuf,
    instance: String,
    lease_for: Duration,
    keep_log: Duration,
    running: schedule::RunningJobs,
    /// What the directories of jobs told of their schemas last.
    schemas: Mutex<BTreeMap<JobKey, KnownSchema>>,
    wake: Notify,
}

impl Inner {
    fn known_schema(&self, key: &JobKey) -> KnownSchema {
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        schemas.entry(key.clone()).or_default().clone()
    }

    fn forget_schema(&self, key: &JobKey) {
        self.schemas.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Jobs {
    /// The jobs of a service; none runs before [`Jobs::run`].
    #[must_use]
    pub fn new(parts: JobParts) -> Self {
        let JobParts {
            records,
            sources,
            sealer,
            clock,
            targets,
            folder,
            instance,
            lease_for,
            keep_log,
        } = parts;
        // Working copies of what a database keeps come and go; what is here alone must not be taken for one of them.
        let folder = folder.join(if records.states().is_some() { "copies" } else { "jobs" });
        let (running, wake) = (schedule::RunningJobs::default(), Notify::new());
        Self(Arc::new(Inner {
            records,
            sources,
            sealer,
            clock,
            targets,
            folder,
            instance,
            lease_for,
            keep_log,
            running,
            schemas: Mutex::default(),
            wake,
        }))
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("instance", &self.0.instance).finish_non_exhaustive()
    }
}

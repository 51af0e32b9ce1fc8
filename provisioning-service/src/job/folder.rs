//! The folder of a job's state: who works in it, and where things are.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use scim_sync::StoreError;
use scim_sync::undo::UndoSink;
use scim_sync_store::postgres::{Guard, PostgresStates, StateKey};
use scim_sync_store::{SqliteStore, UndoFile};

use super::error::JobError;
use super::kept::JobKey;
use crate::records::{Lease, Records};
use crate::tenant::TenantId;

/// The folder of a job below that of the service.
#[must_use]
pub(super) fn path_of(root: &Path, tenant: &TenantId, job: &str) -> PathBuf {
    root.join(tenant.as_str()).join(job)
}

/// Where the state of a job is: in a folder, or in a database with a working copy there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    shared: Option<Shared>,
}

/// A state that replicas share.
#[derive(Clone, Debug)]
struct Shared {
    states: PostgresStates,
    key: StateKey,
    guard: Option<Guard>,
    /// Cycles are called by it whose undo lines are kept under this lease.
    fence: u64,
}

impl Place {
    /// The state of a job, to be worked with under this lease.
    pub(super) fn new(root: &Path, records: &dyn Records, key: &JobKey, lease: &Lease) -> Self {
        let fence = lease.fence();
        let shared = records.states().map(|states| Shared {
            states: states.clone(),
            key: StateKey { tenant: key.tenant.to_string(), job: key.id.clone() },
            guard: records.guard(&fence),
            fence: fence.fence,
        });
        Self { folder: path_of(root, &key.tenant, &key.id), shared }
    }

    /// The file with the state, or its working copy.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("job.db")
    }

    /// Opens the state for somebody who holds the folder.
    pub(super) fn open(&self, _: &JobFolder) -> Result<SqliteStore, StoreError> {
        match &self.shared {
            None => SqliteStore::open(self.database()),
            Some(Shared { states, key, guard, .. }) => {
                states.store(key, &self.database(), guard.clone())
            }
        }
    }

    /// Whether there may be a state already.
    pub(super) fn may_be_known(&self) -> bool {
        self.shared.is_some() || self.database().exists()
    }

    /// Where the lines go by which a cycle is taken back that begins now.
    pub(super) fn undo(&self, now: DateTime<Utc>) -> Box<dyn UndoSink> {
        match &self.shared {
            None => Box::new(UndoFile::new(&self.folder.join("undo"), now)),
            Some(Shared { states, key, guard, fence }) => {
                let cycle = format!("{}.{fence}", now.format("%Y-%m-%dT%H-%M-%S%.3fZ"));
                Box::new(states.undo(key, &cycle, guard.clone()))
            }
        }
    }

    /// Holds the folder.
    pub(super) fn hold(&self) -> Result<JobFolder, JobError> {
        JobFolder::hold(&self.folder)
    }

    /// Removes the state with all that belongs to it.
    pub(super) fn remove(&self) -> Result<(), JobError> {
        if let Some(Shared { states, key, guard, .. }) = &self.shared {
            states.remove(key, guard.clone())?;
        }
        if self.folder.exists() { self.hold()?.remove() } else { Ok(()) }
    }
}

/// The jobs that have a folder below that of the service.
pub(super) fn found(root: &Path) -> Vec<JobKey> {
    let entries = |folder: &Path| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for name in entries(root) {
        let Ok(tenant) = TenantId::new(&name) else { continue };
        found.extend(entries(&root.join(&name)).iter().map(|job| JobKey::new(&tenant, job)));
    }
    found
}

/// The folder of a job, held by one process at a time: beside the lease, this holds between processes that have the same
/// disk and clocks that do not agree.
#[derive(Debug)]
pub(super) struct JobFolder {
    path: PathBuf,
    _lock: File,
}

impl JobFolder {
    /// Holds the folder, which is made for its owner only where there is none.
    pub(super) fn hold(path: &Path) -> Result<Self, JobError> {
        let failed = |error: std::io::Error| {
            JobError::Internal(format!("the folder {} cannot be used: {error}", path.display()))
        };
        let mut folders = std::fs::DirBuilder::new();
        folders.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
        folders.create(path).map_err(failed)?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock"));
        let lock = lock.map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(JobError::Busy(format!(
                "another process works in {}; two services must not share a folder of state",
                path.display()
            ))),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> Result<(), JobError> {
        std::fs::remove_dir_all(&self.path).map_err(|error| {
            JobError::Internal(format!("{} cannot be removed: {error}", self.path.display()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_works_in_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let path = path_of(root.path(), &TenantId::default(), "job");
        let held = JobFolder::hold(&path).unwrap();
        assert!(matches!(JobFolder::hold(&path), Err(JobError::Busy(_))));
        drop(held);
        assert_eq!(found(root.path()), [JobKey::new(&TenantId::default(), "job")]);
        JobFolder::hold(&path).unwrap().remove().unwrap();
        assert!(!path.exists());
    }
}

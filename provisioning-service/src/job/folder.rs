//! The folder of a job's state: who works in it, and where things are.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::error::JobError;
use crate::tenant::TenantId;

/// The folder of a job below that of the service.
#[must_use]
pub(super) fn path_of(root: &Path, tenant: &TenantId, job: &str) -> PathBuf {
    root.join(tenant.as_str()).join(job)
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

    /// The state of the synchronisation.
    pub(super) fn database(&self) -> PathBuf {
        database(&self.path)
    }

    /// Where the files are by which cycles are taken back.
    pub(super) fn undo(&self) -> PathBuf {
        self.path.join("undo")
    }

    /// Removes it with all that is in it.
    pub(super) fn remove(self) -> Result<(), JobError> {
        std::fs::remove_dir_all(&self.path).map_err(|error| {
            JobError::Internal(format!("{} cannot be removed: {error}", self.path.display()))
        })
    }
}

/// The state of the synchronisation in a job's folder.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("job.db")
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
        JobFolder::hold(&path).unwrap().remove().unwrap();
        assert!(!path.exists());
    }
}

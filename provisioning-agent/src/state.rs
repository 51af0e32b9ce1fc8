//! The folder of the state: who works in it, and where things are.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::files;

/// The folder of the state, held by one program at a time.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    /// Held until this is dropped, or the program dies.
    _lock: Option<File>,
}

impl StateDir {
    /// Opens the folder for writing, and makes it where there is none. Only the user of the program may look into it.
    ///
    /// # Errors
    /// Where it cannot be made, or another program works in it.
    pub fn hold(path: &Path) -> Result<Self> {
        files::make_folder(path).with_context(|| {
            format!("the folder of the state, {}, cannot be made", path.display())
        })?;
        let lock = lock(path, "a state-dir of its own")?;
        Ok(Self { path: path.to_owned(), _lock: Some(lock) })
    }

    /// Opens the folder for looking only; another program may work in it.
    ///
    /// # Errors
    /// Where there is none.
    pub fn look(path: &Path) -> Result<Self> {
        if !path.is_dir() {
            bail!(
                "there is no state in {}: nothing has run yet with this configuration",
                path.display()
            );
        }
        Ok(Self { path: path.to_owned(), _lock: None })
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("state.db")
    }

    /// What to do with a database that is damaged. Its log belongs to it: another database must not find it.
    #[must_use]
    pub fn move_away(&self) -> String {
        format!(
            "stop the agent and move state.db, state.db-wal and state.db-shm out of {}; the next cycle rebuilds the state from both sides",
            self.path.display()
        )
    }

    /// The log of objects.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join("objects.jsonl")
    }

    /// The folder of the files by which a run is taken back.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn undo(&self) -> Result<PathBuf> {
        let path = self.path.join("undo");
        files::make_folder(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(path)
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Holds a folder until what is given back is dropped, or the program dies; `instead` is what another program needs.
///
/// # Errors
/// Where another program holds it.
pub fn lock(path: &Path, instead: &str) -> Result<File> {
    let file = path.join("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
    let lock = lock.with_context(|| format!("{} cannot be opened", file.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another agent works in {}: stop it first (systemctl stop provisioning-agent), or give this one {instead}",
            path.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", file.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_works_in_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert!(StateDir::look(&path).is_err());
        let held = StateDir::hold(&path).unwrap();
        let error = StateDir::hold(&path).unwrap_err().to_string();
        assert!(error.contains("another agent"), "{error}");
        assert!(StateDir::look(&path).is_ok());
        drop(held);
        assert!(StateDir::hold(&path).is_ok());
    }
}

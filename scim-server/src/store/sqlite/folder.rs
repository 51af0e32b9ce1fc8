//! The data folder: making it, and making sure that only one server uses it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

const DATABASE: &str = "scim.db";
const LOCK: &str = "scim.lock";

/// Makes the folder, readable by its owner only.
pub(super) fn create(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| io(folder, &error))?;
    // The folder must be there after a loss of power, if what is in it is to be.
    match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_folder(parent),
        None => sync_folder(Path::new(".")),
    }
}

/// The database file, made empty if it is not there: SQLite would make it readable by everyone.
pub(super) fn database(folder: &Path) -> Result<PathBuf, StoreError> {
    let path = folder.join(DATABASE);
    private().create(true).truncate(false).open(&path).map_err(|error| io(&path, &error))?;
    Ok(path)
}

/// The database file that must be there already.
///
/// # Errors
/// [`StoreError::Refused`] when it is not: a mistyped folder must not pass for an empty one.
pub(super) fn existing(folder: &Path) -> Result<PathBuf, StoreError> {
    let path = folder.join(DATABASE);
    match fs::metadata(&path) {
        Ok(file) if file.is_file() => Ok(path),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(&path, &error)),
        _ => Err(StoreError::Refused(format!(
            "there is no database in the data folder {}: start the server there once, or name another folder",
            folder.display()
        ))),
    }
}

/// Takes the folder for this process, for as long as the file stays open.
pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let file =
        private().create(true).truncate(false).open(&path).map_err(|error| io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(format!(
            "another server is using the data folder {}: stop it, or choose another folder",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(io(&path, &error)),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|error| io(folder, &error))
}

/// Files that only their owner can read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// An error of the file system, with the place.
pub(super) fn io(path: &Path, error: &std::io::Error) -> StoreError {
    let text = format!("{}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            StoreError::Full(text.into())
        }
        _ => StoreError::backend(text),
    }
}

//! Files and folders that nobody else may look into.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use tempfile::NamedTempFile;

/// Makes a folder, with those above it, that only this user may look into; one that is there stays as it is.
///
/// # Errors
/// Where it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }
    #[cfg(not(unix))]
    fs::create_dir_all(path)
}

/// Writes a file whole or not at all. A new one only its owner may read; one that is written over keeps its mode.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where it is there and may not be written over.
pub fn write(path: &Path, text: &str, over: bool) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The file is made with the mode 0600.
    let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    if let (true, Ok(before)) = (over, fs::metadata(path)) {
        file.as_file().set_permissions(before.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let written = if over { file.persist(path) } else { file.persist_noclobber(path) };
    written.map(drop).map_err(|error| error.error)?;
    settle(folder.unwrap_or(Path::new(".")))
}

/// Waits until the names in a folder are on the disk, so that what is written after this never outlives it alone.
#[cfg(unix)]
fn settle(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn settle(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_is_its_owners_and_keeps_the_mode_that_it_was_given() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.toml");
        make_folder(path.parent().unwrap()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        write(&path, "one", false).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(write(&path, "two", false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, "two", true).unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("two", 0o640));
    }
}

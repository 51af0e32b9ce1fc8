//! This machine: secrets and the folder of the state.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Result;

use super::{Place, Report, State};
use crate::config::SecretSource;
use crate::state::StateDir;

/// Whether a secret can be read, and by nobody else.
///
/// # Errors
/// Where the report cannot be printed.
pub fn secret(
    report: &mut Report,
    about: &str,
    secret: &SecretSource,
    place: Place<'_>,
) -> Result<bool> {
    let folder = place.folder;
    if let Err(error) = secret.fetch(folder, place.environment) {
        report.add(State::Fail, about, "secret", error.to_string())?;
        return Ok(false);
    }
    match secret {
        SecretSource::File(path) if is_open(&folder.join(path)) => {
            let path = folder.join(path);
            let text = format!(
                "others on this machine can read {}: chmod 600 {}",
                path.display(),
                path.display()
            );
            report.add(State::Warn, about, "secret", text)?;
        }
        _ => report.add(State::Ok, about, "secret", format!("read from {secret}"))?,
    }
    Ok(true)
}

/// Whether others than the owner may read a file or look into a folder.
#[cfg(unix)]
pub(crate) fn is_open(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
pub(crate) fn is_open(_: &Path) -> bool {
    false
}

/// Whether the state can be kept where the configuration says.
///
/// # Errors
/// Where the report cannot be printed.
pub fn state_dir(report: &mut Report, path: &Path) -> Result<()> {
    let (state, text) = judged(path);
    report.add(state, "state", "folder", text)
}

fn judged(path: &Path) -> (State, String) {
    let shown = path.display();
    let owner = "it has to belong to the user that the agent runs as (chown it, or choose another state-dir)";
    if !path.exists() {
        return match writable(nearest(path)) {
            Ok(()) => (State::Ok, format!("{shown} is not there yet; the first cycle makes it")),
            Err(error) => (
                State::Fail,
                format!(
                    "{shown} is not there and cannot be made ({error}): make the folder; {owner}"
                ),
            ),
        };
    }
    if !path.is_dir() {
        return (State::Fail, format!("{shown} is no folder: choose another state-dir"));
    }
    if let Err(error) = writable(path) {
        return (State::Fail, format!("{shown} cannot be written to ({error}): {owner}"));
    }
    if is_open(path) {
        return (
            State::Warn,
            format!("others on this machine can look into {shown}: chmod 700 {shown}"),
        );
    }
    match StateDir::hold(path) {
        Ok(_) => (State::Ok, format!("{shown} can be written to, by this user alone")),
        Err(_) => (State::Ok, format!("{shown}: an agent is at work in it")),
    }
}

/// The nearest folder above that is there.
fn nearest(path: &Path) -> &Path {
    let above = path.ancestors().skip(1).find(|above| above.is_dir());
    above.unwrap_or(Path::new("."))
}

/// Tries to make a file.
fn writable(folder: &Path) -> io::Result<()> {
    tempfile::Builder::new()
        .prefix(".doctor-")
        .tempfile_in(folder)
        .map(drop)
        .map_err(|error| error.kind().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn a_state_folder_is_looked_at_without_making_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        assert_eq!(judged(&path).0, State::Ok);
        assert!(!path.exists());
        drop(StateDir::hold(&path).unwrap());
        assert_eq!(judged(&path).0, State::Ok);
        let held = StateDir::hold(&path).unwrap();
        let (state, text) = judged(&path);
        assert!(state == State::Ok && text.contains("at work"), "{text}");
        drop(held);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(judged(&file).0, State::Fail);
    }

    #[cfg(unix)]
    #[test]
    fn what_others_can_read_is_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        fs::write(&file, "hush").unwrap();
        let rules = scim_sync::rules::RuleSet::from_toml("version = 1").unwrap();
        let place = Place { folder: folder.path(), environment: &nothing, rules: Some(&rules) };
        for (mode, expected) in [(0o644, State::Warn), (0o600, State::Ok)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let mut report = Report::new(false);
            let source = SecretSource::File("password".into());
            assert!(secret(&mut report, "corp", &source, place).unwrap());
            assert_eq!(report.worst(), expected);
            assert!(!report.lines()[0].text.contains("hush"));
        }
        let mut report = Report::new(false);
        let source = SecretSource::Env("NONE".to_owned());
        assert!(!secret(&mut report, "corp", &source, place).unwrap());
        assert_eq!(report.worst(), State::Fail);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(judged(folder.path()).0, State::Warn);
    }
}

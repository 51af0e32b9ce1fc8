//! Writes what was answered, for nobody else's eyes.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::answers::{Answers, Secret};

/// Writes the configuration and, beside it, the secrets that were typed; gives the files of the secrets.
pub(super) fn configuration(path: &Path, answers: &Answers, force: bool) -> Result<Vec<PathBuf>> {
    let path = std::path::absolute(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    make(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let beside = |name: &str| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        folder.join(format!("{stem}.{name}"))
    };
    let (password, token) = (beside("ldap-password"), beside("scim-token"));
    let mut secrets = Vec::new();
    for (secret, file) in [(&answers.password, &password), (&answers.token, &token)] {
        if let Some(typed) = secret.as_ref().and_then(Secret::typed) {
            put(folder, file, &format!("{typed}\n"), force)?;
            secrets.push(file.clone());
        }
    }
    // Relative, so that the folder can be moved.
    let name = |path: &Path| PathBuf::from(path.file_name().unwrap_or_default());
    let text = answers.site(&name(&password), &name(&token)).file();
    put(folder, &path, &text, force)?;
    Ok(secrets)
}

/// Writes a file whole or not at all; only its owner may read it.
fn put(folder: &Path, path: &Path, text: &str, force: bool) -> Result<()> {
    let written = || -> std::io::Result<()> {
        // The file is made with the mode 0600.
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        match force {
            true => file.persist(path).map(drop).map_err(|error| error.error),
            false => file.persist_noclobber(path).map(drop).map_err(|error| error.error),
        }
    };
    match written() {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
            "{} is there already: move it away, or say --force to write over it",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
}

/// Makes a folder that only this user may look into.
fn make(folder: &Path) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }
    #[cfg(not(unix))]
    std::fs::create_dir_all(folder)
}

/// What to do now.
pub(super) fn next(path: &Path, answers: &Answers, secrets: &[PathBuf]) -> String {
    let config = path.display();
    let mut text = format!("\n{config} is written");
    for secret in secrets {
        text.push_str(&format!(", and the secret in {}", secret.display()));
    }
    text.push_str(".\n\nNext:\n");
    let agent = format!("provisioning-agent --config {config}");
    let steps = [
        ("doctor", "is everything there?"),
        ("plan", "what would be written; nothing is"),
        ("sync --once", "the first cycle"),
    ];
    for (step, what) in steps {
        text.push_str(&format!("  {agent} {step:<12} # {what}\n"));
    }
    if answers.staging {
        text.push_str("Nothing is written while the file says mode = \"staging\"; `pending` shows what waits.\n");
    }
    text.push_str("Then let systemd run it: systemctl enable --now provisioning-agent\n");
    text
}

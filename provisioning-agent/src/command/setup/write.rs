//! Writes what was answered, for nobody else's eyes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::answers::{Answers, Secret};
use crate::files;

/// Writes the configuration and, beside it, the secrets that were typed; gives the files of the secrets.
pub(super) fn configuration(path: &Path, answers: &Answers, force: bool) -> Result<Vec<PathBuf>> {
    let path = std::path::absolute(path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    files::make_folder(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let beside = |name: &str| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        folder.join(format!("{stem}.{name}"))
    };
    let (password, token) = (beside("ldap-password"), beside("scim-token"));
    let mut secrets = Vec::new();
    for (secret, file) in [(&answers.password, &password), (&answers.token, &token)] {
        if let Some(typed) = secret.as_ref().and_then(Secret::typed) {
            put(file, &format!("{typed}\n"), force)?;
            secrets.push(file.clone());
        }
    }
    // Relative, so that the folder can be moved.
    let name = |path: &Path| PathBuf::from(path.file_name().unwrap_or_default());
    let text = answers.site(&name(&password), &name(&token)).file();
    put(&path, &text, force)?;
    Ok(secrets)
}

/// Writes a file that only its owner may read.
fn put(path: &Path, text: &str, force: bool) -> Result<()> {
    match files::write(path, text, force) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
            "{} is there already: move it away, or say --force to write over it",
            path.display()
        ),
        Err(error) => Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
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

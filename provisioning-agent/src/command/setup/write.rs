//! Writes what was answered, for nobody else's eyes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::answers::{Answers, Secret};
use crate::files;
use crate::template::ManagedSite;

/// Writes the configuration and, beside it, the secrets that were typed; gives the files of the secrets.
pub(super) fn configuration(path: &Path, answers: &Answers, force: bool) -> Result<Vec<PathBuf>> {
    let path = std::path::absolute(path)?;
    folder_of(&path)?;
    let (password, token) = (beside(&path, "ldap-password"), beside(&path, "scim-token"));
    let mut secrets = Vec::new();
    for (secret, file) in [(&answers.password, &password), (&answers.token, &token)] {
        secrets.extend(typed(secret.as_ref(), file, force)?);
    }
    let text = answers.site(&name(&password), &name(&token)).file();
    put(&path, &text, force)?;
    Ok(secrets)
}

/// The same for a managed agent.
pub(super) fn managed(
    path: &Path,
    answers: &Answers,
    site: &ManagedSite,
    force: bool,
) -> Result<Vec<PathBuf>> {
    let path = std::path::absolute(path)?;
    folder_of(&path)?;
    let password = beside(&path, "ldap-password");
    let secrets = typed(answers.password.as_ref(), &password, force)?;
    let text = answers.site(&name(&password), Path::new("")).managed_file(site);
    put(&path, &text, force)?;
    Ok(secrets.into_iter().collect())
}

/// Makes the folder of the configuration.
pub(super) fn folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    files::make_folder(folder)
        .with_context(|| format!("the folder {} cannot be made", folder.display()))
}

fn beside(path: &Path, name: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}.{name}"))
}

/// The name alone, so that the folder can be moved.
fn name(path: &Path) -> PathBuf {
    PathBuf::from(path.file_name().unwrap_or_default())
}

fn typed(secret: Option<&Secret>, file: &Path, force: bool) -> Result<Option<PathBuf>> {
    let Some(typed) = secret.and_then(Secret::typed) else { return Ok(None) };
    put(file, &format!("{typed}\n"), force)?;
    Ok(Some(file.to_owned()))
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
    let mut text = written(path, secrets);
    text.push_str("\nNext:\n");
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

/// What to do now, with a managed agent.
pub(super) fn next_managed(path: &Path, secrets: &[PathBuf]) -> String {
    let config = path.display();
    let mut text = written(path, secrets);
    text.push_str("\nNext:\n");
    let agent = format!("provisioning-agent --config {config}");
    for (step, what) in [
        ("doctor", "is everything there?"),
        ("run", "the link; systemctl enable --now provisioning-agent lets systemd do it"),
    ] {
        text.push_str(&format!("  {agent} {step:<8} # {what}\n"));
    }
    text.push_str(
        "The service's administrator puts the agent into a group, and a job asks that group.\n",
    );
    text
}

fn written(path: &Path, secrets: &[PathBuf]) -> String {
    let mut text = format!("\n{} is written", path.display());
    for secret in secrets {
        text.push_str(&format!(", and the secret in {}", secret.display()));
    }
    text.push_str(".\n");
    text
}

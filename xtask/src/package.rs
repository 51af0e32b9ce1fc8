//! Every crate that is published: complete metadata, and it builds from its packaged files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace::{self, Workspace};

/// Checks the manifests, then packages the crates and builds each from its package.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let (published, private): (Vec<&Value>, Vec<&Value>) =
        workspace.packages().partition(|package| is_published(package));
    ensure!(!published.is_empty(), "no crate is to be published");
    let mut missing = Vec::new();
    for package in &published {
        let folder = package["manifest_path"].as_str().and_then(|path| Path::new(path).parent());
        let readme = folder.zip(package["readme"].as_str()).map(|(folder, file)| folder.join(file));
        let has_readme =
            readme.is_some_and(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0));
        missing.extend(
            gaps(package, has_readme).into_iter().map(|gap| format!("{}: {gap}", name(package))),
        );
    }
    ensure!(missing.is_empty(), "not ready to be published:\n  {}", missing.join("\n  "));

    for package in &published {
        forget_earlier(workspace, package)?;
    }

    // `--workspace` lets a crate find its siblings before they are on crates.io, and the dev
    // profile of the workspace lets the builds share what the tests have compiled.
    let mut command = workspace.cargo(&["package", "--workspace", "--locked", "--allow-dirty"]);
    command
        .args(["--quiet", "--config", "profile.dev.debug='line-tables-only'"])
        .args(["--config", "profile.dev.package.'*'.opt-level=1"]);
    for package in private {
        command.args(["--exclude", name(package)]);
    }
    workspace::run(&mut command)?;
    let names: Vec<&str> = published.iter().map(|package| name(package)).collect();
    println!("packaged and built: {}", names.join(", "));
    Ok(())
}

/// Removes what earlier runs made of this crate's package.
///
/// Cargo takes a version of a registry for something that never changes: without this, a crate would be built against the
/// sources, and the compiled form, that its siblings had when they were packaged for the first time.
fn forget_earlier(workspace: &Workspace, package: &Value) -> Result<()> {
    let version = package["version"].as_str().unwrap_or_default();
    let extracted = format!("{}-{version}", name(package));
    // Registries in a folder, such as the one that `cargo package` makes, have a name that begins with a dash.
    for registry in folders_of(&cargo_home().join("registry/src"), |folder| folder.starts_with('-'))
    {
        remove(&registry.join(&extracted))?;
    }
    let compiled = format!("{}-", name(package));
    let fingerprints = workspace.target.join("debug/.fingerprint");
    for fingerprint in folders_of(&fingerprints, |folder| folder.starts_with(&compiled)) {
        remove(&fingerprint)?;
    }
    Ok(())
}

fn cargo_home() -> PathBuf {
    let home = || std::env::home_dir().unwrap_or_default().join(".cargo");
    std::env::var_os("CARGO_HOME").map_or_else(home, PathBuf::from)
}

fn folders_of(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .map(|entry| entry.path())
        .collect()
}

fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap_or_default()
}

/// `publish = false` shows as an empty list of registries.
fn is_published(package: &Value) -> bool {
    package["publish"].as_array().is_none_or(|registries| !registries.is_empty())
}

/// What a package lacks of the things a person looks for on crates.io and docs.rs.
fn gaps(package: &Value, has_readme: bool) -> Vec<&'static str> {
    let text = |key: &str| package[key].as_str().is_some_and(|text| !text.trim().is_empty());
    let list = |key: &str| package[key].as_array().is_some_and(|list| !list.is_empty());
    [
        (text("description"), "no description"),
        (text("license"), "no license"),
        (text("repository"), "no repository"),
        (text("rust_version"), "no rust-version"),
        (list("keywords"), "no keywords"),
        (list("categories"), "no categories"),
        (has_readme, "no readme, or an empty one"),
        (package["metadata"]["docs"]["rs"].is_object(), "no [package.metadata.docs.rs]"),
    ]
    .into_iter()
    .filter_map(|(there, gap)| (!there).then_some(gap))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{gaps, is_published};
    use serde_json::json;

    #[test]
    fn names_each_gap() {
        let mut package = json!({
            "description": "d", "license": "MIT", "repository": "r", "rust_version": "1.92",
            "keywords": ["k"], "categories": ["c"], "metadata": { "docs": { "rs": {} } },
        });
        assert!(gaps(&package, true).is_empty());
        assert_eq!(gaps(&package, false), ["no readme, or an empty one"]);
        package["keywords"] = json!([]);
        package["metadata"] = json!(null);
        assert_eq!(gaps(&package, true), ["no keywords", "no [package.metadata.docs.rs]"]);
    }

    #[test]
    fn knows_which_crates_are_published() {
        assert!(is_published(&json!({ "publish": null })));
        assert!(!is_published(&json!({ "publish": [] })));
    }
}

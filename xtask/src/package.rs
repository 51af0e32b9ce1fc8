//! Every crate that is published: complete metadata, and it builds from its packaged files.

use std::path::Path;

use anyhow::{Result, ensure};
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

//! Snapshots of serialised forms: none pending, none that no test reads.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// Makes the tests compare without writing, and note which snapshots they read.
pub(crate) fn observe(workspace: &Workspace, tests: &mut Command) -> Result<()> {
    let references = references(workspace);
    // The tests append to it, and a run must not see what an earlier one noted.
    match fs::remove_file(&references) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error)?,
        _ => {}
    }
    fs::create_dir_all(&workspace.target)?;
    fs::write(&references, "")?;
    tests.env("INSTA_UPDATE", "no").env("INSTA_SNAPSHOT_REFERENCES_FILE", references);
    Ok(())
}

/// Fails on snapshots that wait for a decision and on those that no test of the last run read.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut found = Vec::new();
    for package in workspace.packages() {
        if let Some(folder) = package["manifest_path"].as_str().and_then(|p| Path::new(p).parent())
        {
            collect(folder, &mut found)?;
        }
    }
    let pending: Vec<_> = found.iter().filter(|path| is_pending(path)).collect();
    ensure!(pending.is_empty(), "snapshots wait for `cargo insta review`: {pending:?}");

    let noted = fs::read_to_string(references(workspace))
        .context("the tests have not run yet: cargo xtask test --only tests --only snapshots")?;
    let read: BTreeSet<PathBuf> = noted.lines().map(PathBuf::from).map(canonical).collect();
    let unused: Vec<_> =
        found.iter().filter(|path| !read.contains(&canonical((*path).clone()))).collect();
    ensure!(unused.is_empty(), "no test reads these snapshots: {unused:?}");
    println!("{} snapshots, all read by tests", found.len());
    Ok(())
}

fn references(workspace: &Workspace) -> PathBuf {
    workspace.target.join("snapshot-references.txt")
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, found)?;
        } else if is_pending(&path) || path.extension().is_some_and(|e| e == "snap") {
            found.push(path);
        }
    }
    Ok(())
}

fn is_pending(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".snap.new") || name.ends_with(".pending-snap")
}

fn canonical(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::is_pending;
    use std::path::Path;

    #[test]
    fn knows_what_waits_for_a_decision() {
        assert!(is_pending(Path::new("tests/it/snapshots/it__user.snap.new")));
        assert!(is_pending(Path::new("src/.user.rs.pending-snap")));
        assert!(!is_pending(Path::new("tests/it/snapshots/it__user.snap")));
    }
}

//! Where the reports of a run go: a file each, or standard output for one of them.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use scim_conformance::Report;
use scim_conformance::report::{html, json, junit, markdown};

use crate::cli::Run;

/// What stands for standard output in place of a file.
const STDOUT: &str = "-";

type Render = fn(&Report) -> Result<String>;

/// The reports that were asked for.
#[derive(Debug)]
pub(crate) struct Outputs<'a> {
    files: Vec<(&'static str, &'a Path, Render)>,
}

impl<'a> Outputs<'a> {
    /// What cannot be written is better known before the run than after it.
    ///
    /// # Errors
    /// Where two reports have the same place, or one of them a place that cannot be written to.
    pub(crate) fn of(run: &'a Run) -> Result<Self> {
        let all: [(&str, &Option<PathBuf>, Render); 4] = [
            ("--json", &run.json, |report| Ok(json::render(report)?)),
            ("--html", &run.html, |report| Ok(html::render(report))),
            ("--junit", &run.junit, |report| Ok(junit::render(report)?)),
            ("--markdown", &run.markdown, |report| Ok(markdown::render(report))),
        ];
        let given = all
            .into_iter()
            .filter_map(|(flag, path, render)| Some((flag, path.as_deref()?, render)));
        let outputs = Self { files: given.collect() };
        let mut places: Vec<(&str, PathBuf)> = Vec::new();
        for (flag, path, _) in &outputs.files {
            let place = if is_stdout(path) { (*path).to_owned() } else { place(flag, path)? };
            if let Some((other, _)) = places.iter().find(|(_, one)| *one == place) {
                let what = if is_stdout(path) {
                    "standard output".to_owned()
                } else {
                    path.display().to_string()
                };
                bail!("{other} and {flag} both go to {what}: give each report a place of its own");
            }
            places.push((flag, place));
        }
        Ok(outputs)
    }

    /// Whether standard output is taken, so that what is for people has to go elsewhere.
    pub(crate) fn take_stdout(&self) -> bool {
        self.files.iter().any(|(_, path, _)| is_stdout(path))
    }

    /// Writes them all, also where one of them fails.
    ///
    /// # Errors
    /// The first that cannot be written.
    pub(crate) fn write(&self, report: &Report) -> Result<()> {
        let mut result = Ok(());
        for (flag, path, render) in &self.files {
            let written = render(report).and_then(|text| {
                if is_stdout(path) {
                    return print(&text);
                }
                std::fs::write(path, text).with_context(|| refused(flag, path))
            });
            result = result.and(written);
        }
        result
    }
}

fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == STDOUT
}

fn refused(flag: &str, path: &Path) -> String {
    format!("{flag}: {} cannot be written", path.display())
}

/// The file that a path means, whichever way it is written.
fn place(flag: &str, path: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        bail!("{}: it is a folder; name a file in it", refused(flag, path));
    }
    if let Ok(found) = path.canonicalize() {
        return Ok(found);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { bail!("{}: it names no file", refused(flag, path)) };
    if !folder.is_dir() {
        bail!("{}: there is no folder {}; make it first", refused(flag, path), folder.display());
    }
    let folder = folder.canonicalize().with_context(|| refused(flag, path))?;
    Ok(folder.join(name))
}

/// Writes to standard output. A reader that has gone away, as in `list | head`, is no error.
///
/// # Errors
/// Any other reason why it cannot be written to.
pub(crate) fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("standard output cannot be written"),
    }
}

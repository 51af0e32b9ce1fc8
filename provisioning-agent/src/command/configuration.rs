//! `export-config` and `import-config`: the rules as a document that can be kept and compared.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use scim_sync::rules::RuleSet;

use super::print;
use crate::cli::{ExportConfigArgs, ImportConfigArgs};
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn export(session: &Session, args: &ExportConfigArgs) -> Result<Exit> {
    let text = session.rules.to_toml()?;
    match &args.file {
        None => print(text)?,
        Some(path) => fs::write(path, text)
            .with_context(|| format!("{} cannot be written", path.display()))?,
    }
    Ok(Exit::Done)
}

pub(super) fn import(session: &Session, args: &ImportConfigArgs) -> Result<Exit> {
    let rules = read(&args.file)?;
    let (before, after) = (session.rules.to_toml()?, rules.to_toml()?);
    if before == after {
        print("the rules are the same\n")?;
        return Ok(Exit::Done);
    }
    print(difference(&before, &after))?;
    if args.dry_run {
        return Ok(Exit::Done);
    }
    let path = &session.config.path;
    let text = with_rules(&session.config.text, &after)?;
    // The file as it would be has to be one that can be read.
    RuleSet::from_config(&text)
        .map_err(|error| anyhow::anyhow!("line {}: {}", error.line, error.message))?;
    let old = path.with_extension("toml.old");
    fs::copy(path, &old).with_context(|| format!("{} cannot be written", old.display()))?;
    fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    print(format!("{} has the new rules; the old file is {}\n", path.display(), old.display()))?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<RuleSet> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let json = text.trim_start().starts_with('{');
    let rules = match json {
        false => RuleSet::from_config(&text),
        true => RuleSet::from_json(&text),
    };
    rules.map_err(|error| {
        anyhow::anyhow!(
            "{}: line {}, column {}: {}",
            path.display(),
            error.line,
            error.column,
            error.message
        )
    })
}

/// The configuration with other rules: its own tables stay as they are written, comments and all.
fn with_rules(text: &str, rules: &str) -> Result<String> {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if let Some(header) = trimmed.strip_prefix('[') {
            let name = header.trim_start_matches('[').trim();
            inside = name.starts_with("rule") || name.starts_with("parameters");
        }
        let version = trimmed.starts_with("version") && trimmed.contains('=') && !inside;
        if !inside && !version {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let (version, rules) = rules.split_once('\n').context("the rules are empty")?;
    if !version.starts_with("version") {
        bail!("the rules do not begin with their version");
    }
    Ok(format!("{version}\n{}\n\n{}\n", kept.trim_end(), rules.trim()))
}

/// The lines that go and come.
fn difference(before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(2).header("before", "after").to_string()
}

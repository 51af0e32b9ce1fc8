//! `export-config` and `import-config`: the rules as a document that can be kept and compared.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use scim_sync::rules::graph::JobSchema;
use scim_sync::rules::{RuleError, RuleSet};
use toml_edit::DocumentMut;

use super::print;
use crate::cli::{ExportConfigArgs, ImportConfigArgs};
use crate::config::{Process, Settings};
use crate::exit::Exit;
use crate::files;
use crate::session::{Session, check_names};

pub(super) fn export(session: &Session, args: &ExportConfigArgs) -> Result<Exit> {
    let text = match args.graph {
        false => session.rules.to_toml()?,
        true => {
            let schema = JobSchema::from_rules(&session.rules);
            notes(&schema.notes);
            format!("{}\n", serde_json::to_string_pretty(&schema.value)?)
        }
    };
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
    let text = with_rules(&session.config.text, &rules)?;
    // The file as it would be has to be one that a service can start with.
    let settings = Settings::parse(&text, &Process)?;
    check_names(&settings, &RuleSet::from_config(&text).map_err(|error| located(path, &error))?)?;
    let old = path.with_extension("toml.old");
    for (path, text) in [(&old, &session.config.text), (path, &text)] {
        files::write(path, text, true)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    print(format!("{} has the new rules; the old file is {}\n", path.display(), old.display()))?;
    Ok(Exit::Done)
}

fn read(path: &Path) -> Result<RuleSet> {
    let text =
        fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    if !text.trim_start().starts_with('{') {
        return RuleSet::from_config(&text).map_err(|error| located(path, &error));
    }
    let is_schema = serde_json::from_str::<serde_json::Value>(&text)
        .is_ok_and(|document| document.get("synchronizationRules").is_some());
    if is_schema {
        let here = || path.display().to_string();
        let rules = JobSchema::from_json(&text).and_then(|schema| schema.to_rules());
        let rules = rules.with_context(here)?;
        notes(&rules.notes);
        return RuleSet::from_file(rules.value).with_context(here);
    }
    RuleSet::from_json(&text).map_err(|error| located(path, &error))
}

/// What the other form has no words for is said and not lost in silence.
fn notes(notes: &[String]) {
    for note in notes {
        eprintln!("not carried over: {note}");
    }
}

fn located(path: &Path, error: &RuleError) -> anyhow::Error {
    anyhow::anyhow!(
        "{}: line {}, column {}: {}",
        path.display(),
        error.line,
        error.column,
        error.message
    )
}

/// The configuration with other rules: everything else in it stays as it is written, comments and all.
fn with_rules(text: &str, rules: &RuleSet) -> Result<String> {
    let mut file: DocumentMut = text.parse()?;
    let mut new: DocumentMut = rules.to_toml()?.parse()?;
    file.remove("rule");
    file.remove("parameters");
    if let Some(version) = new.remove("version").and_then(|version| version.into_value().ok()) {
        // Set and not replaced: the comment at the head of the file belongs to the first key.
        file["version"] = version.into();
    }
    Ok(format!("{}\n\n{}\n", file.to_string().trim_end(), new.to_string().trim()))
}

/// The lines that go and come.
fn difference(before: &str, after: &str) -> String {
    let diff = similar::TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(2).header("before", "after").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# Ours.\nversion = 1\nstate-dir = \"state\" # here\n\n[[rule]]\nname = \"Old\"\ndirection = \"inbound\"\n\
        connector = \"ad\"\nobject-type = \"user\"\nmetaverse-type = \"person\"\nlink = \"provision\"\nscope = [\n\
        [{ attribute = \"cn\", operator = \"ISNOTNULL\" }],\n]\n\n[guard] # keep\nfirst-run = \"stop\"\n";

    #[test]
    fn other_rules_leave_the_rest_of_the_file_as_it_is() {
        let mut rules = RuleSet::from_config(FILE).unwrap().source().clone();
        rules.rules[0].name = "New".to_owned();
        let rules = RuleSet::from_file(rules).unwrap();
        let text = with_rules(FILE, &rules).unwrap();
        assert!(text.starts_with("# Ours.\nversion = 1\nstate-dir = \"state\" # here\n"), "{text}");
        assert!(text.contains("[guard] # keep\nfirst-run = \"stop\"\n"), "{text}");
        assert!(!text.contains("Old"), "{text}");
        assert_eq!(RuleSet::from_config(&text).unwrap().source(), rules.source());
        assert_eq!(with_rules(&text, &rules).unwrap(), text, "a second time changes nothing");
    }

    #[test]
    fn a_job_schema_comes_back_as_rules() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("schema.json");
        let rules = RuleSet::ad_to_scim(&"ad".into(), &"cloud".into()).unwrap();
        let schema = serde_json::to_string(&JobSchema::from_rules(&rules).value).unwrap();
        fs::write(&path, schema).unwrap();
        let back = read(&path).unwrap();
        assert_eq!(back.targets(), rules.targets());
        assert_eq!(back.sources(), rules.sources());
        fs::write(&path, r#"{"synchronizationRules": [{"name": "x"}]}"#).unwrap();
        let error = format!("{:#}", read(&path).unwrap_err());
        assert!(
            error.contains("schema.json") && error.contains("synchronizationRules[0]"),
            "{error}"
        );
    }
}

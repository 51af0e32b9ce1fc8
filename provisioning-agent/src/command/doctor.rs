//! `doctor`: whether everything that a cycle needs is there.

use std::collections::BTreeMap;

use anyhow::Result;
use scim_sync::ConnectorId;
use serde_json::json;

use super::print;
use crate::check::{self, Place, Report, State};
use crate::cli::Shown;
use crate::config::{Mode, Process, SourceKind};
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn doctor(session: &Session, shown: &Shown) -> Result<Exit> {
    let mut report = Report::new(!shown.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(examine(session, &mut report))?;
    verdict(
        &report,
        shown,
        "All is well. Look at what would be written with `plan`.",
        ("Cycles can run", "a cycle can run"),
    )
}

/// Ends an examination: `well` is said where nothing is in the way, `able` where something is to be looked at, and to be mended.
pub(super) fn verdict(
    report: &Report,
    shown: &Shown,
    well: &str,
    able: (&str, &str),
) -> Result<Exit> {
    let (fails, warnings) = (report.count(State::Fail), report.count(State::Warn));
    if shown.json {
        let document = json!({ "ok": fails == 0, "checks": report.lines() });
        print(format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        let verdict = match (fails, warnings) {
            (0, 0) => well.to_owned(),
            (0, _) => format!("{}; {warnings} to look at.", able.0),
            _ => format!("{fails} to mend before {}, {warnings} to look at.", able.1),
        };
        print(format!("{verdict}\n"))?;
    }
    Ok(if fails == 0 { Exit::Done } else { Exit::CouldNotRun })
}

async fn examine(session: &Session, report: &mut Report) -> Result<()> {
    let settings = &session.config.settings;
    let mode = match settings.mode {
        Mode::Active => "active",
        Mode::Staging => "staging: nothing will be written",
    };
    let file = format!(
        "{}: sources {}, targets {}, rules {}; {mode}",
        session.config.path.display(),
        settings.sources.len(),
        settings.targets.len(),
        session.rules.rules().len()
    );
    report.add(State::Ok, "configuration", "file", file)?;
    check::state_dir(report, &session.config.state_dir())?;
    let place = Place {
        folder: session.config.folder(),
        environment: &Process,
        rules: Some(&session.rules),
    };
    let mut schemas = BTreeMap::new();
    for source in &settings.sources {
        let readable = match &source.kind {
            SourceKind::ActiveDirectory(ldap) | SourceKind::OpenLdap(ldap) => {
                check::secret(report, &source.name, &ldap.password, place)?
            }
            SourceKind::Csv(_) => true,
        };
        if readable && let Some(schema) = check::source(report, source, place).await? {
            schemas.insert(ConnectorId::new(&source.name), schema);
        }
    }
    for target in &settings.targets {
        if check::secret(report, &target.name, &target.token, place)?
            && let Some(schema) = check::target(report, target, place).await?
        {
            schemas.insert(ConnectorId::new(&target.name), schema);
        }
    }
    check::rules(report, &session.rules, &schemas)
}

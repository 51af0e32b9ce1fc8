//! `plan` and `pending`: what would be written.

use anyhow::{Result, bail};
use scim_sync::cycle::CycleOptions;
use scim_sync::plan::{ExportPlan, Shown as Values, plain};
use scim_sync::sync::Synchronizer;
use scim_sync::undo::NoUndo;

use super::print;
use crate::cli::{PendingArgs, Shown};
use crate::clock;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::session::{Session, scratch};
use crate::signals;

/// Reads both sides in a copy of the state and shows the plan.
pub(super) fn plan(session: &Session, shown: &Shown, quiet: bool) -> Result<Exit> {
    let connectors = session.connectors()?;
    let (_folder, mut store) = scratch(session)?;
    let options = CycleOptions { export: false, plan_lines: usize::MAX, ..session.options() };
    let stop = signals::stop_on_signal()?;
    let mut progress = Progress::new(quiet || shown.json);
    let report =
        session.cycle(&mut store, &connectors, &options, &mut NoUndo, &stop, &mut progress);
    drop(progress);
    let report = report?;
    for error in &report.errors {
        eprintln!("error: {error}");
    }
    if report.stopped {
        bail!("stopped before both sides were read, so there is no plan");
    }
    if shown.json {
        let plans: Vec<&ExportPlan> = report.targets.iter().map(|target| &target.plan).collect();
        print(format!("{}\n", serde_json::to_string_pretty(&plans)?))?;
    } else {
        for target in &report.targets {
            print(format!("{}\n", target.plan))?;
            if let Some(stop) = &target.stop {
                print(format!("The guard would stop this: {stop}\n"))?;
            }
        }
    }
    Ok(report.outcome().into())
}

/// Shows the writes that wait in the state.
pub(super) fn pending(session: &Session, args: &PendingArgs) -> Result<Exit> {
    let (_, store) = session.look()?;
    let synchronizer = Synchronizer::new(&session.rules, clock::now());
    let cycle = CycleOptions { plan_lines: usize::MAX, ..session.options() };
    let mut rows = csv::Writer::from_writer(Vec::new());
    if args.csv {
        rows.write_record([
            "target", "action", "type", "object", "id", "property", "before", "after", "reason",
        ])?;
    }
    for target in session.targets() {
        let options = cycle.plan(&session.rules, &target, clock::now());
        let plan = ExportPlan::build(&store, &target, &synchronizer, &options)?;
        if args.csv {
            for step in plan.steps() {
                write_rows(&mut rows, step)?;
            }
        } else if args.json {
            for step in plan.steps() {
                print(format!("{}\n", serde_json::to_string(step)?))?;
            }
        } else {
            print(format!("{plan}\n"))?;
        }
    }
    if args.csv {
        print(String::from_utf8(rows.into_inner()?)?)?;
    }
    Ok(Exit::Done)
}

/// A line for each property that changes, or one where none does.
fn write_rows(rows: &mut csv::Writer<Vec<u8>>, step: &scim_sync::plan::Step) -> Result<()> {
    let anchor = step.anchor.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut row = |property: &str, before: String, after: String| {
        rows.write_record([
            step.target.as_str(),
            step.kind.word(),
            step.object_type.as_str(),
            step.label.as_str(),
            &anchor,
            property,
            &before,
            &after,
            &step.reason,
        ])
    };
    for change in &step.changes {
        row(change.name.as_str(), shown(&change.before), shown(&change.after))?;
    }
    for change in &step.references {
        row(
            change.name.as_str(),
            change.before.to_string(),
            format!("+{} -{}", change.added, change.removed),
        )?;
    }
    if step.changes.is_empty() && step.references.is_empty() {
        row("", String::new(), String::new())?;
    }
    Ok(())
}

/// Values for a cell: secrets are not there to be shown.
fn shown(values: &Values) -> String {
    let text =
        |value: serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match values {
        Values::Open(values) => {
            values.iter().map(|value| text(plain(value))).collect::<Vec<_>>().join(" | ")
        }
        Values::Redacted { present: true } => "(redacted)".to_owned(),
        Values::Redacted { present: false } => String::new(),
    }
}

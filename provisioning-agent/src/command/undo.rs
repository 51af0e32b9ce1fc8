//! `undo`: takes back what a run wrote.

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context as _, Result};
use scim_sync::cycle::CycleOptions;
use scim_sync::export::ExportEnd;
use scim_sync::guard::{Allowance, Baseline};
use scim_sync::store::Which;
use scim_sync::undo::{Undo, UndoOptions, Undoing};
use scim_sync::{Connector, SyncStore as _};

use super::print;
use crate::cli::UndoArgs;
use crate::clock;
use crate::exit::Exit;
use crate::session::{Session, undo_progress};
use crate::signals;

pub(super) fn undo(session: &Session, args: &UndoArgs) -> Result<Exit> {
    let file = File::open(&args.file)
        .with_context(|| format!("{} cannot be opened", args.file.display()))?;
    let undo = Undo::read(BufReader::new(file)).with_context(|| args.file.display().to_string())?;
    if undo.cut_off() {
        eprintln!(
            "the last line of the file is cut off: the write that it is about is not taken back"
        );
    }
    let connectors = session.connectors()?;
    let (_state, mut store) = session.hold()?;
    let (undo, mut progress) = if args.dry_run {
        (undo, None)
    } else {
        let (marks, progress) = undo_progress(&args.file)
            .context("how far the undo has come cannot be kept beside the file")?;
        (undo.resume(marks), Some(progress))
    };
    let stop = signals::stop_on_signal()?;
    let mut exit = Exit::Done;
    for target in undo.targets() {
        let connector = connectors.all().find(|connector| *connector.id() == target);
        let connector = connector
            .with_context(|| format!("the file is about {target}, which is not configured"))?;
        let options = CycleOptions { plan_lines: usize::MAX, ..session.options() };
        let options = options.plan(&session.rules, &target, clock::now());
        let plan = undo.plan(&store, &target, &options)?;
        print(format!("{plan}\n"))?;
        let Some(progress) = &mut progress else { continue };
        let baseline =
            Baseline { linked: store.count_objects(&target, Which::Linked)?, first_run: false };
        let allowed = args.allow.as_deref().map(Allowance::of);
        if let Err(stopped) =
            session.config.settings.guard.admit(&plan, &baseline, allowed.as_ref())
        {
            eprintln!("{stopped}: undo --allow {}", plan.digest());
            exit = Exit::Guard;
            continue;
        }
        let connector: &dyn Connector = connector.as_ref();
        let options =
            UndoOptions { force: args.force, ..UndoOptions::new(&session.rules, &target) };
        let undoing = Undoing {
            store: &mut store,
            connector,
            options: &options,
            now: clock::now(),
            stop: &stop,
            progress,
        };
        let report = session.runtime().block_on(undo.apply(undoing))?;
        for line in &report.skipped {
            print(format!("left as it is: {line}\n"))?;
        }
        for line in &report.failed {
            eprintln!("not taken back: {line}");
        }
        if report.before > 0 {
            print(format!("{target}: {} had been taken back before\n", report.before))?;
        }
        print(format!(
            "{target}: {} taken back, {} left as they are, {} failed\n",
            report.done,
            report.skipped.len(),
            report.failed.len()
        ))?;
        if let Some(why) = &report.ended {
            let why = match why {
                ExportEnd::Stopped => "stopped before the end",
                ExportEnd::Busy(why) | ExportEnd::Broken(why) | ExportEnd::Drift(why) => why,
            };
            eprintln!("{target}: {why}: the same command takes back what is left");
            return Ok(Exit::CouldNotRun);
        }
        if !report.failed.is_empty() && exit == Exit::Done {
            exit = Exit::SomeFailed;
        }
    }
    if exit == Exit::Done && !args.dry_run {
        print(
            "What the rules still ask for is asked for again by the next cycle: mend the source or the rules first.\n",
        )?;
    }
    Ok(exit)
}

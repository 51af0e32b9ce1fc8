//! `sync --once`: one cycle.

use std::fmt::Write as _;

use anyhow::Result;
use scim_sync::cycle::CycleReport;
use scim_sync::run::CycleMode;

use super::print;
use crate::cli::SyncArgs;
use crate::clock;
use crate::exit::Exit;
use crate::objects::ObjectLog;
use crate::progress::{All, Progress};
use crate::session::{Session, escrows};
use crate::signals;

pub(super) fn sync(session: &Session, args: &SyncArgs, quiet: bool) -> Result<Exit> {
    let connectors = session.connectors()?;
    let (state, mut store) = session.hold()?;
    let mut options = session.options();
    if args.full {
        options.mode = CycleMode::Initial;
    }
    let stop = signals::stop_on_signal()?;
    let mut log = ObjectLog::new(state.log(), clock::now);
    let mut progress = Progress::new(quiet);
    let mut undo = session.undo_file(&state)?;
    let report = session.cycle(
        &mut store,
        &connectors,
        &options,
        &mut undo,
        &stop,
        &mut All(vec![&mut log, &mut progress]),
    );
    drop(progress);
    let report = report?;
    print(told(&report, options.export, undo.written().map(|path| path.display().to_string())))?;
    if report.escrowed > 0 {
        let mut text = String::new();
        for (connector, name, escrow) in escrows(&store)?.into_iter().take(20) {
            writeln!(text, "  {connector}: {name}: {}", escrow.message)?;
        }
        writeln!(text, "  (`status` shows all of them)")?;
        eprint!("{} objects are in escrow and will be tried again:\n{text}", report.escrowed);
    }
    for error in &report.errors {
        eprintln!("error: {error}");
    }
    Ok(report.outcome().into())
}

/// What a cycle did, in a few lines.
pub(super) fn told(report: &CycleReport, export: bool, undo: Option<String>) -> String {
    let mut text = String::new();
    for (system, import) in &report.imports {
        let what = if import.full { "everything" } else { "what changed" };
        text.push_str(&format!(
            "{system}: read {what}: {} objects told, {} new, {} changed, {} gone\n",
            import.told, import.added, import.updated, import.deleted
        ));
        if let Some(refused) = &import.refused {
            text.push_str(&format!("{system}: not only what changed, because {refused}\n"));
        }
    }
    for target in &report.targets {
        match (&target.stop, &target.export) {
            (Some(stop), _) => text.push_str(&format!(
                "{stop}\nLook at it with `plan`, then let it through with `allow {}`.\n",
                stop.digest.get(..16).unwrap_or(&stop.digest)
            )),
            (None, Some(done)) => {
                let parts = [
                    (done.created, "created"),
                    (done.adopted, "found and taken over"),
                    (done.updated, "updated"),
                    (done.references, "with changed references"),
                    (done.disabled, "disabled"),
                    (done.deleted, "deleted"),
                    (done.failed + done.references_failed, "failed"),
                    (done.left, "left for the next cycle"),
                ];
                let parts: Vec<String> = parts
                    .iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, what)| format!("{count} {what}"))
                    .collect();
                let parts =
                    if parts.is_empty() { "nothing to write".to_owned() } else { parts.join(", ") };
                text.push_str(&format!("{}: {parts}\n", target.target));
                if let Some(ended) = &done.ended {
                    text.push_str(&format!(
                        "{}: ended early: {}\n",
                        target.target,
                        ended_early(ended)
                    ));
                }
            }
            (None, None) if !export => {
                text.push_str(&format!(
                    "{}: {} (staging: nothing is written)\n",
                    target.target,
                    target.plan.counts()
                ));
            }
            (None, None) => text.push_str(&format!("{}: not written to\n", target.target)),
        }
    }
    if let Some(path) = undo {
        text.push_str(&format!("`undo {path}` takes this back\n"));
    }
    let took = (report.ended - report.started).num_milliseconds();
    text.push_str(&format!(
        "cycle {}: {} in {}.{:03} s\n",
        report.run,
        report.outcome().words(),
        took / 1000,
        took % 1000
    ));
    text
}

fn ended_early(ended: &scim_sync::export::ExportEnd) -> String {
    use scim_sync::export::ExportEnd::{Broken, Busy, Drift, Stopped};
    match ended {
        Stopped => "it was asked to stop".to_owned(),
        Busy(why) | Broken(why) | Drift(why) => why.clone(),
    }
}

//! `status`: what the last runs did, what waits and what failed.

use anyhow::Result;
use scim_sync::run;
use scim_sync::store::Which;
use scim_sync::{ConnectorId, SyncStore};
use serde_json::{Map, Value, json};

use super::print;
use crate::cli::Shown;
use crate::exit::Exit;
use crate::session::{Session, escrows};

/// Runs that are shown.
const RUNS: usize = 5;

pub(super) fn status(session: &Session, shown: &Shown) -> Result<Exit> {
    let (_, store) = session.look()?;
    let document = document(session, &store)?;
    if shown.json {
        print(format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        print(readable(&document))?;
    }
    Ok(Exit::Done)
}

/// The status as one document.
pub(crate) fn document(session: &Session, store: &dyn SyncStore) -> Result<Value> {
    let mut systems = Map::new();
    let connectors = session.rules.sources().into_iter().chain(session.rules.targets());
    for connector in connectors {
        systems.insert(connector.to_string(), system(store, &connector)?);
    }
    let mut stopped = Vec::new();
    for target in session.targets() {
        if let Some(stop) = run::stopped(store, &target)? {
            stopped.push(json!({
                "target": target,
                "digest": stop.digest,
                "allowed": run::allowance(store, &target)?.is_some(),
                "why": stop.to_string(),
            }));
        }
    }
    let figures = run::quarantine(store)?;
    let code = match &figures.quarantine {
        Some(_) => "Quarantine",
        None if store.runs(1)?.is_empty() => "NotRun",
        None => "Active",
    };
    let runs: Vec<Value> = store
        .runs(RUNS)?
        .into_iter()
        .map(|(number, run)| {
            json!({
                "cycle": number, "profile": run.profile, "started": run.started, "ended": run.ended,
                "outcome": run.outcome, "counts": run.counts, "errors": run.errors,
            })
        })
        .collect();
    let escrows: Vec<Value> = escrows(store)?
        .into_iter()
        .map(|(connector, object, escrow)| {
            json!({
                "system": connector, "object": object, "stage": escrow.stage, "message": escrow.message,
                "first": escrow.first, "next": escrow.next, "attempts": escrow.attempts,
            })
        })
        .collect();
    Ok(json!({
        "code": code,
        "mode": session.config.settings.mode.to_string(),
        "countSuccessiveCompleteFailures": figures.successive_complete_failures,
        "quarantine": figures.quarantine,
        "systems": systems,
        "stopped": stopped,
        "escrows": escrows,
        "runs": runs,
    }))
}

fn system(store: &dyn SyncStore, connector: &ConnectorId) -> Result<Value> {
    let state = store.connector(connector)?;
    Ok(json!({
        "objects": store.count_objects(connector, Which::All)?,
        "linked": store.count_objects(connector, Which::Linked)?,
        "pendingImport": store.count_objects(connector, Which::PendingImport)?,
        "pendingExport": store.count_objects(connector, Which::PendingExport)?,
        "escrowed": store.count_objects(connector, Which::Escrowed)?,
        "readWhole": state.complete,
        "lastImport": state.last_import,
    }))
}

fn readable(document: &Value) -> String {
    let mut text = format!("{} ({})\n", plain(&document["code"]), plain(&document["mode"]));
    if let Some(why) = document["quarantine"]["message"].as_str() {
        text.push_str(&format!(
            "rests since {}: {why}; next try {}\n",
            plain(&document["quarantine"]["since"]),
            plain(&document["quarantine"]["next"])
        ));
    }
    if let Some(systems) = document["systems"].as_object() {
        for (name, system) in systems {
            text.push_str(&format!(
                "{name}: {} objects, {} linked, {} to be written, {} in escrow; last read {}\n",
                system["objects"],
                system["linked"],
                system["pendingExport"],
                system["escrowed"],
                system["lastImport"].as_str().unwrap_or("never")
            ));
        }
    }
    for stop in document["stopped"].as_array().into_iter().flatten() {
        let allowed = if stop["allowed"] == json!(true) {
            " (allowed: the next cycle carries it out)"
        } else {
            ""
        };
        text.push_str(&format!("stopped: {}{allowed}\n", plain(&stop["why"])));
    }
    for escrow in document["escrows"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "in escrow: {}: {}: {} (since {}, tried {} times, next {})\n",
            plain(&escrow["system"]),
            plain(&escrow["object"]),
            plain(&escrow["message"]),
            plain(&escrow["first"]),
            escrow["attempts"],
            escrow["next"].as_str().unwrap_or("not again")
        ));
    }
    for run in document["runs"].as_array().into_iter().flatten() {
        let counts = run["counts"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, count)| **count != json!(0));
        let counts: Vec<String> = counts.map(|(name, count)| format!("{name} {count}")).collect();
        text.push_str(&format!(
            "cycle {} ({}) at {}: {}; {}\n",
            run["cycle"],
            plain(&run["profile"]),
            plain(&run["started"]),
            plain(&run["outcome"]),
            counts.join(", ")
        ));
        for error in run["errors"].as_array().into_iter().flatten() {
            text.push_str(&format!("    {}\n", plain(error)));
        }
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

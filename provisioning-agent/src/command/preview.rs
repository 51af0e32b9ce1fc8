//! `preview`: what becomes of one object.

use anyhow::{Context as _, Result, bail};
use scim_sync::plan::plain;
use scim_sync::preview;
use scim_sync::sync::{Explanation, Synchronizer};
use scim_sync::{AttributeValue, SyncStore as _};

use super::print;
use crate::cli::PreviewArgs;
use crate::clock;
use crate::exit::Exit;
use crate::session::{Session, scratch};

/// Reads the object as it is now, into a copy of the state, and lets it pass the rules there.
pub(super) fn show(session: &Session, args: &PreviewArgs) -> Result<Exit> {
    let connectors = session.connectors()?;
    let (_folder, mut store) = scratch(session)?;
    let runtime = session.runtime();
    let mut asked = Vec::new();
    for connector in &connectors.sources {
        let id = connector.id();
        if args.source.as_deref().is_some_and(|name| name != id.as_str()) {
            continue;
        }
        asked.push(id.to_string());
        // The places of the scope are those of the last read, under whatever name.
        if let Some(watermark) = store.connector(id)?.watermark {
            connector.remember(&watermark);
        }
        let shape = session.rules.shape(id);
        let found = runtime.block_on(preview::find(&**connector, &args.object, &shape));
        let Some(object) = found.with_context(|| id.to_string())? else { continue };
        let row = preview::stage(&mut store, &**connector, object, clock::now())?;
        let row = row.context("the object was not staged")?;
        let mut schemas = std::collections::BTreeMap::new();
        for target in &connectors.targets {
            schemas.insert(target.id().clone(), runtime.block_on(target.schema())?);
        }
        let explanation = Synchronizer::new(&session.rules, clock::now())
            .with_schemas(schemas)
            .explain(&mut store, row)?;
        if args.json {
            print(format!("{}\n", serde_json::to_string_pretty(&explanation)?))?;
        } else {
            print(readable(&explanation))?;
        }
        return Ok(if explanation.troubles.is_empty() { Exit::Done } else { Exit::SomeFailed });
    }
    if asked.is_empty() {
        bail!("there is no source of that name");
    }
    bail!(
        "{} has no object {:?}: give its whole distinguished name or what identifies it",
        asked.join(", "),
        args.object
    )
}

/// The four sections as text.
fn readable(explanation: &Explanation) -> String {
    let mut text = String::new();
    text.push_str("Import\n");
    if let Some(import) = &explanation.import {
        let object_type = import.object_type.as_ref().map_or("?", |found| found.as_str());
        let anchor = import.anchor.as_ref().map_or("?", |found| found.as_str());
        text.push_str(&format!("  {}: {object_type} {anchor}\n", import.connector));
        if let Some(dn) = &import.dn {
            text.push_str(&format!("  dn: {dn}\n"));
        }
        for (name, values) in import.attributes.iter() {
            text.push_str(&format!("  {name}: {}\n", list(values)));
        }
        for (name, count) in &import.references {
            text.push_str(&format!("  {name}: {count} references\n"));
        }
    }
    text.push_str("In scope\n");
    if let Some(reason) = explanation.import.as_ref().and_then(|import| import.left_out.as_ref()) {
        text.push_str(&format!("  no: left out by the source: {reason}\n"));
    }
    for rule in &explanation.scope {
        text.push_str(&format!("  {}: {}\n", if rule.in_scope { "yes" } else { "no" }, rule.rule));
        for clause in rule.clauses.iter().flatten() {
            let sign = if clause.holds { "holds" } else { "does not hold" };
            text.push_str(&format!("    {}: {sign} ({})\n", clause.clause, list(&clause.values)));
        }
    }
    text.push_str("Match\n");
    for search in &explanation.matching {
        text.push_str(&format!("  {} by {}: {}\n", search.rule, search.by, search.told));
    }
    if let Some(identity) = &explanation.identity {
        text.push_str(&format!("  identity: {}, {}\n", identity.object_type, identity.life));
        for value in &identity.attributes {
            text.push_str(&format!(
                "    {} = {} ({})\n",
                value.attribute,
                list(&value.values),
                value.rule
            ));
        }
    }
    text.push_str("Action\n");
    for flow in &explanation.flows {
        text.push_str(&format!("  {} <- {}: {}\n", flow.to, flow.from, flow.gave));
    }
    for action in &explanation.actions {
        let object_type = action.object_type.as_ref().map_or("object", |found| found.as_str());
        match action.action {
            None => text.push_str(&format!("  {}: nothing to write\n", action.connector)),
            Some(kind) => {
                text.push_str(&format!(
                    "  {}: {kind:?} {object_type}: {}\n",
                    action.connector, action.reason
                ));
                for (name, before, after) in &action.changes {
                    text.push_str(&format!("    {name}: {} -> {}\n", list(before), list(after)));
                }
                for name in &action.references {
                    text.push_str(&format!("    {name}: references change\n"));
                }
            }
        }
    }
    for trouble in &explanation.troubles {
        text.push_str(&format!("Trouble\n  {trouble}\n"));
    }
    text
}

fn list(values: &[AttributeValue]) -> String {
    if values.is_empty() {
        return "nothing".to_owned();
    }
    values.iter().map(|value| plain(value).to_string()).collect::<Vec<_>>().join(", ")
}

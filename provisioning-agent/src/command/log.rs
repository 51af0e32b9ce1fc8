//! `log`: what was done to objects.

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use super::print;
use crate::cli::LogArgs;
use crate::exit::Exit;
use crate::objects::newest;
use crate::session::Session;
use crate::state::StateDir;

pub(super) fn log(session: &Session, args: &LogArgs) -> Result<Exit> {
    let state = StateDir::look(&session.config.state_dir())?;
    let lines = newest(&state.log(), args.lines, args.object.as_deref())?;
    if args.json {
        for line in lines {
            print(format!("{line}\n"))?;
        }
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["time", "cycle", "target", "action", "status", "type", "object", "changes"]);
    for line in &lines {
        let text =
            |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let changes = match line.get("changes").and_then(Value::as_array) {
            Some(changes) if !changes.is_empty() => {
                changes.iter().map(change).collect::<Vec<_>>().join("; ")
            }
            _ => text("message"),
        };
        table.add_row([
            text("time").get(..19).unwrap_or_default().replace('T', " "),
            line["cycle"].to_string(),
            text("connector"),
            text("action"),
            text("status"),
            text("objectType"),
            text("name"),
            changes,
        ]);
    }
    print(format!("{table}\n"))?;
    Ok(Exit::Done)
}

/// `title: "Cdr" -> "RAdm"`.
fn change(change: &Value) -> String {
    let values = |name: &str| match change.get(name).and_then(Value::as_array).map(Vec::as_slice) {
        None | Some([]) => "nothing".to_owned(),
        Some(values) => values.iter().map(value).collect::<Vec<_>>().join(", "),
    };
    let attribute = change.get("attribute").and_then(Value::as_str).unwrap_or_default();
    format!("{attribute}: {} -> {}", values("old"), values("new"))
}

/// A value without the name of its kind.
fn value(value: &Value) -> String {
    match value.as_object().and_then(|object| object.values().next()) {
        Some(inner) => inner.to_string(),
        None => value.to_string(),
    }
}

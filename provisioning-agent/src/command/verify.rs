//! `verify`: whether the state makes sense.

use anyhow::Result;
use scim_sync::ConnectorId;
use scim_sync::verify::{Severity, verify as check};
use serde_json::json;

use super::print;
use crate::cli::Shown;
use crate::exit::Exit;
use crate::session::Session;

pub(super) fn verify(session: &Session, shown: &Shown) -> Result<Exit> {
    let (_, store) = session.look()?;
    let connectors: Vec<ConnectorId> =
        session.rules.sources().into_iter().chain(session.rules.targets()).collect();
    let file = store.check_file()?;
    let notes = check(&store, &connectors, None)?;
    let bad = !file.is_empty() || notes.iter().any(|note| note.severity == Severity::Error);
    if shown.json {
        let notes = notes.iter().map(|note| {
            json!({ "severity": note.severity.to_string(), "about": note.about.to_string(), "text": note.text })
        });
        let broken = file
            .iter()
            .map(|text| json!({ "severity": "error", "about": "the file", "text": text }));
        let all: Vec<_> = broken.chain(notes).collect();
        print(format!("{}\n", serde_json::to_string_pretty(&all)?))?;
    } else {
        for text in &file {
            print(format!("error: the file: {text}\n"))?;
        }
        for note in &notes {
            print(format!("{note}\n"))?;
        }
        let verdict = match (bad, notes.is_empty()) {
            (true, _) => {
                "the state is damaged: throw it away (reset --scope full) and it is rebuilt from both sides"
            }
            (false, true) => "the state makes sense",
            (false, false) => "the state makes sense; the next cycle puts the warnings right",
        };
        print(format!("{verdict}\n"))?;
    }
    Ok(if bad { Exit::CouldNotRun } else { Exit::Done })
}

//! `verify`: whether the state makes sense.

use anyhow::Result;
use scim_sync::verify::{Severity, verify as check};
use scim_sync::{ConnectorId, StoreError};
use serde_json::json;

use super::print;
use crate::cli::Shown;
use crate::exit::Exit;
use crate::session::{Session, state_error};

pub(super) fn verify(session: &Session, shown: &Shown) -> Result<Exit> {
    let (state, store) = session.look()?;
    let connectors: Vec<ConnectorId> =
        session.rules.sources().into_iter().chain(session.rules.targets()).collect();
    let file = store.check_file().map_err(|error| state_error(error, &state))?;
    let notes = match check(&store, &connectors, None) {
        Ok(notes) => notes,
        // The file says more than the row on which the check failed.
        Err(StoreError::Damaged(_)) if !file.is_empty() => Vec::new(),
        Err(error) => return Err(state_error(error, &state)),
    };
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
            // What is to be written to a damaged file may damage it further.
            _ if !file.is_empty() => format!("the state is damaged: {}", state.move_away()),
            (true, _) => {
                "the state is damaged: throw it away (reset --scope full) and it is rebuilt from both sides".to_owned()
            }
            (false, true) => "the state makes sense".to_owned(),
            (false, false) => {
                "the state makes sense; the next cycle puts the warnings right".to_owned()
            }
        };
        print(format!("{verdict}\n"))?;
    }
    Ok(if bad { Exit::CouldNotRun } else { Exit::Done })
}

//! What is known of the systems, and what has to wait where it is too little.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cycle, CycleError, find, shape_digest};
use crate::run::{self, Open};
use crate::sync::held_back;
use crate::{ConnectorId, StoreError};

impl Cycle<'_, '_> {
    /// Asks the systems what they have, and checks the rules against it.
    ///
    /// What a target says is kept: without it, values would be of kinds that the target does not take, and references to
    /// what is deleted would stay.
    pub(super) async fn schemas(
        &mut self,
        asked: BTreeSet<&ConnectorId>,
        targets: &BTreeSet<ConnectorId>,
    ) -> Result<(), CycleError> {
        let mut silent = Vec::new();
        for id in asked {
            let connector = find(self.input.connectors, id)?;
            match connector.schema().await {
                Ok(schema) => {
                    self.schemas.insert(id.clone(), schema);
                }
                Err(error) => {
                    self.trouble(id, &error);
                    silent.push(id);
                }
            }
        }
        // What a system that did not answer has is not known, and the report says already that it did not.
        self.input.rules.check_known(&self.schemas).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            CycleError::Rules(lines.join("\n"))
        })?;
        for (id, schema) in self.schemas.iter().filter(|(id, _)| targets.contains(*id)) {
            run::keep_schema(self.input.store, id, schema)?;
        }
        for id in silent {
            if let Some(schema) = run::schema(self.input.store, id)? {
                self.schemas.insert(id.clone(), schema);
            }
        }
        Ok(())
    }

    /// Why nothing may be exported without a synchronisation before.
    pub(super) fn unsynchronised(&self) -> Result<Option<String>, StoreError> {
        let why = if run::rules_digest(self.input.store)? != Some(self.input.rules.digest()) {
            "what is pending was worked out by other rules than these"
        } else if run::open(self.input.store)? == Some(Open::Begun) {
            "the last synchronisation did not come to its end, or a target has another schema since"
        } else {
            return Ok(None);
        };
        Ok(Some(format!(
            "nothing was exported: {why}; run a cycle that reads and synchronises first"
        )))
    }

    /// The systems of which too little is known, and all that have to wait for that. The report says why.
    pub(super) fn hold_back<'i>(
        &mut self,
        all: impl Iterator<Item = &'i ConnectorId>,
        targets: &BTreeSet<ConnectorId>,
    ) -> Result<(BTreeSet<ConnectorId>, BTreeSet<ConnectorId>), CycleError> {
        let rules = self.input.rules;
        let mut lacking: BTreeMap<&ConnectorId, &str> = BTreeMap::new();
        for id in all {
            let state = self.input.store.connector(id)?;
            if !state.complete {
                lacking.insert(id, "was never read to its end");
            } else if state.shape != Some(shape_digest(&rules.shape(id))) {
                lacking
                    .insert(id, "was not read with all the attributes that the rules ask for now");
            } else if targets.contains(id) && !self.schemas.contains_key(id) {
                lacking.insert(id, "has never said what attributes it has");
            }
        }
        let mut held = BTreeSet::new();
        for (id, why) in &lacking {
            let waits = held_back(rules, &BTreeSet::from([(*id).clone()]));
            let names: Vec<&str> = waits
                .iter()
                .filter(|waiting| targets.contains(*waiting))
                .map(ConnectorId::as_str)
                .collect();
            self.report.errors.push(match names.as_slice() {
                [] => format!("{id} {why}: until then nothing is worked out from it"),
                names => {
                    format!("{id} {why}: until then nothing is worked out for {}", names.join(", "))
                }
            });
            held.extend(waits);
        }
        Ok((lacking.into_keys().cloned().collect(), held))
    }
}

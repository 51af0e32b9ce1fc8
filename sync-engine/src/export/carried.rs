//! References that go with a new object: a request less for each object whose referred objects are there already.

use std::collections::{BTreeMap, BTreeSet};

use super::references::{changes, refused};
use super::{ExportError, Work};
use crate::connector::{Exported, ReferenceEdit};
use crate::observer::PropertyChange;
use crate::plan::references::{Edit, Edits};
use crate::space::{ExportKind, SpaceObject};
use crate::{Anchor, AttributeName, SpaceId};

/// What was sent with the making of an object.
#[derive(Default)]
pub(super) struct Carried {
    added: Vec<(AttributeName, SpaceId, Anchor)>,
    /// Attributes of which nothing is left to be sent.
    whole: BTreeSet<AttributeName>,
}

impl Carried {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty()
    }

    /// As the connector is told.
    pub(super) fn references(&self) -> BTreeMap<AttributeName, Vec<Anchor>> {
        let mut references: BTreeMap<AttributeName, Vec<Anchor>> = BTreeMap::new();
        for (attribute, _, anchor) in &self.added {
            references.entry(attribute.clone()).or_default().push(anchor.clone());
        }
        references
    }

    /// As the log shows them.
    pub(super) fn changes(&self) -> Vec<PropertyChange> {
        let edit = |add| ReferenceEdit { add, remove: Vec::new() };
        let edits = self.references().into_iter().map(|(name, add)| (name, edit(add))).collect();
        changes(&edits)
    }
}

impl Work<'_> {
    /// The references of an object that is to be made whose objects are there, as many as go into one request. The others
    /// follow in the phase of references.
    pub(super) fn known_references(&self, object: &SpaceObject) -> Result<Carried, ExportError> {
        let mut carried = Carried::default();
        let Some(pending) = &object.pending_export else { return Ok(carried) };
        if pending.kind != ExportKind::Add {
            return Ok(carried);
        }
        for attribute in &pending.references {
            let store = &*self.with.store;
            let edits = Edits::of(self.with.references, store, object, attribute)?;
            let Some(mut edits) = edits else { continue };
            let mut whole = true;
            while let Some(edit) = edits.next(store)? {
                let Edit::Add(id) = edit else {
                    whole = false;
                    continue;
                };
                let Some(other) = store.object_outline(id)? else { continue };
                if edits.comes_by_itself(edit, &other) {
                    continue;
                }
                match other.anchor.or_else(|| self.made.get(&id).cloned()) {
                    Some(anchor) if carried.added.len() < self.with.options.reference_batch => {
                        carried.added.push((attribute.clone(), id, anchor));
                    }
                    Some(_) => {
                        whole = false;
                        break;
                    }
                    None => whole = false,
                }
            }
            if whole {
                carried.whole.insert(attribute.clone());
            }
        }
        Ok(carried)
    }

    /// Keeps the references that went with an object that was made, and leaves out of what is pending those attributes that
    /// are done with. Called within a transaction.
    pub(super) fn keep_carried(
        &mut self,
        stored: &mut SpaceObject,
        carried: &Carried,
        exported: &Exported,
    ) -> Result<(), ExportError> {
        let refused = refused(exported);
        let mut open: BTreeSet<&AttributeName> = BTreeSet::new();
        for (attribute, to, anchor) in &carried.added {
            let there = self.with.store.object_outline(*to)?.and_then(|other| other.anchor);
            if refused.contains(&(attribute, anchor)) || there.as_ref() != Some(anchor) {
                // Sent once more with the other references: there a refusal is kept as one, and an object that has turned
                // out to be another one has its name by then.
                open.insert(attribute);
            } else {
                self.with.store.add_edge(stored.id, attribute, *to)?;
            }
        }
        if let Some(pending) = &mut stored.pending_export {
            pending
                .references
                .retain(|attribute| open.contains(attribute) || !carried.whole.contains(attribute));
            if pending.references.is_empty() && pending.attributes.is_empty() {
                stored.pending_export = None;
            }
        }
        Ok(())
    }
}

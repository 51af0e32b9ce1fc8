//! One object as it was told: into its row, with what changed as its pending import.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Duration;

use super::names::Moved;
use super::{ReadKind, Staged, Staging, StagingError};
use crate::connector::{ChangedObject, ImportedObject, ReferenceChange, SourceScope};
use crate::space::{PendingImport, SpaceKind, SpaceObject};
use crate::store::{Escrow, EscrowStage};
use crate::{AttributeName, AttributeValue, Dn, SpaceId};

/// So often a target may tell something else than was written before a person has to look.
const MISMATCHES: u32 = 3;

impl Staging<'_> {
    /// A whole object.
    pub(super) fn object(
        &mut self,
        told: ImportedObject,
        staged: &mut Staged,
    ) -> Result<(), StagingError> {
        self.told += 1;
        self.outstanding.remove(&told.anchor);
        let before = match self.by_anchor(&told.anchor)? {
            Some(row) => Some(row),
            None => self.without_anchor(told.dn.as_ref())?,
        };
        let references = told.references.into_iter().map(|(attribute, added)| {
            (attribute, ReferenceChange { replace: true, added, removed: Vec::new() })
        });
        let references = references.collect();
        let kept = before.as_ref();
        let after = SpaceObject {
            id: kept.map_or(SpaceId(0), |row| row.id),
            connector: self.connector.clone(),
            object_type: Some(told.object_type),
            anchor: Some(told.anchor),
            dn: told.dn,
            kind: SpaceKind::Staged,
            scope: told.scope,
            hologram: told.attributes,
            version: told.version,
            pending_import: PendingImport::Add,
            pending_export: kept.and_then(|row| row.pending_export.clone()),
            unconfirmed: kept.and_then(|row| row.unconfirmed.clone()),
            link: kept.and_then(|row| row.link.clone()),
        };
        self.stage(before, after, references, true, staged)
    }

    /// What changed of an object. Of one that was never told, that was told to be deleted or that is of another type
    /// now, all has to be read.
    pub(super) fn changed(
        &mut self,
        told: ChangedObject,
        staged: &mut Staged,
    ) -> Result<(), StagingError> {
        let row = self.by_anchor(&told.anchor)?.filter(|row| {
            row.kind != SpaceKind::Placeholder
                && row.pending_import != PendingImport::Delete
                && row.object_type.as_ref() == Some(&told.object_type)
                // Where it is, has to be known again.
                && (row.kind != SpaceKind::Transient || told.dn.is_some())
        });
        self.told += 1;
        let Some(before) = row else {
            self.ask(told.anchor, staged);
            return Ok(());
        };
        let mut after = SpaceObject { kind: SpaceKind::Staged, ..before.clone() };
        for (name, values) in told.attributes {
            after.hologram.set(name, values);
        }
        after.dn = told.dn.or(after.dn);
        after.scope = told.scope.unwrap_or(after.scope);
        after.version = told.version.or(after.version);
        self.stage(Some(before), after, told.references, false, staged)
    }

    /// The row that stands for an object known by its name only: one that others refer to, or that was to be made.
    fn without_anchor(&self, dn: Option<&Dn>) -> Result<Option<SpaceObject>, StagingError> {
        let Some(dn) = dn else { return Ok(None) };
        match self.store.object_by_dn(&self.connector, dn)? {
            Some(id) => Ok(Some(self.load(id)?).filter(|row| row.anchor.is_none())),
            None => Ok(None),
        }
    }

    /// Writes `after` where `before` was, and what follows from it.
    fn stage(
        &mut self,
        before: Option<SpaceObject>,
        mut after: SpaceObject,
        references: BTreeMap<AttributeName, ReferenceChange>,
        whole: bool,
        staged: &mut Staged,
    ) -> Result<(), StagingError> {
        self.current = before.as_ref().map(|row| row.id);
        self.touched.clear();
        let is_named_anew = before.as_ref().is_none_or(|before| {
            (after.dn.is_some() && !before.holds_its_name()) || folded(before) != folded(&after)
        });
        let mut moved = Moved::default();
        if is_named_anew {
            if let Some(before) = &before {
                Self::renamed(before, &mut moved);
            }
            if let Some(dn) = &after.dn {
                self.claim(dn, self.current, &mut moved)?;
            }
        }
        // In its row before references are looked up, which may be to itself.
        match &before {
            None => {
                after.id = self.store.insert_object(&after)?;
                self.current = Some(after.id);
            }
            Some(before) => {
                if is_named_anew || before.anchor != after.anchor || before.kind != after.kind {
                    self.store.put_object(&after)?;
                }
            }
        }
        self.moved(after.id, moved)?;
        let mut changed = self.references(after.id, references, whole)?;
        changed.append(&mut self.touched);

        match &before {
            Some(before) if before.kind != SpaceKind::Placeholder && before.anchor.is_some() => {
                keep_order(before, &mut after);
                changed.extend(differences(before, &after));
                if before.pending_import == PendingImport::Delete {
                    let edges = self.store.edge_counts(after.id)?;
                    changed.extend(edges.into_iter().map(|(name, _)| name));
                }
                after.pending_import = pending(before, &after, changed);
                let mismatch = self.confirm(&mut after);
                let twin = self.twin(before, &after)?;
                match after == *before {
                    true => staged.unchanged += 1,
                    false => {
                        self.store.put_object(&after)?;
                        staged.updated += 1;
                    }
                }
                if let Some(mismatch) = mismatch {
                    self.write_again(&after, &mismatch)?;
                }
                if let Some(twin) = twin {
                    self.current = None;
                    self.seen(after.id)?;
                    return self.escrow_import(after.id, twin);
                }
            }
            // Others referred to it, or it was to be made: it is here now.
            Some(before) => {
                self.confirm(&mut after);
                self.store.put_object(&after)?;
                if before.kind == SpaceKind::Placeholder {
                    self.requeue_referrers(after.id)?;
                }
                staged.added += 1;
            }
            None => staged.added += 1,
        }
        self.current = None;
        self.seen(after.id)
    }

    /// A sentence where this read told the same anchor before, of something else.
    fn twin(
        &self,
        before: &SpaceObject,
        after: &SpaceObject,
    ) -> Result<Option<String>, StagingError> {
        let is_other = before.object_type != after.object_type || folded(before) != folded(after);
        if !is_other || self.kind != ReadKind::Full || self.store.seen(after.id)? != self.read {
            return Ok(None);
        }
        let name = |row: &SpaceObject| match (&row.dn, &row.object_type) {
            (Some(dn), _) => dn.to_string(),
            (None, Some(object_type)) => format!("a {object_type}"),
            (None, None) => "something".to_owned(),
        };
        let anchor = after.anchor.as_ref().map_or("", |anchor| anchor.as_str());
        Ok(Some(format!(
            "{} told two objects with the anchor {anchor} in one read, {} and {}: the second is kept; see that what \
             identifies an object there is unique",
            self.connector,
            name(before),
            name(after),
        )))
    }

    /// Compares what is told with what was written; gives an attribute that is otherwise.
    ///
    /// A value counts once for each time that it was written: nobody may want it any more.
    fn confirm(&self, row: &mut SpaceObject) -> Option<AttributeName> {
        let hologram = &row.hologram;
        let written = row.unconfirmed.as_mut()?;
        if written.attributes.is_empty() {
            return None;
        }
        let mut otherwise = None;
        written.attributes.retain(|name, values| {
            let equal = same(values, hologram.get(name));
            if !equal && otherwise.is_none() {
                otherwise = Some(name.clone());
            }
            equal
        });
        match otherwise {
            Some(name) => {
                written.mismatches = written.mismatches.saturating_add(1);
                Some(name)
            }
            None => {
                row.unconfirmed = None;
                None
            }
        }
    }

    /// Lets the outbound rules compare again, and people know when it has been in vain too often.
    fn write_again(
        &mut self,
        row: &SpaceObject,
        attribute: &AttributeName,
    ) -> Result<(), StagingError> {
        if let Some(link) = &row.link {
            self.store.mark_dirty(link.metaverse)?;
        }
        let times = row.unconfirmed.as_ref().map_or(0, |written| written.mismatches);
        if times >= MISMATCHES {
            let message = format!(
                "{} was told {attribute} {times} times and says something else each time: let the rule flow the value \
                 that {} makes of it, or see who else writes it",
                self.connector, self.connector
            );
            let first = self.store.escrow(row.id)?.map_or(self.now, |escrow| escrow.first);
            let escrow = Escrow {
                stage: EscrowStage::Export,
                message,
                first,
                next: Some(self.now + Duration::hours(6)),
                attempts: times,
            };
            self.store.put_escrow(row.id, Some(&escrow))?;
            self.escrows = true;
        }
        Ok(())
    }
}

fn folded(row: &SpaceObject) -> Option<smol_str::SmolStr> {
    row.dn.as_ref().map(Dn::folded)
}

/// Keeps the order of values that are the same in another order, so that a quiet read writes nothing.
fn keep_order(before: &SpaceObject, after: &mut SpaceObject) {
    for (name, values) in before.hologram.iter() {
        if values != after.hologram.get(name) && same(values, after.hologram.get(name)) {
            after.hologram.set(name.clone(), values.to_vec());
        }
    }
}

/// The names of what differs between two tellings, apart from references.
fn differences(before: &SpaceObject, after: &SpaceObject) -> BTreeSet<AttributeName> {
    let names = before.hologram.iter().chain(after.hologram.iter()).map(|(name, _)| name);
    let mut changed: BTreeSet<AttributeName> = names
        .filter(|name| !same(before.hologram.get(name), after.hologram.get(name)))
        .cloned()
        .collect();
    if before.dn != after.dn {
        changed.insert(AttributeName::new(PendingImport::DN));
    }
    let taken_in = |row: &SpaceObject| row.scope == SourceScope::In;
    if taken_in(before) != taken_in(after) {
        changed.insert(AttributeName::new(PendingImport::SCOPE));
    }
    changed
}

/// Whether two lists have the same values: directories and SCIM give them in any order.
fn same(left: &[AttributeValue], right: &[AttributeValue]) -> bool {
    if left == right {
        return true;
    }
    let sorted = |values: &[AttributeValue]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values
    };
    left.len() == right.len() && left.len() > 1 && sorted(left) == sorted(right)
}

/// What the synchronisation has to know of an object after what it did not know before.
fn pending(
    before: &SpaceObject,
    after: &SpaceObject,
    mut changed: BTreeSet<AttributeName>,
) -> PendingImport {
    let is_retyped = before.object_type != after.object_type;
    match &before.pending_import {
        PendingImport::Add => PendingImport::Add,
        PendingImport::DeleteAdd => PendingImport::DeleteAdd,
        _ if is_retyped => PendingImport::DeleteAdd,
        PendingImport::None if changed.is_empty() => PendingImport::None,
        PendingImport::None => PendingImport::Update(changed),
        PendingImport::Update(names) => {
            changed.extend(names.iter().cloned());
            PendingImport::Update(changed)
        }
        // Back again. What was pending before the deletion is not known any more: all of it.
        PendingImport::Delete if before.link.is_none() => PendingImport::Add,
        PendingImport::Delete => {
            let names = before.hologram.iter().chain(after.hologram.iter()).map(|(name, _)| name);
            changed.extend(names.cloned());
            changed.insert(AttributeName::new(PendingImport::DN));
            changed.insert(AttributeName::new(PendingImport::SCOPE));
            PendingImport::Update(changed)
        }
    }
}

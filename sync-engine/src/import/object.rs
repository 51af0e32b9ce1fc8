//! One object as it was told: into its row, with what changed as its pending import.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Moved;
use super::{ReadKind, Staged, Staging, StagingError};
use crate::attribute::same_values;
use crate::connector::{ChangedObject, ImportedObject, ReferenceChange, SourceScope};
use crate::space::{PendingImport, SpaceKind, SpaceObject, Unconfirmed};
use crate::store::EscrowStage;
use crate::{AttributeName, Dn, SpaceId, escrow};

/// What a read says about what was written.
enum Verdict {
    /// Nothing was written that was not judged before.
    Nothing,
    /// All of it is there; whether it had been written in vain too often before.
    Confirmed { after_trouble: bool },
    /// This attribute is otherwise.
    Otherwise(AttributeName),
}

impl Staging<'_> {
    /// A whole object.
    pub(super) fn object(
        &mut self,
        told: ImportedObject,
        staged: &mut Staged,
    ) -> Result<(), StagingError> {
        self.told += 1;
        self.told_types.insert(told.object_type.clone());
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
        self.told_types.insert(told.object_type.clone());
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
                let verdict = confirm(&mut after);
                let twin = self.twin(before, &after)?;
                match after == *before {
                    true => staged.unchanged += 1,
                    false => {
                        self.store.put_object(&after)?;
                        staged.updated += 1;
                    }
                }
                self.judged(&after, verdict)?;
                if let Some(twin) = twin {
                    self.current = None;
                    self.seen(after.id)?;
                    return self.escrow_import(after.id, twin);
                }
            }
            // Others referred to it, or it was to be made: it is here now.
            Some(before) => {
                let verdict = confirm(&mut after);
                self.store.put_object(&after)?;
                self.judged(&after, verdict)?;
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

    /// Has what was written in vain compared again by the outbound rules, and lets people know when it has been in vain
    /// too often.
    fn judged(&mut self, row: &SpaceObject, verdict: Verdict) -> Result<(), StagingError> {
        let attribute = match verdict {
            Verdict::Nothing | Verdict::Confirmed { after_trouble: false } => return Ok(()),
            Verdict::Confirmed { after_trouble: true } => {
                return Ok(escrow::mend(self.store, row.id, EscrowStage::Export)?);
            }
            Verdict::Otherwise(attribute) => attribute,
        };
        if let Some(link) = &row.link {
            self.store.mark_dirty(link.metaverse)?;
        }
        let times = row.unconfirmed.as_ref().map_or(0, |written| written.mismatches);
        if times >= Unconfirmed::MISMATCHES {
            let message = format!(
                "{} was told {attribute} {times} times and says something else each time: let the rule flow the value \
                 that {} makes of it, or see who else writes it",
                self.connector, self.connector
            );
            escrow::fail(self.store, row.id, EscrowStage::Export, &message, self.now, &self.retry)?;
            self.escrows = true;
        }
        Ok(())
    }
}

/// Compares what is told with what was written. Each write counts once, whatever is told later: nobody may want its
/// values any more.
fn confirm(row: &mut SpaceObject) -> Verdict {
    let Some(written) = row.unconfirmed.as_mut() else { return Verdict::Nothing };
    let judged = std::mem::take(&mut written.attributes);
    if judged.is_empty() {
        return Verdict::Nothing;
    }
    let hologram = &row.hologram;
    let otherwise =
        |(name, values): &(AttributeName, Vec<_>)| !same_values(values, hologram.get(name));
    if let Some((name, _)) = judged.into_iter().find(otherwise) {
        written.mismatches = written.mismatches.saturating_add(1);
        return Verdict::Otherwise(name);
    }
    let after_trouble = written.mismatches >= Unconfirmed::MISMATCHES;
    row.unconfirmed = None;
    Verdict::Confirmed { after_trouble }
}

fn folded(row: &SpaceObject) -> Option<smol_str::SmolStr> {
    row.dn.as_ref().map(Dn::folded)
}

/// Keeps the order of values that are the same in another order, so that a quiet read writes nothing.
fn keep_order(before: &SpaceObject, after: &mut SpaceObject) {
    for (name, values) in before.hologram.iter() {
        if values != after.hologram.get(name) && same_values(values, after.hologram.get(name)) {
            after.hologram.set(name.clone(), values.to_vec());
        }
    }
}

/// The names of what differs between two tellings, apart from references.
fn differences(before: &SpaceObject, after: &SpaceObject) -> BTreeSet<AttributeName> {
    let names = before.hologram.iter().chain(after.hologram.iter()).map(|(name, _)| name);
    let mut changed: BTreeSet<AttributeName> = names
        .filter(|name| !same_values(before.hologram.get(name), after.hologram.get(name)))
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

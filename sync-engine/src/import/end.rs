//! The end of a read: what may be concluded from what it did not tell.

use std::collections::{BTreeMap, BTreeSet};

use super::{PAGE, ReadKind, Staged, Staging, StagingError};
use crate::connector::SourceScope;
use crate::space::{PendingImport, SpaceKind, SpaceObject};
use crate::store::{Escrow, EscrowStage, Which};
use crate::{Anchor, AttributeName, ObjectType, SpaceId};

/// So many objects of a type may be gone at once.
const FEW: u64 = 5;

impl Staging<'_> {
    /// Carries out the end of the read, where it was told and nothing has to be read before; whether it did.
    pub(super) fn conclude(&mut self, staged: &mut Staged) -> Result<bool, StagingError> {
        let (Some(end), Some(read)) = (self.end.clone(), self.read) else { return Ok(false) };
        let sweep = end.sweep || self.kind == ReadKind::Full;
        self.settle_transients(sweep.then_some(read), staged)?;
        if !self.outstanding.is_empty() {
            return Ok(false);
        }
        if sweep {
            self.refuse_empty(read)?;
            self.sweep(read, staged)?;
        }
        let mut state = self.store.connector(&self.connector)?;
        if self.kind == ReadKind::Full && self.told == 0 {
            // Perhaps it was not ready: as long as it tells nothing it is read whole, which costs nothing.
            state.watermark = None;
        } else if end.watermark.is_some() {
            state.watermark = end.watermark;
        }
        if self.kind == ReadKind::Full {
            state.complete = true;
            state.shape = self.shape.take().or(state.shape);
        }
        state.last_import = Some(self.now);
        self.store.put_connector(&self.connector, &state)?;
        self.end = None;
        Ok(true)
    }

    /// Asks where objects are whose names others have now. In a sweep, those that were not told are gone and need not be
    /// asked for; what was read and still has another's name stays for people to see.
    fn settle_transients(
        &mut self,
        sweep: Option<u64>,
        staged: &mut Staged,
    ) -> Result<(), StagingError> {
        let mut after = None;
        loop {
            let page = self.store.objects(&self.connector, Which::Transient, after, PAGE)?;
            for row in &page {
                let Some(anchor) = row.anchor.clone() else { continue };
                if row.pending_import == PendingImport::Delete {
                    continue;
                }
                if sweep.is_some() && self.store.seen(row.id)? != sweep {
                    continue;
                }
                if self.asked.contains(&anchor) && !self.outstanding.contains(&anchor) {
                    self.same_name(row.id, &anchor)?;
                } else {
                    self.ask(anchor, staged);
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|row| row.id);
        }
    }

    fn same_name(&mut self, id: SpaceId, anchor: &Anchor) -> Result<(), StagingError> {
        let message = format!(
            "{} tells two objects with one name: one of them has the anchor {anchor}; see what is wrong there, the \
             object is left as it is until it is told with a name of its own",
            self.connector
        );
        self.escrow_import(id, message)
    }

    /// Keeps a sentence for an object until an import tells it again.
    pub(super) fn escrow_import(
        &mut self,
        id: SpaceId,
        message: String,
    ) -> Result<(), StagingError> {
        let stage = EscrowStage::Import;
        let escrow = Escrow { stage, message, first: self.now, next: None, attempts: 1 };
        self.store.put_escrow(id, Some(&escrow))?;
        self.escrows = true;
        Ok(())
    }

    /// A complete read that told of nothing, or of nothing of a type, is what a wrong search base and a lost right look
    /// like.
    fn refuse_empty(&self, read: u64) -> Result<(), StagingError> {
        let mut known: BTreeMap<Option<ObjectType>, u64> = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.store.unseen(&self.connector, read, after, PAGE)?;
            for id in &page {
                let row = self.load(*id)?;
                if row.pending_import != PendingImport::Delete {
                    *known.entry(row.object_type).or_default() += 1;
                }
            }
            if page.len() < PAGE {
                break;
            }
            after = page.last().copied();
        }
        let empty = |object_type, known| {
            Err(StagingError::Empty { connector: self.connector.clone(), object_type, known })
        };
        if self.told == 0 {
            return match known.into_values().sum() {
                0 => Ok(()),
                known => empty(None, known),
            };
        }
        for (object_type, known) in known {
            let Some(object_type) = object_type else { continue };
            if known > FEW && self.is_read(&object_type) && !self.told_types.contains(&object_type)
            {
                return empty(Some(object_type), known);
            }
        }
        Ok(())
    }

    fn is_read(&self, object_type: &ObjectType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(object_type))
    }

    /// What was not told is gone, where it was asked for.
    fn sweep(&mut self, read: u64, staged: &mut Staged) -> Result<(), StagingError> {
        let mut after = None;
        loop {
            let page = self.store.unseen(&self.connector, read, after, PAGE)?;
            for id in &page {
                let row = self.load(*id)?;
                match &row.object_type {
                    Some(object_type) if !self.is_read(object_type) => {
                        self.read_no_more(row, staged)?;
                    }
                    _ => self.gone(row, staged)?,
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().copied();
        }
    }
    /// An object of a type that no rule is about any more. It may be there still: it leaves the scope.
    fn read_no_more(
        &mut self,
        mut row: SpaceObject,
        staged: &mut Staged,
    ) -> Result<(), StagingError> {
        let out = SourceScope::Out("no rule is about objects of its type".to_owned());
        if row.kind != SpaceKind::Staged
            || row.pending_import == PendingImport::Delete
            || row.scope == out
        {
            return Ok(());
        }
        row.scope = out;
        if row.pending_import == PendingImport::None {
            let scope = AttributeName::new(PendingImport::SCOPE);
            row.pending_import = PendingImport::Update(BTreeSet::from([scope]));
        }
        self.store.put_object(&row)?;
        staged.updated += 1;
        Ok(())
    }
}

//! Names: who has which now, and what was told by name before that was known.

use std::collections::BTreeMap;

use super::{PAGE, Staging, StagingError};
use crate::connector::ReferenceTo;
use crate::space::{SpaceKind, SpaceObject};
use crate::{AttributeName, Dn, SpaceId};

/// What the arrival of a name does to others, to be carried out when the object that has it now is in its row.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// The placeholder that stood for the name.
    stand_in: Option<SpaceId>,
    /// Who had which name before.
    lost: Vec<(SpaceId, Dn)>,
}

impl Staging<'_> {
    /// Frees `dn` for the object `id`, which has the name now.
    pub(super) fn claim(
        &mut self,
        dn: &Dn,
        id: Option<SpaceId>,
        moved: &mut Moved,
    ) -> Result<(), StagingError> {
        let holder = self.store.object_by_dn(&self.connector, dn)?;
        let Some(holder) = holder.filter(|holder| Some(*holder) != id) else { return Ok(()) };
        let mut holder = self.load(holder)?;
        match (holder.kind, &holder.anchor) {
            (SpaceKind::Placeholder, None) => moved.stand_in = Some(holder.id),
            (SpaceKind::Placeholder, Some(_)) => moved.lost.push((holder.id, dn.clone())),
            // An object that is to be made there: the synchronisation finds another name or the object that has it.
            (SpaceKind::Staged, None) => {}
            (SpaceKind::Staged | SpaceKind::Transient, _) => {
                moved.lost.push((holder.id, dn.clone()));
                holder.kind = SpaceKind::Transient;
            }
        }
        if holder.kind != SpaceKind::Transient {
            holder.dn = None;
        }
        self.store.put_object(&holder)?;
        Ok(())
    }

    /// Notes that `before` has another name now.
    pub(super) fn renamed(before: &SpaceObject, moved: &mut Moved) {
        if before.holds_its_name()
            && let Some(dn) = &before.dn
        {
            moved.lost.push((before.id, dn.clone()));
        }
    }

    /// Carries out what the arrival of the object `id` at its name does to others.
    pub(super) fn moved(&mut self, id: SpaceId, moved: Moved) -> Result<(), StagingError> {
        // First what left this object, then what comes to it: else the second would be taken for the first.
        for (had, dn) in moved.lost {
            self.read_anew(had, &dn)?;
        }
        if let Some(stand_in) = moved.stand_in {
            loop {
                let page = self.store.referrers(stand_in, None, PAGE)?;
                if page.is_empty() {
                    break;
                }
                for (from, attribute) in page {
                    self.repoint(from, &attribute, stand_in, id)?;
                }
            }
            self.store.remove_object(stand_in)?;
        }
        Ok(())
    }

    /// References that this read told by the name `dn`, when `had` was still known by it, are to whoever has it now.
    pub(super) fn read_anew(&mut self, had: SpaceId, dn: &Dn) -> Result<(), StagingError> {
        if self.by_name.is_empty() {
            return Ok(());
        }
        let mut after = None;
        loop {
            let page = self.store.referrers(had, after, PAGE)?;
            for (from, attribute) in &page {
                let Some(told) = self.by_name.remove(*from, attribute, had) else { continue };
                let Some(to) = self.resolve(&ReferenceTo::Dn(dn.clone()), true)? else { continue };
                match told {
                    Told::ByNameOnly => self.repoint(*from, attribute, had, to)?,
                    Told::OtherwiseToo => {
                        self.store.add_edge(*from, attribute, to)?;
                        self.requeue(*from, attribute)?;
                    }
                }
                self.by_name.told(*from, attribute, to, Told::ByNameOnly);
            }
            if page.len() < PAGE {
                return self.drop_unused(had);
            }
            after = page.last().cloned();
        }
    }

    fn repoint(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        old: SpaceId,
        new: SpaceId,
    ) -> Result<(), StagingError> {
        self.store.remove_edge(from, attribute, old)?;
        self.store.add_edge(from, attribute, new)?;
        self.requeue(from, attribute)
    }
}

/// How a reference was told that was told by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is to whoever has the name.
    ByNameOnly,
    /// It was also told by anchor, or was there before: it stays when somebody else has the name.
    OtherwiseToo,
}

/// Which references this read told by name.
///
/// Whole groups are one bit each, so that a read that tells groups before their members needs no memory for each member;
/// single references are kept one by one.
#[derive(Debug, Default)]
pub(super) struct ToldByName {
    /// Rows all of whose references were told by name, 64 to a word.
    whole: BTreeMap<u64, u64>,
    single: BTreeMap<(SpaceId, AttributeName, SpaceId), Told>,
}

impl ToldByName {
    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.single.is_empty()
    }

    /// How the reference was told, where it was told by name; it is forgotten.
    fn remove(&mut self, from: SpaceId, attribute: &AttributeName, to: SpaceId) -> Option<Told> {
        if let Some(told) = self.single.remove(&(from, attribute.clone(), to)) {
            return Some(told);
        }
        let word = self.whole.get(&(from.0 / 64)).copied().unwrap_or(0);
        (word & (1 << (from.0 % 64)) != 0).then_some(Told::ByNameOnly)
    }

    /// Says of all references of a row that they were, or were not, told by name.
    pub(super) fn told_whole(&mut self, from: SpaceId, by_name: bool) {
        let (word, bit) = (from.0 / 64, 1 << (from.0 % 64));
        if by_name {
            *self.whole.entry(word).or_default() |= bit;
        } else if let Some(word) = self.whole.get_mut(&word) {
            *word &= !bit;
        }
    }

    /// Says of one reference that it was told by name; the bit of a row says it of all.
    pub(super) fn told(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
        told: Told,
    ) {
        let word = self.whole.get(&(from.0 / 64)).copied().unwrap_or(0);
        if word & (1 << (from.0 % 64)) == 0 {
            self.single.insert((from, attribute.clone(), to), told);
        }
    }

    /// Says of one reference that it was told otherwise, or taken away.
    pub(super) fn forget(&mut self, from: SpaceId, attribute: &AttributeName, to: SpaceId) {
        if !self.single.is_empty() {
            self.single.remove(&(from, attribute.clone(), to));
        }
    }
}

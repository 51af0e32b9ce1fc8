//! References: edges to rows, placeholders for what nobody has told, and who has to be looked at again.

use std::collections::{BTreeMap, BTreeSet};

use super::names::Told;
use super::{PAGE, Staging, StagingError};
use crate::connector::{ReferenceChange, ReferenceTo, SourceScope};
use crate::space::{PendingImport, SpaceKind, SpaceObject};
use crate::{AttributeName, AttributeSet, SpaceId};

impl Staging<'_> {
    /// Applies what was told of the references of `from`; with `whole`, attributes that were not told have none. Gives
    /// the attributes that changed.
    pub(super) fn references(
        &mut self,
        from: SpaceId,
        mut told: BTreeMap<AttributeName, ReferenceChange>,
        whole: bool,
    ) -> Result<BTreeSet<AttributeName>, StagingError> {
        if whole {
            for (attribute, _) in self.store.edge_counts(from)? {
                told.entry(attribute).or_insert_with(|| ReferenceChange {
                    replace: true,
                    ..ReferenceChange::default()
                });
            }
            let mut all = told.values().flat_map(|change| &change.added).peekable();
            let by_name = all.peek().is_some() && all.all(|to| matches!(to, ReferenceTo::Dn(_)));
            self.by_name.told_whole(from, by_name);
        }
        let mut changed = BTreeSet::new();
        for (attribute, change) in told {
            let differs = if change.replace {
                self.replace(from, &attribute, &change.added)?
            } else {
                self.edit(from, &attribute, &change)?
            };
            if differs {
                changed.insert(attribute);
            }
        }
        Ok(changed)
    }

    fn replace(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        told: &[ReferenceTo],
    ) -> Result<bool, StagingError> {
        let (mut wanted, mut by_anchor) = (BTreeSet::new(), BTreeSet::new());
        // By anchor first, so that it is known what is not told by name only.
        for by_name in [false, true] {
            for reference in told.iter().filter(|to| matches!(to, ReferenceTo::Dn(_)) == by_name) {
                let Some(to) = self.resolve(reference, true)? else { continue };
                self.note(from, attribute, to, reference, !by_anchor.contains(&to));
                wanted.insert(to);
            }
            if !by_name {
                by_anchor.clone_from(&wanted);
            }
        }
        let mut unwanted = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.edges(from, attribute, after, PAGE)?;
            unwanted.extend(page.iter().filter(|to| !wanted.remove(to)));
            if page.len() < PAGE {
                break;
            }
            after = page.last().copied();
        }
        let changed = !wanted.is_empty() || !unwanted.is_empty();
        for to in wanted {
            self.store.add_edge(from, attribute, to)?;
        }
        for to in unwanted {
            self.store.remove_edge(from, attribute, to)?;
            self.by_name.forget(from, attribute, to);
            self.drop_unused(to)?;
        }
        Ok(changed)
    }

    fn edit(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        change: &ReferenceChange,
    ) -> Result<bool, StagingError> {
        let mut changed = false;
        for reference in &change.removed {
            if let Some(to) = self.resolve(reference, false)?
                && self.store.remove_edge(from, attribute, to)?
            {
                changed = true;
                self.by_name.forget(from, attribute, to);
                self.drop_unused(to)?;
            }
        }
        for reference in &change.added {
            if let Some(to) = self.resolve(reference, true)? {
                let is_first = self.store.add_edge(from, attribute, to)?;
                self.note(from, attribute, to, reference, is_first);
                changed |= is_first;
            }
        }
        Ok(changed)
    }

    /// Remembers how a reference was told.
    fn note(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
        reference: &ReferenceTo,
        by_name_only: bool,
    ) {
        match reference {
            ReferenceTo::Dn(_) if by_name_only => {
                self.by_name.told(from, attribute, to, Told::ByNameOnly);
            }
            ReferenceTo::Dn(_) => self.by_name.told(from, attribute, to, Told::OtherwiseToo),
            ReferenceTo::Anchor(_) => self.by_name.forget(from, attribute, to),
        }
    }

    /// The row of a reference; with `make`, a placeholder where there is none.
    pub(super) fn resolve(
        &mut self,
        reference: &ReferenceTo,
        make: bool,
    ) -> Result<Option<SpaceId>, StagingError> {
        let (anchor, dn) = match reference {
            ReferenceTo::Anchor(anchor) => (Some(anchor), None),
            ReferenceTo::Dn(dn) => (None, Some(dn)),
        };
        let known = match reference {
            ReferenceTo::Anchor(anchor) => self.store.object_by_anchor(&self.connector, anchor)?,
            ReferenceTo::Dn(dn) => self.store.object_by_dn(&self.connector, dn)?,
        };
        if known.is_some() || !make {
            return Ok(known);
        }
        let placeholder = SpaceObject {
            id: SpaceId(0),
            connector: self.connector.clone(),
            object_type: None,
            anchor: anchor.cloned(),
            dn: dn.cloned(),
            kind: SpaceKind::Placeholder,
            scope: SourceScope::In,
            hologram: AttributeSet::new(),
            version: None,
            pending_import: PendingImport::None,
            pending_export: None,
            unconfirmed: None,
            link: None,
        };
        Ok(Some(self.store.insert_object(&placeholder)?))
    }

    /// Removes a placeholder that nothing refers to any more.
    pub(super) fn drop_unused(&mut self, id: SpaceId) -> Result<(), StagingError> {
        let is_placeholder =
            self.store.object_outline(id)?.is_some_and(|row| row.kind == SpaceKind::Placeholder);
        if is_placeholder && self.store.referrers(id, None, 1)?.is_empty() {
            self.store.remove_object(id)?;
        }
        Ok(())
    }

    /// Lets the next synchronisation look at everything that refers to `id`.
    pub(super) fn requeue_referrers(&mut self, id: SpaceId) -> Result<(), StagingError> {
        let mut after = None;
        loop {
            let page = self.store.referrers(id, after, PAGE)?;
            for (from, attribute) in &page {
                self.requeue(*from, attribute)?;
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().cloned();
        }
    }

    /// Lets the next synchronisation look at one reference attribute of `from`.
    pub(super) fn requeue(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
    ) -> Result<(), StagingError> {
        if self.current == Some(from) {
            self.touched.insert(attribute.clone());
            return Ok(());
        }
        let mut row = self.load(from)?;
        let is_news = match &mut row.pending_import {
            PendingImport::None => {
                row.pending_import = PendingImport::Update(BTreeSet::from([attribute.clone()]));
                true
            }
            PendingImport::Update(names) => names.insert(attribute.clone()),
            PendingImport::Add | PendingImport::Delete | PendingImport::DeleteAdd => false,
        };
        if is_news {
            self.store.put_object(&row)?;
        }
        Ok(())
    }
}

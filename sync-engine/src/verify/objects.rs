//! What must hold of the rows of a connector space.

use super::{Check, PAGE, Subject};
use crate::ConnectorId;
use crate::space::{ExportKind, PendingImport, SpaceKind, SpaceObject};
use crate::store::{StoreError, Which};

const LISTS: [Which; 6] = [
    Which::All,
    Which::PendingImport,
    Which::PendingExport,
    Which::Linked,
    Which::Escrowed,
    Which::Transient,
];

impl Check<'_> {
    pub(super) fn space(&mut self, connector: &ConnectorId) -> Result<(), StoreError> {
        let mut counts = [0; LISTS.len()];
        let mut after = None;
        loop {
            let page = self.store.objects(connector, Which::All, after, PAGE)?;
            for object in &page {
                let escrowed = self.store.escrow(object.id)?.is_some();
                for (count, list) in counts.iter_mut().zip(LISTS) {
                    *count += u64::from(is_in(object, escrowed, list));
                }
                self.object(connector, object)?;
            }
            if page.len() < PAGE {
                break;
            }
            after = page.last().map(|object| object.id);
        }
        for (rows, list) in counts.into_iter().zip(LISTS) {
            let counted = self.store.count_objects(connector, list)?;
            if counted != rows {
                let text = format!("the list {list:?} counts {counted} objects, there are {rows}");
                self.error(&Subject::Space(connector.clone()), text);
            }
        }
        Ok(())
    }

    fn object(&mut self, connector: &ConnectorId, object: &SpaceObject) -> Result<(), StoreError> {
        let about = Subject::Object(connector.clone(), object.id);
        if object.connector != *connector {
            self.error(&about, format!("its row says that it is of {}", object.connector));
        }
        self.found_by_its_names(object, &about)?;
        match object.kind {
            SpaceKind::Placeholder => self.placeholder(object, &about)?,
            SpaceKind::Staged | SpaceKind::Transient => self.staged(object, &about),
        }
        self.linked(object, &about)?;
        if let Some(indexes) = self.indexes
            && object.kind == SpaceKind::Staged
            && let Some(mut keys) = indexes.object_keys(object)
        {
            keys.sort_unstable();
            keys.dedup();
            if self.store.object_keys(object.id)? != keys {
                self.error(&about, "it is indexed by other values than it has");
            }
        }
        self.edges(object, &about)
    }

    fn found_by_its_names(
        &mut self,
        object: &SpaceObject,
        about: &Subject,
    ) -> Result<(), StoreError> {
        if let Some(anchor) = &object.anchor
            && self.store.object_by_anchor(&object.connector, anchor)? != Some(object.id)
        {
            self.error(about, format!("it is not found by its anchor {anchor}"));
        }
        if let Some(dn) = &object.dn {
            let is_found = self.store.object_by_dn(&object.connector, dn)? == Some(object.id);
            if is_found != object.holds_its_name() {
                let but = if is_found { "it is found" } else { "it is not found" };
                self.error(about, format!("{but} by its name {dn}"));
            }
        }
        Ok(())
    }

    fn placeholder(&mut self, object: &SpaceObject, about: &Subject) -> Result<(), StoreError> {
        if object.link.is_some() {
            self.error(about, "it is a placeholder and linked");
        }
        if object.anchor.is_none() && object.dn.is_none() {
            self.error(about, "it is a placeholder for nothing");
        }
        if !object.hologram.is_empty() || object.unconfirmed.is_some() {
            self.error(about, "it is a placeholder and has values");
        }
        if object.pending_import != PendingImport::None || object.pending_export.is_some() {
            self.error(about, "it is a placeholder and something is pending");
        }
        if self.store.referrers(object.id, None, 1)?.is_empty() {
            self.warn(about, "it is a placeholder that nothing refers to");
        }
        Ok(())
    }

    fn staged(&mut self, object: &SpaceObject, about: &Subject) {
        if object.object_type.is_none() {
            self.error(about, "it has no type");
        }
        let to_be_made =
            object.pending_export.as_ref().is_some_and(|export| export.kind == ExportKind::Add);
        match (&object.anchor, to_be_made) {
            (None, false) => self.error(about, "it has no anchor and is not to be made"),
            (Some(_), true) => self.error(about, "it is to be made and has an anchor"),
            _ => {}
        }
        if object.kind == SpaceKind::Transient {
            if object.anchor.is_none() {
                self.error(about, "it is a transient without an anchor");
            }
            self.warn(about, "another object has its name");
        }
        if object.pending_import == PendingImport::Update(std::collections::BTreeSet::new()) {
            self.error(about, "an import of no attribute is pending");
        }
        if object.anchor.is_none() && object.unconfirmed.is_some() {
            self.error(about, "something was written to it and it has no anchor");
        }
        if let Some(export) = &object.pending_export {
            let is_nothing = export.attributes.is_empty() && export.references.is_empty();
            if export.kind == ExportKind::Update && is_nothing {
                self.error(about, "an export of nothing is pending");
            }
            if object.link.is_none() {
                self.warn(about, "an export is pending and it belongs to no identity");
            }
        }
    }

    fn linked(&mut self, object: &SpaceObject, about: &Subject) -> Result<(), StoreError> {
        let Some(link) = &object.link else { return Ok(()) };
        if self.store.metaverse(link.metaverse)?.is_none() {
            let text = format!("it is linked to identity {}, which is not there", link.metaverse);
            self.error(about, text);
        }
        let there = (object.connector.clone(), object.id);
        if !self.store.links(link.metaverse)?.contains(&there) {
            let text = format!("identity {} does not know its link", link.metaverse);
            self.error(about, text);
        }
        Ok(())
    }
}

fn is_in(object: &SpaceObject, escrowed: bool, list: Which) -> bool {
    match list {
        Which::All => true,
        Which::PendingImport => object.pending_import != PendingImport::None,
        Which::PendingExport => object.pending_export.is_some(),
        Which::Linked => object.link.is_some(),
        Which::Escrowed => escrowed,
        Which::Transient => object.kind == SpaceKind::Transient,
    }
}

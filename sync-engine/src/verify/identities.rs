//! What must hold of the metaverse.

use std::collections::BTreeSet;

use super::{Check, PAGE, Subject};
use crate::metaverse::{Life, MetaverseObject};
use crate::store::StoreError;
use crate::{ConnectorId, SpaceId};

impl Check<'_> {
    pub(super) fn identities(&mut self, connectors: &[ConnectorId]) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.metaverse_objects(after, PAGE)?;
            for identity in &page {
                self.identity(identity, connectors)?;
            }
            if page.len() < PAGE {
                break;
            }
            after = page.last().map(|identity| identity.id);
        }
        self.dirty()?;
        self.escrows()
    }

    fn identity(
        &mut self,
        identity: &MetaverseObject,
        connectors: &[ConnectorId],
    ) -> Result<(), StoreError> {
        let about = Subject::Identity(identity.id);
        let links = self.store.links(identity.id)?;
        let mut linked = BTreeSet::new();
        for (connector, id) in &links {
            linked.insert(*id);
            if !connectors.contains(connector) {
                self.warn(&about, format!("it is linked to {connector}, which nobody asked about"));
            }
            let object = self.store.object(*id)?;
            let links_back = object.as_ref().and_then(|object| object.link.as_ref());
            if links_back.is_none_or(|link| link.metaverse != identity.id) {
                self.error(&about, format!("object {id} of {connector} does not know its link"));
            } else if object.is_some_and(|object| object.connector != *connector) {
                self.error(&about, format!("object {id} is not of {connector}"));
            }
        }
        if links.is_empty() && identity.life == Life::Held {
            self.error(&about, "it is held and nothing is linked to it");
        }
        for (name, contribution) in &identity.attributes {
            if contribution.values.is_empty() {
                self.error(&about, format!("{name} has no values"));
            }
            self.sources(&about, name.as_str(), &contribution.from, &linked);
        }
        for (name, sources) in &identity.references {
            let from: Vec<SpaceId> = sources.iter().map(|source| source.from).collect();
            self.sources(&about, name.as_str(), &from, &linked);
        }
        if let Some(indexes) = self.indexes
            && let Some(mut keys) = indexes.metaverse_keys(identity)
        {
            keys.sort_unstable();
            keys.dedup();
            if self.store.metaverse_keys(identity.id)? != keys {
                self.error(&about, "it is indexed by other values than it has");
            }
        }
        Ok(())
    }

    fn sources(
        &mut self,
        about: &Subject,
        name: &str,
        from: &[SpaceId],
        linked: &BTreeSet<SpaceId>,
    ) {
        for id in from.iter().filter(|id| !linked.contains(id)) {
            self.error(about, format!("{name} comes from object {id}, which is not linked to it"));
        }
    }

    fn dirty(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.dirty(after, PAGE)?;
            for id in &page {
                if self.store.metaverse(*id)?.is_none() {
                    self.error(&Subject::Identity(*id), "it is to be looked at and not there");
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().copied();
        }
    }

    fn escrows(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.store.escrows(None, after, PAGE)?;
            for (id, escrow) in &page {
                match self.store.object(*id)? {
                    None => {
                        let about = Subject::Object(ConnectorId::new("?"), *id);
                        self.error(&about, "it is in escrow and not there");
                    }
                    Some(object) if escrow.message.is_empty() => {
                        let about = Subject::Object(object.connector, *id);
                        self.warn(&about, "it is in escrow without a word why");
                    }
                    Some(_) => {}
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
            after = page.last().map(|(id, _)| *id);
        }
    }
}

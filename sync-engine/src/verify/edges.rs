//! What must hold of the edges of a connector space.

use super::{Check, PAGE, Subject};
use crate::space::{SpaceKind, SpaceObject};
use crate::store::StoreError;
use crate::{AttributeName, SpaceId};

impl Check<'_> {
    pub(super) fn edges(&mut self, from: &SpaceObject, about: &Subject) -> Result<(), StoreError> {
        let counts = self.store.edge_counts(from.id)?;
        if from.kind == SpaceKind::Placeholder && !counts.is_empty() {
            self.error(about, "it is a placeholder and refers to others");
        }
        for (attribute, counted) in &counts {
            let mut edges = 0;
            let mut after = None;
            loop {
                let page = self.store.edges(from.id, attribute, after, PAGE)?;
                for to in &page {
                    self.edge(from, attribute, *to, counts.len(), about)?;
                }
                edges += page.len() as u64;
                if page.len() < PAGE {
                    break;
                }
                after = page.last().copied();
            }
            if edges != *counted {
                self.error(about, format!("{attribute} counts {counted} edges, there are {edges}"));
            }
        }
        Ok(())
    }

    fn edge(
        &mut self,
        from: &SpaceObject,
        attribute: &AttributeName,
        to: SpaceId,
        attributes: usize,
        about: &Subject,
    ) -> Result<(), StoreError> {
        match self.store.object(to)? {
            None => self.error(about, format!("{attribute} refers to {to}, which is not there")),
            Some(object) if object.connector != from.connector => {
                self.error(about, format!("{attribute} refers to {to} of {}", object.connector));
            }
            Some(_) => {}
        }
        // The entries of `from` among the referrers are beside each other.
        let before = from.id.0.checked_sub(1).map(|row| (SpaceId(row), last_name()));
        let back = self.store.referrers(to, before, attributes)?;
        if !back.contains(&(from.id, attribute.clone())) {
            self.error(about, format!("{attribute} refers to {to}, which does not know of it"));
        }
        Ok(())
    }
}

/// A name behind those of all attributes.
fn last_name() -> AttributeName {
    AttributeName::new("\u{10ffff}")
}

//! Finds an object in the target that may have been made already, and takes it for the one that was to be made.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};

use super::{ExportError, ExportOptions, Told, Work};
use crate::connector::{ConnectorError, ImportShape, ImportedObject, MatchQuery};
use crate::observer::StepStatus;
use crate::plan::{one_line, type_of};
use crate::space::{ExportKind, LinkOrigin, SpaceKind, SpaceObject};
use crate::store::EscrowStage;
use crate::{AttributeName, AttributeValue, Connector, ObjectType, SpaceId};

/// What a look-up came to.
pub(crate) enum Found {
    /// Exactly one object, by this attribute.
    One(Box<ImportedObject>, AttributeName),
    /// None.
    None {
        /// Whether there was a value by which the target can be asked.
        asked: bool,
    },
    /// Several: a sentence that names two of them.
    Several(String),
    /// The look-up itself failed.
    Error(ConnectorError),
}

/// Looks up objects that are to be made, by the attributes by which the rules find them.
pub(super) async fn locate(
    connector: &dyn Connector,
    options: &ExportOptions,
    objects: Vec<SpaceObject>,
) -> Vec<(SpaceObject, Found)> {
    let lookups = objects.into_iter().map(|object| async move {
        let found = locate_one(connector, options, &object).await;
        (object, found)
    });
    stream::iter(lookups).buffered(options.lookups.max(1)).collect().await
}

/// Looks up one.
pub(super) async fn locate_one(
    connector: &dyn Connector,
    options: &ExportOptions,
    object: &SpaceObject,
) -> Found {
    let Some(pending) = &object.pending_export else { return Found::None { asked: false } };
    let object_type = type_of(object);
    let matching = options.matching.get(&object_type).into_iter().flatten();
    let values = matching
        .filter_map(|name| Some((name.clone(), pending.attributes.get(name)?.first()?.clone())));
    look_up(connector, &object_type, values.collect(), &options.shape).await
}

/// Looks for an object by each of some values in turn, until there is one that has it.
pub(crate) async fn look_up(
    connector: &dyn Connector,
    object_type: &ObjectType,
    values: Vec<(AttributeName, AttributeValue)>,
    shape: &ImportShape,
) -> Found {
    let mut asked = false;
    for (attribute, value) in values {
        let query = MatchQuery {
            object_type: object_type.clone(),
            attribute: attribute.clone(),
            value,
            limit: 2,
        };
        match connector.find(&query, shape).await {
            Ok(mut found) if found.len() <= 1 => {
                asked = true;
                if let Some(one) = found.pop() {
                    return Found::One(Box::new(one), attribute);
                }
            }
            Ok(found) => {
                let ids: Vec<_> =
                    found.iter().take(2).map(|one| one_line(one.anchor.as_str())).collect();
                return Found::Several(format!(
                    "the target has more than one object with this {attribute} ({}); remove all but one of them there, or \
                     match by an attribute that tells them apart",
                    ids.join(", ")
                ));
            }
            Err(ConnectorError::Unsupported(_)) => {}
            Err(error) => return Found::Error(error),
        }
    }
    Found::None { asked }
}

impl Work<'_> {
    /// Takes an object of the target for the one that was to be made. What it lacks is found by the next
    /// synchronisation, which sees what is there.
    pub(super) fn adopt(
        &mut self,
        object: &SpaceObject,
        found: &ImportedObject,
        by: &AttributeName,
    ) -> Result<(), ExportError> {
        let there = self.with.store.object_by_anchor(&self.target, &found.anchor)?;
        let there = match there {
            Some(id) if id != object.id => self.with.store.object(id)?,
            _ => None,
        };
        if let Some(other) = &there
            && other.link.is_some()
        {
            let message = format!(
                "two objects of the source come to one object of the target: {} has the same {by} as this one and belongs \
                 to another identity; change one of the two in the source, or match by another attribute",
                one_line(found.anchor.as_str())
            );
            return self.refused(object, &message);
        }
        let link = object.link.clone().map(|mut link| {
            let rule = match link.origin {
                LinkOrigin::Projected { rule }
                | LinkOrigin::Joined { rule, .. }
                | LinkOrigin::Provisioned { rule } => rule,
            };
            link.origin = LinkOrigin::Joined { rule, by: by.to_string() };
            link
        });
        let mut adopted = match there {
            Some(other) => {
                self.with.store.remove_object(object.id)?;
                other
            }
            None => object.clone(),
        };
        adopted.kind = SpaceKind::Staged;
        adopted.anchor = Some(found.anchor.clone());
        adopted.object_type = Some(found.object_type.clone());
        if let Some(dn) = &found.dn
            && self.with.store.object_by_dn(&self.target, dn)?.is_none_or(|id| id == adopted.id)
        {
            adopted.dn = Some(dn.clone());
        }
        adopted.scope = found.scope.clone();
        adopted.hologram = found.attributes.clone();
        adopted.version.clone_from(&found.version);
        adopted.pending_export = None;
        adopted.link = link;
        self.put(&adopted)?;
        self.edges_as_found(&adopted, found)?;
        if let Some(link) = &adopted.link {
            self.with.store.mark_dirty(link.metaverse)?;
        }
        crate::escrow::mend(self.with.store, adopted.id, EscrowStage::Export)?;
        self.report.adopted += 1;
        self.settled.insert(adopted.id);
        let message =
            format!("it was in the target already and was found there by {by}; nothing was made");
        self.tell(Told {
            object: &adopted,
            action: ExportKind::Add,
            status: StepStatus::Skipped,
            changes: Vec::new(),
            message: &message,
        });
        Ok(())
    }

    /// Keeps the references of an object that was read, to objects that are known; gives those that nobody knew of.
    pub(super) fn edges_as_found(
        &mut self,
        object: &SpaceObject,
        found: &ImportedObject,
    ) -> Result<BTreeSet<(AttributeName, SpaceId)>, ExportError> {
        use crate::connector::ReferenceTo;
        let mut news = BTreeSet::new();
        for (attribute, references) in &found.references {
            let mut there = BTreeSet::new();
            for reference in references {
                let known = match reference {
                    ReferenceTo::Anchor(anchor) => {
                        self.with.store.object_by_anchor(&self.target, anchor)?
                    }
                    ReferenceTo::Dn(dn) => self.with.store.object_by_dn(&self.target, dn)?,
                };
                if let Some(to) = known {
                    if self.with.store.add_edge(object.id, attribute, to)? {
                        news.insert((attribute.clone(), to));
                    }
                    there.insert(to);
                }
            }
            let mut after = None;
            loop {
                let page = self.with.store.edges(object.id, attribute, after, 500)?;
                for to in page.iter().filter(|to| !there.contains(to)) {
                    self.unrefer(object.id, attribute, *to)?;
                }
                match page.last() {
                    Some(last) if page.len() == 500 => after = Some(*last),
                    _ => break,
                }
            }
        }
        Ok(news)
    }

    /// Removes an edge, and with the last one a placeholder that it led to. Called within a transaction.
    pub(super) fn unrefer(
        &mut self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<(), ExportError> {
        let store = &mut *self.with.store;
        store.remove_edge(from, attribute, to)?;
        if store.object_outline(to)?.is_some_and(|other| other.kind == SpaceKind::Placeholder)
            && store.referrers(to, None, 1)?.is_empty()
        {
            store.remove_object(to)?;
        }
        Ok(())
    }

    /// Takes the mark of a write that did not happen away.
    pub(super) fn clear_sent(&mut self, object: &SpaceObject) -> Result<(), ExportError> {
        if let Some(mut stored) = self.with.store.object(object.id)?
            && let Some(pending) = &mut stored.pending_export
        {
            pending.sent = None;
            self.with.store.put_object(&stored)?;
        }
        Ok(())
    }

    /// Puts an object into escrow whose write did not happen. Called within a transaction.
    pub(super) fn refused(
        &mut self,
        object: &SpaceObject,
        message: &str,
    ) -> Result<(), ExportError> {
        self.clear_sent(object)?;
        self.fail(object, EscrowStage::Export, message)?;
        self.settled.insert(object.id);
        let pending = object.pending_export.as_ref();
        let action = pending.map_or(ExportKind::Update, |pending| pending.kind);
        let changes = pending
            .map(|pending| self.property_changes(object, &pending.attributes))
            .unwrap_or_default();
        self.tell(Told { object, action, status: StepStatus::Failure, changes, message });
        Ok(())
    }
}

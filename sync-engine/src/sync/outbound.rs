//! Outbound: from one identity to its objects in the targets.

use super::desire::{Difference, flows_to};
use super::evaluate::Offer;
use super::program::{is_case_exact, joins, key};
use super::run::Run;
use super::trouble::{Trouble, describe};
use super::view::IdentityView;
use crate::connector::SourceScope;
use crate::metaverse::{Life, MetaverseObject};
use crate::rules::{LinkType, Rule, text_of};
use crate::space::{
    ExportKind, Link, LinkOrigin, PendingExport, PendingImport, SpaceKind, SpaceObject,
};
use crate::store::EscrowStage;
use crate::{Anchor, AttributeName, AttributeSet, ConnectorId, MetaverseId, SpaceId};

/// How many objects of a target with one value are looked at.
const CANDIDATES: usize = 64;

/// What looking for an object in a target came to.
enum Found {
    /// Nothing fits.
    None,
    /// Exactly one unlinked object fits, by this attribute.
    One(Box<SpaceObject>, AttributeName),
}

impl<'r> Run<'_, 'r> {
    /// Looks at one identity in all targets.
    pub(super) fn outbound(&mut self, id: MetaverseId) -> Result<u32, Trouble> {
        self.store.clear_dirty(id)?;
        let Some(identity) = self.store.metaverse(id)? else { return Ok(0) };
        let links = self.store.links(id)?;
        if links.is_empty() && self.remove_if_unlinked(id)? {
            return Ok(0);
        }
        for (_, linked) in &links {
            self.requeued.remove(linked);
        }
        let sync = self.sync;
        let (mut troubled, mut in_scope) = (false, false);
        for (target, rules) in sync.programs.outbound(&identity.object_type) {
            if self.held.contains(target) {
                continue;
            }
            match self.target(&identity, &links, (target, rules), &mut in_scope) {
                Ok(()) => {}
                Err(Trouble::Object { object, message }) => {
                    troubled = true;
                    let home = match object {
                        Some(object) => Some(object),
                        None => self.home_of(id, target)?,
                    };
                    if let Some(home) = home {
                        self.escrow(home, EscrowStage::Outbound, message)?;
                    }
                }
                Err(other) => return Err(other),
            }
        }
        self.report.in_scope += u64::from(in_scope);
        let mut exports = 0;
        for (_, linked) in self.store.links(id)? {
            let outline = self.store.object_outline(linked)?;
            exports += u32::from(outline.is_some_and(|outline| outline.export.is_some()));
            if !troubled {
                self.end_escrow(linked, EscrowStage::Outbound)?;
            }
        }
        if identity.life != Life::Held {
            self.remove_if_unlinked(id)?;
        }
        Ok(exports)
    }

    /// The object that stands for a trouble of an identity in a target: the target's, or else that of a source.
    fn home_of(&self, id: MetaverseId, target: &ConnectorId) -> Result<Option<SpaceId>, Trouble> {
        let links = self.store.links(id)?;
        let there = links.iter().find(|(connector, _)| connector == target);
        let mut sources: Vec<&(ConnectorId, SpaceId)> = links.iter().collect();
        sources.sort();
        Ok(there.or(sources.first().copied()).map(|(_, object)| *object))
    }

    fn target(
        &mut self,
        identity: &MetaverseObject,
        links: &[(ConnectorId, SpaceId)],
        (target, rules): (&ConnectorId, &[&'r Rule]),
        entitled: &mut bool,
    ) -> Result<(), Trouble> {
        let linked = links.iter().find(|(connector, _)| connector == target);
        let mut linked = linked.map(|(_, id)| self.store.object(*id)).transpose()?.flatten();
        let in_scope = self.outbound_scope(identity, rules)?;
        if in_scope.is_empty() {
            return match linked {
                Some(object) if self.is_ours(&object) => self.release(identity, object, rules),
                _ => Ok(()),
            };
        }
        *entitled = true;
        if let Some(object) = &mut linked {
            self.forget_release(object)?;
        }
        match linked {
            Some(object) if self.is_unmade(&object) => self.make(identity, in_scope, Some(object)),
            Some(object) if object.object_type.as_ref() != Some(&in_scope[0].object_type) => {
                self.replace(in_scope[0], object)
            }
            Some(object) => self.update(identity, &in_scope, object),
            None => self.make(identity, in_scope, None),
        }
    }

    /// The outbound rules that take an identity in, all for the type of object that the winning one names.
    pub(super) fn outbound_scope(
        &mut self,
        identity: &MetaverseObject,
        rules: &[&'r Rule],
    ) -> Result<Vec<&'r Rule>, Trouble> {
        let mut in_scope: Vec<&Rule> = Vec::new();
        if identity.life != Life::Held {
            return Ok(in_scope);
        }
        let view = IdentityView(identity);
        for rule in rules {
            let holds = rule.scope.holds(&view)?;
            if let Some(trace) = &mut self.trace {
                trace.scope(rule, &view, holds)?;
            }
            let same_type =
                in_scope.first().is_none_or(|first| first.object_type == rule.object_type);
            if holds && same_type {
                in_scope.push(rule);
            }
        }
        Ok(in_scope)
    }

    /// Whether an object is only planned: nothing was sent to make it.
    pub(super) fn is_unmade(&self, object: &SpaceObject) -> bool {
        object.anchor.is_none()
            && object.pending_export.as_ref().is_some_and(|pending| pending.sent.is_none())
    }

    /// Finds the identity's object in the target, or plans to make it. `planned` is the one that was planned before.
    fn make(
        &mut self,
        identity: &MetaverseObject,
        rules: Vec<&'r Rule>,
        planned: Option<SpaceObject>,
    ) -> Result<(), Trouble> {
        let Some(first) = rules.first().copied() else { return Ok(()) };
        let maker =
            rules.iter().find(|rule| rule.link == LinkType::Provision && rule.operations.add);
        let mut object = planned.unwrap_or_else(|| SpaceObject {
            id: SpaceId(0),
            connector: first.connector.clone(),
            object_type: Some(first.object_type.clone()),
            anchor: None,
            dn: None,
            kind: SpaceKind::Staged,
            scope: SourceScope::In,
            hologram: AttributeSet::new(),
            version: None,
            pending_import: PendingImport::None,
            pending_export: None,
            unconfirmed: None,
            link: None,
        });
        let planned = object.link.is_some();
        match self.find(identity, &rules, &object) {
            Ok(Found::One(found, by)) => {
                if planned {
                    self.store.remove_object(object.id)?;
                }
                let mut found = *found;
                let rule = first.name.clone();
                let origin = LinkOrigin::Joined { rule, by: by.to_string() };
                found.link = Some(Link { metaverse: identity.id, origin, released: None });
                self.put(&found)?;
                self.report.joined += 1;
                self.requeue_identity(identity.id)?;
                return self.update(identity, &rules, found);
            }
            Ok(Found::None) => {}
            Err(trouble) => {
                // What was planned is not made: somebody else has what it would be found by.
                if planned {
                    self.store.remove_object(object.id)?;
                }
                return Err(trouble);
            }
        }
        let Some(maker) = maker else {
            if planned {
                self.store.remove_object(object.id)?;
            }
            return Ok(());
        };
        let difference = self.difference(&rules, identity, &object, true)?;
        let Difference { mut attributes, always, references } = difference;
        attributes.extend(always);
        let pending = PendingExport {
            kind: ExportKind::Add,
            attributes,
            references,
            reason: format!("rule `{}` takes it in", maker.name),
            sent: None,
        };
        let before = (object.object_type.take(), object.pending_export.take());
        object.object_type = Some(first.object_type.clone());
        object.pending_export = Some(pending);
        if planned && before == (object.object_type.clone(), object.pending_export.clone()) {
            return Ok(());
        }
        if planned {
            self.end_escrow(object.id, EscrowStage::Export)?;
            self.put(&object)?;
        } else {
            let origin = LinkOrigin::Provisioned { rule: maker.name.clone() };
            object.link = Some(Link { metaverse: identity.id, origin, released: None });
            object.id = self.store.insert_object(&object)?;
            self.index(&object)?;
            self.report.provisioned += 1;
            self.requeue_identity(identity.id)?;
        }
        if let Some(trace) = &mut self.trace {
            trace.action(&object);
        }
        Ok(())
    }

    /// Looks for the identity's object in the target: by each matching attribute alone, in order.
    fn find(
        &mut self,
        identity: &MetaverseObject,
        rules: &[&'r Rule],
        planned: &SpaceObject,
    ) -> Result<Found, Trouble> {
        let Some(matching) = rules.iter().find(|rule| !rule.matching.is_empty()) else {
            return Ok(Found::None);
        };
        for name in &matching.matching {
            let flows = flows_to(rules, name);
            if flows.is_empty() {
                continue;
            }
            let wish = self.wish(&flows, identity, planned, true)?;
            let Some(Offer::Values(values)) = wish.map(|wish| wish.offer) else { continue };
            let Some(value) = values.first() else { continue };
            let found = self.store.objects_by_key(
                &matching.connector,
                &matching.object_type,
                &key(name, value),
                CANDIDATES,
            )?;
            let mut free = Vec::new();
            let mut taken = None;
            for id in found.into_iter().filter(|id| *id != planned.id) {
                let Some(object) = self.store.object(id)? else { continue };
                let has = |other| joins(other, value, is_case_exact(name));
                let pending =
                    object.pending_export.as_ref().and_then(|pending| pending.attributes.get(name));
                let held = object.hologram.get(name).iter().any(has)
                    || pending.is_some_and(|values| values.iter().any(has));
                if !held || object.kind != SpaceKind::Staged {
                    continue;
                }
                if object.link.is_none() {
                    free.push(object);
                } else {
                    taken = Some(object);
                }
            }
            if let Some(trace) = &mut self.trace {
                trace.matching(matching, name, value, free.len(), taken.as_ref());
            }
            if free.len() > 1 {
                let mut names: Vec<String> = free.iter().map(describe).collect();
                names.sort();
                return Err(Trouble::new(format!(
                    "rule `{}`: {} objects have `{name}` = `{}`: {}; only one of them can be this one",
                    matching.name,
                    free.len(),
                    text_of(value),
                    names.join(" and ")
                )));
            }
            if let Some(one) = free.pop() {
                return Ok(Found::One(Box::new(one), name.clone()));
            }
            if let Some(object) = taken
                && let Some(found) = self.take_over(identity, object, matching, name)?
            {
                return Ok(Found::One(Box::new(found), name.clone()));
            }
        }
        Ok(Found::None)
    }

    /// What to do about an object that fits and belongs to another identity.
    ///
    /// It is taken from one that nothing holds any more: the same person came back as a new object. It is left to one
    /// that has it in earnest. Between two that both want to make it, the one from the lower source anchor makes it, so
    /// that the order of the import does not matter.
    fn take_over(
        &mut self,
        identity: &MetaverseObject,
        mut object: SpaceObject,
        rule: &Rule,
        by: &AttributeName,
    ) -> Result<Option<SpaceObject>, Trouble> {
        let Some(link) = object.link.clone() else { return Ok(Some(object)) };
        let Some(owner) = self.store.metaverse(link.metaverse)? else { return Ok(Some(object)) };
        if owner.life != Life::Held && object.anchor.is_some() {
            object.link = None;
            object.pending_export = None;
            self.put(&object)?;
            self.store.mark_dirty(owner.id)?;
            return Ok(Some(object));
        }
        let mut names =
            [self.name_identity_of_source(identity)?, self.name_identity_of_source(&owner)?];
        names.sort();
        let message = format!(
            "rule `{}`: {} and {} both want to be the {} with the same `{by}`; mend the values of one of them",
            rule.name, names[0], names[1], rule.object_type
        );
        if self.is_unmade(&object) && self.source_key(identity)? < self.source_key(&owner)? {
            self.store.remove_object(object.id)?;
            if let Some(home) = self.home_of(owner.id, &rule.connector)? {
                self.escrow(home, EscrowStage::Outbound, message)?;
            }
            return Ok(None);
        }
        Err(Trouble::new(message))
    }

    /// What an identity is ordered by, whatever its row: the systems and anchors that it comes from.
    fn source_key(
        &self,
        identity: &MetaverseObject,
    ) -> Result<Vec<(ConnectorId, Option<Anchor>)>, Trouble> {
        let mut keys = Vec::new();
        for (connector, id) in self.store.links(identity.id)? {
            let Some(object) = self.store.object(id)? else { continue };
            if self.sync.programs.inbound(&object).is_some() {
                keys.push((connector, object.anchor));
            }
        }
        keys.sort();
        Ok(keys)
    }

    fn name_identity_of_source(&self, identity: &MetaverseObject) -> Result<String, Trouble> {
        let mut names = Vec::new();
        for (_, id) in self.store.links(identity.id)? {
            let Some(object) = self.store.object(id)? else { continue };
            if self.sync.programs.inbound(&object).is_some() {
                names.push(describe(&object));
            }
        }
        names.sort();
        match names.into_iter().next() {
            Some(name) => Ok(name),
            None => self.name_identity(identity),
        }
    }

    /// Has the identities looked at that refer to this one: they can refer to its new object in the target now.
    pub(super) fn requeue_identity(&mut self, id: MetaverseId) -> Result<(), Trouble> {
        for (_, linked) in self.store.links(id)? {
            self.requeue_referrers(linked)?;
        }
        Ok(())
    }

    fn update(
        &mut self,
        identity: &MetaverseObject,
        rules: &[&'r Rule],
        mut object: SpaceObject,
    ) -> Result<(), Trouble> {
        let Some(first) = rules.first() else { return Ok(()) };
        if object.anchor.is_none() {
            // It was sent to be made and nobody knows what became of it: the export finds out, with the newest values.
            return self.update_sent(identity, rules, object);
        }
        // Something about it or about those it refers to is new: its references are tried at once.
        self.end_escrow(object.id, EscrowStage::Reference)?;
        let mut pending = None;
        if rules.iter().any(|rule| rule.operations.update) {
            let Difference { mut attributes, always, references } =
                self.difference(rules, identity, &object, false)?;
            if !attributes.is_empty() || !references.is_empty() {
                attributes.extend(always);
                pending = Some(PendingExport {
                    kind: ExportKind::Update,
                    attributes,
                    references,
                    reason: format!("rule `{}`", first.name),
                    sent: None,
                });
            }
        }
        self.put_pending(&mut object, pending)
    }

    fn update_sent(
        &mut self,
        identity: &MetaverseObject,
        rules: &[&'r Rule],
        mut object: SpaceObject,
    ) -> Result<(), Trouble> {
        let difference = self.difference(rules, identity, &object, true)?;
        let Difference { mut attributes, always, references } = difference;
        attributes.extend(always);
        let Some(mut pending) = object.pending_export.clone() else { return Ok(()) };
        pending.kind = ExportKind::Add;
        pending.attributes = attributes;
        pending.references = references;
        self.put_pending(&mut object, Some(pending))
    }

    /// Keeps what is to be written to an object, where it is something else than before.
    pub(super) fn put_pending(
        &mut self,
        object: &mut SpaceObject,
        pending: Option<PendingExport>,
    ) -> Result<(), Trouble> {
        // The target came to have what is asked for, after it had told something else.
        let settled = pending.is_none()
            && object.unconfirmed.as_ref().is_some_and(|written| written.attributes.is_empty());
        if object.pending_export != pending || settled {
            if object.pending_export.is_some() || settled {
                // What the target refused was something else: this is tried at once, if there is anything left to try.
                self.end_escrow(object.id, EscrowStage::Export)?;
            }
            if settled {
                object.unconfirmed = None;
            }
            object.pending_export = pending;
            self.put(object)?;
        }
        if let Some(trace) = &mut self.trace {
            trace.action(object);
        }
        Ok(())
    }
}

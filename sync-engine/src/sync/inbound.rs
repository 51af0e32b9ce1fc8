//! Inbound: from one object of a space to its identity.

use std::collections::BTreeSet;

use super::contribute::{Offered, settle};
use super::evaluate;
use super::join::Joined;
use super::program::Numbered;
use super::run::Run;
use super::trouble::Trouble;
use super::view::ObjectView;
use crate::connector::SourceScope;
use crate::metaverse::{Life, MetaverseObject, ReleaseCause};
use crate::observer::LinkChange;
use crate::rules::{Apply, Direction, LinkType};
use crate::space::{Link, LinkOrigin, PendingImport, SpaceKind, SpaceObject};
use crate::{MetaverseId, ObjectType, SpaceId};

/// Which objects are looked at. Those that can only join come after those that identities are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pass {
    /// Objects that identities are made of, and those that are linked already.
    Projecting,
    /// The others.
    Joining,
}

/// What an object offers to its identity.
pub(super) struct Contributor<'r> {
    pub(super) object: SpaceId,
    /// The types of identity that it holds where its rules take it in.
    may_hold: Vec<&'r ObjectType>,
    /// Whether the identity was made of it and no rule is about its type any more: nothing says that it is gone.
    unread: bool,
    pub(super) rules: Vec<Numbered<'r>>,
    pub(super) offers: Vec<Offered<'r>>,
}

/// How many objects of one list are asked for at a time.
pub(super) const PAGE: usize = 500;

impl<'r> Run<'_, 'r> {
    /// Looks at one object; `None` where it has to wait for the second pass.
    pub(super) fn inbound(
        &mut self,
        mut object: SpaceObject,
        pass: Pass,
    ) -> Result<Option<LinkChange>, Trouble> {
        match (&object.kind, &object.pending_import) {
            (SpaceKind::Placeholder, _) => {
                self.settle_import(&mut object)?;
                return Ok(Some(LinkChange::None));
            }
            (_, PendingImport::Delete) => {
                self.remove(object)?;
                return Ok(Some(LinkChange::Removed));
            }
            // Its values are as they were told last; it waits to be told where it went.
            (SpaceKind::Transient, _) => return Ok(Some(LinkChange::None)),
            (SpaceKind::Staged, PendingImport::DeleteAdd) => {
                self.unlink(&mut object)?;
            }
            (SpaceKind::Staged, _) => {}
        }
        if self.sync.programs.inbound(&object).is_none() {
            match &object.link {
                // No rule is about objects of its type any more: they are as out of scope.
                Some(Link { metaverse, origin: LinkOrigin::Projected { .. }, .. }) => {
                    self.recompute(*metaverse, None, None)?;
                }
                Some(link) => self.store.mark_dirty(link.metaverse)?,
                None => self.requeue_planned(&object)?,
            }
            self.settle_import(&mut object)?;
            return Ok(Some(LinkChange::None));
        }
        let rules = self.in_scope(&object)?;
        if let Some(link) = &object.link {
            let identity = link.metaverse;
            return self.linked(object, identity, rules).map(Some);
        }
        let projects = rules.iter().any(|(_, rule)| rule.link == LinkType::Provision);
        if pass == Pass::Projecting && !projects && !rules.is_empty() {
            self.index(&object)?;
            return Ok(None);
        }
        if rules.is_empty() {
            self.settle_import(&mut object)?;
            return Ok(Some(LinkChange::None));
        }
        one_type(&rules)?;
        match self.join(&object, &rules)? {
            Joined::With { identity, rule, by } => {
                let origin = LinkOrigin::Joined { rule, by };
                self.link_to(object, identity, origin, rules)?;
                self.report.joined += 1;
                Ok(Some(LinkChange::Joined))
            }
            Joined::InPlaceOf { identity, other } => {
                // A flow that fails is noticed before anybody gives way.
                self.contributor(&object, rules.clone(), true)?;
                self.displace(other, &object)?;
                let rule = rules[0].1.name.clone();
                self.link_to(object, identity, LinkOrigin::Projected { rule }, rules)?;
                Ok(Some(LinkChange::Projected))
            }
            Joined::No if projects => {
                self.project(object, rules)?;
                self.report.projected += 1;
                Ok(Some(LinkChange::Projected))
            }
            Joined::No => {
                self.settle_import(&mut object)?;
                Ok(Some(LinkChange::None))
            }
        }
    }

    /// The rules that take an object in, the winning ones first.
    pub(super) fn in_scope(&mut self, object: &SpaceObject) -> Result<Vec<Numbered<'r>>, Trouble> {
        let sync = self.sync;
        let Some(program) = sync.programs.inbound(object) else { return Ok(Vec::new()) };
        if let SourceScope::Out(reason) = &object.scope {
            if let Some(trace) = &mut self.trace {
                trace.out_of_source_scope(object, reason);
            }
            return Ok(Vec::new());
        }
        let view = ObjectView::load(&*self.store, object, &self.groups, &program.read)?;
        let mut rules = Vec::new();
        for (number, rule) in &program.rules {
            let holds = rule.scope.holds(&view)?;
            if let Some(trace) = &mut self.trace {
                trace.scope(rule, &view, holds)?;
            }
            if holds {
                rules.push((*number, *rule));
            }
        }
        Ok(rules)
    }

    /// What an object offers by these rules. `fresh` says that its link is new.
    pub(super) fn contributor(
        &self,
        object: &SpaceObject,
        rules: Vec<Numbered<'r>>,
        fresh: bool,
    ) -> Result<Contributor<'r>, Trouble> {
        let nothing = BTreeSet::new();
        let sync = self.sync;
        let program = sync.programs.inbound(object);
        let read = program.map_or(&nothing, |program| &program.read);
        let view = ObjectView::load(&*self.store, object, &self.groups, read)?;
        let surroundings = self.sync.surroundings();
        let mut offers = Vec::new();
        for (number, rule) in &rules {
            for flow in &rule.flows {
                let offer = if flow.apply == Apply::OnCreate && !fresh {
                    evaluate::Offer::Ignore
                } else {
                    evaluate::inbound(rule, flow, &view, &surroundings)?
                };
                let object = object.id;
                offers.push(Offered { rule, number: *number, flow, object, offer });
            }
        }
        let may_hold = program.map_or(&[][..], |program| program.rules.as_slice()).iter();
        let may_hold = may_hold.filter(|(_, rule)| rule.link.holds());
        let may_hold = may_hold.map(|(_, rule)| &rule.metaverse_type).collect();
        let made_of_it = |link: &Link| matches!(link.origin, LinkOrigin::Projected { .. });
        let unread = program.is_none() && object.link.as_ref().is_some_and(made_of_it);
        Ok(Contributor { object: object.id, may_hold, unread, rules, offers })
    }

    /// An object that has its identity: its values flow, or its link ends.
    fn linked(
        &mut self,
        mut object: SpaceObject,
        identity: MetaverseId,
        rules: Vec<Numbered<'r>>,
    ) -> Result<LinkChange, Trouble> {
        one_type(&rules)?;
        if rules.is_empty() && self.is_let_go(&object) {
            self.unlink(&mut object)?;
            self.settle_import(&mut object)?;
            return Ok(LinkChange::Unlinked);
        }
        let contributor = self.contributor(&object, rules, false)?;
        self.recompute(identity, Some(contributor), None)?;
        self.settle_import(&mut object)?;
        Ok(LinkChange::None)
    }

    /// Whether a link ends with the scope of its rule: that of an object which only joined. An object that an identity
    /// is made of stays linked, so that its deletion is noticed later, and so that it comes back as the same identity.
    fn is_let_go(&self, object: &SpaceObject) -> bool {
        let Some(link) = &object.link else { return false };
        let made_by = match &link.origin {
            LinkOrigin::Projected { .. } => return false,
            LinkOrigin::Joined { rule, .. } | LinkOrigin::Provisioned { rule } => rule,
        };
        match self.sync.rules.by_name(made_by) {
            Some(rule) => rule.direction == Direction::Inbound && !rule.link.holds(),
            None => false,
        }
    }

    fn link_to(
        &mut self,
        mut object: SpaceObject,
        identity: MetaverseId,
        origin: LinkOrigin,
        rules: Vec<Numbered<'r>>,
    ) -> Result<(), Trouble> {
        let contributor = self.contributor(&object, rules, true)?;
        object.link = Some(Link { metaverse: identity, origin, released: None });
        self.recompute(identity, Some(contributor), None)?;
        self.settle_import(&mut object)?;
        self.requeue_referrers(object.id)
    }

    fn project(
        &mut self,
        mut object: SpaceObject,
        rules: Vec<Numbered<'r>>,
    ) -> Result<(), Trouble> {
        let maker = rules.iter().find(|(_, rule)| rule.link == LinkType::Provision);
        let Some((_, rule)) = maker.copied() else { return Ok(()) };
        let contributor = self.contributor(&object, rules, true)?;
        let held = settle(contributor.offers, None);
        let mut identity = MetaverseObject {
            id: MetaverseId(0),
            object_type: rule.metaverse_type.clone(),
            attributes: held.attributes,
            references: held.references,
            life: Life::Held,
        };
        identity.id = self.store.insert_metaverse(&identity)?;
        let keys = self.sync.programs.keys_of_identity(&identity);
        self.store.index_metaverse(identity.id, &keys)?;
        self.store.mark_dirty(identity.id)?;
        if let Some(trace) = &mut self.trace {
            trace.identity(&identity);
        }
        let origin = LinkOrigin::Projected { rule: rule.name.clone() };
        object.link = Some(Link { metaverse: identity.id, origin, released: None });
        self.settle_import(&mut object)?;
        self.look_for_joiners(&identity)?;
        self.requeue_referrers(object.id)
    }

    /// Computes an identity anew from all objects that are linked to it, and from `at_hand`, whose link need not be
    /// written yet; without `leaving`, which is about to go.
    pub(super) fn recompute(
        &mut self,
        id: MetaverseId,
        at_hand: Option<Contributor<'r>>,
        leaving: Option<SpaceId>,
    ) -> Result<(), Trouble> {
        let Some(before) = self.store.metaverse(id)? else { return Ok(()) };
        let at_hand_id = at_hand.as_ref().map(|contributor| contributor.object);
        let mut contributors: Vec<Contributor<'r>> = at_hand.into_iter().collect();
        for (_, linked) in self.store.links(id)? {
            if Some(linked) == at_hand_id || Some(linked) == leaving {
                continue;
            }
            let Some(object) = self.store.object(linked)? else { continue };
            if object.pending_import == PendingImport::Delete {
                continue;
            }
            let traced = self.trace.take();
            let rules = self.in_scope(&object);
            self.trace = traced;
            let contributor =
                self.contributor(&object, rules?, false).map_err(|trouble| trouble.of(linked))?;
            contributors.push(contributor);
        }
        let held = contributors.iter().any(Contributor::holds);
        // An object that held the identity and may do so again.
        let may_hold =
            |it: &Contributor<'_>| it.unread || it.may_hold.contains(&&before.object_type);
        let waiting = contributors.iter().any(may_hold);
        let life = self.life(&before.life, held, waiting);
        let silent: BTreeSet<SpaceId> =
            contributors.iter().filter(|it| it.rules.is_empty()).map(|it| it.object).collect();
        let offers = contributors.into_iter().flat_map(|contributor| contributor.offers).collect();
        let mut settled = settle(offers, Some(&before));
        if matches!(life, Life::Released { cause: ReleaseCause::OutOfScope, .. }) {
            settled.keep(&before, &silent);
        }
        let after = MetaverseObject {
            id,
            object_type: before.object_type.clone(),
            attributes: settled.attributes,
            references: settled.references,
            life,
        };
        if before.life == Life::Held && after.life != Life::Held {
            self.report.released += 1;
        }
        if let Some(trace) = &mut self.trace {
            trace.identity(&after);
        }
        if after != before {
            self.store.put_metaverse(&after)?;
            let keys = self.sync.programs.keys_of_identity(&after);
            if keys != self.sync.programs.keys_of_identity(&before) {
                self.store.index_metaverse(id, &keys)?;
                // Who fitted several identities may fit one now, whichever way the values went.
                self.look_for_joiners(&before)?;
                self.look_for_joiners(&after)?;
            }
        }
        self.store.mark_dirty(id)?;
        Ok(())
    }

    fn life(&self, before: &Life, held: bool, waiting: bool) -> Life {
        if held {
            return Life::Held;
        }
        let cause = if waiting { ReleaseCause::OutOfScope } else { ReleaseCause::Deleted };
        match before {
            Life::Released { cause: same, since } if *same == cause => {
                Life::Released { cause, since: *since }
            }
            _ => Life::Released { cause, since: self.sync.now },
        }
    }

    /// Ends an object's link, in memory, and lets its identity know.
    pub(super) fn unlink(&mut self, object: &mut SpaceObject) -> Result<(), Trouble> {
        let Some(link) = object.link.take() else { return Ok(()) };
        self.report.unlinked += 1;
        self.requeue_referrers(object.id)?;
        object.pending_export = None;
        self.put(object)?;
        self.left(link.metaverse, object.id)
    }

    /// What remains of an identity when `gone` is no longer linked to it.
    ///
    /// A flow of another of its objects that fails must not keep the deleted one: that object goes to escrow.
    pub(super) fn left(&mut self, identity: MetaverseId, gone: SpaceId) -> Result<(), Trouble> {
        if self.remove_if_unlinked(identity)? {
            return Ok(());
        }
        let before = self.store.metaverse(identity)?;
        let recomputed = self.recompute(identity, None, Some(gone));
        if let Some(before) = before {
            self.look_for_joiners(&before)?;
        }
        match recomputed {
            Err(Trouble::Object { object: Some(other), message }) => {
                self.escrow(other, crate::store::EscrowStage::Sync, message)?;
                self.store.mark_dirty(identity)?;
                Ok(())
            }
            other => other,
        }
    }

    /// Removes an identity that nothing is linked to.
    pub(super) fn remove_if_unlinked(&mut self, id: MetaverseId) -> Result<bool, Trouble> {
        if !self.store.links(id)?.is_empty() {
            return Ok(false);
        }
        let Some(identity) = self.store.metaverse(id)? else { return Ok(true) };
        self.look_for_joiners(&identity)?;
        self.store.clear_dirty(id)?;
        self.store.index_metaverse(id, &[])?;
        self.store.remove_metaverse(id)?;
        self.report.removed += 1;
        Ok(true)
    }

    /// An object that was deleted in its system.
    fn remove(&mut self, mut object: SpaceObject) -> Result<(), Trouble> {
        if object.link.is_some() {
            self.unlink(&mut object)?;
        } else {
            self.requeue_referrers(object.id)?;
        }
        self.store.put_escrow(object.id, None)?;
        self.store.remove_object(object.id)?;
        Ok(())
    }

    /// Has the identities looked at that wait for an object with the same values to be made in a target: somebody else made
    /// one meanwhile.
    fn requeue_planned(&mut self, object: &SpaceObject) -> Result<(), Trouble> {
        let Some(object_type) = &object.object_type else { return Ok(()) };
        for key in self.sync.programs.keys_of(object) {
            let connector = &object.connector;
            for id in self.store.objects_by_key(connector, object_type, &key, PAGE)? {
                let planned = self.store.object(id)?.filter(|planned| planned.anchor.is_none());
                if let Some(link) = planned.and_then(|planned| planned.link) {
                    self.store.mark_dirty(link.metaverse)?;
                }
            }
        }
        Ok(())
    }

    /// Says that the import of an object was seen.
    pub(super) fn settle_import(&mut self, object: &mut SpaceObject) -> Result<(), Trouble> {
        object.pending_import = PendingImport::None;
        self.put(object)
    }

    /// Keeps an object that changed, and by which values it is found.
    pub(super) fn put(&mut self, object: &SpaceObject) -> Result<(), Trouble> {
        self.store.put_object(object)?;
        self.index(object)
    }

    pub(super) fn index(&mut self, object: &SpaceObject) -> Result<(), Trouble> {
        let keys = self.sync.programs.keys_of(object);
        self.store.index_object(object.id, &keys)?;
        Ok(())
    }

    /// Has the identities looked at whose objects refer to this one: what they refer to has changed its link.
    pub(super) fn requeue_referrers(&mut self, to: SpaceId) -> Result<(), Trouble> {
        let mut after = None;
        loop {
            let page = self.store.referrers(to, after.take(), PAGE)?;
            let full = page.len() == PAGE;
            after = page.last().cloned();
            for (referrer, _) in page {
                if !self.requeued.insert(referrer) {
                    continue;
                }
                if let Some(identity) = self.identity_of(referrer)? {
                    self.store.mark_dirty(identity)?;
                }
            }
            if !full {
                return Ok(());
            }
        }
    }
}

impl Contributor<'_> {
    fn holds(&self) -> bool {
        self.rules.iter().any(|(_, rule)| rule.link.holds())
    }
}

/// An object is one kind of identity, or its rules contradict each other.
fn one_type(rules: &[Numbered<'_>]) -> Result<(), Trouble> {
    let Some((_, first)) = rules.first() else { return Ok(()) };
    match rules.iter().find(|(_, rule)| rule.metaverse_type != first.metaverse_type) {
        None => Ok(()),
        Some((_, other)) => Err(Trouble::new(format!(
            "the rules `{}` and `{}` take it in as `{}` and as `{}`; narrow the scope of one of them",
            first.name, other.name, first.metaverse_type, other.metaverse_type
        ))),
    }
}

//! Joining an object to an identity that is there.

use super::program::{Numbered, joins, key};
use super::run::Run;
use super::trouble::{Trouble, describe};
use super::view::ObjectView;
use crate::metaverse::{Life, MetaverseObject};
use crate::rules::scope::Subject;
use crate::rules::{JoinGroup, Rule};
use crate::space::SpaceObject;
use crate::store::EscrowStage;
use crate::{MetaverseId, SpaceId};

/// How many candidates of one value are looked at.
const CANDIDATES: usize = 256;

/// What a join came to.
pub(super) enum Joined {
    /// Nothing fits.
    No,
    /// Exactly one identity fits.
    With {
        /// Which one.
        identity: MetaverseId,
        /// By which rule.
        rule: String,
        /// By which attributes.
        by: String,
    },
    /// An identity fits that another object of the same system has, which gives way.
    InPlaceOf {
        /// The identity.
        identity: MetaverseId,
        /// The object that gives way.
        other: SpaceId,
    },
}

impl<'r> Run<'_, 'r> {
    /// Looks for the identity that an unlinked object belongs to.
    ///
    /// The groups of conditions are tried in order, and the first that fits exactly one identity wins. Where none does
    /// and one fits several, nobody can say which, and to make another identity would be the worst guess of all.
    pub(super) fn join(
        &mut self,
        object: &SpaceObject,
        rules: &[Numbered<'r>],
    ) -> Result<Joined, Trouble> {
        let mut joining = rules.iter().filter(|(_, rule)| !rule.join.is_empty());
        let Some((_, rule)) = joining.next() else { return Ok(Joined::No) };
        if let Some((_, other)) = joining.next() {
            return Err(Trouble::new(format!(
                "the rules `{}` and `{}` both say how to join it; only one rule with `join` may be in scope",
                rule.name, other.name
            )));
        }
        let mut ambiguous: Option<String> = None;
        for group in &rule.join {
            let by = attributes_of(group);
            let hits = self.hits(object, rule, group)?;
            if let Some(trace) = &mut self.trace {
                trace.join(rule, &by, &hits);
            }
            match hits.as_slice() {
                [] => {}
                [identity] => return self.taken_or(object, identity, rule, by),
                several => {
                    let mut names = Vec::new();
                    for identity in several {
                        names.push(self.name_identity(identity)?);
                    }
                    names.sort();
                    ambiguous.get_or_insert(format!(
                        "rule `{}`: by {by} it fits {} identities: {}; mend the values, or join by others",
                        rule.name,
                        names.len(),
                        names.join(" and ")
                    ));
                }
            }
        }
        ambiguous.map_or(Ok(Joined::No), |message| Err(Trouble::new(message)))
    }

    /// The identities that fit all conditions of a group.
    fn hits(
        &self,
        object: &SpaceObject,
        rule: &Rule,
        group: &JoinGroup,
    ) -> Result<Vec<MetaverseObject>, Trouble> {
        let nothing = std::collections::BTreeSet::new();
        let program = self.sync.programs.inbound(object);
        let read = program.map_or(&nothing, |program| &program.read);
        let view = ObjectView::load(&*self.store, object, &self.groups, read)?;
        let Some(first) = group.conditions.first() else { return Ok(Vec::new()) };
        let mut hits: Vec<MetaverseObject> = Vec::new();
        for value in view.values(&first.from).iter() {
            let found = self.store.metaverse_by_key(
                &rule.metaverse_type,
                &key(&first.to, value),
                CANDIDATES,
            )?;
            if found.len() == CANDIDATES {
                return Err(Trouble::new(format!(
                    "rule `{}`: more than {CANDIDATES} identities have the same `{}`; begin the group \
                     with a condition that tells them apart",
                    rule.name, first.to
                )));
            }
            for id in found {
                if hits.iter().any(|hit| hit.id == id) {
                    continue;
                }
                let Some(identity) = self.store.metaverse(id)? else { continue };
                if fits(&view, &identity, group) {
                    hits.push(identity);
                }
            }
        }
        Ok(hits)
    }

    /// A join with the one identity that fits, unless another object of the same system is linked to it.
    ///
    /// Two objects that fit one identity are a mistake in the source, and only one of them can have it. Which one must
    /// not depend on which was read first: as long as nothing was written for the identity, the lower anchor has it.
    fn taken_or(
        &mut self,
        object: &SpaceObject,
        identity: &MetaverseObject,
        rule: &Rule,
        by: String,
    ) -> Result<Joined, Trouble> {
        let links = self.store.links(identity.id)?;
        let same = links.iter().find(|(connector, _)| *connector == object.connector);
        let Some((_, other)) = same else {
            return Ok(Joined::With { identity: identity.id, rule: rule.name.clone(), by });
        };
        let Some(other) = self.store.object(*other)? else { return Ok(Joined::No) };
        let mut established = identity.life != Life::Held;
        for (connector, linked) in &links {
            if *connector == object.connector {
                continue;
            }
            let linked = self.store.object(*linked)?;
            established |= linked.is_some_and(|linked| {
                let sent = linked.pending_export.as_ref().is_some_and(|it| it.sent.is_some());
                self.is_ours(&linked) && (linked.anchor.is_some() || sent)
            });
        }
        if !established && object.anchor < other.anchor {
            return Ok(Joined::InPlaceOf { identity: identity.id, other: other.id });
        }
        Err(Trouble::new(two_for_one(object, &other, &by)))
    }

    /// Takes an identity from an object that another one goes before.
    pub(super) fn displace(&mut self, other: SpaceId, by: &SpaceObject) -> Result<(), Trouble> {
        let Some(mut object) = self.store.object(other)? else { return Ok(()) };
        object.link = None;
        self.store.put_object(&object)?;
        self.requeue_referrers(other)?;
        let message = two_for_one(&object, by, "the join");
        self.escrow(other, EscrowStage::Sync, message)?;
        Ok(())
    }

    /// How a person would call an identity: by the objects that are linked to it.
    pub(super) fn name_identity(&self, identity: &MetaverseObject) -> Result<String, Trouble> {
        let mut names = Vec::new();
        for (_, linked) in self.store.links(identity.id)? {
            names.extend(self.store.object(linked)?.as_ref().map(describe));
        }
        names.sort();
        let name = names.into_iter().next();
        Ok(name.unwrap_or_else(|| format!("a {} that nothing is linked to", identity.object_type)))
    }

    /// Has the unlinked objects looked at (again) that an identity with new values may fit.
    pub(super) fn look_for_joiners(&mut self, identity: &MetaverseObject) -> Result<(), Trouble> {
        let sync = self.sync;
        let rules = sync.programs.joining.get(&identity.object_type);
        for rule in rules.into_iter().flatten() {
            for condition in rule.join.iter().filter_map(|group| group.conditions.first()) {
                let Some(held) = identity.attributes.get(&condition.to) else { continue };
                for value in &held.values {
                    let found = self.store.objects_by_key(
                        &rule.connector,
                        &rule.object_type,
                        &key(&condition.from, value),
                        CANDIDATES,
                    )?;
                    for id in found {
                        let outline = self.store.object_outline(id)?;
                        if outline.is_some_and(|object| object.metaverse.is_none()) {
                            self.again.insert(id);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn fits(view: &ObjectView<'_>, identity: &MetaverseObject, group: &JoinGroup) -> bool {
    group.conditions.iter().all(|condition| {
        let held = identity.attributes.get(&condition.to);
        let held = held.map_or(&[][..], |held| held.values.as_slice());
        let values = view.values(&condition.from);
        values
            .iter()
            .any(|value| held.iter().any(|other| joins(value, other, condition.case_sensitive)))
    })
}

fn attributes_of(group: &JoinGroup) -> String {
    let names: Vec<String> =
        group.conditions.iter().map(|condition| format!("`{}`", condition.from)).collect();
    names.join(" and ")
}

fn two_for_one(left: &SpaceObject, right: &SpaceObject, by: &str) -> String {
    let mut names = [describe(left), describe(right)];
    names.sort();
    format!(
        "by {by}, two objects of one system fit one identity: {} and {}; mend the values of one of them",
        names[0], names[1]
    )
}

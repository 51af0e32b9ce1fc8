//! Rules sorted by where they are needed, once for a whole run.

use std::collections::{BTreeMap, BTreeSet};

use scim_core::text::fold;

use crate::metaverse::{Life, MetaverseObject, ReleaseCause};
use crate::rules::{Direction, Rule, RuleSet, Source, text_of};
use crate::space::SpaceObject;
use crate::store::JoinKey;
use crate::{AttributeName, AttributeValue, ConnectorId, ObjectType};

/// A rule with its place in the file.
pub(super) type Numbered<'r> = (usize, &'r Rule);

/// The inbound rules of one type of objects.
#[derive(Default)]
pub(super) struct Program<'r> {
    /// The winning ones first.
    pub(super) rules: Vec<Numbered<'r>>,
    /// The attributes that scopes and expressions read.
    pub(super) read: BTreeSet<AttributeName>,
}

/// All rules, sorted.
#[derive(Default)]
pub(super) struct Programs<'r> {
    inbound: BTreeMap<(ConnectorId, ObjectType), Program<'r>>,
    outbound: BTreeMap<ObjectType, BTreeMap<ConnectorId, Vec<&'r Rule>>>,
    object_keys: BTreeMap<(ConnectorId, ObjectType), BTreeSet<AttributeName>>,
    identity_keys: BTreeMap<ObjectType, BTreeSet<AttributeName>>,
    /// Inbound rules that join, by the type of identity that they join to.
    pub(super) joining: BTreeMap<ObjectType, Vec<&'r Rule>>,
}

impl<'r> Programs<'r> {
    pub(super) fn new(rules: &'r RuleSet) -> Self {
        let mut programs = Self::default();
        let enabled = rules.rules().iter().enumerate().filter(|(_, rule)| rule.enabled);
        for (number, rule) in enabled {
            let place = (rule.connector.clone(), rule.object_type.clone());
            match rule.direction {
                Direction::Inbound => programs.add_inbound(number, rule, place),
                Direction::Outbound => programs.add_outbound(rule, place),
            }
        }
        for program in programs.inbound.values_mut() {
            program.rules.sort_by_key(|(number, rule)| (rule.precedence, *number));
        }
        for rules in programs.outbound.values_mut().flat_map(BTreeMap::values_mut) {
            rules.sort_by_key(|rule| rule.precedence);
        }
        programs
    }

    fn add_inbound(&mut self, number: usize, rule: &'r Rule, place: (ConnectorId, ObjectType)) {
        let conditions = || rule.join.iter().flat_map(|group| &group.conditions);
        self.object_keys
            .entry(place.clone())
            .or_default()
            .extend(conditions().map(|condition| condition.from.clone()));
        self.identity_keys
            .entry(rule.metaverse_type.clone())
            .or_default()
            .extend(conditions().map(|condition| condition.to.clone()));
        if !rule.join.is_empty() {
            self.joining.entry(rule.metaverse_type.clone()).or_default().push(rule);
        }
        let program = self.inbound.entry(place).or_default();
        program.read.extend(rule.scope.attributes());
        for flow in &rule.flows {
            if let Source::Expression(expression) = &flow.source {
                program.read.extend(expression.attributes());
            }
        }
        program.rules.push((number, rule));
    }

    fn add_outbound(&mut self, rule: &'r Rule, place: (ConnectorId, ObjectType)) {
        let chosen = rule.flows.iter().filter(|flow| match &flow.source {
            Source::Expression(expression) => expression.is_unique_candidate(),
            _ => false,
        });
        let keys = self.object_keys.entry(place).or_default();
        keys.extend(rule.matching.iter().cloned());
        keys.extend(chosen.map(|flow| flow.to.clone()));
        let by_target = self.outbound.entry(rule.metaverse_type.clone()).or_default();
        by_target.entry(rule.connector.clone()).or_default().push(rule);
    }

    /// The inbound rules for an object; none for those of a system that is only written.
    pub(super) fn inbound(&self, object: &SpaceObject) -> Option<&Program<'r>> {
        let object_type = object.object_type.clone()?;
        self.inbound.get(&(object.connector.clone(), object_type))
    }

    /// The outbound rules for identities of a type, by target.
    pub(super) fn outbound(
        &self,
        metaverse_type: &ObjectType,
    ) -> impl Iterator<Item = (&ConnectorId, &[&'r Rule])> {
        let targets = self.outbound.get(metaverse_type).into_iter().flatten();
        targets.map(|(target, rules)| (target, rules.as_slice()))
    }

    /// The outbound rules for identities of a type in one target.
    pub(super) fn outbound_to(
        &self,
        metaverse_type: &ObjectType,
        target: &ConnectorId,
    ) -> &[&'r Rule] {
        let rules = self.outbound.get(metaverse_type).and_then(|targets| targets.get(target));
        rules.map_or(&[], Vec::as_slice)
    }

    /// The connectors that inbound rules with membership clauses read, with the groups that they name.
    pub(super) fn memberships(&self) -> BTreeMap<ConnectorId, BTreeSet<String>> {
        let mut groups: BTreeMap<ConnectorId, BTreeSet<String>> = BTreeMap::new();
        for ((connector, _), program) in &self.inbound {
            for (_, rule) in &program.rules {
                let named = rule.scope.groups_asked();
                if !named.is_empty() {
                    groups.entry(connector.clone()).or_default().extend(named);
                }
            }
        }
        groups
    }

    /// The values by which an object is found: those that it has, and those that it is about to get.
    pub(super) fn keys_of(&self, object: &SpaceObject) -> Vec<JoinKey> {
        let Some(object_type) = &object.object_type else { return Vec::new() };
        let place = (object.connector.clone(), object_type.clone());
        let mut keys = BTreeSet::new();
        for name in self.object_keys.get(&place).into_iter().flatten() {
            let pending = object.pending_export.as_ref().and_then(|it| it.attributes.get(name));
            let mut values = object.hologram.get(name).to_vec();
            values.extend(pending.into_iter().flatten().cloned());
            match name.as_str() {
                "dn" => values.extend(object.dn.iter().map(|dn| AttributeValue::text(dn.as_str()))),
                "anchor" => {
                    let anchor = object.anchor.iter();
                    values.extend(anchor.map(|anchor| AttributeValue::text(anchor.as_str())));
                }
                _ => {}
            }
            keys.extend(values.iter().map(|value| key(name, value)));
        }
        keys.into_iter().collect()
    }

    /// The values by which an identity is found.
    pub(super) fn keys_of_identity(&self, identity: &MetaverseObject) -> Vec<JoinKey> {
        let mut keys = BTreeSet::new();
        // Its values are what it had; nothing new comes to it by them.
        if matches!(identity.life, Life::Released { cause: ReleaseCause::OutOfScope, .. }) {
            return Vec::new();
        }
        for name in self.identity_keys.get(&identity.object_type).into_iter().flatten() {
            let values = identity.attributes.get(name).map_or(&[][..], |held| &held.values);
            keys.extend(values.iter().map(|value| key(name, value)));
        }
        keys.into_iter().collect()
    }
}

/// The key of a value: folded, so that a lookup finds every spelling; whether case counts is asked of what was found.
pub(super) fn key(name: &AttributeName, value: &AttributeValue) -> JoinKey {
    JoinKey { attribute: name.clone(), value: fold(&text_of(value)).into() }
}

/// Whether two values are one for a join.
pub(super) fn joins(left: &AttributeValue, right: &AttributeValue, case_sensitive: bool) -> bool {
    let (left, right) = (text_of(left), text_of(right));
    if case_sensitive { left == right } else { fold(&left) == fold(&right) }
}

/// Whether letter case counts in a target's attribute: it does in the identifiers of SCIM (RFC 7643 section 3.1).
pub(super) fn is_case_exact(name: &AttributeName) -> bool {
    ["externalId", "id", "anchor"].iter().any(|exact| *name == AttributeName::new(exact))
}

impl crate::verify::Recompute for super::Synchronizer<'_> {
    /// Those that it has and those that it is about to get. What was imported and not synchronised since is not known.
    fn object_keys(&self, object: &SpaceObject) -> Option<Vec<JoinKey>> {
        let settled = object.pending_import == crate::space::PendingImport::None;
        settled.then(|| self.programs.keys_of(object))
    }

    fn metaverse_keys(&self, identity: &MetaverseObject) -> Option<Vec<JoinKey>> {
        Some(self.programs.keys_of_identity(identity))
    }
}

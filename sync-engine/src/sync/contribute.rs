//! From what the rules offer to what an identity has: precedence and merging.

use std::collections::{BTreeMap, BTreeSet};

use scim_core::text::fold;

use super::evaluate::Offer;
use crate::metaverse::{Contribution, MetaverseObject, ReferenceSource};
use crate::rules::{Flow, Merge, Rule};
use crate::{AttributeName, AttributeValue, SpaceId, Values};

/// What an identity has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) attributes: BTreeMap<AttributeName, Contribution>,
    pub(super) references: BTreeMap<AttributeName, Vec<ReferenceSource>>,
}

impl Held {
    /// Keeps what objects gave that have left the scope: they may come back, and what becomes of an object of a target
    /// until then is made of these values.
    pub(super) fn keep(&mut self, before: &MetaverseObject, silent: &BTreeSet<SpaceId>) {
        for (name, contribution) in &before.attributes {
            if contribution.from.iter().all(|from| silent.contains(from)) {
                self.attributes.entry(name.clone()).or_insert_with(|| contribution.clone());
            }
        }
        for (name, sources) in &before.references {
            if !self.references.contains_key(name)
                && sources.iter().all(|source| silent.contains(&source.from))
            {
                self.references.insert(name.clone(), sources.clone());
            }
        }
    }
}

/// What one rule offers for one attribute of an identity.
pub(super) struct Offered<'r> {
    pub(super) rule: &'r Rule,
    /// The rule's place in the file.
    pub(super) number: usize,
    pub(super) flow: &'r Flow,
    pub(super) object: SpaceId,
    pub(super) offer: Offer,
}

/// Settles what an identity has. The order of `offers` does not matter.
pub(super) fn settle(mut offers: Vec<Offered<'_>>, before: Option<&MetaverseObject>) -> Held {
    // Within one rule there is one object, because an identity has at most one of each connector.
    offers.sort_by(|left, right| {
        (&left.flow.to, left.rule.precedence, left.number).cmp(&(
            &right.flow.to,
            right.rule.precedence,
            right.number,
        ))
    });
    let mut held = Held::default();
    for group in offers.chunk_by(|left, right| left.flow.to == right.flow.to) {
        settle_attribute(group, before, &mut held);
    }
    held
}

fn settle_attribute(group: &[Offered<'_>], before: Option<&MetaverseObject>, held: &mut Held) {
    let Some(first) = group.first() else { return };
    let to = &first.flow.to;
    let merge = first.flow.merge;
    let mut seen: BTreeSet<AttributeValue> = BTreeSet::new();
    let mut values = Values::new();
    let mut from: Vec<SpaceId> = Vec::new();
    let mut rule: Option<&str> = None;
    let mut references: Vec<ReferenceSource> = Vec::new();
    for offered in group {
        let offer = match &offered.offer {
            Offer::Ignore => kept(offered, before),
            other => other.clone(),
        };
        match offer {
            Offer::AuthoritativeNull => break,
            Offer::Null | Offer::Ignore => continue,
            Offer::Values(more) => {
                let fresh = |value: &AttributeValue| seen.insert(same(merge, value));
                let added: Values = more.into_iter().filter(fresh_once(fresh)).collect();
                if !added.is_empty() {
                    rule.get_or_insert(&offered.rule.name);
                    from.push(offered.object);
                    values.extend(added);
                }
            }
            Offer::References(more) => references.extend(more),
        }
        if merge == Merge::Update {
            break;
        }
    }
    if let (Some(rule), false) = (rule, values.is_empty()) {
        let contribution = Contribution { values, from, rule: rule.to_owned() };
        held.attributes.insert(to.clone(), contribution);
    }
    if !references.is_empty() {
        held.references.insert(to.clone(), references);
    }
}

/// Lets each value through once.
fn fresh_once(
    mut fresh: impl FnMut(&AttributeValue) -> bool,
) -> impl FnMut(&AttributeValue) -> bool {
    move |value| fresh(value)
}

/// The form by which two values are one.
fn same(merge: Merge, value: &AttributeValue) -> AttributeValue {
    match (merge, value) {
        (Merge::MergeCaseInsensitive, AttributeValue::Text(text)) => {
            AttributeValue::text(fold(text))
        }
        _ => value.clone(),
    }
}

/// What the same rule gave before, where a flow says that it has nothing to say now.
fn kept(offered: &Offered<'_>, before: Option<&MetaverseObject>) -> Offer {
    let Some(before) = before else { return Offer::Null };
    if let Some(held) = before.attributes.get(&offered.flow.to)
        && held.rule == offered.rule.name
        && held.from.contains(&offered.object)
    {
        return Offer::Values(held.values.clone());
    }
    let mut sources = before.references.get(&offered.flow.to).cloned().unwrap_or_default();
    sources.retain(|source| source.rule == offered.rule.name && source.from == offered.object);
    if sources.is_empty() { Offer::Null } else { Offer::References(sources) }
}

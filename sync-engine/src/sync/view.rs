//! Objects and identities as scopes, joins and expressions see them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::metaverse::MetaverseObject;
use crate::rules::scope::Subject;
use crate::run::ScopeGroups;
use crate::space::{PendingImport, SpaceObject};
use crate::{
    Anchor, AttributeName, AttributeValue, ConnectorId, Dn, SpaceId, StoreError, SyncStore, Values,
};

/// The reference attributes by which groups of the usual directories name their members.
const MEMBERSHIP: [&str; 4] = ["member", "members", "uniqueMember", "memberUid"];

/// How many references of one attribute an expression is shown, as names.
const SHOWN_REFERENCES: usize = 10_000;

/// An object of a space, with its references where the rules read them.
pub(super) struct ObjectView<'a> {
    pub(super) object: &'a SpaceObject,
    store: &'a dyn SyncStore,
    /// The groups by which scopes decide.
    groups: &'a ScopeGroups,
    /// How many references there are, by attribute.
    counts: BTreeMap<AttributeName, u64>,
    /// The names of what is referred to, for the attributes that expressions and clauses read.
    names: BTreeMap<AttributeName, Values>,
}

impl<'a> ObjectView<'a> {
    /// Looks at an object; `read` are the attributes that expressions and scopes read.
    pub(super) fn load(
        store: &'a dyn SyncStore,
        object: &'a SpaceObject,
        groups: &'a ScopeGroups,
        read: &BTreeSet<AttributeName>,
    ) -> Result<Self, StoreError> {
        let counts: BTreeMap<_, _> = store.edge_counts(object.id)?.into_iter().collect();
        let mut names = BTreeMap::new();
        for attribute in counts.keys().filter(|name| read.contains(*name)) {
            let referred = store.edges(object.id, attribute, None, SHOWN_REFERENCES)?;
            let mut shown = Values::with_capacity(referred.len());
            for id in referred {
                if let Some(name) = store.object(id)?.as_ref().and_then(known_as) {
                    shown.push(name);
                }
            }
            shown.sort();
            names.insert(attribute.clone(), shown);
        }
        Ok(Self { object, store, groups, counts, names })
    }

    /// How many references the attribute has.
    pub(super) fn references(&self, attribute: &AttributeName) -> u64 {
        self.counts.get(attribute).copied().unwrap_or(0)
    }

    fn named(&self, name: &AttributeName) -> Option<AttributeValue> {
        match name.as_str() {
            "dn" => self.object.dn.as_ref().map(|dn| AttributeValue::text(dn.as_str())),
            "anchor" => {
                self.object.anchor.as_ref().map(|anchor| AttributeValue::text(anchor.as_str()))
            }
            "dn.domain" => self.object.dn.as_ref().and_then(domain_of).map(AttributeValue::text),
            _ => None,
        }
    }
}

/// The group that a clause names by its anchor, or else the one that was `known` by this name, or else the one that has
/// it; one that was deleted is none.
pub(super) fn group_named(
    store: &dyn SyncStore,
    connector: &ConnectorId,
    group: &str,
    known: Option<SpaceId>,
) -> Result<Option<SpaceObject>, StoreError> {
    let there = |id: Option<SpaceId>| -> Result<Option<SpaceObject>, StoreError> {
        let found = id.map(|id| store.object(id)).transpose()?.flatten();
        Ok(found.filter(|group| group.pending_import != PendingImport::Delete))
    };
    if let Some(id) = store.object_by_anchor(connector, &Anchor::new(group))? {
        return there(Some(id));
    }
    match there(known)? {
        Some(group) => Ok(Some(group)),
        None => there(store.object_by_dn(connector, &Dn::new(group))?),
    }
}

/// The name of an object, or else its anchor.
pub(super) fn known_as(object: &SpaceObject) -> Option<AttributeValue> {
    let dn = object.dn.as_ref().map(Dn::as_str);
    dn.or(object.anchor.as_ref().map(Anchor::as_str)).map(AttributeValue::text)
}

/// The DNS name that the `DC=` parts of a name make: `corp.example` of `CN=Ada,DC=corp,DC=example`.
fn domain_of(dn: &Dn) -> Option<String> {
    let mut labels = Vec::new();
    let mut rest = dn.as_str();
    // Commas within a value are escaped, and `DC=` never follows such a comma as a part of its own.
    loop {
        let end = unescaped_comma(rest).unwrap_or(rest.len());
        let part = rest[..end].trim();
        match part.get(..3) {
            Some(key) if key.eq_ignore_ascii_case("dc=") => labels.push(part[3..].trim()),
            _ => labels.clear(),
        }
        if end == rest.len() {
            break;
        }
        rest = &rest[end + 1..];
    }
    (!labels.is_empty()).then(|| labels.join("."))
}

fn unescaped_comma(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => return Some(at),
            _ => {}
        }
    }
    None
}

impl Subject for ObjectView<'_> {
    fn values(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        let held = self.object.hologram.get(name);
        if !held.is_empty() {
            return Cow::Borrowed(held);
        }
        if let Some(names) = self.names.get(name) {
            return Cow::Borrowed(names);
        }
        Cow::Owned(self.named(name).into_iter().collect())
    }

    fn is_reference(&self, name: &AttributeName) -> bool {
        self.names.contains_key(name)
    }

    fn is_member_of(&self, group: &str) -> Result<bool, StoreError> {
        let groups = self.groups.get(&self.object.connector);
        let Some(group) = groups.and_then(|groups| *groups.get(group)?) else { return Ok(false) };
        let before = self.object.id.0.checked_sub(1).map(SpaceId);
        for (attribute, _) in self.store.edge_counts(group)? {
            let membership =
                MEMBERSHIP.iter().any(|name| attribute.as_str().eq_ignore_ascii_case(name));
            if membership
                && self.store.edges(group, &attribute, before, 1)?.first() == Some(&self.object.id)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// An identity.
pub(super) struct IdentityView<'a>(pub(super) &'a MetaverseObject);

impl Subject for IdentityView<'_> {
    fn values(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        Cow::Borrowed(self.0.attributes.get(name).map_or(&[], |held| held.values.as_slice()))
    }

    fn is_reference(&self, name: &AttributeName) -> bool {
        self.0.references.contains_key(name)
    }

    /// Never asked: an outbound rule with such a clause is refused when it is loaded.
    fn is_member_of(&self, _group: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

/// The values of an object of a target, for `ImportedValue`.
pub(super) struct HologramView<'a>(pub(super) &'a SpaceObject);

impl Subject for HologramView<'_> {
    fn values(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        Cow::Borrowed(self.0.hologram.get(name))
    }

    fn is_member_of(&self, _group: &str) -> Result<bool, StoreError> {
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_made_of_the_last_parts() {
        let domain = |dn: &str| domain_of(&Dn::new(dn));
        assert_eq!(domain("CN=Ada,OU=x,DC=corp,DC=example").as_deref(), Some("corp.example"));
        assert_eq!(domain(r"CN=a\,DC=b,dc=corp, DC=example").as_deref(), Some("corp.example"));
        assert_eq!(domain("uid=ada,o=example"), None);
    }
}

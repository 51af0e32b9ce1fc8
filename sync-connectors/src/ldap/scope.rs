//! Which objects of a directory are taken in: by place, by membership, by values.
//!
//! Places and groups are known by their lasting identifiers once they were found, so that renaming or moving one changes
//! nothing. Objects outside of the scope are told as well, with the reason: leaving the scope is no deletion.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::Scope;
use scim_sync::connector::SourceScope;
use scim_sync::{Anchor, ConnectorError, Dn, ObjectType};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::clause::{Clause, Exclusion};
use super::config::{LdapConfig, LdapType};
use super::dn;
use super::entry::Entry;
use super::filter::LdapFilter;
use super::guid;
use super::paging::Pages;
use super::reading::relative_id;
use super::session::{SearchRequest, Session};

/// What is done while the members of the scoping group are looked up.
const MEMBERS: &str = "reading the members of the scoping group";

/// What to take in. The default is everything but what the types exclude.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LdapScope {
    /// Only what is under one of these places; anywhere when there are none. A place is a distinguished name, or the
    /// GUID (`entryUUID`) of the object. Places below it belong to it.
    pub include: Vec<String>,
    /// But nothing under these.
    pub exclude: Vec<String>,
    /// Only this group and its members.
    pub group: Option<ScopeGroup>,
    /// Only objects of a type that meet its condition.
    pub clauses: BTreeMap<ObjectType, Clause>,
}

/// A group whose members are taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeGroup {
    /// Its distinguished name or GUID.
    pub name: String,
    /// Whether the members of groups within it belong to it.
    #[serde(default)]
    pub nested: bool,
}

impl LdapScope {
    /// In lower case: the attributes that decide about objects of a type.
    pub(crate) fn attributes(&self, kind: &LdapType) -> BTreeSet<String> {
        let mut names = Vec::new();
        kind.exclusions.iter().for_each(|exclusion| exclusion.when.attributes(&mut names));
        if let Some(clause) = self.clauses.get(&kind.name) {
            clause.attributes(&mut names);
        }
        names.iter().map(|name| name.to_ascii_lowercase()).collect()
    }

    /// Whether it depends on where objects are.
    fn has_places(&self) -> bool {
        !self.include.is_empty() || !self.exclude.is_empty()
    }
}

/// A place that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// What identifies it.
    guid: Uuid,
    /// Where it is now.
    dn: String,
}

/// A scope whose names were looked up, for the length of one read.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedScope {
    scope: LdapScope,
    include: Vec<Place>,
    exclude: Vec<Place>,
    group: Option<Place>,
    /// The keys of the group's members: anchors, or folded names where there are only those.
    members: BTreeSet<SmolStr>,
}

/// The identifiers behind the names of a scope, by the names of the configuration.
pub(crate) type Known = BTreeMap<String, Uuid>;

/// What of a scope is kept with a watermark: the identifiers behind the names, and who was a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ScopeMemory {
    /// Identifiers by the names of the configuration.
    pub(crate) known: Known,
    /// Members of the scoping group.
    members: BTreeSet<SmolStr>,
}

impl ResolvedScope {
    /// Looks the names up; those that are known are what they were then, as long as that is there.
    pub(crate) async fn resolve(
        config: &LdapConfig,
        session: &mut Session,
        known: &Known,
    ) -> Result<Self, ConnectorError> {
        let scope = config.scope.clone();
        let mut found = Self {
            include: Vec::new(),
            exclude: Vec::new(),
            group: None,
            members: BTreeSet::new(),
            scope,
        };
        let known = |name: &str| known.get(name).copied();
        for name in found.scope.include.clone() {
            found.include.push(Place::find(config, session, &name, known(&name)).await?);
        }
        for name in found.scope.exclude.clone() {
            found.exclude.push(Place::find(config, session, &name, known(&name)).await?);
        }
        if let Some(group) = found.scope.group.clone() {
            let place = Place::find(config, session, &group.name, known(&group.name)).await?;
            found.members = if config.is_active_directory() {
                members(config, session, &place, group.nested).await?
            } else {
                walk_members(session, &place, group.nested).await?
            };
            found.group = Some(place);
        }
        Ok(found)
    }

    /// Whether the places are where they were when the read began. A move in between would have put objects outside that
    /// are not.
    pub(crate) async fn still_holds(
        &self,
        config: &LdapConfig,
        session: &mut Session,
    ) -> Result<bool, ConnectorError> {
        if !self.scope.has_places() {
            return Ok(true);
        }
        for place in self.include.iter().chain(&self.exclude) {
            let name = place.guid.hyphenated().to_string();
            if Place::find(config, session, &name, Some(place.guid)).await? != *place {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What the names stand for.
    pub(crate) fn known(&self) -> Known {
        let names = self.scope.include.iter().zip(&self.include);
        let names = names.chain(self.scope.exclude.iter().zip(&self.exclude));
        let mut known: Known = names.map(|(name, place)| (name.clone(), place.guid)).collect();
        if let (Some(group), Some(place)) = (&self.scope.group, &self.group) {
            known.insert(group.name.clone(), place.guid);
        }
        known
    }

    /// What to keep with the watermark.
    pub(crate) fn memory(&self) -> ScopeMemory {
        ScopeMemory { known: self.known(), members: self.members.clone() }
    }

    /// Whose membership of the scoping group is another than it was.
    pub(crate) fn flipped<'a>(
        &'a self,
        memory: &'a ScopeMemory,
    ) -> impl Iterator<Item = &'a SmolStr> {
        self.members.symmetric_difference(&memory.members)
    }

    /// Whether an entry that came with all the attributes that decide is taken in.
    pub(crate) fn judge(&self, kind: &LdapType, entry: &Entry, anchor: &Anchor) -> SourceScope {
        if let Some(out) = Exclusion::first(&kind.exclusions, entry) {
            return out;
        }
        let within = |place: &&Place| dn::is_within(&entry.dn, &place.dn);
        if !self.include.is_empty() && !self.include.iter().any(|place| within(&place)) {
            return SourceScope::Out("it is under none of the places that are taken in".to_owned());
        }
        if let Some(place) = self.exclude.iter().find(within) {
            return SourceScope::Out(format!("it is under {}, which is left out", place.dn));
        }
        if let Some(group) = &self.group {
            let folded = Dn::new(&entry.dn).folded();
            let member = self.members.contains(anchor.as_str()) || self.members.contains(&folded);
            if !member && folded != Dn::new(&group.dn).folded() {
                return SourceScope::Out(format!("it is no member of {}", group.dn));
            }
        }
        match self.scope.clauses.get(&kind.name) {
            Some(clause) if !clause.holds(entry) => {
                SourceScope::Out(format!("it does not meet the condition for {}", kind.name))
            }
            _ => SourceScope::In,
        }
    }
}

impl Place {
    /// The place that is known, else the one that has this name or GUID now.
    async fn find(
        config: &LdapConfig,
        session: &mut Session,
        name: &str,
        known: Option<Uuid>,
    ) -> Result<Self, ConnectorError> {
        if let Some(known) = known
            && let Some(place) = Self::look(config, session, "", Some(known)).await?
        {
            return Ok(place);
        }
        let named = Uuid::parse_str(name.trim()).ok();
        Self::look(config, session, name, named).await?.ok_or_else(|| {
            ConnectorError::Configuration(format!(
                "the scope names {name}, which {} does not have or does not show: nothing is read until the scope is \
                 right",
                session.server()
            ))
        })
    }

    async fn look(
        config: &LdapConfig,
        session: &mut Session,
        name: &str,
        by_guid: Option<Uuid>,
    ) -> Result<Option<Self>, ConnectorError> {
        let what = "looking up a place of the scope";
        let attribute = if config.is_active_directory() { "objectGUID" } else { "entryUUID" };
        let entry = match by_guid {
            Some(guid) if config.is_active_directory() => {
                session.read(&guid::base_dn(guid), &[attribute], Vec::new(), what).await?
            }
            Some(uuid) => {
                let request = SearchRequest {
                    base: config.base.clone(),
                    scope: Scope::Subtree,
                    filter: LdapFilter::equal(attribute, uuid.hyphenated().to_string()),
                    attributes: vec![attribute.to_owned()],
                    controls: Vec::new(),
                };
                session.entries(request, what).await?.into_iter().next()
            }
            None => session.read(name, &[attribute], Vec::new(), what).await?,
        };
        Ok(entry.and_then(|entry| {
            let guid = entry.guid().or_else(|| Uuid::parse_str(entry.text("entryUUID")?).ok())?;
            Some(Self { guid, dn: entry.dn })
        }))
    }
}

/// The members of a group of Active Directory, which answers for nested ones itself, and those whose primary group it is or
/// one within it: these are listed nowhere.
async fn members(
    config: &LdapConfig,
    session: &mut Session,
    group: &Place,
    nested: bool,
) -> Result<BTreeSet<SmolStr>, ConnectorError> {
    let filter = if nested {
        LdapFilter::InChain("memberOf".to_owned(), group.dn.clone().into_bytes())
    } else {
        LdapFilter::equal("memberOf", &group.dn)
    };
    let request = |filter| SearchRequest {
        base: config.base.clone(),
        scope: Scope::Subtree,
        filter,
        attributes: ["objectGUID", "objectClass", "objectSid"].map(str::to_owned).to_vec(),
        controls: Vec::new(),
    };
    let mut found = BTreeSet::new();
    let attributes = ["objectSid"];
    let itself = session.read(&guid::base_dn(group.guid), &attributes, Vec::new(), MEMBERS).await?;
    let mut groups: BTreeSet<u32> = itself.as_ref().and_then(relative_id).into_iter().collect();
    collect(config, session, request(filter), &mut found, |entry| {
        let is_group = |class: &str| class.eq_ignore_ascii_case("group");
        if nested && entry.texts("objectClass").any(is_group) {
            groups.extend(relative_id(entry));
        }
    })
    .await?;
    for group in groups {
        let filter = LdapFilter::equal("primaryGroupID", group.to_string());
        collect(config, session, request(filter), &mut found, |_| {}).await?;
    }
    Ok(found)
}

/// Puts the anchors of what a search finds into `found`.
async fn collect(
    config: &LdapConfig,
    session: &mut Session,
    request: SearchRequest,
    found: &mut BTreeSet<SmolStr>,
    mut look: impl FnMut(&Entry),
) -> Result<(), ConnectorError> {
    let mut pages = Pages::new(request, config.limits.page);
    while let Some(entries) = pages.next(session, MEMBERS).await? {
        entries.iter().for_each(&mut look);
        let guids = entries.iter().filter_map(Entry::guid);
        found.extend(guids.map(|guid| SmolStr::new(guid::anchor(guid).as_str())));
    }
    Ok(())
}

/// The names of the members of a group, group by group. A group that contains itself ends the walk there.
async fn walk_members(
    session: &mut Session,
    group: &Place,
    nested: bool,
) -> Result<BTreeSet<SmolStr>, ConnectorError> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![group.dn.clone()];
    while let Some(name) = waiting.pop() {
        let attributes = ["member", "uniqueMember"];
        let Some(entry) = session.read(&name, &attributes, Vec::new(), MEMBERS).await? else {
            continue;
        };
        for member in entry.texts("member").chain(entry.texts("uniqueMember")) {
            if found.insert(Dn::new(member).folded()) && nested {
                waiting.push(member.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(include: &[&str], exclude: &[&str]) -> ResolvedScope {
        let place = |dn: &&str| Place { guid: Uuid::nil(), dn: (*dn).to_owned() };
        ResolvedScope {
            scope: LdapScope::default(),
            include: include.iter().map(place).collect(),
            exclude: exclude.iter().map(place).collect(),
            group: None,
            members: BTreeSet::new(),
        }
    }

    fn judge(scope: &ResolvedScope, dn: &str) -> SourceScope {
        scope.judge(&LdapType::new("user", &["user"]), &Entry::new(dn), &Anchor::new("a"))
    }

    #[test]
    fn by_place() {
        let scope = resolved(&["OU=People,DC=x"], &["OU=Old,OU=People,DC=x"]);
        assert_eq!(judge(&scope, "CN=a,OU=Sales,OU=People,DC=x"), SourceScope::In);
        let SourceScope::Out(reason) = judge(&scope, "CN=a,OU=Old,OU=People,DC=x") else {
            panic!()
        };
        assert!(reason.contains("OU=Old"), "{reason}");
        assert!(matches!(judge(&scope, "CN=a,OU=Other,DC=x"), SourceScope::Out(_)));
        assert_eq!(judge(&resolved(&[], &[]), "CN=a"), SourceScope::In);
    }

    #[test]
    fn by_group() {
        let mut scope = resolved(&[], &[]);
        scope.group = Some(Place { guid: Uuid::nil(), dn: "CN=Pilot,DC=x".to_owned() });
        assert!(matches!(judge(&scope, "CN=a,DC=x"), SourceScope::Out(_)));
        assert_eq!(judge(&scope, "cn=pilot, dc=x"), SourceScope::In);
        scope.members.insert("a".into());
        assert_eq!(judge(&scope, "CN=a,DC=x"), SourceScope::In);
        let before = ScopeMemory { members: ["b".into()].into(), ..ScopeMemory::default() };
        assert_eq!(scope.flipped(&before).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn by_values() {
        let mut scope = resolved(&[], &[]);
        scope.scope.clauses.insert("user".into(), Clause::equals("department", "Sales"));
        let of = |department: &str| {
            let entry = Entry::new("CN=a").with("department", [department]);
            scope.judge(&LdapType::new("user", &["user"]), &entry, &Anchor::new("a"))
        };
        assert_eq!(of("sales"), SourceScope::In);
        assert!(matches!(of("Legal"), SourceScope::Out(_)));
        let names = scope.scope.attributes(&LdapType::new("user", &["user"]));
        assert!(names.contains("department"));
    }
}

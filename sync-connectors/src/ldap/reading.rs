//! What every way of reading an Active Directory shares: objects read whole, subtrees read again, primary groups.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::Scope;
use ldap3::controls::RawControl;
use scim_sync::connector::{ImportChange, ImportedObject, ReferenceTo};
use scim_sync::{Anchor, AttributeName, ConnectorError};
use uuid::Uuid;

use super::clause::Exclusion;
use super::config::LdapConfig;
use super::controls;
use super::entry::Entry;
use super::filter::LdapFilter;
use super::guid;
use super::object::{ReadPlan, TypePlan};
use super::paging::Pages;
use super::range;
use super::scope::ResolvedScope;
use super::servers::RootDse;
use super::session::{SearchRequest, Session};
use super::sid::Sid;
use super::told::Told;

/// How many objects are asked for by one filter.
const BATCH: usize = 50;
/// "Domain Users", whose members are nearly everyone.
pub(crate) const DOMAIN_USERS: u32 = 513;

/// One read of an Active Directory.
pub(crate) struct Reading<'a> {
    pub(crate) config: &'a LdapConfig,
    pub(crate) session: Session,
    pub(crate) root: RootDse,
    pub(crate) plan: ReadPlan,
    pub(crate) scope: ResolvedScope,
}

/// The controls of every read of whole objects: references come with what identifies the object.
pub(crate) fn whole() -> Vec<RawControl> {
    vec![controls::extended_dn()]
}

impl Reading<'_> {
    /// What an entry that came whole says.
    pub(crate) fn object(
        &self,
        plan: &TypePlan,
        entry: &Entry,
    ) -> Result<ImportedObject, ConnectorError> {
        let anchor = guid::anchor(self.guid(entry)?);
        let scope = self.scope.judge(&plan.kind, entry, &anchor);
        Ok(plan.imported(entry, anchor, scope))
    }

    /// What identifies an entry.
    pub(crate) fn guid(&self, entry: &Entry) -> Result<Uuid, ConnectorError> {
        entry.guid().ok_or_else(|| {
            ConnectorError::Forbidden(format!(
                "{} does not show the objectGUID of {}: the account that reads needs the right to read it",
                self.session.server(),
                entry.dn
            ))
        })
    }

    /// Reads objects whole and tells them. What is not there any more is told by the next read as deleted.
    pub(crate) async fn read_again(
        &mut self,
        guids: &BTreeSet<Uuid>,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let guids: Vec<_> = guids.iter().copied().collect();
        for batch in guids.chunks(BATCH) {
            let mut entries = self.by_guid(batch, self.plan.request()).await?;
            self.tell_whole(&mut entries, told).await?;
        }
        Ok(())
    }

    /// Reads objects by their GUIDs.
    pub(crate) async fn by_guid(
        &mut self,
        guids: &[Uuid],
        attributes: Vec<String>,
    ) -> Result<Vec<Entry>, ConnectorError> {
        let by_guid = guids.iter().map(|guid| LdapFilter::equal("objectGUID", guid.to_bytes_le()));
        self.search(LdapFilter::any(by_guid), attributes).await
    }

    async fn search(
        &mut self,
        filter: LdapFilter,
        attributes: Vec<String>,
    ) -> Result<Vec<Entry>, ConnectorError> {
        let request = SearchRequest {
            base: self.config.base.clone(),
            scope: Scope::Subtree,
            filter,
            attributes,
            controls: whole(),
        };
        let mut pages = Pages::new(request, self.config.limits.page);
        let mut found = Vec::new();
        while let Some(entries) = pages.next(&mut self.session, "reading single objects").await? {
            found.extend(entries);
        }
        Ok(found)
    }

    /// Tells entries that came whole, each of the type that its classes say.
    pub(crate) async fn tell_whole(
        &mut self,
        entries: &mut [Entry],
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let mut objects = Vec::new();
        let mut groups = BTreeMap::new();
        for entry in entries {
            let Some(index) = self.plan.types.iter().position(|plan| plan.kind.matches(entry))
            else {
                continue;
            };
            let base = guid::base_dn(self.guid(entry)?);
            let names = self.plan.types[index].references().to_vec();
            range::complete(&mut self.session, entry, &base, &names, &whole()).await?;
            let plan = &self.plan.types[index];
            if plan.reads_members()
                && let Some(relative) = relative_id(entry)
            {
                groups.insert(relative, objects.len());
            }
            objects.push(self.object(plan, entry)?);
        }
        for (relative, members) in self.primary_members(groups.keys().copied()).await? {
            if let Some(object) = groups.get(&relative).and_then(|at| objects.get_mut(*at)) {
                add_members(object, members);
            }
        }
        for object in objects {
            told.tell(ImportChange::Object(object)).await;
        }
        Ok(())
    }

    /// Tells everything under places that were renamed or moved: their objects have other names now, and may have come
    /// into the scope or left it, without a word about it from the directory.
    pub(crate) async fn read_subtrees(
        &mut self,
        places: &BTreeSet<Uuid>,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        for place in places {
            let base = guid::base_dn(*place);
            let what = "reading a part of the directory that was renamed";
            if self.session.read(&base, &["objectGUID"], Vec::new(), what).await?.is_none() {
                continue;
            }
            for index in 0..self.plan.types.len() {
                let plan = &self.plan.types[index];
                let request = SearchRequest {
                    base: base.clone(),
                    scope: Scope::Subtree,
                    filter: plan.kind.filter(),
                    attributes: plan.request.clone(),
                    controls: whole(),
                };
                let mut pages = Pages::new(request, self.config.limits.page);
                while let Some(mut entries) = pages.next(&mut self.session, what).await? {
                    self.tell_whole(&mut entries, told).await?;
                }
            }
        }
        Ok(())
    }

    /// Names everything that is there, for accounts that are not shown what was deleted: what is not named is gone.
    ///
    /// # Errors
    /// [`ConnectorError::Incomplete`] when nothing at all is there, which is not believed.
    pub(crate) async fn tell_present(&mut self, told: &mut Told) -> Result<(), ConnectorError> {
        let mut seen = 0_usize;
        for plan in &self.plan.types {
            let request = SearchRequest {
                base: self.config.base.clone(),
                scope: Scope::Subtree,
                filter: plan.kind.filter(),
                attributes: vec!["objectGUID".to_owned()],
                controls: Vec::new(),
            };
            let mut pages = Pages::new(request, self.config.limits.page);
            let what = "listing what is still there";
            while let Some(entries) = pages.next(&mut self.session, what).await? {
                for guid in entries.iter().filter_map(Entry::guid) {
                    seen += 1;
                    told.tell(ImportChange::Present(guid::anchor(guid))).await;
                }
            }
        }
        if seen > 0 {
            return Ok(());
        }
        Err(ConnectorError::Incomplete(format!(
            "{} names no object at all as still there: that is not believed",
            self.session.server()
        )))
    }

    /// Whether the members of "Domain Users" by primary group are of no interest: the group itself is left out, and to
    /// ask for them is to ask for everyone.
    fn skips_domain_users(&self) -> bool {
        let critical = Exclusion::built_in().into_iter().next();
        self.plan
            .types
            .iter()
            .filter(|plan| plan.reads_members())
            .all(|plan| critical.as_ref().is_some_and(|rule| plan.kind.exclusions.contains(rule)))
    }

    /// Whether a primary group is one whose members are told.
    pub(crate) fn tells_primary(&self, relative: u32) -> bool {
        relative != DOMAIN_USERS || !self.skips_domain_users()
    }

    /// Who has one of these groups as the primary group, which the group's `member` does not list.
    pub(crate) async fn primary_members(
        &mut self,
        groups: impl IntoIterator<Item = u32>,
    ) -> Result<BTreeMap<u32, Vec<Anchor>>, ConnectorError> {
        let groups: Vec<_> =
            groups.into_iter().filter(|group| self.tells_primary(*group)).collect();
        let mut found: BTreeMap<u32, Vec<Anchor>> = BTreeMap::new();
        for batch in groups.chunks(BATCH) {
            let by_group =
                batch.iter().map(|group| LdapFilter::equal("primaryGroupID", group.to_string()));
            let kinds = self.plan.types.iter().map(|plan| plan.kind.filter());
            let filter = LdapFilter::all([LdapFilter::any(by_group), LdapFilter::any(kinds)]);
            let attributes = vec!["objectGUID".to_owned(), "primaryGroupID".to_owned()];
            for entry in self.search(filter, attributes).await? {
                if let (Some(guid), Some(group)) = (entry.guid(), primary_group(&entry)) {
                    found.entry(group).or_default().push(guid::anchor(guid));
                }
            }
        }
        Ok(found)
    }

    /// The groups with these relative identifiers, with the type that reads their members.
    pub(crate) async fn groups_by_relative_id(
        &mut self,
        groups: impl IntoIterator<Item = u32>,
    ) -> Result<BTreeMap<u32, Anchor>, ConnectorError> {
        let groups: Vec<_> = groups.into_iter().collect();
        let mut found = BTreeMap::new();
        if groups.is_empty() {
            return Ok(found);
        }
        let what = "reading the domain's identifier";
        let domain = self.session.read(&self.config.base, &["objectSid"], Vec::new(), what).await?;
        let domain =
            domain.as_ref().and_then(|entry| Sid::from_octets(entry.values("objectSid").first()?));
        let Some(domain) = domain else { return Ok(found) };
        for batch in groups.chunks(BATCH) {
            let by_sid = batch
                .iter()
                .map(|group| LdapFilter::equal("objectSid", domain.child(*group).to_octets()));
            let attributes = ["objectGUID", "objectSid", "objectClass"].map(str::to_owned).to_vec();
            for entry in self.search(LdapFilter::any(by_sid), attributes).await? {
                let reads_members = self.plan.of(&entry).is_some_and(TypePlan::reads_members);
                if let (true, Some(guid), Some(group)) =
                    (reads_members, entry.guid(), relative_id(&entry))
                {
                    found.insert(group, guid::anchor(guid));
                }
            }
        }
        Ok(found)
    }
}

/// The last part of the security identifier of an object of the domain. The groups of the domain "Builtin" have numbers of
/// their own, which no `primaryGroupID` means.
pub(crate) fn relative_id(entry: &Entry) -> Option<u32> {
    let sid = Sid::from_octets(entry.values("objectSid").first()?)?;
    if sid.to_string().starts_with("S-1-5-32-") { None } else { sid.relative() }
}

/// The group that the account is in without being listed there.
pub(crate) fn primary_group(entry: &Entry) -> Option<u32> {
    u32::try_from(entry.number("primaryGroupID")?).ok()
}

/// Adds members that are not listed yet.
pub(crate) fn add_members(object: &mut ImportedObject, members: Vec<Anchor>) {
    if members.is_empty() {
        return;
    }
    let listed = object.references.entry(AttributeName::new("member")).or_default();
    let known: BTreeSet<_> = listed.iter().cloned().collect();
    listed.extend(
        members.into_iter().map(ReferenceTo::Anchor).filter(|member| !known.contains(member)),
    );
}

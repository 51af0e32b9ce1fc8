//! Reading an Active Directory by the number of each object's last change, for servers or accounts without DirSync.
//!
//! Numbers are a server's own: they go with its identity. Changed objects are read whole. Deleted ones are shown only to
//! accounts that may see them; for the others everything that is there is named, and what is not named is gone.

use std::collections::BTreeSet;

use ldap3::Scope;
use scim_sync::connector::ImportChange;
use scim_sync::{Anchor, ConnectorError};

use super::controls;
use super::filter::LdapFilter;
use super::guid;
use super::paging::Pages;
use super::reading::{Reading, whole};
use super::session::{Item, SearchRequest};
use super::told::Told;
use super::watermark::{Position, Progress};

impl Reading<'_> {
    /// Reads everything, or what changed since `last`, and tells it.
    pub(crate) async fn by_usn(
        &mut self,
        last: Option<&Position>,
        question: String,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        // Read before anything else: what changes from now on has a higher number.
        let until = self.root.highest_usn.ok_or_else(|| {
            ConnectorError::Unsupported(format!(
                "{} does not number its changes (highestCommittedUSN)",
                self.session.server()
            ))
        })?;
        let since = match last.map(|last| &last.progress) {
            Some(Progress::Usn(number)) if *number > until => {
                return Err(ConnectorError::WatermarkRefused(
                    "the server has fewer changes than were read already: it went back in time"
                        .to_owned(),
                ));
            }
            Some(Progress::Usn(number)) => Some(*number),
            Some(_) => {
                return Err(ConnectorError::WatermarkRefused(
                    "it was not made by uSNChanged".to_owned(),
                ));
            }
            None => None,
        };
        let tombstones = self.may_see_deleted().await?;
        for index in 0..self.plan.types.len() {
            self.changed_objects(index, since, told).await?;
        }
        if let (Some(last), Some(since)) = (last, since) {
            let flipped: BTreeSet<_> = self
                .scope
                .flipped(&last.scope)
                .filter_map(|key| guid::from_anchor(&Anchor::new(key)))
                .collect();
            self.read_again(&flipped, told).await?;
            let moved = self.changed_places(since).await?;
            self.read_subtrees(&moved, told).await?;
        }
        let list = !tombstones && since.is_some_and(|since| since != until);
        if list {
            self.tell_present(told).await?;
        }
        if !self.scope.still_holds(self.config, &mut self.session).await? {
            return Err(ConnectorError::Incomplete(
                "a place that the scope names was moved during the read: read again".to_owned(),
            ));
        }
        let position = Position {
            server: self.root.identity.clone(),
            question,
            progress: Progress::Usn(until),
            scope: self.scope.memory(),
        };
        told.end(Some(position.watermark()?), last.is_none() || list).await;
        Ok(())
    }

    /// Whether deleted objects are shown: whether there is one to be seen. The container alone says nothing.
    async fn may_see_deleted(&mut self) -> Result<bool, ConnectorError> {
        let request = SearchRequest {
            base: format!("<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,{}>", self.config.base),
            scope: Scope::OneLevel,
            filter: LdapFilter::equal("isDeleted", "TRUE"),
            attributes: vec!["objectGUID".to_owned()],
            controls: vec![controls::show_deleted(), controls::paged_request(1, &[])],
        };
        let mut search = self.session.search(request, "looking for deleted objects").await?;
        let mut seen = false;
        while let Some(item) = search.next().await? {
            seen |= matches!(item, Item::Entry(_));
        }
        // No such container, or no right to look into it, is an answer, too.
        search.finish().await?;
        Ok(seen)
    }

    async fn changed_objects(
        &mut self,
        index: usize,
        since: Option<i64>,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let plan = &self.plan.types[index];
        let mut controls = whole();
        let mut filter = plan.kind.filter();
        if let Some(since) = since {
            filter = LdapFilter::all([filter, newer(since)]);
            controls.push(controls::show_deleted());
        }
        let request = SearchRequest {
            base: self.config.base.clone(),
            scope: Scope::Subtree,
            filter,
            attributes: plan.request.clone(),
            controls,
        };
        let mut pages = Pages::new(request, self.config.limits.page);
        while let Some(entries) = pages.next(&mut self.session, "reading objects").await? {
            let (deleted, mut live): (Vec<_>, Vec<_>) =
                entries.into_iter().partition(|entry| entry.is_true("isDeleted"));
            for entry in deleted {
                let anchor = guid::anchor(self.guid(&entry)?);
                told.tell(ImportChange::Deleted(anchor)).await;
            }
            self.tell_whole(&mut live, told).await?;
        }
        Ok(())
    }

    /// Places that changed in any way: the number does not say in which.
    async fn changed_places(&mut self, since: i64) -> Result<BTreeSet<uuid::Uuid>, ConnectorError> {
        let classes = ["organizationalUnit", "container", "builtinDomain"];
        let kinds = LdapFilter::any(classes.map(|class| LdapFilter::equal("objectClass", class)));
        let request = SearchRequest {
            base: self.config.base.clone(),
            scope: Scope::Subtree,
            filter: LdapFilter::all([kinds, newer(since)]),
            attributes: vec!["objectGUID".to_owned()],
            controls: Vec::new(),
        };
        let mut pages = Pages::new(request, self.config.limits.page);
        let mut found = BTreeSet::new();
        while let Some(entries) = pages.next(&mut self.session, "reading the tree").await? {
            found.extend(entries.iter().filter_map(|entry| entry.guid()));
        }
        Ok(found)
    }
}

fn newer(since: i64) -> LdapFilter {
    LdapFilter::AtLeast("uSNChanged".to_owned(), since.saturating_add(1).to_string().into_bytes())
}

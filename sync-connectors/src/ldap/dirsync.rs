//! Reading an Active Directory by the DirSync control (MS-ADTS section 3.1.1.3.4.1.3).
//!
//! There is one query for each object type, each with a cookie of its own: a change tells only the attributes that changed,
//! the object class not among them, so that the query's filter is the only thing that says what an object is. One more
//! query follows the places (units and containers), because renaming one tells nothing about what is under it.
//!
//! An account that is not shown what was deleted would never hear of a deletion. For such a one everything that is there is
//! named after the changes, whenever there was a change of any kind, and what is not named is gone.
//!
//! A change that can move an object into the scope or out of it, or whose list of values was cut, makes the object be read
//! again whole: it is told as it is now, which may be newer than the cookie; the next read then tells it once more.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::Scope;
use scim_sync::connector::{ChangedObject, ImportChange, ReferenceChange, ReferenceTo};
use scim_sync::{Anchor, AttributeName, ConnectorError, Dn};
use uuid::Uuid;

use super::controls::{self, DIRSYNC, DirSyncAnswer};
use super::dn;
use super::entry::Entry;
use super::filter::LdapFilter;
use super::guid;
use super::object::{MADE, TypePlan};
use super::paging;
use super::range;
use super::reading::{DOMAIN_USERS, Reading, add_members, primary_group, relative_id};
use super::result::{self, code};
use super::session::{Item, SearchRequest};
use super::told::Told;
use super::watermark::{self, Position, Progress};

/// The name of the query for places among the cookies; no object type has a blank in it.
const PLACES: &str = "places of the tree";
/// How much a server shall send at a time: a mebibyte, which is also the most that it does.
const MAX_BYTES: u32 = 1 << 20;

/// What the query for places showed.
#[derive(Default)]
struct Shown {
    /// Those that have another name or another parent now.
    moved: BTreeSet<Uuid>,
    /// Whether the account that reads is shown deleted objects. Windows shows them to whoever may replicate, Samba only to
    /// those who may see the container that they are in.
    tombstones: bool,
}

/// What is left to do after the queries.
#[derive(Default)]
struct Pending {
    /// Objects to be read whole.
    again: BTreeSet<Uuid>,
    /// Members by primary group, of users that came or changed.
    primary: BTreeMap<u32, Vec<Anchor>>,
    /// Changes that take members away, by group: a member may still be one by primary group.
    removals: BTreeMap<Uuid, ChangedObject>,
    /// Whether nobody asks for the members of "Domain Users".
    skips_domain_users: bool,
}

impl Reading<'_> {
    /// Reads everything, or what changed since `last`, and tells it. The end is told only after the last query's end.
    pub(crate) async fn dirsync(
        &mut self,
        last: Option<&Position>,
        question: String,
        object_security: bool,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        if !self.root.knows(DIRSYNC) {
            return Err(ConnectorError::Unsupported(format!(
                "{} does not know the DirSync control: have changes be found by uSNChanged",
                self.session.server()
            )));
        }
        let base = Dn::new(&self.config.base).folded();
        if !self.root.contexts.iter().any(|context| Dn::new(context).folded() == base) {
            return Err(ConnectorError::Configuration(format!(
                "{} is not the root of a tree that {} holds: DirSync reads whole trees ({}); have the scope include a \
                 place within",
                self.config.base,
                self.session.server(),
                self.root.contexts.join(" or ")
            )));
        }
        let mut shown = Shown::default();
        let mut since = None;
        let mut cookies = match last.map(|last| &last.progress) {
            Some(Progress::DirSync { cookies, tombstones, usn }) => {
                shown.tombstones = *tombstones;
                since = *usn;
                cookies.clone()
            }
            Some(_) => {
                return Err(ConnectorError::WatermarkRefused(
                    "it was made without DirSync".to_owned(),
                ));
            }
            None => BTreeMap::new(),
        };
        let flags = controls::INCREMENTAL_VALUES
            | if object_security { controls::OBJECT_SECURITY } else { 0 };
        let delta = last.is_some();
        if !delta {
            // A place that is renamed while everything is read must be told by the next read: its cookie comes first.
            self.places(&mut cookies, flags, &mut shown).await?;
            shown.moved.clear();
        }
        let mut pending =
            Pending { skips_domain_users: !self.tells_primary(DOMAIN_USERS), ..Pending::default() };
        for index in self.in_order() {
            self.read_type(index, &mut cookies, flags, delta, &mut pending, told).await?;
            let again = std::mem::take(&mut pending.again);
            self.read_again(&again, told).await?;
        }
        if let Some(last) = last {
            self.tell_memberships(&mut pending, told).await?;
            let flipped: BTreeSet<_> = self
                .scope
                .flipped(&last.scope)
                .filter_map(|key| guid::from_anchor(&Anchor::new(key)))
                .collect();
            self.read_again(&flipped, told).await?;
            // And here last: whatever was renamed until now is read under its new name.
            self.places(&mut cookies, flags, &mut shown).await?;
            self.read_subtrees(&shown.moved, told).await?;
        }
        // Without a single change of any kind, nothing was deleted either.
        let busy = since.is_none() || since != self.root.highest_usn;
        let list = delta && !shown.tombstones && busy;
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
            progress: Progress::DirSync {
                cookies,
                tombstones: shown.tombstones,
                usn: self.root.highest_usn,
            },
            scope: self.scope.memory(),
        };
        told.end(Some(position.watermark()?), !delta || list).await;
        Ok(())
    }

    /// Types that read members last, so that the members' primary groups are known by then.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<_> = (0..self.plan.types.len()).collect();
        order.sort_by_key(|index| self.plan.types[*index].reads_members());
        order
    }

    async fn read_type(
        &mut self,
        index: usize,
        cookies: &mut BTreeMap<String, String>,
        flags: u32,
        delta: bool,
        pending: &mut Pending,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let name = self.plan.types[index].kind.name.as_str().to_owned();
        let filter = self.plan.types[index].kind.filter();
        let request = self.plan.types[index].request.clone();
        let mut query = Query::new(cookies.get(&name), delta)?;
        while query.more {
            let asked = query.begin(&self.config.base, &filter, &request, flags);
            let server = self.session.server().to_owned();
            let mut search = self.session.search(asked, "reading changes").await?;
            let mut groups = Vec::new();
            while let Some(item) = search.next().await? {
                match item {
                    Item::Entry(entry) => {
                        query.entries += 1;
                        let plan = &self.plan.types[index];
                        let scope = &self.scope;
                        let Some(guid) = entry.guid() else {
                            return Err(ConnectorError::Forbidden(format!(
                                "{server} does not show the objectGUID of {}: the account that reads needs the right \
                                 to read it",
                                entry.dn
                            )));
                        };
                        let heard = hear(plan, &entry, guid, delta, pending, |anchor| {
                            scope.judge(&plan.kind, &entry, anchor)
                        });
                        match heard {
                            Some(ImportChange::Object(object)) if plan.reads_members() => {
                                groups.push((relative_id(&entry), object));
                            }
                            Some(change) => told.tell(change).await,
                            None => {}
                        }
                        if !delta {
                            for (relative, mut object) in groups.drain(..) {
                                let members =
                                    relative.and_then(|relative| pending.primary.remove(&relative));
                                add_members(&mut object, members.unwrap_or_default());
                                told.tell(ImportChange::Object(object)).await;
                            }
                        }
                    }
                    Item::Reference(addresses) => {
                        paging::elsewhere(&server, &addresses, "reading changes")?;
                    }
                    Item::Intermediate(..) => {}
                }
            }
            let done = search.finish().await?;
            query.end(&server, &self.config.base, done.rc, &done.text, done.control(DIRSYNC))?;
            let relatives: BTreeSet<_> =
                groups.iter().filter_map(|(relative, _)| *relative).collect();
            let mut primary = self.primary_members(relatives).await?;
            for (relative, mut object) in groups {
                let members = relative.and_then(|relative| primary.remove(&relative));
                add_members(&mut object, members.unwrap_or_default());
                told.tell(ImportChange::Object(object)).await;
            }
        }
        cookies.insert(name, watermark::encode(&query.cookie));
        Ok(())
    }

    /// Tells what primary groups make of membership.
    async fn tell_memberships(
        &mut self,
        pending: &mut Pending,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let removals = std::mem::take(&mut pending.removals);
        let mut relatives = BTreeMap::new();
        for batch in removals.keys().copied().collect::<Vec<_>>().chunks(50) {
            let attributes = vec!["objectGUID".to_owned(), "objectSid".to_owned()];
            for entry in self.by_guid(batch, attributes).await? {
                if let (Some(guid), Some(relative)) = (entry.guid(), relative_id(&entry)) {
                    relatives.insert(guid, relative);
                }
            }
        }
        let still = self.primary_members(relatives.values().copied()).await?;
        for (group, mut change) in removals {
            let members = relatives.get(&group).and_then(|relative| still.get(relative));
            if let (Some(members), Some(member)) =
                (members, change.references.get_mut(&AttributeName::new("member")))
            {
                let listed: BTreeSet<_> = members.iter().collect();
                member.removed.retain(
                    |gone| !matches!(gone, ReferenceTo::Anchor(anchor) if listed.contains(anchor)),
                );
            }
            change.references.retain(|_, change| *change != ReferenceChange::default());
            if !change.references.is_empty() || !change.attributes.is_empty() {
                told.tell(ImportChange::Changed(change)).await;
            }
        }
        let mut primary = std::mem::take(&mut pending.primary);
        let wanted: Vec<_> =
            primary.keys().copied().filter(|group| self.tells_primary(*group)).collect();
        let Some(kind) = self.plan.types.iter().find(|plan| plan.reads_members()) else {
            return Ok(());
        };
        let object_type = kind.kind.name.clone();
        for (relative, group) in self.groups_by_relative_id(wanted).await? {
            let added = primary.remove(&relative).unwrap_or_default();
            let change = ReferenceChange {
                added: added.into_iter().map(ReferenceTo::Anchor).collect(),
                ..ReferenceChange::default()
            };
            told.tell(ImportChange::Changed(ChangedObject {
                anchor: group,
                object_type: object_type.clone(),
                dn: None,
                scope: None,
                attributes: BTreeMap::new(),
                references: [(AttributeName::new("member"), change)].into(),
                version: None,
            }))
            .await;
        }
        Ok(())
    }

    /// Follows the places, and finds out whether deleted objects are shown.
    async fn places(
        &mut self,
        cookies: &mut BTreeMap<String, String>,
        flags: u32,
        shown: &mut Shown,
    ) -> Result<(), ConnectorError> {
        let classes = ["organizationalUnit", "container", "builtinDomain", "domainDNS"];
        let filter = LdapFilter::any(classes.map(|class| LdapFilter::equal("objectClass", class)));
        let request = ["objectGUID", "objectClass", "name", "parentGUID", "isDeleted", MADE]
            .map(str::to_owned);
        let known = cookies.get(PLACES);
        let mut query = Query::new(known, known.is_some())?;
        while query.more {
            let asked = query.begin(&self.config.base, &filter, &request, flags);
            let server = self.session.server().to_owned();
            let mut search = self.session.search(asked, "reading the tree").await?;
            while let Some(item) = search.next().await? {
                let entry = match item {
                    Item::Entry(entry) => entry,
                    Item::Reference(addresses) => {
                        paging::elsewhere(&server, &addresses, "reading the tree")?;
                        continue;
                    }
                    Item::Intermediate(..) => continue,
                };
                query.entries += 1;
                // The container of the deleted objects is itself marked as one, so that there always is one. With ordinary
                // rights it may be shown and what is in it not.
                shown.tombstones |= flags & controls::OBJECT_SECURITY == 0 && is_deleted(&entry);
                let renamed = entry.has("name") || entry.has("parentGUID");
                // A new place is empty, and what is moved into it says so itself.
                let new = entry.has("objectClass") && entry.has(MADE);
                if let (Some(guid), true, false) =
                    (entry.guid(), renamed, new || is_deleted(&entry))
                {
                    shown.moved.insert(guid);
                }
            }
            let done = search.finish().await?;
            query.end(&server, &self.config.base, done.rc, &done.text, done.control(DIRSYNC))?;
        }
        cookies.insert(PLACES.to_owned(), watermark::encode(&query.cookie));
        Ok(())
    }
}

fn is_deleted(entry: &Entry) -> bool {
    entry.is_true("isDeleted") || dn::is_deleted(&entry.dn)
}

/// What an entry of a query says; what must be looked at first is put into `pending`.
fn hear(
    plan: &TypePlan,
    entry: &Entry,
    guid: Uuid,
    delta: bool,
    pending: &mut Pending,
    judge: impl FnOnce(&Anchor) -> scim_sync::connector::SourceScope,
) -> Option<ImportChange> {
    let anchor = guid::anchor(guid);
    if is_deleted(entry) {
        // Its attributes come without values, which is no clearing of them. A full read tells it as well: an earlier part
        // of its answer may have told the object, and no later read tells what this one has seen deleted.
        return Some(ImportChange::Deleted(anchor));
    }
    if let Some(group) = primary_group(entry)
        && !(group == DOMAIN_USERS && pending.skips_domain_users)
    {
        pending.primary.entry(group).or_default().push(anchor.clone());
    }
    let cut = range::is_cut(entry, plan.references(), true);
    // What is new comes whole. Classes alone do not say so: they can be added to what is there, and then come with nothing
    // that stayed as it was.
    let classes = entry.has("objectClass");
    if classes && !cut && (!delta || entry.has(MADE)) {
        let scope = judge(&anchor);
        return Some(ImportChange::Object(plan.imported(entry, anchor, scope)));
    }
    if cut || classes || plan.decides_scope(entry) {
        pending.again.insert(guid);
        return None;
    }
    let change = plan.changed(entry, anchor)?;
    let takes_members = change
        .references
        .get(&AttributeName::new("member"))
        .is_some_and(|members| !members.removed.is_empty());
    if delta && plan.reads_members() && takes_members {
        pending.removals.insert(guid, change);
        return None;
    }
    Some(ImportChange::Changed(change))
}

/// One query, which the server answers in as many parts as it likes.
struct Query {
    cookie: Vec<u8>,
    delta: bool,
    more: bool,
    entries: usize,
}

impl Query {
    fn new(cookie: Option<&String>, delta: bool) -> Result<Self, ConnectorError> {
        let cookie = match cookie {
            Some(cookie) => watermark::decode(cookie)?,
            None if delta => {
                return Err(ConnectorError::WatermarkRefused("an object type is new".to_owned()));
            }
            None => Vec::new(),
        };
        Ok(Self { cookie, delta, more: true, entries: 0 })
    }

    fn begin(
        &mut self,
        base: &str,
        filter: &LdapFilter,
        request: &[String],
        flags: u32,
    ) -> SearchRequest {
        self.entries = 0;
        SearchRequest {
            base: base.to_owned(),
            scope: Scope::Subtree,
            filter: filter.clone(),
            attributes: request.to_vec(),
            controls: vec![
                controls::dirsync_request(flags, MAX_BYTES, &self.cookie),
                controls::extended_dn(),
            ],
        }
    }

    /// Takes the answer's end in: how to go on, or why not.
    fn end(
        &mut self,
        server: &str,
        base: &str,
        rc: u32,
        text: &str,
        control: Option<&[u8]>,
    ) -> Result<(), ConnectorError> {
        let what = &format!("reading changes under {base}");
        match rc {
            code::SUCCESS => {}
            code::INSUFFICIENT_RIGHTS => {
                return Err(ConnectorError::Forbidden(format!(
                    "{server} does not let the account that reads follow changes (DirSync): give it the right \
                     \"Replicating Directory Changes\" on {base}, or have it read with its ordinary rights \
                     (changes = \"dir-sync-ordinary\")"
                )));
            }
            // How servers answer to a cookie that they cannot use: Samba with 12, Windows with 53 or 1.
            1 | 2 | 12 | 53 | 80 if self.delta && !self.cookie.is_empty() => {
                return Err(ConnectorError::WatermarkRefused(format!(
                    "{server} does not take the cookie of the last read (result {rc})"
                )));
            }
            rc => return Err(result::refused(server, what, rc, text)),
        }
        let answer = control.map(DirSyncAnswer::decode).transpose().map_err(|error| {
            ConnectorError::Protocol(format!(
                "{server} sent a DirSync answer that cannot be read: {error}"
            ))
        })?;
        let answer = answer.ok_or_else(|| {
            ConnectorError::Protocol(format!(
                "{server} answered as if DirSync had not been asked for"
            ))
        })?;
        if answer.cookie.is_empty()
            || (answer.more && self.entries == 0 && answer.cookie == self.cookie)
        {
            return Err(ConnectorError::Protocol(format!(
                "{server} sends no cookie to go on with"
            )));
        }
        self.more = answer.more;
        self.cookie = answer.cookie;
        Ok(())
    }
}

#[cfg(test)]
mod captured;

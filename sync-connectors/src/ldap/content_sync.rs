//! Reading an OpenLDAP server by content synchronisation, refreshOnly (RFC 4533).
//!
//! A server answers a cookie in one of two ways. Either it lists what changed and what was deleted (delete phase), or it
//! sends what changed and names what else is still there (present phase), and what it does not name is gone. The second is
//! passed on as such: what was seen, and at the very end the leave to sweep, so that whoever sweeps can see how much that
//! would be. An answer that was cut off, and one that names nothing at all, gives no such leave.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::Scope;
use scim_sync::connector::{ImportChange, SourceScope};
use scim_sync::{Anchor, ConnectorError};
use uuid::Uuid;

use super::config::LdapConfig;
use super::controls::{
    self, EntryState, SYNC_DONE, SYNC_INFO, SYNC_STATE, SyncDone, SyncInfo, SyncState,
};
use super::entry::Entry;
use super::filter::LdapFilter;
use super::object::ReadPlan;
use super::paging::{self, Pages};
use super::result::{self, code};
use super::scope::ResolvedScope;
use super::servers::RootDse;
use super::session::{Item, SearchRequest, Session};
use super::told::Told;
use super::watermark::{self, Position, Progress};

/// Classes of entries that other entries are under.
const PLACES: [&str; 5] = ["organizationalUnit", "organization", "locality", "country", "dcObject"];

/// One read of an OpenLDAP directory.
pub(crate) struct ContentSync<'a> {
    pub(crate) config: &'a LdapConfig,
    pub(crate) session: Session,
    pub(crate) root: RootDse,
    pub(crate) plan: ReadPlan,
    pub(crate) scope: ResolvedScope,
}

/// What an answer brought besides its entries.
#[derive(Debug, Default)]
struct Heard {
    /// The latest cookie on the way.
    cookie: Option<Vec<u8>>,
    /// How many entries were sent or named as present.
    seen: u64,
    /// Places that were sent: they may have another name.
    places: BTreeSet<String>,
}

impl ContentSync<'_> {
    /// Reads everything, or what changed since `last`, and tells it.
    pub(crate) async fn refresh(
        &mut self,
        last: Option<&Position>,
        question: String,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let cookie = match last.map(|last| &last.progress) {
            Some(Progress::ContentSync(cookie)) => Some(watermark::decode(cookie)?),
            Some(_) => {
                return Err(ConnectorError::WatermarkRefused(
                    "it was made for another kind of directory".to_owned(),
                ));
            }
            None => None,
        };
        if let Some(cookie) = &cookie {
            self.check_cookie(cookie).await?;
        }
        let (heard, done) = self.listen(cookie.as_deref(), told).await?;
        let newer = done.cookie.or(heard.cookie);
        let mut sweep = last.is_none();
        if last.is_some() && !done.refresh_deletes && newer.is_some() {
            // The end of a present phase. An answer without a new cookie is none: nothing had changed.
            if heard.seen == 0 {
                return Err(ConnectorError::Incomplete(format!(
                    "{} names no entry at all as still there: that is not believed",
                    self.session.server()
                )));
            }
            sweep = true;
        }
        if let Some(last) = last {
            self.read_names(last, told).await?;
            self.read_subtrees(&heard.places, told).await?;
        }
        if !self.scope.still_holds(self.config, &mut self.session).await? {
            return Err(ConnectorError::Incomplete(
                "a place that the scope names was moved during the read: read again".to_owned(),
            ));
        }
        let position = newer.or(cookie).map(|cookie| Position {
            server: self.root.identity.clone(),
            question,
            progress: Progress::ContentSync(watermark::encode(&cookie)),
            scope: self.scope.memory(),
        });
        let watermark = position.map(|position| position.watermark()).transpose()?;
        told.end(watermark, sweep).await;
        Ok(())
    }

    /// Asks, and tells what comes.
    async fn listen(
        &mut self,
        cookie: Option<&[u8]>,
        told: &mut Told,
    ) -> Result<(Heard, SyncDone), ConnectorError> {
        let server = self.session.server().to_owned();
        let what = "reading changes";
        let bad = |error: super::ber::BerError| {
            ConnectorError::Protocol(format!(
                "{server} sent a part of a refresh that cannot be read: {error}"
            ))
        };
        let kinds = self.plan.types.iter().map(|plan| plan.kind.filter());
        let places = PLACES.map(|class| LdapFilter::equal("objectClass", class));
        let request = SearchRequest {
            base: self.config.base.clone(),
            scope: Scope::Subtree,
            filter: LdapFilter::any(kinds.chain(places)),
            attributes: self.plan.request(),
            controls: vec![controls::sync_request(cookie)],
        };
        let mut search = self.session.search(request, what).await?;
        let mut heard = Heard::default();
        while let Some(item) = search.next().await? {
            match item {
                Item::Entry(entry) => {
                    let value = entry.control(SYNC_STATE).ok_or_else(|| {
                        ConnectorError::Protocol(format!(
                            "{server} sent {} without saying what became of it",
                            entry.dn
                        ))
                    })?;
                    let state = SyncState::decode(value).map_err(bad)?;
                    heard.cookie = state.cookie.clone().or(heard.cookie);
                    let anchor = anchor(state.uuid);
                    let change = match state.state {
                        EntryState::Delete => Some(ImportChange::Deleted(anchor)),
                        EntryState::Present => {
                            heard.seen += 1;
                            Some(ImportChange::Present(anchor))
                        }
                        EntryState::Add | EntryState::Modify => {
                            heard.seen += 1;
                            let object = whole(&self.plan, &self.scope, &entry, anchor);
                            if object.is_none() {
                                heard.places.insert(entry.dn.clone());
                            }
                            object
                        }
                    };
                    if let Some(change) = change {
                        told.tell(change).await;
                    }
                }
                Item::Intermediate(name, value) if name == SYNC_INFO => {
                    match SyncInfo::decode(&value).map_err(bad)? {
                        SyncInfo::NewCookie(cookie) => heard.cookie = Some(cookie),
                        SyncInfo::RefreshDelete { cookie, .. }
                        | SyncInfo::RefreshPresent { cookie, .. } => {
                            heard.cookie = cookie.or(heard.cookie);
                        }
                        SyncInfo::IdSet { cookie, deletes, uuids } => {
                            heard.cookie = cookie.or(heard.cookie);
                            for uuid in uuids {
                                let anchor = anchor(uuid);
                                if deletes {
                                    told.tell(ImportChange::Deleted(anchor)).await;
                                } else {
                                    heard.seen += 1;
                                    told.tell(ImportChange::Present(anchor)).await;
                                }
                            }
                        }
                    }
                }
                Item::Intermediate(..) => {}
                Item::Reference(addresses) => paging::elsewhere(&server, &addresses, what)?,
            }
        }
        let done = search.finish().await?;
        match done.rc {
            code::SUCCESS => {}
            code::UNAVAILABLE_EXTENSION | code::INSUFFICIENT_RIGHTS => {
                return Err(ConnectorError::Unsupported(format!(
                    "{server} does not let changes be followed by content synchronisation (result {}): it needs the \
                     overlay syncprov, and the account that reads the right to use it",
                    done.rc
                )));
            }
            rc => return Err(result::refused(&server, what, rc, &done.text)),
        }
        let value = done.control(SYNC_DONE).ok_or_else(|| {
            ConnectorError::Protocol(format!(
                "{server} ended a refresh without saying how it ended"
            ))
        })?;
        let done = SyncDone::decode(value).map_err(bad)?;
        Ok((heard, done))
    }

    /// Refuses a cookie that the server cannot have given as it is now.
    ///
    /// slapd answers a cookie that it does not know with everything there is, and no word about what is gone; so its state
    /// is compared with the cookie before it is asked. For each of the servers that write (`sid`) it must be as far as the
    /// cookie.
    async fn check_cookie(&mut self, cookie: &[u8]) -> Result<(), ConnectorError> {
        let what = "comparing the state of the directory with that of the last read";
        let entry = self.session.read(&self.config.base, &["contextCSN"], Vec::new(), what).await?;
        let Some(entry) = entry else {
            return Err(ConnectorError::Configuration(format!(
                "{} has no {} or does not show it",
                self.session.server(),
                self.config.base
            )));
        };
        let now: BTreeMap<_, _> = entry.texts("contextCSN").filter_map(by_writer).collect();
        if now.is_empty() {
            // Not slapd, or the account may not see it: the server must know its own cookies.
            return Ok(());
        }
        let text = String::from_utf8_lossy(cookie);
        let then = text.split(',').find_map(|part| part.strip_prefix("csn=")).unwrap_or("");
        let then: Vec<_> = then.split(';').filter_map(by_writer).collect();
        let known = |(writer, csn): &(&str, &str)| now.get(writer).is_some_and(|now| now >= csn);
        if then.is_empty() || !then.iter().all(known) {
            return Err(ConnectorError::WatermarkRefused(format!(
                "{} is not as far as it was at the last read: it was set up anew or restored from a backup",
                self.session.server()
            )));
        }
        Ok(())
    }

    /// Reads those whose membership of the scoping group changed.
    async fn read_names(&mut self, last: &Position, told: &mut Told) -> Result<(), ConnectorError> {
        let names: Vec<_> = self.scope.flipped(&last.scope).cloned().collect();
        let attributes = self.plan.request();
        let attributes: Vec<_> = attributes.iter().map(String::as_str).collect();
        for name in names {
            let what = "reading members of the scoping group";
            let entry = self.session.read(&name, &attributes, Vec::new(), what).await?;
            if let Some(entry) = entry {
                self.tell_whole(&entry, told).await;
            }
        }
        Ok(())
    }

    /// Reads what is under places that were sent: slapd renames a whole subtree without a word about what is in it.
    async fn read_subtrees(
        &mut self,
        places: &BTreeSet<String>,
        told: &mut Told,
    ) -> Result<(), ConnectorError> {
        let top = |place: &&String| {
            !places.iter().any(|other| other != *place && super::dn::is_within(place, other))
        };
        for place in places.iter().filter(top) {
            let kinds = self.plan.types.iter().map(|plan| plan.kind.filter());
            let request = SearchRequest {
                base: place.clone(),
                scope: Scope::Subtree,
                filter: LdapFilter::any(kinds),
                attributes: self.plan.request(),
                controls: Vec::new(),
            };
            let what = "reading a part of the directory that may have been renamed";
            let mut pages = Pages::new(request, self.config.limits.page);
            while let Some(entries) = pages.next(&mut self.session, what).await? {
                for entry in &entries {
                    self.tell_whole(entry, told).await;
                }
            }
        }
        Ok(())
    }

    async fn tell_whole(&mut self, entry: &Entry, told: &mut Told) {
        let uuid = entry.text("entryUUID").and_then(|text| Uuid::parse_str(text).ok());
        let object = uuid.and_then(|uuid| whole(&self.plan, &self.scope, entry, anchor(uuid)));
        if let Some(object) = object {
            told.tell(object).await;
        }
    }
}

/// An entry of one of the types; `None` for the others, which are places.
pub(crate) fn whole(
    plan: &ReadPlan,
    scope: &ResolvedScope,
    entry: &Entry,
    anchor: Anchor,
) -> Option<ImportChange> {
    let plan = plan.of(entry)?;
    let judged: SourceScope = scope.judge(&plan.kind, entry, &anchor);
    Some(ImportChange::Object(plan.imported(entry, anchor, judged)))
}

/// The anchor of an entry: its `entryUUID` as it is written (RFC 4530).
pub(crate) fn anchor(uuid: Uuid) -> Anchor {
    Anchor::new(uuid.hyphenated().to_string())
}

/// The number of the server that wrote, and the change: `20260102030405.000000Z#000000#001#000000`.
fn by_writer(csn: &str) -> Option<(&str, &str)> {
    let mut parts = csn.split('#');
    let writer = parts.nth(2)?;
    Some((writer, csn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_number_names_who_wrote() {
        let csn = "20260102030405.000000Z#000000#001#000000";
        assert_eq!(by_writer(csn), Some(("001", csn)));
        assert_eq!(by_writer("junk"), None);
    }
}

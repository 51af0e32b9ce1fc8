//! A small Active Directory of our own, for what a real one only does at its limits.
//!
//! It keeps objects with the number of each attribute's last change, answers searches, paged searches and DirSync from
//! them, and can be told to misbehave: see [`Fault`]. It binds whoever comes with the right password and knows no TLS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::accept::Acceptor;

mod ber;
mod serve;

/// The root of the fake domain.
pub const BASE: &str = "DC=fake,DC=example";
/// The password that every bind needs.
pub const PASSWORD: &str = "fake-password";

/// What the server does wrong, until it is told something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Closes the connection after so many entries of a search.
    CutAfter(usize),
    /// Says that there is more and closes the connection then.
    PromiseAndLeave,
    /// Ends searches with sizeLimitExceeded after so many entries.
    SizeLimit(usize),
    /// Refuses every cookie.
    RefuseCookies,
    /// Sends a reference to another server for a part of the base.
    Reference,
    /// Ends searches with a referral.
    Referral,
    /// Answers searches for changes with success, no entries and no DirSync answer.
    NoAnswerControl,
    /// Sends a DirSync answer that is none.
    BadAnswerControl,
    /// Sends an entry that is none.
    BadEntry,
    /// Sends octets that are no message.
    Noise,
    /// Never answers a search.
    Silence,
    /// Stops in the middle of a long list.
    LoseRange,
    /// Refuses searches for lack of a right.
    Forbid,
}

/// The fake server; gone when dropped.
#[derive(Debug)]
pub struct FakeAd {
    acceptor: Acceptor,
    state: Arc<Mutex<State>>,
}

/// One object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) guid: [u8; 16],
    pub(crate) dn: String,
    pub(crate) deleted: bool,
    /// Values by attribute, with the number of the last change.
    pub(crate) attributes: BTreeMap<String, (u64, Vec<Vec<u8>>)>,
    /// Linked values: attribute, other object, number of the last change, whether it is there.
    pub(crate) links: Vec<(String, [u8; 16], u64, bool)>,
}

/// What the server holds.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) base: String,
    /// In every identifier, so that two domains share none.
    pub(crate) mark: u8,
    pub(crate) usn: u64,
    pub(crate) invocation: [u8; 16],
    pub(crate) objects: Vec<Object>,
    pub(crate) fault: Option<Fault>,
    /// Entries of one DirSync answer; 0 for all.
    pub(crate) dirsync_page: usize,
    /// Values of one answer; Active Directory gives 1,500.
    pub(crate) range: usize,
    /// Entries of each search, for tests that look at how much was asked.
    pub(crate) searches: Vec<String>,
}

impl FakeAd {
    /// An empty domain on a free port of 127.0.0.1.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        Self::domain(BASE, 0xfe)
    }

    /// An empty domain with this root on a free port of 127.0.0.1. Domains with different marks share no identifiers.
    #[must_use]
    #[track_caller]
    pub fn domain(base: &str, mark: u8) -> Self {
        let state = State {
            base: base.to_owned(),
            mark,
            invocation: [7; 16],
            range: 1500,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let acceptor = Acceptor::start(move |stream| serve::connection(stream, &shared));
        let fake = Self { acceptor, state };
        // The identifier of the domain, without a part of its own: those of its objects have one.
        fake.add("domainDNS", base, &[("objectSid", "\u{1}\0\0\0\0\0\0\u{5}")]);
        fake.add("container", &format!("CN=Deleted Objects,{base}"), &[("isDeleted", "TRUE")]);
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `ldap://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ldap://{}", self.acceptor.address())
    }

    /// Makes the server do something wrong, or nothing any more.
    pub fn misbehave(&self, fault: Option<Fault>) {
        self.state().fault = fault;
    }

    /// Splits DirSync answers after so many entries.
    pub fn dirsync_page(&self, entries: usize) {
        self.state().dirsync_page = entries;
    }

    /// Becomes another copy of the directory, as after a restore.
    pub fn become_another(&self) {
        self.state().invocation = [8; 16];
    }

    /// The filters of the searches so far.
    #[must_use]
    pub fn searches(&self) -> Vec<String> {
        self.state().searches.clone()
    }

    /// Adds an object and gives its GUID's octets.
    pub fn add(&self, class: &str, dn: &str, attributes: &[(&str, &str)]) -> [u8; 16] {
        let mut state = self.state();
        state.usn += 1;
        let usn = state.usn;
        let mut guid = [0; 16];
        guid[..8].copy_from_slice(&usn.to_be_bytes());
        guid[15] = state.mark;
        let name =
            dn.split(',').next().and_then(|rdn| rdn.split_once('=')).map_or("", |(_, name)| name);
        let mut all: Vec<_> = attributes.to_vec();
        all.extend([
            ("objectClass", class),
            ("name", name),
            ("parentGUID", "0123456789abcdef"),
            ("whenCreated", "20260102030405.0Z"),
        ]);
        let attributes = all
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (usn, vec![value.as_bytes().to_vec()])))
            .collect();
        state.objects.push(Object { guid, dn: dn.to_owned(), attributes, ..Object::default() });
        guid
    }

    /// Sets an attribute; no value clears it.
    pub fn set(&self, guid: [u8; 16], name: &str, value: Option<&str>) {
        self.change(guid, |object, usn| {
            let values = value.map(|value| value.as_bytes().to_vec()).into_iter().collect();
            object.attributes.insert(name.to_owned(), (usn, values));
        });
    }

    /// Adds or removes links to other objects.
    pub fn link(&self, guid: [u8; 16], attribute: &str, others: &[[u8; 16]], there: bool) {
        self.change(guid, |object, usn| {
            for other in others {
                object.links.retain(|(name, known, ..)| !(name == attribute && known == other));
                object.links.push((attribute.to_owned(), *other, usn, there));
            }
        });
    }

    /// Adds an object class to those that an object has.
    pub fn add_class(&self, guid: [u8; 16], class: &str) {
        self.change(guid, |object, usn| {
            if let Some((last, classes)) = object.attributes.get_mut("objectClass") {
                *last = usn;
                classes.push(class.as_bytes().to_vec());
            }
        });
    }

    /// Gives an object another name; what is under it moves along without a change of its own.
    pub fn rename(&self, guid: [u8; 16], dn: &str) {
        let mut state = self.state();
        let Some(old) =
            state.objects.iter().find(|object| object.guid == guid).map(|o| o.dn.clone())
        else {
            return;
        };
        for object in &mut state.objects {
            if let Some(above) = object.dn.strip_suffix(&format!(",{old}")) {
                object.dn = format!("{above},{dn}");
            }
        }
        drop(state);
        let name =
            dn.split(',').next().and_then(|rdn| rdn.split_once('=')).map_or("", |(_, name)| name);
        self.change(guid, |object, usn| {
            object.dn = dn.to_owned();
            object.attributes.insert("name".to_owned(), (usn, vec![name.as_bytes().to_vec()]));
        });
    }

    /// Deletes an object: a tombstone stays.
    pub fn delete(&self, guid: [u8; 16]) {
        let base = self.state().base.clone();
        self.change(guid, |object, usn| {
            object.deleted = true;
            let rdn = object.dn.split(',').next().unwrap_or("CN=x").to_owned();
            object.dn = format!("{rdn}\\0ADEL:gone,CN=Deleted Objects,{base}");
            object.attributes.insert("isDeleted".to_owned(), (usn, vec![b"TRUE".to_vec()]));
            for (name, value) in &mut object.attributes {
                if !matches!(name.as_str(), "isDeleted" | "objectClass" | "name") {
                    *value = (usn, Vec::new());
                }
            }
            object.links.clear();
        });
        // Links to it go with it, and that is no change of those who had them.
        for object in &mut self.state().objects {
            object.links.retain(|(_, other, ..)| *other != guid);
        }
    }

    fn change(&self, guid: [u8; 16], edit: impl FnOnce(&mut Object, u64)) {
        let mut state = self.state();
        state.usn += 1;
        let usn = state.usn;
        if let Some(object) = state.objects.iter_mut().find(|object| object.guid == guid) {
            edit(object, usn);
        }
    }
}

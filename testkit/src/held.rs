//! What a SCIM server holds of a domain, and what it should hold: worked out from what `ldapsearch` shows, by another way
//! than that of the programs.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::{LdapEntry, Samba, Server};

/// One object of the target, with the parts that the rules write; references by the other's `externalId`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thing {
    /// `User`, `Group` or `Contact`.
    pub kind: String,
    /// `userName` of users.
    pub name: String,
    /// `displayName`.
    pub display: String,
    /// `active` of users.
    pub active: Option<bool>,
    /// The manager of a user.
    pub manager: Option<String>,
    /// The members of a group.
    pub members: BTreeSet<String>,
}

/// What a target holds, by `externalId`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held(pub BTreeMap<String, Thing>);

impl Held {
    /// Reads all of it.
    #[must_use]
    #[track_caller]
    pub fn read(server: &Server) -> Self {
        let client = server.client();
        let mut resources = Vec::new();
        for (kind, path) in [("User", "/Users"), ("Group", "/Groups"), ("Contact", "/Contacts")] {
            let mut start = 1;
            loop {
                let query = [("startIndex", start.to_string()), ("count", "100".to_owned())];
                let query: Vec<(&str, &str)> =
                    query.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let page = client.list(path, &query).expect(200);
                let found = page["Resources"].as_array().cloned().unwrap_or_default();
                start += found.len();
                let total = page["totalResults"].as_u64().and_then(|n| usize::try_from(n).ok());
                let more = !found.is_empty() && total.is_some_and(|total| start <= total);
                resources.extend(found.into_iter().map(|resource| (kind, resource)));
                if !more {
                    break;
                }
            }
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let anchors: BTreeMap<String, String> = resources
            .iter()
            .map(|(_, resource)| (text(&resource["id"]), text(&resource["externalId"])))
            .collect();
        let anchor = |id: &Value| {
            anchors
                .get(id.as_str().unwrap_or_default())
                .cloned()
                .unwrap_or_else(|| format!("nothing at {id}"))
        };
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let mut held = BTreeMap::new();
        for (kind, resource) in &resources {
            let manager = &resource[enterprise]["manager"]["value"];
            let thing = Thing {
                kind: (*kind).to_owned(),
                name: text(&resource["userName"]),
                display: text(&resource["displayName"]),
                active: resource["active"].as_bool(),
                manager: (!manager.is_null()).then(|| anchor(manager)),
                members: resource["members"]
                    .as_array()
                    .map(|members| members.iter().map(|member| anchor(&member["value"])).collect())
                    .unwrap_or_default(),
            };
            let twice = held.insert(text(&resource["externalId"]), thing);
            if twice.is_some() {
                crate::fail(format_args!("two objects are the same one: {twice:?} and {resource}"));
            }
        }
        Self(held)
    }

    /// Fails the test with the differences only.
    #[track_caller]
    pub fn expect(&self, expected: &Self) {
        let mut told = String::new();
        let all: BTreeSet<&String> = self.0.keys().chain(expected.0.keys()).collect();
        for anchor in all {
            let (is, should) = (self.0.get(anchor), expected.0.get(anchor));
            if is != should {
                told.push_str(&format!("{anchor}:\n  is        {is:?}\n  should be {should:?}\n"));
            }
        }
        if !told.is_empty() {
            crate::fail(format_args!("the target holds something else:\n{told}"));
        }
        if self.0.is_empty() {
            crate::fail(format_args!("nothing is held and nothing was expected"));
        }
    }

    /// The `externalId` of the one with this `userName` or `displayName`.
    #[must_use]
    #[track_caller]
    pub fn anchor(&self, name: &str) -> String {
        let found: Vec<_> = self
            .0
            .iter()
            .filter(|(_, thing)| {
                thing.name == name || (thing.name.is_empty() && thing.display == name)
            })
            .map(|(anchor, _)| anchor.clone())
            .collect();
        match found.as_slice() {
            [one] => one.clone(),
            found => crate::fail(format_args!("{name} should be there once and is {found:?}")),
        }
    }

    /// The one with this `userName` or `displayName`.
    #[must_use]
    #[track_caller]
    pub fn get(&self, name: &str) -> &Thing {
        &self.0[&self.anchor(name)]
    }
}

/// What the rules make of the domain without what is excluded.
#[must_use]
#[track_caller]
pub fn expected(samba: &Samba) -> Held {
    worked_out(samba, "ou=excluded,ou=corp,", &BTreeMap::new())
}

/// The same with objects that left the scope and are switched off: they keep what they had, and the places that others
/// have for them.
#[must_use]
#[track_caller]
pub fn expected_with(samba: &Samba, released: &BTreeMap<String, Thing>) -> Held {
    worked_out(samba, "ou=excluded,ou=corp,", released)
}

/// What the rules make of the whole domain.
#[must_use]
#[track_caller]
pub fn expected_of_all(samba: &Samba) -> Held {
    worked_out(samba, "ou=nothing,", &BTreeMap::new())
}

fn worked_out(samba: &Samba, excluded: &str, released: &BTreeMap<String, Thing>) -> Held {
    let base = samba.base().to_lowercase();
    let excluded = format!(",{excluded}{base}");
    let domain = base.replace("dc=", "").replace(',', ".");
    let attributes = [
        "objectGUID",
        "objectSid",
        "objectClass",
        "sAMAccountName",
        "userPrincipalName",
        "displayName",
        "cn",
        "userAccountControl",
        "manager",
        "member",
        "mail",
        "groupType",
        "primaryGroupID",
        "isCriticalSystemObject",
    ];
    let filter = "(&(|(objectClass=user)(objectClass=group)(objectClass=contact))(!(objectClass=computer))\
                  (!(isCriticalSystemObject=TRUE)))";
    let entries: Vec<LdapEntry> = samba
        .entries(filter, &attributes)
        .into_iter()
        .filter(|entry| {
            !entry.dn.to_lowercase().ends_with(&excluded) || released.contains_key(&guid(entry))
        })
        .filter(|entry| {
            let distribution = entry.text("groupType").is_some_and(|bits| number(&bits) > 0);
            !distribution || entry.text("mail").is_some()
        })
        .collect();
    let anchors: BTreeMap<String, String> =
        entries.iter().map(|entry| (entry.dn.to_lowercase(), guid(entry))).collect();
    let mut held = BTreeMap::new();
    for entry in &entries {
        let class = entry.texts("objectClass").pop().unwrap_or_default();
        let common = text(entry, "cn");
        let anchor = |dn: String| anchors.get(&dn.to_lowercase()).cloned();
        let mut thing =
            Thing { display: entry.text("displayName").unwrap_or(common), ..Thing::default() };
        match class.as_str() {
            "user" => {
                let account = text(entry, "sAMAccountName");
                let bits: i64 = number(&text(entry, "userAccountControl"));
                thing.kind = "User".to_owned();
                thing.name = entry
                    .text("userPrincipalName")
                    .unwrap_or_else(|| format!("{account}@{domain}"));
                thing.active = Some(bits & 2 == 0);
                thing.manager = entry.text("manager").and_then(anchor);
            }
            "group" => {
                thing.kind = "Group".to_owned();
                thing.members = entry.texts("member").into_iter().filter_map(anchor).collect();
                let rid = relative_id(entry);
                let primary = entries
                    .iter()
                    .filter(|user| user.text("primaryGroupID").is_some_and(|group| group == rid));
                thing.members.extend(primary.map(guid));
            }
            "contact" => thing.kind = "Contact".to_owned(),
            other => crate::fail(format_args!("{} is a {other}", entry.dn)),
        }
        held.insert(guid(entry), thing);
    }
    held.extend(released.clone());
    Held(held)
}

/// The last part of an `objectSid`, as `primaryGroupID` writes it.
fn relative_id(entry: &LdapEntry) -> String {
    let sid = entry.base64("objectSid").unwrap_or_default();
    let octets = STANDARD.decode(sid).unwrap_or_default();
    match octets.last_chunk::<4>() {
        Some(last) => u32::from_le_bytes(*last).to_string(),
        None => crate::fail(format_args!("{} has no objectSid", entry.dn)),
    }
}

fn guid(entry: &LdapEntry) -> String {
    match entry.base64("objectGUID") {
        Some(guid) => guid,
        None => crate::fail(format_args!("{} has no objectGUID", entry.dn)),
    }
}

fn text(entry: &LdapEntry, attribute: &str) -> String {
    match entry.text(attribute) {
        Some(text) => text,
        None => crate::fail(format_args!("{} has no {attribute}", entry.dn)),
    }
}

fn number(text: &str) -> i64 {
    match text.parse() {
        Ok(number) => number,
        Err(_) => crate::fail(format_args!("{text:?} is no number")),
    }
}

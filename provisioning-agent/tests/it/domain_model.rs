//! What a target should hold of a domain, worked out from what `ldapsearch` shows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use testkit::{LdapEntry, Samba};

use crate::bed::{Held, Thing};

/// What the rules make of the domain without what is excluded.
pub(crate) fn expected(samba: &Samba) -> Held {
    worked_out(samba, "ou=excluded,ou=corp,", &BTreeMap::new())
}

/// The same with objects that left the scope and are switched off: they keep what they had, and the places that others
/// have for them.
pub(crate) fn expected_with(samba: &Samba, released: &BTreeMap<String, Thing>) -> Held {
    worked_out(samba, "ou=excluded,ou=corp,", released)
}

/// What the rules make of the whole domain.
pub(crate) fn expected_of_all(samba: &Samba) -> Held {
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
            !entry.dn.to_lowercase().ends_with(&excluded)
                || released.contains_key(&entry.base64("objectGUID").unwrap())
        })
        .filter(|entry| {
            let distribution =
                entry.text("groupType").is_some_and(|bits| bits.parse::<i64>().unwrap() > 0);
            !distribution || entry.text("mail").is_some()
        })
        .collect();
    let anchors: BTreeMap<String, String> = entries
        .iter()
        .map(|entry| (entry.dn.to_lowercase(), entry.base64("objectGUID").unwrap()))
        .collect();
    let mut held = BTreeMap::new();
    for entry in &entries {
        let class = entry.texts("objectClass").last().unwrap().clone();
        let common = entry.text("cn").unwrap();
        let anchor = |dn: String| anchors.get(&dn.to_lowercase()).cloned();
        let mut thing =
            Thing { display: entry.text("displayName").unwrap_or(common), ..Thing::default() };
        match class.as_str() {
            "user" => {
                let account = entry.text("sAMAccountName").unwrap();
                let bits: i64 = entry.text("userAccountControl").unwrap().parse().unwrap();
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
                thing.members.extend(primary.map(|user| user.base64("objectGUID").unwrap()));
            }
            "contact" => thing.kind = "Contact".to_owned(),
            other => panic!("{} is a {other}", entry.dn),
        }
        held.insert(entry.base64("objectGUID").unwrap(), thing);
    }
    held.extend(released.clone());
    Held(held)
}

/// The last part of an `objectSid`, as `primaryGroupID` writes it.
fn relative_id(entry: &LdapEntry) -> String {
    let octets = STANDARD.decode(entry.base64("objectSid").unwrap()).unwrap();
    let last: [u8; 4] = octets[octets.len() - 4..].try_into().unwrap();
    u32::from_le_bytes(last).to_string()
}

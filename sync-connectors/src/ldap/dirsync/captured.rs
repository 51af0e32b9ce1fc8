//! What a domain controller really sends: answers of Samba 4.17, kept octet by octet, to a first read of three users and
//! to a read of what changed then. Those were a class more for the first, a title that went and a manager that came for
//! the second, the deletion of the third, a new user, and one member for another in a group.

use lber::parse::parse_tag;
use lber::structure::StructureTag;
use scim_sync::connector::{ImportShape, SourceScope};

use super::*;
use crate::ldap::config::{LdapBind, LdapConfig, LdapServer};
use crate::ldap::object::ReadPlan;
use crate::ldap::schema::DirectorySchema;

const USERS: &[u8] = include_bytes!("../../../tests/captured/samba-users-first.ber");
const USERS_LATER: &[u8] = include_bytes!("../../../tests/captured/samba-users-changed.ber");
const GROUPS_LATER: &[u8] = include_bytes!("../../../tests/captured/samba-groups-changed.ber");

fn parts(tag: StructureTag) -> Vec<StructureTag> {
    tag.expect_constructed().unwrap()
}

/// The entries of an answer, and what its end says.
fn answer(mut octets: &[u8]) -> (Vec<Entry>, DirSyncAnswer) {
    let mut entries = Vec::new();
    loop {
        let (rest, message) = parse_tag(octets).unwrap();
        octets = rest;
        let mut message = parts(message).into_iter().skip(1);
        let operation = message.next().unwrap();
        if operation.id == 4 {
            entries.push(Entry::from_message(operation, Vec::new()).unwrap());
            continue;
        }
        assert!(operation.id == 5 && octets.is_empty());
        let controls = parts(message.next().unwrap());
        let value = parts(controls.into_iter().next().unwrap()).pop().unwrap();
        return (entries, DirSyncAnswer::decode(&value.expect_primitive().unwrap()).unwrap());
    }
}

fn plan(kind: &str, attributes: &[&str]) -> TypePlan {
    let server = LdapServer::new("ldaps://x");
    let config = LdapConfig::active_directory("corp", server, LdapBind::Anonymous, "DC=x");
    let syntax = "1.3.6.1.4.1.1466.115.121.1";
    let schema = DirectorySchema::of_definitions(&[
        &format!("( 1 NAME ( 'cn' 'title' 'sAMAccountName' ) SYNTAX {syntax}.15 )"),
        &format!("( 2 NAME ( 'member' 'manager' ) SYNTAX {syntax}.12 )"),
    ]);
    let names = attributes.iter().map(AttributeName::new).collect();
    let shape = ImportShape { types: [(kind.into(), names)].into() };
    ReadPlan::new(&config, &schema, &shape).unwrap().types.remove(0)
}

/// What is told of an answer, and what is left to be read again.
fn heard(plan: &TypePlan, octets: &[u8], delta: bool) -> (Vec<ImportChange>, Pending) {
    let mut pending = Pending { skips_domain_users: true, ..Pending::default() };
    let entries = answer(octets).0;
    let changes = entries.iter().filter_map(|entry| {
        let guid = entry.guid().unwrap();
        hear(plan, entry, guid, delta, &mut pending, |_| SourceScope::In)
    });
    (changes.collect(), pending)
}

#[test]
fn a_first_read_and_what_changed_then() {
    let plan = plan("user", &["cn", "title", "sAMAccountName", "manager"]);
    let (first, pending) = heard(&plan, USERS, false);
    assert!(pending.again.is_empty());
    let mut anchors = BTreeMap::new();
    for change in first {
        let ImportChange::Object(object) = change else { panic!("{change:?}") };
        let name = object.attributes.first(&"sAMAccountName".into()).unwrap();
        anchors.insert(name.as_text().unwrap().to_owned(), object);
    }
    assert!(anchors.len() > 3, "the accounts of every domain, too: {anchors:?}");
    let known = |name: &str| anchors[name].anchor.clone();
    assert!(!anchors["u000002"].attributes.get(&"title".into()).is_empty());

    let (changes, pending) = heard(&plan, USERS_LATER, true);
    let again: Vec<_> = pending.again.iter().map(|guid| guid::anchor(*guid)).collect();
    assert_eq!(again, [known("u000001")], "its classes came, and nothing else of it");
    let (mut new, mut gone, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            ImportChange::Object(object) => new.push(object),
            ImportChange::Deleted(anchor) => gone.push(anchor),
            ImportChange::Changed(change) => changed.push(change),
            ImportChange::Present(anchor) => panic!("{anchor}"),
        }
    }
    assert_eq!(gone, [known("u000003")]);
    let [new] = new.as_slice() else { panic!("{new:?}") };
    assert_eq!(new.attributes.first(&"cn".into()).unwrap().as_text(), Some("New"));
    let [changed] = changed.as_slice() else { panic!("{changed:?}") };
    assert_eq!(changed.anchor, known("u000002"));
    assert_eq!(changed.attributes, [("title".into(), Vec::new())].into());
    let manager = &changed.references[&"manager".into()];
    assert_eq!(manager.added, [ReferenceTo::Anchor(known("u000001"))]);

    let group = self::plan("group", &["cn", "member"]);
    let (changes, mut pending) = heard(&group, GROUPS_LATER, true);
    assert!(changes.is_empty(), "who goes may still be a member by primary group");
    let (_, change) = pending.removals.pop_first().unwrap();
    let members = &change.references[&"member".into()];
    assert!(!members.replace);
    assert_eq!(members.added, [ReferenceTo::Anchor(new.anchor.clone())]);
    assert_eq!(members.removed, [ReferenceTo::Anchor(known("u000002"))]);
}

#[test]
fn cookies_go_on() {
    let cookies = [USERS, USERS_LATER, GROUPS_LATER].map(|octets| {
        let (_, end) = answer(octets);
        assert!(!end.more);
        assert!(end.cookie.starts_with(b"MSDS\x03") && end.cookie.len() == 108);
        end.cookie
    });
    assert_ne!(cookies[0], cookies[1]);
}

//! An OpenLDAP server: everything once, nothing the second time, and every change once after that.

use std::collections::BTreeMap;

use scim_sync::connector::Watermark;
use scim_sync::{ConnectorId, SyncStore as _};
use scim_sync_store::SqliteStore;
use testkit::{LdapEntry, OpenLdap};

use crate::bed::{self, Bed, Held, Thing};

pub(crate) fn bed(server: &OpenLdap, config: &str) -> Bed {
    let (name, password) = server.sync_account();
    let excluded = format!("ou=excluded,{}", server.base());
    let environment = [
        ("LDAP_URI", server.ldaps_uri()),
        ("LDAP_CA", server.ca().to_str().unwrap()),
        ("LDAP_BIND_DN", name),
        ("LDAP_PASSWORD", password),
        ("LDAP_BASE", server.base()),
        ("LDAP_EXCLUDE", &excluded),
    ];
    Bed::new(config, &environment)
}

/// What the rules make of the directory without what is excluded.
pub(crate) fn expected(server: &OpenLdap) -> Held {
    expected_with(server, &BTreeMap::new())
}

/// The same with objects that left the scope and are switched off: they keep what they had, and the places that others
/// have for them.
fn expected_with(server: &OpenLdap, released: &BTreeMap<String, Thing>) -> Held {
    let excluded = format!(",ou=excluded,{}", server.base());
    let attributes = ["entryUUID", "objectClass", "uid", "cn", "manager", "member"];
    let entries: Vec<LdapEntry> = server
        .entries("(|(objectClass=inetOrgPerson)(objectClass=groupOfNames))", &attributes)
        .into_iter()
        .filter(|entry| {
            !entry.dn.ends_with(&excluded)
                || released.contains_key(&entry.text("entryUUID").unwrap())
        })
        .collect();
    let anchors: BTreeMap<String, String> = entries
        .iter()
        .map(|entry| (entry.dn.to_lowercase(), entry.text("entryUUID").unwrap()))
        .collect();
    let anchor = |dn: String| anchors.get(&dn.to_lowercase()).cloned();
    let things = entries.iter().map(|entry| {
        let common = Thing { display: entry.text("cn").unwrap(), ..Thing::default() };
        let thing = if entry.texts("objectClass").iter().any(|class| class == "inetOrgPerson") {
            Thing {
                kind: "User".to_owned(),
                name: entry.text("uid").unwrap(),
                active: Some(true),
                manager: entry.text("manager").and_then(anchor),
                ..common
            }
        } else {
            let members = entry.texts("member").into_iter().filter_map(anchor).collect();
            Thing { kind: "Group".to_owned(), members, ..common }
        };
        (entry.text("entryUUID").unwrap(), thing)
    });
    let mut held: BTreeMap<String, Thing> = things.collect();
    held.extend(released.clone());
    Held(held)
}

#[track_caller]
fn followed(server: &OpenLdap, bed: &Bed) -> [usize; 3] {
    let writes = bed.synced();
    bed.held().expect(&expected(server));
    assert!(writes.ran.stdout.contains("ldap: read what changed"), "{writes}");
    let counts = [writes.count("POST"), writes.count("PATCH"), writes.count("DELETE")];
    assert_eq!(writes.requests.len(), counts.iter().sum::<usize>(), "{writes}");
    bed.quiet();
    counts
}

fn add(server: &OpenLdap, place: &str, more: &str) {
    let dn = testkit::ldif_line("dn", &format!("{place},{}", server.base()));
    server.modify(&format!("{dn}objectClass: inetOrgPerson\n{more}\n"));
}

fn change(server: &OpenLdap, dn: &str, what: &str) {
    server.modify(&format!("{}changetype: {what}\n", testkit::ldif_line("dn", dn)));
}

#[test]
fn the_shipped_example_provisions_a_directory() {
    let server = OpenLdap::start(60, 1000);
    let bed = bed(&server, &bed::example("openldap-to-scim.toml"));
    bed.synced();
    bed.held().expect(&expected(&server));
    bed.quiet();
}

#[test]
fn a_server_that_remembers_deletions() {
    is_provisioned_once_and_followed(10_000);
}

#[test]
fn a_server_that_names_what_is_still_there() {
    is_provisioned_once_and_followed(0);
}

fn is_provisioned_once_and_followed(session_log: u32) {
    let server = OpenLdap::start(100, session_log);
    let bed = bed(&server, &bed::config("openldap.toml"));
    let first = bed.synced();
    let held = bed.held();
    held.expect(&expected(&server));
    assert_eq!(first.count("POST"), held.0.len());
    assert_eq!(held.0.len(), 110);
    bed.quiet();

    let base = server.base().to_owned();
    let user = |number: u32| {
        let unit = ["sales", "engineering", "finance", "hr", "legal", "support"];
        format!("uid=u{number:06},ou={},ou=people,{base}", unit[number as usize % 6])
    };
    let group = |number: u32| format!("cn=grp{number:05},ou=groups,{base}");

    // People come, change, get another name, another place, another manager.
    let odd = r#"uid=odd\2B\2C\22 Ünal,ou=people"#;
    add(
        &server,
        odd,
        &testkit::ldif_line("uid", "odd+,\" Ünal").replace('\n', "\ncn: Odd\nsn: Ünal"),
    );
    change(&server, &user(3), "modify\nreplace: cn\ncn: Changed\n-\nreplace: title\ntitle: Dr");
    change(&server, &user(12), &format!("modify\nreplace: manager\nmanager: {}", user(13)));
    change(&server, &user(13), &format!("modify\nreplace: manager\nmanager: {}", user(12)));
    change(&server, &user(14), "modify\ndelete: manager");
    let [made, _, gone] = followed(&server, &bed);
    assert_eq!((made, gone), (1, 0));

    let before = bed.held();
    change(&server, &user(4), "modrdn\nnewrdn: uid=renamed\ndeleteoldrdn: 1");
    change(
        &server,
        &user(5),
        &format!(
            "modrdn\nnewrdn: uid=u000005\ndeleteoldrdn: 1\nnewsuperior: ou=hr,ou=people,{base}"
        ),
    );
    assert_eq!(followed(&server, &bed), [0, 1, 0]);
    assert_eq!(bed.held().anchor("renamed"), before.anchor("u000004"), "it is the same account");

    // Members come and go; groups in groups.
    change(&server, &group(1), &format!("modify\nadd: member\nmember: {}", user(91)));
    change(&server, &group(9), &format!("modify\nadd: member\nmember: {}", group(1)));
    let member = server.values("(cn=grp00003)", "member")[0].clone();
    let member = testkit::ldif_line("member", &member);
    change(&server, &group(3), &format!("modify\ndelete: member\n{}", member.trim_end()));
    let [made, _, gone] = followed(&server, &bed);
    assert_eq!((made, gone), (0, 0));

    // Out of the scope and back; gone for good.
    let anchor = bed.held().anchor("u000020");
    change(
        &server,
        &user(20),
        &format!("modrdn\nnewrdn: uid=u000020\ndeleteoldrdn: 1\nnewsuperior: ou=excluded,{base}"),
    );
    bed.synced();
    let held = bed.held();
    let released = Thing { active: Some(false), ..before.0[&anchor].clone() };
    held.expect(&expected_with(&server, &[(anchor, released)].into()));
    bed.quiet();
    change(
        &server,
        &format!("uid=u000020,ou=excluded,{base}"),
        &format!(
            "modrdn\nnewrdn: uid=u000020\ndeleteoldrdn: 1\nnewsuperior: ou=finance,ou=people,{base}"
        ),
    );
    let [made, ..] = followed(&server, &bed);
    assert_eq!(made, 0, "the account is the one that was there");
    for dn in [user(30), user(31), group(8), format!("{odd},{base}")] {
        change(&server, &dn, "delete");
    }
    let [made, _, gone] = followed(&server, &bed);
    assert_eq!((made, gone), (0, 4));

    // Positions that are lost or junk, a state that is thrown away, a server that was away.
    bed.run(&["reset", "--scope", "watermark"]).expect(0);
    bed.quiet().says("ldap: read everything");
    junk(&bed);
    bed.quiet();
    bed.forget();
    bed.quiet();
    server.stop();
    bed.sync().expect(1).says("ldap");
    assert!(bed.written().is_empty());
    server.start_again();
    change(&server, &user(40), "delete");
    let writes = bed.synced();
    assert_eq!(writes.count("DELETE"), 1, "{writes}");
    bed.held().expect(&expected(&server));
    bed.quiet();
    bed.run(&["verify"]).expect(0);
}

/// Puts a cookie that is none into the position.
fn junk(bed: &Bed) {
    let mut store = SqliteStore::open(bed.state().join("state.db")).unwrap();
    let connector = ConnectorId::new("ldap");
    let mut state = store.connector(&connector).unwrap();
    let Watermark(mut value) = state.watermark.take().unwrap();
    value["progress"]["contentSync"] = "anVuaw==".into();
    state.watermark = Some(Watermark(value));
    store.begin().unwrap();
    store.put_connector(&connector, &state).unwrap();
    store.commit().unwrap();
}

//! A domain when things go wrong: the deletion guard, lost positions, lost state, a restart, and what an operator gets wrong.

use std::fmt::Write as _;

use scim_sync::connector::Watermark;
use scim_sync::{ConnectorId, SyncStore as _};
use scim_sync_store::SqliteStore;
use serde_json::Value;
use testkit::Samba;

use crate::bed::{self, Bed};
use crate::domain::bed;
use testkit::held::{expected, expected_of_all};

#[test]
fn a_domain_in_trouble_loses_nothing() {
    let samba = Samba::start(200);
    let config = bed::config("ad.toml");
    operators_err(&samba, &config);
    the_shipped_example(&samba);
    let mut bed = bed(&samba, &config);
    bed.synced();
    bed.held().expect(&expected(&samba));
    positions_are_lost(&samba, &bed);
    the_controller_restarts(&samba, &bed);
    the_state_is_thrown_away(&samba, &bed);
    the_first_cycle_takes_nothing_away(&samba, &mut bed, &config);
    many_go(&samba, &bed);
}

/// Each mistake has its sentence; nothing is written.
fn operators_err(samba: &Samba, config: &str) {
    let mut bed = bed(samba, config);
    let right = samba.sync_account();
    let refused = |bed: &Bed, says: &[&str]| {
        let ran = bed.sync().expect(1);
        let ran = says.iter().fold(ran, |ran, text| ran.says(text));
        let secret = samba.sync_account().1;
        assert!(!format!("{ran}").contains(secret), "the password is told\n{ran}");
        assert!(bed.written().is_empty(), "{ran}");
    };
    bed.set("LDAP_PASSWORD", "wrong-one");
    refused(&bed, &["corp-ad", "password"]);
    bed.set("LDAP_PASSWORD", right.1);
    bed.set("LDAP_CA", "");
    refused(&bed, &["corp-ad", "certificate"]);
    bed.set("LDAP_CA", samba.ca().to_str().unwrap());
    // An account without the right to follow changes.
    bed.set("LDAP_BIND_DN", "u000001@ad.test.example");
    refused(&bed, &["corp-ad", "Replicating Directory Changes"]);
    bed.set("LDAP_BIND_DN", right.0);
    bed.set("LDAP_BASE", "DC=nowhere,DC=example");
    refused(&bed, &["corp-ad", "DC=nowhere,DC=example"]);
    bed.set("LDAP_BASE", samba.base());
    bed.set("LDAP_URI", "ldaps://127.0.0.1:9");
    refused(&bed, &["corp-ad", "127.0.0.1:9"]);
    bed.set("LDAP_URI", samba.ldaps_uri());
    bed.set("SCIM_TOKEN", "wrong-token-0123456789");
    refused(&bed, &["cloud", "401"]);
    assert!(bed.held_nothing());
}

/// The example, as it is shipped, provisions the whole domain, and has nothing to do then.
fn the_shipped_example(samba: &Samba) {
    let bed = bed(samba, &bed::example("ad-to-scim.toml"));
    bed.synced();
    bed.held().expect(&expected_of_all(samba));
    bed.quiet();
}

fn set_watermark(bed: &Bed, edit: impl FnOnce(Value) -> Option<Value>) {
    let mut store = SqliteStore::open(bed.state().join("state.db")).unwrap();
    let connector = ConnectorId::new("corp-ad");
    let mut state = store.connector(&connector).unwrap();
    let Watermark(value) = state.watermark.take().unwrap();
    state.watermark = edit(value).map(Watermark);
    store.begin().unwrap();
    store.put_connector(&connector, &state).unwrap();
    store.commit().unwrap();
}

fn positions_are_lost(samba: &Samba, bed: &Bed) {
    bed.quiet();
    bed.run(&["reset", "--scope", "watermark"]).expect(0);
    bed.quiet().says("corp-ad: read everything");
    bed.quiet().says("corp-ad: read what changed");
    set_watermark(bed, |_| None);
    bed.quiet().says("corp-ad: read everything");
    set_watermark(bed, |_| Some(serde_json::json!("junk")));
    bed.quiet().says("corp-ad: read everything");
    // A cookie that is none, in a position that is one.
    set_watermark(bed, |mut position| {
        let cookies = position["progress"]["dirSync"].as_object_mut().unwrap();
        for cookie in cookies.values_mut() {
            *cookie = Value::from("AAAA");
        }
        Some(position)
    });
    bed.quiet().says("corp-ad: read everything");
    // What changes while the position is lost is found all the same, deletions too.
    samba.delete(&samba.dn_of("u000199"));
    samba.set(&samba.dn_of("u000198"), "displayName", Some("Changed meanwhile"));
    set_watermark(bed, |_| Some(serde_json::json!({"other": 1})));
    let writes = bed.synced();
    assert_eq!((writes.count("DELETE"), writes.count("POST")), (1, 0), "{writes}");
    bed.held().expect(&expected(samba));
    bed.quiet();
}

fn the_controller_restarts(samba: &Samba, bed: &Bed) {
    samba.set(&samba.dn_of("u000197"), "displayName", Some("Before the restart"));
    samba.stop();
    bed.sync().expect(1).says("corp-ad");
    assert!(bed.written().is_empty());
    samba.start_again();
    let writes = bed.synced();
    assert_eq!((writes.requests.len(), writes.count("PATCH")), (1, 1), "{writes}");
    bed.held().expect(&expected(samba));
    bed.quiet();
}

fn the_state_is_thrown_away(samba: &Samba, bed: &Bed) {
    bed.forget();
    let writes = bed.synced();
    assert!(writes.requests.is_empty(), "the state is rebuilt from both sides: {writes}");
    bed.quiet();
    bed.held().expect(&expected(samba));
}

fn the_first_cycle_takes_nothing_away(samba: &Samba, bed: &mut Bed, config: &str) {
    // A staging agent links what is there, and then somebody goes.
    bed.forget();
    bed.configure(&config.replacen("[[source]]", "mode = \"staging\"\n[[source]]", 1));
    bed.quiet();
    samba.delete(&samba.dn_of("u000196"));
    bed.sync().expect(3).says("this is the first cycle");
    let before = bed.held();
    bed.configure(config);
    let ran = bed.sync().expect(3).says("this is the first cycle");
    assert!(bed.written().is_empty(), "{ran}");
    assert_eq!(bed.held(), before);
    bed.run(&["allow", &ran.digest()]).expect(0);
    assert_eq!(bed.synced().count("DELETE"), 1);
    bed.held().expect(&expected(samba));
    bed.quiet();
}

fn delete_users(samba: &Samba, numbers: std::ops::Range<u32>) {
    let mut ldif = String::new();
    for number in numbers {
        let dn = testkit::ldif_line("dn", &samba.dn_of(&format!("u{number:06}")));
        write!(ldif, "{dn}changetype: delete\n\n").unwrap();
    }
    samba.modify(&ldif);
}

/// A fifth of the accounts goes.
fn many_go(samba: &Samba, bed: &Bed) {
    let before = bed.held();
    delete_users(samba, 21..61);
    let ran = bed.sync().expect(3).says("40 objects would be taken away");
    assert!(bed.written().is_empty(), "{ran}");
    bed.held().expect(&before);
    // It is stopped again, with the same digest, until somebody lets it through.
    let digest = bed.sync().expect(3).digest();
    assert_eq!(digest, ran.digest());
    bed.run(&["plan"]).expect(3).says(&digest);
    bed.run(&["status"]).says(&digest);
    bed.run(&["allow", "0123456789abcdef"]).expect(1).says(&digest);
    bed.sync().expect(3);
    assert!(bed.written().is_empty());
    bed.run(&["allow", &digest]).expect(0);
    let writes = bed.synced();
    assert_eq!((writes.count("DELETE"), writes.count("POST")), (40, 0), "{writes}");
    bed.held().expect(&expected(samba));
    bed.quiet();
    // What was allowed once is not allowed twice.
    delete_users(samba, 61..101);
    let ran = bed.sync().expect(3);
    assert!(bed.written().is_empty(), "{ran}");
    // Taken back, everything is there again: the same people, in the same groups.
    let undo = bed.undo_files();
    let file = undo.last().unwrap().to_str().unwrap();
    bed.run(&["undo", file, "--dry-run"]).expect(0);
    assert!(bed.written().is_empty());
    bed.run(&["undo", file]).expect(0);
    bed.held().expect(&before);
    // The source still says that they are gone; that is a plan for the guard again.
    bed.sync().expect(3);
    bed.held().expect(&before);
}

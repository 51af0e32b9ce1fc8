//! A whole domain: everything once, nothing the second time, and every change exactly once after that.

use testkit::Samba;

use crate::bed::{self, Bed, Thing};
use testkit::held::{expected, expected_with};

/// A bed for the domain, read by the account that may follow changes.
pub(crate) fn bed(samba: &Samba, config: &str) -> Bed {
    let (name, password) = samba.sync_account();
    let excluded = format!("OU=Excluded,OU=Corp,{}", samba.base());
    let environment = [
        ("LDAP_URI", samba.ldaps_uri()),
        ("LDAP_CA", samba.ca().to_str().unwrap()),
        ("LDAP_BIND_DN", name),
        ("LDAP_PASSWORD", password),
        ("LDAP_BASE", samba.base()),
        ("LDAP_EXCLUDE", &excluded),
    ];
    Bed::new(config, &environment)
}

#[test]
fn a_domain_is_provisioned_once_and_every_change_once_after_that() {
    let samba = Samba::start(1600);
    let bed = bed(&samba, &bed::config("ad.toml"));
    everything_once(&samba, &bed);
    people_change(&samba, &bed);
    names_change(&samba, &bed);
    groups_change(&samba, &bed);
    primary_groups_change(&samba, &bed);
    out_of_scope_and_back(&samba, &bed);
    objects_go(&samba, &bed);
    bed.run(&["verify"]).expect(0);
}

/// One incremental cycle brings the target to what the domain says; the one after it writes nothing. Gives the number of
/// writes by method.
#[track_caller]
fn followed(samba: &Samba, bed: &Bed) -> [usize; 3] {
    let writes = bed.synced();
    bed.held().expect(&expected(samba));
    assert!(writes.ran.stdout.contains("corp-ad: read what changed"), "{writes}");
    let counts = [writes.count("POST"), writes.count("PATCH"), writes.count("DELETE")];
    assert_eq!(writes.requests.len(), counts.iter().sum::<usize>(), "{writes}");
    bed.quiet();
    counts
}

fn everything_once(samba: &Samba, bed: &Bed) {
    let first = bed.synced();
    let held = bed.held();
    held.expect(&expected(samba));
    assert_eq!(first.count("POST"), held.0.len(), "{}", first.ran);
    assert_eq!(first.count("DELETE") + first.count("PUT"), 0, "{}", first.ran);
    let inactive = held.0.values().filter(|thing| thing.active == Some(false)).count();
    assert_eq!(inactive, 64, "every 25th of 1600 accounts is disabled");
    assert_eq!(held.get("all-staff").members.len(), 1600);
    assert!(held.get("Group 1").members.contains(&held.anchor("Group 2")), "groups in groups");
    assert_eq!(held.0.values().filter(|thing| thing.kind == "Contact").count(), 80);
    assert!(held.0.values().filter(|thing| thing.manager.is_some()).count() > 1500);
    bed.quiet();
}

const ODD: &str = r#"CN=Ünal\, \"Łu\" O'Neil\+Sons \<1\> \#\;\\ 李,OU=Sales,OU=People,OU=Corp"#;

fn user(samba: &Samba, place: &str, account: &str, more: &str) {
    let dn = testkit::ldif_line("dn", &format!("{place},{}", samba.base()));
    samba.modify(&format!(
        "{dn}objectClass: user\nsAMAccountName: {account}\nuserAccountControl: 544\n{more}"
    ));
}

fn people_change(samba: &Samba, bed: &Bed) {
    let base = samba.base();
    // One with every character that a name has to escape, one without a principal name and a display name.
    user(samba, ODD, "odd", "displayName: Odd\nuserPrincipalName: odd@ad.test.example\n");
    user(samba, "CN=Plain One,OU=Corp", "plain1", "");
    // A manager before and one after whom they lead; and two that lead each other.
    user(samba, "CN=Lead Before,OU=Corp", "lead1", "");
    let lead = testkit::ldif_line("manager", &format!("CN=Lead Before,OU=Corp,{base}"));
    user(samba, "CN=Led After,OU=Corp", "led1", &lead);
    user(samba, "CN=Lead After,OU=Corp", "lead2", "");
    samba.set(&samba.dn_of("plain1"), "manager", Some(&samba.dn_of("lead2")));
    samba.set(&samba.dn_of("lead2"), "manager", Some(&samba.dn_of("odd")));
    samba.set(&samba.dn_of("odd"), "manager", Some(&samba.dn_of("lead2")));
    // Changes, one of them twice and one taken back.
    samba.set(&samba.dn_of("u000003"), "displayName", Some("First"));
    samba.set(&samba.dn_of("u000003"), "displayName", Some("Zoë Ångström"));
    samba.set(&samba.dn_of("u000005"), "userAccountControl", Some("514"));
    samba.set(&samba.dn_of("u000050"), "userAccountControl", Some("544"));
    samba.set(&samba.dn_of("u000012"), "manager", None);
    samba.set(&samba.dn_of("u000013"), "manager", Some(&samba.dn_of("odd")));
    // Comes and goes before anybody looks.
    user(samba, "CN=Brief,OU=Corp", "brief", "");
    samba.delete(&format!("CN=Brief,OU=Corp,{base}"));
    let [made, changed, gone] = followed(samba, bed);
    assert_eq!((made, gone), (5, 0));
    // Five changed, and three of the new ones got a manager that was not there before them.
    assert!((5..=9).contains(&changed), "{changed} changes");
    let held = bed.held();
    assert_eq!(held.get("odd@ad.test.example").manager, Some(held.anchor("lead2@ad.test.example")));
    assert_eq!(held.get("plain1@ad.test.example").display, "Plain One");
}

fn names_change(samba: &Samba, bed: &Bed) {
    let base = samba.base();
    let before = bed.held();
    // Whoever has no display name is called by the name of the entry; for the others it changes nothing.
    samba.rename(&samba.dn_of("plain1"), r"CN=Plain\, Two", None);
    samba.rename(&samba.dn_of("u000004"), "CN=Somebody Else", None);
    samba.rename(
        &samba.dn_of("u000009"),
        "CN=Moved",
        Some(&format!("OU=HR,OU=People,OU=Corp,{base}")),
    );
    samba.rename(&samba.dn_of("odd"), r"CN=\#Odd\+2", Some(&format!("OU=Corp,{base}")));
    samba.rename(&format!("OU=Finance,OU=People,OU=Corp,{base}"), r"OU=Geld\, Süd", None);
    samba.set(&samba.dn_of("u000014"), "userPrincipalName", Some("renamed@ad.test.example"));
    assert_eq!(followed(samba, bed), [0, 2, 0], "a name of the target is changed for two");
    let held = bed.held();
    assert_eq!(held.get("plain1@ad.test.example").display, "Plain, Two");
    assert_eq!(
        held.anchor("renamed@ad.test.example"),
        before.anchor("u000014@ad.test.example"),
        "it is the same account"
    );
    // What is under the place with a new name is still followed.
    samba.set(&samba.dn_of("u000008"), "displayName", Some("In the renamed place"));
    assert_eq!(followed(samba, bed), [0, 1, 0]);
}

fn groups_change(samba: &Samba, bed: &Bed) {
    let base = samba.base();
    let group = |name: &str| format!("CN={name},OU=Groups,OU=Corp,{base}");
    samba.change(&group("grp00001"), "add", "member", &samba.dn_of("odd"));
    samba.change(
        &group("grp00001"),
        "add",
        "member",
        &format!("CN=Contact 00001,OU=Contacts,OU=Corp,{base}"),
    );
    samba.change(&group("all-staff"), "add", "member", &samba.dn_of("plain1"));
    samba.change(&group("all-staff"), "delete", "member", &samba.dn_of("u000100"));
    let first = samba.values("(cn=grp00007)", "member")[0].clone();
    samba.change(&group("grp00007"), "delete", "member", &first);
    // A new group with a member, in a new group, in one that was there.
    let new = |name: &str, members: &[String]| {
        let lines: String =
            members.iter().map(|member| testkit::ldif_line("member", member)).collect();
        let dn = testkit::ldif_line("dn", &group(name));
        samba.modify(&format!(
            "{dn}objectClass: group\nsAMAccountName: {name}\ngroupType: -2147483646\n{lines}"
        ));
    };
    new("inner", &[samba.dn_of("u000021")]);
    new("outer", &[group("inner"), samba.dn_of("u000022")]);
    samba.change(&group("grp00003"), "add", "member", &group("outer"));
    // One that came and went again is no change at all.
    samba.change(&group("grp00004"), "add", "member", &samba.dn_of("odd"));
    samba.change(&group("grp00004"), "delete", "member", &samba.dn_of("odd"));
    samba.rename(&group("grp00006"), "CN=grp six", None);
    let [made, changed, gone] = followed(samba, bed);
    assert_eq!((made, gone), (2, 0));
    assert!((4..=8).contains(&changed), "{changed} changes");
    let held = bed.held();
    assert!(held.get("Group 1").members.contains(&held.anchor("Contact 1")), "a contact");
    assert_eq!(held.get("all-staff").members.len(), 1600);
    // A circle, which the target refuses: that is told, and everything else goes on.
    samba.change(&group("inner"), "add", "member", &group("grp00003"));
    samba.change(&group("inner"), "add", "member", &samba.dn_of("u000024"));
    let ran = bed.sync().expect(2).says("the group would contain itself");
    assert!(ran.stderr.contains("inner"), "{ran}");
    let held = bed.held();
    assert!(held.get("inner").members.contains(&held.anchor("u000024@ad.test.example")));
    samba.change(&group("inner"), "delete", "member", &group("grp00003"));
    bed.run(&["reset", "--scope", "escrows"]).expect(0);
    bed.sync().expect(0);
    bed.held().expect(&expected(samba));
    bed.quiet();
}

fn primary_groups_change(samba: &Samba, bed: &Bed) {
    let sid = samba.entries("(cn=outer)", &["objectSid"])[0].base64("objectSid").unwrap();
    let octets = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sid).unwrap();
    let last: [u8; 4] = octets[octets.len() - 4..].try_into().unwrap();
    let group = u32::from_le_bytes(last).to_string();
    // It leaves the list of members and stays a member.
    samba.set(&samba.dn_of("u000022"), "primaryGroupID", Some(&group));
    followed(samba, bed);
    let held = bed.held();
    assert!(held.get("outer").members.contains(&held.anchor("u000022@ad.test.example")));
    samba.set(&samba.dn_of("u000022"), "primaryGroupID", Some("513"));
    samba.change(
        &format!("CN=outer,OU=Groups,OU=Corp,{}", samba.base()),
        "delete",
        "member",
        &samba.dn_of("u000022"),
    );
    followed(samba, bed);
    let held = bed.held();
    assert!(!held.get("outer").members.contains(&held.anchor("u000022@ad.test.example")));
}

fn out_of_scope_and_back(samba: &Samba, bed: &Bed) {
    let base = samba.base();
    let before = bed.held();
    let anchor = before.anchor("u000023@ad.test.example");
    let home = format!("OU=Support,OU=People,OU=Corp,{base}");
    samba.rename(
        &samba.dn_of("u000023"),
        "CN=Away",
        Some(&format!("OU=Nested,OU=Excluded,OU=Corp,{base}")),
    );
    samba.rename(
        &format!("CN=inner,OU=Groups,OU=Corp,{base}"),
        "CN=inner",
        Some(&format!("OU=Excluded,OU=Corp,{base}")),
    );
    let writes = bed.synced();
    let held = bed.held();
    let released = Thing { active: Some(false), ..before.0[&anchor].clone() };
    held.expect(&expected_with(samba, &[(anchor, released)].into()));
    assert_eq!(writes.count("DELETE"), 1, "the group: {writes}");
    bed.quiet();
    // What happens out there is nobody's business.
    samba.set(&samba.dn_of("u000023"), "displayName", Some("Changed while away"));
    bed.quiet();
    samba.rename(&samba.dn_of("u000023"), "CN=Back", Some(&home));
    samba.rename(
        &format!("CN=inner,OU=Excluded,OU=Corp,{base}"),
        "CN=inner",
        Some(&format!("OU=Groups,OU=Corp,{base}")),
    );
    let [made, ..] = followed(samba, bed);
    assert_eq!(made, 1, "the group comes anew and the account is the one that was there");
    assert_eq!(bed.held().get("u000023@ad.test.example").display, "Changed while away");
}

fn objects_go(samba: &Samba, bed: &Bed) {
    let base = samba.base();
    // One of them leads two others, who are led by nobody then.
    for account in ["odd", "u000506", "u000531", "outer"] {
        samba.delete(&samba.dn_of(account));
    }
    samba.delete(&format!("CN=Contact 00001,OU=Contacts,OU=Corp,{base}"));
    samba.rename(
        &samba.dn_of("u000532"),
        "CN=Away 532",
        Some(&format!("OU=Excluded,OU=Corp,{base}")),
    );
    samba.delete(&samba.dn_of("u000532"));
    let [made, _, gone] = followed(samba, bed);
    assert_eq!((made, gone), (0, 6));
}

//! A real domain controller. Provisioning one takes seconds: what can be asked of one domain is asked in one test.

use std::time::Instant;

use scim_sync::connector::{ImportChange, ImportMode, ImportShape, MatchQuery, Watermark};
use scim_sync::{Anchor, AttributeValue, Connector as _, ConnectorError};
use scim_sync_connectors::ldap::{
    ChangeTracking, Clause, Directory, LdapBind, LdapConfig, LdapConnector, LdapServer, ScopeGroup,
};
use testkit::{Samba, ldif_line};

use super::{Picture, delta, full, read, shape};

const USERS: &str = "(&(objectClass=user)(!(objectClass=computer)))";

fn config(samba: &Samba) -> LdapConfig {
    let (name, password) = samba.sync_account();
    let server = LdapServer::new(samba.ldaps_uri());
    LdapConfig {
        ca_file: Some(samba.ca().to_owned()),
        ..LdapConfig::active_directory("ad", server, LdapBind::simple(name, password), samba.base())
    }
}

fn all() -> ImportShape {
    shape(&[
        (
            "user",
            &[
                "cn",
                "dn",
                "displayName",
                "givenName",
                "sn",
                "mail",
                "title",
                "department",
                "proxyAddresses",
                "userAccountControl",
                "userPrincipalName",
                "sAMAccountName",
                "objectGUID",
                "whenCreated",
                "manager",
                "mailNickname",
            ],
        ),
        (
            "group",
            &["cn", "displayName", "description", "mail", "groupType", "member", "managedBy"],
        ),
        ("contact", &["cn", "displayName", "mail"]),
    ])
}

/// Follows changes and compares, each time, with everything read afresh.
struct Follower<'a> {
    connector: &'a LdapConnector,
    picture: Picture,
    since: Watermark,
}

impl<'a> Follower<'a> {
    async fn begin(connector: &'a LdapConnector) -> Self {
        let first = full(connector, &all()).await;
        Self { connector, picture: Picture::of(&first), since: first.watermark() }
    }

    /// What changed; gives how many things were told.
    async fn follow(&mut self, when: &str) -> usize {
        let next = delta(self.connector, &all(), &self.since).await;
        assert!(next.error.is_none(), "{when}: {:?}", next.error);
        self.picture.apply(&next);
        self.since = next.watermark();
        let fresh = full(self.connector, &all()).await;
        self.picture.assert_is(&Picture::of(&fresh), when);
        // Whoever is not shown what was deleted is told what is there.
        let present = |change: &&ImportChange| matches!(change, ImportChange::Present(_));
        assert_eq!(
            next.end.as_ref().unwrap().sweep,
            next.changes.iter().any(|change| present(&change))
        );
        next.changes.iter().filter(|change| !present(change)).count()
    }
}

#[tokio::test]
async fn a_domain_is_followed_through_all_kinds_of_changes() {
    let samba = Samba::start(120);
    // An account with no more than the right to follow changes, to which Samba does not show what was deleted.
    let connector = LdapConnector::new(config(&samba)).unwrap();
    let mut follower = Follower::begin(&connector).await;
    for (kind, filter) in
        [("user", USERS), ("group", "(objectClass=group)"), ("contact", "(objectClass=contact)")]
    {
        assert_eq!(follower.picture.count(kind), samba.values(filter, "dn").len(), "{kind}");
    }
    values_are_typed(&samba, &follower.picture);
    assert_eq!(follower.follow("nothing").await, 0);

    changes_of_one_object(&samba, &mut follower).await;
    names_and_places(&samba, &mut follower).await;
    memberships(&samba, &mut follower).await;
    deletions(&samba, &mut follower).await;
    a_restart(&samba, &mut follower).await;
    shown_what_was_deleted(&samba).await;
    by_number(&samba).await;
    scopes(&samba).await;
    what_is_wrong_is_told(&samba, &follower.since).await;
    single_questions(&samba, &connector).await;
}

fn values_are_typed(samba: &Samba, picture: &Picture) {
    let first = samba.dn_of("u000001");
    let (anchor, user) = picture
        .objects
        .iter()
        .find(|(_, known)| known.text("samaccountname") == Some("u000001"))
        .unwrap();
    assert!(user.is_in(), "{user:?}");
    assert_eq!(user.text("dn"), Some(first.as_str()));
    let guid = user.values["objectguid"].first();
    let Some(AttributeValue::Binary(octets)) = guid else { panic!("{guid:?}") };
    assert_eq!(super::anchor(octets.as_slice().try_into().unwrap()), *anchor);
    assert_eq!(user.values["useraccountcontrol"], [AttributeValue::Integer(512)]);
    assert!(matches!(user.values["whencreated"][0], AttributeValue::DateTime(_)));
    assert_eq!(user.values["proxyaddresses"].len(), 2);
    let comma =
        picture.objects.values().find(|known| known.text("samaccountname") == Some("u000010"));
    assert!(comma.unwrap().text("cn").unwrap().contains(", "));
    // u000011 has u000002 as manager.
    let of = |name: &str| {
        picture.objects.iter().find(|(_, known)| known.text("samaccountname") == Some(name))
    };
    assert!(of("u000011").unwrap().1.links_to("manager", of("u000002").unwrap().0));
    let (_, staff) = picture.named("cn=all-staff");
    assert_eq!(staff.links["member"].len(), 120);
    assert!(!picture.named("cn=krbtgt").1.is_in());
    assert!(!picture.named("cn=domain users").1.is_in());
}

async fn changes_of_one_object(samba: &Samba, follower: &mut Follower<'_>) {
    let dn = samba.dn_of("u000003");
    samba.set(&dn, "title", Some("Größte"));
    assert_eq!(follower.follow("a value").await, 1);
    samba.set(&dn, "title", None);
    samba.set(&dn, "userAccountControl", Some("546"));
    assert_eq!(follower.follow("a value cleared, an account disabled").await, 1);
    samba.set(&dn, "manager", Some(&samba.dn_of("u000005")));
    follower.follow("a manager").await;
    samba.set(&dn, "manager", Some(&samba.dn_of("u000006")));
    follower.follow("another manager").await;
    samba.set(&dn, "manager", None);
    follower.follow("no manager").await;
    // A class that is added comes without anything that stayed as it was.
    samba.change(&dn, "add", "objectClass", "posixAccount");
    assert_eq!(follower.follow("another class").await, 1);
    // An attribute that nobody asked for is no change.
    samba.set(&dn, "pager", Some("1"));
    assert_eq!(follower.follow("something else").await, 0);
}

async fn names_and_places(samba: &Samba, follower: &mut Follower<'_>) {
    let corp = format!("OU=Corp,{}", samba.base());
    let new = format!(r"CN=Łucja \+ Co\, Ltd,OU=Sales,OU=People,{corp}");
    samba.modify(&format!(
        "{}objectClass: user\nsAMAccountName: lucja\nuserAccountControl: 544\n",
        ldif_line("dn", &new)
    ));
    follower.follow("a new user").await;
    assert_eq!(
        follower.picture.named(r"cn=łucja \+ co\, ltd").1.text("cn"),
        Some("Łucja + Co, Ltd")
    );
    samba.rename(&new, "CN=Łucja", None);
    follower.follow("renamed").await;
    let renamed = format!("CN=Łucja,OU=Sales,OU=People,{corp}");
    samba.rename(&renamed, "CN=Łucja", Some(&format!("OU=Excluded,{corp}")));
    follower.follow("moved").await;
    samba.rename(&format!("OU=Legal,OU=People,{corp}"), "OU=Law", None);
    let told = follower.follow("a place renamed").await;
    assert!(told >= 20, "{told} of the people in it");
    samba.rename(
        &format!("OU=Law,OU=People,{corp}"),
        "OU=Law",
        Some(&format!("OU=Excluded,{corp}")),
    );
    follower.follow("a place moved").await;
}

async fn memberships(samba: &Samba, follower: &mut Follower<'_>) {
    let groups = format!("OU=Groups,OU=Corp,{}", samba.base());
    let group = format!("CN=new group,{groups}");
    samba.modify(&format!(
        "dn: {group}\nobjectClass: group\nsAMAccountName: newgroup\n{}{}",
        ldif_line("member", &samba.dn_of("u000001")),
        ldif_line("member", &format!("CN=grp00001,{groups}"))
    ));
    follower.follow("a new group").await;
    assert_eq!(follower.picture.named("cn=new group").1.links["member"].len(), 2);
    samba.change(&group, "add", "member", &samba.dn_of("u000007"));
    samba.change(&group, "delete", "member", &samba.dn_of("u000001"));
    follower.follow("one came, one went").await;
    samba.change(
        &group,
        "add",
        "member",
        &format!("CN=Contact 00001,OU=Contacts,OU=Corp,{}", samba.base()),
    );
    follower.follow("a contact").await;
    // The primary group is a membership that the group does not list.
    let token = samba.values("(sAMAccountName=newgroup)", "primaryGroupToken");
    let [relative] = token.as_slice() else { panic!("{token:?}") };
    let user = samba.dn_of("u000007");
    samba.set(&user, "primaryGroupID", Some(relative));
    follower.follow("a primary group").await;
    assert_eq!(follower.picture.named("cn=new group").1.links["member"].len(), 3);
    samba.set(&user, "primaryGroupID", Some("513"));
    follower.follow("the usual primary group").await;
    samba.rename(&group, "CN=renamed group", None);
    follower.follow("a group renamed").await;
    assert_eq!(follower.picture.named("cn=renamed group").1.links["member"].len(), 3);
}

async fn deletions(samba: &Samba, follower: &mut Follower<'_>) {
    samba.delete(&samba.dn_of("u000020"));
    samba.delete(&samba.dn_of("newgroup"));
    follower.follow("deletions").await;
    let doomed = format!("CN=Doomed,OU=Sales,OU=People,OU=Corp,{}", samba.base());
    samba.modify(&format!(
        "dn: {doomed}\nobjectClass: user\nsAMAccountName: doomed\nuserAccountControl: 544\n"
    ));
    samba.delete(&doomed);
    follower.follow("made and deleted between two reads").await;
}

async fn a_restart(samba: &Samba, follower: &mut Follower<'_>) {
    samba.stop();
    let error = delta(follower.connector, &all(), &follower.since).await.failed();
    assert!(matches!(error, ConnectorError::Unreachable(_)), "{error:?}");
    samba.start_again();
    samba.set(&samba.dn_of("u000004"), "title", Some("after the restart"));
    assert_eq!(follower.follow("a restart").await, 1);
}

/// An account to which deletions are told.
async fn shown_what_was_deleted(samba: &Samba) {
    let (name, password) = samba.admin();
    let config = LdapConfig { bind: LdapBind::simple(name, password), ..config(samba) };
    let connector = LdapConnector::new(config).unwrap();
    let mut follower = Follower::begin(&connector).await;
    samba.delete(&samba.dn_of("u000022"));
    samba.delete(&samba.dn_of("grp00090"));
    let next = delta(&connector, &all(), &follower.since).await.complete(false);
    assert_eq!(next.deleted().len(), 2);
    assert_eq!(next.changes.len(), 2, "{next:?}");
    follower.follow("deletions that are told").await;
}

/// The same changes by uSNChanged.
async fn by_number(samba: &Samba) {
    let (name, password) = samba.admin();
    let mut config = config(samba);
    config.directory = Directory::ActiveDirectory(ChangeTracking::UsnChanged);
    config.bind = LdapBind::simple(name, password);
    let connector = LdapConnector::new(config.clone()).unwrap();
    let mut follower = Follower::begin(&connector).await;
    let dirsync = LdapConnector::new(LdapConfig {
        directory: Directory::ActiveDirectory(ChangeTracking::default()),
        ..config.clone()
    });
    let other = Picture::of(&full(&dirsync.unwrap(), &all()).await);
    follower.picture.assert_is(&other, "read by pages and by DirSync");
    assert_eq!(follower.follow("nothing").await, 0);
    let corp = format!("OU=Corp,{}", samba.base());
    samba.set(&samba.dn_of("u000004"), "title", None);
    samba.delete(&samba.dn_of("u000021"));
    samba.change(
        &format!("CN=grp00003,OU=Groups,{corp}"),
        "add",
        "member",
        &samba.dn_of("u000004"),
    );
    samba.rename(&format!("OU=HR,OU=People,{corp}"), "OU=Human Resources", None);
    follower.follow("by number").await;
    config.bind = LdapBind::simple("u000001@ad.test.example", "Us3r-Pass.word");
    let plain = LdapConnector::new(config).unwrap();
    let mut follower = Follower::begin(&plain).await;
    samba.delete(&samba.dn_of("u000023"));
    follower.follow("a deletion that is not told").await;
}

async fn scopes(samba: &Samba) {
    let corp = format!("OU=Corp,{}", samba.base());
    let mut config = config(samba);
    config.scope.include = vec![format!("OU=People,{corp}")];
    config.scope.exclude = vec![format!("OU=Finance,OU=People,{corp}")];
    config.scope.clauses =
        [("user".into(), Clause::negate(Clause::starts_with("title", "Intern")))].into();
    let connector = LdapConnector::new(config.clone()).unwrap();
    let mut follower = Follower::begin(&connector).await;
    let is_in = |follower: &Follower<'_>, name: &str| {
        let known = follower
            .picture
            .objects
            .values()
            .find(|known| known.text("samaccountname") == Some(name));
        known.unwrap().is_in()
    };
    let sales = samba.values(&format!("(&{USERS}(department=Sales))"), "sAMAccountName").remove(0);
    let finance =
        samba.values(&format!("(&{USERS}(department=Finance))"), "sAMAccountName").remove(0);
    assert!(is_in(&follower, &sales) && !is_in(&follower, &finance));
    samba.set(&samba.dn_of(&sales), "title", Some("Intern of the year"));
    follower.follow("a condition").await;
    assert!(!is_in(&follower, &sales));
    samba.set(&samba.dn_of(&sales), "title", None);
    samba.rename(&format!("OU=People,{corp}"), "OU=Everyone", None);
    samba.rename(&samba.dn_of(&finance), "CN=mover", Some(&format!("OU=Sales,OU=Everyone,{corp}")));
    let next = delta(&connector, &all(), &follower.since).await.complete(true);
    follower.picture.apply(&next);
    assert!(is_in(&follower, &sales), "the place of the scope was renamed");
    assert!(is_in(&follower, &finance), "moved out of what is left out");
    samba.rename(&format!("OU=Everyone,{corp}"), "OU=People", None);

    // A pilot group, with a group in it.
    let groups = format!("OU=Groups,{corp}");
    let (pilot, inner) = (format!("CN=pilot,{groups}"), format!("CN=inner,{groups}"));
    samba.modify(&format!(
        "dn: {inner}\nobjectClass: group\nsAMAccountName: inner\n{}\n\
         dn: {pilot}\nobjectClass: group\nsAMAccountName: pilot\n{}member: {inner}\n",
        ldif_line("member", &samba.dn_of("u000030")),
        ldif_line("member", &samba.dn_of("u000031"))
    ));
    config.scope = Default::default();
    config.scope.group = Some(ScopeGroup { name: pilot.clone(), nested: true });
    let connector = LdapConnector::new(config).unwrap();
    let mut follower = Follower::begin(&connector).await;
    assert!(
        is_in(&follower, "u000030") && is_in(&follower, "u000031") && !is_in(&follower, "u000032")
    );
    let inside = follower.picture.objects.values().filter(|known| known.is_in()).count();
    assert_eq!(inside, 4, "two people and two groups");
    samba.change(&inner, "add", "member", &samba.dn_of("u000032"));
    samba.change(&inner, "delete", "member", &samba.dn_of("u000030"));
    follower.follow("other members of the pilot").await;
    assert!(!is_in(&follower, "u000030") && is_in(&follower, "u000032"));
    // The primary group is a membership that the group does not list: of a group within the pilot, too.
    let token = samba.values("(sAMAccountName=inner)", "primaryGroupToken").remove(0);
    let user = samba.dn_of("u000032");
    samba.set(&user, "primaryGroupID", Some(&token));
    follower.follow("the inner group as primary group").await;
    assert!(is_in(&follower, "u000032"), "still a pilot");
    samba.set(&user, "primaryGroupID", Some("513"));
    follower.follow("the usual primary group again").await;
}

async fn what_is_wrong_is_told(samba: &Samba, since: &Watermark) {
    let base = config(samba);
    let fails = async |config: LdapConfig| {
        let connector = LdapConnector::new(config).unwrap();
        read(&connector, &all(), ImportMode::Full).await.failed()
    };
    let wrong = LdapBind::simple(samba.sync_account().0, "wrong");
    let error = fails(LdapConfig { bind: wrong, ..base.clone() }).await;
    assert!(matches!(error, ConnectorError::Credentials(_)), "{error:?}");
    // Another authority.
    let other = tempfile::NamedTempFile::new().unwrap();
    let key = rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap();
    std::fs::write(other.path(), key.cert.pem()).unwrap();
    let error = fails(LdapConfig { ca_file: Some(other.path().to_owned()), ..base.clone() }).await;
    assert!(error.to_string().contains("not trusted"), "{error}");
    // A right is missing.
    let plain = LdapBind::simple("u000001@ad.test.example", "Us3r-Pass.word");
    let error = fails(LdapConfig { bind: plain.clone(), ..base.clone() }).await;
    assert!(error.to_string().contains("Replicating Directory Changes"), "{error}");
    let directory = Directory::ActiveDirectory(ChangeTracking::DirSync { object_security: true });
    let modest = LdapConfig { bind: plain, directory, ..base.clone() };
    let connector = LdapConnector::new(modest).unwrap();
    let mut follower = Follower::begin(&connector).await;
    assert!(follower.picture.objects.len() > 200);
    samba.delete(&samba.dn_of("u000024"));
    follower.follow("a deletion that is not told to ordinary rights").await;
    // No such base, and one that is no root.
    for place in ["DC=no,DC=where".to_owned(), format!("OU=Corp,{}", samba.base())] {
        let error = fails(LdapConfig { base: place, ..base.clone() }).await;
        assert!(matches!(error, ConnectorError::Configuration(_)), "{error:?}");
    }
    // A cookie that is none.
    let connector = LdapConnector::new(base.clone()).unwrap();
    let mut junk = since.0.clone();
    junk["progress"]["dirSync"]["cookies"]["user"] = "anVuaw==".into();
    let error = delta(&connector, &all(), &Watermark(junk)).await.failed();
    assert!(matches!(error, ConnectorError::WatermarkRefused(_)), "{error:?}");
    // StartTLS instead of LDAPS.
    let server = LdapServer::new(samba.ldap_uri()).with_start_tls();
    let connector = LdapConnector::new(LdapConfig { servers: vec![server], ..base }).unwrap();
    let probe = connector.probe().await.unwrap();
    assert!(probe.dirsync && probe.clock.is_some() && probe.attributes > 500, "{probe:?}");
}

async fn single_questions(samba: &Samba, connector: &LdapConnector) {
    let find = async |attribute: &str, value: &str| {
        let query = MatchQuery {
            object_type: "user".into(),
            attribute: attribute.into(),
            value: value.into(),
            limit: 2,
        };
        connector.find(&query, &all()).await.unwrap()
    };
    let found = find("mail", "u000002@ad.test.example").await;
    assert_eq!(found.len(), 1);
    assert_eq!(find("department", "Sales").await.len(), 2);
    assert!(find("mail", "*").await.is_empty());
    let by_name = find("dn", &samba.dn_of("u000010")).await;
    assert_eq!(by_name.len(), 1);
    assert!(find("dn", "CN=nobody,DC=x").await.is_empty());
    let gone = Anchor::new("AAAAAAAAAAAAAAAAAAAAAA==");
    let read = connector.read(&[gone, found[0].anchor.clone()], &all()).await.unwrap();
    assert_eq!(read, found);
}

/// How fast a domain is read; `cargo test -- --ignored --nocapture rate`.
#[tokio::test]
#[ignore = "a measurement"]
async fn rate() {
    let samba = Samba::start(2_000);
    let connector = LdapConnector::new(config(&samba)).unwrap();
    for round in 1..=3 {
        let begin = Instant::now();
        let read = full(&connector, &all()).await;
        let took = begin.elapsed();
        let count = read.objects().count();
        let begin = Instant::now();
        let quiet = delta(&connector, &all(), &read.watermark()).await;
        println!(
            "round {round}: {count} objects in {took:?}, {:.0} a second; nothing changed ({}): {:?}",
            count as f64 / took.as_secs_f64(),
            quiet.changes.len(),
            begin.elapsed()
        );
    }
}

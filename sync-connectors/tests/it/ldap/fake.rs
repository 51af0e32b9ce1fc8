//! What only a misbehaving server shows.

use std::time::Duration;

use scim_sync::connector::{ImportMode, ImportShape, MatchQuery, SourceScope, Watermark};
use scim_sync::{Anchor, Connector as _, ConnectorError};
use scim_sync_connectors::ldap::{
    LdapBind, LdapConfig, LdapConnector, LdapLimits, LdapServer, ScopeGroup,
};
use testkit::FakeAd;
use testkit::fake_ad::{BASE, Fault, PASSWORD};

use super::{Picture, anchor, delta, full, read, shape};

fn config(fake: &FakeAd) -> LdapConfig {
    let bind = LdapBind::simple("CN=reader,DC=fake,DC=example", PASSWORD);
    LdapConfig {
        allow_plaintext: true,
        limits: LdapLimits { idle: Duration::from_secs(10), ..LdapLimits::default() },
        ..LdapConfig::active_directory("fake", LdapServer::new(&fake.url()), bind, BASE)
    }
}

fn connector(fake: &FakeAd) -> LdapConnector {
    LdapConnector::new(config(fake)).unwrap()
}

fn all() -> ImportShape {
    shape(&[("user", &["cn", "title", "mail", "manager"]), ("group", &["cn", "member"])])
}

fn user(fake: &FakeAd, name: &str) -> [u8; 16] {
    let dn = format!("CN={name},OU=People,{BASE}");
    fake.add(
        "user",
        &dn,
        &[("sAMAccountName", name), ("userAccountControl", "512"), ("title", "x")],
    )
}

fn group(fake: &FakeAd, name: &str) -> [u8; 16] {
    fake.add("group", &format!("CN={name},OU=Groups,{BASE}"), &[("groupType", "-2147483646")])
}

fn people(count: usize) -> (FakeAd, Vec<[u8; 16]>) {
    let fake = FakeAd::start();
    fake.add("organizationalUnit", &format!("OU=People,{BASE}"), &[]);
    fake.add("organizationalUnit", &format!("OU=Groups,{BASE}"), &[]);
    let users = (0..count).map(|number| user(&fake, &format!("u{number}"))).collect();
    (fake, users)
}

#[tokio::test]
async fn an_answer_in_many_parts_is_read_to_its_end() {
    let (fake, users) = people(25);
    let staff = group(&fake, "staff");
    fake.link(staff, "member", &users, true);
    fake.dirsync_page(4);
    let connector = connector(&fake);
    let first = full(&connector, &all()).await;
    let mut picture = Picture::of(&first);
    assert_eq!((picture.count("user"), picture.count("group")), (25, 1));
    let (_, known) = picture.named("cn=staff");
    assert_eq!(known.links["member"].len(), 25);
    for user in users.iter().take(9) {
        fake.set(*user, "title", Some("y"));
    }
    fake.delete(users[10]);
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    assert_eq!(second.changes.len(), 10);
    picture.apply(&second);
    picture.assert_is(&Picture::of(&full(&connector, &all()).await), "after ten changes");
}

#[tokio::test]
async fn a_read_that_was_cut_off_has_no_end() {
    let (fake, _) = people(12);
    fake.dirsync_page(5);
    let mut config = config(&fake);
    config.limits.idle = Duration::from_millis(700);
    let connector = LdapConnector::new(config).unwrap();
    let unreachable = |error: &ConnectorError| matches!(error, ConnectorError::Unreachable(_));
    let incomplete = |error: &ConnectorError| matches!(error, ConnectorError::Incomplete(_));
    let protocol = |error: &ConnectorError| matches!(error, ConnectorError::Protocol(_));
    let forbidden = |error: &ConnectorError| matches!(error, ConnectorError::Forbidden(_));
    type Kind<'a> = &'a dyn Fn(&ConnectorError) -> bool;
    let faults: [(Fault, Kind<'_>); 11] = [
        (Fault::CutAfter(3), &unreachable),
        (Fault::PromiseAndLeave, &|error| unreachable(error) || protocol(error)),
        (Fault::Silence, &unreachable),
        (Fault::Noise, &|error| unreachable(error) || protocol(error)),
        (Fault::SizeLimit(3), &incomplete),
        (Fault::Reference, &incomplete),
        (Fault::Referral, &incomplete),
        (Fault::NoAnswerControl, &protocol),
        (Fault::BadAnswerControl, &protocol),
        (Fault::BadEntry, &protocol),
        (Fault::Forbid, &forbidden),
    ];
    for (fault, kind) in faults {
        fake.misbehave(Some(fault));
        let error = read(&connector, &all(), ImportMode::Full).await.failed();
        assert!(kind(&error), "{fault:?}: {error:?}");
        fake.misbehave(None);
        let whole = full(&connector, &all()).await;
        assert_eq!(whole.objects().count(), 12, "after {fault:?}");
        // The same in the middle of following changes.
        fake.misbehave(Some(fault));
        let since = whole.watermark();
        let read = delta(&connector, &all(), &since).await;
        let answers = matches!(fault, Fault::CutAfter(_) | Fault::SizeLimit(_));
        if answers {
            // Nothing changed, so there is nothing to be cut.
            read.complete(false);
        } else {
            let error = read.failed();
            assert!(kind(&error), "{fault:?}: {error:?}");
        }
        fake.misbehave(None);
    }
}

#[tokio::test]
async fn a_cookie_that_is_refused_asks_for_a_full_read() {
    let (fake, _) = people(3);
    let connector = connector(&fake);
    let since = full(&connector, &all()).await.watermark();
    let refused = |error: &ConnectorError| matches!(error, ConnectorError::WatermarkRefused(_));
    fake.misbehave(Some(Fault::RefuseCookies));
    let error = delta(&connector, &all(), &since).await.failed();
    assert!(refused(&error), "{error:?}");
    fake.misbehave(None);
    delta(&connector, &all(), &since).await.complete(false);
    // Another question.
    let wider = shape(&[("user", &["cn", "proxyAddresses"])]);
    assert!(refused(&delta(&connector, &wider, &since).await.failed()));
    // Something else altogether.
    let junk = Watermark(serde_json::json!({"server": {"name": "x", "invocationId": null}}));
    assert!(refused(&delta(&connector, &all(), &junk).await.failed()));
    // Another server of the same name.
    fake.become_another();
    let error = delta(&connector, &all(), &since).await.failed();
    assert!(refused(&error) && error.to_string().contains("counts on its own"), "{error}");
}

#[tokio::test]
async fn a_list_of_thousands_comes_in_slices() {
    let (fake, users) = people(3_600);
    let staff = group(&fake, "staff");
    fake.link(staff, "member", &users, true);
    let connector = connector(&fake);
    let first = full(&connector, &all()).await;
    // Renaming a group makes it be read again whole, by an ordinary search, whose lists are cut.
    fake.rename(staff, &format!("CN=everyone,OU=Groups,{BASE}"));
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    let [object] = second.objects().collect::<Vec<_>>()[..] else { panic!("{second:?}") };
    assert_eq!(object.references[&"member".into()].len(), 3_600);
    let single = connector.read(&[Anchor::new(anchor(staff))], &all()).await.unwrap();
    assert_eq!(single[0].references[&"member".into()].len(), 3_600);
    fake.misbehave(Some(Fault::LoseRange));
    let error = connector.read(&[Anchor::new(anchor(staff))], &all()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Incomplete(_)), "{error:?}");
    fake.rename(staff, &format!("CN=staff,OU=Groups,{BASE}"));
    let error = delta(&connector, &all(), &second.watermark()).await.failed();
    assert!(matches!(error, ConnectorError::Incomplete(_)), "{error:?}");
}

#[tokio::test]
async fn a_renamed_place_makes_what_is_under_it_be_read_again() {
    let (fake, users) = people(3);
    let place = fake.add("organizationalUnit", &format!("OU=Sales,OU=People,{BASE}"), &[]);
    let seller = fake.add(
        "user",
        &format!("CN=seller,OU=Sales,OU=People,{BASE}"),
        &[("sAMAccountName", "seller"), ("userAccountControl", "512")],
    );
    let mut config = config(&fake);
    config.scope.include = vec![format!("OU=People,{BASE}")];
    let connector = LdapConnector::new(config).unwrap();
    let first = full(&connector, &all()).await;
    let mut picture = Picture::of(&first);
    assert!(picture.named("cn=seller").1.is_in());
    fake.rename(place, &format!("OU=Old,{BASE}"));
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    picture.apply(&second);
    let (key, known) = picture.named("cn=seller");
    assert_eq!(key, anchor(seller));
    assert!(!known.is_in() && known.dn.ends_with("ou=old,dc=fake,dc=example"), "{known:?}");
    assert!(second.deleted().is_empty());
    // The place that the scope names may be renamed as it likes.
    let people = connector
        .find(
            &MatchQuery {
                object_type: "user".into(),
                attribute: "sAMAccountName".into(),
                value: "u0".into(),
                limit: 2,
            },
            &all(),
        )
        .await
        .unwrap();
    assert_eq!(people[0].anchor.as_str(), anchor(users[0]));
    picture.assert_is(&Picture::of(&full(&connector, &all()).await), "after the move");
}

#[tokio::test]
async fn the_place_that_a_scope_names_may_be_renamed() {
    let fake = FakeAd::start();
    let place = fake.add("organizationalUnit", &format!("OU=People,{BASE}"), &[]);
    let ada_guid = user(&fake, "ada");
    let mut config = config(&fake);
    config.scope.include = vec![format!("OU=People,{BASE}")];
    let connector = LdapConnector::new(config.clone()).unwrap();
    let first = full(&connector, &all()).await;
    fake.rename(place, &format!("OU=Humans,{BASE}"));
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    let mut picture = Picture::of(&first);
    picture.apply(&second);
    let (_, ada) = picture.named("cn=ada");
    assert!(ada.is_in() && ada.dn.contains("ou=humans"), "{ada:?}");
    // Nor does it matter to a full read, nor to a single question: also in a new process, which is told the watermark.
    let renamed = connector;
    let connector = LdapConnector::new(config.clone()).unwrap();
    connector.remember(&second.watermark());
    for connector in [&renamed, &connector] {
        let found = connector.read(&[Anchor::new(anchor(ada_guid))], &all()).await.unwrap();
        assert_eq!(found[0].scope, SourceScope::In);
        picture.assert_is(&Picture::of(&full(connector, &all()).await), "read whole");
    }
    // A new place of the old name is another place.
    let newer = fake.add("organizationalUnit", &format!("OU=People,{BASE}"), &[]);
    user(&fake, "bob");
    let third = delta(&connector, &all(), &second.watermark()).await.complete(false);
    let bob =
        third.objects().find(|object| object.dn.as_ref().unwrap().to_string().contains("bob"));
    assert!(matches!(bob.unwrap().scope, SourceScope::Out(_)), "{bob:?}");
    // Unless the known one is gone: then everything is read, by the name.
    fake.delete(place);
    let error = delta(&connector, &all(), &third.watermark()).await.failed();
    assert!(matches!(error, ConnectorError::WatermarkRefused(_)), "{error:?}");
    assert!(Picture::of(&full(&connector, &all()).await).named("cn=bob").1.is_in());
    // Without either nothing is read, rather than nobody in scope.
    fake.delete(newer);
    let error = read(&connector, &all(), ImportMode::Full).await.failed();
    assert!(matches!(error, ConnectorError::Configuration(_)), "{error:?}");
}

#[tokio::test]
async fn links_values_and_tombstones() {
    let (fake, users) = people(4);
    let staff = group(&fake, "staff");
    fake.link(staff, "member", &users[..2], true);
    let connector = connector(&fake);
    let first = full(&connector, &all()).await;
    let mut picture = Picture::of(&first);
    fake.link(staff, "member", &users[..1], false);
    fake.link(staff, "member", &users[2..], true);
    fake.link(users[1], "manager", &users[..1], true);
    fake.set(users[3], "title", None);
    let late = user(&fake, "late");
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    picture.apply(&second);
    assert_eq!(picture.named("cn=u3").1.text("title"), None);
    assert!(picture.named("cn=u1").1.links_to("manager", &anchor(users[0])));
    assert_eq!(picture.named("cn=staff").1.links["member"].len(), 3);
    assert!(picture.named("cn=late").1.is_in());
    fake.delete(late);
    fake.delete(users[0]);
    let third = delta(&connector, &all(), &second.watermark()).await.complete(false);
    assert_eq!(third.deleted(), [anchor(late).as_str(), anchor(users[0]).as_str()].into());
    assert_eq!(third.changes.len(), 2, "{third:?}");
    // A full read tells tombstones too, which are nothing to a reader who never heard of the objects, and sweeps.
    let fresh = full(&connector, &all()).await;
    assert_eq!(fresh.deleted(), third.deleted());
    picture.apply(&third);
    picture.assert_is(&Picture::of(&fresh), "after deletions");
}

#[tokio::test]
async fn another_class_of_an_object_is_no_new_object() {
    let (fake, users) = people(2);
    fake.link(users[0], "manager", &users[1..], true);
    let connector = connector(&fake);
    let first = full(&connector, &all()).await;
    let before = Picture::of(&first);
    fake.add_class(users[0], "posixAccount");
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    let mut picture = before.clone();
    picture.apply(&second);
    picture.assert_is(&before, "with another class, and everything else as it was");
    // What is new comes whole, and is not asked for again.
    user(&fake, "new");
    let asked = fake.searches().len();
    let third = delta(&connector, &all(), &second.watermark()).await.complete(false);
    assert_eq!(third.objects().count(), 1);
    let asked: Vec<_> = fake.searches().split_off(asked);
    assert!(!asked.iter().any(|filter| filter.contains("objectGUID")), "{asked:?}");
}

/// The last cookie of an answer in many parts is past what happened while it was told, which no later read tells.
#[tokio::test]
async fn what_happens_between_the_parts_of_a_first_read_is_told_by_it() {
    use futures::StreamExt as _;
    use scim_sync::connector::ImportRequest;

    let (fake, users) = people(1_200);
    fake.dirsync_page(600);
    let connector = connector(&fake);
    let mut first = super::Read::default();
    let mut pages = connector.import(ImportRequest { mode: ImportMode::Full, shape: all() });
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        if first.changes.is_empty() {
            assert!(page.end.is_none() && page.changes.len() < 600);
            fake.delete(users[0]);
            fake.rename(users[1], &format!("CN=late,OU=People,{BASE}"));
        }
        first.changes.extend(page.changes);
        first.end = page.end;
    }
    let picture = Picture::of(&first.complete(true));
    picture.assert_is(&Picture::of(&full(&connector, &all()).await), "told in two parts");
}

#[tokio::test]
async fn who_is_a_member_by_primary_group() {
    let (fake, users) = people(3);
    let sid =
        |relative: u8| String::from_utf8(vec![1, 1, 0, 0, 0, 0, 0, 5, relative, 0, 0, 0]).unwrap();
    let staff = group(&fake, "staff");
    fake.set(staff, "objectSid", Some(&sid(77)));
    for user in &users {
        fake.set(*user, "primaryGroupID", Some("513"));
    }
    fake.set(users[0], "primaryGroupID", Some("77"));
    let connector = connector(&fake);
    let first = full(&connector, &all()).await;
    let picture = Picture::of(&first);
    let (_, known) = picture.named("cn=staff");
    assert!(known.links_to("member", &anchor(users[0])));
    assert_eq!(known.links["member"].len(), 1);
    // A domain controller takes a member off the list when the group becomes the primary one; it still is a member.
    fake.link(staff, "member", &users[1..], true);
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    fake.set(users[1], "primaryGroupID", Some("77"));
    fake.link(staff, "member", &users[1..2], false);
    let third = delta(&connector, &all(), &second.watermark()).await.complete(false);
    let mut picture = picture;
    picture.apply(&second);
    picture.apply(&third);
    assert_eq!(picture.named("cn=staff").1.links["member"].len(), 3, "{third:?}");
    picture.assert_is(
        &Picture::of(&full(&connector, &all()).await),
        "after a change of primary group",
    );
}

#[tokio::test]
async fn who_is_a_pilot_by_primary_group() {
    let (fake, users) = people(4);
    let sid = |relative: u8| String::from_utf8(vec![1, 1, 0, 0, 0, 0, 0, 5, relative, 0, 0, 0]);
    let pilots = group(&fake, "pilots");
    fake.set(pilots, "objectSid", Some(&sid(77).unwrap()));
    for user in &users {
        fake.set(*user, "primaryGroupID", Some("513"));
    }
    fake.link(pilots, "member", &users[..2], true);
    let mut config = config(&fake);
    let name = format!("CN=pilots,OU=Groups,{BASE}");
    config.scope.group = Some(ScopeGroup { name, nested: false });
    let connector = LdapConnector::new(config).unwrap();
    let first = full(&connector, &all()).await;
    let mut picture = Picture::of(&first);
    let inside = |picture: &Picture| -> Vec<bool> {
        (0..4).map(|number| picture.named(&format!("cn=u{number}")).1.is_in()).collect()
    };
    assert_eq!(inside(&picture), [true, true, false, false]);
    // A domain controller takes a member off the list when the group becomes the primary one; it still is a member.
    fake.set(users[1], "primaryGroupID", Some("77"));
    fake.link(pilots, "member", &users[1..2], false);
    fake.set(users[2], "primaryGroupID", Some("77"));
    let second = delta(&connector, &all(), &first.watermark()).await.complete(false);
    picture.apply(&second);
    assert_eq!(inside(&picture), [true, true, true, false]);
    picture.assert_is(&Picture::of(&full(&connector, &all()).await), "as read afresh");
}

#[tokio::test]
async fn only_what_the_schema_has_is_asked_for_and_nothing_is_written() {
    let (fake, _) = people(1);
    let connector = connector(&fake);
    let shape = shape(&[("user", &["mailNickname", "memberOf", "title"])]);
    let read = full(&connector, &shape).await;
    let object = read.objects().next().unwrap();
    assert_eq!(object.attributes.len(), 1);
    let schema = connector.schema().await.unwrap();
    let user = &schema.types[&"user".into()];
    assert!(user.attribute(&"title".into()).is_some());
    assert!(user.attribute(&"memberOf".into()).is_none());
    let error = connector.export(Vec::new()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unsupported(_)), "{error:?}");
    let probe = connector.probe().await.unwrap();
    assert!(probe.dirsync && !probe.content_sync);
    assert_eq!(probe.server, "dc1.fake.example");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_tried_nowhere_else() {
    let (fake, _) = people(1);
    let mut config = config(&fake);
    config.bind = LdapBind::simple("CN=reader", "not-the-password");
    config.servers.push(LdapServer::new("ldap://127.0.0.1:1"));
    let connector = LdapConnector::new(config).unwrap();
    let error = read(&connector, &all(), ImportMode::Full).await.failed();
    assert!(matches!(error, ConnectorError::Credentials(_)), "{error:?}");
    assert!(!error.to_string().contains("not-the-password"), "{error}");
}

#[tokio::test]
async fn the_next_server_answers_when_the_first_does_not() {
    let (fake, _) = people(2);
    let mut config = config(&fake);
    config.servers.insert(0, LdapServer::new("ldap://127.0.0.1:1"));
    let connector = LdapConnector::new(config.clone()).unwrap();
    let first = full(&connector, &all()).await;
    delta(&connector, &all(), &first.watermark()).await.complete(false);
    // Nobody is left: an error that may pass, not a reason to read everything.
    config.servers.truncate(1);
    let alone = LdapConnector::new(config).unwrap();
    let error = delta(&alone, &all(), &first.watermark()).await.failed();
    assert!(matches!(error, ConnectorError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_the_read() {
    use futures::StreamExt as _;
    use scim_sync::connector::ImportRequest;

    let (fake, _) = people(3_000);
    let connector = connector(&fake);
    let mut pages = connector.import(ImportRequest { mode: ImportMode::Full, shape: all() });
    let first = pages.next().await.unwrap().unwrap();
    assert!(first.end.is_none() && !first.changes.is_empty());
    let asked = fake.searches().len();
    drop(pages);
    // Nothing was asked in the background, and the connector is as good as before.
    assert_eq!(fake.searches().len(), asked);
    let whole = full(&connector, &all()).await;
    assert_eq!(whole.objects().count(), 3_000);
}

#[tokio::test]
async fn a_part_of_what_was_asked_for_is_no_answer() {
    let (fake, users) = people(3);
    let connector = connector(&fake);
    let anchors: Vec<Anchor> = users.iter().map(|user| Anchor::new(anchor(*user))).collect();
    let query = |limit| MatchQuery {
        object_type: "user".into(),
        attribute: "title".into(),
        value: "x".into(),
        limit,
    };
    assert_eq!(connector.read(&anchors, &all()).await.unwrap().len(), 3);
    fake.misbehave(Some(Fault::SizeLimit(2)));
    // Those that it leaves out would look as if they were gone.
    let error = connector.read(&anchors, &all()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Incomplete(_)), "{error:?}");
    // Two are enough to know that there is more than one.
    assert_eq!(connector.find(&query(2), &all()).await.unwrap().len(), 2);
    let error = connector.find(&query(3), &all()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Incomplete(_)), "{error:?}");
}

//! A real OpenLDAP server, with and without a memory of deletions.

use scim_sync::connector::{ImportMode, ImportShape, MatchQuery, Watermark};
use scim_sync::{Connector as _, ConnectorError};
use scim_sync_connectors::ldap::{LdapBind, LdapConfig, LdapConnector, LdapServer, ScopeGroup};
use testkit::OpenLdap;

use super::{Picture, Read, delta, full, read, shape};

fn config(server: &OpenLdap) -> LdapConfig {
    let (name, password) = server.sync_account();
    let url = LdapServer::new(server.ldaps_uri());
    LdapConfig {
        ca_file: Some(server.ca().to_owned()),
        ..LdapConfig::open_ldap("ldap", url, LdapBind::simple(name, password), server.base())
    }
}

fn all() -> ImportShape {
    shape(&[
        (
            "inetOrgPerson",
            &["uid", "cn", "sn", "mail", "title", "employeeNumber", "manager", "noSuchThing"],
        ),
        ("groupOfNames", &["cn", "description", "member"]),
    ])
}

struct Follower<'a> {
    connector: &'a LdapConnector,
    picture: Picture,
    since: Watermark,
}

impl Follower<'_> {
    /// What changed, compared with everything read afresh.
    async fn follow(&mut self, when: &str) -> Read {
        let next = delta(self.connector, &all(), &self.since).await;
        assert!(next.error.is_none(), "{when}: {:?}", next.error);
        self.picture.apply(&next);
        self.since = next.watermark();
        let fresh = full(self.connector, &all()).await;
        self.picture.assert_is(&Picture::of(&fresh), when);
        next
    }
}

async fn is_followed(session_log: u32) {
    let server = OpenLdap::start(200, session_log);
    let connector = LdapConnector::new(config(&server)).unwrap();
    let first = full(&connector, &all()).await;
    let mut follower =
        Follower { connector: &connector, picture: Picture::of(&first), since: first.watermark() };
    assert_eq!(follower.picture.count("inetOrgPerson"), 200);
    assert_eq!(follower.picture.count("groupOfNames"), 20);
    let base = server.base().to_owned();
    let user = |number: u32, unit: &str| format!("uid=u{number:06},ou={unit},ou=people,{base}");
    let quiet = follower.follow("nothing").await;
    assert!(quiet.objects().count() == 0 && quiet.deleted().is_empty(), "{quiet:?}");

    server.modify(&format!(
        "dn: {}\nchangetype: modify\nreplace: title\ntitle: Größte\n\n\
         dn: uid=new,ou=sales,ou=people,{base}\nchangetype: add\nobjectClass: inetOrgPerson\ncn: New\nsn: One\n\n\
         dn: cn=grp00001,ou=groups,{base}\nchangetype: modify\nadd: member\nmember: uid=new,ou=sales,ou=people,{base}\n",
        user(1, "engineering")
    ));
    let next = follower.follow("a change, an addition, a membership").await;
    assert_eq!(next.objects().count(), 3, "{next:?}");
    // A deletion is told, or is what is not named any more.
    server.modify(&format!("dn: {}\nchangetype: delete\n", user(7, "engineering")));
    let before = follower.picture.objects.len();
    let next = follower.follow("a deletion").await;
    assert_eq!(follower.picture.objects.len(), before - 1);
    let end = next.end.as_ref().unwrap();
    assert_eq!(
        (next.deleted().len(), end.sweep),
        if session_log == 0 { (0, true) } else { (1, false) }
    );
    // Moved, alone and with the place it is in.
    server.modify(&format!(
        "dn: {}\nchangetype: modrdn\nnewrdn: uid=moved\ndeleteoldrdn: 1\nnewsuperior: ou=excluded,{base}\n",
        user(2, "finance")
    ));
    follower.follow("a move").await;
    assert!(follower.picture.named("uid=moved").1.dn.contains("ou=excluded"));
    server.modify(&format!(
        "dn: ou=legal,ou=people,{base}\nchangetype: modrdn\nnewrdn: ou=law\ndeleteoldrdn: 1\n"
    ));
    follower.follow("a place renamed").await;
    let law =
        follower.picture.objects.values().filter(|known| known.dn.contains("ou=law,")).count();
    assert!(law > 20, "{law}");
    // The server is gone for a while.
    server.stop();
    let error = delta(&connector, &all(), &follower.since).await.failed();
    assert!(matches!(error, ConnectorError::Unreachable(_)), "{error:?}");
    server.start_again();
    server.modify(&format!("dn: {}\nchangetype: delete\n", user(13, "engineering")));
    follower.follow("a restart").await;
    what_is_wrong_is_told(&server, &connector, &follower.since).await;
    by_group(&server).await;
}

#[tokio::test]
async fn a_server_that_lists_deletions_is_followed() {
    is_followed(10_000).await;
}

#[tokio::test]
async fn a_server_that_names_what_is_there_is_followed() {
    is_followed(0).await;
}

async fn what_is_wrong_is_told(server: &OpenLdap, connector: &LdapConnector, since: &Watermark) {
    let base = config(server);
    let refused = |error: &ConnectorError| matches!(error, ConnectorError::WatermarkRefused(_));
    // slapd would answer to junk with everything, and not say that it did.
    for junk in
        ["anVuaw==", "cmlkPTAwMCxjc249Mjk5OTAxMDEwMDAwMDAuMDAwMDAwWiMwMDAwMDAjMDAwIzAwMDAwMA=="]
    {
        let mut watermark = since.0.clone();
        watermark["progress"]["contentSync"] = junk.into();
        let error = delta(connector, &all(), &Watermark(watermark)).await.failed();
        assert!(refused(&error), "{error:?}");
    }
    let wrong = LdapBind::simple(server.sync_account().0, "wrong");
    let other = LdapConnector::new(LdapConfig { bind: wrong, ..base.clone() }).unwrap();
    let error = read(&other, &all(), ImportMode::Full).await.failed();
    assert!(matches!(error, ConnectorError::Credentials(_)), "{error:?}");
    // The server's own limit.
    let anonymous =
        LdapConnector::new(LdapConfig { bind: LdapBind::Anonymous, ..base.clone() }).unwrap();
    let error = read(&anonymous, &all(), ImportMode::Full).await.failed();
    assert!(!refused(&error), "{error:?}");
    let empty = LdapConfig { base: format!("ou=nowhere,{}", base.base), ..base };
    let error = read(&LdapConnector::new(empty).unwrap(), &all(), ImportMode::Full).await.failed();
    assert!(matches!(error, ConnectorError::Configuration(_)), "{error:?}");
    let found = connector
        .find(
            &MatchQuery {
                object_type: "inetOrgPerson".into(),
                attribute: "mail".into(),
                value: "u000004@example.test".into(),
                limit: 2,
            },
            &all(),
        )
        .await
        .unwrap();
    let read = connector.read(&[found[0].anchor.clone()], &all()).await.unwrap();
    assert_eq!(read, found);
    let probe = connector.probe().await.unwrap();
    assert!(probe.content_sync && !probe.dirsync, "{probe:?}");
}

async fn by_group(server: &OpenLdap) {
    let base = server.base();
    let mut config = config(server);
    let name = format!("cn=grp00002,ou=groups,{base}");
    config.scope.group = Some(ScopeGroup { name: name.clone(), nested: false });
    let connector = LdapConnector::new(config).unwrap();
    let first = full(&connector, &all()).await;
    let mut follower =
        Follower { connector: &connector, picture: Picture::of(&first), since: first.watermark() };
    let inside = |follower: &Follower<'_>| {
        follower.picture.objects.values().filter(|known| known.is_in()).count()
    };
    let before = inside(&follower);
    assert!((10..40).contains(&before), "{before}");
    server.modify(&format!(
        "dn: {name}\nchangetype: modify\nadd: member\nmember: uid=new,ou=sales,ou=people,{base}\n"
    ));
    follower.follow("a member more").await;
    assert_eq!(inside(&follower), before + 1);
    assert!(follower.picture.named("uid=new").1.is_in());
}

//! A domain behind an agent, read over LDAP.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scim_sync::connector::{ReferenceTo, SourceScope, Watermark};
use scim_sync_connectors::ldap::{LdapBind, LdapConfig, LdapConnector, LdapServer};
use testkit::FakeAd;
use testkit::fake_ad::{BASE, Fault, PASSWORD};

use super::*;

/// The domain as an agent knows it.
struct Domain {
    url: String,
}

impl Domain {
    fn connector(&self, scope: &RemoteScope) -> Result<LdapConnector, ConnectorError> {
        let bind = LdapBind::simple("CN=reader,DC=fake,DC=example", PASSWORD);
        let base = scope.base.as_deref().unwrap_or(BASE);
        let server = LdapServer::new(&self.url);
        LdapConnector::new(LdapConfig {
            allow_plaintext: true,
            scope: scope.into(),
            ..LdapConfig::active_directory("fake", server, bind, base)
        })
    }
}

impl Directories for Domain {
    fn names(&self) -> Vec<String> {
        vec!["fake.example".to_owned()]
    }

    fn open(&self, _: &str, scope: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError> {
        Ok(Arc::new(self.connector(scope)?))
    }
}

fn all() -> ImportShape {
    let user = ["cn", "title", "sAMAccountName", "userAccountControl", "manager", "dn"];
    shape(&[("user", &user), ("group", &["cn", "member"])])
}

fn anchors<'a>(changes: impl Iterator<Item = &'a ImportChange>) -> BTreeSet<&'a str> {
    changes
        .map(|change| match change {
            ImportChange::Object(object) => object.anchor.as_str(),
            ImportChange::Changed(changed) => changed.anchor.as_str(),
            ImportChange::Present(anchor) | ImportChange::Deleted(anchor) => anchor.as_str(),
        })
        .collect()
}

fn since(read: &Read) -> Watermark {
    read.end.as_ref().unwrap().watermark.clone().unwrap()
}

#[tokio::test]
async fn a_domain_behind_an_agent_is_the_domain() {
    let fake = FakeAd::start();
    fake.add("organizationalUnit", &format!("OU=People,{BASE}"), &[]);
    fake.add("organizationalUnit", &format!("OU=Old,{BASE}"), &[]);
    let user = |place: &str, name: &str| {
        let dn = format!("CN={name},OU={place},{BASE}");
        let attributes = [("sAMAccountName", name), ("userAccountControl", "512"), ("title", "x")];
        fake.add("user", &dn, &attributes)
    };
    let users: Vec<_> = (0..12).map(|number| user("People", &format!("u{number}"))).collect();
    let outside = user("Old", "old");
    let staff =
        fake.add("group", &format!("CN=staff,OU=People,{BASE}"), &[("groupType", "-2147483646")]);
    fake.link(staff, "member", &users, true);
    fake.dirsync_page(5);
    let anchor = |octets: [u8; 16]| STANDARD.encode(octets);

    let scope =
        RemoteScope { include: vec![format!("OU=People,{BASE}")], ..RemoteScope::default() };
    let near = Domain { url: fake.url() }.connector(&scope).unwrap();
    let face = Face::new(Arc::new(Domain { url: fake.url() }));
    let cut = Cut { pieces: vec![7, 1000, 1], ..Cut::default() };
    let relay = Near::new(face, cut) as Arc<dyn Relay>;
    let far = RemoteConnector::new("corp".into(), "fake.example".to_owned(), scope, relay);
    assert_eq!(far.schema().await.unwrap(), near.schema().await.unwrap());

    // Everything.
    let first = read(&far, &all(), ImportMode::Full).await;
    let direct = read(&near, &all(), ImportMode::Full).await;
    assert_eq!(first.shown(), direct.shown());
    assert_eq!(first.changes.len(), 14);
    assert!(first.end.as_ref().unwrap().sweep);

    // Changes, links, a deletion; somebody who is moved out of the scope.
    fake.set(users[0], "title", Some("y"));
    fake.set(users[1], "title", None);
    fake.link(users[2], "manager", &users[..1], true);
    fake.link(staff, "member", &users[3..4], false);
    fake.rename(users[5], &format!("CN=u5,OU=Old,{BASE}"));
    fake.delete(users[4]);
    let delta = || ImportMode::Delta(since(&first));
    let second = read(&far, &all(), delta()).await;
    assert_eq!(second.shown(), read(&near, &all(), delta()).await.shown());
    assert!(!second.end.as_ref().unwrap().sweep);
    let told = anchors(second.changes.iter());
    assert!(told.contains(anchor(users[0]).as_str()) && told.contains(anchor(staff).as_str()));
    let gone = second.changes.iter().filter(|change| matches!(change, ImportChange::Deleted(_)));
    assert_eq!(anchors(gone), [anchor(users[4]).as_str()].into());
    assert_eq!(read(&far, &all(), ImportMode::Delta(since(&second))).await.changes.len(), 0);

    // Single objects.
    let wanted = [anchor(staff), anchor(outside), anchor(users[4])].map(|text| Anchor::new(&text));
    let found = far.read(&wanted, &all()).await.unwrap();
    assert_eq!(found, near.read(&wanted, &all()).await.unwrap());
    assert_eq!(found.len(), 2);
    let members: Vec<_> = found.iter().flat_map(|object| object.references.values()).collect();
    assert_eq!(members[0].len(), 10);
    assert!(matches!(members[0][0], ReferenceTo::Anchor(_)), "{members:?}");
    for (attribute, value) in [("sAMAccountName", "u7"), ("dn", &format!("CN=u7,OU=People,{BASE}"))]
    {
        let query = MatchQuery {
            object_type: "user".into(),
            attribute: attribute.into(),
            value: value.into(),
            limit: 2,
        };
        let found = far.find(&query, &all()).await.unwrap();
        assert_eq!(found, near.find(&query, &all()).await.unwrap());
        assert_eq!(found[0].anchor.as_str(), anchor(users[7]));
    }

    // A watermark that is refused asks for a full read on this side too.
    let refused = |read: &Read| matches!(read.error, Some(ConnectorError::WatermarkRefused(_)));
    let wider = shape(&[("user", &["cn"])]);
    assert!(refused(&read(&far, &wider, delta()).await));
    fake.misbehave(Some(Fault::RefuseCookies));
    let told = read(&far, &all(), delta()).await;
    assert!(refused(&told) && told.end.is_none(), "{told:?}");
    // What goes wrong at the domain goes wrong here, in the same words.
    for (fault, kind) in [(Fault::BadEntry, "Protocol"), (Fault::Forbid, "Forbidden")] {
        fake.misbehave(Some(fault));
        let told = read(&far, &all(), ImportMode::Full).await;
        let shown = format!("{:?}", told.error);
        assert!(shown.contains(kind) && told.end.is_none(), "{fault:?}: {shown}");
        assert_eq!(shown, format!("{:?}", read(&near, &all(), ImportMode::Full).await.error));
    }
}

/// The agent keeps nothing: what a scope named travels with the full read.
#[tokio::test]
async fn a_place_that_was_renamed_is_known_to_an_agent_that_began_anew() {
    let fake = FakeAd::start();
    let place = fake.add("organizationalUnit", &format!("OU=People,{BASE}"), &[]);
    let attributes = [("sAMAccountName", "ada"), ("userAccountControl", "512")];
    fake.add("user", &format!("CN=ada,OU=People,{BASE}"), &attributes);
    let scope =
        RemoteScope { include: vec![format!("OU=People,{BASE}")], ..RemoteScope::default() };
    let far = || {
        let face = Face::new(Arc::new(Domain { url: fake.url() }));
        let relay = Near::new(face, Cut::default()) as Arc<dyn Relay>;
        RemoteConnector::new("corp".into(), "fake.example".to_owned(), scope.clone(), relay)
    };
    let first = read(&far(), &all(), ImportMode::Full).await;
    fake.rename(place, &format!("OU=Humans,{BASE}"));
    let error = read(&far(), &all(), ImportMode::Full).await.error;
    assert!(matches!(error, Some(ConnectorError::Configuration(_))), "{error:?}");
    let anew = far();
    anew.remember(&since(&first));
    let again = read(&anew, &all(), ImportMode::Full).await;
    assert_eq!(again.changes.len(), 1, "{again:?}");
    let ImportChange::Object(ada) = &again.changes[0] else { panic!("{again:?}") };
    assert_eq!(ada.scope, SourceScope::In);
}

//! Against foreign servers; `cargo xtask foreign` starts them, one after the other, and runs these tests.
//!
//! What a server does differently from the RFCs stands in [`Server`], with the place where it was seen.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use scim_client::scim_core::{
    Email, Group, Member, Name, Patch, Resource, SchemaUri, User, Value, attr,
};
use scim_client::{Auth, Client, Resources};

/// What is known about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Scim2Server,
    /// SCIMMY knows no versions; what express sends as `ETag` is a digest of the answer. Of several `bulkId:` references in
    /// one operation it resolves one.
    Scimmy,
}

fn foreign() -> (Client, Server) {
    let setting = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask foreign"))
    };
    let server = match setting("FOREIGN_SERVER").as_str() {
        "scim2-server" => Server::Scim2Server,
        "scimmy" => Server::Scimmy,
        other => panic!("nothing is known about {other}"),
    };
    let auth = Auth::bearer(setting("FOREIGN_TOKEN"));
    (Client::builder(setting("FOREIGN_URL")).auth(auth).build().unwrap(), server)
}

fn user(name: &str) -> User {
    User::new(name)
        .with_external_id(format!("external-{name}"))
        .with_name(Name::new("Ada", "Lovelace"))
        .with_email(Email::work(format!("{name}@example.org")).primary())
        .with_active(true)
}

async fn made(scim: &Client, name: &str) -> String {
    scim.users().create(&user(name)).await.unwrap().id().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a foreign server"]
async fn a_user_lives_and_dies() {
    let (scim, _) = foreign();
    let written = scim.users().create(&user("life")).await.unwrap();
    assert_eq!(written.status(), 201);
    let id = written.id().unwrap().to_owned();
    let read = scim.users().get(&id).await.unwrap();
    assert_eq!(read.user_name, "life");
    assert_eq!(read.emails[0].value.as_deref(), Some("life@example.org"));
    let twin = scim.users().create(&user("life")).await.unwrap_err();
    assert!(twin.is_uniqueness(), "{twin}");
    let other = scim.users().replace(&id, &user("life").with_title("Countess")).await.unwrap();
    assert_eq!(other.id().unwrap(), id);
    assert_eq!(scim.users().get(&id).await.unwrap().title.as_deref(), Some("Countess"));
    scim.users().delete(&id).await.unwrap();
    assert!(scim.users().get(&id).await.unwrap_err().is_not_found());
    assert!(scim.users().delete(&id).await.unwrap_err().is_not_found());
}

#[tokio::test]
#[ignore = "needs a foreign server"]
async fn patches_are_understood() {
    let (scim, _) = foreign();
    let id = made(&scim, "patched").await;
    let path = |text: &str| text.parse().unwrap();
    let patch = Patch::new()
        .replace(path("name.familyName"), "King")
        .add(path("nickName"), "Countess")
        .replace(path("active"), false)
        .replace(path(r#"emails[type eq "work"].value"#), "king@example.org");
    scim.users().patch(&id, patch).await.unwrap();
    let read = scim.users().get(&id).await.unwrap();
    assert_eq!(read.name.unwrap().family_name.as_deref(), Some("King"));
    assert_eq!((read.nick_name.as_deref(), read.active), (Some("Countess"), Some(false)));
    assert_eq!(read.emails[0].value.as_deref(), Some("king@example.org"));
    scim.users().patch(&id, Patch::new().remove(path("nickName"))).await.unwrap();
    assert_eq!(scim.users().get(&id).await.unwrap().nick_name, None);
    let nobody = scim.users().patch("no-such-id", Patch::new().remove(path("nickName")));
    assert!(nobody.await.unwrap_err().is_not_found());
}

#[tokio::test]
#[ignore = "needs a foreign server"]
async fn pages_and_filters() {
    let (scim, _) = foreign();
    let mut ids = BTreeSet::new();
    for number in 0..25 {
        ids.insert(made(&scim, &format!("page-{number:02}")).await);
    }
    let starts = || attr("userName").sw("page-");
    let lists = [
        ("get", scim.users().list().filter(starts()).count(10)),
        ("search", scim.users().search().filter(starts()).count(10)),
        ("own size", scim.users().list().filter(starts())),
    ];
    for (what, list) in lists {
        let read: Vec<User> = list.stream().try_collect().await.unwrap();
        let read: Vec<String> = read.into_iter().map(|user| user.id.unwrap()).collect();
        assert_eq!(read.len(), 25, "{what}");
        assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), ids, "{what}");
    }
    let page =
        scim.users().list().filter(starts()).sort_by("userName", true).count(3).await.unwrap();
    let names: Vec<&str> = page.resources.iter().map(|user| user.user_name.as_str()).collect();
    assert_eq!(names, ["page-24", "page-23", "page-22"]);
    assert_eq!(page.about.total_results, Some(25));
    let one = scim.users().list().filter(attr("userName").eq("page-07")).attributes(["userName"]);
    let one: Vec<User> = one.stream().try_collect().await.unwrap();
    assert_eq!((one.len(), one[0].external_id.as_deref()), (1, None));
    // Nobody has lost or got one twice meanwhile.
    let all: Vec<Resource> =
        scim.resources("Users").list().count(7).stream().try_collect().await.unwrap();
    assert!(all.len() >= 25);
}

#[tokio::test]
#[ignore = "needs a foreign server"]
async fn groups_and_their_members() {
    let (scim, _) = foreign();
    let (ada, bob) = (made(&scim, "member-ada").await, made(&scim, "member-bob").await);
    let group = Group::new("Engines").with_member(Member::user(&ada));
    let id = scim.groups().create(&group).await.unwrap().id().unwrap().to_owned();
    let add = Patch::new().add("members".parse().unwrap(), Value::from(vec![member(&bob)]));
    scim.groups().patch(&id, add).await.unwrap();
    assert_eq!(members(&scim.groups(), &id).await, BTreeSet::from([ada.clone(), bob.clone()]));
    let path = format!(r#"members[value eq "{ada}"]"#);
    scim.groups().patch(&id, Patch::new().remove(path.parse().unwrap())).await.unwrap();
    assert_eq!(members(&scim.groups(), &id).await, BTreeSet::from([bob]));
}

fn member(id: &str) -> Value {
    Value::Object([("value", id)].into_iter().collect())
}

async fn members(groups: &Resources<Group>, id: &str) -> BTreeSet<String> {
    let group = groups.get(id).await.unwrap();
    group.members.into_iter().filter_map(|member| member.value).collect()
}

#[tokio::test]
#[ignore = "needs a foreign server"]
async fn many_at_once() {
    let (scim, _) = foreign();
    let mut bulk = scim.bulk();
    let mut group = Group::new("Bulk");
    for number in 0..12 {
        group = group
            .with_member(Member::user(bulk.create(&user(&format!("bulk-{number}"))).reference()));
    }
    bulk.create(&group);
    bulk.create(&user("bulk-3"));
    let report = bulk.await.unwrap();
    let failed: Vec<usize> = (0..14).filter(|n| !report.outcomes()[*n].is_done()).collect();
    assert_eq!(failed, [13], "{report}");
    assert!(report.outcomes()[13].error().unwrap().is_uniqueness(), "{report}");
    let id = report.outcomes()[12].id.as_deref().unwrap();
    let wanted =
        report.outcomes()[..12].iter().map(|outcome| outcome.id.clone().unwrap()).collect();
    assert_eq!(members(&scim.groups(), id).await, wanted);
}

#[tokio::test]
#[ignore = "needs a foreign server"]
async fn discovery_is_read() {
    let (scim, server) = foreign();
    let config = scim.discovery().service_provider_config().await.unwrap();
    assert!(config.patch.supported && config.filter.supported && config.bulk.supported);
    assert_eq!(config.etag.supported, server == Server::Scim2Server);
    let types = scim.discovery().resource_types().await.unwrap();
    assert!(types.iter().any(|kind| kind.endpoint == "/Users"), "{types:?}");
    let user: SchemaUri = "urn:ietf:params:scim:schemas:core:2.0:User".parse().unwrap();
    let schemas = scim.discovery().schemas().await.unwrap();
    assert!(schemas.iter().any(|schema| schema.id == user));
    let nobody =
        Client::builder(scim.base_url()).auth(Auth::bearer("a-wrong-token")).build().unwrap();
    assert_eq!(nobody.users().list().await.unwrap_err().status().unwrap(), 401);
}

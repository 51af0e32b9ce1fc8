//! The SCIM connector against the reference server, in the same process.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::TryStreamExt as _;
use proptest::prelude::*;
use scim_client::{Auth, Client, InProcess, TargetProfile};
use scim_server::auth::StaticToken;
use scim_server::clock::{Clock as _, SystemClock};
use scim_server::store::MemoryStore;
use scim_server::{Profile, Registry, ScimServer};
use scim_sync::connector::{
    AttributeEdit, ExportOperation, ExportOutcome, ExportWrite, Exported, FailureKind,
    ImportChange, ImportMode, ImportRequest, ImportShape, ImportedObject, MatchQuery,
    ReferenceEdit, ReferenceTo, ValueKind, Watermark,
};
use scim_sync::{
    Anchor, AttributeName, AttributeSet, AttributeValue, Connector, ConnectorError, SpaceId,
};
use scim_sync_connectors::scim::{BulkUse, ScimConnector};

const TOKEN: &str = "0123456789abcdef0123";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn server(profile: Profile) -> InProcess {
    let registry = Arc::new(Registry::standard());
    let server = ScimServer::builder(Arc::clone(&registry))
        .store(MemoryStore::new(registry, SystemClock::new().now()))
        .authenticator(StaticToken::new(&TOKEN.into()).unwrap())
        .base_url("https://scim.example/scim/v2")
        .profile(profile)
        .build()
        .unwrap();
    InProcess::new(axum::Router::new().nest("/scim/v2", server.router()))
}

fn client(server: InProcess, target: Option<&str>, token: &str) -> Client {
    let mut builder = Client::builder("https://scim.example/scim/v2/")
        .auth(Auth::bearer(token))
        .transport(server)
        .jitter(0.0);
    if let Some(toml) = target {
        builder = builder.target(TargetProfile::from_toml(toml).unwrap());
    }
    builder.build().unwrap()
}

fn connector() -> ScimConnector {
    ScimConnector::new("cloud".into(), client(server(Profile::default()), None, TOKEN))
}

/// What the rules of these tests name.
fn shape() -> ImportShape {
    let names = |names: &[&str]| names.iter().map(|name| AttributeName::new(*name)).collect();
    let manager = format!("{ENTERPRISE}:manager");
    let mut user: Vec<&str> = USER.to_vec();
    user.push(&manager);
    ImportShape {
        types: BTreeMap::from([
            ("User".into(), names(&user)),
            ("Group".into(), names(&["displayName", "externalId", "members"])),
        ]),
    }
}

const USER: &[&str] = &[
    "userName",
    "externalId",
    "displayName",
    "active",
    "title",
    "name.givenName",
    "name.familyName",
    r#"emails[type eq "work"].value"#,
    r#"emails[type eq "work"].primary"#,
    r#"emails[type eq "home"].value"#,
    r#"addresses[type eq "work"].locality"#,
    r#"addresses[type eq "work"].country"#,
    r#"phoneNumbers[type eq "mobile"].value"#,
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
];

fn write(object_type: &str, operation: ExportOperation) -> ExportWrite {
    ExportWrite { object: SpaceId(1), object_type: object_type.into(), operation }
}

async fn export_one(connector: &ScimConnector, write: ExportWrite) -> ExportOutcome {
    connector.export(vec![write]).await.unwrap().remove(0)
}

async fn done(connector: &ScimConnector, write: ExportWrite) -> Exported {
    match export_one(connector, write).await {
        ExportOutcome::Done(exported) => exported,
        ExportOutcome::Failed(failure) => panic!("{failure:?}"),
    }
}

async fn failed(connector: &ScimConnector, write: ExportWrite) -> (FailureKind, String) {
    match export_one(connector, write).await {
        ExportOutcome::Failed(failure) => (failure.kind, failure.message),
        ExportOutcome::Done(exported) => panic!("{exported:?}"),
    }
}

fn user(name: &str) -> AttributeSet {
    AttributeSet::new().with("userName", name)
}

async fn create(connector: &ScimConnector, attributes: AttributeSet) -> Anchor {
    let create = ExportOperation::Create { attributes, references: BTreeMap::new() };
    done(connector, write("User", create)).await.anchor.unwrap()
}

fn update(anchor: &Anchor, current: &AttributeSet, after: &AttributeSet) -> ExportOperation {
    let names = current.iter().chain(after.iter()).map(|(name, _)| name);
    let edits = names.filter(|name| current.get(name) != after.get(name)).map(|name| {
        let edit =
            AttributeEdit { before: current.get(name).to_vec(), after: after.get(name).to_vec() };
        (name.clone(), edit)
    });
    ExportOperation::Update {
        anchor: anchor.clone(),
        version: None,
        current: current.clone(),
        attributes: edits.collect(),
        references: BTreeMap::new(),
    }
}

fn references(
    anchor: &Anchor,
    attribute: &str,
    add: &[&Anchor],
    remove: &[&Anchor],
) -> ExportOperation {
    let list = |anchors: &[&Anchor]| anchors.iter().map(|anchor| (*anchor).clone()).collect();
    let edit = ReferenceEdit { add: list(add), remove: list(remove) };
    ExportOperation::Update {
        anchor: anchor.clone(),
        version: None,
        current: AttributeSet::new(),
        attributes: BTreeMap::new(),
        references: BTreeMap::from([(attribute.into(), edit)]),
    }
}

async fn full(connector: &ScimConnector) -> Vec<ImportedObject> {
    read(connector, ImportMode::Full)
        .await
        .0
        .into_iter()
        .map(|change| match change {
            ImportChange::Object(object) => object,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// All changes of a read that has to come to its end, and the mark from which the next one goes on.
async fn read(
    connector: &ScimConnector,
    mode: ImportMode,
) -> (Vec<ImportChange>, Option<Watermark>, bool) {
    let pages: Vec<_> =
        connector.import(ImportRequest { mode, shape: shape() }).try_collect().await.unwrap();
    let end = pages.last().unwrap().end.clone().expect("the last page ends the read");
    assert!(pages.iter().rev().skip(1).all(|page| page.end.is_none()));
    (pages.into_iter().flat_map(|page| page.changes).collect(), end.watermark, end.sweep)
}

fn values() -> impl Strategy<Value = AttributeSet> {
    let text = || prop_oneof!["[a-z]{1,6}", Just("Ĵörg \"x\"".to_owned())];
    let some = |name: &'static str| proptest::option::of(text()).prop_map(move |text| (name, text));
    let flags = (any::<Option<bool>>(), any::<Option<bool>>());
    let texts: Vec<_> = USER
        .iter()
        .copied()
        .filter(|name| !matches!(*name, "userName" | "active") && !name.ends_with("primary"))
        .map(some)
        .collect();
    (texts, flags).prop_map(|(texts, (active, primary))| {
        let mut set = AttributeSet::new();
        for (name, text) in texts {
            let text = match name {
                // E-mails have to look like some.
                _ if name.starts_with("emails") => {
                    text.map(|text| format!("u{}@example.org", text.len()))
                }
                _ if name.starts_with("phone") => {
                    text.map(|text| format!("tel:+49-30-{}", text.len()))
                }
                _ if name.ends_with("country") => {
                    text.map(|text| if text.len() > 3 { "DE" } else { "FR" }.to_owned())
                }
                _ => text,
            };
            set.set(name.into(), text.iter().map(AttributeValue::text).collect());
        }
        set.set("active".into(), active.into_iter().map(AttributeValue::from).collect());
        set.set(USER[8].into(), primary.into_iter().map(AttributeValue::from).collect());
        set
    })
}

/// What a server keeps of what it was told, apart from what it fills in itself.
fn kept(set: &AttributeSet) -> AttributeSet {
    let mut set = set.clone();
    // A user without `active` is active.
    if set.get(&"active".into()).is_empty() {
        set.remove(&"active".into());
    }
    set
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_what_is_read(
        first in values(),
        second in values(),
        way in prop_oneof![Just("patch"), Just("put"), Just("bulk"), Just("strict")],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let profile = if way == "strict" { Profile::strict() } else { Profile::default() };
            let no_patch = "name = \"no-patch\"\n[features]\npatch = false\n";
            let client = client(server(profile), (way == "put").then_some(no_patch), TOKEN);
            let bulk = if way == "bulk" { BulkUse::Always } else { BulkUse::Never };
            let connector = ScimConnector::new("cloud".into(), client).bulk(bulk);
            let (mut first, mut second) = (first, second);
            first.set("userName".into(), vec!["ada".into()]);
            second.set("userName".into(), vec!["Ada.King".into()]);
            let anchor = create(&connector, first.clone()).await;
            let read = full(&connector).await.remove(0);
            assert_eq!(&read.anchor, &anchor);
            let filled = |read: &AttributeSet, written: &AttributeSet| {
                let mut read = read.clone();
                if written.get(&"active".into()).is_empty() {
                    read.remove(&"active".into());
                }
                (read, kept(written))
            };
            let (seen, told) = filled(&read.attributes, &first);
            assert_eq!(seen, told);
            let change = update(&anchor, &read.attributes, &second);
            let padding = (0..9).map(|n| {
                let create = ExportOperation::Create { attributes: user(&format!("x{n}")), references: BTreeMap::new() };
                write("User", create)
            });
            // Enough writes for a bulk where that is the way.
            let mut writes = vec![write("User", change)];
            writes.extend(padding.filter(|_| way == "bulk"));
            for outcome in connector.export(writes).await.unwrap() {
                assert!(matches!(outcome, ExportOutcome::Done(_)), "{outcome:?}");
            }
            let all = full(&connector).await;
            let read = all.iter().find(|object| object.anchor == anchor).unwrap();
            let (seen, told) = filled(&read.attributes, &second);
            assert_eq!(seen, told);
        });
    }
}

#[tokio::test]
async fn an_answer_confirms_what_was_written() {
    let connector = connector();
    let attributes = user("ada")
        .with("title", "Countess")
        .with(r#"emails[type eq "work"].value"#, "ada@example.org");
    let create =
        ExportOperation::Create { attributes: attributes.clone(), references: BTreeMap::new() };
    let exported = done(&connector, write("User", create)).await;
    assert_eq!(exported.observed.unwrap(), attributes);
    assert!(exported.version.is_some());

    let mut after = attributes.clone();
    after.set("title".into(), vec!["Dame".into()]);
    let exported =
        done(&connector, write("User", update(&exported.anchor.unwrap(), &attributes, &after)))
            .await;
    assert_eq!(exported.observed.unwrap(), AttributeSet::new().with("title", "Dame"));
}

#[tokio::test]
async fn references_come_and_go() {
    let connector = connector();
    let manager = AttributeName::new(format!("{ENTERPRISE}:manager"));
    let grace = create(&connector, user("grace")).await;
    let with = ExportOperation::Create {
        attributes: user("ada"),
        references: BTreeMap::from([(manager.clone(), vec![grace.clone()])]),
    };
    let ada = done(&connector, write("User", with)).await.anchor.unwrap();
    let managed = |all: &[ImportedObject]| {
        let ada = all.iter().find(|object| object.anchor == ada).unwrap();
        ada.references[&manager].clone()
    };
    assert_eq!(managed(&full(&connector).await), [ReferenceTo::Anchor(grace.clone())]);
    done(&connector, write("User", references(&ada, manager.as_str(), &[], &[&grace]))).await;
    assert_eq!(managed(&full(&connector).await), []);

    let group = ExportOperation::Create {
        attributes: AttributeSet::new().with("displayName", "Engines"),
        references: BTreeMap::from([("members".into(), vec![ada.clone()])]),
    };
    let group = done(&connector, write("Group", group)).await.anchor.unwrap();
    let members = |all: Vec<ImportedObject>| {
        let group = all.into_iter().find(|object| object.anchor == group).unwrap();
        let mut members = group.references[&AttributeName::new("members")].clone();
        members.sort();
        members
    };
    assert_eq!(members(full(&connector).await), [ReferenceTo::Anchor(ada.clone())]);
    done(&connector, write("Group", references(&group, "members", &[&grace], &[&ada]))).await;
    assert_eq!(members(full(&connector).await), [ReferenceTo::Anchor(grace.clone())]);

    let nobody = Anchor::new("no-such-user");
    let exported =
        done(&connector, write("Group", references(&group, "members", &[&nobody, &ada], &[])))
            .await;
    assert_eq!(exported.refused.len(), 1, "{exported:?}");
    assert_eq!(exported.refused[0].anchor, nobody);
    assert_eq!(members(full(&connector).await).len(), 2, "the good one is in all the same");
}

#[tokio::test]
async fn what_changed_is_read_from_the_mark() {
    let connector = connector();
    let ada = create(&connector, user("ada")).await;
    let (changes, mark, sweep) = read(&connector, ImportMode::Full).await;
    assert_eq!((changes.len(), sweep), (1, true));
    create(&connector, user("grace")).await;
    let (changes, mark, sweep) = read(&connector, ImportMode::Delta(mark.unwrap())).await;
    assert!(!sweep);
    let names: Vec<_> = changes
        .iter()
        .map(|change| match change {
            ImportChange::Changed(changed) => {
                changed.attributes[&AttributeName::new("userName")][0].as_text().unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(names.contains(&"grace"), "{names:?}");
    let after = user("ada").with("title", "Countess");
    done(&connector, write("User", update(&ada, &user("ada"), &after))).await;
    let (changes, ..) = read(&connector, ImportMode::Delta(mark.unwrap())).await;
    assert!(
        changes.iter().any(
            |change| matches!(change, ImportChange::Changed(changed) if changed.anchor == ada)
        )
    );

    let strange = Watermark(serde_json::json!("of something else"));
    let request = ImportRequest { mode: ImportMode::Delta(strange), shape: shape() };
    let error = connector.import(request).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, ConnectorError::WatermarkRefused(_)), "{error}");
}

#[tokio::test]
async fn objects_are_found_by_a_value() {
    let connector = connector();
    let ada =
        create(&connector, user("ada").with(r#"emails[type eq "work"].value"#, "ada@example.org"))
            .await;
    create(&connector, user("grace").with(r#"emails[type eq "home"].value"#, "ada@example.org"))
        .await;
    let query = |attribute: &str, value: &str| MatchQuery {
        object_type: "User".into(),
        attribute: attribute.into(),
        value: value.into(),
        limit: 2,
    };
    let found = connector.find(&query("userName", "ADA"), &shape()).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].anchor, ada);
    let found = connector
        .find(&query(r#"emails[type eq "work"].value"#, "ada@example.org"), &shape())
        .await
        .unwrap();
    assert_eq!(found.iter().map(|object| &object.anchor).collect::<Vec<_>>(), [&ada]);
    assert_eq!(
        connector.find(&query("userName", r#"a" or userName pr"#), &shape()).await.unwrap(),
        []
    );
    let read = connector.read(&[ada.clone(), "gone".into()], &shape()).await.unwrap();
    assert_eq!(read.iter().map(|object| &object.anchor).collect::<Vec<_>>(), [&ada]);
}

/// There are services that answer filters that they do not understand with everybody.
#[tokio::test]
async fn nobody_is_found_where_filters_are_ignored() {
    use axum::extract::Request;
    use axum::middleware::{Next, from_fn};
    let registry = Arc::new(Registry::standard());
    let server = ScimServer::builder(Arc::clone(&registry))
        .store(MemoryStore::new(registry, SystemClock::new().now()))
        .authenticator(StaticToken::new(&TOKEN.into()).unwrap())
        .base_url("https://scim.example/scim/v2")
        .build()
        .unwrap();
    let ignore = from_fn(|mut request: Request, next: Next| {
        let uri = request.uri().to_string().replace("filter=", "unknown=");
        *request.uri_mut() = uri.parse().unwrap();
        next.run(request)
    });
    let within = axum::Router::new().nest("/scim/v2", server.router());
    let router = axum::Router::new().fallback_service(within).layer(ignore);
    let connector = ScimConnector::new("cloud".into(), client(InProcess::new(router), None, TOKEN));
    create(&connector, user("stranger")).await;
    let query = MatchQuery {
        object_type: "User".into(),
        attribute: "userName".into(),
        value: "ada".into(),
        limit: 2,
    };
    // Also where the rules do not read the attribute itself.
    let narrow = ImportShape { types: [("User".into(), vec!["title".into()])].into() };
    for shape in [shape(), narrow] {
        let error = connector.find(&query, &shape).await.unwrap_err();
        assert!(matches!(error, ConnectorError::Protocol(_)), "{error:?}");
        assert!(error.to_string().contains("ignored the filter"), "{error}");
    }
}

#[tokio::test]
async fn failures_say_what_they_are() {
    let connector = connector();
    let ada = create(&connector, user("ada")).await;
    let again = ExportOperation::Create { attributes: user("ADA"), references: BTreeMap::new() };
    assert_eq!(failed(&connector, write("User", again)).await.0, FailureKind::NotUnique);

    let mut stale = update(&ada, &user("ada"), &user("ada").with("title", "x"));
    if let ExportOperation::Update { version, .. } = &mut stale {
        *version = Some("W/\"old\"".to_owned());
    }
    assert_eq!(failed(&connector, write("User", stale)).await.0, FailureKind::Changed);

    let gone =
        update(&"gone".into(), &AttributeSet::new(), &AttributeSet::new().with("title", "x"));
    assert_eq!(failed(&connector, write("User", gone)).await.0, FailureKind::Missing);
    done(
        &connector,
        write("User", ExportOperation::Delete { anchor: "gone".into(), version: None }),
    )
    .await;

    let bad = update(&ada, &user("ada"), &user("ada").with("active", "perhaps"));
    let (kind, message) = failed(&connector, write("User", bad)).await;
    assert_eq!(kind, FailureKind::Refused);
    assert!(message.contains("active") && message.contains("perhaps"), "{message}");

    let unknown = update(&ada, &user("ada"), &user("ada").with("shoeSize", "44"));
    let (_, message) = failed(&connector, write("User", unknown)).await;
    assert!(message.contains("shoeSize"), "{message}");

    let badge = ExportOperation::Create { attributes: user("x"), references: BTreeMap::new() };
    let error = connector.export(vec![write("Badge", badge)]).await.unwrap_err().to_string();
    assert!(error.contains("Badge") && error.contains("User, "), "{error}");
}

#[tokio::test]
async fn a_wrong_token_is_told_as_such() {
    let connector = ScimConnector::new(
        "cloud".into(),
        client(server(Profile::default()), None, "wrong-token-0123456789"),
    );
    let request = ImportRequest { mode: ImportMode::Full, shape: shape() };
    let error = connector.import(request).try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, ConnectorError::Credentials(_)), "{error:?}");
}

#[tokio::test]
async fn the_schema_names_what_rules_can_write() {
    let schema = connector().schema().await.unwrap();
    let user = &schema.types[&"User".into()];
    let kind =
        |name: &str| user.attribute(&name.into()).map(|found| (found.kind, found.multi_valued));
    assert_eq!(kind("active"), Some((ValueKind::Boolean, false)));
    assert_eq!(kind("name.givenName"), Some((ValueKind::Text, false)));
    assert_eq!(kind(r#"emails[type eq "work"].value"#), Some((ValueKind::Text, false)));
    assert_eq!(kind("emails.value"), Some((ValueKind::Text, true)));
    assert_eq!(kind(&format!("{ENTERPRISE}:manager")), Some((ValueKind::Reference, false)));
    assert_eq!(kind("shoeSize"), None);
    let group = &schema.types[&"Group".into()];
    assert_eq!(
        group.attribute(&"members".into()).map(|found| found.kind),
        Some(ValueKind::Reference)
    );
}

/// The group is there, and somebody who was told otherwise would make it again.
#[tokio::test]
async fn a_group_that_was_made_without_its_members_is_not_told_as_refused() {
    use axum::extract::Request;
    use axum::http::{Method, StatusCode};
    use axum::middleware::{Next, from_fn};
    use axum::response::IntoResponse as _;
    let registry = Arc::new(Registry::standard());
    let server = ScimServer::builder(Arc::clone(&registry))
        .store(MemoryStore::new(registry, SystemClock::new().now()))
        .authenticator(StaticToken::new(&TOKEN.into()).unwrap())
        .base_url("https://scim.example/scim/v2")
        .build()
        .unwrap();
    let refuse_changes = from_fn(|request: Request, next: Next| async move {
        match *request.method() {
            Method::PATCH | Method::PUT => StatusCode::FORBIDDEN.into_response(),
            _ => next.run(request).await,
        }
    });
    let router = axum::Router::new().nest("/scim/v2", server.router()).layer(refuse_changes);
    let target = "name = \"few\"\n[types.Groups.members]\nmax-create = 1\n";
    let connector =
        ScimConnector::new("cloud".into(), client(InProcess::new(router), Some(target), TOKEN));
    let ada = create(&connector, user("ada")).await;
    let grace = create(&connector, user("grace")).await;
    let group = ExportOperation::Create {
        attributes: AttributeSet::new().with("displayName", "Engines"),
        references: BTreeMap::from([("members".into(), vec![ada, grace])]),
    };
    let (kind, message) = failed(&connector, write("Group", group)).await;
    assert_eq!(kind, FailureKind::Unknown, "{message}");
    assert!(message.contains("the group was made"), "{message}");
}

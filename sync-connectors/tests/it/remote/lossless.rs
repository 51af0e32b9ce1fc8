//! What a connector tells is what the other side is told, whatever it is and however it is cut.

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use scim_sync::connector::{
    AttributeSchema, ChangedObject, ReferenceChange, ReferenceTo, SourceScope, TypeSchema,
    ValueKind, Watermark,
};
use scim_sync::{AttributeSet, Dn, ObjectType};

use super::*;

const TYPES: [&str; 3] = ["user", "inetOrgPerson", "Some Thing:2"];
const NAMES: [&str; 8] = [
    "cn",
    "msDS-cloudExtensionAttribute1",
    "extensionAttribute1",
    "member",
    "cn;lang-de",
    r#"emails[type eq "work"].value"#,
    "id",
    "$ref",
];

fn everything() -> ImportShape {
    shape(&TYPES.map(|kind| (kind, &NAMES[..])))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", "\\PC{0,8}", Just("\n\"\\\u{0}\u{2028}".to_owned()), "[x]{300}"]
}

fn name() -> impl Strategy<Value = AttributeName> {
    prop::sample::select(&NAMES[..]).prop_map(AttributeName::new)
}

fn object_type() -> impl Strategy<Value = ObjectType> {
    prop::sample::select(&TYPES[..]).prop_map(ObjectType::new)
}

fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_135_596_800_i64..253_402_300_800, 0..1_000_000_000_u32)
        .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos).unwrap())
}

fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        text().prop_map(AttributeValue::text),
        any::<i64>().prop_map(AttributeValue::Integer),
        any::<bool>().prop_map(AttributeValue::Boolean),
        moment().prop_map(AttributeValue::DateTime),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(AttributeValue::Binary),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let part = (text().prop_map(AttributeName::new), inner);
        prop::collection::btree_map(part.0, part.1, 0..3).prop_map(AttributeValue::Complex)
    })
}

fn values(least: usize) -> impl Strategy<Value = Vec<AttributeValue>> {
    prop::collection::vec(value(), least..4)
}

fn reference() -> impl Strategy<Value = ReferenceTo> {
    prop_oneof![
        text().prop_map(|text| ReferenceTo::Anchor(Anchor::new(text))),
        text().prop_map(|text| ReferenceTo::Dn(Dn::new(text))),
    ]
}

fn references() -> impl Strategy<Value = Vec<ReferenceTo>> {
    prop::collection::vec(reference(), 0..5)
}

fn scope() -> impl Strategy<Value = SourceScope> {
    prop_oneof![Just(SourceScope::In), text().prop_map(SourceScope::Out)]
}

fn optional<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn object() -> impl Strategy<Value = ImportedObject> {
    let about = (text(), object_type(), optional(text()), scope(), optional(text()));
    let attributes = prop::collection::btree_map(name(), values(1), 0..4);
    let references = prop::collection::btree_map(name(), references(), 0..3);
    (about, attributes, references).prop_map(|(about, attributes, references)| {
        let (anchor, object_type, dn, scope, version) = about;
        ImportedObject {
            anchor: Anchor::new(anchor),
            dn: dn.map(Dn::new),
            object_type,
            scope,
            attributes: AttributeSet::from_iter(attributes),
            references,
            version,
        }
    })
}

fn changed() -> impl Strategy<Value = ChangedObject> {
    let about = (text(), object_type(), optional(text()), optional(scope()), optional(text()));
    let change = (any::<bool>(), references(), references())
        .prop_map(|(replace, added, removed)| ReferenceChange { replace, added, removed });
    let attributes = prop::collection::btree_map(name(), values(0), 0..4);
    let references = prop::collection::btree_map(name(), change, 0..3);
    (about, attributes, references).prop_map(|(about, attributes, references)| {
        let (anchor, object_type, dn, scope, version) = about;
        let (anchor, dn) = (Anchor::new(anchor), dn.map(Dn::new));
        ChangedObject { anchor, object_type, dn, scope, attributes, references, version }
    })
}

fn change() -> impl Strategy<Value = ImportChange> {
    prop_oneof![
        3 => object().prop_map(ImportChange::Object),
        3 => changed().prop_map(ImportChange::Changed),
        1 => text().prop_map(|text| ImportChange::Present(Anchor::new(text))),
        1 => text().prop_map(|text| ImportChange::Deleted(Anchor::new(text))),
    ]
}

fn watermark() -> impl Strategy<Value = Watermark> {
    let cookie = (text(), any::<i64>(), any::<f64>()).prop_map(|(text, number, float)| {
        serde_json::json!({"cookie": text, "usn": number, "float": float, "none": null})
    });
    prop_oneof![
        cookie,
        Just(serde_json::json!(null)),
        Just(serde_json::json!("")),
        // Longer than any cursor of a server on the open network.
        Just(serde_json::json!("c".repeat(20_000)))
    ]
    .prop_map(Watermark)
}

fn page() -> impl Strategy<Value = ImportPage> {
    (prop::collection::vec(change(), 0..5), optional(any::<u32>())).prop_map(
        |(changes, expected)| ImportPage { changes, expected: expected.map(u64::from), end: None },
    )
}

fn end() -> impl Strategy<Value = ImportEnd> {
    (optional(watermark()), any::<bool>())
        .prop_map(|(watermark, sweep)| ImportEnd { watermark, sweep })
}

fn schema() -> impl Strategy<Value = ConnectorSchema> {
    let kind = prop::sample::select(
        &[
            ValueKind::Text,
            ValueKind::Integer,
            ValueKind::Boolean,
            ValueKind::DateTime,
            ValueKind::Binary,
            ValueKind::Reference,
            ValueKind::Complex,
        ][..],
    );
    let attribute = (kind, any::<bool>())
        .prop_map(|(kind, multi_valued)| AttributeSchema { kind, multi_valued });
    let attributes = prop::collection::btree_map(name(), attribute, 0..5);
    let kind = attributes.prop_map(|attributes| TypeSchema { attributes });
    prop::collection::btree_map(object_type(), kind, 0..3)
        .prop_map(|types| ConnectorSchema { types })
}

fn pieces() -> impl Strategy<Value = Cut> {
    prop::collection::vec(1..200_usize, 0..4).prop_map(|pieces| Cut { pieces, ..Cut::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn a_read(
        mut pages in prop::collection::vec(page(), 0..4),
        end in optional(end()),
        fails in optional((0..KINDS.len(), text())),
        since in optional(watermark()),
        schema in schema(),
        cut in pieces(),
    ) {
        if let (Some(last), Some(end), None) = (pages.last_mut(), end, &fails) {
            last.end = Some(end);
        }
        let error = fails.map(|(kind, text)| (KINDS[kind], text));
        let system = Arc::new(Scripted { schema, pages, error, ..scripted() });
        let mode = || since.clone().map_or(ImportMode::Full, ImportMode::Delta);
        let mut direct = now(read(&*system, &everything(), mode()));
        if direct.end.is_none() && direct.error.is_none() {
            // Nothing may be concluded from a read without an end mark; the other side is told so.
            let text = "the read of the directory ended without saying that it came to its end";
            direct.error = Some(error_of_none(text));
        }
        let far = near(Arc::clone(&system) as Arc<dyn Connector>, cut);
        let told = now(read(&far, &everything(), mode()));
        prop_assert_eq!(told.shown(), direct.shown());
        let asked = system.asked.lock().unwrap();
        prop_assert_eq!(&asked[0], &asked[1]);
        prop_assert_eq!(now(far.schema()).unwrap(), system.schema.clone());
        // The second time only its tag travels.
        prop_assert_eq!(now(far.schema()).unwrap(), system.schema.clone());
    }

    #[test]
    fn a_read_that_breaks_has_no_end(
        pages in prop::collection::vec(page(), 1..4),
        end in end(),
        cut in pieces(),
        at in any::<prop::sample::Index>(),
        breaks in any::<bool>(),
    ) {
        let mut pages = pages;
        if let Some(last) = pages.last_mut() {
            last.end = Some(end);
        }
        let system = Arc::new(Scripted { pages, ..scripted() });
        let length = now(body_of(Arc::clone(&system) as Arc<dyn Connector>)).len();
        let at = Some(at.index(length));
        let cut = if breaks { Cut { breaks_after: at, ..cut } } else { Cut { ends_after: at, ..cut } };
        let told = now(read(&near(system, cut), &everything(), ImportMode::Full));
        prop_assert!(told.end.is_none());
        prop_assert!(
            matches!(told.error, Some(ConnectorError::Unreachable(_) | ConnectorError::Incomplete(_))),
            "{:?}", told.error
        );
    }

    #[test]
    fn single_objects(
        objects in prop::collection::vec(object(), 0..6),
        others in prop::collection::vec(text(), 0..3),
        by in (name(), value(), 0..3_usize),
        fails in optional((0..KINDS.len(), text())),
        schema in schema(),
        cut in pieces(),
    ) {
        let error = fails.map(|(kind, text)| (KINDS[kind], text));
        let objects: BTreeMap<_, _> =
            objects.into_iter().map(|object| (object.anchor.clone(), object)).collect();
        let anchors: Vec<_> = objects.keys().cloned()
            .chain(others.into_iter().map(|text| Anchor::new(format!("other{text}")))).collect();
        let system = Arc::new(Scripted { schema, objects, error, ..scripted() });
        let far = near(Arc::clone(&system) as Arc<dyn Connector>, cut);
        let shown = |found: Result<_, ConnectorError>| format!("{found:#?}");
        if !anchors.is_empty() {
            let direct = now(system.read(&anchors, &everything()));
            prop_assert_eq!(shown(now(far.read(&anchors, &everything()))), shown(direct));
        }
        // By a value that somebody has where there is one, by one that nobody has, and by name.
        let mut questions = vec![(ObjectType::new("user"), by.0, by.1)];
        for object in system.objects.values() {
            questions.extend(object.attributes.iter().next().map(|(name, values)| {
                (object.object_type.clone(), name.clone(), values[0].clone())
            }));
            questions.extend(object.dn.as_ref().map(|dn| {
                (object.object_type.clone(), "dn".into(), AttributeValue::text(dn.as_str()))
            }));
        }
        for (object_type, attribute, value) in questions {
            let query = MatchQuery { object_type: object_type.clone(), attribute, value, limit: by.2 };
            let mut shape = everything();
            shape.types.retain(|kind, _| *kind == object_type);
            let told = now(far.find(&query, &shape));
            if matches!(query.value, AttributeValue::Complex(_)) {
                prop_assert!(matches!(told, Err(ConnectorError::Unsupported(_))));
            } else {
                prop_assert_eq!(shown(told), shown(now(system.find(&query, &shape))));
            }
        }
        let asked = system.asked.lock().unwrap();
        for pair in asked.chunks(2).filter(|pair| pair.len() == 2) {
            prop_assert_eq!(&pair[0], &pair[1]);
        }
    }
}

fn error_of_none(text: &str) -> ConnectorError {
    ConnectorError::Incomplete(text.to_owned())
}

async fn body_of(connector: Arc<dyn Connector>) -> Vec<u8> {
    let relay = Near::new(Face::new(Known::new(connector)), Cut::default());
    let names: Vec<_> = TYPES.iter().map(|kind| format!("meta.resourceType eq {kind:?}")).collect();
    let body = serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],
        "filter": names.join(" or "),
        "attributes": attributes_of_everything(),
    });
    let request = http::Request::post("/corp/.search").body(body.to_string().into()).unwrap();
    let body = relay.send(request, Duration::MAX).await.unwrap().into_body();
    let body: Vec<_> = body.map(|piece| piece.unwrap()).collect().await;
    body.concat()
}

/// The names as they are written in SCIM.
fn attributes_of_everything() -> Vec<String> {
    let types = ["user", "inetOrgPerson", "Some%20Thing%3A2"];
    let names = [
        "cn",
        "msDS-cloudExtensionAttribute1",
        "extensionAttribute1",
        "member",
        "$cn_3Blang-de",
        "$emails_5Btype_20eq_20_22work_22_5D_2Evalue",
        "id",
        "$_24ref",
    ];
    let of = |kind: &str| {
        let prefix = scim_sync_connectors::remote::wire::TYPE;
        names.map(|name| format!("{prefix}{kind}:{name}"))
    };
    types.iter().flat_map(|kind| of(kind)).collect()
}

#[tokio::test]
async fn names_and_scopes_arrive_as_they_were_told() {
    let known = Known::new(Arc::new(Scripted {
        pages: vec![ImportPage {
            end: Some(ImportEnd { watermark: None, sweep: true }),
            ..ImportPage::default()
        }],
        ..scripted()
    }));
    let relay = Near::new(Face::new(Arc::clone(&known) as Arc<dyn Directories>), Cut::default());
    let scope = RemoteScope {
        base: Some("DC=corp,DC=example".to_owned()),
        include: vec!["OU=Ä\"\\,DC=corp".to_owned()],
        exclude: vec!["OU=Old,DC=corp".to_owned()],
        group: Some("CN=Pilot,DC=corp".to_owned()),
        nested: true,
    };
    let far = |scope: &RemoteScope, name: &str| {
        let relay = Arc::clone(&relay) as Arc<dyn Relay>;
        RemoteConnector::new("cloud".into(), name.to_owned(), scope.clone(), relay)
    };
    for _ in 0..3 {
        let told = read(&far(&scope, "Ünix & Söhne/2"), &everything(), ImportMode::Full).await;
        assert!(told.end.is_some(), "{told:?}");
    }
    assert_eq!(*known.scopes.lock().unwrap(), std::slice::from_ref(&scope), "it is opened once");
    assert_eq!(relay.asked.lock().unwrap()[0], "POST /%C3%9Cnix%20%26%20S%C3%B6hne%2F2/.search");
    // Nothing asked for is nothing, and not everything.
    let none = read(&far(&scope, "corp"), &ImportShape::default(), ImportMode::Full).await;
    assert!(none.end.is_some(), "{none:?}");
    let error = read(&far(&scope, "nobody"), &everything(), ImportMode::Full).await.error;
    let Some(ConnectorError::Configuration(text)) = error else { panic!("{error:?}") };
    assert!(text.contains("nobody") && text.contains("corp"), "{text}");
    let nowhere = RemoteScope { base: Some("nowhere".to_owned()), ..scope };
    let error = read(&far(&nowhere, "corp"), &everything(), ImportMode::Full).await.error;
    assert!(matches!(error, Some(ConnectorError::Configuration(_))), "{error:?}");
    assert!(far(&nowhere, "corp").read(&[], &everything()).await.unwrap().is_empty());
    let error = far(&nowhere, "corp").export(Vec::new()).await.unwrap_err();
    assert!(matches!(error, ConnectorError::Unsupported(_)), "{error:?}");
}

#[test]
fn what_is_on_the_wire() {
    let object = ImportedObject {
        anchor: "ada".into(),
        dn: Some("CN=Ada,DC=x".into()),
        object_type: "user".into(),
        scope: SourceScope::Out("it is no member of CN=Pilot".to_owned()),
        attributes: AttributeSet::new()
            .with("cn", "Ada")
            .with("id", 7_i64)
            .with("extensionAttribute1", AttributeValue::Binary(vec![1])),
        references: BTreeMap::new(),
        version: Some("W/\"3\"".to_owned()),
    };
    let to = |anchor: &str| ReferenceTo::Anchor(anchor.into());
    let came = vec![to("ada"), to("bob"), ReferenceTo::Dn("CN=C".into())];
    let change = ReferenceChange { replace: false, added: came, removed: vec![to("eve")] };
    let changed = ChangedObject {
        anchor: "staff".into(),
        object_type: "inetOrgPerson".into(),
        dn: None,
        scope: None,
        attributes: [("cn".into(), Vec::new())].into(),
        references: [("member".into(), change)].into(),
        version: None,
    };
    let end = ImportEnd { watermark: Some(Watermark(serde_json::json!({"usn": 5}))), sweep: false };
    let changes = vec![
        ImportChange::Object(object),
        ImportChange::Changed(changed),
        ImportChange::Deleted("bob".into()),
    ];
    let pages = vec![ImportPage { changes, expected: Some(3), end: Some(end) }];
    let body = now(body_of(Arc::new(Scripted { pages, ..scripted() })));
    let object = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:DirectoryObject";
    let user = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:directory:user";
    let person = "urn:ietf:params:scim:schemas:extension:hybrid:2.0:directory:inetOrgPerson";
    let expected = serde_json::json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 3,
        "itemsPerPage": 3,
        "nextCursor": "{\"usn\":5}",
        "Resources": [
            {
                "schemas": [object, user],
                "id": "ada",
                "meta": {"resourceType": "user", "version": "W/\"3\""},
                "change": "object",
                "dn": "CN=Ada,DC=x",
                "scope": {"included": false, "reason": "it is no member of CN=Pilot"},
                "types": [{"attribute": "extensionAttribute1", "type": "binary"}],
                user: {"cn": "Ada", "extensionAttribute1": "AQ==", "id": 7},
            },
            {
                "schemas": [object, person],
                "id": "staff",
                "meta": {"resourceType": "inetOrgPerson"},
                "change": "changed",
                "references": [
                    {"attribute": "member", "operation": "add", "values": ["ada", "bob"]},
                    {"attribute": "member", "operation": "add", "names": ["CN=C"]},
                    {"attribute": "member", "operation": "remove", "values": ["eve"]},
                ],
                "cleared": ["cn"],
            },
            {"schemas": [object], "id": "bob", "change": "deleted"},
        ],
        "urn:ietf:params:scim:schemas:extension:hybrid:2.0:ReadEnd": {"sweep": false},
    });
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&body).unwrap(), expected);
}

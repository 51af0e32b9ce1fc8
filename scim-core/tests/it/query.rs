//! Queries: parameters and bodies in and out, cursors, order, list responses.

use std::cmp::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use insta::assert_json_snapshot;
use proptest::prelude::*;
use scim_core::query::{
    Cursor, CursorCodec, CursorKey, CursorScope, ListPage, ListQuery, ListResponse, PageRequest,
    Sort, SortKey,
};
use scim_core::{
    AttrPath, Error, Leniency, Limits, Profile, Projection, Registry, Resource, Tolerance, attr,
    urn,
};
use serde_json::{Value as Json, json};

use crate::fixtures::{fixture, object, parse};

fn strict() -> Leniency {
    Leniency::new(Profile::strict())
}

fn read(raw: &str) -> Result<ListQuery, Error> {
    ListQuery::from_query(raw, &Limits::default(), &mut strict())
}

fn search(body: Json) -> Result<ListQuery, Error> {
    let mut body = body;
    body.as_object_mut().unwrap().entry("schemas").or_insert(json!([urn::SEARCH_REQUEST]));
    ListQuery::from_search(&parse(&body.to_string()), &Limits::default(), &mut strict())
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, &'static str) {
    let (status, scim_type) = result.unwrap_err().code();
    (status.as_u16(), scim_type.unwrap())
}

fn index(start: u64, count: Option<u64>) -> PageRequest {
    PageRequest::Index { start, count }
}

fn cursor(cursor: Option<&str>, count: Option<u64>) -> PageRequest {
    PageRequest::Cursor { cursor: cursor.map(str::to_owned), count }
}

fn paths(names: &[&str]) -> Vec<AttrPath> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[test]
fn parameters() {
    let query = read(
        "filter=userName%20eq%20%22a%2Bb%22&sortBy=name.familyName&sortOrder=Descending&startIndex=11&count=10\
         &attributes=userName,name.givenName,&access_token=x%ff&FOO",
    )
    .unwrap();
    assert_eq!(query.filter, Some(attr("userName").eq("a+b")));
    assert_eq!(query.sort, Some(Sort { by: "name.familyName".parse().unwrap(), descending: true }));
    assert_eq!(query.page, index(11, Some(10)));
    assert_eq!(query.projection, Projection::Only(paths(&["userName", "name.givenName"])));
}

#[test]
fn defaults_and_oddities() {
    for raw in
        ["", "?", "&", "unknown=1", "sortOrder=ascending", "sortBy=", "attributes=", "startIndex=0"]
    {
        assert_eq!(read(raw).unwrap(), ListQuery::default(), "{raw:?}");
    }
    for (raw, page) in [
        ("count=-1", index(1, Some(0))),
        ("startIndex=-7&count=0", index(1, Some(0))),
        ("STARTINDEX=3&", index(3, None)),
        ("startIndex=3?", index(3, None)),
        ("cursor", cursor(None, None)),
        ("cursor=&count=5", cursor(None, Some(5))),
        ("count=5&cursor=abc", cursor(Some("abc"), Some(5))),
        ("count=99999999999999999999", index(1, Some(i64::MAX as u64))),
    ] {
        assert_eq!(read(raw).unwrap().page, page, "{raw}");
    }
    assert_eq!(read("filter=userName+pr").unwrap().filter, Some(attr("userName").present()));
    assert_eq!(
        read("excludedAttributes=members").unwrap().projection,
        Projection::Except(paths(&["members"]))
    );
}

#[test]
fn refused_parameters() {
    let value = (400, "invalidValue");
    let long = format!("cursor={}", "a".repeat(10_000));
    let names = format!("attributes={}", vec!["a"; 300].join(","));
    for (raw, expected) in [
        ("count=ten", value),
        ("count=", value),
        ("count=1.5", value),
        ("startIndex=x", value),
        ("startIndex", value),
        ("startIndex=1&cursor=", value),
        ("cursor=abc&startIndex=1", value),
        ("count=1&count=1", value),
        ("filter=id+pr&Filter=id+pr", value),
        ("attributes=a&attributes=b", value),
        ("attributes=a&excludedAttributes=b", value),
        ("sortBy=userName&sortOrder=up", value),
        ("sortOrder=", value),
        ("sortBy=user%20Name", value),
        ("filter=%ff", value),
        ("filter=%zz", value),
        ("attributes=%C3%28", value),
        (&names, value),
        ("filter=", (400, "invalidFilter")),
        ("filter", (400, "invalidFilter")),
        ("filter=%20", (400, "invalidFilter")),
        ("filter=userName", (400, "invalidFilter")),
        (&long, (400, "invalidCursor")),
    ] {
        assert_eq!(code(read(raw)), expected, "{raw}");
    }
}

#[test]
fn projection_alone() {
    let read = |raw| Projection::from_query(raw, &Limits::default());
    assert_eq!(
        read("filter=%ff&count=x&ATTRIBUTES=userName").unwrap(),
        Projection::Only(paths(&["userName"]))
    );
    assert!(read("").unwrap().is_default());
    assert_eq!(code(read("attributes=a&attributes=b")), (400, "invalidValue"));
    assert_eq!(code(read("attributes=a&excludedAttributes=b")), (400, "invalidValue"));
}

#[test]
fn search_bodies_of_the_rfcs() {
    let limits = Limits::default();
    let read = |name: &str| ListQuery::from_search(&object(name), &limits, &mut strict()).unwrap();
    let query = read("rfc/rfc7644-3.4.3-search-request.json");
    assert_eq!(query.filter, Some(attr("displayName").sw("smith")));
    assert_eq!(query.projection, Projection::Only(paths(&["displayName", "userName"])));
    assert_eq!(query.page, index(1, Some(10)));
    let query = read("rfc/rfc9865-3-cursor-search-request.json");
    assert_eq!(query.page, cursor(None, Some(10)));
    assert_json_snapshot!(query.to_search());
}

#[test]
fn search_bodies() {
    let query = search(json!({
        "FILTER": "active eq true", "SortBy": "userName", "sortorder": "descending",
        "Count": 5, "startIndex": null, "excludedAttributes": ["members"], "attributes": [], "x": 1
    }))
    .unwrap();
    assert_eq!(query.filter, Some(attr("active").eq(true)));
    assert_eq!(query.sort, Some(Sort { by: "userName".parse().unwrap(), descending: true }));
    assert_eq!(query.page, index(1, Some(5)));
    assert_eq!(query.projection, Projection::Except(paths(&["members"])));

    let value = (400, "invalidValue");
    for (body, expected) in [
        (json!({ "count": "10" }), value),
        (json!({ "count": 1.5 }), value),
        (json!({ "count": true }), value),
        (json!({ "startIndex": [1] }), value),
        (json!({ "attributes": "userName" }), value),
        (json!({ "attributes": [1] }), value),
        (json!({ "attributes": ["a"], "excludedAttributes": ["b"] }), value),
        (json!({ "startIndex": 1, "cursor": "" }), value),
        (json!({ "sortBy": 1 }), value),
        (json!({ "sortOrder": "down" }), value),
        (json!({ "filter": 1 }), value),
        (json!({ "filter": "" }), (400, "invalidFilter")),
        (json!({ "schemas": [urn::LIST_RESPONSE] }), (400, "invalidSyntax")),
        (json!({ "schemas": [1] }), (400, "invalidSyntax")),
    ] {
        assert_eq!(code(search(body.clone())), expected, "{body}");
    }
}

#[test]
fn messages_without_schemas_are_a_tolerance() {
    for body in [json!({}), json!({ "schemas": null }), json!({ "schemas": [] })] {
        let body = parse(&body.to_string());
        let read =
            |leniency: &mut Leniency| ListQuery::from_search(&body, &Limits::default(), leniency);
        assert_eq!(code(read(&mut strict())), (400, "invalidSyntax"));
        let mut lenient = Leniency::new(Profile::strict().with(Tolerance::MessageWithoutSchemas));
        assert!(read(&mut lenient).is_ok());
        assert_eq!(lenient.traces()[0].at, "schemas");
    }
    let wrong = parse(&json!({ "schemas": ["urn:x:y"] }).to_string());
    let mut lenient = Leniency::new(Profile::default());
    let answer = ListQuery::from_search(&wrong, &Limits::default(), &mut lenient);
    assert_eq!(code(answer), (400, "invalidSyntax"));
}

fn any_query() -> impl Strategy<Value = ListQuery> {
    let path = || {
        proptest::sample::select(vec!["userName", "name.givenName", "emails", urn::ENTERPRISE_USER])
            .prop_map(|path| path.parse::<AttrPath>().unwrap())
    };
    let filter = ("\\PC{0,12}", path()).prop_map(|(text, path)| {
        attr(&path.to_string()).eq(text.as_str()).or(attr("active").eq(true))
    });
    let count = || proptest::option::of(0..1000u64);
    let page = prop_oneof![
        (1..1000u64, count()).prop_map(|(start, count)| PageRequest::Index { start, count }),
        (proptest::option::of("[A-Za-z0-9_~.-]{1,20}"), count())
            .prop_map(|(cursor, count)| PageRequest::Cursor { cursor, count }),
    ];
    let names = || proptest::collection::vec(path(), 1..4);
    let projection = prop_oneof![
        Just(Projection::Default),
        names().prop_map(Projection::Only),
        names().prop_map(Projection::Except),
    ];
    let sort = proptest::option::of(
        (path(), any::<bool>()).prop_map(|(by, descending)| Sort { by, descending }),
    );
    (proptest::option::of(filter), sort, page, projection)
        .prop_map(|(filter, sort, page, projection)| ListQuery { filter, sort, page, projection })
}

proptest! {
    #[test]
    fn what_a_client_writes_a_server_reads(query in any_query()) {
        let raw = query.to_query_string();
        prop_assert!(raw.bytes().all(|b| b.is_ascii_graphic() && b != b'"'), "{}", raw);
        prop_assert_eq!(&read(&raw).unwrap(), &query);
        let body = ListQuery::from_search(&query.to_search(), &Limits::default(), &mut strict());
        prop_assert_eq!(&body.unwrap(), &query);
    }

    #[test]
    fn no_query_string_panics(raw in "\\PC{0,40}|([a-zA-Z]{0,12}=?[%+&?a-f0-9]{0,6}){0,6}") {
        let _ = read(&raw);
        let _ = Projection::from_query(&raw, &Limits::default());
    }
}

// Cursors.

fn codec(byte: u8) -> CursorCodec {
    CursorCodec::new(&CursorKey::new(byte, [byte; 32]))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

const HOUR: TimeDelta = TimeDelta::hours(1);

fn any_key() -> impl Strategy<Value = SortKey> {
    prop_oneof![
        any::<bool>().prop_map(SortKey::Bool),
        any::<i64>().prop_map(SortKey::Integer),
        (-9i64..9).prop_map(SortKey::Integer),
        proptest::num::f64::NORMAL.prop_map(SortKey::Decimal),
        (-9i32..9).prop_map(|n| SortKey::Decimal(f64::from(n) / 2.0)),
        (-1_000_000_000i64..4_000_000_000, 0..1_000_000_000u32)
            .prop_map(|(s, n)| SortKey::Instant(DateTime::from_timestamp(s, n).unwrap())),
        "\\PC{0,20}".prop_map(|text| SortKey::Text(text.into())),
        Just(SortKey::Missing),
    ]
}

fn any_cursor() -> impl Strategy<Value = Cursor> {
    (
        proptest::option::of(any_key()),
        "[a-zA-Z0-9-]{0,40}",
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<u64>()),
        0..4_000_000_000i64,
    )
        .prop_map(|(sort_key, id, count, total, issued)| Cursor {
            sort_key,
            id: id.into(),
            count,
            total,
            issued: at(issued),
        })
}

proptest! {
    #[test]
    fn sealed_cursors_open(cursor in any_cursor()) {
        let (codec, scope) = (codec(1), CursorScope::new("t", "/Users", None, None));
        let text = codec.seal(&cursor, &scope);
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{}", text);
        prop_assert_eq!(codec.open(&text, &scope, cursor.issued, HOUR).unwrap(), cursor);
    }

    #[test]
    fn changed_cursors_do_not_open(cursor in any_cursor(), place: prop::sample::Index, bit in 0..6u32) {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let (codec, scope) = (codec(1), CursorScope::new("t", "/Users", None, None));
        let text = codec.seal(&cursor, &scope);
        let mut changed = text.clone().into_bytes();
        let i = place.index(changed.len());
        let digit = DIGITS.iter().position(|d| *d == changed[i]).unwrap();
        changed[i] = DIGITS[digit ^ (1 << bit)];
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(code(codec.open(&changed, &scope, cursor.issued, HOUR)), (400, "invalidCursor"));
        let shorter = &text[..text.len() - 1];
        prop_assert!(codec.open(shorter, &scope, cursor.issued, HOUR).is_err());
    }

    #[test]
    fn no_cursor_text_panics(text in "\\PC{0,60}|[A-Za-z0-9_-]{0,80}") {
        let scope = CursorScope::new("t", "/Users", None, None);
        let answer = codec(1).open(&text, &scope, at(0), HOUR);
        prop_assert_eq!(code(answer), (400, "invalidCursor"));
    }

    #[test]
    fn sort_keys_are_in_order(mut keys in proptest::collection::vec(any_key(), 0..12)) {
        keys.sort();
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i..] {
                prop_assert_ne!(a.cmp(b), Ordering::Greater, "{:?} {:?}", a, b);
                prop_assert_eq!(a.cmp(b).reverse(), b.cmp(a));
            }
        }
    }
}

fn some_cursor(issued: i64) -> Cursor {
    Cursor {
        sort_key: Some(SortKey::Text("canary".into())),
        id: "id-7".into(),
        count: Some(10),
        total: Some(100),
        issued: at(issued),
    }
}

#[test]
fn cursors_expire() {
    let (codec, scope) = (codec(1), CursorScope::new("t", "/Users", None, None));
    let text = codec.seal(&some_cursor(1_000), &scope);
    assert!(codec.open(&text, &scope, at(4_600), HOUR).is_ok());
    assert_eq!(codec.open(&text, &scope, at(4_601), HOUR), Err(Error::ExpiredCursor));
    // A clock that was set back does not lock anyone out.
    assert!(codec.open(&text, &scope, at(0), HOUR).is_ok());
}

#[test]
fn cursors_are_bound_to_the_query() {
    let registry = Registry::standard();
    let sorted = |raw: &str| {
        let query = read(raw).unwrap();
        let sort = query.sort.as_ref().and_then(|s| s.resolve(registry.user(), &mut strict()));
        (query, sort)
    };
    let scope = |tenant: &str, endpoint: &str, raw: &str| {
        let (query, sort) = sorted(raw);
        query.cursor_scope(tenant, endpoint, sort.as_ref())
    };
    let raw = "filter=userName+sw+%22J%22&sortBy=userName";
    let first = scope("t", "/Users", raw);
    let text = codec(1).seal(&some_cursor(0), &first);
    let open = |scope: &CursorScope| codec(1).open(&text, scope, at(0), HOUR);
    assert!(open(&first).is_ok());
    // The RFC's own example changes the letter case of the name, and the page parameters always change.
    let same = "filter=username+SW+%22J%22&sortBy=USERNAME&cursor=x&count=3&attributes=id";
    assert!(open(&scope("t", "users", same)).is_ok());
    for other in [
        scope("u", "/Users", raw),
        scope("t", "/Groups", raw),
        scope("t", "/Users", "sortBy=userName"),
        scope("t", "/Users", "filter=userName+sw+%22j%22&sortBy=userName"),
        scope("t", "/Users", "filter=userName+sw+%22J%22"),
        scope("t", "/Users", "filter=userName+sw+%22J%22&sortBy=title"),
        scope("t", "/Users", "filter=userName+sw+%22J%22&sortBy=userName&sortOrder=descending"),
    ] {
        assert_eq!(code(open(&other)), (400, "invalidCursor"));
    }
    // What separates the parts cannot be forged by their content.
    assert_ne!(CursorScope::new("a", "bc", None, None), CursorScope::new("ab", "c", None, None));
}

#[test]
fn cursors_are_opaque_and_keys_rotate() {
    use base64::Engine;
    let scope = CursorScope::new("t", "/Users", None, None);
    let text = codec(1).seal(&some_cursor(0), &scope);
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&text).unwrap();
    for canary in [&b"canary"[..], b"id-7"] {
        assert!(!bytes.windows(canary.len()).any(|w| w == canary));
    }
    assert!(codec(2).open(&text, &scope, at(0), HOUR).is_err());
    let impostor = CursorCodec::new(&CursorKey::new(1, [9; 32]));
    assert!(impostor.open(&text, &scope, at(0), HOUR).is_err());
    let rotated = codec(2).accepting(&CursorKey::new(1, [1; 32]));
    assert!(rotated.open(&text, &scope, at(0), HOUR).is_ok());
    assert_ne!(rotated.seal(&some_cursor(0), &scope), text);
    let debug = format!("{:?} {rotated:?}", CursorKey::new(3, [77; 32]));
    assert!(!debug.contains("77"), "{debug}");
}

#[test]
fn long_sort_keys_stay_behind() {
    let scope = CursorScope::new("t", "/Users", None, None);
    let long = Cursor { sort_key: Some(SortKey::Text("k".repeat(2_000).into())), ..some_cursor(0) };
    let text = codec(1).seal(&long, &scope);
    assert!(text.len() < 300, "{}", text.len());
    let opened = codec(1).open(&text, &scope, at(0), HOUR).unwrap();
    assert_eq!(opened, Cursor { sort_key: None, ..long });
}

#[test]
fn changing_count_is_a_tolerance() {
    let cursor = some_cursor(0);
    for (count, expected) in [(None, Some(10)), (Some(10), Some(10))] {
        assert_eq!(cursor.page_size(count, &mut strict()).unwrap(), expected);
    }
    assert_eq!(code(cursor.page_size(Some(5), &mut strict())), (400, "invalidCount"));
    let mut lenient = Leniency::new(Profile::strict().with(Tolerance::ChangingCursorCount));
    assert_eq!(cursor.page_size(Some(5), &mut lenient).unwrap(), Some(5));
    assert_eq!(lenient.traces()[0].tolerance, Tolerance::ChangingCursorCount);
    let open_ended = Cursor { count: None, ..cursor };
    assert_eq!(open_ended.page_size(None, &mut strict()).unwrap(), None);
    assert_eq!(code(open_ended.page_size(Some(5), &mut strict())), (400, "invalidCount"));
}

// Order.

fn order(by: &str, descending: bool, users: Json) -> Vec<String> {
    let registry = Registry::standard();
    let sort = Sort { by: by.parse().unwrap(), descending };
    let sort = sort.resolve(registry.user(), &mut strict()).unwrap();
    let mut users: Vec<Resource> = serde_json::from_value(users).unwrap();
    users.sort_by(|a, b| {
        let keys = sort.compare(&sort.key(a), &sort.key(b));
        keys.then_with(|| a.id().cmp(&b.id()))
    });
    users.iter().map(|user| user.id().unwrap().to_owned()).collect()
}

#[test]
fn results_are_sorted_by_the_rules_of_the_attribute() {
    for (by, ascending, descending, users) in [
        // Letter case does not matter; what is missing is last, and first the other way round.
        (
            "userName",
            "b a d c",
            "c d a b",
            json!([
            { "id": "a", "userName": "Bert" }, { "id": "b", "userName": "adam" },
            { "id": "c" }, { "id": "d", "userName": "Ćwik" }]),
        ),
        // externalId is case exact.
        (
            "externalId",
            "b a c",
            "c a b",
            json!([
            { "id": "a", "externalId": "a" }, { "id": "b", "externalId": "B" }, { "id": "c", "externalId": "b" }]),
        ),
        (
            "name.familyName",
            "b a",
            "a b",
            json!([{ "id": "a" }, { "id": "b", "name": { "familyName": "x" } }]),
        ),
        // The primary value, or else the first.
        (
            "emails",
            "c a b",
            "b a c",
            json!([
            { "id": "a", "emails": [{ "value": "z@x" }, { "value": "b@x", "primary": true }] },
            { "id": "b", "emails": [{ "value": "c@x" }, { "value": "a@x", "primary": false }] },
            { "id": "c", "emails": [{ "value": "a@x" }] }]),
        ),
        (
            "emails.type",
            "b a c",
            "c a b",
            json!([
            { "id": "a", "emails": [{ "type": "work" }] }, { "id": "b", "emails": [{ "type": "Home" }] },
            { "id": "c", "emails": [] }]),
        ),
        (
            "active",
            "b a c",
            "c a b",
            json!([
            { "id": "a", "active": true }, { "id": "b", "active": false }, { "id": "c", "active": null }]),
        ),
        // Instants, not texts.
        (
            "meta.created",
            "b a c",
            "c a b",
            json!([
            { "id": "a", "meta": { "created": "2024-01-01T00:30:00+01:00" } },
            { "id": "b", "meta": { "created": "2023-12-31T23:00:00Z" } },
            { "id": "c", "meta": { "created": "2024-01-01T00:00:00.5Z" } }]),
        ),
        (
            &format!("{}:manager", urn::ENTERPRISE_USER),
            "b a",
            "a b",
            json!([
            { "id": "a", urn::ENTERPRISE_USER: { "manager": { "value": "2" } } },
            { "id": "b", urn::ENTERPRISE_USER: { "manager": { "value": "1" } } }]),
        ),
    ] {
        assert_eq!(order(by, false, users.clone()).join(" "), ascending, "{by}");
        assert_eq!(order(by, true, users).join(" "), descending, "{by} descending");
    }
    // What is equal stays in the order of the ids, both ways.
    let equal = json!([{ "id": "b", "title": "x" }, { "id": "a", "title": "X" }]);
    assert_eq!(order("title", false, equal.clone()), ["a", "b"]);
    assert_eq!(order("title", true, equal), ["a", "b"]);
}

#[test]
fn numbers_are_sorted_by_value() {
    let mut registry = Registry::standard();
    registry
        .add_json(
            r#"{"schemas":[{"id":"urn:x:N","attributes":[{"name":"n","type":"decimal"},
                {"name":"tags","multiValued":true},{"name":"pin","returned":"never"}]}],
                "resourceTypes":[{"name":"N","endpoint":"/Ns","schema":"urn:x:N"}]}"#,
        )
        .unwrap();
    let schema = registry.get("N").unwrap();
    let resolve = |by: &str| {
        Sort { by: by.parse().unwrap(), descending: false }.resolve(schema, &mut strict())
    };
    let sort = resolve("n").unwrap();
    let key = |json: Json| sort.key(&serde_json::from_value(json).unwrap());
    let keys = [
        json!({ "n": -1e30 }),
        json!({ "n": -5.5 }),
        json!({ "n": -5 }),
        json!({ "n": 9 }),
        json!({ "n": 9.5 }),
        json!({ "n": 10 }),
        json!({ "n": 9_007_199_254_740_993_i64 }),
        json!({ "n": u64::MAX }),
        json!({ "n": "1" }),
    ];
    assert!(keys.map(key).is_sorted_by(|a, b| a < b));
    assert_eq!(SortKey::Decimal(-0.0), SortKey::Integer(0));
    let tags = resolve("tags").unwrap();
    let first: Resource = serde_json::from_value(json!({ "tags": ["B", "a"] })).unwrap();
    assert_eq!(tags.key(&first), SortKey::Text("b".into()));
    assert_eq!(resolve("pin"), None);
}

#[test]
fn some_attributes_cannot_be_sorted_by() {
    let registry = Registry::standard();
    let resolve = |by: &str, leniency: &mut Leniency| {
        Sort { by: by.parse().unwrap(), descending: false }.resolve(registry.user(), leniency)
    };
    let password = format!("{}:password", urn::USER);
    for by in [
        "nothing",
        "password",
        &password,
        "name",
        "name.nothing",
        "meta",
        urn::USER,
        urn::ENTERPRISE_USER,
    ] {
        assert_eq!(resolve(by, &mut Leniency::new(Profile::default())), None, "{by}");
    }
    assert_eq!(resolve("department", &mut strict()), None);
    let mut lenient = Leniency::new(Profile::default());
    assert!(resolve("department", &mut lenient).is_some());
    assert_eq!(lenient.traces()[0].tolerance, Tolerance::BareExtensionName);
}

// List responses.

#[test]
fn list_responses_of_the_rfcs_round_trip() {
    let mut ran = 0;
    for name in [
        "rfc7644-3.4.2-list-response-attributes-username",
        "rfc7644-3.4.2.4-list-response-page-skeleton",
        "rfc7644-3.4.3-search-response",
        "rfc7644-3.7.1-circular-groups-list-response",
        "rfc7644-4-resource-types-list-response",
        "rfc9865-2-cursor-first-page-skeleton",
        "rfc9865-2-cursor-middle-page-skeleton",
        "rfc9865-2.3-cursor-only-server-skeleton",
    ] {
        let text = fixture(&format!("rfc/{name}.json"));
        let list: ListResponse = serde_json::from_str(&text).unwrap();
        let again = serde_json::to_value(&list).unwrap();
        assert_eq!(again, serde_json::from_str::<Json>(&text).unwrap(), "{name}");
        // Written from texts it is the same, byte for byte.
        let texts = list.resources.iter().map(|r| serde_json::to_vec(r).unwrap());
        let mut written = Vec::new();
        list.page.write(texts, &mut written);
        assert_eq!(written, serde_json::to_vec(&list).unwrap(), "{name}");
        ran += 1;
    }
    assert_eq!(ran, 8);
}

#[test]
fn list_response_wire_form() {
    let page = ListPage {
        total_results: Some(3),
        items_per_page: Some(1),
        start_index: Some(2),
        next_cursor: Some("n\"ext".to_owned()),
        previous_cursor: None,
    };
    let ada: Resource = serde_json::from_value(json!({ "id": "7", "userName": "ada" })).unwrap();
    let list = ListResponse { page, resources: vec![ada] };
    assert_json_snapshot!(list);
    assert_json_snapshot!("empty_list_response", ListResponse::all(Vec::new()));
    assert_json_snapshot!("list_response_without_total", ListResponse::default());
    let mut written = Vec::new();
    list.page.write([br#"{"id":"7","userName":"ada"}"#], &mut written);
    assert_eq!(written, serde_json::to_vec(&list).unwrap());
}

#[test]
fn what_is_no_list_response_is_refused() {
    let with = |member: &str, value: Json| {
        let mut list = json!({ "SCHEMAS": [urn::LIST_RESPONSE], "totalresults": 1 });
        list[member] = value;
        ListResponse::from_object(parse(&list.to_string()))
    };
    assert_eq!(with("x", json!(1)).unwrap().page.total_results, Some(1));
    assert!(with("resources", json!(null)).unwrap().resources.is_empty());
    for (member, value) in [
        ("SCHEMAS", json!([urn::ERROR])),
        ("itemsPerPage", json!(-1)),
        ("itemsPerPage", json!("1")),
        ("nextCursor", json!(1)),
        ("Resources", json!({})),
        ("Resources", json!(["x"])),
    ] {
        assert!(with(member, value.clone()).is_err(), "{member} {value}");
    }
}

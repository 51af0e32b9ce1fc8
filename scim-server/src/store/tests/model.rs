//! Random writes and queries on memory and SQLite: every answer must be the same.
//!
//! The pools of values are small, so that ids collide, names are taken, groups nest and filters find something.

use std::fmt::Debug;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use scim_core::patch::{ChangeSet, MemberEdit, MemberOp};
use scim_core::{Filter, Leniency, Limits, Profile, TypedFilter, Version};

use crate::store::suite::help::{
    REGISTRY, at, changes, default, draft, elements, id, key, other, query, resource, scope,
    sorting,
};
use crate::store::suite::{Store, block_on};
use crate::store::{
    Draft, Include, MemoryStore, Query, StoreError, Total, Write, WriteBatch, WriteIf,
};

const TYPES: [&str; 3] = ["User", "Group", "Contact"];
const IDS: u64 = 10;
const NAMES: [&str; 9] = ["ada", "ADA", "Ａda", "adam", "b", "é", "e\u{301}m", "a_%", ""];

/// What is done to the stores.
#[derive(Debug, Clone)]
enum Step {
    Write { other: bool, millis: i64, writes: Vec<Change> },
    Get { resource_type: &'static str, n: u64, include: Include },
    Members { n: u64, after: Option<u64>, limit: usize },
    Query(Asked),
}

/// A write, before it is one.
#[derive(Debug, Clone)]
enum Change {
    Create {
        resource_type: &'static str,
        n: u64,
        json: String,
        members: Vec<u64>,
        cycles: bool,
    },
    Update {
        resource_type: &'static str,
        n: u64,
        version: Option<u64>,
        json: Option<String>,
        password: Option<bool>,
        members: Vec<Members>,
        cycles: bool,
    },
    Delete {
        resource_type: &'static str,
        n: u64,
        version: Option<u64>,
    },
}

#[derive(Debug, Clone)]
enum Members {
    Add(Vec<u64>),
    Replace(Vec<u64>),
    Remove(Vec<u64>),
    RemoveAll,
    RemoveWhere(String),
}

/// A query, before it is one.
#[derive(Debug, Clone)]
struct Asked {
    other: bool,
    types: Vec<&'static str>,
    filter: String,
    sort: Option<String>,
    skip: u64,
    limit: usize,
    count: bool,
    include: Include,
}

/// What the n-th resource is, unless a step mistakes it for something else.
fn type_of(n: u64) -> &'static str {
    match n {
        0..5 => "User",
        5..8 => "Group",
        _ => "Contact",
    }
}

/// A resource, now and then under a type that is not its own.
fn place() -> impl Strategy<Value = (&'static str, u64)> {
    let mistaken = option::weighted(0.05, select(&TYPES[..]));
    (0..IDS, mistaken).prop_map(|(n, mistaken)| (mistaken.unwrap_or(type_of(n)), n))
}

/// A text for attributes and filters.
fn text() -> impl Strategy<Value = String> {
    (select(&NAMES[..]), option::weighted(0.4, 0..4_u64)).prop_map(|(name, n)| match n {
        Some(n) => format!("{name}{n}"),
        None => name.to_owned(),
    })
}

fn ids(most: usize) -> impl Strategy<Value = Vec<u64>> {
    vec(0..IDS + 1, 0..=most)
}

fn json() -> impl Strategy<Value = String> {
    let emails =
        vec((select(&["a@x", "A@X", "b@y", "ab@y"][..]), select(&["work", "home"][..])), 0..3);
    (text(), option::of(text()), option::of(text()), option::of(any::<bool>()), emails, option::of(text()), option::of(text()))
        .prop_map(|(name, display, external, active, emails, family, department)| {
            let mut json = serde_json::json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                "userName": name,
            });
            let mut set = |name: &str, value: Option<serde_json::Value>| {
                if let (Some(value), Some(object)) = (value, json.as_object_mut()) {
                    object.insert(name.to_owned(), value);
                }
            };
            set("displayName", display.map(Into::into));
            set("externalId", external.map(Into::into));
            set("active", active.map(Into::into));
            let emails: Vec<_> = emails
                .iter()
                .enumerate()
                .map(|(i, (value, kind))| serde_json::json!({"value": value, "type": kind, "primary": i == 1}))
                .collect();
            set("emails", (!emails.is_empty()).then(|| emails.into()));
            set("name", family.map(|f| serde_json::json!({"familyName": f})));
            set(
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
                department.map(|d| serde_json::json!({"department": d})),
            );
            json.to_string()
        })
}

fn members() -> impl Strategy<Value = Members> {
    prop_oneof![
        3 => ids(4).prop_map(Members::Add),
        2 => ids(4).prop_map(Members::Remove),
        1 => ids(4).prop_map(Members::Replace),
        1 => Just(Members::RemoveAll),
        1 => select(&["type eq \"user\"", "type ne \"User\"", "value sw \"0\"", "value ew \"3\""][..])
            .prop_map(|text| Members::RemoveWhere(text.to_owned())),
        1 => (0..IDS).prop_map(|n| Members::RemoveWhere(format!("value eq \"{}\"", id(n)))),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let version = || option::weighted(0.2, 1_u64..4);
    prop_oneof![
        2 => (place(), json(), ids(3), prop::bool::weighted(0.2)).prop_map(
            |((resource_type, n), json, members, cycles)| {
                // Only groups are made with members.
                let members = if resource_type == "Group" { members } else { Vec::new() };
                Change::Create { resource_type, n, json, members, cycles }
            },
        ),
        5 => (place(), version(), option::of(json()), option::weighted(0.1, any::<bool>()), vec(members(), 0..4), prop::bool::weighted(0.2))
            .prop_map(|((resource_type, n), version, json, password, members, cycles)| {
                let members = if resource_type == "Group" { members } else { Vec::new() };
                Change::Update { resource_type, n, version, json, password, members, cycles }
            }),
        1 => (place(), version())
            .prop_map(|((resource_type, n), version)| Change::Delete { resource_type, n, version }),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    let text = || {
        prop_oneof![
            4 => text(),
            1 => select(&["a@x", "b@y", "work", "User", "group", "W/\\\"2\\\"", "direct"][..]).prop_map(str::to_owned),
            2 => (0..IDS).prop_map(|n| id(n).to_string()),
        ]
    };
    let attribute = select(
        &[
            "userName",
            "displayName",
            "externalId",
            "emails.value",
            "emails",
            "emails.type",
            "name.familyName",
            "id",
            "members.value",
            "members",
            "members.type",
            "groups.value",
            "groups",
            "groups.display",
            "groups.type",
            "meta.resourceType",
            "meta.version",
            "meta.location",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
            "unknown",
        ][..],
    );
    let operator =
        select(&["eq", "eq", "eq", "ne", "co", "sw", "sw", "ew", "gt", "ge", "lt", "le"][..]);
    let comparison = (attribute.clone(), operator.clone(), text())
        .prop_map(|(attribute, op, text)| format!("{attribute} {op} \"{text}\""));
    // What an index answers, so that unions and intersections of such are common.
    let indexed = (
        select(
            &[
                "userName",
                "displayName",
                "externalId",
                "emails.value",
                "members.value",
                "groups.value",
                "id",
            ][..],
        ),
        select(&["eq", "eq", "sw"][..]),
        prop_oneof![
            2 => text(),
            1 => select(&["a@x", "b@y"][..]).prop_map(str::to_owned),
            1 => (0..IDS).prop_map(|n| id(n).to_string()),
        ],
    )
        .prop_map(|(attribute, op, text)| format!("{attribute} {op} \"{text}\""));
    let time = (
        select(&["meta.created", "meta.lastModified"][..]),
        select(&["eq", "ne", "gt", "ge", "lt", "le"][..]),
        0..60_u32,
        select(&["", "5"][..]),
    )
        .prop_map(|(attribute, op, ms, more)| {
            format!("{attribute} {op} \"2026-01-01T12:00:00.{ms:03}{more}Z\"")
        });
    let present = select(
        &[
            "userName pr",
            "displayName pr",
            "emails pr",
            "members pr",
            "groups pr",
            "externalId pr",
            "active eq true",
            "active eq false",
            "active pr",
            "name pr",
        ][..],
    )
    .prop_map(str::to_owned);
    let element = (
        select(&["emails", "members", "groups"][..]),
        select(&["type", "value"][..]),
        operator,
        text(),
        select(&["and", "or"][..]),
        text(),
    )
        .prop_map(|(attribute, sub, op, text, how, value)| {
            format!("{attribute}[{sub} {op} \"{text}\" {how} value eq \"{value}\"]")
        });
    let leaf = prop_oneof![4 => comparison, 6 => indexed, 2 => time, 2 => present, 2 => element];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            2 => vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" and "))),
            3 => vec(inner.clone(), 2..4).prop_map(|terms| format!("({})", terms.join(" or "))),
            1 => inner.prop_map(|term| format!("not ({term})")),
        ]
    })
}

fn asked() -> impl Strategy<Value = Asked> {
    let sort = select(
        &[
            "userName",
            "displayName",
            "id",
            "meta.created",
            "meta.lastModified",
            "emails",
            "name.familyName",
            "active",
            "members",
            "groups",
        ][..],
    );
    let types = prop_oneof![
        3 => select(&TYPES[..]).prop_map(|t| vec![t]),
        1 => Just(vec!["User", "Group"]),
        1 => Just(TYPES.to_vec()),
    ];
    (
        prop::bool::weighted(0.1),
        types,
        prop_oneof![1 => Just(String::new()), 4 => filter()],
        option::of((sort, any::<bool>())),
        prop_oneof![2 => Just(0), 1 => 0..14_u64],
        0..5_usize,
        any::<bool>(),
        (any::<bool>(), any::<bool>()),
    )
        .prop_map(|(other, types, filter, sort, skip, limit, count, (groups, members))| {
            Asked {
                other,
                types,
                filter,
                sort: sort.map(|(by, down)| format!("{}{by}", if down { "-" } else { "" })),
                skip,
                limit,
                count,
                include: Include { groups, members },
            }
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop::bool::weighted(0.1), 0..60_i64, vec(change(), 1..3))
            .prop_map(|(other, millis, writes)| Step::Write { other, millis, writes }),
        1 => (place(), any::<bool>(), any::<bool>()).prop_map(
            |((resource_type, n), groups, members)| {
                Step::Get { resource_type, n, include: Include { groups, members } }
            },
        ),
        1 => (4..9_u64, option::of(0..IDS), 0..4_usize)
            .prop_map(|(n, after, limit)| Step::Members { n, after, limit }),
        8 => asked().prop_map(Step::Query),
    ]
}

impl Change {
    fn write(self, tenant: &crate::auth::TenantId) -> Write {
        let place = |resource_type, n| crate::store::Key {
            tenant: tenant.clone(),
            ..key(resource_type, n)
        };
        let guard = |version: Option<u64>| match version {
            Some(version) => WriteIf::Version(Version(version)),
            None => WriteIf::Any,
        };
        match self {
            Change::Create { resource_type, n, json, members, cycles } => Write::Create {
                key: place(resource_type, n),
                draft: draft(&json),
                members: members.into_iter().map(id).collect(),
                allow_cycles: cycles,
            },
            Change::Update { resource_type, n, version, json, password, members, cycles } => {
                let draft = json.map(|json| Draft {
                    changes: told_changes(&json),
                    password_hash: (password == Some(true)).then(|| "hash".to_owned()),
                    clear_password: password == Some(false),
                    ..draft(&json)
                });
                let edits = members.into_iter().enumerate();
                Write::Update {
                    key: place(resource_type, n),
                    guard: guard(version),
                    draft,
                    members: edits.map(|(i, m)| MemberEdit { operation: i, op: m.op() }).collect(),
                    allow_cycles: cycles,
                }
            }
            Change::Delete { resource_type, n, version } => {
                Write::Delete { key: place(resource_type, n), guard: guard(version) }
            }
        }
    }
}

impl Members {
    fn op(self) -> MemberOp {
        match self {
            Members::Add(ids) => MemberOp::Add(elements(&ids)),
            Members::Replace(ids) => MemberOp::Replace(elements(&ids)),
            Members::Remove(ids) => {
                MemberOp::Remove(ids.into_iter().map(|n| id(n).as_str().into()).collect())
            }
            Members::RemoveAll => MemberOp::RemoveAll,
            Members::RemoveWhere(text) => MemberOp::RemoveWhere(on_members(&text)),
        }
    }
}

/// Some change: the stores keep what they are told.
fn told_changes(json: &str) -> ChangeSet {
    let after = format!(r#"{{"userName":"a","title":"{}"}}"#, json.len());
    changes("User", &resource(r#"{"userName":"a"}"#), &resource(&after))
}

fn on_members(text: &str) -> TypedFilter {
    let mut leniency = Leniency::new(Profile::strict());
    let filter = Filter::parse(text, &Limits::default(), &mut leniency).unwrap();
    filter.resolve_in(REGISTRY.group().attribute("members").unwrap(), &mut leniency).unwrap()
}

impl Asked {
    fn query(&self) -> Query {
        let scopes: Vec<_> = self.types.iter().map(|t| scope(t, &self.filter)).collect();
        Query {
            tenant: if self.other { other() } else { default() },
            sorting: self.sort.as_ref().map(|by| sorting(&scopes, by)),
            skip: self.skip,
            limit: self.limit,
            total: if self.count { Total::Count } else { Total::Skip },
            include: self.include,
            ..query(scopes)
        }
    }
}

/// An answer in a form that can be compared.
fn told<T: Debug>(result: &Result<T, StoreError>) -> String {
    format!("{result:?}")
}

/// Something of each type to begin with; groups have members.
fn population() -> impl Strategy<Value = Vec<Step>> {
    let one = (json(), ids(5), 0..60_i64);
    vec(one, IDS as usize).prop_map(|all| {
        let step = |(n, (json, members, millis)): (u64, (String, Vec<u64>, i64))| {
            let resource_type = type_of(n);
            let members = match resource_type {
                "Group" => members.into_iter().filter(|m| *m < n).collect(),
                _ => Vec::new(),
            };
            let create = Change::Create { resource_type, n, json, members, cycles: false };
            Step::Write { other: n % 5 == 4, millis, writes: vec![create] }
        };
        (0..).zip(all).map(step).collect()
    })
}

async fn play(steps: Vec<Step>, memory: &impl Store, sqlite: &impl Store) {
    for tenant in
        [memory.tenant_create(&other(), at(0)).await, sqlite.tenant_create(&other(), at(0)).await]
    {
        assert!(tenant.unwrap());
    }
    for step in steps {
        match &step {
            Step::Write { other: elsewhere, millis, writes } => {
                let tenant = if *elsewhere { other() } else { default() };
                let batch = WriteBatch {
                    actor: "actor".into(),
                    request_id: "request".into(),
                    base_url: "https://example.com/scim/v2/".into(),
                    now: at(*millis),
                    writes: writes.iter().map(|w| w.clone().write(&tenant)).collect(),
                    tenant,
                };
                let expected = memory.write(batch.clone()).await;
                assert_eq!(told(&sqlite.write(batch).await), told(&expected), "{step:?}");
            }
            Step::Get { resource_type, n, include } => {
                let key = key(resource_type, *n);
                let expected = memory.get(&key, *include).await;
                assert_eq!(told(&sqlite.get(&key, *include).await), told(&expected), "{step:?}");
            }
            Step::Members { n, after, limit } => {
                let (key, after) = (key("Group", *n), after.map(id));
                let expected = memory.members(&key, after.as_ref(), *limit).await;
                let found = sqlite.members(&key, after.as_ref(), *limit).await;
                assert_eq!(told(&found), told(&expected), "{step:?}");
            }
            Step::Query(asked) => {
                let mut query = asked.query();
                // The first page and those that follow it.
                loop {
                    let expected = memory.query(&query).await.unwrap();
                    let found = sqlite.query(&query).await.unwrap();
                    assert_eq!(found, expected, "{query:?}");
                    query.after = expected.next;
                    query.skip = 0;
                    if query.after.is_none() || query.limit == 0 {
                        break;
                    }
                }
            }
        }
    }
    for tenant in [default(), other()] {
        let expected = memory.audit(&tenant, 0, 10_000).await.unwrap();
        assert_eq!(sqlite.audit(&tenant, 0, 10_000).await.unwrap(), expected);
    }
    assert_eq!(sqlite.verify().await.unwrap(), []);
    assert_eq!(memory.verify().await.unwrap(), []);
}

/// As many histories as `PROPTEST_CASES` says, and otherwise as many as take a few seconds.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { max_shrink_iters: 2_000, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 64;
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn memory_and_sqlite_give_the_same_answers(
        population in population(),
        steps in vec(step(), 1..60),
    ) {
        let memory = MemoryStore::new(Arc::clone(&REGISTRY), at(0));
        let (sqlite, _folder) = super::sqlite::open();
        block_on(play([population, steps].concat(), &memory, &sqlite));
    }
}

//! The behaviour that every store shows, case by case, and against a model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::*;

type Store = Arc<dyn Records>;

const KIND: &str = "agent";
const OTHER_KIND: &str = "agent-group";

fn now() -> DateTime<Utc> {
    crate::clock::from_millis(1_780_000_000_000)
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

fn key(id: &str) -> Key {
    Key::new(&tenant("acme"), KIND, id)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// All cases, each on a store of its own.
pub(super) fn run(make: impl Fn() -> Store) {
    block_on(async {
        records_come_back(&*make()).await;
        expectations_hold(&*make()).await;
        a_batch_is_whole_or_nothing(&*make()).await;
        lists_go_page_by_page(&*make()).await;
        tenants_and_kinds_are_apart(&*make()).await;
        journals_are_searched(&*make()).await;
        journals_are_read_from_both_ends(&*make()).await;
        journals_forget(&*make()).await;
        leases_have_one_holder(&*make()).await;
        a_lost_lease_fences(&*make()).await;
        one_of_many_wins(make()).await;
    });
}

async fn records_come_back(store: &dyn Records) {
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let value = json!({"name": "dc1 ä\u{0}'\"", "n": 1.5, "deep": [null, {"x": []}]});
    store.write(vec![Write::create(key("a"), value.clone())]).await.unwrap();
    let first = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(first.value, value);
    let any = Write { key: key("a"), expect: Expect::Any, value: Some(json!(2)) };
    store.write(vec![any]).await.unwrap();
    let second = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(second.value, json!(2));
    assert!(second.version > first.version);
    store.write(vec![Write::delete(key("a"), second.version)]).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let gone = Write { key: key("a"), expect: Expect::Any, value: None };
    store.write(vec![gone]).await.unwrap();
    store.write(vec![Write::create(key("a"), json!(3))]).await.unwrap();
    let third = store.get(&key("a")).await.unwrap().unwrap();
    // What was read before the deletion must not fit what was made after it.
    assert!(third.version > second.version);
}

async fn expectations_hold(store: &dyn Records) {
    store.write(vec![Write::create(key("a"), json!(1))]).await.unwrap();
    let found = store.get(&key("a")).await.unwrap().unwrap();
    for wrong in [
        Write::create(key("a"), json!(2)),
        Write::replace(key("a"), found.version + 1, json!(2)),
        Write::delete(key("a"), found.version + 1),
        Write::replace(key("none"), found.version, json!(2)),
        Write::delete(key("none"), found.version),
    ] {
        let error = store.write(vec![wrong.clone()]).await.unwrap_err();
        assert!(matches!(&error, RecordsError::Conflict(key) if *key == wrong.key), "{error}");
        assert_eq!(store.get(&key("a")).await.unwrap().as_ref(), Some(&found));
        assert_eq!(store.get(&key("none")).await.unwrap(), None);
    }
    store.write(vec![Write::replace(key("a"), found.version, json!(2))]).await.unwrap();
    let again = Write::replace(key("a"), found.version, json!(3));
    assert!(matches!(store.write(vec![again]).await, Err(RecordsError::Conflict(_))));
}

async fn a_batch_is_whole_or_nothing(store: &dyn Records) {
    store.write(vec![Write::create(key("b"), json!(1))]).await.unwrap();
    let batch = |id: &str| Batch {
        writes: vec![Write::create(key("a"), json!(1)), Write::create(key(id), json!(2))],
        entries: vec![audit("made")],
        fence: None,
    };
    assert!(matches!(store.commit(batch("b")).await, Err(RecordsError::Conflict(_))));
    assert_eq!(store.get(&key("a")).await.unwrap(), None);
    let all = LogQuery { limit: 10, ..LogQuery::default() };
    assert_eq!(store.log(&tenant("acme"), Journal::Audit, &all).await.unwrap(), []);
    store.commit(batch("c")).await.unwrap();
    assert!(store.get(&key("a")).await.unwrap().is_some());
    assert_eq!(store.log(&tenant("acme"), Journal::Audit, &all).await.unwrap().len(), 1);
}

fn audit(action: &str) -> Entry {
    let entry = entry("token-1", "agent a", action, "Success", 0);
    Entry { tenant: tenant("acme"), journal: Journal::Audit, entry }
}

fn entry(job: &str, object: &str, action: &str, status: &str, minutes: i64) -> LogEntry {
    LogEntry {
        at: now() + TimeDelta::minutes(minutes),
        job: job.to_owned(),
        object: object.to_owned(),
        action: action.to_owned(),
        status: status.to_owned(),
        body: json!({"of": object}),
    }
}

async fn lists_go_page_by_page(store: &dyn Records) {
    let ids = ["Z", "a", "a-1", "b", "ä"];
    let writes = ids.iter().rev().map(|id| Write::create(key(id), json!(id)));
    store.write(writes.collect()).await.unwrap();
    let acme = tenant("acme");
    let mut found: Vec<String> = Vec::new();
    loop {
        let after = found.last().map(String::as_str);
        let page = store.list(&acme, KIND, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        assert!(page.iter().all(|(id, record)| record.value == json!(id)));
        found.extend(page.into_iter().map(|(id, _)| id));
    }
    assert_eq!(found, ids);
    assert_eq!(store.list(&acme, KIND, None, 0).await.unwrap(), []);
    assert_eq!(store.list(&acme, KIND, None, usize::MAX).await.unwrap().len(), 5);
}

async fn tenants_and_kinds_are_apart(store: &dyn Records) {
    let keys = [
        Key::new(&TenantId::service(), KIND, "1"),
        Key::new(&tenant("acme"), KIND, "1"),
        Key::new(&tenant("acme"), KIND, "2"),
        Key::new(&tenant("acme"), OTHER_KIND, "1"),
        Key::new(&tenant("globex"), KIND, "0"),
    ];
    for key in &keys {
        store.write(vec![Write::create(key.clone(), json!(key.to_string()))]).await.unwrap();
    }
    for key in &keys {
        let found = store.get(key).await.unwrap().unwrap();
        assert_eq!(found.value, json!(key.to_string()));
    }
    let ids = |page: Vec<(String, Record)>| page.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    assert_eq!(ids(store.list(&tenant("acme"), KIND, None, 9).await.unwrap()), ["1", "2"]);
    assert_eq!(ids(store.list(&tenant("globex"), KIND, None, 9).await.unwrap()), ["0"]);
    assert_eq!(ids(store.list(&tenant("initech"), KIND, None, 9).await.unwrap()), [""; 0]);

    let mut scanned: Vec<Key> = Vec::new();
    while let Some((key, _)) = store.scan(KIND, scanned.last(), 1).await.unwrap().into_iter().next()
    {
        scanned.push(key);
    }
    let expected: Vec<_> = keys.iter().filter(|key| key.kind == KIND).cloned().collect();
    assert_eq!(scanned, expected);

    store
        .append(&tenant("acme"), Journal::Audit, vec![entry("j", "o", "a", "s", 0)])
        .await
        .unwrap();
    let all = LogQuery { limit: 10, ..LogQuery::default() };
    for (name, journal, count) in [
        ("acme", Journal::Audit, 1),
        ("acme", Journal::Provisioning, 0),
        ("globex", Journal::Audit, 0),
    ] {
        assert_eq!(store.log(&tenant(name), journal, &all).await.unwrap().len(), count, "{name}");
    }
}

async fn fill(store: &dyn Records) {
    let entries = vec![
        entry("j1", "Ada Lovelace", "Create", "Success", 0),
        entry("j1", "Änne 100%", "Update", "Failure", 1),
        entry("j2", "Ada_King", "Create", "Success", 2),
        entry("j2", "Bob", "Delete", "Skipped", 3),
    ];
    store.append(&tenant("acme"), Journal::Provisioning, entries).await.unwrap();
}

async fn journals_are_searched(store: &dyn Records) {
    fill(store).await;
    let acme = tenant("acme");
    let some = |text: &str| Some(text.to_owned());
    let base = LogQuery { limit: 10, order: LogOrder::OldestFirst, ..LogQuery::default() };
    let cases: [(LogQuery, &[&str]); 10] = [
        (base.clone(), &["Ada Lovelace", "Änne 100%", "Ada_King", "Bob"]),
        (LogQuery { job: some("j2"), ..base.clone() }, &["Ada_King", "Bob"]),
        (LogQuery { object: some("ADA"), ..base.clone() }, &["Ada Lovelace", "Ada_King"]),
        (LogQuery { object: some("äNN"), ..base.clone() }, &["Änne 100%"]),
        (LogQuery { object: some("%"), ..base.clone() }, &["Änne 100%"]),
        (LogQuery { object: some("_"), ..base.clone() }, &["Ada_King"]),
        (
            LogQuery {
                action: some("Create"),
                status: some("Success"),
                job: some("j1"),
                ..base.clone()
            },
            &["Ada Lovelace"],
        ),
        (LogQuery { status: some("success"), ..base.clone() }, &[]),
        (
            LogQuery {
                since: Some(now() + TimeDelta::minutes(1)),
                until: Some(now() + TimeDelta::minutes(3)),
                ..base.clone()
            },
            &["Änne 100%", "Ada_King"],
        ),
        (LogQuery { object: some("' OR 1=1 --"), ..base.clone() }, &[]),
    ];
    for (query, expected) in cases {
        let found = store.log(&acme, Journal::Provisioning, &query).await.unwrap();
        let objects: Vec<_> = found.iter().map(|logged| logged.entry.object.as_str()).collect();
        assert_eq!(objects, expected, "{query:?}");
        assert!(found.iter().all(|logged| logged.entry.body == json!({"of": logged.entry.object})));
    }
}

async fn journals_are_read_from_both_ends(store: &dyn Records) {
    fill(store).await;
    let acme = tenant("acme");
    for (order, expected) in [
        (LogOrder::OldestFirst, ["Ada Lovelace", "Änne 100%", "Ada_King", "Bob"]),
        (LogOrder::NewestFirst, ["Bob", "Ada_King", "Änne 100%", "Ada Lovelace"]),
    ] {
        let mut found: Vec<Logged> = Vec::new();
        loop {
            let after = found.last().map(|logged| logged.sequence);
            let query = LogQuery { limit: 3, order, after, ..LogQuery::default() };
            let page = store.log(&acme, Journal::Provisioning, &query).await.unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page);
        }
        let objects: Vec<_> = found.iter().map(|logged| logged.entry.object.as_str()).collect();
        assert_eq!(objects, expected);
    }
}

async fn journals_forget(store: &dyn Records) {
    fill(store).await;
    let entries = vec![entry("j", "old audit", "a", "s", 0)];
    store.append(&tenant("acme"), Journal::Audit, entries).await.unwrap();
    let before = now() + TimeDelta::minutes(2);
    assert_eq!(store.forget_log(Journal::Provisioning, before).await.unwrap(), 2);
    assert_eq!(store.forget_log(Journal::Provisioning, before).await.unwrap(), 0);
    let all = LogQuery { limit: 10, ..LogQuery::default() };
    let left = store.log(&tenant("acme"), Journal::Provisioning, &all).await.unwrap();
    assert_eq!(left.len(), 2);
    assert_eq!(store.log(&tenant("acme"), Journal::Audit, &all).await.unwrap().len(), 1);
    // What is forgotten does not give its place to another.
    assert_eq!(
        store.forget_log(Journal::Provisioning, now() + TimeDelta::days(1)).await.unwrap(),
        2
    );
    fill(store).await;
    let fresh = store.log(&tenant("acme"), Journal::Provisioning, &all).await.unwrap();
    assert!(fresh.iter().all(|new| left.iter().all(|old| new.sequence > old.sequence)));
}

async fn leases_have_one_holder(store: &dyn Records) {
    let ttl = Duration::from_secs(60);
    let later = |seconds| now() + TimeDelta::seconds(seconds);
    assert!(!store.is_held("job/1", now()).await.unwrap());
    let a = store.lease("job/1", "a", ttl, now()).await.unwrap().unwrap();
    assert!(store.is_held("job/1", later(59)).await.unwrap());
    assert!(!store.is_held("job/1", later(60)).await.unwrap(), "it has expired");
    assert!(!store.is_held("job/2", now()).await.unwrap());
    assert_eq!((a.holder.as_str(), a.until), ("a", later(60)));
    for holder in ["a", "b"] {
        assert_eq!(store.lease("job/1", holder, ttl, later(59)).await.unwrap(), None);
    }
    let other = store.lease("job/2", "b", ttl, now()).await.unwrap().unwrap();
    assert_eq!(other.holder, "b");
    let a = store.renew(&a, ttl, later(59)).await.unwrap().unwrap();
    assert_eq!(a.until, later(119));
    assert_eq!(store.lease("job/1", "b", ttl, later(118)).await.unwrap(), None);
    // At its end it is over, for its holder too.
    assert_eq!(store.renew(&a, ttl, later(119)).await.unwrap(), None);
    let b = store.lease("job/1", "b", ttl, later(119)).await.unwrap().unwrap();
    assert!(b.fence > a.fence);
    assert_eq!(store.renew(&a, ttl, later(120)).await.unwrap(), None);
    store.release(&a).await.unwrap();
    assert_eq!(store.lease("job/1", "c", ttl, later(120)).await.unwrap(), None);
    store.release(&b).await.unwrap();
    assert!(!store.is_held("job/1", later(120)).await.unwrap());
    assert_eq!(store.renew(&b, ttl, later(120)).await.unwrap(), None);
    let c = store.lease("job/1", "c", ttl, later(120)).await.unwrap().unwrap();
    assert!(c.fence > b.fence);
    let long = store.lease("for ever", "c", Duration::MAX, now()).await.unwrap().unwrap();
    assert!(long.until > later(1_000_000_000));
}

async fn a_lost_lease_fences(store: &dyn Records) {
    let ttl = Duration::from_secs(60);
    let under = |lease: &Lease, id: &str| Batch {
        writes: vec![Write::create(key(id), json!(1))],
        entries: vec![audit("made")],
        fence: Some(lease.fence()),
    };
    let a = store.lease("job/1", "a", ttl, now()).await.unwrap().unwrap();
    store.commit(under(&a, "1")).await.unwrap();
    let b = store.lease("job/1", "b", ttl, now() + TimeDelta::hours(1)).await.unwrap().unwrap();
    assert!(matches!(store.commit(under(&a, "2")).await, Err(RecordsError::Fenced(_))));
    assert_eq!(store.get(&key("2")).await.unwrap(), None);
    store.commit(under(&b, "2")).await.unwrap();
    let unknown = Lease { name: "job/9".to_owned(), ..b };
    assert!(matches!(store.commit(under(&unknown, "3")).await, Err(RecordsError::Fenced(_))));
}

async fn one_of_many_wins(store: Store) {
    store.write(vec![Write::create(key("code"), json!("unused"))]).await.unwrap();
    let found = store.get(&key("code")).await.unwrap().unwrap();
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..16 {
        let (store, version) = (Arc::clone(&store), found.version);
        tries.spawn(async move {
            store.write(vec![Write::replace(key("code"), version, json!(n))]).await.is_ok()
        });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

/// Two stores over the same data: what one wrote, the other sees and respects.
pub(super) fn share(one: Store, other: Store) {
    block_on(async {
        one.write(vec![Write::create(key("a"), json!(1))]).await.unwrap();
        let found = other.get(&key("a")).await.unwrap().unwrap();
        other.write(vec![Write::replace(key("a"), found.version, json!(2))]).await.unwrap();
        let late = Write::replace(key("a"), found.version, json!(3));
        assert!(matches!(one.write(vec![late]).await, Err(RecordsError::Conflict(_))));
        let ttl = Duration::from_secs(60);
        let lease = one.lease("l", "one", ttl, now()).await.unwrap().unwrap();
        assert_eq!(other.lease("l", "other", ttl, now()).await.unwrap(), None);
        other.release(&lease).await.unwrap();
        assert!(other.lease("l", "other", ttl, now()).await.unwrap().is_some());
        let mut both = tokio::task::JoinSet::new();
        for (n, store) in [one, other].into_iter().cycle().take(40).enumerate() {
            both.spawn(async move {
                store.write(vec![Write::create(key(&format!("n{n}")), json!(n))]).await
            });
        }
        assert!(both.join_all().await.into_iter().all(|result| result.is_ok()));
    });
}

#[derive(Debug, Clone)]
enum Step {
    /// Keys and values to write, each expecting what the model has or not.
    Write(Vec<(u8, Option<u8>, Fits)>),
    Get(u8),
    List(Option<u8>, usize),
}

#[derive(Debug, Clone, Copy)]
enum Fits {
    Any,
    Right,
    Wrong,
}

fn step() -> impl Strategy<Value = Step> {
    let fits =
        prop_oneof![Just(Fits::Any), Just(Fits::Right), Just(Fits::Right), Just(Fits::Wrong)];
    let write = (0..6_u8, prop::option::of(any::<u8>()), fits);
    prop_oneof![
        3 => prop::collection::vec(write, 1..4).prop_map(Step::Write),
        1 => (0..6_u8).prop_map(Step::Get),
        1 => (prop::option::of(0..6_u8), 0..5_usize).prop_map(|(after, limit)| Step::List(after, limit)),
    ]
}

/// Random steps do to the store what they do to a map.
pub(super) fn like_the_model(make: impl Fn() -> Store) {
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let steps = prop::collection::vec(step(), 1..40);
    let result = TestRunner::new(config).run(&steps, |steps| {
        block_on(follow(&*make(), steps));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

async fn follow(store: &dyn Records, steps: Vec<Step>) {
    let acme = tenant("acme");
    let mut model: BTreeMap<String, Value> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Get(n) => {
                let found = store.get(&key(&n.to_string())).await.unwrap();
                assert_eq!(found.map(|r| r.value).as_ref(), model.get(&n.to_string()));
            }
            Step::List(after, limit) => {
                let after = after.map(|n| n.to_string());
                let found = store.list(&acme, KIND, after.as_deref(), limit).await.unwrap();
                let expected =
                    model.iter().filter(|(id, _)| Some(*id) > after.as_ref()).take(limit);
                let expected: Vec<_> = expected.map(|(id, v)| (id.clone(), v.clone())).collect();
                let found: Vec<_> = found.into_iter().map(|(id, r)| (id, r.value)).collect();
                assert_eq!(found, expected);
            }
            Step::Write(writes) => {
                let mut seen = Vec::new();
                let mut batch = Vec::new();
                let mut next = model.clone();
                let mut fits_all = true;
                for (n, value, fits) in writes {
                    // The version of a record that the same batch wrote is not known before.
                    if seen.contains(&n) {
                        continue;
                    }
                    seen.push(n);
                    let id = n.to_string();
                    let found = store.get(&key(&id)).await.unwrap().map(|record| record.version);
                    let expect = match (fits, found) {
                        (Fits::Any, _) => Expect::Any,
                        (Fits::Right, None) | (Fits::Wrong, Some(_)) => Expect::Absent,
                        (Fits::Right, Some(version)) => Expect::Version(version),
                        (Fits::Wrong, None) => Expect::Version(1),
                    };
                    fits_all &= !matches!(fits, Fits::Wrong);
                    let value = value.map(|v| json!(v));
                    match value.clone() {
                        Some(value) => next.insert(id.clone(), value),
                        None => next.remove(&id),
                    };
                    batch.push(Write { key: key(&id), expect, value });
                }
                let result = store.write(batch).await;
                assert_eq!(result.is_ok(), fits_all, "{result:?}");
                if fits_all {
                    model = next;
                }
            }
        }
    }
}

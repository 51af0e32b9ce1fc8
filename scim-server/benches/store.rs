//! What the SQLite store costs next to SQLite itself, in the same process and folder:
//! `cargo bench -p scim-reference-server --bench store [-- FOLDER [USERS...]]`.
//!
//! The bare table is what the simplest honest store would need: a JSON body, a unique user name, an index on the last
//! change. Only ratios within one run mean anything.
#![allow(clippy::unwrap_used, reason = "a benchmark that fails should stop")]

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use scim_core::patch::{ChangeSet, MemberEdit, MemberOp};
use scim_core::query::Sort;
use scim_core::{Filter, Leniency, Limits, Object, Profile, Registry, Resource, ResourceId};
use scim_server::auth::TenantId;
use scim_server::store::{
    Draft, Include, Key, Query, ResourceStore, Scope, Sorting, SqliteOptions, SqliteStore, Total,
    Write, WriteBatch, WriteIf,
};

/// How long each row is measured.
const SPAN: Duration = Duration::from_millis(1_500);

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| !arg.starts_with("--"));
    let base = args.next().unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let mut stages: Vec<u64> = args.map(|arg| arg.parse().unwrap()).collect();
    if stages.is_empty() {
        stages = vec![1_000, 100_000];
    }
    let folder = tempfile::tempdir_in(base).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for group in [1, 16, 100] {
        bare(folder.path(), group);
    }
    runtime.block_on(Bench::open(folder.path()).run(&stages));
}

/// Inserts rows into the bare table, `group` of them in each transaction.
fn bare(folder: &Path, group: u64) {
    let path = folder.join(format!("bare{group}.db"));
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-65536;
             CREATE TABLE u(k INTEGER PRIMARY KEY, id TEXT UNIQUE, user_name TEXT UNIQUE, modified INTEGER, body TEXT);
             CREATE INDEX m ON u(modified);",
        )
        .unwrap();
    let (start, before, mut n) = (Instant::now(), cpu(), 0);
    while start.elapsed() < SPAN {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..group {
            connection
                .prepare_cached("INSERT INTO u(id,user_name,modified,body) VALUES(?,?,?,?)")
                .unwrap()
                .execute((id(n).as_str(), format!("user{n}@example.com"), n as i64, body(n)))
                .unwrap();
            n += 1;
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    let label = format!("bare SQLite, {group} rows a commit");
    say_cpu(&label, n, start.elapsed(), cpu() - before);
}

/// Prints a row: operations a second, and microseconds an operation.
fn say(what: &str, n: u64, time: Duration) {
    let micros = time.as_secs_f64() * 1e6 / n.max(1) as f64;
    println!("{what:<52} {:>9.0} /s {micros:>11.1} us", n as f64 / time.as_secs_f64());
}

/// As [`say`], with the processor time of an operation, which a busy machine disturbs less.
fn say_cpu(what: &str, n: u64, time: Duration, cpu: Duration) {
    let micros = |time: Duration| time.as_secs_f64() * 1e6 / n.max(1) as f64;
    println!(
        "{what:<52} {:>9.0} /s {:>11.1} us {:>9.1} us cpu",
        n as f64 / time.as_secs_f64(),
        micros(time),
        micros(cpu)
    );
}

/// Processor time of this process, in steps of ten milliseconds; nothing where the system does not tell.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = text.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u64>().ok());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

fn id(n: u64) -> ResourceId {
    ResourceId::new(&format!("0199a000-{:04x}-7000-8000-{:012x}", n >> 48, n)).unwrap()
}

/// A person of the size that the load generator makes.
fn body(n: u64) -> String {
    let family = format!("{}rson{}", char::from(b'A' + (n % 26) as u8), n % 997);
    let given = format!("Given{}", n % 311);
    format!(
        r#"{{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"r1u{n}@example.com","externalId":"r1x{n}","name":{{"givenName":"{given}","familyName":"{family}","formatted":"{given} {family}"}},"displayName":"{given} {family}","title":"Engineer","active":true,"emails":[{{"value":"r1u{n}@example.com","type":"work","primary":true}},{{"value":"r1h{n}@home.example","type":"home"}}],"phoneNumbers":[{{"value":"+1-555-{:07}","type":"work"}}]}}"#,
        n % 10_000_000
    )
}

/// A scattered but repeatable walk over 0..n.
fn hop(i: u64, n: u64) -> u64 {
    i.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29) % n.max(1)
}

fn draft(resource: Resource) -> Draft {
    Draft {
        resource,
        password_hash: None,
        clear_password: false,
        relative_refs: false,
        changes: ChangeSet::default(),
    }
}

fn key(resource_type: &str, id: ResourceId) -> Key {
    Key { tenant: TenantId::default(), resource_type: resource_type.into(), id }
}

fn creation(n: u64) -> Write {
    Write::Create {
        key: key("User", id(n)),
        draft: draft(serde_json::from_str(&body(n)).unwrap()),
        members: Vec::new(),
        allow_cycles: false,
    }
}

struct Bench {
    store: Arc<SqliteStore>,
    registry: Arc<Registry>,
    start: Instant,
}

impl Bench {
    fn open(folder: &Path) -> Self {
        let registry = Arc::new(Registry::standard());
        let folder = folder.join("data");
        let start = Instant::now();
        let now = DateTime::UNIX_EPOCH;
        let options = SqliteOptions::default();
        let store = SqliteStore::open(&folder, Arc::clone(&registry), now, &options).unwrap();
        say("first start", 1, start.elapsed());
        drop(store);
        let start = Instant::now();
        let store = SqliteStore::open(&folder, Arc::clone(&registry), now, &options).unwrap();
        say("start on an existing database", 1, start.elapsed());
        Self { store: Arc::new(store), registry, start }
    }

    fn now(&self) -> DateTime<Utc> {
        let millis = self.start.elapsed().as_millis() as i64;
        DateTime::from_timestamp_millis(1_767_268_800_000 + millis).unwrap()
    }

    fn batch(&self, writes: Vec<Write>) -> WriteBatch {
        WriteBatch {
            tenant: TenantId::default(),
            actor: "abcdefghijklmnop".into(),
            request_id: "0199a000-0000-7000-8000-000000000000".into(),
            base_url: "https://example.com/scim/v2/".into(),
            now: self.now(),
            writes,
        }
    }

    async fn run(self, stages: &[u64]) {
        let mut stored = 0;
        let me = Arc::new(self);
        for stage in stages {
            // The last of a stage are made one by one, as a server is asked to.
            let fill = stage.saturating_sub(8_000).max(stored);
            let (start, before) = (Instant::now(), cpu());
            for n in (stored..fill).step_by(200) {
                let writes = (n..(n + 200).min(fill)).map(creation).collect();
                me.store.write(me.batch(writes)).await.unwrap();
            }
            if fill > stored {
                let label = format!("fill to {fill}, 200 a batch");
                say_cpu(&label, fill - stored, start.elapsed(), cpu() - before);
            }
            stored = fill.max(stored);
            for tasks in [1, 16] {
                let first = stored;
                let left = (stage - stored) / if tasks == 1 { 2 } else { 1 };
                let label = format!("create, c{tasks}, at {stage}");
                stored += me
                    .measure(&label, tasks, left, move |me, i| async move {
                        me.store.write(me.batch(vec![creation(first + i)])).await.unwrap();
                    })
                    .await;
            }
            me.disk(stored);
            me.reads(stored).await;
        }
        me.groups(stored).await;
        me.disk(stored);
    }

    /// Runs an operation in several tasks until the time is over or `most` are done; answers how many were.
    async fn measure<F, R>(self: &Arc<Self>, label: &str, tasks: u64, most: u64, op: F) -> u64
    where
        F: Fn(Arc<Self>, u64) -> R + Copy + Send + 'static,
        R: Future<Output = ()> + Send,
    {
        let next = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let (start, before) = (Instant::now(), cpu());
        let workers: Vec<_> = (0..tasks)
            .map(|_| {
                let (me, next) = (Arc::clone(self), Arc::clone(&next));
                tokio::spawn(async move {
                    let mut done = 0_u64;
                    while start.elapsed() < SPAN {
                        let i = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if i >= most {
                            break;
                        }
                        op(Arc::clone(&me), i).await;
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut done = 0;
        for worker in workers {
            done += worker.await.unwrap();
        }
        say_cpu(label, done, start.elapsed(), cpu() - before);
        done
    }

    fn query(&self, filter: &str, limit: usize, sort: Option<&str>) -> Query {
        let schema = self.registry.user();
        let mut leniency = Leniency::new(Profile::strict());
        let filter = (!filter.is_empty()).then(|| {
            let filter = Filter::parse(filter, &Limits::default(), &mut leniency).unwrap();
            filter.resolve(schema, &mut leniency).unwrap()
        });
        let sorting = sort.map(|by| {
            let sort = Sort { by: by.parse().unwrap(), descending: false };
            Sorting { by: vec![sort.resolve(schema, &mut leniency)], descending: false }
        });
        let location = "https://example.com/scim/v2/Users/".into();
        Query {
            tenant: TenantId::default(),
            scopes: vec![Scope { resource_type: "User".into(), filter, location }],
            sorting,
            after: None,
            skip: 0,
            limit,
            budget: usize::MAX,
            total: Total::Skip,
            include: Include { groups: true, members: false },
        }
    }

    async fn reads(self: &Arc<Self>, stored: u64) {
        let include = Include { groups: true, members: false };
        for tasks in [1, 16] {
            self.measure(
                &format!("get by id, c{tasks}, at {stored}"),
                tasks,
                u64::MAX,
                move |me, i| async move {
                    me.store.get(&key("User", id(hop(i, stored))), include).await.unwrap();
                },
            )
            .await;
        }
        for (name, total) in [
            ("userName eq \"R1u{}@example.com\"", Total::Count),
            ("externalId eq \"r1x{}\"", Total::Count),
            ("emails.value eq \"r1h{}@home.example\"", Total::Count),
        ] {
            self.measure(
                &format!("{}, at {stored}", name.replace("{}", "N")),
                1,
                u64::MAX,
                move |me, i| async move {
                    let filter = name.replace("{}", &hop(i, stored).to_string());
                    let query = Query { total, ..me.query(&filter, 100, None) };
                    assert_eq!(me.store.query(&query).await.unwrap().items.len(), 1);
                },
            )
            .await;
        }
        let page = async |label: &str, make: &dyn Fn(&Self) -> Query, found: usize| {
            let (start, before, mut n) = (Instant::now(), cpu(), 0);
            while n == 0 || start.elapsed() < SPAN / 3 {
                let page = self.store.query(&make(self)).await.unwrap();
                assert_eq!(page.items.len(), found, "{label}");
                n += 1;
            }
            let label = format!("{label}, at {stored}");
            say_cpu(&label, n, start.elapsed(), cpu() - before);
        };
        let last = Some(scim_server::store::Position { key: None, id: id(stored - 101) });
        page("page of 100 by cursor, first", &|me| me.query("", 100, None), 100).await;
        page(
            "page of 100 by cursor, last",
            &|me| Query { after: last.clone(), ..me.query("", 100, None) },
            100,
        )
        .await;
        page(
            "page of 100 by startIndex, last, with total",
            &|me| Query { skip: stored - 100, total: Total::Count, ..me.query("", 100, None) },
            100,
        )
        .await;
        page("page of 100 sorted by userName", &|me| me.query("", 100, Some("userName")), 100)
            .await;
        page(
            "page of 100 sorted by name.familyName",
            &|me| me.query("", 100, Some("name.familyName")),
            100,
        )
        .await;
        page(
            "scan: title eq \"Nobody\", with total",
            &|me| Query { total: Total::Count, ..me.query("title eq \"Nobody\"", 100, None) },
            0,
        )
        .await;
    }

    async fn groups(self: &Arc<Self>, stored: u64) {
        for (g, size) in [(0, 0), (1, 10_000), (2, 100_000)] {
            let group = key("Group", id((1 << 47) + g));
            let resource: Resource = serde_json::from_str(r#"{"displayName":"Group"}"#).unwrap();
            let size = size.min(stored.saturating_sub(1));
            let create = Write::Create {
                key: group.clone(),
                draft: draft(resource),
                members: Vec::new(),
                allow_cycles: false,
            };
            self.store.write(self.batch(vec![create])).await.unwrap();
            let start = Instant::now();
            for n in (0..size).step_by(1_000) {
                let all: Vec<u64> = (n..(n + 1_000).min(size)).collect();
                self.store.write(self.batch(vec![members(&group, true, &all)])).await.unwrap();
            }
            if size > 0 {
                say(&format!("group filled to {size}, 1000 a batch"), size, start.elapsed());
            }
            let one = stored - 1;
            let (start, mut n, mut times) = (Instant::now(), 0, [Duration::ZERO; 2]);
            while start.elapsed() < SPAN {
                for (i, add) in [true, false].into_iter().enumerate() {
                    let start = Instant::now();
                    let write = members(&group, add, &[one]);
                    assert!(self.store.write(self.batch(vec![write])).await.unwrap()[0].changed);
                    times[i] += start.elapsed();
                }
                n += 1;
            }
            say(&format!("add one member to {size}"), n, times[0]);
            say(&format!("remove one member from {size}"), n, times[1]);
            let start = Instant::now();
            let all = Include { groups: false, members: true };
            let full = self.store.get(&group, all).await.unwrap();
            assert_eq!(full.members.len() as u64, size);
            say(&format!("get the group with its {size} members"), 1, start.elapsed());
        }
    }

    fn disk(&self, stored: u64) {
        let folder = self.store.file().parent().unwrap();
        let bytes: u64 =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
        let database = std::fs::metadata(self.store.file()).unwrap().len();
        println!(
            "{stored} users: {} bytes a user on disk ({} with the log), {} MiB resident",
            database / stored,
            bytes / stored,
            resident() >> 20
        );
    }
}

fn members(group: &Key, add: bool, members: &[u64]) -> Write {
    let op = if add {
        let element = |n: &u64| -> scim_core::Value {
            let object: Object = [("value", id(*n).as_str())].into_iter().collect();
            object.into()
        };
        MemberOp::Add(members.iter().map(element).collect())
    } else {
        MemberOp::Remove(members.iter().map(|n| id(*n).as_str().into()).collect())
    };
    Write::Update {
        key: group.clone(),
        guard: WriteIf::Any,
        draft: None,
        members: vec![MemberEdit { operation: 0, op }],
        allow_cycles: false,
    }
}

/// Resident memory of this process, where the system tells.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

//! States in a real PostgreSQL: the contract, replicas that take turns, leases that are lost, a database that goes away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use scim_sync::store::Which;
use scim_sync::suite::help::{ad, add, at};
use scim_sync::undo::{Inverse, UndoEntry, UndoSink};
use scim_sync::{AttributeSet, MemoryStore, StoreError, SyncStore, verify};
use scim_sync_store::SqliteStore;
use scim_sync_store::postgres::{Guard, PostgresStates, StateKey};
use tempfile::TempDir;
use testkit::Postgres;

use crate::differential::{Call, call, everything, folded, make};
use crate::load;

fn open(address: &str) -> PostgresStates {
    PostgresStates::open(&address.parse().unwrap()).unwrap()
}

fn key(job: &str) -> StateKey {
    StateKey { tenant: "acme".to_owned(), job: job.to_owned() }
}

/// A server with a database, and a folder for working copies.
struct Bed {
    server: Postgres,
    address: String,
    folder: TempDir,
}

impl Bed {
    fn new() -> Self {
        let server = Postgres::start();
        let address = server.database();
        Self { server, address, folder: TempDir::new().unwrap() }
    }

    fn sql(&self, sql: &str) -> String {
        self.server.sql(self.address.rsplit('/').next().unwrap(), sql)
    }

    fn copy(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

fn put(store: &mut SqliteStore, name: &str, value: &str) -> Result<(), StoreError> {
    store.begin()?;
    store.put_fact(name, Some(value))?;
    store.commit()
}

/// One server for all cases: each has a state of its own.
#[derive(Clone)]
struct Shared {
    bed: Arc<Bed>,
    states: PostgresStates,
}

/// The store of a case; the server ends with the last of them.
fn for_a_case() -> (SqliteStore, Shared) {
    static CASES: AtomicU32 = AtomicU32::new(0);
    thread_local! {
        static SHARED: Shared = {
            let bed = Bed::new();
            let states = open(&bed.address);
            Shared { bed: Arc::new(bed), states }
        };
    }
    let shared = SHARED.with(Clone::clone);
    let case = CASES.fetch_add(1, Ordering::Relaxed).to_string();
    let copy = shared.bed.copy(&case);
    let store = shared.states.store(&key(&case), &copy, None).unwrap();
    (store, shared)
}

mod suite {
    scim_sync::store_suite!(@one it_keeps_the_contract super::for_a_case);
}

/// Replicas with copies of their own take turns after every few calls, one of them from nothing: all answer as the store in
/// memory does.
#[test]
fn replicas_that_take_turns_answer_as_memory_does() {
    let bed = Bed::new();
    let states = open(&bed.address);
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let turns = prop::collection::vec(prop::collection::vec(call(), 1..25), 1..6);
    let count = AtomicU32::new(0);
    let result = TestRunner::new(config).run(&turns, |turns| {
        let case = count.fetch_add(1, Ordering::Relaxed);
        let key = key(&format!("case {case}"));
        let mut memory = MemoryStore::new();
        for (number, calls) in turns.iter().enumerate() {
            let copy = match number % 3 {
                2 => format!("{case}-new-{number}.db"),
                one => format!("{case}-{one}.db"),
            };
            let mut store = states.store(&key, &bed.copy(&copy), None).unwrap();
            prop_assert_eq!(folded(&everything(&memory, 99)), folded(&everything(&store, 99)));
            for call in calls {
                prop_assert_eq!(make(&mut memory, call), make(&mut store, call), "{:?}", call);
            }
            prop_assert_eq!(make(&mut memory, &Call::Commit), make(&mut store, &Call::Commit));
            prop_assert_eq!(store.check_file().unwrap(), Vec::<String>::new());
        }
        let store = states.store(&key, &bed.copy(&format!("{case}-end.db")), None).unwrap();
        prop_assert_eq!(folded(&everything(&memory, 99)), folded(&everything(&store, 99)));
        prop_assert_eq!(store.check_file().unwrap(), Vec::<String>::new());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn of_two_that_write_one_fails_and_changes_nothing() {
    let bed = Bed::new();
    let states = open(&bed.address);
    let mut one = states.store(&key("j"), &bed.copy("one.db"), None).unwrap();
    let mut other = states.store(&key("j"), &bed.copy("other.db"), None).unwrap();
    put(&mut one, "a", "one").unwrap();
    let error = put(&mut other, "a", "other").unwrap_err();
    assert!(error.to_string().contains("somebody else"), "{error}");
    assert_eq!(other.fact("a").unwrap(), None);
    assert!(other.begin().unwrap_err().to_string().contains("opened again"));
    drop(other);
    let mut other = states.store(&key("j"), &bed.copy("other.db"), None).unwrap();
    assert_eq!(other.fact("a").unwrap().as_deref(), Some("one"));
    put(&mut other, "a", "other").unwrap();
    // Neither another job nor another tenant has anything to do with it.
    let elsewhere = StateKey { tenant: "globex".to_owned(), job: "j".to_owned() };
    for key in [key("k"), elsewhere] {
        let store = states.store(&key, &bed.copy("third.db"), None).unwrap();
        assert_eq!(store.fact("a").unwrap(), None);
    }
    states.remove(&key("j"), None).unwrap();
    let store = states.store(&key("j"), &bed.copy("other.db"), None).unwrap();
    assert_eq!(store.fact("a").unwrap(), None);
}

const GUARD: &str = "SELECT 1 FROM lease WHERE name = $1 AND fence = $2 FOR SHARE";

#[test]
fn who_lost_the_lease_cannot_commit() {
    let bed = Bed::new();
    let states = open(&bed.address);
    bed.sql("CREATE TABLE lease (name text PRIMARY KEY, fence bigint NOT NULL)");
    bed.sql("INSERT INTO lease VALUES ('job/j', 4)");
    let guard = |fence| Some(Guard { sql: GUARD, name: "job/j".to_owned(), fence });
    let mut old = states.store(&key("j"), &bed.copy("old.db"), guard(4)).unwrap();
    put(&mut old, "a", "old").unwrap();
    old.begin().unwrap();
    old.put_fact("a", Some("too late")).unwrap();
    bed.sql("UPDATE lease SET fence = 5");
    let error = old.commit().unwrap_err();
    assert!(error.to_string().contains("lease was lost"), "{error}");
    let mut undo = states.undo(&key("j"), "1", guard(4));
    let error = flush(&mut undo).unwrap_err();
    assert!(error.to_string().contains("lease was lost"), "{error}");
    assert!(states.remove(&key("j"), guard(4)).is_err());
    let mut new = states.store(&key("j"), &bed.copy("new.db"), guard(5)).unwrap();
    assert_eq!(new.fact("a").unwrap().as_deref(), Some("old"));
    put(&mut new, "a", "new").unwrap();
    let mut undo = states.undo(&key("j"), "1", guard(5));
    flush(&mut undo).unwrap();
    flush(&mut undo).unwrap();
    let lines = states.undo_lines(&key("j"), "1").unwrap();
    assert_eq!(lines.len(), 2);
    let (entries, cut_off) =
        scim_sync::undo::read_entries(format!("{}\n", lines.join("\n")).as_bytes()).unwrap();
    assert_eq!((entries.len(), cut_off), (2, false));
}

fn flush(undo: &mut impl UndoSink) -> std::io::Result<()> {
    undo.record(&UndoEntry {
        at: at(0),
        run: 1,
        target: ad(),
        object_type: "user".into(),
        name: "u1".to_owned(),
        inverse: Inverse::Remove {
            anchor: "1".into(),
            attributes: AttributeSet::new(),
            references: std::collections::BTreeMap::new(),
        },
    })?;
    undo.flush()
}

#[test]
fn a_database_that_goes_away_within_a_transaction_takes_it_back() {
    let bed = Bed::new();
    let states = open(&bed.address);
    let mut store = states.store(&key("j"), &bed.copy("copy.db"), None).unwrap();
    put(&mut store, "a", "1").unwrap();
    store.begin().unwrap();
    store.put_fact("a", Some("2")).unwrap();
    bed.server.kill();
    assert!(matches!(store.commit(), Err(StoreError::Io(_))));
    assert_eq!(store.fact("a").unwrap().as_deref(), Some("1"));
    drop(store);
    assert!(states.store(&key("j"), &bed.copy("copy.db"), None).is_err());
    bed.server.start_again();
    let mut store = states.store(&key("j"), &bed.copy("copy.db"), None).unwrap();
    assert_eq!(store.fact("a").unwrap().as_deref(), Some("1"));
    put(&mut store, "a", "3").unwrap();
}

#[test]
fn a_copy_that_is_damaged_or_of_another_past_is_made_anew() {
    let bed = Bed::new();
    let states = open(&bed.address);
    let copy = bed.copy("copy.db");
    let again = |copy: &Path| states.store(&key("j"), copy, None).unwrap();
    let mut store = again(&copy);
    store.begin().unwrap();
    add(&mut store, &ad(), "a");
    store.commit().unwrap();
    drop(store);
    std::fs::write(&copy, "something else, and long enough to be looked at".repeat(100)).unwrap();
    let mut store = again(&copy);
    assert_eq!(store.count_objects(&ad(), Which::All).unwrap(), 1);
    put(&mut store, "a", "lost").unwrap();
    drop(store);
    // As if the database had been restored to where it was before, and gone on from there.
    bed.sql("DELETE FROM sync_row WHERE revision = 2");
    bed.sql("UPDATE sync_commit SET stamp = stamp + 1 WHERE revision = 2");
    let store = again(&copy);
    assert_eq!(store.fact("a").unwrap(), None);
    assert_eq!(verify::verify(&store, &[ad()], None).unwrap(), []);
    drop(store);
    // A state of the time before, and of its own.
    let own = bed.copy("own.db");
    put(&mut SqliteStore::open(&own).unwrap(), "a", "own").unwrap();
    assert_eq!(again(&own).fact("a").unwrap(), None);
    bed.sql("UPDATE sync_state SET format = 99");
    let error = states.store(&key("j"), &copy, None).unwrap_err().to_string();
    assert!(error.contains("newer version"), "{error}");
}

#[test]
fn row_numbers_are_given_once_whoever_gives_them() {
    let bed = Bed::new();
    let states = open(&bed.address);
    let mut one = states.store(&key("j"), &bed.copy("one.db"), None).unwrap();
    one.begin().unwrap();
    let first = add(&mut one, &ad(), "a");
    let second = add(&mut one, &ad(), "b");
    one.remove_object(second).unwrap();
    one.commit().unwrap();
    let mut other = states.store(&key("j"), &bed.copy("other.db"), None).unwrap();
    other.begin().unwrap();
    let third = add(&mut other, &ad(), "c");
    assert!(first < second && second < third, "{first} {second} {third}");
}

#[test]
fn many_users_are_a_few_commits() {
    let bed = Bed::new();
    let states = open(&bed.address);
    let mut store = states.store(&key("j"), &bed.copy("copy.db"), None).unwrap();
    let (report, _) = load::stage(&mut store, 1_500);
    assert_eq!(report.added, 1_501);
    let commits: u32 = bed.sql("SELECT revision FROM sync_state").parse().unwrap();
    assert!(commits < 10, "{commits}");
    let copy = states.store(&key("j"), &bed.copy("other.db"), None).unwrap();
    assert_eq!(copy.count_objects(&ad(), Which::All).unwrap(), 1_501);
    assert_eq!(verify::verify(&copy, &[ad()], None).unwrap(), []);
}

#[test]
#[ignore = "figures for people: run it in release"]
fn load_figures_beside_sqlite() {
    let server = Postgres::start_with(&[]);
    let states = open(&server.database());
    let folder = TempDir::new().unwrap();
    for users in [10_000, 20_000] {
        let mut sqlite = SqliteStore::open(folder.path().join(format!("{users}.db"))).unwrap();
        let (_, alone) = load::stage(&mut sqlite, users);
        let (_, alone_again) = load::stage(&mut sqlite, users);
        let (key, copy) = (key(&users.to_string()), folder.path().join(format!("copy-{users}.db")));
        let mut shared = states.store(&key, &copy, None).unwrap();
        let (_, first) = load::stage(&mut shared, users);
        let (_, again) = load::stage(&mut shared, users);
        let begun = std::time::Instant::now();
        let other = folder.path().join(format!("other-{users}.db"));
        drop(states.store(&key, &other, None).unwrap());
        let taken_over = begun.elapsed();
        println!(
            "{users} users and a group of all: SQLite {alone:.2?} and {alone_again:.2?} again, PostgreSQL {first:.2?} and \
             {again:.2?} again ({:.2} and {:.2} times as long), taken over from nothing in {taken_over:.2?}",
            first.as_secs_f64() / alone.as_secs_f64(),
            again.as_secs_f64() / alone_again.as_secs_f64(),
        );
    }
}

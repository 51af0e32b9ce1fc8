//! The contract, and a database that goes away.

use std::sync::Arc;

use serde_json::json;
use testkit::Postgres;

use super::*;
use crate::clock::{Clock as _, SystemClock};
use crate::records::{Write, suite};

/// The connections of the runtime in which a store was opened are gone with it; its pool makes others.
fn open(address: &str) -> Arc<PostgresRecords> {
    let address: Address = address.parse().unwrap();
    let opened = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(PostgresRecords::open(&address)).unwrap()
    });
    Arc::new(opened.join().unwrap())
}

fn key(id: &str) -> Key {
    Key::new(&TenantId::default(), "agent", id)
}

#[test]
fn it_keeps_the_contract() {
    let server = Postgres::start();
    suite::run(|| open(&server.database()));
}

#[test]
fn it_is_as_the_model() {
    let server = Postgres::start();
    let address = server.database();
    let store = open(&address);
    let name = address.rsplit('/').next().unwrap();
    suite::like_the_model(|| {
        server.sql(name, "TRUNCATE head, record, entry, lease");
        Arc::clone(&store) as Arc<dyn Records>
    });
}

#[test]
fn two_services_share_a_database() {
    let server = Postgres::start();
    let address = server.database();
    suite::share(open(&address), open(&address));
}

#[tokio::test]
async fn services_may_start_together() {
    let server = Postgres::start();
    let address: Address = server.database().parse().unwrap();
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let address = address.clone();
        starting.spawn(async move { PostgresRecords::open(&address).await });
    }
    for opened in starting.join_all().await {
        assert_eq!(opened.unwrap().get(&key("a")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let server = Postgres::start();
    let text = server.database();
    let address: Address = text.parse().unwrap();
    PostgresRecords::open(&address).await.unwrap();
    let name = text.rsplit('/').next().unwrap();
    server.sql(name, "INSERT INTO records_history (version, name, applied_on, checksum) VALUES (99, 'x', '', '')");
    let error = PostgresRecords::open(&address).await.unwrap_err().to_string();
    assert!(error.contains("newer version") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_database_that_is_away_is_said_to_be_and_comes_back() {
    let server = Postgres::start();
    let store = PostgresRecords::open(&server.database().parse().unwrap()).await.unwrap();
    store.write(vec![Write::create(key("a"), json!(1))]).await.unwrap();
    server.kill();
    let read = store.get(&key("a")).await.unwrap_err();
    let written = store.write(vec![Write::create(key("b"), json!(1))]).await.unwrap_err();
    for error in [read, written] {
        assert!(matches!(error, RecordsError::Unavailable(_)), "{error}");
    }
    server.start_again();
    assert!(store.get(&key("a")).await.unwrap().is_some());
    assert_eq!(store.get(&key("b")).await.unwrap(), None);
    // A restart that nobody noticed: the connection of the pool is dead, and that is nobody's trouble.
    server.stop();
    server.start_again();
    store.write(vec![Write::create(key("b"), json!(1))]).await.unwrap();
    let skew = (store.time().await.unwrap() - SystemClock::new().now()).num_seconds();
    assert!(skew.abs() < 60, "{skew} s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills() {
    let server = Postgres::start();
    let store = PostgresRecords::open(&server.database().parse().unwrap()).await.unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let store = store.clone();
            writers.spawn(async move {
                let mut done = Vec::new();
                for n in 0.. {
                    let id = format!("{round}-{writer}-{n:05}");
                    match store.write(vec![Write::create(key(&id), json!(n))]).await {
                        Ok(()) => done.push(id),
                        Err(RecordsError::Unavailable(_)) => break,
                        // Taken back and begun again while the server ended: it was there already.
                        Err(error) => panic!("{error:?}"),
                    }
                }
                done
            });
        }
        // Each of them writes when the server is killed.
        let before = acknowledged.len();
        let probe =
            Key::new(&TenantId::default(), "agent", format!("{round}-0-{:05}", 20 + round * 7));
        while store.get(&probe).await.unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        server.kill();
        acknowledged.extend(writers.join_all().await.into_iter().flatten());
        assert!(acknowledged.len() >= before + 20);
        server.start_again();
    }
    for id in acknowledged {
        assert!(store.get(&key(&id)).await.unwrap().is_some(), "{id} was acknowledged and is gone");
    }
}

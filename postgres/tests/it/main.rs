//! The ways to a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use scim_postgres::{Address, Failure, Options, failure, pool, pool_failure, told};
use testkit::Postgres;

fn open(address: &str) -> deadpool_postgres::Pool {
    pool(&address.parse::<Address>().unwrap(), Options::new("test", 2)).unwrap()
}

#[tokio::test]
async fn tls_is_spoken_to_whom_the_named_authority_vouches_for() {
    let (server, certificate) = Postgres::start_with_tls();
    let plain = server.database();
    let asked = format!("{plain}?sslmode=verify-full");
    let trusting = open(&format!("{asked}&sslrootcert={}", certificate.display()));
    let client = trusting.get().await.unwrap();
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
    // The machine's authorities know nothing of it, and nobody is asked to overlook that.
    let (kind, text) = pool_failure(&open(&asked).get().await.unwrap_err());
    assert_eq!(kind, Failure::Unavailable);
    assert!(text.contains("certificate"), "{text}");
    // The certificate is for an address, not for this name.
    let named = format!("{asked}&sslrootcert={}", certificate.display());
    let named = named.replace("127.0.0.1", "localhost");
    assert!(open(&named).get().await.is_err());
    let client = open(&plain).get().await.unwrap();
    assert!(!client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_in_the_clear_where_tls_was_asked_for() {
    let server = Postgres::start();
    let asked = format!("{}?sslmode=require", server.database());
    assert!(open(&asked).get().await.is_err());
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let server = Postgres::start();
    let address = server.database();
    let pool = open(&address);
    let client = pool.get().await.unwrap();
    let error = client.batch_execute("SELECT * FROM nothing").await.unwrap_err();
    assert_eq!(failure(&error), Failure::Wrong);
    assert!(told(&error).contains("nothing"));
    let error = client.batch_execute("SET statement_timeout = 5; SELECT pg_sleep(9)").await;
    assert_eq!(failure(&error.unwrap_err()), Failure::Busy);
    let wrong = address.replace("secret", "other");
    let (kind, text) = pool_failure(&open(&wrong).get().await.unwrap_err());
    assert_eq!(kind, Failure::Unavailable);
    assert!(text.contains("password") && !text.contains("other"), "{text}");
    server.kill();
    assert_eq!(failure(&client.batch_execute("SELECT 1").await.unwrap_err()), Failure::Unavailable);
    assert_eq!(pool_failure(&open(&address).get().await.unwrap_err()).0, Failure::Unavailable);
    // Its end is known as soon as it has been read off the socket.
    let closed = async {
        while !client.is_closed() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.unwrap();
    drop(client);
    server.start_again();
    // The pool finds out that its connection is dead and makes another one.
    pool.get().await.unwrap().batch_execute("SELECT 1").await.unwrap();
}

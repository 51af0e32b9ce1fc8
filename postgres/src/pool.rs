//! Connections that are kept and shared.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Address, tls};

/// How long a connection is waited for, be it for one of the pool or for a new one.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a peer may be silent before its connection is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// What the sessions of a pool are like.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// What the database lists the sessions as.
    pub name: &'static str,
    /// Connections at most.
    pub connections: usize,
    /// After which time a statement is ended.
    pub statement: Duration,
    /// After which time a wait for somebody else's lock is ended.
    pub lock: Duration,
    /// After which time a transaction is ended in which nothing happens: one that was begun by a program that was
    /// suspended must not keep its locks.
    pub idle: Duration,
}

impl Options {
    /// Sessions for a program that answers requests.
    #[must_use]
    pub const fn new(name: &'static str, connections: usize) -> Self {
        Self {
            name,
            connections,
            statement: Duration::from_secs(60),
            lock: Duration::from_secs(10),
            idle: Duration::from_secs(15),
        }
    }
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The authorities to believe cannot be read.
    #[error("TLS to the database cannot be used: {0}")]
    Tls(String),
    /// The pool cannot be made.
    #[error("{0}")]
    Pool(String),
}

/// A pool. It connects when it is used for the first time.
///
/// # Errors
/// [`OpenError`].
pub fn pool(address: &Address, options: Options) -> Result<Pool, OpenError> {
    let mut config = address.config.clone();
    if config.get_application_name().is_none() {
        config.application_name(options.name);
    }
    let seconds = |name: &str, time: Duration| format!("-c {name}={}", time.as_millis());
    let mut session = vec![
        seconds("statement_timeout", options.statement),
        seconds("lock_timeout", options.lock),
        seconds("idle_in_transaction_session_timeout", options.idle),
        "-c timezone=UTC".to_owned(),
    ];
    // What stands in the address wins: it comes last.
    session.extend(config.get_options().map(str::to_owned));
    config.options(session.join(" "));
    config.connect_timeout(PATIENCE).tcp_user_timeout(SILENCE).keepalives_idle(SILENCE);
    let tls = MakeRustlsConnect::new(tls::client(address.roots.as_deref())?);
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(config, tls, manager))
        .max_size(options.connections)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(PATIENCE * 2))
        .recycle_timeout(Some(PATIENCE))
        .build()
        .map_err(|error| OpenError::Pool(error.to_string()))
}

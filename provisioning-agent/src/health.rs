//! Whether the agent does its work, for whoever watches it: an endpoint on this machine only.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;
use scim_sync::cycle::Outcome;
use serde_json::json;

/// What is known of the agent's work.
#[derive(Debug)]
pub struct Health {
    every: Duration,
    last: Mutex<Last>,
}

#[derive(Debug)]
struct Last {
    /// When a cycle ended, or the agent began.
    at: Instant,
    outcome: Option<Outcome>,
    rests: bool,
}

impl Health {
    /// Of an agent that begins a cycle so often.
    #[must_use]
    pub fn new(every: Duration) -> Self {
        Self { every, last: Mutex::new(Last { at: Instant::now(), outcome: None, rests: false }) }
    }

    /// A cycle ended.
    pub fn ended(&self, outcome: Outcome) {
        self.set(Last { at: Instant::now(), outcome: Some(outcome), rests: false });
    }

    /// The agent rests.
    pub fn rests(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.at = Instant::now();
        last.rests = true;
    }

    fn set(&self, last: Last) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

/// Something that tells how it does.
pub trait Told: Send + Sync + 'static {
    /// Whether all is well, and the document that says so.
    fn told(&self) -> (bool, serde_json::Value);
}

impl Told for Health {
    fn told(&self) -> (bool, serde_json::Value) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let age = last.at.elapsed();
        // A cycle may take long; ten periods without an end are too many, and so is less than ten minutes never.
        let alive = age < (self.every * 10).max(Duration::from_secs(600));
        let failed = matches!(last.outcome, Some(Outcome::CouldNotRun | Outcome::GuardStopped));
        let well = alive && !failed && !last.rests;
        let outcome = last.outcome.map(Outcome::words);
        let document = json!({
            "status": if well { "ok" } else { "trouble" },
            "lastCycle": outcome,
            "secondsSince": age.as_secs(),
            "rests": last.rests,
        });
        (well, document)
    }
}

/// Serves `GET /health` on this address: 200 where all is well, else 503.
///
/// # Errors
/// Where the address is not one of this machine alone, or is taken.
pub fn serve(address: SocketAddr, health: Arc<dyn Told>) -> Result<()> {
    if !address.ip().is_loopback() {
        bail!(
            "health = \"{address}\": the endpoint has no credentials, so it listens on this machine only, such as 127.0.0.1:9123"
        );
    }
    let listener =
        std::net::TcpListener::bind(address).with_context(|| format!("health = \"{address}\""))?;
    listener.set_nonblocking(true)?;
    let router = Router::new().route("/health", get(answer)).with_state(health);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("health".to_owned()).spawn(move || {
        let served = runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
        });
        if let Err(error) = served {
            tracing::error!(%error, "the health endpoint has ended");
        }
    })?;
    Ok(())
}

async fn answer(State(health): State<Arc<dyn Told>>) -> impl IntoResponse {
    let (well, document) = health.told();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_cycle_is_trouble_until_the_next() {
        let health = Health::new(Duration::from_secs(120));
        assert!(health.told().0);
        health.ended(Outcome::GuardStopped);
        assert!(!health.told().0);
        health.ended(Outcome::SomeFailed);
        assert!(health.told().0, "the others were done");
        health.rests();
        assert!(!health.told().0);
    }

    #[test]
    fn nobody_else_can_ask() {
        let health = Arc::new(Health::new(Duration::from_secs(120)));
        let error = serve(SocketAddr::from(([0, 0, 0, 0], 0)), health).unwrap_err().to_string();
        assert!(error.contains("this machine only"), "{error}");
    }
}

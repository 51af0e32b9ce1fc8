//! Keeps an agent linked: dials, serves, waits, dials again.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use crate::{
    agent::{Agent, Control},
    connection::Connection,
    error::{EndCode, Ended},
};

/// Makes the next connection, with everything that goes before it (bootstrap, credential, choice of the transport).
#[async_trait]
pub trait Dialer: Send + Sync {
    /// Connects once.
    ///
    /// # Errors
    /// Why not, and whether to try again.
    async fn dial(&self) -> Result<Connection, DialFailure>;
}

/// Why there is no connection, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialFailure {
    /// It may work later.
    #[error("{reason}")]
    Later {
        /// In words, for the log.
        reason: String,
        /// When the service wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It will not work until somebody does something: the agent stops.
    #[error("{0}")]
    Never(String),
}

impl DialFailure {
    /// It may work later.
    pub fn later(reason: impl ToString) -> Self {
        Self::Later { reason: reason.to_string(), retry_after: None }
    }
}

/// How long to wait between two connections: at random, so that agents do not come all at once after an outage, and
/// longer after each failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Never less; 1 second.
    pub least: Duration,
    /// Never more; 60 seconds. A link that held for so long starts over.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { least: Duration::from_secs(1), most: Duration::from_secs(60) }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, `chance` being between 0 and 1.
    #[must_use]
    pub fn delay(&self, failures: u32, chance: f64) -> Duration {
        let doubled = self.least.saturating_mul(4_u32.saturating_mul(1 << failures.min(16)));
        let upper = doubled.min(self.most).max(self.least);
        self.least + (upper - self.least).mul_f64(chance.clamp(0.0, 1.0))
    }
}

/// What happens to the link, for log and status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkEvent {
    /// There is a link.
    Linked {
        /// What carries it.
        transport: String,
    },
    /// There is none any more.
    Ended(Ended),
    /// There is none yet.
    NotLinked(DialFailure),
    /// The next attempt comes after this.
    Waiting(Duration),
}

/// Why [`keep_linked`] came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// As [`Control::drain`] wished.
    Drained,
    /// The dialer gave up, with the reason.
    GaveUp(String),
}

/// Serves one connection after another until the agent is drained or the dialer gives up.
pub async fn keep_linked(
    agent: &Agent,
    dialer: &dyn Dialer,
    control: &Control,
    backoff: Backoff,
    tell: &(dyn Fn(LinkEvent) + Send + Sync),
) -> Stopped {
    let mut failures = 0_u32;
    loop {
        let mut drain = control.drain_wanted();
        let dialled = tokio::select! {
            biased;
            () = drain.wanted() => return Stopped::Drained,
            dialled = dialer.dial() => dialled,
        };
        let mut least = Duration::ZERO;
        match dialled {
            Ok(connection) => {
                tell(LinkEvent::Linked { transport: connection.transport().to_owned() });
                let started = Instant::now();
                let ended = agent.serve(connection, control).await;
                let held = started.elapsed();
                failures = if held >= backoff.most { 0 } else { failures.saturating_add(1) };
                if ended.code == EndCode::Replaced {
                    // Somebody else has this identity: two that replace each other at once help nobody.
                    least = backoff.most / 2;
                }
                tell(LinkEvent::Ended(ended));
            }
            Err(DialFailure::Never(reason)) => {
                tell(LinkEvent::NotLinked(DialFailure::Never(reason.clone())));
                return Stopped::GaveUp(reason);
            }
            Err(failure @ DialFailure::Later { retry_after, .. }) => {
                failures = failures.saturating_add(1);
                least = retry_after.unwrap_or_default().min(backoff.most);
                tell(LinkEvent::NotLinked(failure));
            }
        }
        if control.is_draining() {
            return Stopped::Drained;
        }
        let wait = backoff.delay(failures.saturating_sub(1), rand::random::<f64>()).max(least);
        tell(LinkEvent::Waiting(wait));
        tokio::select! {
            biased;
            () = drain.wanted() => return Stopped::Drained,
            () = sleep(wait) => {}
        }
    }
}

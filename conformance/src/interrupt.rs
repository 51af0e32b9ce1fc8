//! Ending a run early, in order or at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// How long cleaning up may go on when a run ends early. A target that hangs must not hold the user.
pub(crate) const CLEAN_UP: Duration = Duration::from_secs(10);

/// Ends a run early. Clones share one trigger.
#[derive(Clone, Debug)]
pub struct Interrupt {
    sender: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    since: Option<Instant>,
    abandoned: bool,
}

impl Default for Interrupt {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(State::default())) }
    }
}

impl Interrupt {
    /// Not yet triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the runs that listen to it. What they created is still removed, for ten seconds at the most.
    pub fn trigger(&self) {
        self.change(false);
    }

    /// Ends them at once: nothing more is sent. The report says what is left behind.
    pub fn abandon(&self) {
        self.change(true);
    }

    fn change(&self, abandon: bool) {
        self.sender.send_modify(|state| {
            state.since.get_or_insert_with(Instant::now);
            state.abandoned |= abandon;
        });
    }

    /// Whether it was triggered.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.sender.borrow().since.is_some()
    }

    pub(crate) async fn triggered(&self) {
        self.until(|state| state.since.is_some()).await;
    }

    /// Waits until cleaning up has to end too.
    pub(crate) async fn over(&self) {
        let since = self.until(|state| state.since.is_some()).await.since;
        let Some(since) = since else { return };
        tokio::select! {
            _ = self.until(|state| state.abandoned) => {}
            () = sleep_until(since + CLEAN_UP) => {}
        }
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) -> State {
        let mut receiver = self.sender.subscribe();
        match receiver.wait_for(holds).await {
            Ok(state) => *state,
            // The sender lives in `self`, so the wait cannot fail.
            Err(_) => State::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn cleaning_up_has_its_time_and_no_more() {
        let interrupt = Interrupt::new();
        let soon = |wait| tokio::time::timeout(Duration::from_secs(wait), interrupt.over());
        assert!(soon(3600).await.is_err(), "it was not triggered");
        interrupt.trigger();
        assert!(interrupt.is_triggered());
        assert!(soon(9).await.is_err());
        interrupt.trigger();
        assert!(soon(2).await.is_ok(), "once more does not prolong it");
        let other = Interrupt::new();
        other.trigger();
        other.abandon();
        assert!(tokio::time::timeout(Duration::from_millis(1), other.over()).await.is_ok());
    }
}

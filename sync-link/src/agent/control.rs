//! What an agent's program tells its link while it runs.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

/// Stops an agent without losing answers, and hands it its next credential. Cloned handles are the same control, and it
/// lives longer than one connection.
#[derive(Debug, Clone)]
pub struct Control {
    drain: Arc<watch::Sender<bool>>,
    credential: Arc<watch::Sender<Option<SecretString>>>,
}

impl Control {
    /// Nothing wanted yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            drain: Arc::new(watch::Sender::new(false)),
            credential: Arc::new(watch::Sender::new(None)),
        }
    }

    /// No further requests: what is at work is answered, then the link ends with
    /// [`EndCode::Drained`](crate::EndCode::Drained). There is no way back.
    pub fn drain(&self) {
        self.drain.send_replace(true);
    }

    /// Whether the agent was asked to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.drain.borrow()
    }

    /// Sends the next credential over the live connection.
    pub fn renew(&self, credential: SecretString) {
        self.credential.send_replace(Some(credential));
    }

    pub(crate) fn drain_wanted(&self) -> DrainWanted {
        DrainWanted(self.drain.subscribe())
    }

    pub(crate) fn credentials(&self) -> Credentials {
        let mut next = self.credential.subscribe();
        // What was renewed before this connection is what it was made with.
        next.mark_unchanged();
        Credentials(next)
    }
}

impl Default for Control {
    fn default() -> Self {
        Self::new()
    }
}

pub(crate) struct DrainWanted(watch::Receiver<bool>);

impl DrainWanted {
    pub(crate) async fn wanted(&mut self) {
        if self.0.wait_for(|wanted| *wanted).await.is_err() {
            std::future::pending().await
        }
    }
}

pub(crate) struct Credentials(watch::Receiver<Option<SecretString>>);

impl Credentials {
    /// The newest since this was asked last.
    pub(crate) fn latest(&mut self) -> Option<SecretString> {
        if !self.0.has_changed().unwrap_or(false) {
            return None;
        }
        self.0.borrow_and_update().clone()
    }

    pub(crate) async fn next(&mut self) -> SecretString {
        loop {
            if self.0.changed().await.is_err() {
                return std::future::pending().await;
            }
            if let Some(credential) = self.0.borrow_and_update().clone() {
                return credential;
            }
        }
    }
}

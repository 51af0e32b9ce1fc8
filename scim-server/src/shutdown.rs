//! The signals that end the program: the first asks it to finish, the second to stop at once.

use std::io;

use tokio_util::sync::CancellationToken;

/// Two moments: when to stop taking work, and when to drop what is under way.
///
/// Clones share the moments. A test or an embedding program makes them come with
/// [`stop`](Self::stop) and [`cut`](Self::cut); [`on_signals`](Self::on_signals) ties them to the
/// process.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Shutdown {
    /// A shutdown that comes only when asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A shutdown on SIGTERM or SIGINT (Ctrl-C where there are no signals); a second one cuts.
    ///
    /// # Errors
    ///
    /// [`io::Error`] where the system refuses to tell about signals.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn on_signals() -> io::Result<Self> {
        let shutdown = Self::new();
        let mut signals = Signals::new()?;
        let theirs = shutdown.clone();
        tokio::spawn(async move {
            let name = signals.next().await;
            tracing::info!(signal = name, "stopping; requests under way are finished");
            theirs.stop();
            let name = signals.next().await;
            tracing::warn!(signal = name, "stopping at once");
            theirs.cut();
        });
        Ok(shutdown)
    }

    /// Asks for the end: no new work.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Asks for the end at once; implies [`stop`](Self::stop).
    pub fn cut(&self) {
        self.stop.cancel();
        self.cut.cancel();
    }

    /// Whether the end was asked for; readiness is over from then on.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Comes when the end was asked for.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Comes when the end at once was asked for.
    pub async fn was_cut(&self) {
        self.cut.cancelled().await;
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stopping_comes_before_cutting_and_cutting_implies_it() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.is_stopping());
        shutdown.clone().stop();
        shutdown.stopped().await;
        assert!(shutdown.is_stopping() && !shutdown.cut.is_cancelled());

        let shutdown = Shutdown::new();
        shutdown.cut();
        shutdown.stopped().await;
        shutdown.was_cut().await;
    }
}

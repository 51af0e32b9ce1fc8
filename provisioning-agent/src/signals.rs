//! SIGTERM and Ctrl-C.

use anyhow::Result;
use scim_sync::stop::Stop;

/// Asks what runs to stop, when the program is told to. A second signal ends the program at once.
///
/// # Errors
/// Where signals cannot be listened to.
pub fn stop_on_signal() -> Result<Stop> {
    let stop = Stop::new();
    let told = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // A thread of its own: the engine may be computing when the signal comes.
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            signal().await;
            told.stop();
            signal().await;
            std::process::exit(1);
        });
    })?;
    Ok(stop)
}

async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

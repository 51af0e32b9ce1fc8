//! What is looked at again and again: whether connected agents are still wanted, and what can be forgotten.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;

/// How long a revoked agent may stay connected, when it was revoked by another process.
const LOOK: Duration = Duration::from_secs(5);
/// Looks between two rounds of forgetting: an hour.
const FORGET: u64 = 720;

/// Watches until `stop`.
pub async fn watch(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut round = 0_u64;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => return,
        }
        look(&app).await;
        if round.is_multiple_of(FORGET) {
            forget(&app).await;
        }
        round += 1;
    }
}

/// Ends the links of agents that are no longer wanted, and tells the hub the groups of the others.
pub(crate) async fn look(app: &App) {
    for (tenant, id) in app.links.agents() {
        match app.agents.find(&tenant, &id).await {
            Ok(Some(agent)) if agent.revoked.is_none() => {
                app.hub.regroup(tenant.as_str(), &id, agent.groups);
            }
            Ok(_) => {
                app.hub.disconnect(tenant.as_str(), &id, "the agent was revoked");
            }
            Err(error) => tracing::error!(%error, "an agent cannot be looked up"),
        }
    }
}

async fn forget(app: &App) {
    match app.agents.forget().await {
        Ok(0) => {}
        Ok(gone) => tracing::info!(gone, "old codes and agents were forgotten"),
        Err(error) => tracing::error!(%error, "old codes and agents cannot be forgotten"),
    }
    if let Err(error) = app.challenges.forget().await {
        tracing::error!(%error, "used nonces cannot be forgotten");
    }
}

//! `run`: cycles until told to stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{DateTime, Utc};
use scim_sync::SyncStore;
use scim_sync::cycle::Outcome;
use scim_sync::run::{self, CycleMode};

use crate::clock;
use crate::exit::Exit;
use crate::health::{self, Health};
use crate::objects::ObjectLog;
use crate::session::Session;
use crate::signals;

pub(super) fn run(session: &Session) -> Result<Exit> {
    let connectors = session.connectors()?;
    let (state, mut store) = session.hold()?;
    let stop = signals::stop_on_signal()?;
    let schedule = &session.config.settings.schedule;
    let health = Arc::new(Health::new(schedule.every.duration()));
    if let Some(address) = session.config.settings.health {
        health::serve(address, health.clone())?;
    }
    tracing::info!(every = %schedule.every, mode = %session.config.settings.mode, "the agent runs");
    let mut log = ObjectLog::new(state.log(), clock::now);
    // Whoever starts it means now: what it rested for may be mended.
    let mut first = true;
    loop {
        let begin = clock::now();
        if !std::mem::take(&mut first) && rests(session, &store)? {
            health.rests();
        } else {
            let mut options = session.options();
            if full_is_due(session, &mut store, begin)? {
                options.mode = CycleMode::Initial;
            }
            let mut undo = session.undo_file(&state)?;
            let done = session.cycle(&mut store, &connectors, &options, &mut undo, &stop, &mut log);
            match &done {
                Ok(report) => {
                    for line in super::sync::told(report, options.export, None).lines() {
                        tracing::info!("{line}");
                    }
                    for error in &report.errors {
                        tracing::error!("{error}");
                    }
                    if options.mode == CycleMode::Initial
                        && !matches!(report.outcome(), Outcome::CouldNotRun | Outcome::Stopped)
                    {
                        keep_full(&mut store, begin)?;
                    }
                    health.ended(report.outcome());
                }
                // The next cycle may find a directory, a target or a disk that is well again.
                Err(error) => {
                    tracing::error!("{error:#}");
                    health.ended(Outcome::CouldNotRun);
                }
            }
        }
        let wait = wait(session, begin);
        session.runtime().block_on(async {
            tokio::select! {
                () = stop.wait() => {}
                () = tokio::time::sleep(wait) => {}
            }
        });
        if stop.asked() {
            tracing::info!("told to stop");
            return Ok(Exit::Done);
        }
    }
}

/// When everything was read and compared last: kept in the state, so that no restart begins to count anew.
const LAST_FULL: &str = "agent.full";

/// Whether everything is to be read anew. With a new state it is anyway, so the time runs from there.
fn full_is_due(session: &Session, store: &mut dyn SyncStore, now: DateTime<Utc>) -> Result<bool> {
    let last = store.fact(LAST_FULL)?.and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let Some(last) = last else {
        keep_full(store, now)?;
        return Ok(false);
    };
    let every = session.config.settings.schedule.full_every.duration();
    Ok((now - last).to_std().is_ok_and(|age| age >= every))
}

fn keep_full(store: &mut dyn SyncStore, at: DateTime<Utc>) -> Result<()> {
    store.begin()?;
    store.put_fact(LAST_FULL, Some(&at.to_rfc3339()))?;
    Ok(store.commit()?)
}

/// How long until the next cycle: what is left of the period, and a little by chance.
fn wait(session: &Session, begin: DateTime<Utc>) -> Duration {
    let schedule = &session.config.settings.schedule;
    let gone = (clock::now() - begin).to_std().unwrap_or_default();
    let jitter = schedule.jitter.duration().mul_f64(rand::random::<f64>());
    schedule.every.duration().saturating_sub(gone) + jitter
}

/// Whether the agent rests after failures and it is not yet time to try. What somebody allowed meanwhile ends the rest.
fn rests(session: &Session, store: &dyn SyncStore) -> Result<bool> {
    let Some(quarantine) = run::quarantine(store)?.quarantine else { return Ok(false) };
    for target in session.targets() {
        if run::allowance(store, &target)?.is_some() {
            return Ok(false);
        }
    }
    let rests = quarantine.next > clock::now();
    if rests {
        tracing::warn!(since = %quarantine.since, next = %quarantine.next, "the agent rests: {}", quarantine.message);
    }
    Ok(rests)
}

//! Whether a job runs: what administrators asked for, what cycles found, and what follows from the two. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use scim_sync::cycle::Outcome;
use scim_sync::escrow::{Quarantine, QuarantineLimits};
use scim_sync::run::{CycleMode, Reset};
use serde::{Deserialize, Serialize};

use super::wire::{ScheduleState, StatusCode};

/// What administrators asked of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobState {
    /// Whether it runs by its schedule.
    pub switch: Switch,
    /// What is to be forgotten before the next cycle; stays until a cycle has come to its end with it.
    pub restart: Option<Requested>,
    /// Counts the requests for a restart, so that a cycle ends only the one that it began with.
    pub requests: u64,
}

/// Whether a job runs by its schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Switch {
    /// Nobody has started it yet.
    #[default]
    Off,
    /// It does.
    On,
    /// Somebody paused it.
    Paused,
    /// It rested for too long, or an object failed for too long, and it was switched off; the text says what.
    Disabled(String),
}

/// A restart that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// Which request.
    pub number: u64,
    /// What is forgotten.
    pub resets: BTreeSet<Reset>,
    /// The digest of the stopped plan that is let through, and of no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

/// What an administrator asks of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To run; what it rested for is forgotten.
    Start,
    /// To stop, now, and to keep everything.
    Pause,
    /// To begin anew, after forgetting this.
    Restart(BTreeSet<Reset>),
    /// To let the stopped plan with this digest through, once.
    Allow(String),
}

/// What has to be done beside keeping the new state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The cycle that runs now has to stop.
    pub stop: bool,
    /// The scheduler has to look at the job now.
    pub wake: bool,
}

/// Why a command is not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is nothing to write to.
    #[error("the job has no target: save the secrets BaseAddress and SecretToken first")]
    NotConfigured,
}

/// What cycles found out about a job.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'a> {
    /// Whether a cycle ever came to its end.
    pub ran: bool,
    /// When the last one began,
    pub began: Option<DateTime<Utc>>,
    /// and with which restart.
    pub tried: Option<u64>,
    /// What it rests for.
    pub quarantine: Option<&'a Quarantine>,
    /// Whether objects failed for so long that they are tried no more.
    pub given_up: bool,
}

/// When a job runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// Then.
    At(DateTime<Utc>),
    /// Not before somebody starts it.
    Never,
    /// Never again by itself: it has rested, or an object has failed, for so long that it is to be switched off.
    TooLate,
}

impl JobState {
    /// What a command makes of this state.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn command(&self, command: &Command, configured: bool) -> Result<(Self, Effects), Refused> {
        let mut next = self.clone();
        let (resets, allowed) = match command {
            Command::Pause => {
                next.switch = Switch::Paused;
                return Ok((next, Effects { stop: true, wake: false }));
            }
            Command::Start => (BTreeSet::from([Reset::QuarantineState]), None),
            Command::Restart(resets) => (resets.clone(), None),
            Command::Allow(digest) => (BTreeSet::new(), Some(digest.clone())),
        };
        if !configured {
            return Err(Refused::NotConfigured);
        }
        // What a running cycle works with is not taken away from under it, and it would go on with what is to be forgotten.
        let stop = resets.iter().any(|reset| rereads(*reset) || *reset == Reset::Escrows);
        next.switch = Switch::On;
        if !resets.is_empty() || allowed.is_some() {
            next.requests += 1;
            let mut asked = self.restart.clone().unwrap_or_default();
            asked.number = next.requests;
            asked.resets.extend(resets);
            asked.allowed = allowed.or(asked.allowed);
            next.restart = Some(asked);
        }
        Ok((next, Effects { stop, wake: true }))
    }

    /// What the next cycle forgets before, and what it reads.
    #[must_use]
    pub fn next_cycle(&self) -> (BTreeSet<Reset>, CycleMode) {
        let resets = self.restart.as_ref().map_or_else(BTreeSet::new, |asked| asked.resets.clone());
        let mode = if resets.iter().copied().any(rereads) {
            CycleMode::Initial
        } else {
            CycleMode::Incremental
        };
        (resets, mode)
    }

    /// The state after a cycle that began with the restart of this number and ended so.
    ///
    /// A restart is over when its cycle came to an end. To forget twice does no harm, to forget half does: the second cycle
    /// would look at what changed only.
    #[must_use]
    pub fn after_cycle(&self, restart: Option<u64>, outcome: Outcome) -> Self {
        let mut next = self.clone();
        let ended = !matches!(outcome, Outcome::Stopped | Outcome::CouldNotRun);
        if ended && self.restart.as_ref().map(|asked| asked.number) == restart {
            next.restart = None;
        }
        next
    }

    /// The state of a job that has rested for too long, or of which an object has failed for too long.
    #[must_use]
    pub fn disabled(&self, why: &str) -> Self {
        Self { switch: Switch::Disabled(why.to_owned()), ..self.clone() }
    }

    /// The state in a word.
    #[must_use]
    pub fn code(&self, configured: bool, found: Found<'_>) -> StatusCode {
        if !configured && !found.ran {
            return StatusCode::NotConfigured;
        }
        match &self.switch {
            Switch::Paused => StatusCode::Paused,
            Switch::Disabled(_) => StatusCode::Quarantine,
            Switch::On if found.quarantine.is_some() => StatusCode::Quarantine,
            Switch::On | Switch::Off if !found.ran => StatusCode::NotRun,
            Switch::On => StatusCode::Active,
            // It ran once and nobody started it: its state was kept and its switch was not.
            Switch::Off => StatusCode::Paused,
        }
    }

    /// Whether it runs by its schedule.
    #[must_use]
    pub fn schedule(&self) -> ScheduleState {
        match self.switch {
            Switch::On => ScheduleState::Active,
            Switch::Paused => ScheduleState::Paused,
            Switch::Off | Switch::Disabled(_) => ScheduleState::Disabled,
        }
    }

    /// When it runs next.
    #[must_use]
    pub fn due(
        &self,
        configured: bool,
        found: Found<'_>,
        interval: Duration,
        limits: &QuarantineLimits,
        now: DateTime<Utc>,
    ) -> Due {
        if self.switch != Switch::On || !configured {
            return Due::Never;
        }
        let asked = self.restart.as_ref().map(|asked| asked.number);
        if asked.is_some() && asked != found.tried {
            return Due::Now;
        }
        if found.given_up {
            return Due::TooLate;
        }
        if let Some(quarantine) = found.quarantine {
            let days = TimeDelta::days(i64::from(limits.disable_after_days));
            if now - quarantine.since > days {
                return Due::TooLate;
            }
        }
        let interval = TimeDelta::from_std(interval).unwrap_or(TimeDelta::MAX);
        let begun = found.began.and_then(|began| began.checked_add_signed(interval));
        let rest = found.quarantine.map(|quarantine| quarantine.next);
        match rest.into_iter().chain(begun).max() {
            Some(at) if at > now => Due::At(at),
            _ => Due::Now,
        }
    }
}

/// Whether everything is read and worked out anew after this.
const fn rereads(reset: Reset) -> bool {
    matches!(reset, Reset::Watermark | Reset::ConnectorDataStore | Reset::Full)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scim_sync::escrow::QuarantineReason;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes)
    }

    fn resting(since: i64, next: i64) -> Quarantine {
        Quarantine {
            reason: QuarantineReason::EncounteredQuarantineException,
            message: "no".to_owned(),
            since: at(since),
            next: at(next),
            attempts: 1,
        }
    }

    fn due(state: &JobState, found: Found<'_>, now: i64) -> Due {
        let interval = Duration::from_secs(120);
        state.due(true, found, interval, &QuarantineLimits::default(), at(now))
    }

    fn told(state: &JobState, command: &Command) -> JobState {
        state.command(command, true).unwrap().0
    }

    #[test]
    fn from_the_first_day_to_the_first_pause() {
        let new = JobState::default();
        let nothing = Found::default();
        assert_eq!(new.code(false, nothing), StatusCode::NotConfigured);
        assert_eq!(new.code(true, nothing), StatusCode::NotRun);
        assert_eq!(new.schedule(), ScheduleState::Disabled);
        assert_eq!(due(&new, nothing, 0), Due::Never);
        assert_eq!(new.command(&Command::Start, false), Err(Refused::NotConfigured));

        let started = told(&new, &Command::Start);
        assert_eq!(started.code(true, nothing), StatusCode::NotRun);
        assert_eq!(due(&started, nothing, 0), Due::Now);
        let ran = Found { ran: true, began: Some(at(0)), tried: Some(1), ..nothing };
        let started = started.after_cycle(Some(1), Outcome::Done);
        assert_eq!(started.code(true, ran), StatusCode::Active);
        assert_eq!(due(&started, ran, 1), Due::At(at(2)));
        assert_eq!(due(&started, ran, 2), Due::Now);

        let (paused, effects) = started.command(&Command::Pause, true).unwrap();
        assert_eq!(effects, Effects { stop: true, wake: false });
        assert_eq!(paused.code(true, ran), StatusCode::Paused);
        assert_eq!(paused.schedule(), ScheduleState::Paused);
        assert_eq!(due(&paused, ran, 100), Due::Never);
        assert_eq!(due(&told(&paused, &Command::Start), ran, 1), Due::Now);
    }

    #[test]
    fn a_job_that_rests_waits_and_is_switched_off_in_the_end() {
        let on = told(&JobState::default(), &Command::Start).after_cycle(Some(1), Outcome::Done);
        let quarantine = resting(0, 60);
        let found = Found {
            ran: true,
            began: Some(at(0)),
            tried: Some(1),
            quarantine: Some(&quarantine),
            given_up: false,
        };
        assert_eq!(on.code(true, found), StatusCode::Quarantine);
        assert_eq!(due(&on, found, 5), Due::At(at(60)));
        assert_eq!(due(&on, found, 60), Due::Now);
        let later = 28 * 24 * 60 + 1;
        assert_eq!(due(&on, found, later), Due::TooLate);
        let off = on.disabled("no");
        assert_eq!(
            (off.code(true, found), off.schedule()),
            (StatusCode::Quarantine, ScheduleState::Disabled)
        );
        assert_eq!(due(&off, found, later), Due::Never);
        // Whoever starts it means now.
        assert_eq!(due(&told(&off, &Command::Start), found, later), Due::Now);
    }

    #[test]
    fn a_job_with_an_object_that_failed_for_too_long_is_switched_off() {
        let on = told(&JobState::default(), &Command::Start).after_cycle(Some(1), Outcome::Done);
        let ran = Found { ran: true, began: Some(at(0)), tried: Some(1), ..Found::default() };
        let given_up = Found { given_up: true, ..ran };
        assert_eq!(due(&on, ran, 1), Due::At(at(2)));
        assert_eq!(due(&on, given_up, 1), Due::TooLate);
        // Whoever starts it means now, and the cycle begins with a new start for the object.
        let again = told(&on.disabled("no"), &Command::Start);
        assert_eq!(due(&again, given_up, 1), Due::Now);
        assert!(again.next_cycle().0.contains(&Reset::QuarantineState));
    }

    #[test]
    fn a_restart_is_tried_at_once_and_then_in_its_turn_until_its_cycle_ends() {
        let on = told(&JobState::default(), &Command::Start).after_cycle(Some(1), Outcome::Done);
        let (again, effects) = on.command(&Command::Restart(Reset::usual()), true).unwrap();
        assert_eq!(effects, Effects { stop: true, wake: true });
        assert_eq!(again.next_cycle(), (Reset::usual(), CycleMode::Initial));
        let before = Found { ran: true, began: Some(at(0)), tried: Some(1), ..Found::default() };
        assert_eq!(due(&again, before, 1), Due::Now);
        let tried = Found { began: Some(at(1)), tried: Some(2), ..before };
        for outcome in [Outcome::Stopped, Outcome::CouldNotRun] {
            let still = again.after_cycle(Some(2), outcome);
            assert_eq!(still, again);
            assert_eq!(due(&still, tried, 1), Due::At(at(3)));
        }
        for outcome in [Outcome::Done, Outcome::SomeFailed, Outcome::GuardStopped] {
            assert_eq!(again.after_cycle(Some(2), outcome).restart, None);
            assert_eq!(again.after_cycle(Some(1), outcome), again, "another request meanwhile");
        }
    }

    #[test]
    fn to_allow_deletes_stops_nothing_and_reads_no_more_than_usual() {
        let on = told(&JobState::default(), &Command::Start).after_cycle(Some(1), Outcome::Done);
        let force = Command::Restart(BTreeSet::from([Reset::ForceDeletes]));
        for allow in [force, Command::Allow("5eed".to_owned())] {
            let (allowed, effects) = on.command(&allow, true).unwrap();
            assert_eq!(effects, Effects { stop: false, wake: true });
            assert_eq!(allowed.next_cycle().1, CycleMode::Incremental);
            assert_eq!(allowed.after_cycle(Some(2), Outcome::Done).restart, None);
        }
    }

    fn command() -> impl Strategy<Value = Command> {
        let reset = prop::sample::select(vec![
            Reset::Escrows,
            Reset::Watermark,
            Reset::QuarantineState,
            Reset::ConnectorDataStore,
            Reset::Full,
            Reset::ForceDeletes,
        ]);
        prop_oneof![
            Just(Command::Start),
            Just(Command::Pause),
            prop::collection::btree_set(reset, 0..4).prop_map(Command::Restart),
            "[0-9a-f]{8}".prop_map(Command::Allow),
        ]
    }

    proptest! {
        /// Against a model of two facts: what was said last decides whether it runs, and nothing that was to be forgotten
        /// is lost before a cycle has ended with it.
        #[test]
        fn nothing_that_was_asked_is_lost(
            steps in prop::collection::vec((command(), prop::option::of(any::<bool>())), 1..20)
        ) {
            let (mut state, mut asked) = (JobState::default(), BTreeSet::new());
            let mut allowed = None;
            for (command, cycle) in steps {
                state = state.command(&command, true).unwrap().0;
                let on = command != Command::Pause;
                match &command {
                    Command::Start => asked.extend([Reset::QuarantineState]),
                    Command::Pause => {}
                    Command::Restart(resets) => asked.extend(resets.iter().copied()),
                    Command::Allow(digest) => allowed = Some(digest.clone()),
                }
                prop_assert_eq!(state.schedule() == ScheduleState::Active, on);
                prop_assert_eq!(&state.next_cycle().0, &asked);
                prop_assert_eq!(state.restart.as_ref().and_then(|it| it.allowed.as_ref()), allowed.as_ref());
                if let Some(ended) = cycle {
                    let number = state.restart.as_ref().map(|asked| asked.number);
                    let outcome = if ended { Outcome::Done } else { Outcome::Stopped };
                    state = state.after_cycle(number, outcome);
                    if ended {
                        asked.clear();
                        allowed = None;
                    }
                }
            }
        }
    }
}

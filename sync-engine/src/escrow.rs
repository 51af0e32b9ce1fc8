//! Objects that failed: when they are tried again, and when there are so many that the job as a whole has to rest.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::connector::ConnectorError;
use crate::store::{Escrow, EscrowStage};
use crate::{SpaceId, StoreError, SyncStore};

/// When an object that failed is tried again, counted from its first failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RetrySchedule {
    /// The first tries, in hours after the first failure.
    pub hours: Vec<u32>,
    /// After these, one every so many hours,
    pub then_every_hours: u32,
    /// until so many days after the first failure.
    pub days: u32,
}

impl Default for RetrySchedule {
    /// 6, 12 and 24 hours after the first failure, then daily until the 28th day.
    fn default() -> Self {
        Self { hours: vec![6, 12, 24], then_every_hours: 24, days: 28 }
    }
}

impl RetrySchedule {
    /// The next try after `now` of what failed first at `first`; `None` when it is not tried any more.
    #[must_use]
    pub fn next(&self, first: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = first.checked_add_signed(TimeDelta::days(i64::from(self.days)))?;
        let after = |hours: i64| first.checked_add_signed(TimeDelta::hours(hours));
        let early = self.hours.iter().filter_map(|hours| after(i64::from(*hours)));
        if let Some(next) = early.filter(|at| *at > now).min() {
            return (next <= last).then_some(next);
        }
        let from = i64::from(self.hours.iter().copied().max().unwrap_or(0));
        let every = i64::from(self.then_every_hours.max(1));
        let passed = (now - after(from)?).num_hours().max(0);
        let next = after(from + (passed / every + 1) * every)?;
        (next <= last).then_some(next)
    }
}

/// The entry for a failure, going on from the one there was where that is of the same stage.
///
/// A try before its time does not count: a full synchronisation looks at every object, however often it is run. What somebody
/// has had forgotten (no attempts) begins anew.
pub(crate) fn entry(
    before: Option<Escrow>,
    stage: EscrowStage,
    message: &str,
    now: DateTime<Utc>,
    schedule: &RetrySchedule,
) -> Escrow {
    let message = message.to_owned();
    match before {
        Some(before) if before.stage == stage && before.attempts > 0 => {
            if before.next.is_none_or(|next| now < next) {
                return Escrow { message, ..before };
            }
            let attempts = before.attempts.saturating_add(1);
            Escrow { message, attempts, next: schedule.next(before.first, now), ..before }
        }
        _ => Escrow { stage, message, first: now, next: schedule.next(now, now), attempts: 1 },
    }
}

/// Keeps the failure of an object; a second one of the same stage keeps when the first one was.
///
/// # Errors
/// [`StoreError`].
pub fn fail(
    store: &mut dyn SyncStore,
    id: SpaceId,
    stage: EscrowStage,
    message: &str,
    now: DateTime<Utc>,
    schedule: &RetrySchedule,
) -> Result<(), StoreError> {
    let entry = entry(store.escrow(id)?, stage, message, now, schedule);
    store.put_escrow(id, Some(&entry))
}

/// Ends the escrow of an object, where it is one of this stage.
///
/// # Errors
/// [`StoreError`].
pub fn mend(store: &mut dyn SyncStore, id: SpaceId, stage: EscrowStage) -> Result<(), StoreError> {
    if store.escrow(id)?.is_some_and(|entry| entry.stage == stage) {
        store.put_escrow(id, None)?;
    }
    Ok(())
}

/// From when on failures are the failure of the whole job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct QuarantineLimits {
    /// Under so many failures nothing is concluded.
    pub evaluate_from: u64,
    /// Above this share of all events,
    pub percent: u8,
    /// or above so many failures without those of references,
    pub failures: u64,
    /// or above so many with them, the job rests.
    pub with_references: u64,
    /// A job that has rested for so many days is switched off.
    pub disable_after_days: u32,
}

impl Default for QuarantineLimits {
    fn default() -> Self {
        Self {
            evaluate_from: 5_000,
            percent: 40,
            failures: 40_000,
            with_references: 60_000,
            disable_after_days: 28,
        }
    }
}

/// What a job has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuarantineFigures {
    /// Objects that were handled.
    pub events: u64,
    /// Of these, those that failed, references not counted.
    pub failures: u64,
    /// References that failed.
    pub reference_failures: u64,
    /// Cycles in a row that could not be run at all.
    pub successive_complete_failures: u32,
    /// What the job rests for, since when, and when it is tried next.
    pub quarantine: Option<Quarantine>,
}

/// That a job rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantine {
    /// Why, in the words of the job status.
    pub reason: QuarantineReason,
    /// What happened, in a sentence.
    pub message: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When a cycle is run next.
    pub next: DateTime<Utc>,
    /// How many times it was run since.
    pub attempts: u32,
}

/// Why a job rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QuarantineReason {
    /// The system refused the credentials or answered with something that it must not.
    EncounteredQuarantineException,
    /// Too many objects failed.
    EncounteredEscrowProportionThreshold,
    /// Somebody asked for it.
    QuarantineOnDemand,
    /// The guard stopped the plan.
    DeleteThresholdExceeded,
}

impl QuarantineFigures {
    /// Whether so many failed that the job has to rest.
    #[must_use]
    pub fn too_many(&self, limits: &QuarantineLimits) -> bool {
        let all = self.failures.saturating_add(self.reference_failures);
        if all > limits.with_references {
            return true;
        }
        if self.failures < limits.evaluate_from {
            return false;
        }
        let share =
            u128::from(self.failures) * 100 > u128::from(self.events) * u128::from(limits.percent);
        share || self.failures > limits.failures
    }

    /// Whether an error of a whole system makes the job rest at once: one that another try will not mend.
    #[must_use]
    pub fn at_once(error: &ConnectorError) -> bool {
        matches!(
            error,
            ConnectorError::Credentials(_)
                | ConnectorError::Forbidden(_)
                | ConnectorError::Protocol(_)
        )
    }

    /// Makes the job rest, or rest for longer: the time between tries doubles from an hour to a day.
    pub fn rest(&mut self, reason: QuarantineReason, message: &str, now: DateTime<Utc>) {
        let (since, attempts) = match &self.quarantine {
            Some(before) => (before.since, before.attempts.saturating_add(1)),
            None => (now, 0),
        };
        let hours = (1_i64 << attempts.min(5)).min(24);
        let next = now.checked_add_signed(TimeDelta::hours(hours)).unwrap_or(now);
        self.quarantine =
            Some(Quarantine { reason, message: message.to_owned(), since, next, attempts });
    }

    /// Whether a resting job has rested for so long that it is to be switched off.
    #[must_use]
    pub fn over(&self, limits: &QuarantineLimits, now: DateTime<Utc>) -> bool {
        self.quarantine
            .as_ref()
            .is_some_and(|q| now - q.since > TimeDelta::days(i64::from(limits.disable_after_days)))
    }
}

/// Whether an object failed for so long that it is tried no more. What an import found is tried with every read.
#[must_use]
pub fn is_given_up(entry: &Escrow) -> bool {
    entry.next.is_none() && entry.stage != EscrowStage::Import
}

/// What objects have come to that failed for so long that they are tried no more, in a sentence; `None` where there are none.
///
/// # Errors
/// [`StoreError`].
pub fn given_up(store: &dyn SyncStore) -> Result<Option<String>, StoreError> {
    let (mut count, mut oldest): (u64, Option<Escrow>) = (0, None);
    let mut after = None;
    loop {
        let page = store.escrows(None, after, 500)?;
        after = page.last().map(|(id, _)| *id);
        let full = page.len() == 500;
        for (_, entry) in page.into_iter().filter(|(_, entry)| is_given_up(entry)) {
            count += 1;
            if oldest.as_ref().is_none_or(|oldest| entry.first < oldest.first) {
                oldest = Some(entry);
            }
        }
        if !full {
            break;
        }
    }
    Ok(oldest.map(|entry| {
        let objects = if count == 1 { "an object".to_owned() } else { format!("{count} objects") };
        format!(
            "{objects} failed at every try since {} and will not be tried again: {}",
            entry.first.format("%Y-%m-%d"),
            entry.message
        )
    }))
}

/// How many objects are in escrow, by stage.
///
/// # Errors
/// [`StoreError`].
pub fn count(store: &dyn SyncStore) -> Result<BTreeMap<EscrowStage, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.escrows(None, after, 500)?;
        for (_, entry) in &page {
            *counts.entry(entry.stage).or_default() += 1;
        }
        match page.last() {
            Some((id, _)) if page.len() == 500 => after = Some(*id),
            _ => return Ok(counts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    #[test]
    fn tries_come_at_6_12_24_hours_and_daily_until_the_28th_day() {
        let schedule = RetrySchedule::default();
        let mut now = at(0);
        let mut tries = Vec::new();
        while let Some(next) = schedule.next(at(0), now) {
            tries.push((next - at(0)).num_hours());
            now = next;
        }
        let mut expected = vec![6, 12];
        expected.extend((1..=28).map(|day| day * 24));
        assert_eq!(tries, expected);
    }

    #[test]
    fn a_job_that_slept_goes_on_with_the_next_time_that_is_left() {
        let schedule = RetrySchedule::default();
        assert_eq!(schedule.next(at(0), at(7)), Some(at(12)));
        assert_eq!(schedule.next(at(0), at(49)), Some(at(72)));
        assert_eq!(schedule.next(at(0), at(28 * 24)), None);
    }

    #[test]
    fn a_try_before_its_time_does_not_count() {
        let schedule = RetrySchedule::default();
        let failed = |before, hours| entry(before, EscrowStage::Sync, "x", at(hours), &schedule);
        let one = failed(None, 0);
        assert_eq!(failed(Some(one.clone()), 5), one);
        let two = failed(Some(one.clone()), 6);
        assert_eq!((two.attempts, two.first, two.next), (2, at(0), Some(at(12))));
        let other = entry(Some(one), EscrowStage::Export, "x", at(6), &schedule);
        assert_eq!((other.attempts, other.first), (1, at(6)), "another stage begins anew");
    }

    #[test]
    fn a_job_rests_by_share_or_number_once_there_are_enough_failures() {
        let limits = QuarantineLimits::default();
        let figures = |events, failures, reference_failures| QuarantineFigures {
            events,
            failures,
            reference_failures,
            ..QuarantineFigures::default()
        };
        assert!(!figures(5_000, 4_999, 0).too_many(&limits));
        assert!(figures(10_000, 5_000, 0).too_many(&limits));
        assert!(!figures(20_000, 8_000, 0).too_many(&limits));
        assert!(figures(1_000_000, 40_001, 0).too_many(&limits));
        assert!(!figures(1_000_000, 0, 60_000).too_many(&limits));
        assert!(figures(1_000_000, 1, 60_000).too_many(&limits));
    }

    #[test]
    fn the_rest_grows_to_a_day_and_ends_after_four_weeks() {
        let mut figures = QuarantineFigures::default();
        let mut now = at(0);
        let mut hours = Vec::new();
        for _ in 0..7 {
            figures.rest(QuarantineReason::EncounteredQuarantineException, "no", now);
            let next = figures.quarantine.as_ref().unwrap().next;
            hours.push((next - now).num_hours());
            now = next;
        }
        assert_eq!(hours, [1, 2, 4, 8, 16, 24, 24]);
        assert!(!figures.over(&QuarantineLimits::default(), at(28 * 24)));
        assert!(figures.over(&QuarantineLimits::default(), at(28 * 24 + 1)));
    }
}

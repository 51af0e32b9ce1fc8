//! Compares what is so with what somebody was told, and notes the difference with the messages that it makes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::facts::{Facts, Reasons};
use super::message::Message;
use super::reason::{Reason, ReasonKey};
use super::record::{
    Delivery, DeliveryOutcome, Event, NOTIFICATION, Notification, OUTBOX, Outgoing, json, readable,
};
use super::{Listed, Notifier, NotifyError, PAGE, Waiting};
use crate::agents::delta;
use crate::job::JobKey;
use crate::records::{Batch, Expect, Key, Lease, Records, RecordsError, Write};
use crate::tenant::TenantId;

/// How long a reason is listed after it is over.
const KEEP: TimeDelta = TimeDelta::days(30);
/// Messages that may wait at a time.
const ROOM: usize = 10_000;

/// A reason as it is kept, with the version of its record.
#[derive(Debug, Clone)]
struct Known {
    version: u64,
    notification: Notification,
}

type KnownReasons = BTreeMap<ReasonKey, Known>;

impl Notifier {
    /// Looks at what is so.
    pub(super) async fn look(&self, lease: &Lease) -> Result<(), NotifyError> {
        let parts = &self.0;
        let now = parts.clock.now();
        let facts = Facts {
            jobs: parts.jobs.standing().await?,
            agents: parts.agents.every().await?,
            lifetimes: parts.agents.lifetimes(),
            authority: parts.agents.authority().expires(),
        };
        let mut reasons = facts.reasons(&parts.settings, now);
        let mut known = known(&*parts.records).await?;
        // What cannot be seen is not over.
        let unseen: BTreeSet<_> =
            facts.jobs.iter().filter(|job| job.status.is_none()).map(|job| &job.key).collect();
        known.retain(|key, _| {
            !key.kind.is_of_job() || !unseen.contains(&JobKey::new(&key.tenant, &key.object))
        });
        if now < parts.patient_until {
            reasons.retain(|key, _| {
                let told = known.get(key).is_some_and(|known| known.notification.is_open());
                told || !key.kind.is_silence()
            });
        }
        for step in steps(&reasons, &known, parts.settings.remind_after.map(delta), now) {
            self.take(step, &known, lease, now).await?;
        }
        Ok(())
    }

    async fn take(
        &self,
        step: Step<'_>,
        known: &KnownReasons,
        lease: &Lease,
        now: DateTime<Utc>,
    ) -> Result<(), NotifyError> {
        let (key, event, mut notification, reason) = match step {
            Step::Open(reason) => {
                let before = known.get(&reason.key).map(|known| &known.notification);
                let notification = Notification::open(reason, before, now);
                tracing::warn!(tenant = %reason.key.tenant, "{} {}: {}", reason.name, reason.key.kind.so(), reason.message);
                (reason.key.clone(), Some(Event::Opened), notification, reason.clone())
            }
            Step::Remind(reason, known) => {
                let mut notification = known.notification.clone();
                notification.reminded = Some(now);
                notification.message.clone_from(&reason.message);
                (reason.key.clone(), Some(Event::Reminder), notification, reason.clone())
            }
            Step::Resolve { key, known, told } => {
                let mut notification = known.notification.clone();
                notification.resolved = Some(now);
                tracing::info!(tenant = %key.tenant, "{} {}", notification.name, key.kind.over());
                let reason = Reason {
                    key: key.clone(),
                    name: notification.name.clone(),
                    message: String::new(),
                    since: notification.since,
                };
                (key.clone(), told.then_some(Event::Resolved), notification, reason)
            }
            Step::Forget(key, known) => {
                let write = Write::delete(place(key), known.version);
                return self.commit(vec![write], lease).await;
            }
        };
        let mut writes = Vec::new();
        if let Some(event) = event {
            writes = self.outgoing(event, &reason, &mut notification, now).await?;
        }
        let value = json(&notification)?;
        writes.insert(
            0,
            match known.get(&key) {
                Some(known) => Write::replace(place(&key), known.version, value),
                // One that could not be read gives way.
                None => Write { key: place(&key), expect: Expect::Any, value: Some(value) },
            },
        );
        self.commit(writes, lease).await
    }

    async fn commit(&self, writes: Vec<Write>, lease: &Lease) -> Result<(), NotifyError> {
        let batch = Batch { writes, fence: Some(lease.fence()), ..Batch::default() };
        Ok(self.0.records.commit(batch).await?)
    }

    /// The messages about a reason, one for everybody who is told of it.
    async fn outgoing(
        &self,
        event: Event,
        reason: &Reason,
        notification: &mut Notification,
        now: DateTime<Utc>,
    ) -> Result<Vec<Write>, NotifyError> {
        let tenant = &reason.key.tenant;
        let more = if reason.key.kind.is_of_job() {
            let job = JobKey::new(tenant, &reason.key.object);
            self.0.jobs.recipients(&job).await.unwrap_or_else(|error| {
                tracing::warn!(job = job.id, "the job's own recipients are not told: {error}");
                Vec::new()
            })
        } else {
            Vec::new()
        };
        let destinations = self.0.channels.destinations(tenant, &more);
        let mut room = ROOM.saturating_sub(waiting(&*self.0.records).await?);
        let mut writes = Vec::new();
        for (number, to) in destinations.into_iter().enumerate() {
            if room == 0 {
                let error = format!("{ROOM} messages wait already");
                tracing::error!(%tenant, "{to} is not told that {} {}: {error}", reason.name, reason.key.kind.so());
                notification.note(Delivery {
                    event,
                    to: to.to_string(),
                    at: now,
                    outcome: DeliveryOutcome::Dropped,
                    error: Some(error),
                });
                continue;
            }
            room -= 1;
            let outgoing = Outgoing {
                notification: reason.key.id(),
                to,
                message: Message::of(event, reason, &self.0.origin, now),
                expires: now + delta(self.0.settings.give_up_after),
                attempts: 0,
                next: now,
                error: None,
            };
            // In the order in which it is to be told, also within a millisecond.
            let id = format!(
                "{:014}-{:06}-{}-{number:03}-{}",
                now.timestamp_millis(),
                notification.times,
                event as u8,
                outgoing.message.id
            );
            writes.push(Write::create(Key::new(tenant, OUTBOX, id), json(&outgoing)?));
        }
        Ok(writes)
    }
}

fn place(key: &ReasonKey) -> Key {
    Key::new(&key.tenant, NOTIFICATION, key.id())
}

/// What has to be done about a reason.
#[derive(Debug)]
enum Step<'a> {
    Open(&'a Reason),
    Remind(&'a Reason, &'a Known),
    Resolve {
        key: &'a ReasonKey,
        known: &'a Known,
        /// Whether somebody is told.
        told: bool,
    },
    Forget(&'a ReasonKey, &'a Known),
}

/// What is different between what is so and what is known. Pure.
fn steps<'a>(
    reasons: &'a Reasons,
    known: &'a KnownReasons,
    remind_after: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Vec<Step<'a>> {
    // A job that rests for another reason now has not come back.
    let resting: BTreeSet<(&TenantId, &str)> = reasons
        .keys()
        .filter(|key| key.kind.is_rest())
        .map(|key| (&key.tenant, key.object.as_str()))
        .collect();
    let mut steps = Vec::new();
    for (key, known) in known {
        let notification = &known.notification;
        match (reasons.get(key), notification.resolved) {
            (None, None) => {
                let goes_on =
                    key.kind.is_rest() && resting.contains(&(&key.tenant, key.object.as_str()));
                steps.push(Step::Resolve { key, known, told: !goes_on });
            }
            (Some(reason), None) => {
                let last = notification.reminded.unwrap_or(notification.opened);
                if remind_after.is_some_and(|after| now - last >= after) {
                    steps.push(Step::Remind(reason, known));
                }
            }
            (None, Some(resolved)) if now - resolved > KEEP => {
                steps.push(Step::Forget(key, known));
            }
            (_, Some(_)) => {}
        }
    }
    for (key, reason) in reasons {
        if known.get(key).is_none_or(|known| !known.notification.is_open()) {
            steps.push(Step::Open(reason));
        }
    }
    steps
}

/// Every reason that is kept.
async fn known(records: &dyn Records) -> Result<KnownReasons, RecordsError> {
    let mut all = KnownReasons::new();
    let mut after: Option<Key> = None;
    loop {
        let page = records.scan(NOTIFICATION, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = Some(last.clone());
        for (key, record) in page {
            let version = record.version;
            let Some(notification) = readable::<Notification>(&key, record) else { continue };
            all.insert(notification.key(&key.tenant), Known { version, notification });
        }
    }
}

/// How many messages wait.
async fn waiting(records: &dyn Records) -> Result<usize, RecordsError> {
    let (mut count, mut after) = (0, None::<Key>);
    loop {
        let page = records.scan(OUTBOX, after.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(count) };
        after = Some(last.clone());
        count += page.len();
    }
}

/// The reasons of a tenant with the messages that wait.
pub(super) async fn of_tenant(
    records: &dyn Records,
    tenant: &TenantId,
) -> Result<Vec<Listed>, RecordsError> {
    let mut waiting: BTreeMap<String, Vec<Waiting>> = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let page = records.list(tenant, OUTBOX, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (id, record) in page {
            let key = Key::new(tenant, OUTBOX, id);
            let Some(waits) = readable::<Outgoing>(&key, record) else { continue };
            waiting.entry(waits.notification).or_default().push(Waiting {
                event: waits.message.event,
                to: waits.to.to_string(),
                attempts: waits.attempts,
                next: waits.next,
                error: waits.error,
            });
        }
    }
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = records.list(tenant, NOTIFICATION, after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(all) };
        after = Some(last.clone());
        for (id, record) in page {
            let key = Key::new(tenant, NOTIFICATION, id.as_str());
            let Some(notification) = readable(&key, record) else { continue };
            all.push(Listed { waiting: waiting.remove(&id).unwrap_or_default(), id, notification });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notify::reason::ReasonKind;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hours)
    }

    fn reason(kind: ReasonKind, object: &str) -> (ReasonKey, Reason) {
        let key = ReasonKey { tenant: TenantId::default(), kind, object: object.to_owned() };
        let reason = Reason {
            key: key.clone(),
            name: object.to_owned(),
            message: "so".to_owned(),
            since: at(0),
        };
        (key, reason)
    }

    /// Does the steps, as the records would have it; gives who was told what.
    fn apply(
        reasons: &Reasons,
        known: &mut KnownReasons,
        remind: Option<TimeDelta>,
        now: DateTime<Utc>,
    ) -> Vec<(Event, ReasonKind)> {
        let before = known.clone();
        let mut told = Vec::new();
        for step in steps(reasons, &before, remind, now) {
            match step {
                Step::Open(reason) => {
                    let old = before.get(&reason.key).map(|known| &known.notification);
                    let notification = Notification::open(reason, old, now);
                    known.insert(reason.key.clone(), Known { version: 1, notification });
                    told.push((Event::Opened, reason.key.kind));
                }
                Step::Remind(reason, _) => {
                    let Some(known) = known.get_mut(&reason.key) else { panic!("not known") };
                    known.notification.reminded = Some(now);
                    told.push((Event::Reminder, reason.key.kind));
                }
                Step::Resolve { key, told: tell, .. } => {
                    let Some(known) = known.get_mut(key) else { panic!("not known") };
                    known.notification.resolved = Some(now);
                    if tell {
                        told.push((Event::Resolved, key.kind));
                    }
                }
                Step::Forget(key, _) => {
                    known.remove(key);
                }
            }
        }
        told
    }

    #[test]
    fn a_job_that_rests_for_another_reason_has_not_come_back() {
        let mut known = KnownReasons::new();
        let quarantine = Reasons::from([reason(ReasonKind::JobQuarantine, "j")]);
        let credentials = Reasons::from([reason(ReasonKind::JobCredentials, "j")]);
        let mut told = |reasons: &Reasons, hour| apply(reasons, &mut known, None, at(hour));
        assert_eq!(told(&quarantine, 1), [(Event::Opened, ReasonKind::JobQuarantine)]);
        assert_eq!(told(&quarantine, 2), []);
        assert_eq!(told(&credentials, 3), [(Event::Opened, ReasonKind::JobCredentials)]);
        assert_eq!(told(&Reasons::new(), 4), [(Event::Resolved, ReasonKind::JobCredentials)]);
        assert_eq!(told(&Reasons::new(), 5), []);
        assert_eq!(told(&quarantine, 6), [(Event::Opened, ReasonKind::JobQuarantine)]);
    }

    #[test]
    fn reminders_come_when_they_are_asked_for_and_what_is_over_is_forgotten() {
        let mut known = KnownReasons::new();
        let lost = Reasons::from([reason(ReasonKind::AgentLost, "a")]);
        let day = Some(TimeDelta::days(1));
        let kinds =
            |told: Vec<(Event, ReasonKind)>| told.into_iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(kinds(apply(&lost, &mut known, day, at(0))), [Event::Opened]);
        assert_eq!(kinds(apply(&lost, &mut known, day, at(23))), []);
        assert_eq!(kinds(apply(&lost, &mut known, day, at(24))), [Event::Reminder]);
        assert_eq!(kinds(apply(&lost, &mut known, day, at(25))), []);
        assert_eq!(kinds(apply(&lost, &mut known, None, at(500))), []);
        assert_eq!(kinds(apply(&Reasons::new(), &mut known, day, at(501))), [Event::Resolved]);
        assert_eq!(known.len(), 1);
        apply(&Reasons::new(), &mut known, day, at(501 + 30 * 24 + 1));
        assert!(known.is_empty());
    }

    proptest! {
        /// Against the simplest model: for one thing, messages are the edges of what is so.
        #[test]
        fn messages_are_the_edges(so in prop::collection::vec(any::<bool>(), 0..40)) {
            let mut known = KnownReasons::new();
            let (mut told, mut edges, mut last) = (Vec::new(), Vec::new(), false);
            for (hour, now) in (0_i64..).zip(so) {
                let reasons =
                    if now { Reasons::from([reason(ReasonKind::AgentLost, "a")]) } else { Reasons::new() };
                told.extend(apply(&reasons, &mut known, None, at(hour)).into_iter().map(|it| it.0));
                if now != last {
                    edges.push(if now { Event::Opened } else { Event::Resolved });
                }
                last = now;
            }
            prop_assert_eq!(told, edges);
        }
    }
}

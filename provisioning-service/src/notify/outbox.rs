//! Delivers what waits: again and again, less and less often, until it is taken, refused for good, or too old.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::channel::Undelivered;
use super::record::{
    Delivery, DeliveryOutcome, Destination, NOTIFICATION, Notification, OUTBOX, Outgoing, json,
    readable,
};
use super::{LEASE, Notifier, NotifyError, PAGE};
use crate::records::{Batch, Key, Lease, RecordsError, Write};
use crate::tenant::TenantId;

/// How many times a note is tried that meets others.
const TRIES: usize = 8;

/// The way that a message takes; when it is closed, the others that take it wait too.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Mail,
    Webhook(TenantId),
}

impl Way {
    fn of(tenant: &TenantId, to: &Destination) -> Self {
        match to {
            Destination::Mail(_) => Self::Mail,
            Destination::Webhook => Self::Webhook(tenant.clone()),
        }
    }
}

impl Notifier {
    /// Tries every message whose time has come, once.
    pub(super) async fn deliver(&self, lease: &mut Lease) -> Result<(), NotifyError> {
        let mut closed = BTreeSet::new();
        // What is over is not told before what it was, to nobody.
        let mut held_back = BTreeSet::new();
        let mut after: Option<Key> = None;
        loop {
            let page = self.0.records.scan(OUTBOX, after.as_ref(), PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(last.clone());
            for (key, record) in page {
                let version = record.version;
                let Some(waits) = readable::<Outgoing>(&key, record) else { continue };
                let way = Way::of(&key.tenant, &waits.to);
                let row = (key.tenant.clone(), waits.notification.clone(), waits.to.clone());
                let due = waits.next <= self.0.clock.now();
                if !due || closed.contains(&way) || held_back.contains(&row) {
                    held_back.insert(row);
                    continue;
                }
                // A message takes its time, and the right to send it must not end meanwhile.
                let now = self.0.clock.now();
                match self.0.records.renew(lease, LEASE, now).await? {
                    Some(renewed) => *lease = renewed,
                    None => return Err(RecordsError::Fenced(lease.name.clone()).into()),
                }
                let done = self.0.channels.send(&key.tenant, &waits.to, &waits.message, now).await;
                if matches!(done, Err(Undelivered::Closed(_))) {
                    closed.insert(way);
                }
                if matches!(done, Err(Undelivered::Closed(_) | Undelivered::Later(_))) {
                    held_back.insert(row);
                }
                self.note(&key, version, waits, done, lease).await?;
            }
        }
    }

    /// Notes what came of a try.
    async fn note(
        &self,
        key: &Key,
        version: u64,
        mut waits: Outgoing,
        done: Result<(), Undelivered>,
        lease: &Lease,
    ) -> Result<(), NotifyError> {
        let now = self.0.clock.now();
        let subject = &waits.message.subject;
        let (outcome, error) = match done {
            Ok(()) => {
                tracing::info!(to = %waits.to, "told: {subject}");
                (DeliveryOutcome::Delivered, None)
            }
            Err(Undelivered::Refused(error)) => {
                tracing::warn!("{error}; it is not tried again: {subject}");
                (DeliveryOutcome::Refused, Some(error))
            }
            Err(Undelivered::None(error)) => {
                tracing::warn!("{error}, so {} is not told: {subject}", waits.to);
                (DeliveryOutcome::Dropped, Some(error.to_owned()))
            }
            Err(Undelivered::Later(error) | Undelivered::Closed(error)) => {
                waits.attempts = waits.attempts.saturating_add(1);
                waits.next = now + pause(waits.attempts);
                if waits.next < waits.expires {
                    tracing::warn!("{error}; it is tried again at {}: {subject}", waits.next);
                    waits.error = Some(error);
                    let write = Write::replace(key.clone(), version, json(&waits)?);
                    return self.write(vec![write], lease).await;
                }
                tracing::error!("{error}; it was tried for too long and is given up: {subject}");
                (DeliveryOutcome::Expired, Some(error))
            }
        };
        let event = waits.message.event;
        let delivery = Delivery { event, to: waits.to.to_string(), at: now, outcome, error };
        self.over(key, version, &waits.notification, delivery, lease).await
    }

    /// Takes a message out of the outbox and notes with its reason what became of it.
    async fn over(
        &self,
        key: &Key,
        version: u64,
        notification: &str,
        delivery: Delivery,
        lease: &Lease,
    ) -> Result<(), NotifyError> {
        let reason = Key::new(&key.tenant, NOTIFICATION, notification);
        for _ in 0..TRIES {
            let mut writes = vec![Write::delete(key.clone(), version)];
            // The reason may be forgotten by now.
            if let Some(record) = self.0.records.get(&reason).await? {
                let read = record.version;
                if let Some(mut value) = readable::<Notification>(&reason, record) {
                    value.note(delivery.clone());
                    writes.push(Write::replace(reason.clone(), read, json(&value)?));
                }
            }
            match self.write(writes, lease).await {
                Err(NotifyError::Records(RecordsError::Conflict(at))) if at == reason => {}
                done => return done,
            }
        }
        Err(RecordsError::Busy.into())
    }

    async fn write(&self, writes: Vec<Write>, lease: &Lease) -> Result<(), NotifyError> {
        let batch = Batch { writes, fence: Some(lease.fence()), ..Batch::default() };
        Ok(self.0.records.commit(batch).await?)
    }
}

/// The time to the next try: 1, 2, 4, ... minutes, at most an hour.
fn pause(attempts: u32) -> TimeDelta {
    TimeDelta::minutes((1_i64 << attempts.saturating_sub(1).min(6)).min(60))
}

#[cfg(test)]
mod tests {
    use super::pause;

    #[test]
    fn tries_become_rare_and_do_not_end() {
        let minutes: Vec<i64> = (1..10).map(|attempt| pause(attempt).num_minutes()).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(u32::MAX).num_minutes(), 60);
    }
}

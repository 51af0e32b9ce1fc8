//! What is kept: reasons, open or over, and messages that wait to be delivered.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::message::Message;
use super::reason::{Reason, ReasonKey, ReasonKind};
use crate::records::{Key, Record, RecordsError};
use crate::tenant::TenantId;

/// The kind of the records of reasons.
pub(super) const NOTIFICATION: &str = "notification";
/// The kind of the records of messages that wait.
pub(super) const OUTBOX: &str = "notification-outbox";
/// Deliveries that are kept with a reason.
const DELIVERIES: usize = 40;

/// A reason as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    /// Of which kind.
    pub kind: ReasonKind,
    /// Of what.
    pub object: String,
    /// What people call it.
    pub name: String,
    /// What happened, in a sentence, as it was when somebody was told last.
    pub message: String,
    /// Since when it is so.
    pub since: DateTime<Utc>,
    /// When it was first seen.
    pub opened: DateTime<Utc>,
    /// When it was over; `None` while it is open.
    pub resolved: Option<DateTime<Utc>>,
    /// When somebody was reminded last.
    pub reminded: Option<DateTime<Utc>>,
    /// How many times it was so.
    pub times: u64,
    /// What became of the messages, the last ones last.
    pub deliveries: Vec<Delivery>,
}

impl Notification {
    /// A reason that is seen for the first time, or again after it was over.
    pub(super) fn open(reason: &Reason, before: Option<&Self>, now: DateTime<Utc>) -> Self {
        Self {
            kind: reason.key.kind,
            object: reason.key.object.clone(),
            name: reason.name.clone(),
            message: reason.message.clone(),
            since: reason.since,
            opened: now,
            resolved: None,
            reminded: None,
            times: before.map_or(0, |before| before.times) + 1,
            deliveries: before.map(|before| before.deliveries.clone()).unwrap_or_default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// The key of the reason, in a tenant.
    pub(super) fn key(&self, tenant: &TenantId) -> ReasonKey {
        ReasonKey { tenant: tenant.clone(), kind: self.kind, object: self.object.clone() }
    }

    /// Notes what became of a message.
    pub(super) fn note(&mut self, delivery: Delivery) {
        self.deliveries.push(delivery);
        let over = self.deliveries.len().saturating_sub(DELIVERIES);
        self.deliveries.drain(..over);
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// Something is so now.
    Opened,
    /// It is so still.
    Reminder,
    /// It is over.
    Resolved,
    /// Somebody tries whether messages arrive.
    Test,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Destination {
    /// To a mailbox.
    Mail(String),
    /// To the webhook of the tenant, or the general one.
    Webhook,
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mail(address) => f.write_str(address),
            Self::Webhook => f.write_str("webhook"),
        }
    }
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// About what it was.
    pub event: Event,
    /// Where it went.
    pub to: String,
    /// When that was known.
    pub at: DateTime<Utc>,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// What the other side said, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What became of a message in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryOutcome {
    /// It was taken.
    Delivered,
    /// It was refused for good.
    Refused,
    /// It could not be delivered in time.
    Expired,
    /// Too many waited already, or there is no way to this destination any more.
    Dropped,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outgoing {
    /// The record of its reason.
    pub(super) notification: String,
    /// Where it goes.
    pub(super) to: Destination,
    /// What it says.
    pub(super) message: Message,
    /// When it is given up.
    pub(super) expires: DateTime<Utc>,
    /// How many times it was tried.
    pub(super) attempts: u32,
    /// When it is tried next.
    pub(super) next: DateTime<Utc>,
    /// Why the last try failed.
    pub(super) error: Option<String>,
}

/// A typed value out of a record. One that is damaged is told and left out: others must not wait for it.
pub(super) fn readable<T: serde::de::DeserializeOwned>(key: &Key, record: Record) -> Option<T> {
    serde_json::from_value(record.value)
        .inspect_err(|error| tracing::error!(%key, "a record is damaged: {error}"))
        .ok()
}

/// A value for a record.
pub(super) fn json(value: &impl Serialize) -> Result<serde_json::Value, RecordsError> {
    serde_json::to_value(value).map_err(|error| RecordsError::Damaged(error.to_string()))
}

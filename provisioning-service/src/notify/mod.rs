//! Telling people: by mail and by webhook, once for one reason, and once when it is over.
//!
//! What is so is looked at again and again, and compared with what somebody was told: both are in the records, so that
//! neither a restart nor a second service makes a second message. A message is put into an outbox in the commit that notes
//! the reason, and delivered from there, apart from whatever it is about: a mailbox that refuses stops no job.
//!
//! Delivery is at least once. A service that dies between the receiver's yes and the note of it sends the message again,
//! under the same id.

mod channel;
mod facts;
mod mail;
mod message;
mod outbox;
mod reason;
mod record;
mod watch;
mod webhook;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use channel::{ChannelError, Channels, Undelivered};
pub use message::Message;
pub use reason::{Reason, ReasonKey, ReasonKind};
pub use record::{Delivery, DeliveryOutcome, Destination, Event, Notification};

use crate::agents::{AgentError, Agents};
use crate::clock::Clock;
use crate::config::NotificationSettings;
use crate::job::{JobError, Jobs};
use crate::records::{Lease, Records, RecordsError};
use crate::tenant::TenantId;

/// How often it is looked what is so.
const LOOK: Duration = Duration::from_secs(5);
/// How long the right to tell is held without being renewed; longer than one message may take.
const LEASE: Duration = Duration::from_secs(120);
/// The name of that right: one service tells, of all that share the records.
const RIGHT: &str = "notifications";
/// Records that are read with one call.
const PAGE: usize = 200;

/// What a notifier needs of the service.
#[derive(Debug)]
pub struct NotifyParts {
    /// Where reasons and messages are kept.
    pub records: Arc<dyn Records>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The jobs.
    pub jobs: Jobs,
    /// The agents.
    pub agents: Agents,
    /// The ways out.
    pub channels: Channels,
    /// When somebody is told.
    pub settings: NotificationSettings,
    /// Until when nobody new is told of as silent: agents that could not reach the service while it was away come back
    /// first.
    pub patient_until: DateTime<Utc>,
    /// The address of the service, for messages.
    pub origin: String,
    /// What this process is called among those that share the records.
    pub instance: String,
}

/// Tells people. Clones are one and the same.
#[derive(Debug, Clone)]
pub struct Notifier(Arc<NotifyParts>);

/// Why it could not be looked at what is so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The jobs cannot be read.
    #[error(transparent)]
    Jobs(#[from] JobError),
    /// The agents cannot be read.
    #[error(transparent)]
    Agents(#[from] AgentError),
}

/// A reason with what of its messages still waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// The identifier.
    pub id: String,
    /// The reason.
    #[serde(flatten)]
    pub notification: Notification,
    /// Messages that wait.
    pub waiting: Vec<Waiting>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// About what it is.
    pub event: Event,
    /// Where it goes.
    pub to: String,
    /// How many times it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next: DateTime<Utc>,
    /// Why the last try failed.
    pub error: Option<String>,
}

/// What came of a message that somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Where it went.
    pub to: String,
    /// Whether it was taken.
    pub delivered: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Notifier {
    /// A notifier of these parts; it tells nobody before [`Notifier::run`].
    #[must_use]
    pub fn new(parts: NotifyParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Looks and tells until `stop` ends, whenever no other service does. What is being sent then is sent again later,
    /// unless its receiver is fast.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let mut held: Option<Lease> = None;
        loop {
            tokio::select! {
                () = &mut stop => break,
                () = self.turn(&mut held) => {}
            }
            tokio::select! {
                () = &mut stop => break,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        if let Some(lease) = held
            && let Err(error) = self.0.records.release(&lease).await
        {
            tracing::warn!("the right to notify was not given back: {error}");
        }
    }

    /// One look and one round of deliveries, if nobody else has the right to. A right that was held before is in `held`.
    pub async fn turn(&self, held: &mut Option<Lease>) {
        let done = async {
            *held = match held.take() {
                Some(lease) => self.0.records.renew(&lease, LEASE, self.0.clock.now()).await?,
                None => None,
            };
            if held.is_none() {
                let (records, now) = (&self.0.records, self.0.clock.now());
                *held = records.lease(RIGHT, &self.0.instance, LEASE, now).await?;
            }
            if let Some(lease) = held.as_mut() {
                self.look(lease).await?;
                self.deliver(lease).await?;
            }
            Ok::<(), NotifyError>(())
        };
        match done.await {
            Ok(()) => {}
            // Another service tells; or somebody else changed a reason, and the next look sees both.
            Err(NotifyError::Records(RecordsError::Fenced(_))) => *held = None,
            Err(NotifyError::Records(RecordsError::Conflict(_))) => {}
            Err(error) => tracing::error!("nobody can be told of anything: {error}"),
        }
    }

    /// Sends a message that says nothing to everybody who is told of a tenant, now, and says what came of it.
    pub async fn test(&self, tenant: &TenantId) -> Vec<Tried> {
        test(&self.0.channels, tenant, &self.0.origin, self.0.clock.now()).await
    }

    /// The reasons of a tenant, the newest first, with those of the service as a whole.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Listed>, RecordsError> {
        list(&*self.0.records, tenant).await
    }
}

/// Sends a message that says nothing to everybody who is told of a tenant.
pub async fn test(
    channels: &Channels,
    tenant: &TenantId,
    origin: &str,
    now: DateTime<Utc>,
) -> Vec<Tried> {
    let message = Message::test(tenant, origin, now);
    let destinations = channels.destinations(tenant, &[]);
    let tries = destinations.into_iter().map(|to| {
        let message = &message;
        async move {
            let done = channels.send(tenant, &to, message, now).await;
            let error = done.err().map(|error| error.to_string());
            Tried { to: to.to_string(), delivered: error.is_none(), error }
        }
    });
    futures::future::join_all(tries).await
}

/// The reasons of a tenant, the newest first, with those of the service as a whole: of these, not who was told.
///
/// # Errors
/// [`RecordsError`].
pub async fn list(records: &dyn Records, tenant: &TenantId) -> Result<Vec<Listed>, RecordsError> {
    let mut all = watch::of_tenant(records, tenant).await?;
    if !tenant.is_service() {
        for mut listed in watch::of_tenant(records, &TenantId::service()).await? {
            listed.notification.deliveries.clear();
            listed.waiting.clear();
            all.push(listed);
        }
    }
    all.sort_by_key(|listed| std::cmp::Reverse(listed.notification.opened));
    Ok(all)
}

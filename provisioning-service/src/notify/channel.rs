//! The ways out of the service, and what can come of a try.

use chrono::{DateTime, Utc};

use super::mail::Mailer;
use super::message::Message;
use super::record::Destination;
use super::webhook::Webhooks;
use crate::config::Config;
use crate::tenant::TenantId;

/// Why a message was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// This destination refuses this message; another try would not help.
    #[error("{0}")]
    Refused(String),
    /// This destination does not take it now.
    #[error("{0}")]
    Later(String),
    /// The way is closed for every message: nobody answers, or nobody is let in.
    #[error("{0}")]
    Closed(String),
    /// There is no such way in the configuration, or no more.
    #[error("{0}")]
    None(&'static str),
}

/// Why there are no ways out: a sentence with the setting.
#[derive(Debug, thiserror::Error)]
#[error("`{setting}`: {problem}")]
pub struct ChannelError {
    pub(super) setting: &'static str,
    pub(super) problem: String,
}

/// The ways out.
#[derive(Debug)]
pub struct Channels {
    mail: Option<Mailer>,
    webhook: Option<Webhooks>,
    recipients: Recipients,
}

/// Who is told, by tenant.
#[derive(Debug, Default)]
struct Recipients {
    general: Vec<String>,
    tenants: std::collections::BTreeMap<TenantId, Vec<String>>,
}

impl Channels {
    /// Those of a configuration; none where it has no `[mail]` and no `[webhook]`.
    ///
    /// # Errors
    /// [`ChannelError`] where certificates cannot be read.
    pub fn new(config: &Config) -> Result<Self, ChannelError> {
        let mail = config.mail.as_ref();
        let recipients = mail.map_or_else(Recipients::default, |mail| Recipients {
            general: mail.recipients.clone(),
            tenants: mail.tenants.clone(),
        });
        Ok(Self {
            mail: mail.map(Mailer::new).transpose()?,
            webhook: config.webhook.as_ref().map(Webhooks::new).transpose()?,
            recipients,
        })
    }

    /// Where messages about a tenant go, with these mailboxes more.
    #[must_use]
    pub fn destinations(&self, tenant: &TenantId, more: &[String]) -> Vec<Destination> {
        let mut all = Vec::new();
        if self.mail.is_some() {
            let own = self.recipients.tenants.get(tenant).unwrap_or(&self.recipients.general);
            let mut boxes: Vec<&String> = own.iter().chain(more).collect();
            boxes.sort_by_key(|address| address.to_ascii_lowercase());
            boxes.dedup_by(|a, b| a.eq_ignore_ascii_case(b));
            all.extend(boxes.into_iter().cloned().map(Destination::Mail));
        }
        if self.webhook.as_ref().is_some_and(|webhook| webhook.is_for(tenant)) {
            all.push(Destination::Webhook);
        }
        all
    }

    /// Sends a message and waits until the other side has taken it.
    ///
    /// # Errors
    /// [`Undelivered`].
    pub async fn send(
        &self,
        tenant: &TenantId,
        to: &Destination,
        message: &Message,
        now: DateTime<Utc>,
    ) -> Result<(), Undelivered> {
        match to {
            Destination::Mail(address) => match &self.mail {
                Some(mail) => mail.send(address, message).await,
                None => Err(Undelivered::None("there is no [mail] in the configuration any more")),
            },
            Destination::Webhook => match &self.webhook {
                Some(webhook) => webhook.send(tenant, message, now).await,
                None => {
                    Err(Undelivered::None("there is no [webhook] in the configuration any more"))
                }
            },
        }
    }

    /// Whether the mail server can be reached and lets the service in; `None` where there is none.
    pub async fn try_mail(&self) -> Option<Result<(), Undelivered>> {
        match &self.mail {
            Some(mail) => Some(mail.try_it().await),
            None => None,
        }
    }
}

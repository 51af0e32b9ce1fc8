//! What a message says, for people and for programs.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::reason::{Reason, ReasonKey, ReasonKind};
use super::record::Event;
use crate::tenant::TenantId;

/// The longest text that is taken over from somebody else.
const LONGEST: usize = 2000;
/// The longest name in a subject.
const SUBJECT: usize = 120;

/// A message. It is the body of a webhook as it stands; a mail has its subject and its text.
///
/// It never holds a secret. Its `id` is the same at every try, so that a receiver knows what it has seen already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Which message.
    pub id: String,
    /// About what.
    pub event: Event,
    /// The kind of the reason; none for a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<ReasonKind>,
    /// The tenant; none for the service as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Of what it is so: the identifier of a job or an agent, the name of a group.
    pub object: String,
    /// What people call that.
    pub name: String,
    /// Since when it is so.
    pub since: DateTime<Utc>,
    /// When the message was written.
    pub at: DateTime<Utc>,
    /// What is so, in a line.
    pub subject: String,
    /// The same in sentences.
    pub text: String,
    /// The address of the service.
    pub service: String,
}

impl Message {
    /// Tells of a reason.
    pub(super) fn of(event: Event, reason: &Reason, service: &str, at: DateTime<Utc>) -> Self {
        let ReasonKey { tenant, kind, object } = &reason.key;
        let name = line(&reason.name, SUBJECT);
        let (what, text) = match event {
            Event::Resolved => (
                format!("{name} {}", kind.over()),
                format!("It was so since {}.", shown(reason.since)),
            ),
            Event::Reminder => (format!("{name} still {}", kind.so()), said(*kind, reason)),
            Event::Opened | Event::Test => (format!("{name} {}", kind.so()), said(*kind, reason)),
        };
        let tenant = (!tenant.is_service()).then(|| tenant.clone());
        let whose = tenant.as_ref().map_or_else(String::new, |tenant| format!("Tenant {tenant}: "));
        Self {
            id: new_id(),
            event,
            kind: Some(*kind),
            object: object.clone(),
            since: reason.since,
            at,
            subject: format!("{whose}{what}"),
            text: format!("{whose}{what}.\n\n{text}\n\nProvisioning service {service}\n"),
            service: service.to_owned(),
            tenant,
            name,
        }
    }

    /// Tells nothing but that messages arrive.
    pub(super) fn test(tenant: &TenantId, service: &str, at: DateTime<Utc>) -> Self {
        let subject = format!("Tenant {tenant}: notifications arrive");
        Self {
            id: new_id(),
            event: Event::Test,
            kind: None,
            tenant: Some(tenant.clone()),
            object: String::new(),
            name: String::new(),
            since: at,
            at,
            text: format!(
                "{subject}.\n\nSomebody asked for this message; there is nothing to do.\n\nProvisioning service {service}\n"
            ),
            subject,
            service: service.to_owned(),
        }
    }
}

/// An id that no other message has.
fn new_id() -> String {
    format!("msg_{:032x}", rand::random::<u128>())
}

fn said(kind: ReasonKind, reason: &Reason) -> String {
    let mut message = long(&reason.message);
    if !message.is_empty() {
        message.push_str("\n\n");
    }
    format!("{message}It is so since {}.\n\n{}", shown(reason.since), kind.advice())
}

fn shown(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A text of somebody else, fit for one line.
pub(super) fn line(text: &str, longest: usize) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(longest).collect::<String>().trim().to_owned()
}

/// A text of somebody else, fit for a mail.
fn long(text: &str) -> String {
    let printable = text.chars().filter(|c| *c == '\n' || !c.is_control());
    printable.take(LONGEST).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(name: &str, message: &str) -> Reason {
        Reason {
            key: ReasonKey {
                tenant: TenantId::default(),
                kind: ReasonKind::JobQuarantine,
                object: "j1".to_owned(),
            },
            name: name.to_owned(),
            message: message.to_owned(),
            since: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_message_says_what_is_so_and_what_to_do() {
        let now = DateTime::UNIX_EPOCH;
        let told = Message::of(
            Event::Opened,
            &reason("job Corp", "the target answered nonsense"),
            "https://s",
            now,
        );
        assert_eq!(told.subject, "Tenant default: job Corp is in quarantine");
        assert!(
            told.text
                .contains("the target answered nonsense\n\nIt is so since 1970-01-01T00:00:00Z.")
        );
        assert!(told.text.contains("start the job"));
        let over = Message::of(Event::Resolved, &reason("job Corp", "x"), "https://s", now);
        assert_eq!(over.subject, "Tenant default: job Corp has left quarantine");
        assert_ne!(told.id, over.id);
    }

    #[test]
    fn names_of_others_make_no_header_of_their_own() {
        let name = format!("job a\r\nBcc: everybody@example.com {}", "x".repeat(500));
        let told =
            Message::of(Event::Opened, &reason(&name, "a\u{1b}[2Jb"), "s", DateTime::UNIX_EPOCH);
        assert!(!told.subject.contains(['\r', '\n']) && told.subject.chars().count() < 200);
        assert!(told.text.contains("a[2Jb"));
    }
}

//! What a refusal of Kerberos means for an operator, in words that say what to mend.

use chrono::{DateTime, Utc};
use scim_sync::ConnectorError;

use super::message::Refusal;

/// Error codes (RFC 4120 section 7.5.9) that decide something.
pub(super) mod code {
    pub(in super::super) const CLIENT_UNKNOWN: i64 = 6;
    pub(in super::super) const SERVICE_UNKNOWN: i64 = 7;
    pub(in super::super) const POLICY: i64 = 12;
    pub(in super::super) const NO_COMMON_ENCRYPTION: i64 = 14;
    pub(in super::super) const REVOKED: i64 = 18;
    pub(in super::super) const NOT_YET_VALID: i64 = 21;
    pub(in super::super) const KEY_EXPIRED: i64 = 23;
    pub(in super::super) const PREAUTH_FAILED: i64 = 24;
    pub(in super::super) const PREAUTH_REQUIRED: i64 = 25;
    pub(in super::super) const SERVICE_UNAVAILABLE: i64 = 29;
    pub(in super::super) const TICKET_EXPIRED: i64 = 32;
    pub(in super::super) const TICKET_NOT_YET_VALID: i64 = 33;
    pub(in super::super) const SKEW: i64 = 37;
    pub(in super::super) const GENERIC: i64 = 60;
    pub(in super::super) const WRONG_REALM: i64 = 68;
}

/// Who asked whom for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    /// The Kerberos server, or the service that was shown a ticket.
    pub(super) server: &'a str,
    pub(super) realm: &'a str,
    pub(super) account: &'a str,
    /// The service that a ticket is for.
    pub(super) service: &'a str,
    /// What the clock of this machine showed.
    pub(super) now: DateTime<Utc>,
}

/// A refusal as the error of a connector.
pub(super) fn refused(asking: Asking<'_>, refusal: &Refusal) -> ConnectorError {
    let Asking { server, realm, account, service, now } = asking;
    let said = refusal.text.as_deref().map(said).unwrap_or_default();
    let by = format!("{server} (Kerberos error {}{said})", refusal.code);
    let credentials = ConnectorError::Credentials;
    match refusal.code {
        code::CLIENT_UNKNOWN => {
            credentials(format!("the realm {realm} does not know the account {account}: {by}"))
        }
        code::PREAUTH_FAILED => credentials(format!(
            "the password of the account {account} to bind with is wrong: {by}"
        )),
        code::REVOKED => credentials(format!(
            "the account {account} to bind with is disabled, locked or expired: {by}"
        )),
        code::KEY_EXPIRED => credentials(format!(
            "the password of the account {account} to bind with has expired: {by}"
        )),
        code::POLICY => credentials(format!(
            "the account {account} to bind with may not sign in now or from here: {by}"
        )),
        code::SERVICE_UNKNOWN => ConnectorError::Configuration(format!(
            "the realm {realm} knows no service {service}: {by}; look whether the realm is the one of the server"
        )),
        code::NO_COMMON_ENCRYPTION => ConnectorError::Configuration(format!(
            "the account {account} and the service {service} have no key for AES: {by}; allow AES for both and set the \
             password of the account once more"
        )),
        code::SKEW | code::NOT_YET_VALID | code::TICKET_EXPIRED | code::TICKET_NOT_YET_VALID => {
            let apart = refusal.clock.map(|theirs| (now - theirs).num_seconds().abs());
            let apart =
                apart.map_or_else(|| "too far".to_owned(), |seconds| format!("{seconds} s"));
            ConnectorError::Configuration(format!(
                "the clocks of this machine and of {by} are {apart} apart, and Kerberos bears five minutes: have both \
                 follow the same time server (NTP)"
            ))
        }
        code::WRONG_REALM => {
            let other = refusal.realm.as_deref().unwrap_or("another one");
            ConnectorError::Configuration(format!(
                "{realm} is not the realm of the account {account}: {by} says it is {other}; give that one and its Kerberos server"
            ))
        }
        code::PREAUTH_REQUIRED => ConnectorError::Unsupported(format!(
            "{by} wants more than a password of the account {account}, such as a smart card"
        )),
        code::SERVICE_UNAVAILABLE => {
            ConnectorError::Unreachable(format!("{by} is not there for the realm {realm} now"))
        }
        code::GENERIC => ConnectorError::Unreachable(format!("{by} could not answer")),
        _ => ConnectorError::Protocol(format!(
            "{by} refused to sign {account} in to {service} in the realm {realm}"
        )),
    }
}

/// What the server itself said. One line, not too long.
fn said(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    if line.trim().is_empty() { String::new() } else { format!(": {}", line.trim()) }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    fn told(code: i64, clock: Option<DateTime<Utc>>) -> ConnectorError {
        let asking = Asking {
            server: "dc1:88",
            realm: "CORP.EXAMPLE",
            account: "svc-sync",
            service: "ldap/dc1.corp.example",
            now: DateTime::from_timestamp(1_000_000, 0).unwrap(),
        };
        let text = Some("one\ntwo".to_owned());
        refused(asking, &Refusal { code, clock, realm: None, text, data: None })
    }

    #[test]
    fn clocks_are_named_with_how_far_they_are_apart() {
        let clock = DateTime::from_timestamp(1_000_000, 0).unwrap() + Duration::minutes(10);
        let text = told(code::SKEW, Some(clock)).to_string();
        assert!(text.contains("clocks of this machine") && text.contains("600 s apart"), "{text}");
        assert!(told(code::SKEW, None).to_string().contains("too far apart"));
    }

    #[test]
    fn what_only_another_password_mends_is_about_credentials() {
        for code in [code::CLIENT_UNKNOWN, code::PREAUTH_FAILED, code::REVOKED, code::KEY_EXPIRED] {
            assert!(matches!(told(code, None), ConnectorError::Credentials(_)), "{code}");
        }
        assert!(matches!(told(code::GENERIC, None), ConnectorError::Unreachable(_)));
        assert!(!told(code::PREAUTH_FAILED, None).to_string().contains('\n'));
    }
}

//! What a result code of LDAP means for a read, in words that say what to mend.

use std::error::Error;

use ldap3::LdapError;
use scim_sync::ConnectorError;

/// Result codes (RFC 4511 appendix A, RFC 4533 section 6) that decide something.
pub(crate) mod code {
    pub(crate) const SUCCESS: u32 = 0;
    pub(crate) const OPERATIONS_ERROR: u32 = 1;
    pub(crate) const TIME_LIMIT: u32 = 3;
    pub(crate) const SIZE_LIMIT: u32 = 4;
    pub(crate) const STRONGER_AUTH: u32 = 8;
    pub(crate) const REFERRAL: u32 = 10;
    pub(crate) const ADMIN_LIMIT: u32 = 11;
    pub(crate) const UNAVAILABLE_EXTENSION: u32 = 12;
    pub(crate) const CONFIDENTIALITY: u32 = 13;
    pub(crate) const NO_SUCH_OBJECT: u32 = 32;
    pub(crate) const INVALID_DN: u32 = 34;
    pub(crate) const INAPPROPRIATE_AUTH: u32 = 48;
    pub(crate) const INVALID_CREDENTIALS: u32 = 49;
    pub(crate) const INSUFFICIENT_RIGHTS: u32 = 50;
    pub(crate) const BUSY: u32 = 51;
    pub(crate) const UNAVAILABLE: u32 = 52;
    pub(crate) const REFRESH_REQUIRED: u32 = 4096;
}

/// The end of an operation that did not succeed.
pub(crate) fn refused(server: &str, what: &str, rc: u32, text: &str) -> ConnectorError {
    let said = said(text);
    let told = format!("{server} refused {what} (result {rc}{said})");
    match rc {
        code::TIME_LIMIT | code::SIZE_LIMIT | code::ADMIN_LIMIT => {
            ConnectorError::Incomplete(format!(
                "{server} cut off {what} by one of its limits (result {rc}{said}): give the account that reads a larger limit"
            ))
        }
        code::REFERRAL => ConnectorError::Incomplete(format!(
            "{server} sends {what} on to another server{said}: name a server that holds the base itself"
        )),
        code::STRONGER_AUTH | code::CONFIDENTIALITY => ConnectorError::Configuration(format!(
            "{server} wants TLS before it answers{said}: use ldaps:// or StartTLS"
        )),
        code::INAPPROPRIATE_AUTH | code::INVALID_CREDENTIALS => {
            ConnectorError::Credentials(format!("{server}: {}{said}", credentials(text)))
        }
        // Active Directory answers this to a search before a bind.
        code::OPERATIONS_ERROR => ConnectorError::Credentials(format!(
            "{told}: most often because nobody has signed in; give a name and a password"
        )),
        code::INSUFFICIENT_RIGHTS => {
            ConnectorError::Forbidden(format!("{told}: the account that reads lacks a right"))
        }
        code::NO_SUCH_OBJECT | code::INVALID_DN => ConnectorError::Configuration(format!(
            "{told}: there is no such name, or the account that reads may not see it"
        )),
        code::BUSY | code::UNAVAILABLE => ConnectorError::Unreachable(told),
        code::UNAVAILABLE_EXTENSION => ConnectorError::Unsupported(told),
        code::REFRESH_REQUIRED => ConnectorError::WatermarkRefused(told),
        _ => ConnectorError::Protocol(told),
    }
}

/// What the server itself said, for the end of a sentence in brackets or before a colon. One line, not too long.
fn said(text: &str) -> String {
    let text = text.trim_matches(['\0', '\n', ' ']);
    if text.is_empty() {
        return String::new();
    }
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    format!(": {line}")
}

/// What Active Directory hides in the `data` of the text of a refused bind.
fn credentials(text: &str) -> &'static str {
    let data = text.split("data ").nth(1).map(|rest| rest.split([',', ' ']).next().unwrap_or(rest));
    match data {
        Some("525") => "the account to bind with does not exist",
        Some("530" | "531") => "the account to bind with may not sign in now or from here",
        Some("532") => "the password of the account to bind with has expired",
        Some("533") => "the account to bind with is disabled",
        Some("701") => "the account to bind with has expired",
        Some("773") => "the password of the account to bind with must be changed first",
        Some("775") => "the account to bind with is locked",
        _ => "the name or the password to bind with is wrong",
    }
}

/// A failure below the protocol.
pub(crate) fn broken(server: &str, what: &str, error: &LdapError) -> ConnectorError {
    match error {
        LdapError::Timeout { .. } => {
            ConnectorError::Unreachable(format!("{server} did not answer in time while {what}"))
        }
        LdapError::LdapResult { result } => refused(server, what, result.rc, &result.text),
        LdapError::EndOfStream | LdapError::ResultRecv { .. } | LdapError::OpSend { .. } => {
            ConnectorError::Unreachable(format!("{server} closed the connection while {what}"))
        }
        LdapError::UrlParsing { source } => {
            ConnectorError::Configuration(format!("{server} is no LDAP URL: {source}"))
        }
        error => {
            let text = chain(error);
            if let Some(advice) = out_of_time(&text) {
                return ConnectorError::Unreachable(format!(
                    "{server} shows a certificate that {advice} ({text})"
                ));
            }
            if text.contains("certificate") {
                return ConnectorError::Unreachable(format!(
                    "{server} shows a certificate that is not trusted ({text}): give the file of the authority that \
                     signed it, and the name that is in the certificate"
                ));
            }
            ConnectorError::Unreachable(format!(
                "{server} cannot be talked to while {what}: {text}"
            ))
        }
    }
}

/// What is to be done about a certificate whose time has not come or is over: no other authority helps.
fn out_of_time(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    match text.contains("certificate") {
        true if text.contains("expired") => Some("has expired: have it renewed"),
        true if text.contains("not valid yet") || text.contains("notvalidyet") => {
            Some("is not valid yet: look at the clocks of both machines")
        }
        _ => None,
    }
}

/// An error with what caused it, each thing said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_make_a_read_incomplete() {
        for rc in [code::TIME_LIMIT, code::SIZE_LIMIT, code::ADMIN_LIMIT, code::REFERRAL] {
            let error = refused("ldap://dc1", "the search", rc, "");
            assert!(matches!(error, ConnectorError::Incomplete(_)), "{rc}");
        }
    }

    #[test]
    fn the_codes_of_a_refused_bind_are_put_into_words() {
        let text = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 533, v2580";
        let error = refused("ldaps://dc1", "the bind", code::INVALID_CREDENTIALS, text);
        assert!(error.to_string().contains("is disabled"), "{error}");
        let error =
            refused("ldaps://dc1", "the bind", code::INVALID_CREDENTIALS, "Simple Bind Failed");
        assert!(error.to_string().contains("password to bind with is wrong"), "{error}");
    }

    #[test]
    fn no_other_authority_helps_a_certificate_that_is_out_of_time() {
        use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, UnknownIssuer};
        use rustls::pki_types::UnixTime;
        let said = |error: rustls::CertificateError| {
            let error = std::io::Error::other(rustls::Error::InvalidCertificate(error));
            broken("ldaps://dc1", "connecting", &LdapError::from(error)).to_string()
        };
        let time = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let late = ExpiredContext { time: time(20), not_after: time(10) };
        for error in [said(Expired), said(late)] {
            assert!(error.contains("has expired: have it renewed"), "{error}");
            assert!(!error.contains("authority"), "{error}");
        }
        assert!(said(NotValidYet).contains("look at the clocks"));
        assert!(said(UnknownIssuer).contains("the file of the authority"));
    }

    #[test]
    fn a_text_of_the_server_stays_on_one_line() {
        let error = refused("ldap://dc1", "the search", 80, "one\ntwo\u{1b}[2J\0");
        assert!(!error.to_string().contains(['\n', '\u{1b}', '\0']), "{error}");
    }
}

//! Who is told when something needs a person, and how.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::values::{human, human_option};
use crate::tenant::TenantId;

/// The shortest key that a webhook is signed with, in bytes.
const SHORTEST_KEY: usize = 16;

/// Mail: `[mail]` in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailSettings {
    /// The name of the mail server.
    pub server: String,
    /// Its port; without it, the usual one of `tls`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is secured.
    #[serde(default)]
    pub tls: MailTls,
    /// Whom mails are from.
    pub from: String,
    /// Whom the service is for the mail server; without it, nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The file with the password; `PROVISIONING_MAIL_PASSWORD` goes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// Certificates in PEM that the server may show instead of those that everybody trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Who is told of the service itself, and of tenants that have nobody of their own.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Who is told of a tenant instead.
    #[serde(default)]
    pub tenants: BTreeMap<TenantId, Vec<String>>,
    /// The password.
    #[serde(skip)]
    pub password: Option<SecretString>,
}

/// How the connection to a mail server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// It begins without and must go over to TLS; port 587.
    #[default]
    Starttls,
    /// It is TLS from the beginning; port 465.
    Tls,
    /// Not at all, which is for a mail server on this machine only; port 25.
    None,
}

impl MailSettings {
    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            MailTls::Starttls => 587,
            MailTls::Tls => 465,
            MailTls::None => 25,
        })
    }

    /// Whom mails are from.
    ///
    /// # Errors
    /// A sentence where it is no address.
    pub fn from(&self) -> Result<Mailbox, String> {
        self.from.parse().map_err(|error| format!("{:?} is no mail address: {error}", self.from))
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |setting, text: String| Err((setting, text));
        if self.server.is_empty() || !self.server.chars().all(|c| c.is_ascii_graphic()) {
            return wrong("mail.server", format!("{:?} is no name of a server", self.server));
        }
        if self.tls == MailTls::None && !is_loopback(&self.server) {
            let text = "`none` is for a mail server on this machine: localhost, 127.0.0.1 or ::1";
            return wrong("mail.tls", text.to_owned());
        }
        self.from().map_err(|error| ("mail.from", error))?;
        let all = self.recipients.iter().chain(self.tenants.values().flatten());
        for address in all {
            address.parse::<Address>().map_err(|error| {
                ("mail.recipients", format!("{address:?} is no mail address: {error}"))
            })?;
        }
        match (&self.username, &self.password) {
            (Some(_), None) => wrong(
                "mail.password_file",
                "mail.username needs it, or PROVISIONING_MAIL_PASSWORD".to_owned(),
            ),
            (None, Some(_)) => {
                wrong("mail.username", "there is a password and nobody whose it is".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Webhooks: `[webhook]` in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Where the service itself, and tenants without a webhook of their own, are told of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Url>,
    /// The file with the key of the signature; `PROVISIONING_WEBHOOK_SECRET` goes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// Certificates in PEM that receivers may show beside those that everybody trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Hosts whose addresses may be private ones. Others are refused, whatever their name resolves to.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// Webhooks of tenants, each with a key of its own.
    #[serde(default)]
    pub tenants: BTreeMap<TenantId, TenantWebhook>,
    /// The key.
    #[serde(skip)]
    pub secret: Option<SecretString>,
}

/// The webhook of a tenant: `[webhook.tenants.NAME]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantWebhook {
    /// Where.
    pub url: Url,
    /// The file with the key of the signature.
    pub secret_file: PathBuf,
    /// The key.
    #[serde(skip)]
    pub secret: Option<SecretString>,
}

impl WebhookSettings {
    /// The address and the key for a tenant.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Option<(&Url, &SecretString)> {
        match self.tenants.get(tenant) {
            Some(own) => Some((&own.url, own.secret.as_ref()?)),
            None => Some((self.url.as_ref()?, self.secret.as_ref()?)),
        }
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        let mut all: Vec<(&Url, Option<&SecretString>)> =
            self.url.iter().map(|url| (url, self.secret.as_ref())).collect();
        all.extend(self.tenants.values().map(|own| (&own.url, own.secret.as_ref())));
        for (url, secret) in all {
            let host = url.host_str().unwrap_or_default();
            let fits = match url.scheme() {
                "https" => true,
                "http" => is_loopback(host) && self.allows(host),
                _ => false,
            };
            if !fits || host.is_empty() {
                return Err((
                    "webhook.url",
                    format!(
                        "{host:?}: an address with https; http is for a host of this machine that webhook.allow_private names"
                    ),
                ));
            }
            if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
                let text =
                    format!("{host:?}: an address without a name, a password and a fragment");
                return Err(("webhook.url", text));
            }
            let long = secret.is_some_and(|key| key.expose_secret().len() >= SHORTEST_KEY);
            if !long {
                return Err((
                    "webhook.secret_file",
                    format!(
                        "what is sent to {host:?} is signed: a key of {SHORTEST_KEY} bytes or more is needed there, or in PROVISIONING_WEBHOOK_SECRET"
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Whether the addresses of a host may be private ones.
    #[must_use]
    pub fn allows(&self, host: &str) -> bool {
        let host = host.trim_matches(['[', ']']);
        self.allow_private
            .iter()
            .any(|name| name.trim_matches(['[', ']']).eq_ignore_ascii_case(host))
    }
}

/// When somebody is told: `[notifications]` in the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationSettings {
    /// How often somebody is reminded of what is still so; without it, never.
    #[serde(with = "human_option", skip_serializing_if = "Option::is_none")]
    pub remind_after: Option<Duration>,
    /// How long before its end an agent's certificate is told of; at most half of `renew_before`, because agents renew
    /// it before that.
    #[serde(with = "human")]
    pub certificate_warning: Duration,
    /// How long before its end the authority's certificate is told of.
    #[serde(with = "human")]
    pub authority_warning: Duration,
    /// After how many cycles in a row that could not be run a job is told of.
    pub failing_cycles: u32,
    /// How long a message is tried to be delivered.
    #[serde(with = "human")]
    pub give_up_after: Duration,
}

impl Default for NotificationSettings {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            remind_after: None,
            certificate_warning: Duration::from_secs(14 * DAY),
            authority_warning: Duration::from_secs(90 * DAY),
            failing_cycles: 5,
            give_up_after: Duration::from_secs(2 * DAY),
        }
    }
}

/// The sections as a whole, checked together.
pub(super) fn check(
    mail: Option<&MailSettings>,
    webhook: Option<&WebhookSettings>,
    when: &NotificationSettings,
) -> Result<(), (&'static str, String)> {
    mail.map_or(Ok(()), MailSettings::check)?;
    webhook.map_or(Ok(()), WebhookSettings::check)?;
    let hour = Duration::from_secs(60 * 60);
    if when.remind_after.is_some_and(|after| after < hour) {
        return Err(("notifications.remind_after", "at least 1h".to_owned()));
    }
    if when.failing_cycles == 0 {
        return Err(("notifications.failing_cycles", "at least 1".to_owned()));
    }
    Ok(())
}

/// Reads the secrets of the sections: from the environment, where it has them, and from the files that are named.
pub(super) fn read_secrets(
    mail: Option<&mut MailSettings>,
    webhook: Option<&mut WebhookSettings>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), (&'static str, String)> {
    if let Some(mail) = mail {
        mail.password = secret(variable("mail_password"), mail.password_file.as_deref())
            .map_err(|error| ("mail.password_file", error))?;
    }
    if let Some(webhook) = webhook {
        let failed = |error| ("webhook.secret_file", error);
        webhook.secret =
            secret(variable("webhook_secret"), webhook.secret_file.as_deref()).map_err(failed)?;
        for own in webhook.tenants.values_mut() {
            own.secret = secret(None, Some(&own.secret_file)).map_err(failed)?;
        }
    }
    Ok(())
}

fn secret(variable: Option<String>, file: Option<&Path>) -> Result<Option<SecretString>, String> {
    if let Some(text) = variable {
        return Ok(Some(text.into()));
    }
    let Some(file) = file else { return Ok(None) };
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(format!("{} is empty", file.display()));
    }
    Ok(Some(text.to_owned().into()))
}

/// Whether a host is this machine, by its name alone.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address: Option<IpAddr> = host.parse().ok();
    match (Host::parse(host), address) {
        (_, Some(address)) => address.is_loopback(),
        (Ok(Host::Domain(name)), None) => name.eq_ignore_ascii_case("localhost"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(text: &str) -> Result<MailSettings, String> {
        let text = format!("server = \"mail.example.com\"\nfrom = \"sync@example.com\"\n{text}");
        let settings: MailSettings = toml::from_str(&text).map_err(|e| e.to_string())?;
        settings.check().map_err(|(setting, text)| format!("{setting}: {text}"))?;
        Ok(settings)
    }

    #[test]
    fn mail_is_secured_unless_it_stays_on_this_machine() {
        assert_eq!(mail("").unwrap().port(), 587);
        assert_eq!(mail("tls = \"tls\"").unwrap().port(), 465);
        assert!(mail("tls = \"none\"").unwrap_err().contains("mail.tls"));
        let here: MailSettings =
            toml::from_str("server = \"127.0.0.1\"\nfrom = \"a@b.c\"\ntls = \"none\"").unwrap();
        here.check().unwrap();
        assert!(mail("recipients = [\"nobody\"]").unwrap_err().contains("no mail address"));
        assert!(mail("username = \"sync\"").unwrap_err().contains("mail.password_file"));
        assert!(mail("[tenants]\nAcme = []").is_err());
    }

    #[test]
    fn a_webhook_is_signed_and_goes_by_https() {
        let check = |url: &str, key: &str, allow: &[&str]| {
            let settings = WebhookSettings {
                url: Some(url.parse().unwrap()),
                secret_file: None,
                ca_file: None,
                allow_private: allow.iter().map(|host| (*host).to_owned()).collect(),
                tenants: BTreeMap::new(),
                secret: Some(key.to_owned().into()),
            };
            settings.check().map_err(|(setting, _)| setting)
        };
        let key = "0123456789abcdef";
        assert_eq!(check("https://hooks.example.com/x", key, &[]), Ok(()));
        assert_eq!(check("https://hooks.example.com/x", "short", &[]), Err("webhook.secret_file"));
        for url in [
            "http://hooks.example.com/x",
            "http://127.0.0.1/x",
            "https://a:b@hooks.example.com/",
            "ftp://x",
        ] {
            assert_eq!(check(url, key, &[]), Err("webhook.url"), "{url}");
        }
        assert_eq!(check("http://127.0.0.1:8/x", key, &["127.0.0.1"]), Ok(()));
        assert_eq!(check("http://10.0.0.1/x", key, &["10.0.0.1"]), Err("webhook.url"));
    }

    #[test]
    fn secrets_come_from_the_environment_or_a_file_and_are_never_shown() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "from-the-file\n").unwrap();
        let mut settings = mail("").unwrap();
        settings.username = Some("sync".to_owned());
        settings.password_file = Some(file);
        read_secrets(Some(&mut settings), None, |_| None).unwrap();
        let shown = |settings: &MailSettings| {
            settings.password.as_ref().map(|it| it.expose_secret().to_owned())
        };
        assert_eq!(shown(&settings).as_deref(), Some("from-the-file"));
        assert!(!format!("{settings:?}").contains("from-the-file"));
        read_secrets(Some(&mut settings), None, |name| {
            (name == "mail_password").then(|| "from-outside".to_owned())
        })
        .unwrap();
        assert_eq!(shown(&settings).as_deref(), Some("from-outside"));
        settings.password_file = Some(folder.path().join("nowhere"));
        let (_, error) = read_secrets(Some(&mut settings), None, |_| None).unwrap_err();
        assert!(error.contains("nowhere"), "{error}");
    }
}

//! The configuration: one typed [`Config`], made by [`load`] from flags, environment and a file.
//!
//! Every setting has one name in three spellings: `code_lifetime` in the file, `PROVISIONING_CODE_LIFETIME` in the
//! environment, and, where there is one, `--code-lifetime` as a flag. A flag beats the environment, the environment the
//! file, and an empty variable counts as not set. The address of a database may hold a password and is shown without it. The
//! sealing key comes from a file or from `PROVISIONING_SEAL_KEY`, never from a flag, where every user of the machine could
//! read it. The sections `[mail]`, `[webhook]` and `[notifications]` are in the file only, and their secrets in files of
//! their own or in the environment.

mod load;
mod network;
mod notify;
mod values;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use scim_postgres::Address;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

pub use load::{ConfigError, Flags, Loaded, load, process_environment};
pub use network::Network;
pub(crate) use notify::is_loopback;
pub use notify::{MailSettings, MailTls, NotificationSettings, TenantWebhook, WebhookSettings};
pub use values::{LogFormat, PublicUrl, TlsMode, parse_duration, show_duration};

use values::human;

use crate::reach::Reach;

/// Everything an operator can decide, with its defaults in [`Config::default`].
///
/// A value of this type that came from [`load`] has passed every check.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 lets the system pick one.
    pub listen: SocketAddr,
    /// The address that agents and administrators use; without it, the address listened on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<PublicUrl>,
    /// Where TLS ends.
    pub tls: TlsMode,
    /// Certificate chain in PEM, with `tls = "files"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM, with `tls = "files"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
    /// Names and addresses, besides that of `public_url` and the loopback ones, for the certificate of `tls = "own"`.
    pub names: Vec<String>,
    /// The proxies in front, as addresses or networks: what one of these says in `X-Forwarded-For` is where a request comes from.
    pub trusted_proxies: Vec<Network>,
    /// Connections that one address may have at once, links of agents and trusted proxies aside. With `tls = "off"` it counts
    /// where `trusted_proxies` says which addresses are proxies.
    pub connections_per_address: usize,
    /// The folder that holds everything kept; with `database`, the working copies of this replica.
    pub data: PathBuf,
    /// The PostgreSQL database that holds everything kept, shared by replicas; without it, files in the data folder.
    #[serde(skip_serializing)]
    pub database: Option<Address>,
    /// The file with the key that seals secrets; without it, `seal.key` in the data folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// The sealing key itself: `PROVISIONING_SEAL_KEY`.
    #[serde(skip)]
    pub seal_key: Option<SecretString>,
    /// The NATS servers between several replicas, like `nats://10.0.0.5:4222`, with commas between them; without it, this
    /// replica is the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<String>,
    /// A file with what NATS wants to know: `.creds`, `user:password`, or a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_credentials: Option<PathBuf>,
    /// Authorities to believe about the certificate of NATS, PEM; without it, those of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_ca: Option<PathBuf>,
    /// What all subjects on NATS begin with; replicas of one service have the same.
    pub nats_prefix: String,
    /// Names, addresses and networks that targets of jobs may have though they are not public, like `scim.corp.example` or
    /// `10.1.0.0/16`. Others are not reached, whatever an administrator of a tenant writes.
    pub private_targets: Vec<String>,
    /// How long an enrolment code is good.
    #[serde(with = "human")]
    pub code_lifetime: Duration,
    /// How long an agent's certificate is good.
    #[serde(with = "human")]
    pub certificate_lifetime: Duration,
    /// How long before its end an agent's certificate is renewed.
    #[serde(with = "human")]
    pub renew_before: Duration,
    /// How often agents bootstrap.
    #[serde(with = "human")]
    pub bootstrap_interval: Duration,
    /// After which silence an agent is inactive.
    #[serde(with = "human")]
    pub inactive_after: Duration,
    /// After which silence an agent is removed.
    #[serde(with = "human")]
    pub removed_after: Duration,
    /// How long a job stays with a service that died before another one, or the same after its restart, takes it.
    #[serde(with = "human")]
    pub job_lease: Duration,
    /// How long a read of a directory may take as a whole; one that is silent for ten minutes ends before.
    #[serde(with = "human")]
    pub read_limit: Duration,
    /// How long entries of the provisioning log are kept.
    #[serde(with = "human")]
    pub log_retention: Duration,
    /// The oldest version of the agent that may work.
    pub minimum_agent_version: String,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or `target=level,...`.
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// How mails are sent; without it, none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailSettings>,
    /// Which webhooks are called; without it, none are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSettings>,
    /// When somebody is told.
    pub notifications: NotificationSettings,
}

impl Default for Config {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const DAY: u64 = 24 * 60 * MINUTE;
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            public_url: None,
            tls: TlsMode::Own,
            tls_cert: None,
            tls_key: None,
            names: Vec::new(),
            trusted_proxies: Vec::new(),
            connections_per_address: 256,
            data: PathBuf::from("provisioning-data"),
            database: None,
            key_file: None,
            seal_key: None,
            nats: None,
            nats_credentials: None,
            nats_ca: None,
            nats_prefix: "sync-link".to_owned(),
            private_targets: Vec::new(),
            code_lifetime: Duration::from_secs(30 * MINUTE),
            certificate_lifetime: Duration::from_secs(90 * DAY),
            renew_before: Duration::from_secs(30 * DAY),
            bootstrap_interval: Duration::from_secs(10 * MINUTE),
            inactive_after: Duration::from_secs(60 * MINUTE),
            removed_after: Duration::from_secs(10 * DAY),
            job_lease: Duration::from_secs(MINUTE),
            read_limit: Duration::from_secs(12 * 60 * MINUTE),
            log_retention: Duration::from_secs(30 * DAY),
            minimum_agent_version: "0.1.0".to_owned(),
            // The store tells of each of its steps at its first start.
            log: "info,refinery_core=warn".to_owned(),
            log_format: LogFormat::Text,
            mail: None,
            webhook: None,
            notifications: NotificationSettings::default(),
        }
    }
}

impl Config {
    /// What the targets of jobs may be.
    #[must_use]
    pub fn targets(&self) -> Reach {
        Reach::new("private_targets", &self.private_targets)
    }

    /// Where the key that seals secrets is, unless it is in the environment.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data.join("seal.key"))
    }

    /// Where the records are, unless they are in a database.
    #[must_use]
    pub fn records_path(&self) -> PathBuf {
        self.data.join("service.db")
    }

    /// What cannot be, as the setting and a sentence.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let fault = |setting, text: &str| Err((setting, text.to_owned()));
        let day = Duration::from_secs(24 * 60 * 60);
        match (self.tls, &self.tls_cert, &self.tls_key) {
            (TlsMode::Files, None, _) => return fault("tls_cert", "tls = \"files\" needs it"),
            (TlsMode::Files, _, None) => return fault("tls_key", "tls = \"files\" needs it"),
            (TlsMode::Own | TlsMode::Off, Some(_), _) => {
                return fault("tls_cert", "it is used with tls = \"files\" only");
            }
            (TlsMode::Own | TlsMode::Off, _, Some(_)) => {
                return fault("tls_key", "it is used with tls = \"files\" only");
            }
            (TlsMode::Off, None, None) if self.public_url.is_none() => {
                return fault(
                    "public_url",
                    "behind a proxy that ends TLS it is needed: agents sign what they ask",
                );
            }
            _ => {}
        }
        if self.connections_per_address == 0 {
            return fault("connections_per_address", "nobody could connect");
        }
        self.check_nats()?;
        if self.code_lifetime > 7 * day {
            return fault(
                "code_lifetime",
                "a code is for an installation that is under way: at most 7d",
            );
        }
        if self.certificate_lifetime > 366 * day {
            return fault("certificate_lifetime", "at most 366d");
        }
        if self.renew_before >= self.certificate_lifetime {
            return fault("renew_before", "it must be shorter than certificate_lifetime");
        }
        if self.bootstrap_interval > self.inactive_after {
            return fault(
                "bootstrap_interval",
                "agents would be inactive before they ask again (inactive_after)",
            );
        }
        if !(Duration::from_secs(4)..=Duration::from_secs(3600)).contains(&self.job_lease) {
            return fault("job_lease", "from 4s, so that it can be kept, to 1h");
        }
        if !(Duration::from_secs(600)..=7 * day).contains(&self.read_limit) {
            return fault("read_limit", "from 10m, which is how long a silence may be, to 7d");
        }
        if self.removed_after < self.inactive_after {
            return fault("removed_after", "it must not be shorter than inactive_after");
        }
        notify::check(self.mail.as_ref(), self.webhook.as_ref(), &self.notifications)
    }

    fn check_nats(&self) -> Result<(), (&'static str, String)> {
        let fault = |setting, text: &str| Err((setting, text.to_owned()));
        let Some(servers) = &self.nats else {
            let set = [("nats_credentials", &self.nats_credentials), ("nats_ca", &self.nats_ca)];
            return match set.into_iter().find(|(_, path)| path.is_some()) {
                Some((setting, _)) => fault(setting, "it is used together with `nats` only"),
                None => Ok(()),
            };
        };
        if cfg!(not(feature = "nats")) {
            return fault("nats", "this program was built without it (feature `nats`)");
        }
        let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let words = self.nats_prefix.split('.');
        if !self.nats_prefix.chars().all(token) || words.clone().any(str::is_empty) {
            return fault("nats_prefix", "letters, digits, - and _, in words with dots between");
        }
        // What travels there is what is in the directories, and who may send there may ask the agents.
        for server in servers.split(',').map(str::trim) {
            let Ok(url) = url::Url::parse(server) else {
                return fault("nats", "each server is like nats://host:4222 or tls://host:4222");
            };
            let here = match url.host() {
                Some(url::Host::Domain(name)) => name == "localhost",
                Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
                Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
                // Of a scheme that is not special for URLs, an address is a name.
                None => false,
            };
            let here = here
                || url.host_str().is_some_and(|host| {
                    let host = host.trim_matches(['[', ']']);
                    host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
                });
            match url.scheme() {
                "tls" => {}
                "nats" if here || self.nats_ca.is_some() => {}
                "nats" => {
                    return fault("nats", "a server on another machine needs tls:// or `nats_ca`");
                }
                _ => return fault("nats", "each server begins with nats:// or tls://"),
            }
            if !url.username().is_empty() || url.password().is_some() {
                return fault("nats", "credentials belong into a file (nats_credentials)");
            }
        }
        Ok(())
    }
}

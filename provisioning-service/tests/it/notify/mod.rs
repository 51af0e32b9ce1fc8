//! People are told: by real mail servers and real webhooks, once for one reason, whatever breaks in between.

mod jobs;
mod mail;
mod webhook;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::PrivateKeyDer;
use scim_provisioning_service::agents::{Agents, CodeSpec, Lifetimes};
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::authority::{Authority, certified};
use scim_provisioning_service::clock::Clock as _;
use scim_provisioning_service::config::{Config, MailSettings, NotificationSettings};
use scim_provisioning_service::job::Jobs;
use scim_provisioning_service::notify::{Channels, Listed, Notifier, NotifyParts};
use scim_provisioning_service::records::Lease;
use scim_provisioning_service::tenant::TenantId;
use scim_sync_link::gateway::{BootstrapRequest, EnrollRequest};
use testkit::SmtpSink;
use testkit::smtp::Mail;

use crate::bed::{Kept, Way};
use crate::harness::csr;

/// Whom the tests tell.
pub(crate) const OPS: &str = "ops@example.com";

/// Mail to a server on this machine.
pub(crate) fn mail_to(sink: &SmtpSink, recipients: &[&str]) -> Config {
    let recipients: Vec<String> = recipients.iter().map(|it| (*it).to_owned()).collect();
    let text = format!(
        "server = '127.0.0.1'\nport = {}\ntls = 'none'\nfrom = 'Sync <sync@example.com>'\nrecipients = {recipients:?}",
        sink.port()
    );
    let mail: MailSettings = toml::from_str(&text).unwrap();
    Config { mail: Some(mail), ..Config::default() }
}

/// A service's notifier with the right that it has.
pub(crate) struct Teller {
    pub(crate) notifier: Notifier,
    held: Option<Lease>,
}

impl Teller {
    pub(crate) async fn turn(&mut self) {
        self.notifier.turn(&mut self.held).await;
    }

    /// Gives the right back, as a service that ends.
    pub(crate) async fn end(self, kept: &Kept) {
        if let Some(lease) = self.held {
            kept.records.release(&lease).await.unwrap();
        }
    }

    pub(crate) async fn listed(&self, tenant: &TenantId) -> Vec<Listed> {
        self.notifier.list(tenant).await.unwrap()
    }
}

pub(crate) async fn agents(kept: &Kept) -> Agents {
    let now = kept.clock.now();
    let authority = Authority::open_or_make(&*kept.records, &kept.sealer, now).await.unwrap();
    let (records, clock) = (Arc::clone(&kept.records), kept.clock.clone());
    Agents::new(records, clock, Arc::new(authority), Lifetimes::from(&Config::default()))
}

/// An agent of the group `corp`; gives its certificate, to bootstrap with.
pub(crate) async fn enrolled(agents: &Agents, tenant: &TenantId) -> Vec<u8> {
    use rustls_pki_types::pem::PemObject as _;
    let groups = ["corp".to_owned()].into();
    let spec = CodeSpec { groups, ..CodeSpec::default() };
    let code = agents.code_create(&Actor::Program, tenant, spec).await.unwrap().code;
    let request = EnrollRequest {
        code,
        csr_pem: csr(&KeyPair::generate().unwrap()),
        agent_name: "dc1".to_owned(),
        version: "0.1.0".to_owned(),
        hostname: "dc1.corp".to_owned(),
    };
    let enrolled = agents.enrol(&request).await.unwrap();
    let pem = enrolled.certificate_pem.as_bytes();
    rustls_pki_types::CertificateDer::from_pem_slice(pem).unwrap().to_vec()
}

/// The agent is heard of.
pub(crate) async fn bootstrap(agents: &Agents, certificate: &[u8], clock: DateTime<Utc>) {
    let request = BootstrapRequest {
        version: "0.1.0".to_owned(),
        hostname: "dc1.corp".to_owned(),
        directories: vec!["corp".to_owned()],
        clock,
    };
    agents.bootstrap(&certified(certificate).unwrap(), &request).await.unwrap();
}

pub(crate) async fn teller(kept: &Kept, jobs: &Jobs, config: &Config) -> Teller {
    patient(kept, jobs, config, DateTime::UNIX_EPOCH).await
}

/// One that has just been started, and waits until then for agents to come back.
pub(crate) async fn patient(
    kept: &Kept,
    jobs: &Jobs,
    config: &Config,
    patient_until: DateTime<Utc>,
) -> Teller {
    let parts = NotifyParts {
        records: Arc::clone(&kept.records),
        clock: kept.clock.clone(),
        jobs: jobs.clone(),
        agents: agents(kept).await,
        channels: Channels::new(config).unwrap(),
        settings: config.notifications.clone(),
        patient_until,
        origin: "https://sync.example.com".to_owned(),
        instance: format!("test-{:x}", rand::random::<u64>()),
    };
    Teller { notifier: Notifier::new(parts), held: None }
}

/// Agents and nothing else: what can be told without a job.
pub(crate) struct Quiet {
    pub(crate) kept: Kept,
    pub(crate) jobs: Jobs,
    pub(crate) agents: Agents,
    pub(crate) tenant: TenantId,
    pub(crate) folder: tempfile::TempDir,
}

impl Quiet {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::TempDir::with_prefix("notify-").unwrap();
        let kept = Kept::open(folder.path());
        let jobs = kept.jobs(&Arc::new(Way::to("ldap://127.0.0.1:1")));
        let agents = agents(&kept).await;
        Self { kept, jobs, agents, tenant: TenantId::default(), folder }
    }

    /// An agent that falls silent now: there is something to tell.
    pub(crate) async fn lost_agent(&self) -> Vec<u8> {
        let certificate = enrolled(&self.agents, &self.tenant).await;
        self.kept.clock.advance(TimeDelta::hours(1));
        certificate
    }

    pub(crate) async fn teller(&self, config: &Config) -> Teller {
        teller(&self.kept, &self.jobs, config).await
    }

    pub(crate) fn minutes(&self, minutes: i64) {
        self.kept.clock.advance(TimeDelta::minutes(minutes));
    }
}

/// What was said to whom, in the order in which it came.
pub(crate) fn told(mails: &[Mail]) -> Vec<(String, String)> {
    let say = |mail: &Mail| (mail.to.join(","), mail.header("subject").unwrap_or_default());
    mails.iter().map(say).collect()
}

/// A certificate for 127.0.0.1 with the authority that it is from, in PEM.
pub(crate) fn server_tls() -> (Arc<ServerConfig>, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.clone().self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&own, &issuer).unwrap();
    let chain = vec![certificate.der().clone()];
    let own = PrivateKeyDer::try_from(own.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, own)
        .unwrap();
    (Arc::new(config), authority.pem())
}

/// Reminders once a day.
pub(crate) fn daily() -> NotificationSettings {
    let day = std::time::Duration::from_secs(86_400);
    NotificationSettings { remind_after: Some(day), ..NotificationSettings::default() }
}

pub(crate) fn now(quiet: &Quiet) -> DateTime<Utc> {
    quiet.kept.clock.now()
}

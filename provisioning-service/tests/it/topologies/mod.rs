//! The topologies of the source documents, end to end: domains, agents with real links, one service with a job for each
//! directory, and one cloud directory, whose content is looked at in the end. `docs/topologies.md` has each as a
//! configuration.

mod beside;
mod forests;
mod people;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::TimeDelta;
use futures::StreamExt as _;
use scim_provisioning_service::job::wire::{NewJob, ScheduleState, SynchronizationJob};
use scim_provisioning_service::job::{Command, JobKey, JobSettings, Jobs};
use scim_provisioning_service::link::HubSources;
use scim_provisioning_service::tenant::TenantId;
use scim_sync::{Connector, ConnectorError};
use scim_sync_connectors::ldap::{LdapBind, LdapConfig, LdapConnector, LdapScope, LdapServer};
use scim_sync_connectors::remote::{Directories, Face, RemoteScope};
use scim_sync_link::{
    Agent, AgentIdentity, Body, Control, Handler, HandlerError, Hub, RequestContext, memory,
};
use serde_json::Value;
use tempfile::TempDir;
use testkit::fake_ad::PASSWORD;
use testkit::proxy::Seen;
use testkit::{FakeAd, Launch, Proxy, Server};

use crate::bed::{self, Kept, Service, actor, last, pair, status, until};

/// A domain and what is called after it: the group of its agents, and its directory.
pub(crate) struct Forest {
    pub(crate) ad: FakeAd,
    pub(crate) base: String,
    pub(crate) name: String,
}

impl Forest {
    /// A domain like `DC=corp,DC=example`, whose identifiers are like in no other of this mark.
    pub(crate) fn new(name: &str, mark: u8) -> Self {
        let base = format!("DC={name},DC=example");
        Self { ad: FakeAd::domain(&base, mark), base, name: name.to_owned() }
    }

    pub(crate) fn person(&self, account: &str, more: &[(&str, &str)]) -> [u8; 16] {
        self.person_at(account, "", more)
    }

    /// A person below a place like `OU=People,`.
    pub(crate) fn person_at(&self, account: &str, place: &str, more: &[(&str, &str)]) -> [u8; 16] {
        let mut attributes =
            vec![("sAMAccountName", account), ("userAccountControl", "512"), ("cn", account)];
        attributes.extend(more);
        self.ad.add("user", &format!("CN={account},{place}{}", self.base), &attributes)
    }

    pub(crate) fn group(&self, name: &str, members: &[[u8; 16]]) -> [u8; 16] {
        let attributes = [("sAMAccountName", name), ("groupType", "-2147483646"), ("cn", name)];
        let group = self.ad.add("group", &format!("CN={name},{}", self.base), &attributes);
        self.ad.link(group, "member", members, true);
        group
    }

    fn directory(&self) -> Domain {
        Domain { url: self.ad.url(), base: self.base.clone(), name: self.name.clone() }
    }
}

/// The domain, as the agent beside it opens it.
struct Domain {
    url: String,
    base: String,
    name: String,
}

impl Directories for Domain {
    fn names(&self) -> Vec<String> {
        vec![self.name.clone()]
    }

    fn open(&self, _: &str, scope: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError> {
        let bind = LdapBind::Simple {
            name: format!("CN=reader,{}", self.base),
            password: PASSWORD.to_owned().into(),
        };
        let config = LdapConfig {
            allow_plaintext: true,
            scope: LdapScope::from(scope),
            ..LdapConfig::active_directory(
                self.name.as_str(),
                LdapServer::new(&self.url),
                bind,
                self.base.as_str(),
            )
        };
        Ok(Arc::new(LdapConnector::new(config)?))
    }
}

/// What an agent does with what it is asked.
struct Answering(Face);

#[async_trait]
impl Handler for Answering {
    async fn handle(
        &self,
        request: http::Request<Bytes>,
        context: RequestContext,
    ) -> http::Response<Body> {
        let cancelled = async move { context.cancelled.cancelled().await };
        let answer = self.0.answer(request, cancelled).await;
        answer.map(|body| Body::from_stream(body.map(|piece| piece.map_err(HandlerError::new))))
    }
}

/// A service with its links, and the cloud directory that it provisions.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) hub: Hub,
    pub(crate) kept: Kept,
    pub(crate) tenant: TenantId,
    service: Option<Service>,
    _folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let server = Launch::of_test("bed::serve").start();
        let proxy = Proxy::start(server.address(), server.url());
        let folder = TempDir::with_prefix("topologies-").unwrap();
        let kept = Kept::open(folder.path());
        let hub = Hub::new();
        let service =
            kept.service_over(Arc::new(HubSources::new(hub.clone(), Duration::from_secs(3600))));
        let tenant = TenantId::default();
        Self { server, proxy, hub, kept, tenant, service: Some(service), _folder: folder }
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.service.as_ref().unwrap().jobs
    }

    /// An agent beside a domain, with a link to the service.
    pub(crate) async fn agent(&self, forest: &Forest, id: &str) {
        let (ours, theirs) = memory::pair();
        let handler = Answering(Face::new(Arc::new(forest.directory())));
        tokio::spawn(async move { Agent::new(handler).serve(theirs, &Control::new()).await });
        let identity = AgentIdentity::new(self.tenant.as_str(), id).in_group(forest.name.as_str());
        let hub = self.hub.clone();
        tokio::spawn(async move { hub.attach(identity, ours).await });
        until(async || {
            let connected = self.hub.connected(self.tenant.as_str());
            let there = connected.iter().any(|agent| agent.agent == id);
            if there { Ok(()) } else { Err(format!("{id} is not connected")) }
        })
        .await;
    }

    /// A job for a domain, with secrets and not started.
    pub(crate) async fn job(&self, forest: &Forest, edit: impl FnOnce(&mut JobSettings)) -> JobKey {
        let mut settings = JobSettings::new(&forest.name, &forest.name);
        settings.name.clone_from(&forest.name);
        edit(&mut settings);
        let new = NewJob { template_id: "AD2CloudUsersGroups".to_owned(), hybrid: settings };
        let job = self.jobs().create(&self.tenant, new, &actor()).await.unwrap();
        let key = JobKey::new(&self.tenant, &job.id);
        let secrets =
            [pair("BaseAddress", &self.proxy.url()), pair("SecretToken", testkit::server::TOKEN)];
        self.jobs().save_secrets(&key, &secrets, &actor()).await.unwrap();
        key
    }

    /// Starts a job and waits for the end of its first cycle.
    pub(crate) async fn start(&self, key: &JobKey) -> SynchronizationJob {
        let before = last(&status(self.jobs(), key).await);
        self.jobs().command(key, &Command::Start, &actor()).await.unwrap();
        self.ended(key, before).await
    }

    /// Lets the time of the next cycles come, and waits for the end of those of all jobs; gives one of the jobs.
    pub(crate) async fn next(&self, key: &JobKey) -> SynchronizationJob {
        self.step().await;
        self.jobs().get(key).await.unwrap()
    }

    /// The same for two jobs.
    pub(crate) async fn both(&self, one: &JobKey, other: &JobKey) -> [SynchronizationJob; 2] {
        self.step().await;
        [self.jobs().get(one).await.unwrap(), self.jobs().get(other).await.unwrap()]
    }

    /// One cycle of every job that runs by its schedule: all of them are due together.
    async fn step(&self) {
        let jobs = self.jobs().list(&self.tenant).await.unwrap();
        let on: Vec<(JobKey, Option<String>)> = jobs
            .iter()
            .filter(|job| job.schedule.state == ScheduleState::Active)
            .map(|job| (JobKey::new(&self.tenant, &job.id), last(&job.status)))
            .collect();
        self.kept.clock.advance(TimeDelta::minutes(2));
        self.jobs().wake();
        for (key, before) in on {
            self.ended(&key, before).await;
        }
    }

    pub(crate) async fn ended(&self, key: &JobKey, before: Option<String>) -> SynchronizationJob {
        until(async || {
            let job = self.jobs().get(key).await.unwrap();
            let over = last(&job.status) != before && job.status.progress.is_empty();
            if over { Ok(job) } else { Err(format!("{:?}", job.status)) }
        })
        .await
    }

    /// What the cloud directory holds: names of resources with those of their members.
    pub(crate) fn held(&self) -> BTreeMap<String, Vec<String>> {
        bed::held(&self.server)
    }

    /// A user of the cloud directory.
    pub(crate) fn user(&self, name: &str) -> Value {
        let filter = format!("userName eq \"{name}\"");
        let found = self.server.client().list("/Users", &[("filter", &filter)]).expect(200);
        assert_eq!(found["totalResults"], 1, "{name}: {found}");
        found["Resources"][0].clone()
    }

    /// The writes to the cloud directory since this was asked last.
    pub(crate) fn written(&self) -> Vec<Seen> {
        self.proxy.take().into_iter().filter(Seen::is_write).collect()
    }

    pub(crate) async fn end(mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
        self.hub.stop(Duration::ZERO).await;
    }
}

/// The anchor that an object of a domain has in the cloud directory.
pub(crate) fn anchor(guid: [u8; 16]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(guid)
}

//! What every test of jobs has: a domain, the agent's face in front of it, a way there, the jobs of a service, and a real
//! SCIM server behind a proxy that counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::StreamExt as _;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::{Clock, FixedClock};
use scim_provisioning_service::job::wire::{
    NewJob, SecretPair, Status, StatusCode, SynchronizationJob, TaskState,
};
use scim_provisioning_service::job::{Command, JobKey, JobParts, JobSettings, Jobs, Sources};
use scim_provisioning_service::reach::Reach;
use scim_provisioning_service::records::{PostgresRecords, Records, SqliteRecords};
use scim_provisioning_service::seal::Sealer;
use scim_provisioning_service::tenant::TenantId;
use scim_sync::{Connector, ConnectorError};
use scim_sync_connectors::ldap::{LdapBind, LdapConfig, LdapConnector, LdapScope, LdapServer};
use scim_sync_connectors::remote::{Directories, Face, Relay, RelayBody, RelayError, RemoteScope};
use serde_json::{Map, Value};
use tempfile::TempDir;
use testkit::fake_ad::{BASE, PASSWORD};
use testkit::proxy::Seen;
use testkit::{FakeAd, Launch, Proxy, Server};
use tokio::sync::{Notify, oneshot};

const DEADLINE: Duration = Duration::from_secs(300);

/// Not a test: the server, run by [`Bed::new`].
#[test]
#[ignore = "runs the server for other tests"]
fn serve() {
    let _ = scim_server::run::main_with(["scim-server".into()]);
}

/// The domain, as the agent beside it opens it.
pub(crate) struct Domain {
    pub(crate) url: String,
}

impl Directories for Domain {
    fn names(&self) -> Vec<String> {
        vec!["corp".to_owned()]
    }

    fn open(&self, _: &str, scope: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError> {
        let bind = LdapBind::Simple {
            name: format!("CN=reader,{BASE}"),
            password: PASSWORD.to_owned().into(),
        };
        let server = LdapServer::new(&self.url);
        let config = LdapConfig {
            allow_plaintext: true,
            scope: LdapScope::from(scope),
            ..LdapConfig::active_directory("corp", server, bind, BASE)
        };
        Ok(Arc::new(LdapConnector::new(config)?))
    }
}

/// The way to the agent, in this process. It can be cut, and answers can be held back.
pub(crate) struct Way {
    face: Face,
    cut: AtomicBool,
    held: AtomicBool,
    go: Notify,
    requests: Mutex<u64>,
    /// Requests under way, and the most that ever were.
    inside: Mutex<(u64, u64)>,
}

impl Way {
    /// The way to an agent beside this domain.
    pub(crate) fn to(url: &str) -> Self {
        Self {
            face: Face::new(Arc::new(Domain { url: url.to_owned() })),
            cut: AtomicBool::new(false),
            held: AtomicBool::new(false),
            go: Notify::new(),
            requests: Mutex::new(0),
            inside: Mutex::default(),
        }
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.cut.store(cut, Ordering::SeqCst);
    }

    /// Holds back the answers from now on, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
        self.go.notify_waiters();
    }

    /// The most requests that were ever under way at once.
    pub(crate) fn at_once(&self) -> u64 {
        self.inside.lock().unwrap().1
    }

    pub(crate) fn requests(&self) -> u64 {
        *self.requests.lock().unwrap()
    }
}

/// A request under way.
struct Inside<'w>(&'w Way);

impl<'w> Inside<'w> {
    fn new(way: &'w Way) -> Self {
        let mut inside = way.inside.lock().unwrap();
        inside.0 += 1;
        inside.1 = inside.1.max(inside.0);
        Self(way)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.lock().unwrap().0 -= 1;
    }
}

struct Travel(Arc<Way>);

#[async_trait]
impl Relay for Travel {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _deadline: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        *self.0.requests.lock().unwrap() += 1;
        let _inside = Inside::new(&self.0);
        if self.0.cut.load(Ordering::SeqCst) {
            return Err(RelayError::Unreachable(
                "no agent of the group corp is connected".to_owned(),
            ));
        }
        loop {
            let go = self.0.go.notified();
            if !self.0.held.load(Ordering::SeqCst) {
                break;
            }
            go.await;
        }
        let answer = self.0.face.answer(request, futures::future::pending()).await;
        Ok(answer.map(|body| {
            body.map(|piece| piece.map_err(|error| RelayError::Unreachable(error.to_string())))
                .boxed()
        }))
    }
}

impl Sources for Travel {
    fn relay(&self, _: &TenantId, group: &str) -> Arc<dyn Relay> {
        assert_eq!(group, "corp");
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

/// A service without its outside: what runs until it is stopped.
pub(crate) struct Service {
    pub(crate) jobs: Jobs,
    stop: Option<oneshot::Sender<()>>,
    runs: Option<tokio::task::JoinHandle<()>>,
}

impl Service {
    /// Stops it as a service is stopped.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        if let Some(runs) = self.runs.take() {
            tokio::time::timeout(DEADLINE, runs).await.unwrap().unwrap();
        }
    }
}

/// What outlives a service.
pub(crate) struct Kept {
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) records: Arc<dyn Records>,
    pub(crate) sealer: Arc<Sealer>,
    folder: PathBuf,
}

impl Kept {
    /// What is kept in a folder, at the time when the tests begin.
    pub(crate) fn open(folder: &Path) -> Self {
        let start = DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap();
        let records = SqliteRecords::open(&folder.join("records.db")).unwrap();
        let (sealer, _) = Sealer::load_or_make(&folder.join("seal.key")).unwrap();
        Self {
            clock: Arc::new(FixedClock::at(start)),
            records: Arc::new(records),
            sealer: Arc::new(sealer),
            folder: folder.to_owned(),
        }
    }

    /// The same in a database that replicas share, with a folder of this one and the clock of another.
    pub(crate) async fn replica(folder: &Path, address: &str, clock: Option<&Self>) -> Self {
        let own = Self::open(folder);
        let records = PostgresRecords::open(&address.parse().unwrap()).await.unwrap();
        let clock = clock.map_or(own.clock, |other| Arc::clone(&other.clock));
        Self { records: Arc::new(records), clock, sealer: own.sealer, folder: own.folder }
    }

    /// Jobs that nobody runs.
    pub(crate) fn jobs(&self, way: &Arc<Way>) -> Jobs {
        self.jobs_over(Arc::new(Travel(Arc::clone(way))))
    }

    fn jobs_over(&self, sources: Arc<dyn Sources>) -> Jobs {
        Jobs::new(JobParts {
            records: Arc::clone(&self.records),
            sources,
            sealer: Arc::clone(&self.sealer),
            clock: self.clock.clone(),
            targets: Reach::new("private_targets", &["127.0.0.1".to_owned()]),
            folder: self.folder.clone(),
            instance: format!("test-{:x}", rand::random::<u64>()),
            lease_for: Duration::from_secs(60),
            keep_log: Duration::from_secs(30 * 86_400),
        })
    }

    /// A service that runs them.
    pub(crate) fn service(&self, way: &Arc<Way>) -> Service {
        self.service_over(Arc::new(Travel(Arc::clone(way))))
    }

    /// The same over another way to agents.
    pub(crate) fn service_over(&self, sources: Arc<dyn Sources>) -> Service {
        let jobs = self.jobs_over(sources);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = jobs.clone();
        let runs = tokio::spawn(async move {
            running.run(async move { drop(stopped.await) }).await;
        });
        Service { jobs, stop: Some(stop), runs: Some(runs) }
    }
}

/// Everything.
pub(crate) struct Bed {
    pub(crate) ad: FakeAd,
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) way: Arc<Way>,
    pub(crate) kept: Kept,
    pub(crate) folder: TempDir,
    pub(crate) tenant: TenantId,
}

impl Bed {
    pub(crate) fn new() -> Self {
        let ad = FakeAd::start();
        let server = Launch::of_test("bed::serve").start();
        let proxy = Proxy::start(server.address(), server.url());
        let folder = TempDir::with_prefix("jobs-").unwrap();
        let kept = Kept::open(folder.path());
        Self {
            way: Arc::new(Way::to(&ad.url())),
            ad,
            server,
            proxy,
            kept,
            folder,
            tenant: TenantId::default(),
        }
    }

    /// A service over what is kept; call it again after one was stopped or thrown away.
    pub(crate) fn service(&self) -> Service {
        self.kept.service(&self.way)
    }

    pub(crate) fn jobs_folder(&self) -> PathBuf {
        self.folder.path().join("jobs")
    }

    /// A job with secrets that is not started.
    pub(crate) async fn job(&self, jobs: &Jobs, edit: impl FnOnce(&mut JobSettings)) -> JobKey {
        let mut settings = JobSettings::new("corp", "corp");
        edit(&mut settings);
        let new = NewJob { template_id: "AD2CloudUsersGroups".to_owned(), hybrid: settings };
        let job = jobs.create(&self.tenant, new, &actor()).await.unwrap();
        assert_eq!(job.status.code, StatusCode::NotConfigured);
        let key = JobKey::new(&self.tenant, &job.id);
        jobs.save_secrets(&key, &self.secrets(testkit::server::TOKEN), &actor()).await.unwrap();
        assert_eq!(status(jobs, &key).await.code, StatusCode::NotRun);
        key
    }

    pub(crate) fn secrets(&self, token: &str) -> [SecretPair; 2] {
        [pair("BaseAddress", &self.proxy.url()), pair("SecretToken", token)]
    }

    /// A job that was started and has come to the end of its first cycle.
    pub(crate) async fn running(&self, jobs: &Jobs) -> JobKey {
        let key = self.job(jobs, |_| {}).await;
        jobs.command(&key, &Command::Start, &actor()).await.unwrap();
        let job = self.ended(jobs, &key, None).await;
        assert_eq!(job.status.code, StatusCode::Active, "{:?}", job.status);
        key
    }

    /// Lets the time of the next cycle come, and waits for its end.
    pub(crate) async fn next(&self, jobs: &Jobs, key: &JobKey) -> SynchronizationJob {
        self.after(jobs, key, TimeDelta::minutes(2)).await
    }

    /// The same after another time.
    pub(crate) async fn after(
        &self,
        jobs: &Jobs,
        key: &JobKey,
        time: TimeDelta,
    ) -> SynchronizationJob {
        let before = last(&status(jobs, key).await);
        self.kept.clock.advance(time);
        jobs.wake();
        self.ended(jobs, key, before).await
    }

    /// Waits for the end of a cycle that is another one than `before`.
    pub(crate) async fn ended(
        &self,
        jobs: &Jobs,
        key: &JobKey,
        before: Option<String>,
    ) -> SynchronizationJob {
        until(async || {
            let job = jobs.get(key).await.unwrap();
            let over = last(&job.status) != before && job.status.progress.is_empty();
            if over { Ok(job) } else { Err(format!("{:?}", job.status)) }
        })
        .await
    }

    /// What the target holds: names of resources with those of their members.
    pub(crate) fn held(&self) -> BTreeMap<String, Vec<String>> {
        held(&self.server)
    }

    /// The writes to the target since this was asked last.
    pub(crate) fn written(&self) -> Vec<Seen> {
        self.proxy.take().into_iter().filter(Seen::is_write).collect()
    }

    /// People `u000@fake.example`, `u001@fake.example`, and so on, and a group of all of them; gives their GUIDs, that of the group last.
    pub(crate) fn people(&self, count: usize) -> Vec<[u8; 16]> {
        let mut all: Vec<_> = (0..count).map(|number| self.person(number)).collect();
        let group = self.ad.add(
            "group",
            &format!("CN=Everybody,{BASE}"),
            &[("sAMAccountName", "everybody"), ("groupType", "-2147483646"), ("cn", "everybody")],
        );
        self.ad.link(group, "member", &all, true);
        all.push(group);
        all
    }

    pub(crate) fn person(&self, number: usize) -> [u8; 16] {
        let account = format!("u{number:03}");
        self.ad.add(
            "user",
            &format!("CN=User {number},{BASE}"),
            &[("sAMAccountName", &account), ("userAccountControl", "512"), ("cn", &account)],
        )
    }
}

/// What a target holds: names of resources with those of their members.
pub(crate) fn held(server: &Server) -> BTreeMap<String, Vec<String>> {
    let client = server.client();
    let list = |path: &str| -> Vec<Value> {
        let found = client.list(path, &[("count", "1000")]).expect(200);
        found["Resources"].as_array().cloned().unwrap_or_default()
    };
    let users = list("/Users");
    let name = |user: &Value| {
        let off = if user["active"] == false { " (off)" } else { "" };
        format!("{}{off}", user["userName"].as_str().unwrap())
    };
    let mut held: BTreeMap<String, Vec<String>> =
        users.iter().map(|user| (name(user), Vec::new())).collect();
    for group in list("/Groups") {
        let mut members: Vec<String> = group["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|member| users.iter().find(|user| user["id"] == member["value"]).map(name))
            .collect();
        members.sort();
        held.insert(group["displayName"].as_str().unwrap().to_owned(), members);
    }
    held
}

pub(crate) fn pair(key: &str, value: &str) -> SecretPair {
    SecretPair { key: key.to_owned(), value: value.to_owned().into() }
}

/// Settings by their names, all of them.
pub(crate) fn named(settings: &JobSettings) -> Map<String, Value> {
    let Ok(Value::Object(mut named)) = serde_json::to_value(settings) else { panic!("no object") };
    named.entry("pilot").or_insert(Value::Null);
    named
}

pub(crate) fn actor() -> Actor {
    Actor::Token { id: "t1".to_owned(), name: "ada".to_owned() }
}

pub(crate) async fn status(jobs: &Jobs, key: &JobKey) -> Status {
    jobs.get(key).await.unwrap().status
}

pub(crate) fn last(status: &Status) -> Option<String> {
    status.last_execution.as_ref().map(|it| it.activity_identifier.clone())
}

#[track_caller]
pub(crate) fn succeeded(job: &SynchronizationJob) {
    let last = job.status.last_execution.as_ref().unwrap();
    assert_eq!(last.state, TaskState::Succeeded, "{:?}", job.status);
}

/// Asks until the answer is good; fails the test with the last answer when the deadline passes.
pub(crate) async fn until<T>(mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let mut state = String::new();
    let asking = async {
        let mut pause = tokio::time::interval(Duration::from_millis(10));
        loop {
            pause.tick().await;
            match probe().await {
                Ok(value) => return value,
                Err(found) => state = found,
            }
        }
    };
    match tokio::time::timeout(DEADLINE, asking).await {
        Ok(value) => value,
        Err(_) => panic!("not within {DEADLINE:?}; last state: {state}"),
    }
}

/// The time, for a test that looks at it.
pub(crate) fn now(bed: &Bed) -> DateTime<Utc> {
    bed.kept.clock.now()
}

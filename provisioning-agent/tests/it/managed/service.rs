//! The provisioning service, over real sockets with TLS, that can be stopped and started again on the same port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use futures::StreamExt as _;
use scim_provisioning_service::agents::{Agent, CodeSpec};
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::{Clock, SystemClock};
use scim_provisioning_service::config::{Config, TlsMode};
use scim_provisioning_service::job::Sources as _;
use scim_provisioning_service::link::HubSources;
use scim_provisioning_service::net::Server;
use scim_provisioning_service::records::{Records, SqliteRecords};
use scim_provisioning_service::seal::Sealer;
use scim_provisioning_service::tenant::TenantId;
use scim_provisioning_service::{api, gateway, tls};
use scim_sync::connector::{
    Connector as _, ImportChange, ImportMode, ImportRequest, ImportShape, SourceScope,
};
use scim_sync::{AttributeName, ConnectorId, ObjectType};
use scim_sync_connectors::remote::{RemoteConnector, RemoteScope};
use scim_sync_link::{GroupKey, RequestOptions};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use testkit::poll;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;

pub(crate) const GROUP: &str = "corp.example";
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Service {
    pub(crate) runtime: Runtime,
    pub(crate) config: Config,
    address: SocketAddr,
    records: Arc<dyn Records>,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    running: Option<Running>,
    /// Before the service, when WebSockets are not to get through.
    before: Option<Gate>,
}

struct Running {
    app: Arc<App>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.stop.cancel();
        }
    }
}

impl Service {
    /// One that wants a bootstrap every second.
    pub(crate) fn start() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::with_clock(config, Arc::new(SystemClock::new()))
    }

    pub(crate) fn with_clock(config: Config, clock: Arc<dyn Clock>) -> Self {
        let config = Config { bootstrap_interval: Duration::from_secs(1), ..config };
        let mut service = Self {
            runtime: Runtime::new().unwrap(),
            config,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            records: Arc::new(SqliteRecords::in_memory().unwrap()),
            sealer: Arc::new(Sealer::parse(&Sealer::new_key()).unwrap()),
            clock,
            running: None,
            before: None,
        };
        service.begin();
        service
    }

    /// One behind a proxy that ends TLS and refuses upgrades until it is healed.
    pub(crate) fn without_websockets() -> Self {
        let config = Config { tls: TlsMode::Off, ..Config::default() };
        let mut service = Self::with(config);
        service.end();
        service.before = Some(Gate::before(service.address));
        service.begin();
        service
    }

    /// Starts, on the port of before where there was one.
    pub(crate) fn begin(&mut self) {
        let (records, sealer, clock) =
            (Arc::clone(&self.records), Arc::clone(&self.sealer), Arc::clone(&self.clock));
        let (config, address) = (self.config.clone(), self.address);
        let before = self.before.as_ref().map(Gate::url);
        let (bound, running) = self.runtime.block_on(async move {
            let server = Server::bind(address).await.unwrap();
            let address = server.local_addr();
            let scheme = if config.tls == TlsMode::Off { "http" } else { "https" };
            let origin = before.unwrap_or_else(|| format!("{scheme}://{address}"));
            let app = App::new(config, &origin, records, Arc::clone(&clock), sealer).await.unwrap();
            let tls = tls::server(&app.config, app.agents.shared_authority(), clock).unwrap();
            let stop = CancellationToken::new();
            let served = tokio::spawn(server.serve(api::router(&app), tls, stop.clone()));
            tokio::spawn(gateway::watch(Arc::clone(&app), stop.clone()));
            (address, Running { app, stop, served })
        });
        self.address = bound;
        self.running = Some(running);
    }

    /// From now on WebSockets get through.
    pub(crate) fn heal(&self) {
        self.before.as_ref().unwrap().open();
    }

    /// Stops, as a process does that is told to.
    pub(crate) fn end(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.stop.cancel();
        self.runtime.block_on(async {
            running.app.hub.stop(Duration::from_secs(1)).await;
            running.served.await.unwrap();
        });
    }

    pub(crate) fn app(&self) -> &Arc<App> {
        &self.running.as_ref().unwrap().app
    }

    pub(crate) fn url(&self) -> &str {
        &self.app().origin
    }

    pub(crate) fn code(&self) -> String {
        self.code_for(None)
    }

    pub(crate) fn code_for(&self, lifetime: Option<TimeDelta>) -> String {
        let groups = [GROUP.to_owned()].into();
        let spec = CodeSpec { groups, lifetime, ..CodeSpec::default() };
        let tenant = tenant();
        let made = self.app().agents.code_create(&Actor::Program, &tenant, spec);
        self.runtime.block_on(made).unwrap().code.expose_secret().to_owned()
    }

    /// The only agent.
    pub(crate) fn agent(&self) -> (String, Agent) {
        let mut all = self.runtime.block_on(self.app().agents.list(&tenant())).unwrap();
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) fn revoke(&self) {
        let (id, _) = self.agent();
        let tenant = tenant();
        let revoked = self.app().agents.revoke(&Actor::Program, &tenant, &id);
        assert!(self.runtime.block_on(revoked).unwrap());
    }

    /// Waits until an agent is there to be asked.
    pub(crate) fn linked(&self) {
        poll::until(PATIENCE, || match self.app().hub.agents(&group()).len() {
            0 => Err("no agent is linked"),
            _ => Ok(()),
        });
    }

    /// Waits until it is linked by this transport: what is asked of a link that is about to be replaced may be lost.
    pub(crate) fn linked_by(&self, transport: &str) {
        poll::until(PATIENCE, || {
            let by: Vec<_> =
                self.app().hub.agents(&group()).into_iter().map(|agent| agent.transport).collect();
            if by == [transport] { Ok(()) } else { Err(format!("linked by {by:?}")) }
        });
    }

    /// Waits until none is.
    pub(crate) fn unlinked(&self) {
        poll::until(PATIENCE, || match self.app().hub.agents(&group()).len() {
            0 => Ok(()),
            _ => Err("the agent is linked still"),
        });
    }

    /// Asks the agents: the status and the document.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.body(Bytes::from(body.to_owned())).unwrap();
        let hub = self.app().hub.clone();
        self.runtime.block_on(async {
            let options = RequestOptions::within(PATIENCE);
            let answer = hub.request(&group(), request, options).await.unwrap();
            let status = answer.status().as_u16();
            let bytes = answer.into_body().collect(1 << 20).await.unwrap();
            (status, serde_json::from_slice(&bytes).unwrap())
        })
    }

    /// A whole read of users, as a job begins it.
    pub(crate) fn read(&self, directory: &str, scope: RemoteScope) -> Reading {
        let relay = HubSources::new(self.app().hub.clone(), Duration::from_secs(600))
            .relay(&tenant(), GROUP);
        let connector =
            RemoteConnector::new(ConnectorId::new(directory), directory.to_owned(), scope, relay);
        let names = ["userName", "cn", "note"].map(AttributeName::new).to_vec();
        let shape = ImportShape { types: [(ObjectType::new("user"), names)].into() };
        Reading { connector, shape }
    }

    /// How many users there are.
    pub(crate) fn count(&self, directory: &str, scope: RemoteScope) -> usize {
        self.read(directory, scope).count(&self.runtime, || {})
    }
}

pub(crate) struct Reading {
    connector: RemoteConnector,
    shape: ImportShape,
}

impl Reading {
    /// Reads to the end, and does something after the first page.
    pub(crate) fn count(&self, runtime: &Runtime, meanwhile: impl FnOnce()) -> usize {
        let request = ImportRequest { mode: ImportMode::Full, shape: self.shape.clone() };
        let mut pages = self.connector.import(request);
        let first = runtime.block_on(pages.next()).unwrap().unwrap();
        meanwhile();
        let mut all = vec![first];
        while let Some(page) = runtime.block_on(pages.next()) {
            all.push(page.unwrap());
        }
        assert!(all.last().unwrap().end.is_some(), "it came to its end");
        let changes = all.iter().flat_map(|page| &page.changes);
        changes
            .filter(|change| {
                matches!(change, ImportChange::Object(object) if object.scope == SourceScope::In)
            })
            .count()
    }
}

fn tenant() -> TenantId {
    TenantId::default()
}

fn group() -> GroupKey {
    GroupKey::new(tenant().as_str(), GROUP)
}

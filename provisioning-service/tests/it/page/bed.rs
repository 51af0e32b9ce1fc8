//! A service behind a real socket, with a directory behind an agent of its hub and a real target.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use rcgen::KeyPair;
use scim_provisioning_service::api;
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::config::Config;
use scim_provisioning_service::net::Server;
use scim_provisioning_service::seal::Sealer;
use scim_provisioning_service::tls;
use scim_provisioning_service::tokens::{Role, TokenSpec};
use scim_sync_connectors::remote::Face;
use scim_sync_link::gateway::{BootstrapRequest, EnrollRequest};
use scim_sync_link::{
    Agent, AgentIdentity, Body, Control, Handler, HandlerError, RequestContext, memory,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;

use crate::bed::{Bed, Domain};
use crate::harness::csr;

pub(super) struct PageBed {
    pub(super) bed: Bed,
    pub(super) app: Arc<App>,
    pub(super) origin: String,
    stop: CancellationToken,
}

impl Drop for PageBed {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Answers(Face);

#[async_trait]
impl Handler for Answers {
    async fn handle(
        &self,
        request: http::Request<Bytes>,
        context: RequestContext,
    ) -> http::Response<Body> {
        let cancelled = context.cancelled.clone();
        let answer = self.0.answer(request, async move { cancelled.cancelled().await }).await;
        answer.map(|body| Body::from_stream(body.map(|piece| piece.map_err(HandlerError::new))))
    }
}

impl PageBed {
    pub(super) async fn start() -> Self {
        let bed = tokio::task::spawn_blocking(Bed::new).await.unwrap();
        let server = Server::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let origin = format!("https://{}", server.local_addr());
        let config = Config {
            data: bed.folder.path().to_owned(),
            private_targets: vec!["127.0.0.1".to_owned()],
            ..Config::default()
        };
        let sealer = Arc::new(Sealer::parse(&Sealer::new_key()).unwrap());
        let (records, clock) = (Arc::clone(&bed.kept.records), bed.kept.clock.clone());
        let app = App::new(config, &origin, records, clock.clone(), sealer).await.unwrap();
        let tls = tls::server(&app.config, app.agents.shared_authority(), clock).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(api::router(&app), tls, stop.clone()));
        let (jobs, ending) = (app.jobs.clone(), stop.clone());
        tokio::spawn(async move { jobs.run(async move { ending.cancelled().await }).await });
        Self { bed, app, origin, stop }
    }

    pub(super) async fn token(&self, role: Role) -> String {
        let spec = TokenSpec { name: "Ada Lovelace".to_owned(), role, expires: None };
        let made = self.app.tokens.create(&Actor::Program, &self.bed.tenant, spec).await.unwrap();
        made.plain.expose_secret().to_owned()
    }

    /// Lets an agent in with a code, as `setup` does, and connects it.
    pub(super) async fn agent(&self, code: &str, name: &str) {
        let request = EnrollRequest {
            code: SecretString::from(code.to_owned()),
            csr_pem: csr(&KeyPair::generate().unwrap()),
            agent_name: name.to_owned(),
            version: "0.1.0".to_owned(),
            hostname: format!("{name}.corp.example.com"),
        };
        let enrolled = self.app.agents.enrol(&request).await.unwrap();
        let (_, pem) =
            x509_parser::pem::parse_x509_pem(enrolled.certificate_pem.as_bytes()).unwrap();
        let der = rustls_pki_types::CertificateDer::from(pem.contents);
        let certified = scim_provisioning_service::authority::certified(&der).unwrap();
        let words = BootstrapRequest {
            version: "0.1.0".to_owned(),
            hostname: request.hostname.clone(),
            directories: vec!["corp".to_owned()],
            clock: self.app.clock.now(),
        };
        self.app.agents.bootstrap(&certified, &words).await.unwrap();
        let (here, there) = memory::pair();
        let identity =
            AgentIdentity::new(self.bed.tenant.as_str(), &enrolled.agent_id).in_group("corp");
        let hub = self.app.hub.clone();
        tokio::spawn(async move { hub.attach(identity, here).await });
        let domain = Domain { url: self.bed.ad.url() };
        let agent = Agent::new(Answers(Face::new(Arc::new(domain))));
        tokio::spawn(async move { agent.serve(there, &Control::new()).await });
    }
}

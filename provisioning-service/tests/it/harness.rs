//! A running service, an agent's side of the conversation, and a clock that both ends share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use scim_provisioning_service::agents::CodeSpec;
use scim_provisioning_service::api;
use scim_provisioning_service::app::App;
use scim_provisioning_service::audit::Actor;
use scim_provisioning_service::clock::{Clock, FixedClock, SystemClock};
use scim_provisioning_service::config::{Config, TlsMode};
use scim_provisioning_service::gateway;
use scim_provisioning_service::net::Server;
use scim_provisioning_service::records::{Records, SqliteRecords};
#[cfg(feature = "nats")]
use scim_provisioning_service::replicas::Others;
use scim_provisioning_service::seal::Sealer;
use scim_provisioning_service::tenant::TenantId;
use scim_provisioning_service::tls;
use scim_provisioning_service::tokens::{Role, TokenSpec};
use scim_sync_link::gateway::{
    BootstrapResponse, ChallengeResponse, EnrollResponse, Fingerprint, PinnedAuthority,
    ProofClaims, ProofKey, RenewResponse, path,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Both directions of a socket, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) struct Service {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn acme() -> TenantId {
    TenantId::new("acme").unwrap()
}

/// Parts without a socket.
pub(crate) async fn app(tls: TlsMode, origin: &str) -> (Arc<App>, Arc<FixedClock>) {
    app_of(Config { tls, ..Config::default() }, origin).await
}

/// The same with a configuration.
pub(crate) async fn app_of(config: Config, origin: &str) -> (Arc<App>, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock::at(SystemClock::new().now()));
    let records: Arc<dyn Records> = Arc::new(SqliteRecords::in_memory().unwrap());
    let sealer = Arc::new(Sealer::parse(&Sealer::new_key()).unwrap());
    let private_targets = vec!["127.0.0.1".to_owned()];
    let config = Config { private_targets, ..config };
    let app = App::new(config, origin, records, clock.clone(), sealer).await.unwrap();
    (app, clock)
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(TlsMode::Own).await
    }

    /// As behind a proxy that is known as `https://sync.example.com`.
    pub(crate) async fn behind_proxy() -> Self {
        Self::with(TlsMode::Off).await
    }

    async fn with(mode: TlsMode) -> Self {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = server.local_addr();
        let origin = match mode {
            TlsMode::Off => "https://sync.example.com".to_owned(),
            _ => format!("https://{address}"),
        };
        let (app, clock) = app(mode, &origin).await;
        let tls = tls::server(&app.config, app.agents.shared_authority(), clock.clone()).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(api::router(&app), tls, stop.clone()));
        tokio::spawn(gateway::watch(Arc::clone(&app), stop.clone()));
        Self { app, clock, address, stop }
    }

    /// Two replicas on the same records, with NATS between them.
    #[cfg(feature = "nats")]
    pub(crate) async fn replicas(nats: &str) -> [Self; 2] {
        let clock = Arc::new(FixedClock::at(SystemClock::new().now()));
        let records: Arc<dyn Records> = Arc::new(SqliteRecords::in_memory().unwrap());
        let key = Sealer::new_key();
        let one = Self::replica(nats, &records, &key, &clock).await;
        [one, Self::replica(nats, &records, &key, &clock).await]
    }

    #[cfg(feature = "nats")]
    async fn replica(
        nats: &str,
        records: &Arc<dyn Records>,
        key: &SecretString,
        clock: &Arc<FixedClock>,
    ) -> Self {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = server.local_addr();
        let config = Config { nats: Some(nats.to_owned()), ..Config::default() };
        let others = Others::find(&config).await.unwrap().unwrap();
        let app = App::beside(
            Some(others.backplane()),
            config,
            &format!("https://{address}"),
            Arc::clone(records),
            clock.clone(),
            Arc::new(Sealer::parse(key).unwrap()),
        )
        .await
        .unwrap();
        let tls = tls::server(&app.config, app.agents.shared_authority(), clock.clone()).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(api::router(&app), tls, stop.clone()));
        tokio::spawn(gateway::watch(Arc::clone(&app), stop.clone()));
        others.join(&app.hub, stop.clone());
        Self { app, clock: Arc::clone(clock), address, stop }
    }

    /// As if its process had been told to stop.
    #[cfg(feature = "nats")]
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.app.agents.authority().fingerprint()
    }

    pub(crate) async fn code(&self, groups: &[&str]) -> SecretString {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let spec = CodeSpec { groups, ..CodeSpec::default() };
        self.app.agents.code_create(&Actor::Program, &acme(), spec).await.unwrap().code
    }

    pub(crate) async fn token(&self, tenant: &TenantId, role: Role) -> String {
        let spec = TokenSpec { name: role.to_string(), role, expires: None };
        let made = self.app.tokens.create(&Actor::Program, tenant, spec).await.unwrap();
        made.plain.expose_secret().to_owned()
    }

    /// A socket to the service, as the agent of `identity` or as nobody.
    pub(crate) async fn connect(
        &self,
        identity: Option<&Identity>,
    ) -> Result<Box<dyn Stream>, String> {
        self.connect_pinned(self.fingerprint(), identity).await
    }

    pub(crate) async fn connect_pinned(
        &self,
        fingerprint: Fingerprint,
        identity: Option<&Identity>,
    ) -> Result<Box<dyn Stream>, String> {
        let socket = TcpStream::connect(self.address).await.map_err(|e| e.to_string())?;
        if self.app.config.tls == TlsMode::Off {
            return Ok(Box::new(socket));
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let time = Arc::new(Time(self.clock.clone()));
        let builder = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinnedAuthority::new(fingerprint, None)));
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
                let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
                let key = PrivateKeyDer::try_from(identity.key.serialize_der()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let name = ServerName::from(self.address.ip());
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let socket = connector.connect(name, socket).await.map_err(|e| e.to_string())?;
        Ok(Box::new(socket))
    }

    /// A request; `Err` where there is no answer at all.
    pub(crate) async fn send(
        &self,
        identity: Option<&Identity>,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Value), String> {
        let socket = self.connect(identity).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    pub(crate) async fn post(
        &self,
        identity: Option<&Identity>,
        path: &str,
        body: Value,
    ) -> Result<(StatusCode, Value), String> {
        self.send(identity, request(Method::POST, path, None, &body)).await
    }

    pub(crate) async fn admin(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let authorization = format!("Bearer {token}");
        self.send(None, request(method, path, Some(&authorization), &body)).await.unwrap()
    }

    pub(crate) async fn enrol_with(
        &self,
        code: &SecretString,
        key: KeyPair,
    ) -> Result<Identity, (StatusCode, Value)> {
        let (status, answer) = self
            .post(None, path::ENROLL, enrolment(code.expose_secret(), &csr(&key)))
            .await
            .unwrap();
        if status != StatusCode::OK {
            return Err((status, answer));
        }
        let answer: EnrollResponse = serde_json::from_value(answer).unwrap();
        Ok(Identity {
            key,
            certificate: answer.certificate_pem,
            id: answer.agent_id,
            tenant: answer.tenant,
        })
    }

    pub(crate) async fn enrol(&self, groups: &[&str]) -> Identity {
        let code = self.code(groups).await;
        self.enrol_with(&code, KeyPair::generate().unwrap()).await.unwrap()
    }

    pub(crate) async fn bootstrap(&self, identity: &Identity) -> BootstrapResponse {
        let (status, answer) =
            self.post(Some(identity), path::BOOTSTRAP, self.words()).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        serde_json::from_value(answer).unwrap()
    }

    /// What an agent says at its bootstrap.
    pub(crate) fn words(&self) -> Value {
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "hostname": "dc1",
            "directories": ["corp.example.com"],
            "clock": self.clock.now(),
        })
    }

    pub(crate) async fn renew(&self, identity: &Identity) -> Identity {
        let key = KeyPair::generate().unwrap();
        let body = json!({"csrPem": csr(&key)});
        let (status, answer) = self.post(Some(identity), path::RENEW, body).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        let answer: RenewResponse = serde_json::from_value(answer).unwrap();
        Identity { key, certificate: answer.certificate_pem, ..identity.renamed() }
    }

    /// The header of a signed proof, with a new challenge.
    pub(crate) async fn proof(&self, identity: &Identity, path: &str, body: &Value) -> String {
        let (status, answer) = self.post(None, path::CHALLENGE, Value::Null).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{answer}");
        let challenge: ChallengeResponse = serde_json::from_value(answer).unwrap();
        self.signed(identity, &challenge.nonce, path, body)
    }

    pub(crate) fn signed(
        &self,
        identity: &Identity,
        nonce: &str,
        path: &str,
        body: &Value,
    ) -> String {
        let key = identity.key.serialize_pem().into();
        let key = ProofKey::from_pem(&key, &identity.certificate).unwrap();
        let address = format!("{}{path}", self.app.origin);
        let claims = ProofClaims::new(nonce, &Method::POST, &address, body.to_string().as_bytes());
        key.sign(&claims).unwrap().expose_secret().to_owned()
    }

    pub(crate) fn days(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
    }
}

/// What an agent keeps.
pub(crate) struct Identity {
    pub(crate) key: KeyPair,
    pub(crate) certificate: String,
    pub(crate) id: String,
    pub(crate) tenant: String,
}

impl Identity {
    fn renamed(&self) -> Self {
        Self {
            key: KeyPair::from_pem(&self.key.serialize_pem()).unwrap(),
            certificate: self.certificate.clone(),
            id: self.id.clone(),
            tenant: self.tenant.clone(),
        }
    }
}

pub(crate) fn csr(key: &KeyPair) -> String {
    CertificateParams::default().serialize_request(key).unwrap().pem().unwrap()
}

pub(crate) fn enrolment(code: &str, csr: &str) -> Value {
    json!({"code": code, "csrPem": csr, "agentName": "dc1", "version": "0.1.0", "hostname": "dc1"})
}

pub(crate) fn request(
    method: Method,
    path: &str,
    authorization: Option<&str>,
    body: &Value,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "test")
        .header("content-type", "application/json");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    request.body(Full::from(body.to_string())).unwrap()
}

/// Waits until something is so, at most ten seconds.
pub(crate) async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !so().await {
        assert!(tokio::time::Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[derive(Debug)]
struct Time(Arc<FixedClock>);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.0.now().timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

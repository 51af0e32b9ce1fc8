//! An in-memory server for tests: the whole service behind `tower::Service`, without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use rand::SeedableRng;
use rand::rngs::StdRng;
use scim_server::auth::{MemoryTokens, Scope, ServiceTokens, TenantId, TokenSpec, TokenStore};
use scim_server::clock::{Clock, SystemClock};
use scim_server::store::{AdminStore, MemoryStore, ResourceStore, SqliteOptions, SqliteStore};
use scim_server::{Builder, Profile, Registry, ScimServer};
use secrecy::ExposeSecret;
use serde_json::Value;
use tower::ServiceExt;

/// Which store is behind the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    Sqlite,
}

/// A server and a token for each of its tenants.
pub(crate) struct TestServer {
    pub(crate) router: Router,
    pub(crate) server: ScimServer,
    pub(crate) tokens: Arc<ServiceTokens>,
    pub(crate) token: String,
    pub(crate) store: Arc<dyn ResourceStore>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The `scimType` of an error.
    pub(crate) fn scim_type(&self) -> Option<&str> {
        self.body["scimType"].as_str()
    }

    /// The `id` of a resource.
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no id in {}", self.text)).to_owned()
    }
}

impl TestServer {
    pub(crate) async fn new(profile: Profile) -> Self {
        Self::with(Backend::Sqlite, |builder| builder.profile(profile)).await
    }

    pub(crate) async fn with(backend: Backend, configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::with_registry(backend, Registry::standard(), configure).await
    }

    pub(crate) async fn with_registry(
        backend: Backend,
        registry: Registry,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Arc::new(registry);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let other = "other".parse().unwrap();
        let (store, tokens): (Arc<dyn ResourceStore>, Arc<dyn TokenStore>) = match backend {
            Backend::Memory => {
                let store = Arc::new(MemoryStore::new(Arc::clone(&registry), clock.now()));
                store.tenant_create(&other, clock.now()).await.unwrap();
                (store, Arc::new(MemoryTokens::new()))
            }
            Backend::Sqlite => {
                let options = SqliteOptions::default();
                let registry = Arc::clone(&registry);
                let store = SqliteStore::open(folder.path(), registry, clock.now(), &options);
                let store = Arc::new(store.unwrap());
                store.tenant_create(&other, clock.now()).await.unwrap();
                (store.clone(), store)
            }
        };
        let tokens = Arc::new(ServiceTokens::new(tokens));
        let builder = ScimServer::builder(Arc::clone(&registry))
            .shared_store(Arc::clone(&store))
            .shared_authenticator(tokens.clone())
            .base_url("https://scim.test/scim/v2");
        let server = configure(builder).build().unwrap();
        let router = server.service("https://scim.test", "/scim/v2");
        let token = String::new();
        let mut made = Self { router, server, tokens, token, store, registry, folder };
        made.token = made.new_token("default", &[Scope::Read, Scope::Write], None).await;
        made
    }

    pub(crate) async fn new_token(
        &self,
        tenant: &str,
        scopes: &[Scope],
        user: Option<&str>,
    ) -> String {
        let spec = TokenSpec {
            tenant: tenant.parse::<TenantId>().unwrap(),
            name: "test".to_owned(),
            scopes: scopes.iter().copied().collect(),
            user: user.map(str::to_owned),
            expires: None,
        };
        // The thread's own source cannot be held over an await by a task that may move.
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let issued = self.tokens.issue(spec, &mut rng, SystemClock::new().now()).await.unwrap();
        issued.plain.expose_secret().to_owned()
    }

    /// Sends a request as it is.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Answer {
        self.raw_to(&self.router, request).await
    }

    /// Sends a request to another router over the same store.
    pub(crate) async fn raw_to(&self, router: &Router, request: Request<Body>) -> Answer {
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    /// Sends a request with the token of the default tenant; `path` is under the base path.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/scim/v2{path}"))
            .header("authorization", format!("Bearer {}", self.token));
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/scim+json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.raw(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }
}

/// Encodes a query parameter's value.
pub(crate) fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

//! Servers to check: the project's own, as it is or with a layer in front that breaks something, and tiny wrong ones.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::Method;
use scim_conformance::Target;
use scim_server::auth::StaticToken;
use scim_server::clock::{Clock, SystemClock};
use scim_server::store::MemoryStore;
use scim_server::{Profile, Registry, ScimServer};
use tokio::net::TcpListener;

pub(crate) const TOKEN: &str = "conformance-test-token-0123456789";

/// A server on a socket of its own, until the test's runtime ends.
pub(crate) struct Site {
    pub(crate) url: String,
    writes: Arc<AtomicUsize>,
}

impl Site {
    /// The project's server, with no tolerance for deviations.
    pub(crate) async fn ours() -> Self {
        Self::with(|request, next| next.run(request)).await
    }

    /// The project's server with the tolerances that identity providers need.
    pub(crate) async fn tolerant() -> Self {
        Self::start(Profile::default(), |request, next| next.run(request)).await
    }

    /// The project's server, with no tolerance, behind a layer.
    pub(crate) async fn with<F, Fut>(layer: F) -> Self
    where
        F: Fn(Request, Next) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        Self::start(Profile::strict(), layer).await
    }

    async fn start<F, Fut>(profile: Profile, layer: F) -> Self
    where
        F: Fn(Request, Next) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        let (listener, address) = socket().await;
        let url = format!("http://{address}/scim/v2");
        let registry = Arc::new(Registry::standard());
        let server = ScimServer::builder(Arc::clone(&registry))
            .store(MemoryStore::new(registry, SystemClock::new().now()))
            .authenticator(StaticToken::new(&TOKEN.into()).unwrap())
            .profile(profile)
            .base_url(&url)
            .build()
            .unwrap();
        let writes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&writes);
        let count = move |request: Request, next: Next| {
            let reads = matches!(*request.method(), Method::GET | Method::HEAD)
                || request.uri().path().ends_with("/.search");
            if !reads {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            next.run(request)
        };
        let app = Router::new()
            .nest("/scim/v2", server.router())
            .layer(from_fn(layer))
            .layer(from_fn(count));
        serve(listener, app);
        Self { url, writes }
    }

    /// Any application in place of a server; the base URL is its root.
    pub(crate) async fn of(app: Router) -> Self {
        let (listener, address) = socket().await;
        serve(listener, app);
        Self { url: format!("http://{address}"), writes: Arc::default() }
    }

    /// The target with the right token.
    pub(crate) fn target(&self) -> Target {
        Target::new(&self.url).unwrap().bearer(TOKEN)
    }

    /// How many requests were not plain reads.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    /// How many resources of each type are there.
    pub(crate) async fn resources(&self) -> [u64; 2] {
        let mut totals = [0; 2];
        for (total, endpoint) in totals.iter_mut().zip(["Users", "Groups"]) {
            let list = self.request(Method::GET, endpoint, "").await;
            *total = list["totalResults"].as_u64().unwrap();
        }
        totals
    }

    /// One request past the suite; the JSON body of the answer.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: &str,
    ) -> serde_json::Value {
        use scim_client::Transport;
        let transport = scim_client::transport::ReqwestTransport::builder().build().unwrap();
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.url))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/scim+json")
            .body(body.to_owned().into())
            .unwrap();
        let answer = transport.send(request).await.unwrap();
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }
}

async fn socket() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn serve(listener: TcpListener, app: Router) {
    tokio::spawn(async move { axum::serve(listener, app).await });
}

/// A URL where nobody listens.
pub(crate) async fn dead_url() -> String {
    let (listener, address) = socket().await;
    drop(listener);
    format!("http://{address}/scim/v2")
}

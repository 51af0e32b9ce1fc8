//! How many requests a second go over each transport of the link, and what each adds to a request, beside a plain HTTP GET
//! over the same TLS server. Needs `nats-server`.
//!
//! `cargo run --release -p scim-sync-link --features nats --example link_rates`
#![expect(clippy::unwrap_used, reason = "a measurement ends where something is missing")]

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body as HttpBody, to_bytes},
    extract::{Path, State, WebSocketUpgrade, ws},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use scim_sync_link::{
    Agent, AgentIdentity, Body, Connection, Control, GroupKey, Handler, Hub, HubOptions,
    RequestContext, RequestOptions,
    long_poll::{self, MAX_BATCH, Sessions},
    memory,
    nats::{Nats, NatsConfig, ReplicaOptions, Replicas},
    websocket::{self, Dial, PROTOCOL, Received, Roots, client_tls},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// Each row is measured for so long, and begins after a quarter of it.
const TIME: Duration = Duration::from_secs(4);
const BIG: usize = 64 << 20;

/// Answers with a kilobyte, or with much.
struct Answering(Bytes);

#[async_trait::async_trait]
impl Handler for Answering {
    async fn handle(&self, request: Request<Bytes>, _: RequestContext) -> http::Response<Body> {
        let much = request.uri().path() == "/much";
        http::Response::new(if much { much_body() } else { Body::from(self.0.clone()) })
    }
}

fn much_body() -> Body {
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = std::iter::repeat_n(piece, BIG / (64 * 1024)).map(Ok);
    Body::from_stream(futures::stream::iter(pieces))
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let server = Server::start().await;
    println!("| | 1 at a time: p50 | requests/s | 16 at a time: requests/s | one big answer |");
    println!("|---|---|---|---|---|");
    server.plain_row().await;

    let hub = Hub::new();
    let (agent, service) = memory::pair();
    attach(&hub, service);
    serve(agent);
    row("memory", &hub).await;

    let hub = server.hub.clone();
    serve(server.dial("wss", "/agent/channel").connect().await.unwrap());
    row("WebSocket over TLS", &hub).await;

    let server = Server::start().await;
    let hub = server.hub.clone();
    let poll = server.dial("https", "/agent/poll");
    serve(long_poll::connect(&poll, &Control::new()).await.unwrap());
    row("long poll over TLS", &hub).await;

    let nats = testkit::Nats::start();
    let config = NatsConfig::new(nats.url());
    let (back, front) = (replica(&config).await, replica(&config).await);
    let (agent, service) = memory::pair();
    attach(&back, service);
    serve(agent);
    row("memory, asked at another replica over NATS", &front).await;

    let server = Server::start_with(replica(&config).await).await;
    serve(server.dial("wss", "/agent/channel").connect().await.unwrap());
    // The one before is gone from the group.
    drop(back);
    row("WebSocket over TLS, asked at another replica over NATS", &front).await;
}

fn group() -> GroupKey {
    GroupKey::new("t", "g")
}

fn identity() -> AgentIdentity {
    AgentIdentity::new("t", "a").in_group("g")
}

fn attach(hub: &Hub, connection: Connection) {
    let hub = hub.clone();
    tokio::spawn(async move { hub.attach(identity(), connection).await });
}

fn serve(connection: Connection) {
    let agent = Agent::new(Answering(Bytes::from(vec![b'x'; 1024])));
    tokio::spawn(async move { agent.serve(connection, &Control::new()).await });
}

async fn replica(config: &NatsConfig) -> Hub {
    let replicas = Replicas::new(Nats::connect(config).await.unwrap(), ReplicaOptions::default());
    let mut options = HubOptions::default();
    options.backplane = Some(Arc::new(replicas.clone()));
    let hub = Hub::with_options(options);
    let served = hub.clone();
    tokio::spawn(async move { replicas.run(&served, CancellationToken::new()).await });
    hub
}

async fn row(name: &str, hub: &Hub) {
    while hub.everywhere("t").is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ask = |path: &'static str| async move {
        let request = Request::get(path).body(Bytes::new()).unwrap();
        let answer = hub.request(&group(), request, RequestOptions::default()).await.unwrap();
        let mut answer = answer.into_body();
        let mut length = 0;
        while let Some(piece) = answer.next().await {
            length += piece.unwrap().len();
        }
        length
    };
    let one = measure(1, || ask("/")).await;
    let many = measure(16, || ask("/")).await;
    let started = Instant::now();
    assert_eq!(ask("/much").await, BIG);
    report(name, &one, &many, Some(started.elapsed()));
}

/// The times of all requests, and how long they took together.
struct Measured {
    each: Vec<Duration>,
    all: Duration,
}

async fn measure<F: Future<Output = usize>>(at_once: usize, ask: impl Fn() -> F) -> Measured {
    let run = |time: Duration| {
        let ask = &ask;
        async move {
            let started = Instant::now();
            let asking = (0..at_once).map(|_| async {
                let mut each = Vec::new();
                while started.elapsed() < time {
                    let begun = Instant::now();
                    ask().await;
                    each.push(begun.elapsed());
                }
                each
            });
            let each = futures::future::join_all(asking).await.concat();
            Measured { each, all: started.elapsed() }
        }
    };
    run(TIME / 4).await;
    run(TIME).await
}

fn report(name: &str, one: &Measured, many: &Measured, big: Option<Duration>) {
    let rate = |measured: &Measured| measured.each.len() as f64 / measured.all.as_secs_f64();
    let mut each = one.each.clone();
    each.sort();
    let median = each[each.len() / 2].as_micros();
    let big = big.map_or_else(
        || "-".to_owned(),
        |time| format!("{:.0} MB/s", BIG as f64 / 1e6 / time.as_secs_f64()),
    );
    println!("| {name} | {median} µs | {:.0} | {:.0} | {big} |", rate(one), rate(many));
}

/// An axum server with TLS that carries links and answers plain requests.
struct Server {
    hub: Hub,
    port: u16,
    ca: String,
}

#[derive(Clone)]
struct App {
    hub: Hub,
    sessions: Sessions,
}

impl Server {
    async fn start() -> Self {
        Self::start_with(Hub::new()).await
    }

    async fn start_with(hub: Hub) -> Self {
        let app = App { hub: hub.clone(), sessions: Sessions::new() };
        let plain = Bytes::from(vec![b'x'; 1024]);
        let router = Router::new()
            .route("/plain", get(async move || plain.clone()))
            .route("/agent/channel", get(channel))
            .route("/agent/poll", post(poll))
            .route("/agent/result/{id}", post(result))
            .with_state(app);
        let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let secret = rustls_pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret.into())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (router, acceptor) = (router.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap();
                    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                        let router = router.clone();
                        async move { Ok::<_, Infallible>(answered(router, request).await) }
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades();
                    served.await.unwrap_or_default();
                });
            }
        });
        Self { hub, port, ca: key.cert.pem() }
    }

    fn dial(&self, scheme: &str, path: &str) -> Dial {
        let url = format!("{scheme}://localhost:{}{path}", self.port).parse().unwrap();
        Dial::new(url, client_tls(Roots::Pem(&self.ca), None).unwrap())
    }

    async fn client(&self) -> SendRequest<Empty<Bytes>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let tls = client_tls(Roots::Pem(&self.ca), None).unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = tokio_rustls::TlsConnector::from(tls).connect(name, stream).await.unwrap();
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        sender
    }

    /// A plain GET with a connection for each asker.
    async fn plain_row(&self) {
        let (put, take) = mpsc::unbounded_channel();
        for _ in 0..16 {
            put.send(self.client().await).unwrap();
        }
        let take = tokio::sync::Mutex::new(take);
        let ask = || async {
            let mut client = take.lock().await.recv().await.unwrap();
            let request = Request::get("/plain").header("host", "localhost");
            client.ready().await.unwrap();
            let answer = client.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
            let length = answer.into_body().collect().await.unwrap().to_bytes().len();
            put.send(client).unwrap();
            length
        };
        let one = measure(1, ask).await;
        let many = measure(16, ask).await;
        report("a plain GET of axum over TLS", &one, &many, None);
    }
}

async fn answered(router: Router, request: Request<Incoming>) -> Response {
    use tower::ServiceExt as _;
    match router.oneshot(request.map(HttpBody::new)).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

async fn channel(State(app): State<App>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols([PROTOCOL]).on_upgrade(move |socket| async move {
        let connection = websocket::wrap(socket, ws::Message::Binary, |message| match message {
            ws::Message::Binary(bytes) => Received::Message(bytes),
            ws::Message::Close(_) => Received::Closed(String::new()),
            _ => Received::Nothing,
        });
        app.hub.attach(identity(), connection).await;
    })
}

async fn poll(State(app): State<App>, headers: HeaderMap) -> Response {
    let polled = app.sessions.poll("a", &headers).await.unwrap();
    if let Some(connection) = polled.opened {
        attach(&app.hub, connection);
    }
    polled.response.map(HttpBody::from).into_response()
}

async fn result(
    State(app): State<App>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: HttpBody,
) -> Response {
    let body = to_bytes(body, MAX_BATCH).await.unwrap();
    let taken = app.sessions.result("a", &session, &headers, body).await.unwrap();
    taken.map(HttpBody::from).into_response()
}

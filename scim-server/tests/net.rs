//! The edge against bad clients, over real sockets, with deadlines of fractions of a second.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy knows test functions; the helpers beside them fail a test the same way"
)]

use std::{
    future::pending,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
    routing::{get, post},
};
use scim_server::{
    net::{Deadlines, Drained, NetConfig, Server},
    shutdown::Shutdown,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout},
};

#[path = "net/abuse.rs"]
mod abuse;
#[path = "net/crowd.rs"]
mod crowd;
#[path = "net/stop.rs"]
mod stop;
#[path = "net/tls.rs"]
mod tls;
#[path = "net/traffic.rs"]
mod traffic;

/// The deadline a test is about.
const SHORT: Duration = Duration::from_millis(300);

/// Deadlines that never come in a test.
const LONG: Duration = Duration::from_secs(30);

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

const NEVER: Deadlines =
    Deadlines { header: LONG, body: LONG, request: LONG, write: LONG, idle: LONG, drain: LONG };

/// A configuration with these deadlines and no cap for the one address that tests come from.
fn with(deadlines: Deadlines) -> NetConfig {
    NetConfig { deadlines, max_connections_per_ip: 0, ..NetConfig::default() }
}

/// A running server, and the ends of the strings that its handlers hang on.
struct Running {
    address: SocketAddr,
    shutdown: Shutdown,
    task: JoinHandle<Drained>,
    /// `/gate` answers once for every permit.
    gate: Arc<Semaphore>,
    /// How many requests `/gate` and `/hang` have begun.
    begun: Arc<AtomicUsize>,
    /// How many of them were answered or dropped.
    ended: Arc<AtomicUsize>,
}

impl Running {
    async fn start(config: NetConfig) -> Self {
        let server =
            Server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), config).await.unwrap();
        let address = server.local_addr();
        let shutdown = Shutdown::new();
        let gate = Arc::new(Semaphore::new(0));
        let (begun, ended) = (Arc::default(), Arc::default());
        let router = router(&gate, &begun, &ended);
        let theirs = shutdown.clone();
        let task = tokio::spawn(async move {
            server.serve_until(router, theirs.stopped(), theirs.was_cut()).await
        });
        Self { address, shutdown, task, gate, begun, ended }
    }

    async fn connect(&self) -> Client<TcpStream> {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// A client with one answered request behind it.
    async fn connect_used(&self) -> Client<TcpStream> {
        let mut client = self.connect().await;
        client.get("/hello").await.is(200);
        client
    }

    async fn begun(&self, requests: usize) {
        poll("requests begun", || self.begun.load(Ordering::SeqCst) == requests).await;
    }

    async fn finished(self) -> Drained {
        timeout(PATIENCE, self.task).await.expect("the server did not stop").unwrap()
    }
}

fn router(gate: &Arc<Semaphore>, begun: &Arc<AtomicUsize>, ended: &Arc<AtomicUsize>) -> Router {
    struct Ending(Arc<AtomicUsize>);
    impl Drop for Ending {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let gated = {
        let (gate, begun, ended) = (Arc::clone(gate), Arc::clone(begun), Arc::clone(ended));
        move || async move {
            let _ending = Ending(ended);
            begun.fetch_add(1, Ordering::SeqCst);
            gate.acquire().await.unwrap().forget();
            "open"
        }
    };
    let hang = {
        let (begun, ended) = (Arc::clone(begun), Arc::clone(ended));
        move || async move {
            let _ending = Ending(ended);
            begun.fetch_add(1, Ordering::SeqCst);
            pending::<()>().await;
        }
    };
    Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/health/live", get(|| async { "alive" }))
        .route(
            "/peer",
            get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
        )
        .route("/echo", post(|body: Bytes| async move { body }))
        .route("/deaf", post(|| async { "not listening" }))
        .route("/large", get(|| async { Body::from(vec![b'x'; 64 * 1024 * 1024]) }))
        .route("/gate", get(gated))
        .route("/hang", get(hang))
}

/// The client's end of a connection.
struct Client<S>(S);

/// An answer off the wire.
#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.reply().await
    }

    async fn reply(&mut self) -> Reply {
        timeout(PATIENCE, self.try_reply()).await.expect("no answer in time").expect("an answer")
    }

    async fn try_reply(&mut self) -> io::Result<Reply> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Ok(Reply { status, head, body })
    }

    /// The server closes without another byte.
    async fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let end = timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "still open");
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

impl Reply {
    #[track_caller]
    fn is(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    #[track_caller]
    fn keeps_open(&self) -> &Self {
        assert!(!self.head.contains("connection: close"), "{self:?}");
        self
    }

    #[track_caller]
    fn closes(&self) -> &Self {
        assert!(self.head.contains("connection: close"), "{self:?}");
        self
    }

    /// It is a SCIM error document for its own status, and announces the close that follows.
    #[track_caller]
    fn is_problem(&self, status: u16) -> &Self {
        self.is(status).closes();
        assert!(self.head.contains("content-type: application/scim+json\r\n"), "{self:?}");
        assert!(self.head.contains("\r\ndate: "), "{self:?}");
        let document: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(document["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
        assert_eq!(document["status"], status.to_string());
        assert!(document["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        self
    }
}

/// Waits until `condition` holds.
async fn poll(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

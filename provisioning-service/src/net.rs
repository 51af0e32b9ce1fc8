//! The edge: an accept loop with deadlines between the operating system and the router.

mod paced;
mod room;

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use self::paced::Paced;
use self::room::{Edge, Open};
use crate::config::Config;
use crate::gateway::Peer;
use crate::problem::Problem;

/// For the TLS handshake, and for the head of a request; also how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// From the head of a request to the start of the answer.
const ANSWER: Duration = Duration::from_secs(120);
/// For what is under way when the service is told to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// How long the other side may take nothing of what is written to it.
const TAKEN: Duration = Duration::from_secs(60);
/// Connections with requests at once. One that became the link of an agent is none of these any more.
const CONNECTIONS: usize = 4096;
/// How long accepting rests when the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(50);
const MAX_HEADERS: usize = 100;
const MAX_HEAD: usize = 32 * 1024;

/// A listening socket.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    edge: Edge,
}

impl Server {
    /// Listens; port 0 lets the system pick one.
    ///
    /// # Errors
    /// As the system has it, as when the port is taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, edge: Edge::from(&Config::default()) })
    }

    /// With the proxies and the limit of a configuration.
    #[must_use]
    pub fn configured(self, config: &Config) -> Self {
        Self { edge: Edge::from(config), ..self }
    }

    /// Where it listens, with the port that was picked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then what is under way has twenty seconds. Links are ended by whoever owns the hub.
    pub async fn serve(
        self,
        router: Router,
        tls: Option<Arc<rustls::ServerConfig>>,
        stop: CancellationToken,
    ) {
        let tls = tls.map(TlsAcceptor::from);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let (open, edge) = (Arc::new(Open::default()), Arc::new(self.edge));
        let connections = TaskTracker::new();
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                permit = Arc::clone(&room).acquire_owned() => permit,
            };
            let Ok(permit) = permit else { break };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            let (socket, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(seat) = open.seat(&edge, address.ip()) else {
                tracing::debug!(peer = %address, "too many connections from one address");
                continue;
            };
            let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
            let edge = Arc::clone(&edge);
            connections.spawn(async move {
                let _room = (permit, seat);
                let asked = Asked { edge, router, stop };
                if let Err(error) = connection(socket, address, tls, asked).await {
                    tracing::debug!(peer = %address, %error, "a connection ended");
                }
            });
        }
        drop(self.listener);
        connections.close();
        if timeout(DRAIN, connections.wait()).await.is_err() {
            tracing::warn!("some requests were not answered before the service stopped");
        }
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What every connection is served with.
struct Asked {
    edge: Arc<Edge>,
    router: Router,
    stop: CancellationToken,
}

async fn connection(
    socket: TcpStream,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    asked: Asked,
) -> Result<(), Failed> {
    socket.set_nodelay(true)?;
    let socket = Paced::new(socket, TAKEN);
    let Some(tls) = tls else {
        return serve(socket, Peer { address, certificate: None }, asked).await;
    };
    let socket = tokio::select! {
        // No request can have begun.
        () = asked.stop.cancelled() => return Ok(()),
        socket = timeout(HEAD, tls.accept(socket)) => socket??,
    };
    let certificate =
        socket.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    let certificate = certificate.map(rustls_pki_types::CertificateDer::into_owned);
    serve(socket, Peer { address, certificate }, asked).await
}

async fn serve<S>(socket: S, peer: Peer, asked: Asked) -> Result<(), Failed>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let Asked { edge, router, stop } = asked;
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        let mut peer = peer.clone();
        peer.address.set_ip(edge.client(peer.address.ip(), request.headers()));
        request.extensions_mut().insert(peer);
        let answer = router.clone().oneshot(request.map(Body::new));
        async move {
            match timeout(ANSWER, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Problem::later(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the service took too long to answer; try again",
                    10,
                )
                .into_response()),
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(socket), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return Ok(ended?),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    Ok(connection.await?)
}

#[cfg(test)]
mod tests {
    use axum::Extension;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// A server that tells who asks; gives its address.
    async fn echo(config: Config) -> (SocketAddr, tokio_util::sync::DropGuard) {
        let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let server = server.configured(&config);
        let address = server.local_addr();
        let stop = CancellationToken::new();
        let told = async |Extension(peer): Extension<Peer>| peer.address.ip().to_string();
        let router = Router::new().route("/", get(told));
        tokio::spawn(server.serve(router, None, stop.clone()));
        (address, stop.drop_guard())
    }

    /// What comes back on a connection; nothing where it is closed.
    async fn asked(mut socket: TcpStream) -> String {
        let request =
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: 192.0.2.7\r\n\r\n";
        let mut answer = String::new();
        // A socket that was closed before it was asked may say so with an error.
        if socket.write_all(request.as_bytes()).await.is_ok() {
            socket.read_to_string(&mut answer).await.unwrap_or_default();
        }
        answer
    }

    #[tokio::test]
    async fn idle_connections_of_one_address_leave_room_for_others() {
        let config = Config { connections_per_address: 2, ..Config::default() };
        let (address, _stop) = echo(config).await;
        let connect = async || TcpStream::connect(address).await.unwrap();
        let (first, _second) = (connect().await, connect().await);
        assert_eq!(asked(connect().await).await, "");
        drop(first);
        // The place is free as soon as the server has seen the end.
        let freed = async {
            while asked(connect().await).await.is_empty() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), freed).await.unwrap();
    }

    #[tokio::test]
    async fn a_trusted_proxy_tells_for_whom_it_asks() {
        let (address, _stop) = echo(Config::default()).await;
        let answer = asked(TcpStream::connect(address).await.unwrap()).await;
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
        let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        let (address, _stop) = echo(Config { trusted_proxies, ..Config::default() }).await;
        let answer = asked(TcpStream::connect(address).await.unwrap()).await;
        assert!(answer.ends_with("192.0.2.7"), "{answer}");
    }
}

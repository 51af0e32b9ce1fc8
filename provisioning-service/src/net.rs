//! The edge: an accept loop with deadlines between the operating system and the router.

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

use crate::gateway::Peer;
use crate::problem::Problem;

/// For the TLS handshake, and for the head of a request; also how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// From the head of a request to the start of the answer.
const ANSWER: Duration = Duration::from_secs(120);
/// For what is under way when the service is told to stop.
const DRAIN: Duration = Duration::from_secs(20);
/// Connections at once, those of agents included.
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
}

impl Server {
    /// Listens; port 0 lets the system pick one.
    ///
    /// # Errors
    /// As the system has it, as when the port is taken.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
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
            let (router, tls, stop) = (router.clone(), tls.clone(), stop.clone());
            connections.spawn(async move {
                let _permit = permit;
                if let Err(error) = connection(socket, address, router, tls, stop).await {
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

async fn connection(
    socket: TcpStream,
    address: SocketAddr,
    router: Router,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
) -> Result<(), Failed> {
    socket.set_nodelay(true)?;
    let Some(tls) = tls else {
        return serve(socket, Peer { address, certificate: None }, router, stop).await;
    };
    let socket = tokio::select! {
        // No request can have begun.
        () = stop.cancelled() => return Ok(()),
        socket = timeout(HEAD, tls.accept(socket)) => socket??,
    };
    let certificate =
        socket.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
    let certificate = certificate.map(rustls_pki_types::CertificateDer::into_owned);
    serve(socket, Peer { address, certificate }, router, stop).await
}

async fn serve<S>(
    socket: S,
    peer: Peer,
    router: Router,
    stop: CancellationToken,
) -> Result<(), Failed>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
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

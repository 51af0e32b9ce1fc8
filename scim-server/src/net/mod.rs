//! The edge: our own accept loop between the operating system and an [`axum::Router`].
//!
//! Frameworks' loops wait for ever: for the rest of a head, for a body, for a client that does
//! not read, for the last connection when asked to stop. Here everything that a client can delay
//! has a deadline, and everything that it can hold has a cap:
//!
//! | a client that | is answered | after |
//! |---|---|---|
//! | opens a connection and sends nothing | nothing, closed | [`Deadlines::header`] |
//! | sends its head byte by byte | 408, closed | [`Deadlines::header`] |
//! | sends its body byte by byte | 408, closed | [`Deadlines::body`] |
//! | is answered before its body ends, and sends on | nothing more, closed | 8 MiB, 5 seconds of silence or [`Deadlines::body`], at least 1 second |
//! | does not take its answer | nothing, reset | [`Deadlines::write`] without progress, or below 16 KiB a second |
//! | sends nothing more | nothing, closed | [`Deadlines::idle`] |
//! | sends more than 100 headers or 16 KiB of them | 431, closed | at once |
//! | sends no HTTP | 400, closed | at once |
//! | is one connection too many | 503 with `Retry-After`, closed | at once |
//!
//! A handler that does not answer within [`Deadlines::request`] is dropped, and 503 answered.
//! All these answers are SCIM error documents (RFC 7644 section 3.12). HTTP/1.1 with keep-alive;
//! HTTP/1.0 is tolerated. The size of bodies is the router's business.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, task::Poll, time::Duration};

use axum::Router;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::config::Config;

mod connection;
mod limits;
mod meter;
mod problem;
mod service;
mod socket;

use connection::Shared;
use limits::{Admission, Door};
use problem::Problem;

/// How long accepting rests when the system has no file or memory for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long a client may take; see the [module](self) for what happens then.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// From the first byte of a request, or the start of the connection, to the end of the head.
    pub header: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// From the end of the head to the start of the answer.
    pub request: Duration,
    /// From one part of the answer that the client takes to the next.
    pub write: Duration,
    /// From one answer to the next request.
    pub idle: Duration,
    /// From the signal to stop until what is under way is dropped.
    pub drain: Duration,
}

/// What the edge needs to know.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The deadlines.
    pub deadlines: Deadlines,
    /// Connections at once; 16 more are let in to ask about health.
    pub max_connections: usize,
    /// Connections at once from one address (IPv6: one /64 network); 0 is no cap.
    pub max_connections_per_ip: usize,
    /// TLS, where the edge ends it itself.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl NetConfig {
    /// The edge's part of the configuration; TLS comes from files, so [`crate::tls::load`] it.
    #[must_use]
    pub fn new(config: &Config, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self {
            deadlines: Deadlines {
                header: config.header_timeout,
                body: config.body_timeout,
                request: config.request_timeout,
                write: config.write_timeout,
                idle: config.idle_timeout,
                drain: config.drain_timeout,
            },
            max_connections: config.max_connections,
            max_connections_per_ip: config.max_connections_per_ip,
            tls,
        }
    }
}

impl Default for NetConfig {
    fn default() -> Self {
        Self::new(&Config::default(), None)
    }
}

/// A listening socket that is ready to serve.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: NetConfig,
}

impl Server {
    /// Listens on `address`; port 0 lets the system pick one.
    ///
    /// # Errors
    ///
    /// [`io::Error`] as the system has it, as when the port is taken.
    pub async fn bind(address: SocketAddr, config: NetConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, config })
    }

    /// Where it listens, with the port that was picked.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` comes and what was under way then is answered or its time is over.
    ///
    /// On `stop` the socket is closed. Connections without a request are closed too; requests
    /// under way are answered with `connection: close`; half a head has one second to become
    /// whole. What is left after [`Deadlines::drain`] is dropped.
    ///
    /// Handlers find the client's address as [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo).
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) -> Drained {
        self.serve_until(router, stop, std::future::pending()).await
    }

    /// As [`serve`](Self::serve); when `cut` comes after `stop`, the rest is dropped at once.
    pub async fn serve_until(
        self,
        router: Router,
        stop: impl Future<Output = ()>,
        cut: impl Future<Output = ()>,
    ) -> Drained {
        let Self { listener, address: _, config } = self;
        let mut loops = Loop {
            door: Door::new(config.max_connections, config.max_connections_per_ip),
            shared: Shared {
                // With its state in place the router need not be finished on every request.
                router: router.with_state(()),
                deadlines: config.deadlines,
                stop: Arc::default(),
            },
            tls: config.tls.map(TlsAcceptor::from),
            tasks: JoinSet::new(),
        };
        loops.accept(&listener, stop).await;
        drop(listener);

        loops.shared.stop.send();
        let mut tasks = loops.tasks;
        let drained = async { while tasks.join_next().await.is_some() {} };
        tokio::select! {
            _ = timeout(config.deadlines.drain, drained) => {}
            () = cut => {}
        }
        while tasks.try_join_next().is_some() {}
        let dropped = tasks.len();
        tasks.shutdown().await;
        Drained { dropped }
    }
}

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were dropped because the drain deadline, or the cut, came first.
    pub dropped: usize,
}

/// The accept loop and what it hands to connections.
struct Loop {
    door: Arc<Door>,
    shared: Shared,
    tls: Option<TlsAcceptor>,
    tasks: JoinSet<()>,
}

impl Loop {
    /// Accepts until `stop` comes, and then what had connected before it.
    async fn accept(&mut self, listener: &TcpListener, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let mut short = false;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, peer)) => {
                    short = false;
                    self.welcome(socket, peer);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // No file, or no memory: it is over when connections end, so wait for that.
                    if !short {
                        tracing::error!(%error, "cannot accept connections; trying on");
                    }
                    short = true;
                    tokio::select! {
                        () = &mut stop => break,
                        () = sleep(ACCEPT_PAUSE) => {}
                    }
                }
            }
        }
        // Clients in the queue believe that they are connected, and may have asked already.
        while let Some((socket, peer)) = waiting(listener).await {
            self.welcome(socket, peer);
        }
    }

    /// Gives a new connection its place, or says that there is none.
    fn welcome(&mut self, socket: TcpStream, peer: SocketAddr) {
        while self.tasks.try_join_next().is_some() {}
        if let Err(error) = socket.set_nodelay(true) {
            // It is gone already.
            tracing::debug!(%peer, %error, "connection lost");
            return;
        }
        let (ticket, reserve) = match self.door.admit(peer.ip()) {
            Admission::Welcome(ticket) => (ticket, false),
            Admission::Reserve(ticket) => (ticket, true),
            Admission::Full(ticket) => return self.refuse(socket, peer, ticket, Problem::FULL),
            Admission::FullForAddress(ticket) => {
                return self.refuse(socket, peer, ticket, Problem::FULL_FOR_ADDRESS);
            }
            Admission::Nothing => {
                if self.tls.is_none() {
                    connection::refuse_at_once(&socket, Problem::FULL);
                }
                return;
            }
        };
        let shared = self.shared.clone();
        match self.tls.clone() {
            None => self.tasks.spawn(async move {
                connection::serve(socket, peer, shared, reserve).await;
                drop(ticket);
            }),
            Some(tls) => self.tasks.spawn(async move {
                let stop = Arc::clone(&shared.stop);
                let handshake = timeout(shared.deadlines.header, tls.accept(socket));
                let socket = tokio::select! {
                    handshake = handshake => handshake,
                    // No request can have begun.
                    () = stop.come() => return,
                };
                match socket {
                    Ok(Ok(socket)) => connection::serve(socket, peer, shared, reserve).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS"),
                    Err(_) => tracing::debug!(%peer, "no TLS in time"),
                }
                drop(ticket);
            }),
        };
    }

    fn refuse(
        &mut self,
        socket: TcpStream,
        peer: SocketAddr,
        ticket: limits::Ticket,
        problem: Problem,
    ) {
        tracing::debug!(%peer, ?problem, "connection refused");
        // Before its handshake a TLS client understands nothing but the end.
        if self.tls.is_none() {
            self.tasks.spawn(async move {
                connection::refuse(socket, problem).await;
                drop(ticket);
            });
        }
    }
}

/// A connection that waits in the queue now.
async fn waiting(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    std::future::poll_fn(|cx| match listener.poll_accept(cx) {
        Poll::Ready(Ok(connection)) => Poll::Ready(Some(connection)),
        Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Whether accepting failed because of that one connection.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

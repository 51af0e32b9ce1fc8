//! The long poll over real sockets, with a network that does what networks do.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use scim_sync_link::{
    Connection, Control,
    long_poll::{self, MAX_BATCH, Refusal, SessionOptions, Sessions},
    suite::{Link, help::eventually},
    websocket::DialError,
};
use testkit::proxy::{Pass, Proxy};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};

use crate::sockets::dial;

/// A server with sessions, which end sooner than usual.
struct Server {
    address: SocketAddr,
    opened: mpsc::UnboundedReceiver<Connection>,
    running: AbortHandle,
}

/// Ends the server with the case.
struct Running(AbortHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn serve() -> Server {
    let sessions = Sessions::with_options(SessionOptions {
        idle: Duration::from_secs(4),
        ..SessionOptions::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, opened) = mpsc::unbounded_channel();
    let running = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sessions, sender) = (sessions.clone(), sender.clone());
            connections.spawn(async move {
                let service = hyper::service::service_fn(move |request| {
                    let (sessions, sender) = (sessions.clone(), sender.clone());
                    async move {
                        Ok::<_, std::convert::Infallible>(answer(&sessions, &sender, request).await)
                    }
                });
                let served = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                // A connection that breaks is what the long poll is for.
                served.await.unwrap_or_default();
            });
        }
    });
    Server { address, opened, running: running.abort_handle() }
}

async fn answer(
    sessions: &Sessions,
    opened: &mpsc::UnboundedSender<Connection>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let answered = match parts.uri.path().strip_prefix("/agent/result/") {
        Some(session) => match Limited::new(body, MAX_BATCH).collect().await {
            Ok(body) => sessions.result("agent", session, &parts.headers, body.to_bytes()).await,
            Err(_) => Err(Refusal { status: StatusCode::BAD_REQUEST, detail: "cut off" }),
        },
        None => sessions.poll("agent", &parts.headers).await.map(|polled| {
            polled.opened.map(|connection| opened.send(connection));
            polled.response
        }),
    };
    let response = answered.unwrap_or_else(|refusal| {
        let document = format!("{{\"detail\":\"{}\"}}", refusal.detail);
        let mut response = Response::new(Bytes::from(document));
        *response.status_mut() = refusal.status;
        response
    });
    response.map(Full::new)
}

pub(crate) async fn straight() -> Link {
    let server = serve().await;
    link(format!("http://{}", server.address), server).await
}

/// Of each twenty requests one is not delivered, one is and its answer is lost, and for one the proxy has no time.
pub(crate) async fn through_trouble() -> Link {
    let server = serve().await;
    let proxy = Proxy::start(server.address, &format!("http://{}", server.address));
    let url = proxy.url();
    proxy.decide(|seen| match (seen.number, seen.number % 20) {
        // The session is opened before the trouble begins.
        (1, _) => Pass::Through,
        (_, 2) => Pass::LoseAnswer,
        (_, 9) => Pass::Drop,
        (_, 15) => Pass::Answer(502, None),
        _ => Pass::Through,
    });
    link(url, server).await.also(proxy)
}

async fn link(url: String, mut server: Server) -> Link {
    let dial = dial(&format!("{url}/agent/poll"));
    let agent = long_poll::connect(&dial, &Control::new()).await.unwrap();
    let service = server.opened.recv().await.unwrap();
    Link::new(agent, service).keeping(Running(server.running))
}

trait Also {
    fn also(self, keep: impl std::any::Any + Send) -> Self;
}

impl Also for Link {
    fn also(mut self, keep: impl std::any::Any + Send) -> Self {
        self.keep = Box::new((self.keep, keep));
        self
    }
}

#[tokio::test]
async fn a_service_without_the_long_poll_is_told_apart() {
    let server = serve().await;
    let url = format!("http://{}", server.address);
    let control = Control::new();
    let error = long_poll::connect(&dial(&format!("{url}/agent/else")), &control).await;
    assert!(matches!(&error, Err(DialError::Url(why)) if why.contains("/poll")), "{error:?}");
    let error = long_poll::connect(&dial("wss://localhost/agent/poll"), &control).await;
    assert!(matches!(&error, Err(DialError::Url(why)) if why.contains("https://")), "{error:?}");
    let proxy = Proxy::start(server.address, &url);
    proxy.decide(|_| Pass::Answer(403, None));
    let error = long_poll::connect(&dial(&format!("{}/poll", proxy.url())), &control).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the service refused the link with 403 Forbidden: made up by a test");
}

#[tokio::test]
async fn a_renewed_credential_goes_with_the_next_request() {
    let server = serve().await;
    let proxy = Proxy::start(server.address, &format!("http://{}", server.address));
    let heads = Arc::new(std::sync::Mutex::new(Vec::new()));
    let control = Control::new();
    control.renew("older".into());
    let dial = dial(&format!("{}/agent/poll", proxy.url())).with_credential("first".into());
    let listening = Arc::clone(&heads);
    proxy.decide(move |seen| {
        listening.lock().unwrap().push(seen.head.clone());
        Pass::Through
    });
    let mut agent = long_poll::connect(&dial, &control).await.unwrap();
    control.renew("second".into());
    agent.send(Bytes::from_static(b"x")).await.unwrap();
    eventually("it is on its way", || heads.lock().unwrap().len() == 2).await;
    let heads = heads.lock().unwrap().clone();
    assert!(heads[0].contains("Bearer first"), "{heads:?}");
    assert!(heads[1].contains("Bearer second"), "{heads:?}");
}

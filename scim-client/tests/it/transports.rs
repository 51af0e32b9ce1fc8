//! The transports with a socket, against a peer that does what a test says: both carry the same, and both tell the same of what
//! went wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use scim_client::{Transport, TransportError, TransportErrorKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Every transport with a socket, set up alike: name, and what became of building it.
macro_rules! sockets {
    (|$builder:ident| $settings:expr) => {{
        use scim_client::transport::{HyperTransport, ReqwestTransport};
        type Built =
            Result<std::sync::Arc<dyn scim_client::Transport>, scim_client::TransportError>;
        let reqwest: Built = {
            let $builder = ReqwestTransport::builder().proxy(None);
            $settings.build().map(|transport| std::sync::Arc::new(transport) as _)
        };
        let hyper: Built = {
            let $builder = HyperTransport::builder();
            $settings.build().map(|transport| std::sync::Arc::new(transport) as _)
        };
        [("reqwest", reqwest), ("hyper", hyper)]
    }};
}
pub(crate) use sockets;

/// What the peer does when it has read a request.
#[derive(Clone)]
enum Act {
    /// Answers with this, and listens on.
    Answer(String),
    /// Answers with this, and closes the connection.
    Last(String),
    /// Answers with this, which is not all, and says nothing more.
    Stall(String),
}

/// A peer on a port of its own, which goes through the acts and repeats the last.
struct Peer {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Peer {
    async fn start(acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (requests, connections) = (Arc::clone(&peer.requests), Arc::clone(&peer.connections));
        let acts: Arc<[Act]> = acts.into();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream, Arc::clone(&acts), Arc::clone(&requests)));
            }
        });
        peer
    }

    async fn send(
        &self,
        transport: &Arc<dyn Transport>,
        method: Method,
    ) -> Result<http::Response<Bytes>, TransportError> {
        transport.send(request(method, &format!("http://127.0.0.1:{}/v2/Users", self.port))).await
    }

    /// How many requests and connections the peer has seen.
    fn seen(&self) -> (usize, usize) {
        (self.requests.lock().unwrap().len(), self.connections.load(Ordering::Relaxed))
    }
}

async fn serve(mut stream: TcpStream, acts: Arc<[Act]>, requests: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read(&mut stream).await {
        let act = {
            let mut requests = requests.lock().unwrap();
            requests.push(request);
            acts[(requests.len() - 1).min(acts.len() - 1)].clone()
        };
        let (Act::Answer(text) | Act::Last(text) | Act::Stall(text)) = &act;
        stream.write_all(text.as_bytes()).await.unwrap();
        match act {
            Act::Answer(_) => {}
            Act::Last(_) => return,
            Act::Stall(_) => std::future::pending().await,
        }
    }
}

/// A request as it stands on the wire; `None` when the client has closed.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(seen).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

fn request(method: Method, url: &str) -> Request<Bytes> {
    let body = if method == Method::GET { "" } else { r#"{"userName":"ada"}"# };
    Request::builder()
        .method(method)
        .uri(url)
        .header("Authorization", "Bearer t0ken")
        .body(Bytes::from_static(body.as_bytes()))
        .unwrap()
}

fn whole(body: &str) -> String {
    format!("HTTP/1.1 201 Created\r\nETag: W/\"1\"\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn in_chunks(body: &str) -> String {
    let (one, other) = body.split_at(body.len() / 2);
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    format!(
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
        chunk(one),
        chunk(other)
    )
}

fn until_the_end(body: &str) -> String {
    format!("HTTP/1.1 201 Created\r\nConnection: close\r\n\r\n{body}")
}

#[tokio::test]
async fn an_exchange_is_carried_as_it_is() {
    for (name, transport) in sockets!(|builder| builder) {
        let transport = transport.unwrap();
        let peer = Peer::start(&[Act::Answer(whole("{}"))]).await;
        let answer = peer.send(&transport, Method::POST).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{name}");
        assert_eq!(
            (&answer.headers()["etag"], &answer.body()[..]),
            (&"W/\"1\"".parse().unwrap(), &b"{}"[..])
        );
        let asked = peer.requests.lock().unwrap()[0].clone();
        let host = format!("host: 127.0.0.1:{}\r\n", peer.port);
        for part in [
            "post /v2/users http/1.1\r\n",
            &host,
            "authorization: bearer t0ken\r\n",
            "{\"userName\":\"ada\"}",
        ] {
            assert!(asked.contains(part), "{name}: {asked}");
        }
        // What is announced must be undone, too.
        assert_eq!(
            asked.contains("accept-encoding: gzip\r\n"),
            name == "reqwest",
            "{name}: {asked}"
        );
        assert_eq!(asked.matches("accept-encoding").count(), usize::from(name == "reqwest"));
    }
}

#[tokio::test]
async fn a_connection_carries_one_exchange_after_the_other() {
    for (name, transport) in sockets!(|builder| builder) {
        let transport = transport.unwrap();
        let peer = Peer::start(&[Act::Answer(whole("{}")), Act::Answer(in_chunks("[1,2]"))]).await;
        for body in ["{}", "[1,2]", "[1,2]"] {
            let answer = peer.send(&transport, Method::POST).await.unwrap();
            assert_eq!(answer.body(), body, "{name}");
        }
        assert_eq!(peer.seen(), (3, 1), "{name}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    for (name, transport) in sockets!(|builder| builder) {
        let transport = transport.unwrap();
        let elsewhere = "HTTP/1.1 302 Found\r\nLocation: /v2/Groups\r\nContent-Length: 0\r\n\r\n";
        let peer = Peer::start(&[Act::Answer(elsewhere.to_owned())]).await;
        let answer = peer.send(&transport, Method::GET).await.unwrap();
        assert_eq!((answer.status(), peer.seen()), (StatusCode::FOUND, (1, 1)), "{name}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    for (name, transport) in sockets!(|builder| builder.body_limit(8)) {
        let transport = transport.unwrap();
        let ways: [fn(&str) -> String; 3] = [whole, in_chunks, until_the_end];
        for way in ways {
            let peer =
                Peer::start(&[Act::Last(way("12345678")), Act::Last(way("123456789"))]).await;
            assert_eq!(
                peer.send(&transport, Method::GET).await.unwrap().body(),
                "12345678",
                "{name}"
            );
            let error = peer.send(&transport, Method::GET).await.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::TooLarge, "{name}: {error}");
            assert!(error.to_string().contains("more than 8 bytes"), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn what_was_not_sent_is_told_as_such() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let peer = Peer::start(&[Act::Answer(whole("{}"))]).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = (silent.local_addr().unwrap(), silent);
    for (name, transport) in sockets!(|builder| builder.connect_timeout(Duration::from_millis(200)))
    {
        let transport = transport.unwrap();
        for (url, kind) in [
            (format!("http://{gone}/v2"), TransportErrorKind::Connect),
            // It does not speak TLS, and the other says nothing at all.
            (format!("https://127.0.0.1:{}/v2", peer.port), TransportErrorKind::Connect),
            (format!("https://{}/v2", silent.0), TransportErrorKind::Connect),
            (format!("ftp://127.0.0.1:{}/v2", peer.port), TransportErrorKind::Request),
            ("/v2".to_owned(), TransportErrorKind::Request),
        ] {
            let error = transport.send(request(Method::POST, &url)).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{name}: {url}: {error}");
            assert!(!error.may_have_been_sent());
        }
    }
    assert_eq!(peer.seen().0, 0);
}

#[tokio::test]
async fn an_answer_that_ends_too_soon_is_lost() {
    for (name, transport) in sockets!(|builder| builder) {
        let transport = transport.unwrap();
        let (head, chunks) = (whole("{}"), in_chunks("[1,2]"));
        for begun in ["", "HTTP/1.1 201 Cre", &head[..head.len() - 1], &chunks[..chunks.len() - 4]]
        {
            for method in [Method::GET, Method::POST] {
                let peer = Peer::start(&[Act::Last(begun.to_owned())]).await;
                let error = peer.send(&transport, method).await.unwrap_err();
                assert_eq!(error.kind(), TransportErrorKind::Lost, "{name}: {begun:?}: {error}");
                assert_eq!(peer.seen(), (1, 1), "{name}: {begun:?}");
            }
        }
        let peer = Peer::start(&[Act::Answer("This is no HTTP\r\n\r\n".to_owned())]).await;
        let error = peer.send(&transport, Method::POST).await.unwrap_err();
        assert_eq!(error.kind(), TransportErrorKind::Lost, "{name}: {error}");
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_not_waited_for() {
    for (name, transport) in sockets!(|builder| builder.timeout(Duration::from_millis(200))) {
        let transport = transport.unwrap();
        let whole = whole("{}");
        for begun in ["", &whole[..whole.len() - 1]] {
            let peer = Peer::start(&[Act::Stall(begun.to_owned())]).await;
            let error = peer.send(&transport, Method::POST).await.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Timeout, "{name}: {begun:?}: {error}");
            assert_eq!(peer.seen(), (1, 1));
        }
    }
}

/// Lets the runtime look at all of its sockets: this goes through one that does not know the others.
async fn look_around() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    far.unwrap().0.write_all(b"x").await.unwrap();
    assert_eq!(near.unwrap().read_u8().await.unwrap(), b'x');
}

/// Nothing was sent on it: the request goes out on another connection, whatever its method is.
#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    for (name, transport) in sockets!(|builder| builder) {
        let transport = transport.unwrap();
        let peer = Peer::start(&[Act::Last(whole("{}"))]).await;
        for turn in 1..=5 {
            let answer = peer.send(&transport, Method::POST).await.unwrap();
            assert_eq!(answer.body(), "{}", "{name}");
            assert_eq!(peer.seen(), (turn, turn), "{name}");
            look_around().await;
        }
    }
}

/// The same when the peer has read the request, on a connection that has been used before: it may have acted on it.
#[tokio::test]
async fn what_was_read_is_not_sent_again() {
    for (name, transport) in sockets!(|builder| builder) {
        let transport = transport.unwrap();
        for method in [Method::POST, Method::GET] {
            let peer = Peer::start(&[Act::Answer(whole("{}")), Act::Last(String::new())]).await;
            peer.send(&transport, method.clone()).await.unwrap();
            look_around().await;
            let error = peer.send(&transport, method).await.unwrap_err();
            assert_eq!(error.kind(), TransportErrorKind::Lost, "{name}: {error}");
            assert_eq!(peer.seen(), (2, 1), "{name}");
        }
    }
}

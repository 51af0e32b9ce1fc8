//! An HTTP proxy in front of one server that counts what passes and does to it what a bad network or a busy service would.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::accept::Acceptor;
use crate::gate::Gate;
use crate::http::Connection;

/// How long the server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its target: path and query.
    pub target: String,
    /// Its first line and its headers.
    pub head: String,
    /// Its body, as text.
    pub body: String,
    /// Its number among all requests so far, from 1.
    pub number: usize,
    /// Its number among the writes so far, from 1; of a read, how many writes came before it.
    pub write: usize,
}

impl Seen {
    /// Whether it is no read. A search by POST is one.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
            && !self.target.contains("/.search")
    }
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pass {
    /// It goes to the server and the answer comes back.
    Through,
    /// It does not reach the server; this status comes back, with `Retry-After` in seconds when that is given.
    Answer(u16, Option<u32>),
    /// It does not reach the server, and the connection closes.
    Drop,
    /// It reaches the server and is carried out, and the connection closes without the answer.
    LoseAnswer,
}

type Decide = Box<dyn FnMut(&Seen) -> Pass + Send>;

struct State {
    decide: Decide,
    seen: Vec<Seen>,
    writes: usize,
}

/// The proxy; it takes no further connections when dropped.
pub struct Proxy {
    acceptor: Acceptor,
    path: String,
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("address", &self.acceptor.address()).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy on a free port of 127.0.0.1 for the server with this URL, which begins with `http://`.
    #[must_use]
    #[track_caller]
    pub fn start(upstream: SocketAddr, url: &str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path = rest.find('/').map_or("", |slash| &rest[slash..]).to_owned();
        let state = State { decide: Box::new(|_| Pass::Through), seen: Vec::new(), writes: 0 };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        // A connection that breaks is the caller's to see, as without a proxy.
        let acceptor = Acceptor::start(move |stream| drop(connection(&stream, upstream, &shared)));
        Self { acceptor, path, state }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URL of the server through this proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.acceptor.address(), self.path)
    }

    /// Decides from now on what becomes of each request. The decision is made before anything reaches the server.
    pub fn decide(&self, decide: impl FnMut(&Seen) -> Pass + Send + 'static) {
        self.state().decide = Box::new(decide);
    }

    /// Forgets what it has seen, and stops at this write from now on; nothing passes before the gate is opened.
    pub fn gate(&self, at: usize) -> Arc<Gate> {
        let _ = self.take();
        let gate = Arc::new(Gate::default());
        let shared = Arc::clone(&gate);
        self.decide(move |seen| {
            if seen.is_write() && seen.write == at {
                shared.pass();
            }
            Pass::Through
        });
        gate
    }

    /// Lets everything through again.
    pub fn heal(&self) {
        self.decide(|_| Pass::Through);
    }

    /// The requests since this was asked last; the count of writes begins anew.
    #[must_use]
    pub fn take(&self) -> Vec<Seen> {
        let mut state = self.state();
        state.writes = 0;
        std::mem::take(&mut state.seen)
    }
}

fn connection(stream: &TcpStream, upstream: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut server = Connection::open(upstream, PATIENCE)?;
    while let Some(request) = Request::read(&mut reader, stream)? {
        let pass = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let mut seen = Seen {
                method: request.method.clone(),
                target: request.target.clone(),
                head: String::from_utf8_lossy(&request.head).into_owned(),
                body: String::from_utf8_lossy(&request.body).into_owned(),
                number: state.seen.len() + 1,
                write: state.writes,
            };
            if seen.is_write() {
                state.writes += 1;
                seen.write = state.writes;
            }
            state.seen.push(seen.clone());
            (state.decide)(&seen)
        };
        match pass {
            Pass::Through => {}
            Pass::Answer(status, retry) => {
                answer(stream, status, retry)?;
                continue;
            }
            Pass::Drop => return Ok(()),
            Pass::LoseAnswer => {
                server.extend(PATIENCE);
                server.send(&request.bytes())?;
                server.receive_to(&request.method)?;
                return Ok(());
            }
        }
        server.extend(PATIENCE);
        server.send(&request.bytes())?;
        let response = server.receive_to(&request.method)?;
        let mut head = format!("HTTP/1.1 {} x\r\n", response.status);
        let mut closes = false;
        for (name, value) in &response.headers {
            let framing = matches!(
                name.as_str(),
                "content-length" | "transfer-encoding" | "connection" | "keep-alive"
            );
            closes |= name == "connection" && value.eq_ignore_ascii_case("close");
            if !framing {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        let bodiless = response.status == 204 || response.status == 304;
        if !bodiless {
            head.push_str(&format!("content-length: {}\r\n", response.body.len()));
        }
        head.push_str("\r\n");
        let mut out = stream;
        out.write_all(head.as_bytes())?;
        out.write_all(&response.body)?;
        if closes {
            server = Connection::open(upstream, PATIENCE)?;
        }
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, status: u16, retry: Option<u32>) -> io::Result<()> {
    let body = format!(
        r#"{{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"{status}","detail":"made up by a test"}}"#
    );
    let retry = retry.map(|after| format!("retry-after: {after}\r\n")).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/scim+json\r\n{retry}content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

struct Request {
    method: String,
    target: String,
    head: Vec<u8>,
    body: Vec<u8>,
}

impl Request {
    /// The next request with a body of a known length; none when the client has closed.
    fn read(reader: &mut impl BufRead, mut answers: &TcpStream) -> io::Result<Option<Self>> {
        let mut head = Vec::new();
        let (mut length, mut first, mut waits) = (0, String::new(), false);
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&line).trim().to_owned();
            if let Some((name, value)) = text.split_once(':') {
                let (name, value) = (name.to_ascii_lowercase(), value.trim());
                match name.as_str() {
                    "content-length" => length = value.parse().map_err(io::Error::other)?,
                    "transfer-encoding" => {
                        return Err(io::Error::other("a body of unknown length"));
                    }
                    "expect" => {
                        waits = true;
                        continue;
                    }
                    _ => {}
                }
            }
            if first.is_empty() {
                first.clone_from(&text);
            }
            head.extend_from_slice(&line);
            if text.is_empty() {
                break;
            }
        }
        if waits {
            answers.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let mut words = first.split_whitespace();
        let mut word = || words.next().unwrap_or_default().to_owned();
        Ok(Some(Self { method: word(), target: word(), head, body }))
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head.as_slice(), &self.body].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;
    use serde_json::json;
    use std::net::TcpListener;
    use std::thread;

    /// Answers every request of every connection with 200 and the request's body.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut reader = BufReader::new(&stream);
                    while let Ok(Some(request)) = Request::read(&mut reader, &stream) {
                        let head = format!(
                            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                            request.body.len()
                        );
                        let mut out = &stream;
                        out.write_all(&[head.as_bytes(), &request.body].concat()).unwrap();
                    }
                });
            }
        });
        address
    }

    #[test]
    fn it_counts_and_breaks() {
        let proxy = Proxy::start(echo(), "http://x/scim/v2");
        assert!(proxy.url().ends_with("/scim/v2"));
        let client = Client::new(proxy.acceptor.address(), "", "t");
        assert_eq!(client.post("/a", &json!({"a": 1})).expect(200), json!({"a": 1}));
        let _ = client.get("/b");
        proxy.decide(|seen| match seen.write {
            2 => Pass::Answer(429, Some(1)),
            3 => Pass::LoseAnswer,
            _ => Pass::Drop,
        });
        let refused = client.post("/c", &json!({}));
        assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
        for _ in 0..2 {
            assert!(client.request("POST", "/d").json(&json!({})).try_send().is_err());
        }
        let seen = proxy.take();
        assert_eq!(seen.iter().filter(|seen| seen.is_write()).count(), 4);
        assert_eq!(seen.len(), 5);
        assert_eq!((seen[1].method.as_str(), seen[1].write), ("GET", 1));
    }
}

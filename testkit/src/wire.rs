//! The way of an agent to its service: an HTTP proxy that knows `CONNECT`, as many agents have one before them, and that does
//! to what it carries what a network does: cut it, hold it up, heal it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::accept::Acceptor;

/// How a wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing passes, and no connection breaks.
    Held,
    /// Every connection breaks, and no new one comes through.
    Cut,
    Gone,
}

#[derive(Debug)]
struct State {
    way: Way,
    /// So many bytes pass from the agent to its service before the wire holds by itself.
    left: Option<u64>,
    tunnels: usize,
    open: Vec<(TcpStream, TcpStream)>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self, way: Way) {
        let mut state = self.state();
        state.way = way;
        state.left = None;
        if matches!(way, Way::Cut | Way::Gone) {
            for (one, other) in state.open.drain(..) {
                // Already closed is closed as well.
                let _ = one.shutdown(Shutdown::Both);
                let _ = other.shutdown(Shutdown::Both);
            }
        }
        self.changed.notify_all();
    }

    /// Waits while the wire is held; whether what is in the hand may pass.
    fn pass(&self, bytes: usize, upwards: bool) -> bool {
        let mut state = self.state();
        if upwards && let Some(left) = state.left {
            match left.checked_sub(bytes as u64) {
                Some(left) => state.left = Some(left),
                None => {
                    (state.way, state.left) = (Way::Held, None);
                    self.changed.notify_all();
                }
            }
        }
        while state.way == Way::Held {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.way == Way::Open
    }
}

/// The proxy, on a free port of 127.0.0.1. Everything is cut when it is dropped.
#[derive(Debug)]
pub struct Wire {
    acceptor: Acceptor,
    shared: Arc<Shared>,
}

impl Wire {
    /// A wire that lets everything pass.
    #[must_use]
    #[track_caller]
    pub fn start() -> Self {
        let state = State { way: Way::Open, left: None, tunnels: 0, open: Vec::new() };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let tunnels = Arc::clone(&shared);
        // A tunnel that breaks is for its ends to see.
        let acceptor = Acceptor::start(move |client| drop(tunnel(client, &tunnels)));
        Self { acceptor, shared }
    }

    /// What `--proxy` takes.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.acceptor.address())
    }

    /// Breaks every connection, and lets none through.
    pub fn cut(&self) {
        self.shared.turn(Way::Cut);
    }

    /// Lets nothing pass; connections stay, and nobody is told.
    pub fn hold(&self) {
        self.shared.turn(Way::Held);
    }

    /// Holds after so many further bytes from the agent to its service.
    pub fn hold_after(&self, bytes: u64) {
        self.shared.state().left = Some(bytes);
    }

    /// Whether it holds.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.shared.state().way == Way::Held
    }

    /// Lets everything pass again: what was held as well.
    pub fn heal(&self) {
        self.shared.turn(Way::Open);
    }

    /// How many connections have come through so far.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.shared.state().tunnels
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shared.turn(Way::Gone);
    }
}

fn tunnel(mut client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(target) = target else {
        return client.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nallow: CONNECT\r\n\r\n");
    };
    if !shared.pass(0, false) {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    }
    let Ok(server) = TcpStream::connect(target) else {
        return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    {
        let mut state = shared.state();
        state.tunnels += 1;
        state.open.push((client.try_clone()?, server.try_clone()?));
    }
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (from, to, other) = (client.try_clone()?, server.try_clone()?, Arc::clone(shared));
    let upwards = thread::spawn(move || carry(&from, &to, &other, true));
    carry(&server, &client, shared, false);
    // A thread that panicked has nothing to add.
    let _ = upwards.join();
    Ok(())
}

/// Carries one direction to its end, which is the end of both.
fn carry(mut from: &TcpStream, mut to: &TcpStream, shared: &Shared, upwards: bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !shared.pass(read, upwards) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::Wire;
    use crate::poll;
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    /// A server that sends back what it gets, and a connection to it through the wire.
    fn connected(wire: &Wire) -> Option<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            if let Ok((mut stream, _)) = listener.accept() {
                let mut out = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut stream, &mut out);
            }
        });
        let mut client = TcpStream::connect(wire.acceptor.address()).unwrap();
        client.set_read_timeout(Some(SOON)).unwrap();
        write!(client, "CONNECT {address} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        head.starts_with(b"HTTP/1.1 200").then_some(client)
    }

    #[test]
    fn what_is_held_comes_when_it_heals_and_what_is_cut_does_not() {
        let wire = Wire::start();
        let mut client = connected(&wire).unwrap();
        let mut echo = |text: &[u8; 4]| {
            client.write_all(text).unwrap();
            let mut back = [0; 4];
            client.read_exact(&mut back).map(|()| assert_eq!(&back, text))
        };
        echo(b"open").unwrap();
        wire.hold_after(4);
        echo(b"last").unwrap();
        assert!(!wire.is_held());
        std::thread::scope(|scope| {
            let held = scope.spawn(|| echo(b"held"));
            poll::until(SOON, || if wire.is_held() { Ok(()) } else { Err("it is open") });
            wire.heal();
            held.join().unwrap().unwrap();
        });
        wire.cut();
        let mut rest = Vec::new();
        assert!(client.read_to_end(&mut rest).is_err() || rest.is_empty());
        assert!(connected(&wire).is_none(), "nothing comes through");
        wire.heal();
        assert!(connected(&wire).is_some());
        assert_eq!(wire.tunnels(), 2);
    }
}

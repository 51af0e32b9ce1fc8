//! What every small server here begins with: a free port, a thread that takes connections, and an end.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Takes connections on a free port of 127.0.0.1, each on a thread of its own, until it is dropped. Those that were taken
/// go on.
#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Acceptor {
    /// Begins, with what is to be done with each connection.
    #[track_caller]
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0));
        let (listener, address) = match listener.and_then(|l| l.local_addr().map(|a| (l, a))) {
            Ok(bound) => bound,
            Err(error) => crate::fail(format_args!("no free port: {error}")),
        };
        let stopped = Arc::new(AtomicBool::new(false));
        let (serve, stop) = (Arc::new(serve), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                if let Ok(stream) = stream {
                    let serve = Arc::clone(&serve);
                    thread::spawn(move || serve(stream));
                }
            }
        });
        Self { address, stopped }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
    }
}

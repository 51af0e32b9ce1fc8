//! One connection from its first byte to its last.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    Deadlines,
    meter::{Meter, Verdict},
    problem::Problem,
    service::Edge,
    socket::{Socket, Watched},
};

/// Most headers in a request.
const MAX_HEADERS: usize = 100;

/// Largest head of a request, first line included.
const MAX_HEAD: usize = 16 * 1024;

/// Most that is read ahead or gathered for one write.
const MAX_BUFFER: usize = 64 * 1024;

/// How long, and how much, is read from a client that still talks after the last answer.
///
/// Closing at once would make the system throw away what the client has not read yet, which is
/// the very answer that tells it to stop (RFC 9112 section 9.6). Many clients read only when all
/// of their body is sent, so a body under way may have until its own deadline if this is later.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 8 * 1024 * 1024;

/// How long a client may pause in such a body.
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// The longest a connection of the reserve may take for its head.
const RESERVE_HEADER: Duration = Duration::from_secs(2);

/// What every connection of a server shares.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) deadlines: Deadlines,
    pub(super) stop: Arc<Stop>,
}

/// The signal to stop, which wakes every connection once.
///
/// The token wakes; the flag answers without a lock, since connections ask at every turn.
#[derive(Default)]
pub(super) struct Stop {
    token: CancellationToken,
    flag: AtomicBool,
}

impl Stop {
    /// Sends it.
    pub(super) fn send(&self) {
        self.flag.store(true, Ordering::Release);
        self.token.cancel();
    }

    /// Waits for it.
    pub(super) async fn come(&self) {
        self.token.cancelled().await;
    }

    fn has_come(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

/// Why a connection ended.
enum End {
    /// HTTP came to its end, or failed.
    Http(hyper::Result<()>),
    Close,
    Tell(Problem),
    Drop,
}

/// Serves HTTP/1 on a socket until either side has had enough.
pub(super) async fn serve<S: Socket>(socket: S, peer: SocketAddr, shared: Shared, reserve: bool) {
    let mut deadlines = shared.deadlines;
    if reserve {
        deadlines.header = deadlines.header.min(RESERVE_HEADER);
    }
    let meter = Arc::new(Meter::new(deadlines, Instant::now()));
    let edge = Edge { router: shared.router, peer, meter: Arc::clone(&meter), reserve };
    let io = TokioIo::new(Watched::new(socket, Arc::clone(&meter)));
    let mut http = http1::Builder::new()
        // A request that is all there is answered even when nothing will follow it.
        .half_close(true)
        // The meter keeps all deadlines.
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(io, edge);

    let mut stopped = pin!(shared.stop.come());
    let mut listening = false;
    let mut stopping = false;
    let mut armed = meter.deadline();
    let mut alarm = pin!(sleep_until(armed));
    let end = poll_fn(|cx| {
        // The signal wakes this task wherever it waits, so asking costs nothing on other wake-ups
        // once the task is on the list.
        if !listening {
            listening = true;
            let _ = stopped.as_mut().poll(cx);
        }
        if !stopping && shared.stop.has_come() {
            stopping = true;
            meter.stop(Instant::now());
        }
        loop {
            if let Poll::Ready(result) = http.poll_without_shutdown(cx) {
                return Poll::Ready(End::Http(result));
            }
            if stopping && meter.is_between_requests() {
                return Poll::Ready(End::Close);
            }
            // The alarm may ring early, never late: it moves at once only to come sooner.
            let mut deadline = meter.deadline();
            loop {
                if deadline < armed {
                    alarm.as_mut().reset(deadline);
                    armed = deadline;
                }
                if alarm.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                match meter.judge(Instant::now()) {
                    Verdict::NotYet(later) => {
                        alarm.as_mut().reset(later);
                        (armed, deadline) = (later, later);
                    }
                    Verdict::Answer => break,
                    Verdict::Close => return Poll::Ready(End::Close),
                    Verdict::Tell(problem) => return Poll::Ready(End::Tell(problem)),
                    Verdict::Drop => return Poll::Ready(End::Drop),
                }
            }
        }
    })
    .await;

    let socket = http.into_parts().io.into_inner().into_inner();
    match end {
        End::Http(result) => {
            if let Err(error) = result {
                tracing::debug!(%peer, %error, "connection ended");
            }
            let Some(body_by) = meter.unread_until() else {
                return farewell(socket, None, None).await;
            };
            let until = body_by.max(Instant::now() + LINGER);
            tokio::select! {
                () = farewell(socket, None, Some(until)) => {}
                // A stop waits for requests, and this one has been answered.
                () = async { shared.stop.come().await; sleep(LINGER).await } => {}
            }
        }
        End::Close => farewell(socket, None, None).await,
        End::Tell(problem) => {
            tracing::debug!(%peer, ?problem, "connection closed");
            farewell(socket, Some(problem), Some(Instant::now() + LINGER)).await;
        }
        End::Drop => {
            tracing::debug!(%peer, "connection dropped: the client does not read");
            reset(&socket);
        }
    }
}

/// Tells a client why it has no connection.
pub(super) async fn refuse(socket: TcpStream, problem: Problem) {
    farewell(socket, Some(problem), Some(Instant::now() + LINGER)).await;
}

/// Tells as much as fits at once.
pub(super) fn refuse_at_once(socket: &TcpStream, problem: Problem) {
    // Whether it arrives or not, the connection is over.
    let _ = socket.try_write(&problem.bytes());
}

/// The last words, the end of our side, and, where the client may still talk, some listening.
async fn farewell<S: Socket>(mut socket: S, last: Option<Problem>, listen_until: Option<Instant>) {
    let words = async {
        if let Some(problem) = last {
            socket.write_all(&problem.bytes()).await?;
        }
        socket.shutdown().await
    };
    let until = match (timeout(LINGER, words).await, listen_until) {
        (Ok(Ok(())), Some(until)) => until,
        (Ok(_), _) => return,
        (Err(_), _) => return reset(&socket),
    };
    let listening = async {
        let mut waste = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match timeout(LINGER_PAUSE, socket.read(&mut waste)).await?? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        io::Result::Ok(())
    };
    // The end of the patience, of the client or of the connection: all the same here.
    let _ = timeout_at(until, listening).await;
}

/// Makes the close throw away what the client has not taken, instead of keeping it for minutes.
fn reset<S: Socket>(socket: &S) {
    if let Err(error) = socket.tcp().set_zero_linger() {
        tracing::debug!(%error, "no reset");
    }
}

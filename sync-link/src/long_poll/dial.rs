//! The agent's end: one line for polls, one for what it sends.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{
    FutureExt as _, Sink, StreamExt as _,
    channel::{mpsc, oneshot},
    stream,
};
use http::{HeaderValue, StatusCode};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    HEADER_BATCH, HEADER_PROTOCOL, HEADER_SESSION, Packing,
    line::{AskError, Line},
    number, unpacked,
};
use crate::{
    agent::Control,
    connection::{Connection, TransportError},
    frame::{MAX_MESSAGE, PROTOCOL},
    websocket::{Dial, DialError, dial::Target},
};

/// For one poll: longer than any service waits.
const POLL_PATIENCE: Duration = Duration::from_secs(75);
/// For one batch: longer than any service has no room.
const RESULT_PATIENCE: Duration = Duration::from_secs(45);
/// Messages that wait for the next batch before the sender does.
const QUEUE: usize = 32;
/// A poll that comes back with nothing before this was not waited for.
const HASTE: Duration = Duration::from_millis(100);

/// Opens a session. The dial's address is that of the poll, `https://…/poll`, or `http://` to this very machine; its
/// credential is renewed whenever `control` is told a new one.
///
/// # Errors
/// As [`Dial::connect`].
pub async fn connect(dial: &Dial, control: &Control) -> Result<Connection, DialError> {
    timeout(dial.patience, open(dial, control))
        .await
        .map_err(|_| DialError::TooLate(dial.patience))?
}

async fn open(dial: &Dial, control: &Control) -> Result<Connection, DialError> {
    let target = Target::of(&dial.url, "https", "http")?;
    let poll = target.path.clone();
    let above = poll.strip_suffix("/poll");
    let above = above.ok_or_else(|| DialError::Url("it has to end with /poll".to_owned()))?;
    let mut line = Line::new(dial, &target, control);
    let asked = [(HEADER_PROTOCOL, HeaderValue::from_static(PROTOCOL))];
    let reply = line.ask(&poll, &asked, &Bytes::new()).await.map_err(|error| match error {
        AskError::Dial(error) => error,
        AskError::Http(error) => DialError::Handshake(error),
    })?;
    if !reply.status.is_success() {
        return Err(reply.refused());
    }
    let session = reply.headers.get(HEADER_SESSION).filter(|_| reply.status == StatusCode::CREATED);
    let session = session
        .cloned()
        .ok_or_else(|| DialError::Handshake("it does not open a session".to_owned()))?;
    let name = session.to_str().unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(DialError::Handshake("its session has a strange name".to_owned()));
    }
    let result = format!("{above}/result/{name}");
    let uplink = Uplink { line: Line::new(dial, &target, control), path: result, sent: 0 };
    let outgoing = Posting::start(uplink);
    let polling = Polling { line, path: poll, session, came: 0, batch: VecDeque::new() };
    let incoming = stream::unfold(Some(polling), |polling| async move {
        let mut polling = polling?;
        match polling.next().await {
            Ok(message) => Some((Ok(message), Some(polling))),
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok(Connection::new("long-poll", outgoing, incoming))
}

/// What comes from the service.
struct Polling {
    line: Line,
    path: String,
    session: HeaderValue,
    came: u64,
    batch: VecDeque<Bytes>,
}

impl Polling {
    async fn next(&mut self) -> Result<Bytes, TransportError> {
        loop {
            if let Some(message) = self.batch.pop_front() {
                return Ok(message);
            }
            let headers =
                [(HEADER_SESSION, self.session.clone()), (HEADER_BATCH, self.came.into())];
            let started = Instant::now();
            let reply =
                self.line.insist(&self.path, &headers, &Bytes::new(), POLL_PATIENCE).await?;
            if reply.status == StatusCode::NO_CONTENT {
                if started.elapsed() < HASTE {
                    sleep(HASTE).await;
                }
                continue;
            }
            if number(&reply.headers) != Some(self.came + 1) {
                return Err(TransportError::new("what answers the poll is not the service"));
            }
            self.batch = unpacked(reply.body).map_err(TransportError::new)?.into();
            self.came += 1;
        }
    }
}

/// What goes to the service. While a batch is on its way the next one fills.
struct Posting {
    queue: mpsc::Sender<Bytes>,
    done: oneshot::Receiver<Result<(), TransportError>>,
    task: JoinHandle<()>,
}

impl Posting {
    fn start(uplink: Uplink) -> Self {
        let (queue, queued) = mpsc::channel(QUEUE);
        let (finish, done) = oneshot::channel();
        let task = tokio::spawn(async move {
            // Who does not wait for the end has dropped the connection.
            finish.send(uplink.run(queued).await).unwrap_or_default();
        });
        Self { queue, done, task }
    }

    /// Why nothing is taken any more.
    fn broken(&mut self) -> TransportError {
        match self.done.try_recv() {
            Ok(Some(Err(error))) => error,
            _ => TransportError::new("the connection is closed"),
        }
    }
}

impl Drop for Posting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Uplink {
    line: Line,
    path: String,
    sent: u64,
}

impl Uplink {
    async fn run(mut self, mut queued: mpsc::Receiver<Bytes>) -> Result<(), TransportError> {
        let mut packing = Packing::default();
        while let Some(message) = queued.next().await {
            packing.add(&message);
            while !packing.is_full()
                && let Some(Some(message)) = queued.next().now_or_never()
            {
                packing.add(&message);
            }
            self.send(packing.batch()).await?;
        }
        Ok(())
    }

    async fn send(&mut self, batch: Bytes) -> Result<(), TransportError> {
        let headers = [(HEADER_BATCH, (self.sent + 1).into())];
        self.line.insist(&self.path, &headers, &batch, RESULT_PATIENCE).await?;
        self.sent += 1;
        Ok(())
    }
}

impl Sink<Bytes> for Posting {
    type Error = TransportError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        let ready = ready!(self.queue.poll_ready(cx));
        Poll::Ready(ready.map_err(|_| self.broken()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), TransportError> {
        if message.len() > MAX_MESSAGE {
            self.task.abort();
            return Err(TransportError::new("a message is too large"));
        }
        let sent = self.queue.start_send(message);
        sent.map_err(|_| self.broken())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        // It is on its way; how much may wait is bounded.
        Poll::Ready(Ok(()))
    }

    /// Waits until everything has come.
    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransportError>> {
        self.queue.disconnect();
        let done = ready!(self.done.poll_unpin(cx));
        Poll::Ready(done.unwrap_or_else(|_| Err(TransportError::new("the connection is closed"))))
    }
}

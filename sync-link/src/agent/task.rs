//! One request, from its head to the last piece of its answer.

use std::{panic::AssertUnwindSafe, sync::Arc};

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Handler, Place, RequestContext, bounded};
use crate::{
    body::{Body, HandlerError},
    credit::Credit,
    frame::{CHUNK, CancelCode, Frame, FrameError, Times},
    outbox::{Closing, Outbox},
};

pub(super) struct Task {
    pub(super) id: u64,
    pub(super) head: http::request::Parts,
    pub(super) times: Times,
    pub(super) whole: oneshot::Receiver<Bytes>,
    pub(super) place: Place,
    pub(super) cancelled: CancellationToken,
    pub(super) credit: Arc<Credit>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) handler: Arc<dyn Handler>,
}

/// Why an answer is not sent to its end.
enum Stop {
    /// The connection is gone: nobody to tell.
    Closing,
    /// To be told.
    Cancel(CancelCode, String),
}

impl From<Closing> for Stop {
    fn from(_: Closing) -> Self {
        Self::Closing
    }
}

impl From<FrameError> for Stop {
    fn from(error: FrameError) -> Self {
        Self::Cancel(CancelCode::TooLarge, error.to_string())
    }
}

impl From<HandlerError> for Stop {
    fn from(error: HandlerError) -> Self {
        // Bounded, because it is the handler's words.
        Self::Cancel(CancelCode::Failed, error.to_string().chars().take(2000).collect())
    }
}

fn late() -> Stop {
    Stop::Cancel(CancelCode::Deadline, "not answered in time".to_owned())
}

impl Task {
    /// Answers, and says so when it does not; gives the id back.
    pub(super) async fn run(self) -> u64 {
        let Self { id, head, times, whole, place, cancelled, credit, outbox, handler } = self;
        // However this ends, what the handler has started elsewhere is to stop.
        let _stopped = cancelled.clone().drop_guard();
        let now = Instant::now();
        let deadline = now + bounded(times.deadline_ms);
        let until = times.total_ms.map(|ms| now + bounded(ms));
        let answer = Answer { id, times, place: &place, credit: &credit, outbox: &outbox };
        let work = async {
            let context = RequestContext { deadline, cancelled: cancelled.clone() };
            let handled = async {
                let body = whole.await.map_err(|_| Stop::Closing)?;
                let request = http::Request::from_parts(head, body);
                Ok::<_, Stop>(handler.handle(request, context).await)
            };
            let response = timeout_at(deadline, handled).await.map_err(|_| late())??;
            let sending = answer.send(response);
            match until {
                Some(until) => timeout_at(until, sending).await.map_err(|_| late())?,
                None => sending.await,
            }
        };
        let done = tokio::select! {
            biased;
            () = cancelled.cancelled() => {
                Err(Stop::Cancel(CancelCode::Cancelled, String::new()))
            }
            done = AssertUnwindSafe(work).catch_unwind() => done.unwrap_or_else(|_| {
                Err(Stop::Cancel(CancelCode::Failed, "the handler panicked".to_owned()))
            }),
        };
        if let Err(Stop::Cancel(code, reason)) = done {
            outbox.recall(id);
            // Behind the pieces that were sent, and the connection may be gone.
            if let Ok(packet) = (Frame::Cancel { id, code, reason }).pack() {
                outbox.bulk_after(packet, || place.free()).await.unwrap_or(());
            }
        }
        id
    }
}

struct Answer<'a> {
    id: u64,
    times: Times,
    place: &'a Place,
    credit: &'a Credit,
    outbox: &'a Outbox,
}

impl Answer<'_> {
    async fn send(&self, response: http::Response<Body>) -> Result<(), Stop> {
        let (head, mut body) = response.into_parts();
        // What is there already travels with the head: a small answer is one frame.
        let mut piece = match body.ready() {
            Some(Some(piece)) => Some(piece?),
            Some(None) => return self.head(head, Bytes::new(), true).await,
            None => None,
        };
        let first = match piece.as_mut() {
            Some(bytes) => {
                let size = bytes.len().min(CHUNK);
                let granted = self.credit.try_take(size).unwrap_or(0);
                bytes.split_to(granted)
            }
            None => Bytes::new(),
        };
        let mut rest = piece.filter(|bytes| !bytes.is_empty());
        let mut ended = false;
        if rest.is_none() {
            match body.ready() {
                Some(Some(next)) => rest = Some(next?),
                Some(None) => ended = true,
                None => {}
            }
        }
        self.head(head, first, ended).await?;
        if ended { Ok(()) } else { self.pieces(body, rest).await }
    }

    async fn head(&self, head: http::response::Parts, body: Bytes, last: bool) -> Result<(), Stop> {
        self.frame(Frame::Response { id: self.id, head: Box::new(head), body, last }, last).await
    }

    async fn pieces(&self, mut body: Body, mut rest: Option<Bytes>) -> Result<(), Stop> {
        loop {
            let mut bytes = match rest.take() {
                Some(bytes) => bytes,
                None => match timeout(bounded(self.times.idle_ms), body.next()).await {
                    Ok(Some(bytes)) => bytes?,
                    Ok(None) => return self.piece(Bytes::new(), true).await,
                    Err(_) => return Err(late()),
                },
            };
            while !bytes.is_empty() {
                let granted = self.credit.take(bytes.len().min(CHUNK)).await;
                let piece = bytes.split_to(granted);
                let mut ended = false;
                if bytes.is_empty() {
                    match body.ready() {
                        Some(Some(next)) => rest = Some(next?),
                        Some(None) => ended = true,
                        None => {}
                    }
                }
                self.piece(piece, ended).await?;
                if ended {
                    return Ok(());
                }
            }
        }
    }

    async fn piece(&self, body: Bytes, last: bool) -> Result<(), Stop> {
        self.frame(Frame::Body { id: self.id, body, last }, last).await
    }

    async fn frame(&self, frame: Frame, last: bool) -> Result<(), Stop> {
        let free = || {
            if last {
                self.place.free();
            }
        };
        Ok(self.outbox.bulk_after(frame.pack()?, free).await?)
    }
}

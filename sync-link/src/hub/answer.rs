//! The body of an answer, as the service reads it.

use std::{
    fmt,
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream::BoxStream};
use tokio::{
    sync::mpsc,
    time::{Instant, Sleep, sleep_until},
};

use super::{attached::Guard, later};
use crate::{credit::Regrant, error::LinkError};

/// A stream of bytes that is complete only when it ends without an error. Dropped before that, the request is cancelled.
pub struct Answer(Source);

enum Source {
    Link(Box<LinkAnswer>),
    Stream(BoxStream<'static, Result<Bytes, LinkError>>),
    Over,
}

/// One piece as it came.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    End,
    Failed(LinkError),
}

/// What the link brings.
pub(super) struct LinkAnswer {
    pub(super) guard: Guard,
    pub(super) pieces: mpsc::UnboundedReceiver<Piece>,
    pub(super) regrant: Regrant,
    pub(super) idle: std::time::Duration,
    /// When the whole answer has to be there.
    pub(super) until: Option<Instant>,
    pub(super) patience: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    pub(super) fn new(answer: LinkAnswer) -> Self {
        Self(Source::Link(Box::new(answer)))
    }

    /// An answer that came another way, for backplanes.
    pub fn from_stream<S>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, LinkError>> + Send + 'static,
    {
        Self(Source::Stream(stream.boxed()))
    }

    /// The whole body, for answers that are small.
    ///
    /// # Errors
    /// [`LinkError::TooLarge`] above `limit` bytes, and whatever breaks the answer off.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, LinkError> {
        let Some(first) = self.next().await else { return Ok(Bytes::new()) };
        let first = first?;
        if first.len() > limit {
            return Err(LinkError::TooLarge);
        }
        let Some(second) = self.next().await else { return Ok(first) };
        let mut whole = BytesMut::from(first);
        let mut piece = second?;
        loop {
            if whole.len() + piece.len() > limit {
                return Err(LinkError::TooLarge);
            }
            whole.extend_from_slice(&piece);
            match self.next().await {
                Some(next) => piece = next?,
                None => return Ok(whole.freeze()),
            }
        }
    }
}

impl LinkAnswer {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, LinkError>>> {
        match self.pieces.poll_recv(cx) {
            Poll::Ready(Some(Piece::Data(bytes))) => {
                self.patience = None;
                if let Some(grant) = self.regrant.read(bytes.len()) {
                    self.guard.grant(grant);
                }
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(Some(Piece::End)) => Poll::Ready(None),
            Poll::Ready(Some(Piece::Failed(error))) => Poll::Ready(Some(Err(error))),
            Poll::Ready(None) => Poll::Ready(Some(Err(LinkError::Lost))),
            Poll::Pending => {
                let (idle, until) = (self.idle, self.until);
                let patience = self.patience.get_or_insert_with(|| {
                    let idle = later(idle);
                    Box::pin(sleep_until(until.map_or(idle, |until| until.min(idle))))
                });
                ready!(patience.as_mut().poll(cx));
                Poll::Ready(Some(Err(LinkError::Deadline)))
            }
        }
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, LinkError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = match &mut self.0 {
            Source::Link(answer) => ready!(answer.poll(cx)),
            Source::Stream(stream) => ready!(stream.as_mut().poll_next(cx)),
            Source::Over => None,
        };
        // After its end or an error there is nothing more, and nothing to hold on to.
        if !matches!(next, Some(Ok(_))) {
            self.0 = Source::Over;
        }
        Poll::Ready(next)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

//! The answer to a search: a body that is made while it is read.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::channel::mpsc;
use futures::future::{self, Either};
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, SinkExt as _, Stream, StreamExt as _};
use scim_sync::connector::{ImportChange, ImportEnd, ImportPage};
use scim_sync::{Connector, ConnectorError};

use super::fault::Fault;
use super::page::PageWriter;
use super::request::Question;
use super::wire;

/// The body of an answer, in pieces of at most [`wire::PIECE`] bytes. Dropping it ends what it came from.
pub type Answer = BoxStream<'static, Result<Bytes, Cancelled>>;

/// The request was cancelled while its answer was on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request was cancelled")]
pub struct Cancelled;

/// What a search has to tell next.
pub(super) enum Line {
    Page(Bytes),
    Fault(Fault),
}

/// The lines that answer a question. They are made only while somebody asks for more; a fault is the last of them.
pub(super) fn lines(
    connector: Arc<dyn Connector>,
    question: Question,
    writer: PageWriter,
) -> impl Stream<Item = Line> + Send + Unpin + 'static {
    let (told, lines) = mpsc::channel(0);
    let telling = async move {
        let mut told = told;
        if let Err(error) = tell(&*connector, question, writer, &mut told).await {
            // A reader that went away has dropped this future.
            let _ = told.send(Line::Fault(error.into())).await;
        }
    };
    let telling = telling.boxed().into_stream().filter_map(|()| future::ready(None));
    stream::select(lines, telling)
}

async fn tell(
    connector: &dyn Connector,
    question: Question,
    mut writer: PageWriter,
    told: &mut mpsc::Sender<Line>,
) -> Result<(), ConnectorError> {
    let mut pages = match question {
        Question::Import(request) => connector.import(request),
        Question::Read(anchors, shape) => {
            let found = async move { connector.read(&anchors, &shape).await.map(found) };
            stream::once(found).boxed()
        }
        Question::Find(query, shape) => {
            let found = async move { connector.find(&query, &shape).await.map(found) };
            stream::once(found).boxed()
        }
    };
    while let Some(page) = pages.next().await {
        let page = page?;
        writer.expect(page.expected);
        for change in &page.changes {
            if let Some(line) = writer.push(change)? {
                send(told, line).await;
            }
        }
        send(told, writer.line(page.end.as_ref())?).await;
        if page.end.is_some() {
            return Ok(());
        }
    }
    Err(ConnectorError::Incomplete(
        "the read of the directory ended without saying that it came to its end".to_owned(),
    ))
}

async fn send(told: &mut mpsc::Sender<Line>, line: Vec<u8>) {
    // A reader that went away has dropped this future.
    let _ = told.send(Line::Page(line.into())).await;
}

/// Objects that were found, as the only page of a read.
fn found(objects: Vec<scim_sync::connector::ImportedObject>) -> ImportPage {
    let changes = objects.into_iter().map(ImportChange::Object).collect();
    let end = Some(ImportEnd { watermark: None, sweep: false });
    ImportPage { changes, expected: None, end }
}

/// Bytes in pieces that a link can carry.
pub(super) fn pieces(bytes: Bytes) -> impl Stream<Item = Bytes> + Send {
    let starts = (0..bytes.len()).step_by(wire::PIECE);
    stream::iter(starts.map(move |start| bytes.slice(start..bytes.len().min(start + wire::PIECE))))
}

/// The bytes of lines.
pub(super) fn body(lines: impl Stream<Item = Line> + Send + 'static) -> BoxStream<'static, Bytes> {
    let bytes = lines.map(|line| match line {
        Line::Page(bytes) => bytes,
        Line::Fault(fault) => {
            let mut line = fault.document().to_vec();
            line.push(b'\n');
            line.into()
        }
    });
    bytes.flat_map(pieces).boxed()
}

/// When the request is cancelled.
pub(super) type WhenCancelled = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The same until the request is cancelled, which drops what it is made from.
pub(super) fn until(body: BoxStream<'static, Bytes>, cancelled: WhenCancelled) -> Answer {
    stream::unfold(Some((body, cancelled)), |state| async {
        let (mut body, cancelled) = state?;
        match future::select(cancelled, body.next()).await {
            Either::Left(((), _)) => Some((Err(Cancelled), None)),
            Either::Right((piece, cancelled)) => {
                let piece = piece?;
                Some((Ok(piece), Some((body, cancelled))))
            }
        }
    })
    .boxed()
}

//! What a read tells, page by page, at the pace of the reader.

use std::future::Future;

use futures::channel::mpsc;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use scim_sync::ConnectorError;
use scim_sync::connector::{ImportChange, ImportEnd, ImportPage, Watermark};

/// Changes of a page.
const PAGE: usize = 500;
/// References of a page: one group can have more than all users together.
const REFERENCES: usize = 20_000;

/// The way to the reader.
pub(crate) struct Told {
    pages: mpsc::Sender<Result<ImportPage, ConnectorError>>,
    waiting: Vec<ImportChange>,
    references: usize,
}

impl Told {
    /// Tells one thing; waits while the reader is behind.
    pub(crate) async fn tell(&mut self, change: ImportChange) {
        self.references += match &change {
            ImportChange::Object(object) => object.references.values().map(Vec::len).sum(),
            ImportChange::Changed(changed) => changed
                .references
                .values()
                .map(|change| change.added.len() + change.removed.len())
                .sum(),
            ImportChange::Present(_) | ImportChange::Deleted(_) => 0,
        };
        self.waiting.push(change);
        if self.waiting.len() >= PAGE || self.references >= REFERENCES {
            self.send(None).await;
        }
    }

    /// Tells that the read came to its end.
    pub(crate) async fn end(&mut self, watermark: Option<Watermark>, sweep: bool) {
        self.send(Some(ImportEnd { watermark, sweep })).await;
    }

    async fn send(&mut self, end: Option<ImportEnd>) {
        self.references = 0;
        let changes = std::mem::take(&mut self.waiting);
        // A reader that went away dropped this future with the stream; there is nobody to tell.
        let _ = self.pages.send(Ok(ImportPage { changes, expected: None, end })).await;
    }
}

/// A stream of what `read` tells. It runs only while somebody asks for more, and ends with the stream. An error comes
/// after all that was told before it, and then nothing else does.
pub(crate) fn stream<'a, F>(
    read: impl FnOnce(Told) -> F,
) -> BoxStream<'a, Result<ImportPage, ConnectorError>>
where
    F: Future<Output = Result<(), (Told, ConnectorError)>> + Send + 'a,
{
    let (pages, received) = mpsc::channel(0);
    let told = Told { pages, waiting: Vec::new(), references: 0 };
    let reading = read(told).then(|outcome| async move {
        if let Err((mut told, error)) = outcome {
            if !told.waiting.is_empty() {
                told.send(None).await;
            }
            let _ = told.pages.send(Err(error)).await;
        }
    });
    let reading = reading.into_stream().filter_map(|()| async { None });
    stream::select(received, reading).boxed()
}

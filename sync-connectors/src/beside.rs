//! A connector beside the engine: it reads and writes on other threads of the runtime while the engine computes on its own.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use scim_sync::connector::{
    ConnectorSchema, ExportOutcome, ExportWrite, ImportPage, ImportRequest, ImportShape,
    ImportedObject, MatchQuery, Watermark,
};
use scim_sync::{Anchor, Connector, ConnectorError, ConnectorId};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Pages that are read ahead, beside the one that is being read.
const AHEAD: usize = 1;

/// A connector whose reads and writes go on without being waited for.
///
/// The engine asks for a page, stages it, and asks for the next; it sends a batch of writes, and keeps what became of the
/// one before. With this around the connector and a runtime of several threads, both happen at the same time: one page is
/// read ahead, and requests are under way while the engine computes. Whoever stops waiting ends what was asked: a read
/// that is dropped ends, and so does a batch of writes, of which nobody knows then how far it came.
///
/// Calls must be made within a tokio runtime. On a runtime of one thread nothing is gained and nothing lost.
#[derive(Clone)]
pub struct Beside {
    id: ConnectorId,
    inner: Arc<dyn Connector>,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Beside").field(&self.id.as_str()).finish()
    }
}

impl Beside {
    /// Around this connector.
    #[must_use]
    pub fn new(inner: Arc<dyn Connector>) -> Self {
        Self { id: inner.id().clone(), inner }
    }
}

#[async_trait]
impl Connector for Beside {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.inner.schema().await
    }

    fn remember(&self, watermark: &Watermark) {
        self.inner.remember(watermark);
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let inner = Arc::clone(&self.inner);
        let begin = async move {
            let (sender, pages) = mpsc::channel(AHEAD);
            let reading = tokio::spawn(async move {
                let mut pages = inner.import(request);
                while let Some(page) = pages.next().await {
                    if sender.send(page).await.is_err() {
                        break;
                    }
                }
            });
            let reading = AbortOnDropHandle::new(reading);
            stream::unfold((pages, Some(reading)), async |(mut pages, mut reading)| {
                if let Some(page) = pages.recv().await {
                    return Some((page, (pages, reading)));
                }
                // A reader that panicked has not come to its end.
                ended(reading.take()?.await).err().map(|error| (Err(error), (pages, None)))
            })
        };
        stream::once(begin).flatten().boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.inner.read(anchors, shape).await
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.inner.find(query, shape).await
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        let inner = Arc::clone(&self.inner);
        let writing = tokio::spawn(async move { inner.export(writes).await });
        ended(AbortOnDropHandle::new(writing).await)?
    }
}

/// A panic goes on where it would have without another thread.
fn ended<T>(task: Result<T, tokio::task::JoinError>) -> Result<T, ConnectorError> {
    task.map_err(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => {
            ConnectorError::Unreachable(format!("the runtime ended before the call: {error}"))
        }
    })
}

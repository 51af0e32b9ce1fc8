//! Connectors around connectors: one that watches, one that asks first, one that tells of some objects only.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt as _};
use scim_sync::connector::{
    ConnectorSchema, ExportFailure, ExportOutcome, ExportWrite, FailureKind, ImportChange,
    ImportEnd, ImportMode, ImportPage, ImportRequest, ImportShape, ImportedObject, MatchQuery,
    Watermark,
};
use scim_sync::stop::Stop;
use scim_sync::{
    Anchor, AttributeName, AttributeValue, Connector, ConnectorError, ConnectorId, ObjectType,
    preview,
};

use super::mapping::Mapping;
use crate::records::{Batch, Fence, Lease, Records, RecordsError};

/// Counts of how many objects references were told as changed, and notes when credentials are not accepted.
pub(super) struct Watched {
    inner: Arc<dyn Connector>,
    references: AtomicU64,
    refused: Mutex<Option<String>>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn Connector>) -> Self {
        Self { inner, references: AtomicU64::new(0), refused: Mutex::new(None) }
    }

    /// What the system said that did not accept the credentials.
    pub(super) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn noted<T>(&self, result: Result<T, ConnectorError>) -> Result<T, ConnectorError> {
        if let Err(ConnectorError::Credentials(said)) = &result {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(said.clone());
        }
        result
    }

    pub(super) fn references(&self) -> u64 {
        self.references.load(Ordering::Relaxed)
    }

    fn count(&self, page: &ImportPage) {
        let told = page.changes.iter().filter(|change| match change {
            ImportChange::Changed(changed) => !changed.references.is_empty(),
            ImportChange::Object(object) => object.references.values().any(|them| !them.is_empty()),
            ImportChange::Present(_) | ImportChange::Deleted(_) => false,
        });
        self.references.fetch_add(told.count() as u64, Ordering::Relaxed);
    }
}

#[async_trait]
impl Connector for Watched {
    fn id(&self) -> &ConnectorId {
        self.inner.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.noted(self.inner.schema().await)
    }

    fn remember(&self, watermark: &Watermark) {
        self.inner.remember(watermark);
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let pages = self.inner.import(request);
        pages
            .map(|page| {
                let page = self.noted(page)?;
                self.count(&page);
                Ok(page)
            })
            .boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.noted(self.inner.read(anchors, shape).await)
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.noted(self.inner.find(query, shape).await)
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        self.noted(self.inner.export(writes).await)
    }
}

/// Asks a target for an object that nobody has before it says what there is: many tell their schemas to everybody, and who
/// may not read and write would be found out with the first write only, of one object after the other.
pub(super) struct Probing {
    inner: Arc<dyn Connector>,
    shape: ImportShape,
    matching: Vec<(ObjectType, AttributeName)>,
}

impl Probing {
    pub(super) fn new(inner: Arc<dyn Connector>, mapping: &Mapping) -> Self {
        let shape = mapping.rules.shape(&mapping.target);
        let matching = shape.types.keys().filter_map(|found| {
            let names = mapping.rules.matching(&mapping.target, found);
            names.first().map(|name| (found.clone(), name.clone()))
        });
        Self { matching: matching.collect(), inner, shape }
    }
}

#[async_trait]
impl Connector for Probing {
    fn id(&self) -> &ConnectorId {
        self.inner.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        let schema = self.inner.schema().await?;
        let known = self.matching.iter().find(|(found, _)| schema.types.contains_key(found));
        if let Some((object_type, attribute)) = known {
            let query = MatchQuery {
                object_type: object_type.clone(),
                attribute: attribute.clone(),
                value: AttributeValue::text("nobody-has-this-9b1deb4d-3b7d-4bad-9bdd"),
                limit: 1,
            };
            match self.inner.find(&query, &self.shape).await {
                Ok(_) | Err(ConnectorError::Unsupported(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(schema)
    }

    fn remember(&self, watermark: &Watermark) {
        self.inner.remember(watermark);
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        self.inner.import(request)
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
        self.inner.export(writes).await
    }
}

/// Asks before it writes whether the job still belongs to this service: one that slept while another took the job over must not
/// go on with what it had begun. It asks before every few writes, which is often enough and costs little.
pub(super) struct Fenced {
    inner: Arc<dyn Connector>,
    records: Arc<dyn Records>,
    fence: Fence,
    stop: Stop,
    together: usize,
}

impl Fenced {
    /// Around a target that carries out so many writes `together`.
    pub(super) fn new(
        inner: Arc<dyn Connector>,
        records: Arc<dyn Records>,
        lease: &Lease,
        stop: Stop,
        together: usize,
    ) -> Self {
        Self { inner, records, fence: lease.fence(), stop, together: together.max(1) }
    }

    /// Why nothing may be written, if so.
    async fn lost(&self) -> Option<String> {
        // A batch of nothing is refused like one of something.
        let batch = Batch { fence: Some(self.fence.clone()), ..Batch::default() };
        match self.records.commit(batch).await {
            Ok(()) => None,
            Err(error) => {
                if matches!(error, RecordsError::Fenced(_)) {
                    self.stop.stop();
                }
                Some(format!("nothing more is written: {error}"))
            }
        }
    }
}

#[async_trait]
impl Connector for Fenced {
    fn id(&self) -> &ConnectorId {
        self.inner.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.inner.schema().await
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        self.inner.import(request)
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
        let count = writes.len();
        let mut outcomes = Vec::with_capacity(count);
        let mut writes = writes.into_iter();
        while outcomes.len() < count {
            if let Some(message) = self.lost().await {
                outcomes.resize_with(count, || not_sent(&message));
                break;
            }
            let some: Vec<ExportWrite> = writes.by_ref().take(self.together).collect();
            let sent = some.len();
            match self.inner.export(some).await {
                Ok(done) if done.len() == sent => outcomes.extend(done),
                Ok(_) => {
                    let text = "the target left writes without an answer";
                    return Err(ConnectorError::Protocol(text.to_owned()));
                }
                Err(error) if outcomes.is_empty() => return Err(error),
                // What was written before is kept; the rest was not begun.
                Err(error) => {
                    let message = error.to_string();
                    outcomes.resize_with(count, || not_sent(&message));
                }
            }
        }
        Ok(outcomes)
    }
}

fn not_sent(message: &str) -> ExportOutcome {
    ExportOutcome::Failed(ExportFailure { kind: FailureKind::Busy, message: message.to_owned() })
}

/// A system that has these objects and no others, as far as a read tells. For a state of its own only: in one that knows
/// more objects, the others would be gone.
pub(super) struct Only {
    pub(super) inner: Arc<dyn Connector>,
    pub(super) objects: Vec<ImportedObject>,
}

#[async_trait]
impl Connector for Only {
    fn id(&self) -> &ConnectorId {
        self.inner.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.inner.schema().await
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let page = match request.mode {
            ImportMode::Full => {
                let end = Some(ImportEnd { watermark: None, sweep: true });
                ImportPage { end, ..preview::page(self.objects.clone()) }
            }
            ImportMode::Delta(_) => preview::page(Vec::new()),
        };
        stream::iter([Ok(page)]).boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        _shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let known = self.objects.iter().filter(|object| anchors.contains(&object.anchor));
        Ok(known.cloned().collect())
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.inner.find(query, shape).await
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        self.inner.export(writes).await
    }
}

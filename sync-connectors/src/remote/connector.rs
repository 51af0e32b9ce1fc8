//! The service's side: a directory behind an agent as a connector.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode};
use scim_sync::connector::{
    ConnectorSchema, ExportOutcome, ExportWrite, ImportChange, ImportPage, ImportRequest,
    ImportShape, ImportedObject, MatchQuery, Watermark,
};
use scim_sync::{Anchor, Connector, ConnectorError, ConnectorId};

use super::fault::protocol;
use super::lines::{self, Lines};
use super::relay::{Relay, RelayBody};
use super::request::{self, Question};
use super::resource::Asked;
use super::scope::RemoteScope;
use super::{discovery, wire};

/// How many objects are asked for in one request.
const BATCH: usize = 200;

/// How long to wait for an answer to begin, and for each further part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// To a question: the schema, single objects.
    pub question: Duration,
    /// To a read of everything or of changes: a directory may search long for the first of them.
    pub read: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { question: Duration::from_secs(60), read: Duration::from_secs(600) }
    }
}

/// The schema that a directory told last, with its entity tag. Kept beyond one connector, it travels once and not with every
/// cycle. Clones are one and the same.
#[derive(Clone, Debug, Default)]
pub struct KnownSchema(Arc<Mutex<Option<(HeaderValue, ConnectorSchema)>>>);

impl KnownSchema {
    fn get(&self) -> Option<(HeaderValue, ConnectorSchema)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, tag: HeaderValue, schema: &ConnectorSchema) {
        let known = Some((tag, schema.clone()));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// A directory behind an agent. It only reads.
///
/// An answer counts only when it came to its end: whatever breaks on the way is an error, and what was not asked for is not
/// believed.
#[derive(Clone)]
pub struct RemoteConnector {
    id: ConnectorId,
    directory: String,
    scope: RemoteScope,
    relay: Arc<dyn Relay>,
    deadlines: Deadlines,
    known: KnownSchema,
    /// How far an earlier read came: the agent keeps nothing, so a full read takes it along.
    remembered: Arc<Mutex<Option<Watermark>>>,
}

impl RemoteConnector {
    /// The directory that the agents behind `relay` know as `directory`.
    #[must_use]
    pub fn new(
        id: ConnectorId,
        directory: String,
        scope: RemoteScope,
        relay: Arc<dyn Relay>,
    ) -> Self {
        let (deadlines, known) = (Deadlines::default(), KnownSchema::default());
        let remembered = Arc::default();
        Self { id, directory, scope, relay, deadlines, known, remembered }
    }

    /// The same with what other connectors for this directory have learnt of its schema.
    #[must_use]
    pub fn with_known(self, known: KnownSchema) -> Self {
        Self { known, ..self }
    }

    /// The same with other deadlines.
    #[must_use]
    pub fn with_deadlines(self, deadlines: Deadlines) -> Self {
        Self { deadlines, ..self }
    }

    async fn ask(
        &self,
        request: http::Request<Bytes>,
        content_type: &str,
        deadline: Duration,
    ) -> Result<RelayBody, ConnectorError> {
        let response = self.relay.send(request, deadline).await?;
        lines::accepted(response, content_type).await
    }

    async fn search(
        &self,
        question: &Question,
        deadline: Duration,
    ) -> Result<Reading, ConnectorError> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let request = question.request(&self.directory, &self.scope, remembered.as_ref())?;
        let body = self.ask(request, wire::LINES, deadline).await?;
        Ok(Reading { lines: Lines::new(body), asked: Asked::new(question.shape(), None) })
    }

    /// The whole objects that answer a question.
    async fn objects(
        &self,
        question: &Question,
        wanted: impl Fn(&ImportedObject, usize) -> bool,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let mut reading = self.search(question, self.deadlines.question).await?;
        let mut found = Vec::new();
        loop {
            let page = reading.next().await?;
            for change in page.changes {
                let ImportChange::Object(object) = change else {
                    return Err(protocol("it tells changes where objects were asked for"));
                };
                if !wanted(&object, found.len()) {
                    return Err(protocol(format!(
                        "it has {}, which was not asked for",
                        object.anchor
                    )));
                }
                found.push(object);
            }
            if page.end.is_some() {
                return Ok(found);
            }
        }
    }
}

/// An answer that is being read.
struct Reading {
    lines: Lines,
    asked: Asked,
}

impl Reading {
    async fn next(&mut self) -> Result<ImportPage, ConnectorError> {
        let page = self.lines.page().await?;
        let changes = page.resources.into_iter().map(|resource| self.asked.read(resource));
        Ok(ImportPage {
            changes: changes.collect::<Result<_, _>>()?,
            expected: page.expected,
            end: page.end,
        })
    }
}

/// How far an import is.
enum Import {
    Asking(Question),
    Reading(Box<Reading>),
    Ended,
}

#[async_trait]
impl Connector for RemoteConnector {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        let mut request = request::get(&self.directory, "Schemas")?;
        let known = self.known.get();
        if let Some((tag, _)) = &known {
            request.headers_mut().insert(IF_NONE_MATCH, tag.clone());
        }
        let response = self.relay.send(request, self.deadlines.question).await?;
        let tag = response.headers().get(ETAG).cloned();
        if response.status() == StatusCode::NOT_MODIFIED
            && let Some((_, schema)) = known.filter(|(known, _)| tag.as_ref() == Some(known))
        {
            lines::whole(response.into_body()).await?;
            return Ok(schema);
        }
        let body = lines::accepted(response, wire::SCIM_JSON).await?;
        let schema = discovery::read_schemas(&lines::whole(body).await?)?;
        if let Some(tag) = tag {
            self.known.keep(tag, &schema);
        }
        Ok(schema)
    }

    fn remember(&self, watermark: &Watermark) {
        *self.remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(watermark.clone());
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        stream::try_unfold(Import::Asking(Question::Import(request)), async |state| {
            let mut reading = match state {
                Import::Asking(question) => {
                    Box::new(self.search(&question, self.deadlines.read).await?)
                }
                Import::Reading(reading) => reading,
                Import::Ended => return Ok(None),
            };
            let page = reading.next().await?;
            let ended = page.end.is_some();
            Ok(Some((page, if ended { Import::Ended } else { Import::Reading(reading) })))
        })
        .boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let mut found = Vec::new();
        for batch in anchors.chunks(BATCH) {
            let wanted: BTreeSet<_> = batch.iter().collect();
            let question = Question::Read(batch.to_vec(), shape.clone());
            found.extend(
                self.objects(&question, |object, _| wanted.contains(&object.anchor)).await?,
            );
        }
        Ok(found)
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let names = shape.types.get(&query.object_type).cloned().unwrap_or_default();
        let shape = ImportShape { types: [(query.object_type.clone(), names)].into() };
        let question = Question::Find(query.clone(), shape);
        self.objects(&question, |_, before| before < query.limit).await
    }

    async fn export(
        &self,
        _writes: Vec<ExportWrite>,
    ) -> Result<Vec<ExportOutcome>, ConnectorError> {
        Err(ConnectorError::Unsupported(format!(
            "connector {} only reads: nothing is written to the directory",
            self.id
        )))
    }
}

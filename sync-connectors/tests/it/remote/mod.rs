//! A directory behind an agent, with nothing between the two sides but a relay that misbehaves on demand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use scim_sync::connector::{
    ConnectorSchema, ExportOutcome, ExportWrite, ImportChange, ImportEnd, ImportMode, ImportPage,
    ImportRequest, ImportShape, ImportedObject, MatchQuery,
};
use scim_sync::{Anchor, AttributeName, AttributeValue, Connector, ConnectorError, ConnectorId};
use scim_sync_connectors::remote::{
    Directories, Face, Relay, RelayBody, RelayError, RemoteConnector, RemoteScope,
};

mod broken;
mod domain;
mod hostile;
mod large;
mod lossless;

/// A relay to an agent in the same process.
struct Near {
    face: Arc<Face>,
    cut: Cut,
    /// What was asked, as method and path.
    asked: Mutex<Vec<String>>,
}

/// What becomes of the body of an answer on its way.
#[derive(Clone, Debug, Default)]
struct Cut {
    /// Lengths of pieces, taken in turn.
    pieces: Vec<usize>,
    /// The connection breaks after so many bytes.
    breaks_after: Option<usize>,
    /// The body ends after so many bytes, as if that were all.
    ends_after: Option<usize>,
}

impl Near {
    fn new(face: Face, cut: Cut) -> Arc<Self> {
        Arc::new(Self { face: Arc::new(face), cut, asked: Mutex::default() })
    }
}

#[async_trait]
impl Relay for Near {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _deadline: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        self.asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        let face = Arc::clone(&self.face);
        let answer = face.answer(request, futures::future::pending()).await;
        let (head, body) = answer.into_parts();
        let body =
            body.map(|piece| piece.map_err(|error| RelayError::Unreachable(error.to_string())));
        Ok(http::Response::from_parts(head, self.cut.apply(body.boxed())))
    }
}

impl Cut {
    fn apply(&self, body: RelayBody) -> RelayBody {
        let mut sizes = self.pieces.clone().into_iter().cycle();
        let body = body.flat_map(move |piece| {
            let mut pieces = Vec::new();
            match piece {
                Ok(mut rest) => {
                    while !rest.is_empty() {
                        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
                        pieces.push(Ok(rest.split_to(size)));
                    }
                }
                Err(error) => pieces.push(Err(error)),
            }
            stream::iter(pieces)
        });
        let limit = self.breaks_after.or(self.ends_after).unwrap_or(usize::MAX);
        let breaks = self.breaks_after.is_some();
        let mut passed = 0;
        let mut over = false;
        body.flat_map(move |piece| {
            let mut out = Vec::new();
            match piece {
                _ if over => {}
                Ok(piece) if passed + piece.len() > limit => {
                    over = true;
                    out.push(Ok(piece.slice(..limit - passed)));
                    if breaks {
                        out.push(Err(RelayError::Unreachable("the line is dead".to_owned())));
                    }
                }
                Ok(piece) => {
                    passed += piece.len();
                    out.push(Ok(piece));
                }
                Err(error) => out.push(Err(error)),
            }
            stream::iter(out)
        })
        .boxed()
    }
}

/// Directories that are connectors in memory.
struct Known {
    connector: Arc<dyn Connector>,
    opened: AtomicUsize,
    scopes: Mutex<Vec<RemoteScope>>,
}

impl Known {
    fn new(connector: Arc<dyn Connector>) -> Arc<Self> {
        Arc::new(Self { connector, opened: AtomicUsize::new(0), scopes: Mutex::default() })
    }
}

impl Directories for Known {
    fn names(&self) -> Vec<String> {
        vec!["corp".to_owned(), "Ünix & Söhne/2".to_owned()]
    }

    fn open(&self, _: &str, scope: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.scopes.lock().unwrap().push(scope.clone());
        if scope.base.as_deref() == Some("nowhere") {
            return Err(ConnectorError::Configuration("there is no such base".to_owned()));
        }
        Ok(Arc::clone(&self.connector))
    }
}

/// A connected system that tells what it was told to tell.
#[derive(Default)]
struct Scripted {
    id: Option<ConnectorId>,
    schema: ConnectorSchema,
    pages: Vec<ImportPage>,
    /// Instead of what comes behind the pages.
    error: Option<(&'static str, String)>,
    /// What single questions are about.
    objects: BTreeMap<Anchor, ImportedObject>,
    /// What it was asked.
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn error(&self) -> Option<ConnectorError> {
        self.error.as_ref().map(|(kind, text)| error(kind, text))
    }
}

const KINDS: [&str; 8] = [
    "watermark",
    "unreachable",
    "credentials",
    "forbidden",
    "protocol",
    "incomplete",
    "unsupported",
    "configuration",
];

fn error(kind: &str, text: &str) -> ConnectorError {
    let text = text.to_owned();
    match kind {
        "watermark" => ConnectorError::WatermarkRefused(text),
        "unreachable" => ConnectorError::Unreachable(text),
        "credentials" => ConnectorError::Credentials(text),
        "forbidden" => ConnectorError::Forbidden(text),
        "protocol" => ConnectorError::Protocol(text),
        "incomplete" => ConnectorError::Incomplete(text),
        "unsupported" => ConnectorError::Unsupported(text),
        _ => ConnectorError::Configuration(text),
    }
}

#[async_trait]
impl Connector for Scripted {
    fn id(&self) -> &ConnectorId {
        self.id.as_ref().unwrap()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(self.schema.clone())
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let mode = match &request.mode {
            ImportMode::Full => "full".to_owned(),
            ImportMode::Delta(watermark) => watermark.0.to_string(),
        };
        self.asked.lock().unwrap().push(format!("{mode} {:?}", request.shape));
        let last = self.error().map(Err);
        stream::iter(self.pages.iter().cloned().map(Ok).chain(last)).boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.asked.lock().unwrap().push(format!("read {anchors:?} {shape:?}"));
        let found = anchors.iter().filter_map(|anchor| self.objects.get(anchor).cloned());
        self.error().map_or_else(|| Ok(found.collect()), Err)
    }

    async fn find(
        &self,
        query: &MatchQuery,
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        self.asked.lock().unwrap().push(format!("{query:?} {shape:?}"));
        let has = |object: &&ImportedObject| {
            object.object_type == query.object_type
                && (object.attributes.get(&query.attribute).contains(&query.value)
                    || object.dn.as_ref().is_some_and(|dn| {
                        query.attribute == AttributeName::new(MatchQuery::DN)
                            && query.value == AttributeValue::text(dn.as_str())
                    }))
        };
        let found = self.objects.values().filter(has).take(query.limit).cloned();
        self.error().map_or_else(|| Ok(found.collect()), Err)
    }

    async fn export(&self, _: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        Ok(Vec::new())
    }
}

/// All that a read told, and how it ended.
#[derive(Debug, Default)]
struct Read {
    changes: Vec<ImportChange>,
    expected: Vec<u64>,
    end: Option<ImportEnd>,
    error: Option<ConnectorError>,
}

async fn read(connector: &dyn Connector, shape: &ImportShape, mode: ImportMode) -> Read {
    let mut read = Read::default();
    let mut pages = connector.import(ImportRequest { mode, shape: shape.clone() });
    while let Some(page) = pages.next().await {
        assert!(read.end.is_none() && read.error.is_none(), "something came after the end");
        match page {
            Ok(page) => {
                read.changes.extend(page.changes);
                read.expected.extend(page.expected);
                read.end = page.end;
            }
            Err(error) => read.error = Some(error),
        }
    }
    read
}

impl Read {
    /// In a form that can be compared.
    fn shown(&self) -> String {
        let end = self.end.as_ref().map(|end| (end.watermark.as_ref().map(|w| &w.0), end.sweep));
        format!("{:#?}\n{:?}\n{end:?}\n{:?}", self.changes, self.expected, self.error)
    }
}

fn remote(relay: Arc<dyn Relay>) -> RemoteConnector {
    RemoteConnector::new("cloud".into(), "corp".to_owned(), RemoteScope::default(), relay)
}

fn near(connector: Arc<dyn Connector>, cut: Cut) -> RemoteConnector {
    remote(Near::new(Face::new(Known::new(connector)), cut))
}

fn scripted() -> Scripted {
    Scripted { id: Some("corp".into()), ..Scripted::default() }
}

fn shape(types: &[(&str, &[&str])]) -> ImportShape {
    let types = types
        .iter()
        .map(|(kind, names)| ((*kind).into(), names.iter().map(|name| (*name).into()).collect()))
        .collect();
    ImportShape { types }
}

/// Runs to its end what waits for nothing outside.
fn now<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

//! The directory that is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use scim_sync::connector::{
    ChangedObject, ConnectorSchema, ExportOutcome, ExportWrite, ImportChange, ImportEnd,
    ImportMode, ImportPage, ImportRequest, ImportShape, ImportedObject, MatchQuery,
    ReferenceChange, SourceScope, ValueKind, Watermark,
};
use scim_sync::{
    Anchor, AttributeName, AttributeSet, Connector, ConnectorError, ConnectorId, Dn, ObjectType,
};

use super::{references, type_schema};

/// One object of the directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) object_type: ObjectType,
    pub(crate) attributes: AttributeSet,
    pub(crate) references: BTreeMap<AttributeName, BTreeSet<Anchor>>,
    pub(crate) in_scope: bool,
    /// Where it is, in directories that have names.
    pub(crate) dn: Option<&'static str>,
}

/// The directory: the truth.
#[derive(Debug, Default)]
pub(crate) struct DirectoryState {
    pub(crate) entries: BTreeMap<Anchor, Entry>,
    log: Vec<Anchor>,
}

impl DirectoryState {
    /// Says that an object changed, came or went.
    pub(crate) fn touch(&mut self, anchor: &Anchor) {
        self.log.push(anchor.clone());
    }
}

/// What goes wrong with the directory in one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// The connection breaks after so many pages.
    Breaks(usize),
    /// The answer ends after so many pages, without an end mark and without an error.
    CutOff(usize),
    /// A page comes in half, then the connection breaks.
    HalfPage(usize),
    /// A complete read tells nothing.
    Empty,
    /// The watermark is not accepted.
    Refused,
    /// Nothing is accepted.
    Credentials,
}

/// The connector of the directory.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    id: ConnectorId,
    pub(crate) state: Arc<Mutex<DirectoryState>>,
    pub(crate) fault: Arc<Mutex<Option<ReadFault>>>,
    pub(crate) page: usize,
    /// Changes are told without the values that stayed.
    pub(crate) sparse: bool,
}

impl Directory {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: ConnectorId::new(id),
            state: Arc::default(),
            fault: Arc::default(),
            page: 4,
            sparse: false,
        }
    }

    fn import_pages(&self, request: &ImportRequest) -> Vec<Result<ImportPage, ConnectorError>> {
        let state = self.state.lock().unwrap();
        let fault = self.fault.lock().unwrap().take();
        let sweep = matches!(request.mode, ImportMode::Full);
        let changes: Vec<ImportChange> = match &request.mode {
            ImportMode::Full => {
                let told = state.entries.iter();
                told.map(|(a, e)| ImportChange::Object(whole(a, e, &request.shape))).collect()
            }
            ImportMode::Delta(Watermark(from)) => {
                if fault == Some(ReadFault::Refused) {
                    let why = "the cookie is of another server".to_owned();
                    return vec![Err(ConnectorError::WatermarkRefused(why))];
                }
                let from = usize::try_from(from.as_u64().unwrap()).unwrap();
                let mut seen = BTreeSet::new();
                let since = state.log[from..].iter().rev();
                let mut last: Vec<_> = since.filter(|anchor| seen.insert(*anchor)).collect();
                last.reverse();
                last.into_iter()
                    .map(|anchor| self.changed(anchor, &state, &request.shape))
                    .collect()
            }
        };
        let watermark = Some(Watermark(serde_json::json!(state.log.len())));
        let mut pages: Vec<Result<ImportPage, ConnectorError>> = Vec::new();
        let mut chunks = changes.chunks(self.page).peekable();
        if chunks.peek().is_none() {
            pages.push(Ok(ImportPage::default()));
        }
        for chunk in chunks {
            pages.push(Ok(ImportPage { changes: chunk.to_vec(), expected: None, end: None }));
        }
        let broken = || Err(ConnectorError::Unreachable("the connection broke".to_owned()));
        match fault {
            Some(ReadFault::Breaks(after)) => {
                pages.truncate(after);
                pages.push(broken());
                return pages;
            }
            Some(ReadFault::HalfPage(after)) => {
                pages.truncate(after + 1);
                if let Some(Ok(page)) = pages.last_mut() {
                    page.changes.truncate(page.changes.len() / 2);
                }
                pages.push(broken());
                return pages;
            }
            Some(ReadFault::CutOff(after)) => {
                pages.truncate(after);
                return pages;
            }
            Some(ReadFault::Credentials) => {
                return vec![Err(ConnectorError::Credentials("the password is wrong".to_owned()))];
            }
            Some(ReadFault::Empty) if sweep => pages = vec![Ok(ImportPage::default())],
            Some(ReadFault::Empty | ReadFault::Refused) | None => {}
        }
        if let Some(Ok(page)) = pages.last_mut() {
            page.end = Some(ImportEnd { watermark, sweep });
        }
        pages
    }

    fn changed(
        &self,
        anchor: &Anchor,
        state: &DirectoryState,
        shape: &ImportShape,
    ) -> ImportChange {
        let Some(entry) = state.entries.get(anchor) else {
            return ImportChange::Deleted(anchor.clone());
        };
        let object = whole(anchor, entry, shape);
        if !self.sparse {
            return ImportChange::Object(object);
        }
        let cleared = ["title", "member", "manager"].map(AttributeName::new);
        let mut attributes: BTreeMap<_, _> =
            object.attributes.iter().map(|(n, v)| (n.clone(), v.to_vec())).collect();
        attributes.entry(cleared[0].clone()).or_default();
        let mut references = BTreeMap::new();
        for name in &cleared[1..] {
            let added = object.references.get(name).cloned().unwrap_or_default();
            references.insert(
                name.clone(),
                ReferenceChange { replace: true, added, removed: Vec::new() },
            );
        }
        ImportChange::Changed(ChangedObject {
            anchor: anchor.clone(),
            object_type: object.object_type,
            dn: object.dn,
            scope: Some(object.scope),
            attributes,
            references,
            version: None,
        })
    }
}

/// An object, with the attributes that were asked for.
fn whole(anchor: &Anchor, entry: &Entry, shape: &ImportShape) -> ImportedObject {
    let asked = |name: &AttributeName| {
        shape.types.get(&entry.object_type).is_some_and(|names| names.contains(name))
    };
    let attributes = entry.attributes.iter().filter(|(name, _)| asked(name));
    let mut references = references(&entry.references);
    references.retain(|name, _| asked(name));
    ImportedObject {
        anchor: anchor.clone(),
        dn: entry.dn.map(Dn::new),
        object_type: entry.object_type.clone(),
        scope: if entry.in_scope {
            SourceScope::In
        } else {
            SourceScope::Out("not in the pilot group".to_owned())
        },
        attributes: attributes.map(|(name, values)| (name.clone(), values.to_vec())).collect(),
        references,
        version: None,
    }
}

fn unsupported<T>() -> Result<T, ConnectorError> {
    Err(ConnectorError::Unsupported("this system cannot do that".to_owned()))
}

#[async_trait]
impl Connector for Directory {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        let user = type_schema(&[
            ("sAMAccountName", ValueKind::Text, false),
            ("displayName", ValueKind::Text, false),
            ("title", ValueKind::Text, false),
            ("enabled", ValueKind::Boolean, false),
            ("objectGUID", ValueKind::Text, false),
            ("manager", ValueKind::Reference, false),
        ]);
        let group = type_schema(&[
            ("cn", ValueKind::Text, false),
            ("objectGUID", ValueKind::Text, false),
            ("member", ValueKind::Reference, true),
        ]);
        let types = [(ObjectType::new("user"), user), (ObjectType::new("group"), group)];
        Ok(ConnectorSchema { types: types.into() })
    }

    fn import<'a>(
        &'a self,
        request: ImportRequest,
    ) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        stream::iter(self.import_pages(&request)).boxed()
    }

    async fn read(
        &self,
        anchors: &[Anchor],
        shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        let state = self.state.lock().unwrap();
        let told = |anchor| Some(whole(anchor, state.entries.get(anchor)?, shape));
        Ok(anchors.iter().filter_map(told).collect())
    }

    async fn find(
        &self,
        _query: &MatchQuery,
        _shape: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        unsupported()
    }

    async fn export(
        &self,
        _writes: Vec<ExportWrite>,
    ) -> Result<Vec<ExportOutcome>, ConnectorError> {
        unsupported()
    }
}

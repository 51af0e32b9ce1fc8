//! How much the way over the wire costs: objects a second that are written by a face and read by a remote connector, on one
//! thread, with nothing between the two.
//!
//! `cargo run --release -p scim-sync-connectors --example remote_rate`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use scim_sync::connector::{
    ConnectorSchema, ExportOutcome, ExportWrite, ImportChange, ImportEnd, ImportMode, ImportPage,
    ImportRequest, ImportShape, ImportedObject, MatchQuery, ReferenceTo, SourceScope,
};
use scim_sync::{Anchor, AttributeSet, AttributeValue, Connector, ConnectorError, ConnectorId, Dn};
use scim_sync_connectors::remote::{
    Directories, Face, Relay, RelayBody, RelayError, RemoteConnector, RemoteScope,
};

const PEOPLE: usize = 100_000;
const PAGE: usize = 500;
const ATTRIBUTES: [&str; 20] = [
    "cn",
    "sAMAccountName",
    "userPrincipalName",
    "mail",
    "givenName",
    "sn",
    "displayName",
    "title",
    "department",
    "company",
    "physicalDeliveryOfficeName",
    "telephoneNumber",
    "mobile",
    "streetAddress",
    "l",
    "postalCode",
    "c",
    "employeeID",
    "userAccountControl",
    "objectSid",
];

/// People that are made up once.
struct People {
    id: ConnectorId,
    people: Vec<ImportedObject>,
}

fn person(number: usize) -> ImportedObject {
    let mut attributes = AttributeSet::new();
    for name in ATTRIBUTES {
        let value = match name {
            "userAccountControl" => AttributeValue::Integer(512),
            "objectSid" => AttributeValue::Binary(vec![7; 28]),
            _ => AttributeValue::text(format!("{name} of person {number}")),
        };
        attributes.set(name.into(), vec![value]);
    }
    let manager = vec![ReferenceTo::Anchor(Anchor::new(format!("{:024}", number / 10)))];
    ImportedObject {
        anchor: Anchor::new(format!("{number:024}")),
        dn: Some(Dn::new(format!("CN=Person {number},OU=People,DC=corp,DC=example"))),
        object_type: "user".into(),
        scope: SourceScope::In,
        attributes,
        references: BTreeMap::from([("manager".into(), manager)]),
        version: None,
    }
}

#[async_trait]
impl Connector for People {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(ConnectorSchema::default())
    }

    fn import<'a>(&'a self, _: ImportRequest) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let pages = self.people.chunks(PAGE).map(|people| {
            let changes = people.iter().cloned().map(ImportChange::Object).collect();
            Ok(ImportPage { changes, expected: None, end: None })
        });
        let end = Some(ImportEnd { watermark: None, sweep: true });
        let last = ImportPage { end, ..ImportPage::default() };
        stream::iter(pages.chain([Ok(last)])).boxed()
    }

    async fn read(
        &self,
        _: &[Anchor],
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn find(
        &self,
        _: &MatchQuery,
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Ok(Vec::new())
    }

    async fn export(&self, _: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        Ok(Vec::new())
    }
}

struct Only(Arc<People>);

impl Directories for Only {
    fn names(&self) -> Vec<String> {
        vec!["corp".to_owned()]
    }

    fn open(&self, _: &str, _: &RemoteScope) -> Result<Arc<dyn Connector>, ConnectorError> {
        Ok(Arc::clone(&self.0) as Arc<dyn Connector>)
    }
}

struct Near(Face, Arc<AtomicUsize>);

#[async_trait]
impl Relay for Near {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        let (head, body) = self.0.answer(request, futures::future::pending()).await.into_parts();
        let bytes = Arc::clone(&self.1);
        let body = body.map(move |piece| {
            let piece = piece.map_err(|error| RelayError::Unreachable(error.to_string()))?;
            bytes.fetch_add(piece.len(), Ordering::Relaxed);
            Ok(piece)
        });
        Ok(http::Response::from_parts(head, body.boxed()))
    }
}

async fn read(connector: &dyn Connector) -> Result<Duration, ConnectorError> {
    let begun = Instant::now();
    let names = ATTRIBUTES.iter().chain(&["manager"]).map(|&name| name.into()).collect();
    let shape = ImportShape { types: [("user".into(), names)].into() };
    let mut pages = connector.import(ImportRequest { mode: ImportMode::Full, shape });
    while let Some(page) = pages.next().await {
        page?;
    }
    Ok(begun.elapsed())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let people = (0..PEOPLE).map(person).collect();
    let people = Arc::new(People { id: "corp".into(), people });
    let bytes = Arc::new(AtomicUsize::new(0));
    let relay = Near(Face::new(Arc::new(Only(Arc::clone(&people)))), Arc::clone(&bytes));
    let scope = RemoteScope::default();
    let far = RemoteConnector::new("cloud".into(), "corp".to_owned(), scope, Arc::new(relay));
    let mut out = std::io::stdout();
    for _ in 0..3 {
        let before = bytes.load(Ordering::Relaxed);
        let (direct, remote) = (read(&*people).await?, read(&far).await?);
        let bytes = bytes.load(Ordering::Relaxed) - before;
        let cost = remote.saturating_sub(direct).as_secs_f64() / PEOPLE as f64;
        writeln!(
            out,
            "{PEOPLE} objects of {} bytes: {:.1} µs each on both sides together, {:.0} objects a second",
            bytes / PEOPLE,
            cost * 1e6,
            1.0 / cost
        )?;
    }
    Ok(())
}

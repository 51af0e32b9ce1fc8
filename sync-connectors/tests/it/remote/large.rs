//! A hundred thousand people, and a group that holds them all, in little memory.

use scim_sync::AttributeSet;
use scim_sync::connector::{ReferenceTo, SourceScope, Watermark};

use super::*;

/// A system that makes its objects up while it is read.
struct Generated {
    inner: Scripted,
    people: usize,
    page: usize,
    made: Arc<AtomicUsize>,
}

fn person(number: usize) -> ImportChange {
    let attributes = AttributeSet::new()
        .with("cn", AttributeValue::text(format!("Person {number}")))
        .with("mail", AttributeValue::text(format!("person{number}@corp.example")));
    object(&format!("anchor-of-person-{number:08}"), "user", attributes, BTreeMap::new())
}

fn object(
    anchor: &str,
    kind: &str,
    attributes: AttributeSet,
    references: BTreeMap<AttributeName, Vec<ReferenceTo>>,
) -> ImportChange {
    ImportChange::Object(ImportedObject {
        anchor: Anchor::new(anchor),
        dn: Some(format!("CN={anchor},OU=People,DC=corp,DC=example").as_str().into()),
        object_type: kind.into(),
        scope: SourceScope::In,
        attributes,
        references,
        version: None,
    })
}

#[async_trait]
impl Connector for Generated {
    fn id(&self) -> &ConnectorId {
        self.inner.id()
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        self.inner.schema().await
    }

    fn import<'a>(&'a self, _: ImportRequest) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let starts = (0..self.people).step_by(self.page);
        let pages = starts.map(|start| {
            let people = start..self.people.min(start + self.page);
            self.made.fetch_add(people.len(), Ordering::Relaxed);
            let changes = people.map(person).collect();
            Ok(ImportPage { changes, expected: Some(self.people as u64), end: None })
        });
        let last = std::iter::once_with(|| {
            let members = (0..self.people).map(|number| {
                ReferenceTo::Anchor(format!("anchor-of-person-{number:08}").as_str().into())
            });
            let all = [("member".into(), members.collect())].into();
            let end = ImportEnd { watermark: Some(Watermark(7.into())), sweep: true };
            let changes = vec![object("everybody", "group", AttributeSet::new(), all)];
            Ok(ImportPage { changes, expected: None, end: Some(end) })
        });
        stream::iter(pages.chain(last)).boxed()
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

/// Counts what passes, and the largest piece of it.
struct Counting {
    face: Face,
    bytes: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

#[async_trait]
impl Relay for Counting {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _: Duration,
    ) -> Result<http::Response<RelayBody>, RelayError> {
        let (head, body) = self.face.answer(request, futures::future::pending()).await.into_parts();
        let (bytes, largest) = (Arc::clone(&self.bytes), Arc::clone(&self.largest));
        let body = body.map(move |piece| {
            let piece = piece.map_err(|error| RelayError::Unreachable(error.to_string()))?;
            bytes.fetch_add(piece.len(), Ordering::Relaxed);
            largest.fetch_max(piece.len(), Ordering::Relaxed);
            Ok(piece)
        });
        Ok(http::Response::from_parts(head, body.boxed()))
    }
}

#[tokio::test]
async fn a_full_read_is_never_far_ahead_of_its_reader() {
    const PEOPLE: usize = 100_000;
    // As a directory gives them, and all in very large pages: the wire splits those.
    for page in [500, 20_000] {
        let made = Arc::new(AtomicUsize::new(0));
        let system = Generated { inner: scripted(), people: PEOPLE, page, made: Arc::clone(&made) };
        let (bytes, largest) = (Arc::default(), Arc::default());
        let relay = Counting {
            face: Face::new(Known::new(Arc::new(system))),
            bytes: Arc::clone(&bytes),
            largest: Arc::clone(&largest),
        };
        let far = remote(Arc::new(relay));
        let shape = shape(&[("user", &["cn", "mail"]), ("group", &["member"])]);
        let mut pages = far.import(ImportRequest { mode: ImportMode::Full, shape });
        let (mut read, mut passed, mut members, mut ended) = (0, 0, 0, false);
        while let Some(told) = pages.next().await {
            let told = told.unwrap();
            let people = told.changes.iter().filter(|change| {
                matches!(change, ImportChange::Object(object) if object.object_type == "user".into())
            });
            let people = people.count();
            assert!(people <= 2_000, "{people} objects in one page");
            read += people;
            let ahead = made.load(Ordering::Relaxed) - read;
            assert!(ahead <= page + 4_000, "{ahead} objects are made that nobody has read");
            let more = bytes.load(Ordering::Relaxed) - passed;
            passed += more;
            if told.end.is_none() {
                assert!(more <= 2 << 20, "{more} bytes for one page");
            }
            for change in &told.changes {
                let ImportChange::Object(object) = change else { panic!("{change:?}") };
                members += object.references.values().map(Vec::len).sum::<usize>();
            }
            ended = told.end.is_some_and(|end| end.sweep && end.watermark.is_some());
        }
        assert_eq!((read, members, ended), (PEOPLE, PEOPLE, true));
        assert!(largest.load(Ordering::Relaxed) <= 64 << 10);
    }
}

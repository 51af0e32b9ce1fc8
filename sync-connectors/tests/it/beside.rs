//! Reads and writes that go on while nobody waits for them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::FutureExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use scim_sync::connector::{
    ConnectorSchema, ExportOperation, ExportOutcome, ExportWrite, ImportChange, ImportEnd,
    ImportMode, ImportPage, ImportRequest, ImportShape, ImportedObject, MatchQuery,
};
use scim_sync::{Anchor, Connector, ConnectorError, ConnectorId, SpaceId};
use scim_sync_connectors::Beside;

const DEADLINE: Duration = Duration::from_secs(20);
const PAGES: usize = 5;

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    Fails,
    Panics,
    Endless,
}

/// Says what it is doing.
struct Telling {
    id: ConnectorId,
    manner: Manner,
    said: Sender<&'static str>,
}

struct Ending(Sender<&'static str>);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

fn page(number: usize) -> ImportPage {
    let changes = vec![ImportChange::Present(Anchor::new(number.to_string()))];
    let end = (number + 1 == PAGES).then_some(ImportEnd { watermark: None, sweep: true });
    ImportPage { changes, expected: Some(5), end }
}

#[async_trait]
impl Connector for Telling {
    fn id(&self) -> &ConnectorId {
        &self.id
    }

    async fn schema(&self) -> Result<ConnectorSchema, ConnectorError> {
        Ok(ConnectorSchema::default())
    }

    fn import<'a>(&'a self, _: ImportRequest) -> BoxStream<'a, Result<ImportPage, ConnectorError>> {
        let ending = Ending(self.said.clone());
        let pages = (0..).map(move |number| {
            let _ = ending.0.send("page");
            match self.manner {
                Manner::Fails if number == 2 => {
                    Err(ConnectorError::Unreachable("it broke".to_owned()))
                }
                Manner::Panics if number == 2 => panic!("the reader has a fault"),
                _ => Ok(page(number)),
            }
        });
        let most = if self.manner == Manner::Endless { usize::MAX } else { PAGES };
        stream::iter(pages.take(most)).boxed()
    }

    async fn read(
        &self,
        _: &[Anchor],
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Err(ConnectorError::Protocol("read".to_owned()))
    }

    async fn find(
        &self,
        _: &MatchQuery,
        _: &ImportShape,
    ) -> Result<Vec<ImportedObject>, ConnectorError> {
        Err(ConnectorError::Protocol("find".to_owned()))
    }

    async fn export(&self, writes: Vec<ExportWrite>) -> Result<Vec<ExportOutcome>, ConnectorError> {
        let _ending = Ending(self.said.clone());
        self.said.send("writing").unwrap();
        if self.manner == Manner::Endless {
            futures::future::pending::<()>().await;
        }
        Ok(writes.into_iter().map(|_| ExportOutcome::Done(Default::default())).collect())
    }
}

fn beside(manner: Manner) -> (Beside, Receiver<&'static str>) {
    let (said, heard) = channel();
    (Beside::new(Arc::new(Telling { id: "far".into(), manner, said })), heard)
}

fn everything() -> ImportRequest {
    ImportRequest { mode: ImportMode::Full, shape: ImportShape::default() }
}

fn writes(count: u64) -> Vec<ExportWrite> {
    let delete = |number| ExportWrite {
        object: SpaceId(number),
        object_type: "User".into(),
        operation: ExportOperation::Delete { anchor: Anchor::new("x"), version: None },
    };
    (0..count).map(delete).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_those_of_the_connector_and_the_next_is_read_meanwhile() {
    let (far, heard) = beside(Manner::Good);
    assert_eq!(far.id().as_str(), "far");
    let mut pages = far.import(everything());
    let first = pages.next().await.unwrap().unwrap();
    // This thread waits outside of the runtime, as one that computes does.
    for _ in 0..2 {
        assert_eq!(heard.recv_timeout(DEADLINE), Ok("page"));
    }
    let mut told = vec![first];
    while let Some(page) = pages.next().await {
        told.push(page.unwrap());
    }
    let expected: Vec<_> = (0..PAGES).map(page).collect();
    assert_eq!(format!("{told:?}"), format!("{expected:?}"));
    assert_eq!(far.read(&[], &ImportShape::default()).await.unwrap_err().to_string(), "read");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_a_page_is_read_ahead_and_a_read_that_is_dropped_ends() {
    let (far, heard) = beside(Manner::Endless);
    let mut pages = far.import(everything());
    pages.next().await.unwrap().unwrap();
    let mut told = 0;
    while heard.recv_timeout(Duration::from_millis(200)).is_ok() {
        told += 1;
    }
    assert!(told <= 3, "{told} pages were made for one that was asked for");
    drop(pages);
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("dropped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_comes_behind_what_was_told_before_it() {
    let (far, _heard) = beside(Manner::Fails);
    let told: Vec<_> = far.import(everything()).take(3).collect().await;
    assert!(told[0].is_ok() && told[1].is_ok());
    assert_eq!(told[2].as_ref().unwrap_err().to_string(), "it broke");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_of_the_reader_is_no_end_of_the_read() {
    let (far, _heard) = beside(Manner::Panics);
    let read = far.import(everything()).collect::<Vec<_>>();
    let panic = std::panic::AssertUnwindSafe(read).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the reader has a fault"));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_on_when_they_were_asked_for_once() {
    let (far, heard) = beside(Manner::Good);
    let mut sending = far.export(writes(3));
    assert!(heard.try_recv().is_err(), "nothing happens before it is asked for");
    let _ = futures::poll!(sending.as_mut());
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("writing"));
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("dropped"), "it came to its end");
    assert_eq!(sending.await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_nobody_waits_for_any_more_end() {
    let (far, heard) = beside(Manner::Endless);
    let mut sending = far.export(writes(1));
    let _ = futures::poll!(sending.as_mut());
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("writing"));
    drop(sending);
    assert_eq!(heard.recv_timeout(DEADLINE), Ok("dropped"));
}

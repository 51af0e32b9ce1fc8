//! Reads one system into its space: page by page, as they come.

use std::pin::pin;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use futures::future::{Either, select};
use serde::{Deserialize, Serialize};

use crate::connector::{Connector, ConnectorError, ImportMode, ImportRequest, ImportShape};
use crate::escrow::RetrySchedule;
use crate::import::{ReadKind, Staging, StagingError};
use crate::observer::{Event, Observer, Phase};
use crate::stop::Stop;
use crate::{ConnectorId, StoreError, SyncStore};

/// How many objects are read whole at a time.
const READ: usize = 100;

/// What an import brought.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Whether everything was read.
    pub full: bool,
    /// How many objects the system told of.
    pub told: u64,
    /// Objects that are new.
    pub added: u64,
    /// Objects of which something is otherwise than it was.
    pub updated: u64,
    /// Objects that are gone.
    pub deleted: u64,
    /// Why the changes could not be had and everything was read, where that was so.
    pub refused: Option<String>,
}

/// Why an import did not come to its end. What it told is staged, nothing was concluded from what it did not tell.
#[derive(Debug)]
pub(super) enum ImportEnded {
    Stopped,
    Connector(ConnectorError),
    Staging(StagingError),
}

impl From<StagingError> for ImportEnded {
    fn from(error: StagingError) -> Self {
        Self::Staging(error)
    }
}

impl From<StoreError> for ImportEnded {
    fn from(error: StoreError) -> Self {
        Self::Staging(error.into())
    }
}

/// One import.
pub(super) struct Import<'a> {
    pub(super) store: &'a mut dyn SyncStore,
    pub(super) connector: &'a dyn Connector,
    pub(super) shape: &'a ImportShape,
    pub(super) digest: &'a str,
    pub(super) now: DateTime<Utc>,
    pub(super) retry: &'a RetrySchedule,
    pub(super) stop: &'a Stop,
    pub(super) observer: &'a mut (dyn Observer + Send),
}

impl Import<'_> {
    /// Reads changes where they can be had, and everything else.
    pub(super) async fn run(mut self, full: bool) -> Result<ImportReport, ImportEnded> {
        let id = self.connector.id().clone();
        let watermark = self.store.connector(&id)?.watermark;
        if let Some(watermark) = &watermark {
            self.connector.remember(watermark);
        }
        let mode = match watermark {
            Some(watermark) if !full => ImportMode::Delta(watermark),
            _ => ImportMode::Full,
        };
        self.observer.event(&Event::PhaseStarted {
            phase: Phase::Import,
            connector: Some(id.clone()),
            expected: None,
        });
        let was_delta = matches!(mode, ImportMode::Delta(_));
        let report = match self.read(&id, mode).await {
            Err(ImportEnded::Connector(ConnectorError::WatermarkRefused(why))) if was_delta => {
                let report = self.read(&id, ImportMode::Full).await?;
                ImportReport { refused: Some(why), ..report }
            }
            other => other?,
        };
        self.observer.event(&Event::PhaseEnded { phase: Phase::Import, connector: Some(id) });
        Ok(report)
    }

    async fn read(
        &mut self,
        id: &ConnectorId,
        mode: ImportMode,
    ) -> Result<ImportReport, ImportEnded> {
        let full = matches!(mode, ImportMode::Full);
        let kind = if full { ReadKind::Full } else { ReadKind::Delta };
        let request = ImportRequest { mode, shape: self.shape.clone() };
        let mut pages = self.connector.import(request);
        let mut staging = Staging::begin(&mut *self.store, id, kind, self.now)?
            .with_shape(self.digest)
            .with_types(self.shape.types.keys().cloned().collect())
            .with_retry(self.retry.clone());
        let (mut told, mut expected) = (0, None);
        loop {
            let page = match select(pages.next(), self.stop.wait()).await {
                Either::Left((Some(page), _)) => page.map_err(ImportEnded::Connector)?,
                Either::Left((None, _)) => break,
                Either::Right(_) => return Err(ImportEnded::Stopped),
            };
            told += page.changes.len() as u64;
            expected = page.expected.or(expected);
            // What is read back may ask for more; each anchor is asked for once.
            let mut unknown = staging.page(page)?.unknown;
            while !unknown.is_empty() {
                let asked: Vec<_> = unknown.drain(..unknown.len().min(READ)).collect();
                let reading = pin!(self.connector.read(&asked, self.shape));
                let objects = match select(reading, self.stop.wait()).await {
                    Either::Left((objects, _)) => objects.map_err(ImportEnded::Connector)?,
                    Either::Right(_) => return Err(ImportEnded::Stopped),
                };
                unknown.extend(staging.read_back(&asked, objects)?.unknown);
            }
            self.observer.event(&Event::PageImported { connector: id.clone(), told, expected });
        }
        let report = staging.finish()?;
        if !report.complete {
            return Err(ImportEnded::Connector(ConnectorError::Incomplete(format!(
                "{id} ended its answer before its end, after {told} objects; nothing is concluded from what it did not tell"
            ))));
        }
        Ok(ImportReport {
            full,
            told,
            added: report.added,
            updated: report.updated,
            deleted: report.deleted,
            refused: None,
        })
    }
}

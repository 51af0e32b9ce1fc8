//! Carries an undo file out: as a plan first, which passes the guard like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use chrono::{DateTime, Utc};

use super::entry::{Inverse, UndoEntry, UndoFileError, read_entries};
use crate::attribute::same_values;
use crate::connector::{
    AttributeEdit, Connector, ConnectorError, ExportOperation, ExportOutcome, ExportWrite,
    Exported, FailureKind, ImportChange, ImportPage, ImportedObject, ReferenceEdit, ReferenceTo,
    SourceScope,
};
use crate::import::{ReadKind, Staging, StagingError};
use crate::plan::{
    AttributeChange, ExportPlan, Phase, PlanBuilder, PlanOptions, ReferenceDelta, Step, StepKind,
    one_line,
};
use crate::space::{PendingImport, SpaceObject};
use crate::stop::Stop;
use crate::{Anchor, AttributeName, AttributeSet, ConnectorId, SpaceId, StoreError, SyncStore};

/// An undo file that was read.
#[derive(Clone, Debug)]
pub struct Undo {
    entries: Vec<UndoEntry>,
    cut_off: bool,
}

/// What an undo did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// Lines that were taken back.
    pub done: u64,
    /// Lines, or attributes of lines, that were left as they are, and why.
    pub skipped: Vec<String>,
    /// Lines that could not be taken back, and why.
    pub failed: Vec<String>,
    /// Identifiers of objects that were made again: the old one and the new one.
    pub renamed: BTreeMap<Anchor, Anchor>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// Why an undo could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was made again could not be staged.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The target could not be written to.
    #[error(transparent)]
    Target(#[from] ConnectorError),
}

impl Undo {
    /// Reads an undo file.
    ///
    /// # Errors
    /// [`UndoFileError`].
    pub fn read(file: impl BufRead) -> Result<Self, UndoFileError> {
        let (entries, cut_off) = read_entries(file)?;
        Ok(Self { entries, cut_off })
    }

    /// Takes lines as they are.
    #[must_use]
    pub fn of(entries: Vec<UndoEntry>) -> Self {
        Self { entries, cut_off: false }
    }

    /// Whether the last line was cut off: the write that it was about may have happened and is not taken back.
    #[must_use]
    pub fn cut_off(&self) -> bool {
        self.cut_off
    }

    /// The systems that the lines are about.
    #[must_use]
    pub fn targets(&self) -> BTreeSet<ConnectorId> {
        self.entries.iter().map(|entry| entry.target.clone()).collect()
    }

    /// What taking back would write to one target, for people and for the guard.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn plan(
        &self,
        store: &dyn SyncStore,
        target: &ConnectorId,
        options: &PlanOptions,
    ) -> Result<ExportPlan, StoreError> {
        let mut builder = PlanBuilder::new(target, options);
        loop {
            for entry in self.entries_of(target) {
                let there = self.row(store, entry)?;
                let empty = AttributeSet::new();
                let hologram = there.as_ref().map_or(&empty, |object| &object.hologram);
                let none = BTreeMap::new();
                let (kind, phase, anchor, values) = match &entry.inverse {
                    Inverse::Remove { anchor, .. } => {
                        (StepKind::Delete, Phase::Delete, anchor, &none)
                    }
                    Inverse::Change { anchor, attributes, references, .. } => {
                        if attributes.is_empty() && !references.is_empty() {
                            (StepKind::References, Phase::References, anchor, attributes)
                        } else {
                            (StepKind::Update, Phase::Update, anchor, attributes)
                        }
                    }
                    Inverse::Recreate { anchor, .. } => {
                        (StepKind::Create, Phase::Create, anchor, &none)
                    }
                };
                let step = Step {
                    phase,
                    target: target.clone(),
                    kind,
                    object_type: entry.object_type.clone(),
                    label: one_line(&entry.name),
                    anchor: Some(anchor.clone()),
                    changes: values
                        .iter()
                        .map(|(name, after)| AttributeChange {
                            name: name.clone(),
                            before: options.secrets.show(name, hologram.get(name)),
                            after: options.secrets.show(name, after),
                        })
                        .collect(),
                    references: deltas(store, there.as_ref(), &entry.inverse)?,
                    reason: format!("undo of run {}", entry.run),
                };
                let whole = serde_json::to_vec(&entry.inverse)
                    .map_err(|error| StoreError::Damaged(error.to_string()))?;
                builder.push(step, values, &whole);
            }
            if !builder.pass() {
                return Ok(builder.finish());
            }
        }
    }

    fn entries_of<'u>(&'u self, target: &ConnectorId) -> impl Iterator<Item = &'u UndoEntry> {
        let target = target.clone();
        self.entries.iter().rev().filter(move |entry| entry.target == target)
    }

    fn row(
        &self,
        store: &dyn SyncStore,
        entry: &UndoEntry,
    ) -> Result<Option<SpaceObject>, StoreError> {
        let (Inverse::Remove { anchor, .. }
        | Inverse::Change { anchor, .. }
        | Inverse::Recreate { anchor, .. }) = &entry.inverse;
        match store.object_by_anchor(&entry.target, anchor)? {
            Some(id) => store.object(id),
            None => Ok(None),
        }
    }

    /// Takes the lines of one target back, from the last to the first. The plan must have been admitted.
    ///
    /// A value that somebody changed since it was written is left as it is. Objects that were removed are made again and
    /// get new identifiers; the next synchronisation finds them by the matching attributes and links them. What the rules
    /// still ask for is asked for again by the next cycle: mend the source or the rules first.
    ///
    /// # Errors
    /// [`UndoError`]; what concerns single lines is in the report.
    pub async fn apply(
        &self,
        store: &mut dyn SyncStore,
        connector: &dyn Connector,
        now: DateTime<Utc>,
        stop: &Stop,
    ) -> Result<UndoReport, UndoError> {
        let mut report = UndoReport::default();
        for entry in self.entries_of(connector.id()) {
            if stop.asked() {
                report.stopped = true;
                break;
            }
            let mut taking = Taking { store: &mut *store, entry, now, report: &mut report };
            let Some((object, operation)) = taking.operation()? else { continue };
            let write = ExportWrite {
                object,
                object_type: entry.object_type.clone(),
                operation: operation.clone(),
            };
            let outcome = connector.export(vec![write]).await?.pop();
            match outcome {
                Some(ExportOutcome::Done(exported)) => {
                    taking.keep(&operation, &exported)?;
                    report.done += 1;
                }
                Some(ExportOutcome::Failed(failure))
                    if failure.kind == FailureKind::Missing
                        && matches!(operation, ExportOperation::Delete { .. }) =>
                {
                    taking.keep(&operation, &Exported::default())?;
                    report.done += 1;
                }
                Some(ExportOutcome::Failed(failure)) => {
                    report.failed.push(format!(
                        "{} {}: {}",
                        entry.object_type,
                        one_line(&entry.name),
                        failure.message
                    ));
                    if failure.kind == FailureKind::Busy {
                        report.stopped = true;
                        break;
                    }
                }
                None => {
                    report.failed.push(format!(
                        "{} {}: the target gave no answer",
                        entry.object_type,
                        one_line(&entry.name)
                    ));
                }
            }
        }
        Ok(report)
    }
}

/// One line that is being taken back.
struct Taking<'t> {
    store: &'t mut dyn SyncStore,
    entry: &'t UndoEntry,
    now: DateTime<Utc>,
    report: &'t mut UndoReport,
}

impl Taking<'_> {
    fn now_called(&self, anchor: &Anchor) -> Anchor {
        self.report.renamed.get(anchor).unwrap_or(anchor).clone()
    }

    fn row(&self, anchor: &Anchor) -> Result<Option<SpaceObject>, StoreError> {
        match self.store.object_by_anchor(&self.entry.target, anchor)? {
            Some(id) => self.store.object(id),
            None => Ok(None),
        }
    }

    fn skip(&mut self, why: &str) {
        let entry = self.entry;
        self.report.skipped.push(format!("{} {}: {why}", entry.object_type, one_line(&entry.name)));
    }

    /// What to write; `None` where nothing is left to be done.
    fn operation(&mut self) -> Result<Option<(SpaceId, ExportOperation)>, UndoError> {
        match &self.entry.inverse {
            Inverse::Remove { anchor, .. } => {
                let anchor = self.now_called(anchor);
                let Some(row) = self.row(&anchor)? else {
                    self.skip("it is not there any more");
                    return Ok(None);
                };
                Ok(Some((row.id, ExportOperation::Delete { anchor, version: row.version })))
            }
            Inverse::Recreate { anchor, attributes } => {
                if self.row(anchor)?.is_some() {
                    self.skip("it is there");
                    return Ok(None);
                }
                let create = ExportOperation::Create {
                    attributes: attributes.clone(),
                    references: BTreeMap::new(),
                };
                Ok(Some((SpaceId(0), create)))
            }
            Inverse::Change { anchor, attributes, written, references } => {
                let anchor = self.now_called(anchor);
                let Some(row) = self.row(&anchor)? else {
                    self.skip("it is not there any more");
                    return Ok(None);
                };
                let mut edits = BTreeMap::new();
                for (name, before) in attributes {
                    let there = row.hologram.get(name);
                    if same_values(there, before) {
                        continue;
                    }
                    if written.get(name).is_some_and(|written| !same_values(there, written)) {
                        self.skip(&format!("{name} was changed since and is left as it is"));
                        continue;
                    }
                    let edit = AttributeEdit { before: there.to_vec(), after: before.clone() };
                    edits.insert(name.clone(), edit);
                }
                let references = self.references(&row, references)?;
                if edits.is_empty() && references.is_empty() {
                    return Ok(None);
                }
                let update = ExportOperation::Update {
                    anchor,
                    version: row.version.clone(),
                    current: row.hologram.clone(),
                    attributes: edits,
                    references,
                };
                Ok(Some((row.id, update)))
            }
        }
    }

    /// The references that are really to come and to go.
    fn references(
        &mut self,
        row: &SpaceObject,
        references: &BTreeMap<AttributeName, super::UndoReferences>,
    ) -> Result<BTreeMap<AttributeName, ReferenceEdit>, UndoError> {
        let mut edits = BTreeMap::new();
        for (attribute, wanted) in references {
            let there = edges(self.store, row.id, attribute)?;
            let mut edit = ReferenceEdit::default();
            for anchor in &wanted.add {
                let anchor = self.now_called(anchor);
                match self.store.object_by_anchor(&self.entry.target, &anchor)? {
                    Some(id) if there.contains(&id) => {}
                    Some(_) => edit.add.push(anchor),
                    None => self.skip(&format!(
                        "{} is not there any more and cannot be one of its {attribute}",
                        one_line(anchor.as_str())
                    )),
                }
            }
            for anchor in &wanted.remove {
                let anchor = self.now_called(anchor);
                let id = self.store.object_by_anchor(&self.entry.target, &anchor)?;
                if id.is_some_and(|id| there.contains(&id)) {
                    edit.remove.push(anchor);
                }
            }
            if !edit.add.is_empty() || !edit.remove.is_empty() {
                edits.insert(attribute.clone(), edit);
            }
        }
        Ok(edits)
    }

    /// Keeps that a line was taken back.
    fn keep(&mut self, operation: &ExportOperation, exported: &Exported) -> Result<(), UndoError> {
        match operation {
            ExportOperation::Create { attributes, .. } => self.keep_made(attributes, exported),
            ExportOperation::Update { anchor, attributes, references, .. } => {
                self.store.begin()?;
                let kept = self.keep_changed(anchor, attributes, references, exported);
                self.end(kept)
            }
            ExportOperation::Delete { anchor, .. } => {
                self.store.begin()?;
                let kept = self.keep_removed(anchor);
                self.end(kept)
            }
        }
    }

    fn end(&mut self, kept: Result<(), StoreError>) -> Result<(), UndoError> {
        match kept {
            Ok(()) => self.store.commit()?,
            Err(error) => {
                self.store.rollback()?;
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn keep_made(
        &mut self,
        attributes: &AttributeSet,
        exported: &Exported,
    ) -> Result<(), UndoError> {
        let Some(anchor) = exported.anchor.clone() else {
            self.skip("it was made again and the target did not say its new identifier; the next full read finds it");
            return Ok(());
        };
        if let Inverse::Recreate { anchor: old, .. } = &self.entry.inverse {
            self.report.renamed.insert(old.clone(), anchor.clone());
        }
        let object = ImportedObject {
            anchor,
            dn: None,
            object_type: self.entry.object_type.clone(),
            scope: SourceScope::In,
            attributes: attributes.clone(),
            references: BTreeMap::<AttributeName, Vec<ReferenceTo>>::new(),
            version: exported.version.clone(),
        };
        let mut staging =
            Staging::begin(self.store, &self.entry.target, ReadKind::Delta, self.now)?;
        staging.page(ImportPage {
            changes: vec![ImportChange::Object(object)],
            ..ImportPage::default()
        })?;
        staging.finish()?;
        Ok(())
    }

    fn keep_changed(
        &mut self,
        anchor: &Anchor,
        attributes: &BTreeMap<AttributeName, AttributeEdit>,
        references: &BTreeMap<AttributeName, ReferenceEdit>,
        exported: &Exported,
    ) -> Result<(), StoreError> {
        let Some(mut row) = self.row(anchor)? else { return Ok(()) };
        for (name, edit) in attributes {
            row.hologram.set(name.clone(), edit.after.clone());
        }
        row.version.clone_from(&exported.version);
        row.unconfirmed = None;
        self.store.put_object(&row)?;
        for (attribute, edit) in references {
            for anchor in &edit.add {
                if let Some(to) = self.store.object_by_anchor(&self.entry.target, anchor)? {
                    self.store.add_edge(row.id, attribute, to)?;
                }
            }
            for anchor in &edit.remove {
                if let Some(to) = self.store.object_by_anchor(&self.entry.target, anchor)? {
                    self.store.remove_edge(row.id, attribute, to)?;
                }
            }
        }
        self.dirty(&row)
    }

    fn keep_removed(&mut self, anchor: &Anchor) -> Result<(), StoreError> {
        let Some(mut row) = self.row(anchor)? else { return Ok(()) };
        row.pending_export = None;
        row.pending_import = PendingImport::Delete;
        self.store.put_object(&row)?;
        self.dirty(&row)
    }

    fn dirty(&mut self, row: &SpaceObject) -> Result<(), StoreError> {
        match &row.link {
            Some(link) => self.store.mark_dirty(link.metaverse),
            None => Ok(()),
        }
    }
}

fn edges(
    store: &dyn SyncStore,
    from: SpaceId,
    attribute: &AttributeName,
) -> Result<BTreeSet<SpaceId>, StoreError> {
    let mut all = BTreeSet::new();
    let mut after = None;
    loop {
        let page = store.edges(from, attribute, after, 1000)?;
        all.extend(page.iter().copied());
        match page.last() {
            Some(last) if page.len() == 1000 => after = Some(*last),
            _ => return Ok(all),
        }
    }
}

/// How many references a line puts back.
fn deltas(
    store: &dyn SyncStore,
    there: Option<&SpaceObject>,
    inverse: &Inverse,
) -> Result<Vec<ReferenceDelta>, StoreError> {
    let Inverse::Change { references, .. } = inverse else { return Ok(Vec::new()) };
    let counts = match there {
        Some(object) => store.edge_counts(object.id)?,
        None => Vec::new(),
    };
    Ok(references
        .iter()
        .map(|(name, edit)| ReferenceDelta {
            name: name.as_str().into(),
            before: counts.iter().find(|(found, _)| found == name).map_or(0, |(_, count)| *count),
            added: edit.add.len() as u64,
            removed: edit.remove.len() as u64,
        })
        .collect())
}

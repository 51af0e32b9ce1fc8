//! Carries an undo file out, line by line, and so that it can be broken off at any point and run again.
//!
//! What the target has is read before it is changed. What is done about a line is kept in the state and marked beside the
//! file, in this order, and doing it again changes nothing: only an object that is made again could come to be there
//! twice, and so that is marked before it is sent, and looked up before it is sent again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use chrono::{DateTime, Utc};

use super::entry::{Inverse, UndoEntry};
use super::{Undo, UndoMark, UndoProgress, UndoReferences};
use crate::attribute::same_values;
use crate::connector::{
    AttributeEdit, ChangedObject, Connector, ConnectorError, ExportFailure, ExportOperation,
    ExportOutcome, ExportWrite, Exported, FailureKind, ImportChange, ImportPage, ImportShape,
    ImportedObject, ReferenceChange, ReferenceEdit, ReferenceTo, SourceScope,
};
use crate::export::{ExportEnd, Found, look_up};
use crate::import::{ReadKind, Staging, StagingError};
use crate::plan::one_line;
use crate::rules::RuleSet;
use crate::space::SpaceObject;
use crate::stop::Stop;
use crate::{
    Anchor, AttributeName, AttributeSet, ConnectorId, ObjectType, SpaceId, StoreError, SyncStore,
};

/// How lines are taken back.
#[derive(Clone, Debug, Default)]
pub struct UndoOptions {
    /// By which attributes an object of each type is found in the target.
    pub matching: BTreeMap<ObjectType, Vec<AttributeName>>,
    /// What is read of an object.
    pub shape: ImportShape,
    /// Also take back what somebody changed since.
    pub force: bool,
}

impl UndoOptions {
    /// As the rules have it.
    #[must_use]
    pub fn new(rules: &RuleSet, target: &ConnectorId) -> Self {
        Self { matching: rules.all_matching(target), shape: rules.shape(target), force: false }
    }
}

/// What an undo needs.
pub struct Undoing<'a> {
    /// The state.
    pub store: &'a mut dyn SyncStore,
    /// The target.
    pub connector: &'a dyn Connector,
    /// How.
    pub options: &'a UndoOptions,
    /// When.
    pub now: DateTime<Utc>,
    /// Ends it early.
    pub stop: &'a Stop,
    /// Where it is kept how far it has come: what [`Undo::resume`] is given when it is run again.
    pub progress: &'a mut dyn UndoProgress,
}

/// What an undo did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndoReport {
    /// Lines that were taken back.
    pub done: u64,
    /// Lines that an undo of the same file had taken back before.
    pub before: u64,
    /// Lines, or attributes of lines, that were left as they are, and why.
    pub skipped: Vec<String>,
    /// Lines that could not be taken back, and why.
    pub failed: Vec<String>,
    /// Identifiers of objects that were made again, by this undo or before: the old one and the new one.
    pub renamed: BTreeMap<Anchor, Anchor>,
    /// Why it ended before its end. The same undo, [resumed](Undo::resume), goes on there.
    pub ended: Option<ExportEnd>,
}

/// Why an undo could not go on. What was done is marked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UndoError {
    /// The state failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was found or written could not be staged.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// It could not be kept how far it has come: nothing more was written to the target.
    #[error("how far the undo has come could not be written down: {0}")]
    Progress(#[from] io::Error),
}

impl Undo {
    /// Takes the lines of one target back, from the last to the first. The plan must have been admitted.
    ///
    /// What somebody changed since it was written is left as it is: a value, and an object that was made and has other
    /// values now. Objects that were removed are made again and get new identifiers; the next synchronisation finds them
    /// by the matching attributes and links them. What the rules still ask for is asked for again by the next cycle: mend
    /// the source or the rules first.
    ///
    /// # Errors
    /// [`UndoError`]; what concerns single lines, and a target that cannot be asked or written to, is in the report.
    pub async fn apply(&self, mut with: Undoing<'_>) -> Result<UndoReport, UndoError> {
        let mut report = UndoReport::default();
        let target = with.connector.id().clone();
        for (line, entry) in self.lines(&target) {
            for mark in self.marks.get(&line).into_iter().flatten() {
                if let (UndoMark::Made { anchor, .. }, Inverse::Recreate { anchor: old, .. }) =
                    (mark, &entry.inverse)
                {
                    report.renamed.insert(old.clone(), anchor.clone());
                }
            }
        }
        for (line, entry) in self.lines(&target) {
            let marks = self.marks.get(&line).map_or(&[][..], Vec::as_slice);
            if marks.contains(&UndoMark::Done { line }) {
                report.before += 1;
                continue;
            }
            if with.stop.asked() {
                report.ended = Some(ExportEnd::Stopped);
                break;
            }
            let begun = marks.contains(&UndoMark::Making { line });
            let mut taking =
                Taking { with: &mut with, entry, line, report: &mut report, begun, left: false };
            match taking.take().await {
                Ok(written) => {
                    let left = taking.left;
                    report.done += u64::from(written);
                    if !left {
                        with.progress.mark(&UndoMark::Done { line })?;
                    }
                }
                Err(Trouble::Line(message)) => report.failed.push(named(entry, &message)),
                Err(Trouble::Busy(message)) => {
                    report.failed.push(named(entry, &message));
                    report.ended = Some(ExportEnd::Busy(message));
                    break;
                }
                Err(Trouble::Target(error)) => {
                    report.ended = Some(ExportEnd::Broken(error.to_string()));
                    break;
                }
                Err(Trouble::Undo(error)) => return Err(error),
            }
        }
        Ok(report)
    }
}

/// Why a line was not taken back.
enum Trouble {
    /// It cannot be; the others can.
    Line(String),
    /// The target has no time now.
    Busy(String),
    /// The target could not be asked or written to.
    Target(ConnectorError),
    /// Nothing can.
    Undo(UndoError),
}

impl From<ConnectorError> for Trouble {
    fn from(error: ConnectorError) -> Self {
        Self::Target(error)
    }
}

impl<E: Into<UndoError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Undo(error.into())
    }
}

fn named(entry: &UndoEntry, text: &str) -> String {
    format!("{} {}: {text}", entry.object_type, one_line(&entry.name))
}

/// One line that is being taken back.
struct Taking<'t, 'a> {
    with: &'t mut Undoing<'a>,
    entry: &'t UndoEntry,
    line: usize,
    report: &'t mut UndoReport,
    /// Whether its object may have been made again already.
    begun: bool,
    /// Whether something of it was left as it is.
    left: bool,
}

impl Taking<'_, '_> {
    /// Takes the line back; whether something was written.
    async fn take(&mut self) -> Result<bool, Trouble> {
        let mut again = false;
        loop {
            // Where nothing is left after a write of which nobody knew, it happened.
            let Some((object, operation)) = self.operation(again).await? else { return Ok(again) };
            if matches!(operation, ExportOperation::Create { .. }) && !self.begun {
                self.with.progress.mark(&UndoMark::Making { line: self.line })?;
                self.begun = true;
            }
            let object_type = self.entry.object_type.clone();
            let write = ExportWrite { object, object_type, operation: operation.clone() };
            let failure = match self.with.connector.export(vec![write]).await?.pop() {
                Some(ExportOutcome::Done(exported)) => {
                    self.keep(operation, exported)?;
                    return Ok(true);
                }
                Some(ExportOutcome::Failed(failure)) => failure,
                None => ExportFailure {
                    kind: FailureKind::Unknown,
                    message: "the target gave no answer".to_owned(),
                },
            };
            match failure.kind {
                FailureKind::Busy => return Err(Trouble::Busy(failure.message)),
                FailureKind::Missing
                | FailureKind::Changed
                | FailureKind::Unknown
                | FailureKind::NotUnique
                    if !again =>
                {
                    again = true;
                }
                _ => return Err(Trouble::Line(failure.message)),
            }
        }
    }

    fn now_called(&self, anchor: &Anchor) -> Anchor {
        self.report.renamed.get(anchor).unwrap_or(anchor).clone()
    }

    fn row(&self, anchor: &Anchor) -> Result<Option<SpaceObject>, StoreError> {
        match self.with.store.object_by_anchor(&self.entry.target, anchor)? {
            Some(id) => self.with.store.object(id),
            None => Ok(None),
        }
    }

    /// The object as the target has it.
    async fn read(&self, anchor: &Anchor) -> Result<Option<ImportedObject>, Trouble> {
        let shape = &self.with.options.shape;
        let read = self.with.connector.read(std::slice::from_ref(anchor), shape).await?;
        Ok(read.into_iter().find(|found| found.anchor == *anchor))
    }

    /// Says what is not taken back, and why; it is looked at again when the undo is run again.
    fn skip(&mut self, why: &str) {
        self.left = true;
        self.note(why);
    }

    fn note(&mut self, text: &str) {
        self.report.skipped.push(named(self.entry, text));
    }

    /// What to write; `None` where nothing is left to be done. With `again`, nobody knows what became of the last write.
    async fn operation(
        &mut self,
        again: bool,
    ) -> Result<Option<(SpaceId, ExportOperation)>, Trouble> {
        let entry = self.entry;
        match &entry.inverse {
            Inverse::Remove { anchor, attributes } => self.removal(anchor, attributes, again).await,
            Inverse::Recreate { anchor, attributes } => self.making(anchor, attributes).await,
            Inverse::Change { anchor, attributes, written, references } => {
                let anchor = self.now_called(anchor);
                // References are added and taken away whatever else there is: a list may be long, and is not read.
                if again || !attributes.is_empty() || self.row(&anchor)?.is_none() {
                    let Some(found) = self.read(&anchor).await? else {
                        self.skip("it is not there any more");
                        return Ok(None);
                    };
                    self.stage(ImportChange::Object(found))?;
                }
                let Some(row) = self.row(&anchor)? else { return Ok(None) };
                let mut edits = BTreeMap::new();
                for (name, before) in attributes {
                    let there = row.hologram.get(name);
                    if same_values(there, before) {
                        continue;
                    }
                    let is_ours = |written: &Vec<_>| same_values(there, written);
                    if !self.with.options.force && !written.get(name).is_none_or(is_ours) {
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

    /// The removal of an object that was made, if it still is what was made.
    async fn removal(
        &mut self,
        anchor: &Anchor,
        attributes: &AttributeSet,
        again: bool,
    ) -> Result<Option<(SpaceId, ExportOperation)>, Trouble> {
        let anchor = self.now_called(anchor);
        let Some(found) = self.read(&anchor).await? else {
            self.stage(ImportChange::Deleted(anchor))?;
            if !again {
                self.note("it is not there any more");
            }
            return Ok(None);
        };
        let shape = &self.with.options.shape;
        let read = shape.types.get(&found.object_type).map_or(&[][..], Vec::as_slice);
        let values = attributes.iter().filter(|(name, values)| {
            read.contains(name) && !same_values(found.attributes.get(name), values)
        });
        let references = found.references.iter().filter(|(_, to)| !to.is_empty());
        let changed: BTreeSet<&str> = values
            .map(|(name, _)| name.as_str())
            .chain(references.map(|(name, _)| name.as_str()))
            .collect();
        if !changed.is_empty() && !self.with.options.force {
            let changed = changed.into_iter().collect::<Vec<_>>().join(", ");
            self.skip(&format!(
                "somebody changed it since it was made ({changed}), and so it is not removed"
            ));
            return Ok(None);
        }
        let id = self.row(&anchor)?.map_or(SpaceId(0), |row| row.id);
        Ok(Some((id, ExportOperation::Delete { anchor, version: found.version })))
    }

    /// The making of an object that was removed, if nothing and nobody made it again before.
    async fn making(
        &mut self,
        old: &Anchor,
        attributes: &AttributeSet,
    ) -> Result<Option<(SpaceId, ExportOperation)>, Trouble> {
        if let Some(new) = self.report.renamed.get(old).cloned() {
            // An undo that was broken off made it, and may not have kept it.
            match self.read(&new).await? {
                Some(found) => self.stage(ImportChange::Object(found))?,
                None => self.skip("it was made again and is not there any more"),
            }
            return Ok(None);
        }
        if let Some(found) = self.read(old).await? {
            self.stage(ImportChange::Object(found))?;
            self.note("it is there");
            return Ok(None);
        }
        let object_type = &self.entry.object_type;
        let matching = self.with.options.matching.get(object_type).into_iter().flatten();
        let values =
            matching.filter_map(|name| Some((name.clone(), attributes.first(name)?.clone())));
        let shape = &self.with.options.shape;
        let found = look_up(self.with.connector, object_type, values.collect(), shape).await;
        match found {
            Found::One(found, by) => {
                if !self.begun {
                    self.note(&format!("it is there again, found by {by}, and is left as it is"));
                }
                self.made(found.anchor.clone())?;
                self.stage(ImportChange::Object(*found))?;
                Ok(None)
            }
            Found::Several(message) => Err(Trouble::Line(message)),
            Found::Error(error) => Err(error.into()),
            Found::None { asked: false } if self.begun => Err(Trouble::Line(
                "it may have been made again, and has no value by which it could be looked up: see whether it is in the \
                 target, and make it there if it is not"
                    .to_owned(),
            )),
            Found::None { .. } => {
                let attributes = attributes.clone();
                let create = ExportOperation::Create { attributes, references: BTreeMap::new() };
                Ok(Some((SpaceId(0), create)))
            }
        }
    }

    /// The references that are really to come and to go.
    fn references(
        &mut self,
        row: &SpaceObject,
        references: &BTreeMap<AttributeName, UndoReferences>,
    ) -> Result<BTreeMap<AttributeName, ReferenceEdit>, Trouble> {
        let mut edits = BTreeMap::new();
        for (attribute, wanted) in references {
            let mut edit = ReferenceEdit::default();
            for anchor in &wanted.add {
                let anchor = self.now_called(anchor);
                match self.with.store.object_by_anchor(&self.entry.target, &anchor)? {
                    Some(id) if self.refers(row.id, attribute, id)? => {}
                    Some(_) => edit.add.push(anchor),
                    None => self.skip(&format!(
                        "{} is not there any more and cannot be one of its {attribute}",
                        one_line(anchor.as_str())
                    )),
                }
            }
            for anchor in &wanted.remove {
                let anchor = self.now_called(anchor);
                if let Some(id) = self.with.store.object_by_anchor(&self.entry.target, &anchor)?
                    && self.refers(row.id, attribute, id)?
                {
                    edit.remove.push(anchor);
                }
            }
            if !edit.add.is_empty() || !edit.remove.is_empty() {
                edits.insert(attribute.clone(), edit);
            }
        }
        Ok(edits)
    }

    fn refers(
        &self,
        from: SpaceId,
        attribute: &AttributeName,
        to: SpaceId,
    ) -> Result<bool, StoreError> {
        let before = to.0.checked_sub(1).map(SpaceId);
        Ok(self.with.store.edges(from, attribute, before, 1)? == [to])
    }

    /// Keeps that the object of the line is there again.
    fn made(&mut self, anchor: Anchor) -> Result<(), Trouble> {
        self.with.progress.mark(&UndoMark::Made { line: self.line, anchor: anchor.clone() })?;
        if let Inverse::Recreate { anchor: old, .. } = &self.entry.inverse {
            self.report.renamed.insert(old.clone(), anchor);
        }
        Ok(())
    }

    /// Keeps a write that happened.
    fn keep(&mut self, operation: ExportOperation, exported: Exported) -> Result<(), Trouble> {
        match operation {
            ExportOperation::Create { attributes, .. } => {
                let Some(anchor) = exported.anchor else {
                    self.note("it was made again and the target did not say its new identifier; the next full read finds it");
                    return Ok(());
                };
                self.made(anchor.clone())?;
                self.stage(ImportChange::Object(ImportedObject {
                    anchor,
                    dn: None,
                    object_type: self.entry.object_type.clone(),
                    scope: SourceScope::In,
                    attributes,
                    references: BTreeMap::new(),
                    version: exported.version,
                }))
            }
            ExportOperation::Update { anchor, attributes, references, .. } => {
                let Some(mut row) = self.row(&anchor)? else { return Ok(()) };
                // What was written before is not what the target is to have now.
                row.unconfirmed = None;
                row.version.clone_from(&exported.version);
                crate::run::transaction(self.with.store, |store| store.put_object(&row))?;
                for refused in &exported.refused {
                    let who = one_line(refused.anchor.as_str());
                    self.skip(&format!("{} {who}: {}", refused.attribute, refused.message));
                }
                let refused: BTreeSet<&Anchor> =
                    exported.refused.iter().map(|refused| &refused.anchor).collect();
                let to = |anchors: Vec<Anchor>| {
                    let taken = anchors.into_iter().filter(|anchor| !refused.contains(anchor));
                    taken.map(ReferenceTo::Anchor).collect()
                };
                let references = references.into_iter().map(|(name, edit)| {
                    let (added, removed) = (to(edit.add), to(edit.remove));
                    (name, ReferenceChange { replace: false, added, removed })
                });
                let references = references.collect();
                self.stage(ImportChange::Changed(ChangedObject {
                    anchor,
                    object_type: crate::plan::type_of(&row),
                    dn: None,
                    scope: None,
                    attributes: attributes.into_iter().map(|(name, e)| (name, e.after)).collect(),
                    references,
                    version: exported.version.clone(),
                }))
            }
            ExportOperation::Delete { anchor, .. } => self.stage(ImportChange::Deleted(anchor)),
        }
    }

    /// Keeps what the target has, as an import does: the next synchronisation looks at it.
    fn stage(&mut self, change: ImportChange) -> Result<(), Trouble> {
        let (store, now) = (&mut *self.with.store, self.with.now);
        let mut staging = Staging::begin(store, &self.entry.target, ReadKind::Delta, now)?;
        staging.page(ImportPage { changes: vec![change], ..ImportPage::default() })?;
        staging.finish()?;
        Ok(())
    }
}

//! An undo file that was read, and its plan, which passes the guard like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use super::entry::{Inverse, UndoEntry, UndoFileError, read_entries};
use super::progress::UndoMark;
use crate::plan::{
    AttributeChange, ExportPlan, Phase, PlanBuilder, PlanOptions, ReferenceDelta, Step, StepKind,
    one_line,
};
use crate::space::SpaceObject;
use crate::{AttributeSet, ConnectorId, StoreError, SyncStore};

/// An undo file that was read.
#[derive(Clone, Debug)]
pub struct Undo {
    entries: Vec<UndoEntry>,
    cut_off: bool,
    /// What was done about each line before.
    pub(super) marks: BTreeMap<usize, Vec<UndoMark>>,
}

impl Undo {
    /// Reads an undo file.
    ///
    /// # Errors
    /// [`UndoFileError`].
    pub fn read(file: impl BufRead) -> Result<Self, UndoFileError> {
        let (entries, cut_off) = read_entries(file)?;
        Ok(Self { cut_off, ..Self::of(entries) })
    }

    /// Takes lines as they are.
    #[must_use]
    pub fn of(entries: Vec<UndoEntry>) -> Self {
        Self { entries, cut_off: false, marks: BTreeMap::new() }
    }

    /// Goes on with an undo of the same file that was broken off: by what it had marked, no line is taken back twice and
    /// no object is made twice.
    #[must_use]
    pub fn resume(mut self, marks: Vec<UndoMark>) -> Self {
        for mark in marks {
            let (UndoMark::Making { line } | UndoMark::Made { line, .. } | UndoMark::Done { line }) =
                &mark;
            self.marks.entry(*line).or_default().push(mark);
        }
        self
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

    /// The lines of one target with their numbers, from the last to the first.
    pub(super) fn lines<'u>(
        &'u self,
        target: &ConnectorId,
    ) -> impl Iterator<Item = (usize, &'u UndoEntry)> + use<'u> {
        let target = target.clone();
        self.entries.iter().enumerate().rev().filter(move |(_, entry)| entry.target == target)
    }

    /// What taking back would write to one target, for people and for the guard: all of the file, what was taken back
    /// before too, so that what was allowed stays allowed until it is done.
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
            for (_, entry) in self.lines(target) {
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

//! What the store is asked for and answers with, beside the objects themselves.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::connector::Watermark;
use crate::space::{ExportKind, SpaceKind, SpaceObject};
use crate::{Anchor, AttributeName, MetaverseId};

/// Which objects of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// All of them.
    All,
    /// Those with a pending import.
    PendingImport,
    /// Those with a pending export.
    PendingExport,
    /// Those that belong to an identity.
    Linked,
    /// Those in escrow.
    Escrowed,
    /// Those whose name another object has taken.
    Transient,
}

/// What of an object those want to know who ask for many: the members of a group, the objects of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectOutline {
    /// Staged, placeholder or transient.
    pub kind: SpaceKind,
    /// What identifies it, where it is there already.
    pub anchor: Option<Anchor>,
    /// The identity that it belongs to.
    pub metaverse: Option<MetaverseId>,
    /// What is to be done to it.
    pub export: Option<ExportKind>,
}

impl ObjectOutline {
    /// Of an object that was read whole.
    #[must_use]
    pub fn of(object: &SpaceObject) -> Self {
        Self {
            kind: object.kind,
            anchor: object.anchor.clone(),
            metaverse: object.link.as_ref().map(|link| link.metaverse),
            export: object.pending_export.as_ref().map(|pending| pending.kind),
        }
    }

    /// Whether the target will drop it.
    #[must_use]
    pub fn leaves(&self) -> bool {
        matches!(self.export, Some(ExportKind::Delete | ExportKind::DeleteAdd))
    }
}

/// What is kept of a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectorState {
    /// From where the next delta import goes on.
    pub watermark: Option<Watermark>,
    /// The number of the last read that staged something.
    pub read: u64,
    /// Whether a full read has ever come to its end: before that, what is not in the space may well be in the system.
    pub complete: bool,
    /// Digest of the configuration (base, scope, attributes) that the space was read with.
    pub shape: Option<String>,
    /// When the last read came to its end.
    pub last_import: Option<DateTime<Utc>>,
}

/// A value by which an object is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JoinKey {
    /// The attribute.
    pub attribute: AttributeName,
    /// Its value, folded as the join asks (see [`scim_core::text`]).
    pub value: SmolStr,
}

/// An object that could not be synchronised or exported, kept to be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escrow {
    /// Where it went wrong.
    pub stage: EscrowStage,
    /// What happened and what to mend.
    pub message: String,
    /// The first time.
    pub first: DateTime<Utc>,
    /// When it is tried again; `None` no more.
    pub next: Option<DateTime<Utc>>,
    /// How many times it was tried.
    pub attempts: u32,
}

/// Where an object went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EscrowStage {
    /// The import told something that cannot be (two objects with one anchor).
    Import,
    /// An inbound rule failed (an expression, an ambiguous join).
    Sync,
    /// An outbound rule failed (an expression, a match that is not unique).
    Outbound,
    /// The target refused it.
    Export,
    /// A reference of it could not be written.
    Reference,
}

/// One run of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was run.
    pub profile: String,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended; `None` while it runs, and for ever where the program died.
    pub ended: Option<DateTime<Utc>>,
    /// How it ended, in a word: `done`, `stopped by the guard`, `failed`.
    pub outcome: String,
    /// Counts by name, as the job status names them.
    pub counts: BTreeMap<String, u64>,
    /// What went wrong, in sentences.
    pub errors: Vec<String>,
}

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The medium failed.
    #[error("the state could not be read or written: {0}")]
    Io(String),
    /// What is kept does not make sense.
    #[error("the state is damaged: {0}; it can be thrown away and is then rebuilt from both sides")]
    Damaged(String),
    /// Something that must be unique is not.
    #[error("{0}")]
    Conflict(String),
    /// A row that must be there is not.
    #[error("there is no {0}")]
    Missing(String),
    /// A call at the wrong time: a defect of the caller.
    #[error("{0}")]
    Misuse(&'static str),
}

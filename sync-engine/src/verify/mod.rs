//! The invariant checker: what must hold of a state at rest, as notes.
//!
//! It reads everything once, through the store's own questions, so that an index that tells another story than the rows is
//! found too. It changes nothing.

mod edges;
mod identities;
mod objects;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::metaverse::MetaverseObject;
use crate::space::SpaceObject;
use crate::store::{JoinKey, StoreError, SyncStore};
use crate::{ConnectorId, MetaverseId, SpaceId};

/// How many rows are asked of the store at a time.
const PAGE: usize = 1_000;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// How bad it is.
    pub severity: Severity,
    /// What it is about.
    pub about: Subject,
    /// What does not hold, in a sentence.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.severity, self.about, self.text)
    }
}

/// How bad a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A synchronisation could do something wrong: the state should be thrown away and rebuilt.
    Error,
    /// Untidy, or a run that did not end: the next one puts it right.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// What a note is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A connector space as a whole.
    Space(ConnectorId),
    /// An object of a connector space.
    Object(ConnectorId, SpaceId),
    /// An identity.
    Identity(MetaverseId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Space(connector) => write!(f, "{connector}"),
            Self::Object(connector, id) => write!(f, "{connector}, object {id}"),
            Self::Identity(id) => write!(f, "identity {id}"),
        }
    }
}

/// Makes the values by which objects are found, as the rules say: a checker that has them compares the indexes.
pub trait Recompute {
    /// Those of an object of a connector space; `None` where it is not known.
    fn object_keys(&self, object: &SpaceObject) -> Option<Vec<JoinKey>>;

    /// Those of an identity; `None` where it is not known.
    fn metaverse_keys(&self, object: &MetaverseObject) -> Option<Vec<JoinKey>>;
}

/// Checks the spaces of `connectors` and the metaverse. No notes mean that everything holds.
///
/// # Errors
/// [`StoreError`].
pub fn verify(
    store: &dyn SyncStore,
    connectors: &[ConnectorId],
    indexes: Option<&dyn Recompute>,
) -> Result<Vec<Note>, StoreError> {
    let mut check = Check { store, indexes, notes: Vec::new() };
    for connector in connectors {
        check.space(connector)?;
    }
    check.identities(connectors)?;
    check.notes.sort_unstable();
    Ok(check.notes)
}

struct Check<'a> {
    store: &'a dyn SyncStore,
    indexes: Option<&'a dyn Recompute>,
    notes: Vec<Note>,
}

impl Check<'_> {
    fn error(&mut self, about: &Subject, text: impl Into<String>) {
        let note = Note { severity: Severity::Error, about: about.clone(), text: text.into() };
        self.notes.push(note);
    }

    fn warn(&mut self, about: &Subject, text: impl Into<String>) {
        let note = Note { severity: Severity::Warning, about: about.clone(), text: text.into() };
        self.notes.push(note);
    }
}

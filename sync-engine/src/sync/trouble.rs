//! What goes wrong with single objects.

use crate::space::SpaceObject;
use crate::{Anchor, Dn, SpaceId, StoreError};

/// Why one object could not be handled, or the state could not be used at all.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is the object's: it goes to escrow, the others go on.
    Object {
        /// Which one; the one at hand, where it is not said.
        object: Option<SpaceId>,
        /// What happened and what to mend.
        message: String,
    },
    /// It is everybody's.
    Store(StoreError),
}

impl Trouble {
    /// A trouble of the object at hand.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self::Object { object: None, message: message.into() }
    }

    /// The same trouble, said to be of `id` where nobody said of whom.
    pub(super) fn of(self, id: SpaceId) -> Self {
        match self {
            Self::Object { object: None, message } => Self::Object { object: Some(id), message },
            other => other,
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How a person would call an object: its type, its name or anchor, and the system that has it.
pub(super) fn describe(object: &SpaceObject) -> String {
    let object_type = object.object_type.as_ref().map_or("object", |known| known.as_str());
    let name = object.dn.as_ref().map(Dn::as_str);
    let name = name.or(object.anchor.as_ref().map(Anchor::as_str));
    match name {
        Some(name) => format!("{object_type} `{name}` of `{}`", object.connector),
        None => format!("a new {object_type} of `{}`", object.connector),
    }
}

//! What goes wrong with single objects.

use chrono::{DateTime, TimeDelta, Utc};

use crate::space::SpaceObject;
use crate::store::{Escrow, EscrowStage};
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

/// The entry for a trouble, going on from the one there was.
///
/// A try before its time does not count: a full synchronisation looks at every object, however often it is run.
pub(super) fn entry(
    before: Option<Escrow>,
    stage: EscrowStage,
    message: String,
    now: DateTime<Utc>,
) -> Escrow {
    match before {
        Some(before) if before.stage == stage => {
            if before.next.is_none_or(|next| now < next) {
                return Escrow { message, ..before };
            }
            let attempts = before.attempts.saturating_add(1);
            Escrow { message, attempts, next: next_try(before.first, now), ..before }
        }
        _ => Escrow { stage, message, first: now, next: next_try(now, now), attempts: 1 },
    }
}

/// When it is tried again: 6, 12 and 24 hours after the first time, then daily to the 28th day (SYNC row 30).
fn next_try(first: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let hours = [6, 12].into_iter().chain((1..=28).map(|day| day * 24));
    hours.map(|hours| first + TimeDelta::hours(hours)).find(|moment| *moment > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_further_apart_and_end_after_four_weeks() {
        let first = DateTime::UNIX_EPOCH;
        let at = |hours: i64| first + TimeDelta::hours(hours);
        assert_eq!(next_try(first, first), Some(at(6)));
        assert_eq!(next_try(first, at(6)), Some(at(12)));
        assert_eq!(next_try(first, at(13)), Some(at(24)));
        assert_eq!(next_try(first, at(24)), Some(at(48)));
        assert_eq!(next_try(first, at(28 * 24 - 1)), Some(at(28 * 24)));
        assert_eq!(next_try(first, at(28 * 24)), None);
    }

    #[test]
    fn a_try_before_its_time_does_not_count() {
        let first = DateTime::UNIX_EPOCH;
        let at = |before, hours| {
            entry(before, EscrowStage::Sync, "x".to_owned(), first + TimeDelta::hours(hours))
        };
        let one = at(None, 0);
        assert_eq!(at(Some(one.clone()), 5).attempts, 1);
        assert_eq!(at(Some(one.clone()), 6).attempts, 2);
        assert_eq!(at(Some(one), 6).first, first);
    }
}

//! What a run tells while it works: for progress bars, for the log of each object, for tests.
//!
//! An observer only listens. It cannot stop a run and gets no secrets: values that a rule redacts arrive redacted.

use serde::Serialize;

use crate::space::ExportKind;
use crate::store::EscrowStage;
use crate::{Anchor, AttributeName, ConnectorId, MetaverseId, ObjectType, SpaceId, Values};

/// Listens to a run.
///
/// ```
/// use scim_sync::observer::{Event, Observer};
///
/// #[derive(Default)]
/// struct Pages(u64);
///
/// impl Observer for Pages {
///     fn event(&mut self, event: &Event) {
///         if let Event::PageImported { .. } = event {
///             self.0 += 1;
///         }
///     }
/// }
/// ```
pub trait Observer {
    /// Something happened.
    fn event(&mut self, event: &Event);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: &Event) {}
}

/// Keeps every event, in order.
impl Observer for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(event.clone());
    }
}

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Event {
    /// A phase of the run begins.
    PhaseStarted {
        /// Which one.
        phase: Phase,
        /// Of which system; none where it is about all of them.
        connector: Option<ConnectorId>,
        /// How many things there are to do, where that is known.
        expected: Option<u64>,
    },
    /// A phase of the run came to its end.
    PhaseEnded {
        /// Which one.
        phase: Phase,
        /// Of which system.
        connector: Option<ConnectorId>,
    },
    /// A page of a read was staged.
    PageImported {
        /// Of which system.
        connector: ConnectorId,
        /// How many objects the read has told so far.
        told: u64,
        /// How many there are, where the system says so.
        expected: Option<u64>,
    },
    /// The inbound rules have looked at an object.
    ObjectSynchronized {
        /// Which one.
        object: SpaceId,
        /// What it came to.
        change: LinkChange,
    },
    /// The outbound rules have looked at an identity.
    IdentityEvaluated {
        /// Which one.
        identity: MetaverseId,
        /// How many exports it has pending now.
        exports: u32,
    },
    /// An object could not be handled; it is tried again later, the others go on.
    Escrowed {
        /// Which one.
        object: SpaceId,
        /// Where it went wrong.
        stage: EscrowStage,
        /// What happened and what to mend.
        message: String,
    },
    /// A write to a target was tried.
    StepDone(Box<Step>),
    /// The guard stopped a plan: nothing of it was written.
    GuardStopped(Box<crate::guard::GuardStop>),
    /// An object that the stopped plan would switch off or remove (a staged delete of the provisioning log).
    StepStaged(Box<crate::plan::Step>),
    /// A cycle begins; what is told until its end belongs to it.
    CycleStarted {
        /// Its number in the history.
        run: u64,
        /// What is run.
        profile: String,
    },
    /// A cycle came to its end.
    CycleEnded {
        /// Its number in the history.
        run: u64,
        /// How it ended, in the words of the history.
        outcome: String,
    },
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Phase {
    /// Reading a system into its space.
    Import,
    /// Inbound rules: from the spaces to the metaverse.
    Inbound,
    /// Outbound rules: from the metaverse to the targets' spaces.
    Outbound,
    /// Ordering what has to be written.
    Plan,
    /// Writing.
    Export,
    /// Reading back what was written.
    Confirm,
}

/// What became of an object's link to its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum LinkChange {
    /// It is as it was.
    None,
    /// An identity was made from it.
    Projected,
    /// It was found to belong to an identity.
    Joined,
    /// It no longer belongs to one.
    Unlinked,
    /// It was removed from its space.
    Removed,
}

/// A write to a target that was tried, as the log of objects shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The target.
    pub connector: ConnectorId,
    /// The object's row.
    pub object: SpaceId,
    /// What it is.
    pub object_type: ObjectType,
    /// A name that people know it by.
    pub name: String,
    /// What identifies it in the source that it came from.
    pub source: Option<Anchor>,
    /// What identifies it in the target.
    pub target: Option<Anchor>,
    /// What was to be done.
    pub action: ExportKind,
    /// How it ended.
    pub status: StepStatus,
    /// The properties that changed.
    pub changes: Vec<PropertyChange>,
    /// Why it was done, and what went wrong.
    pub message: String,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StepStatus {
    /// It happened.
    Success,
    /// It did not.
    Failure,
    /// It was not needed or not allowed.
    Skipped,
    /// It happened in part, or something about it is odd.
    Warning,
}

/// A property before and after a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PropertyChange {
    /// The property.
    pub attribute: AttributeName,
    /// Its values before.
    pub old: Values,
    /// Its values after.
    pub new: Values,
}

//! The connector space: what is known of each object of one connected system.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::attribute::by_name;
use crate::connector::SourceScope;
use crate::{
    Anchor, AttributeName, AttributeSet, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId, Values,
};

/// One object of a connector space. Its references are edges, kept beside it by the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceObject {
    /// Its row.
    pub id: SpaceId,
    /// The space that it is in.
    pub connector: ConnectorId,
    /// What it is; of a placeholder, as far as known.
    pub object_type: Option<ObjectType>,
    /// What identifies it; none before the target has made it, and for placeholders known by name only.
    pub anchor: Option<Anchor>,
    /// Where it is.
    pub dn: Option<Dn>,
    /// Staged, placeholder or transient.
    pub kind: SpaceKind,
    /// Whether the connector's own scope takes it in.
    pub scope: SourceScope,
    /// The values that the system was last known to have.
    pub hologram: AttributeSet,
    /// The version (entity tag) that belongs to the hologram.
    pub version: Option<String>,
    /// What an import brought that no synchronisation has seen yet.
    pub pending_import: PendingImport,
    /// What a synchronisation decided that the system does not have yet.
    pub pending_export: Option<PendingExport>,
    /// What was written and has not been read back; the values by which a confirming import is judged.
    pub unconfirmed: Option<Unconfirmed>,
    /// The identity that it belongs to; `None` is a disconnector.
    pub link: Option<Link>,
}

impl SpaceObject {
    /// Whether [`dn`](Self::dn) is where it is: the name of a transient is another object's, and that of an object that was
    /// deleted is free. Stores find objects by names that they hold.
    #[must_use]
    pub fn holds_its_name(&self) -> bool {
        self.dn.is_some()
            && self.kind != SpaceKind::Transient
            && self.pending_import != PendingImport::Delete
    }
}

/// What kind of object a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SpaceKind {
    /// An object that was imported, or that is to be made.
    Staged,
    /// Something that another object refers to and that was never read. Never linked.
    Placeholder,
    /// An object whose name another anchor has now; it waits to be told where it went.
    Transient,
}

/// What an import staged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PendingImport {
    /// Nothing.
    #[default]
    None,
    /// The object is new.
    Add,
    /// These attributes changed, references among them; [`PendingImport::DN`] stands for the object's place and
    /// [`PendingImport::SCOPE`] for whether the connector takes it in.
    Update(BTreeSet<AttributeName>),
    /// The object was deleted.
    Delete,
    /// The object was deleted and one of another type has its anchor now.
    DeleteAdd,
}

impl PendingImport {
    /// The name that stands for the object's place among the names of changed attributes.
    pub const DN: &'static str = "dn";
    /// The name that stands for the connector's scope among the names of changed attributes.
    pub const SCOPE: &'static str = "scope";
}

/// What has to be written to one object of a target.
///
/// References are named and not listed: what to add and remove is the difference between the edges that the metaverse
/// asks for and those of the space, which the store gives in order, however many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingExport {
    /// What to do.
    pub kind: ExportKind,
    /// New values; no values clear the attribute.
    #[serde(deserialize_with = "by_name")]
    pub attributes: BTreeMap<AttributeName, Values>,
    /// The reference attributes to be compared.
    pub references: BTreeSet<AttributeName>,
    /// Why, in words for the plan: the rule that asks for it and what happened.
    pub reason: String,
    /// Set before the write is sent and taken away with its outcome: after a crash, an object that was being made is
    /// looked up before it is made again.
    pub sent: Option<DateTime<Utc>>,
}

/// What to do to an object of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExportKind {
    /// Make it.
    Add,
    /// Change it.
    Update,
    /// Switch it off (counts as a deletion for the guard).
    Disable,
    /// Remove it.
    Delete,
    /// Remove it (counts as a deletion for the guard), because the rules want one of another type: that is made by the
    /// next cycle, when this one is gone and its unique values are free.
    DeleteAdd,
}

/// Written, not read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unconfirmed {
    /// When.
    pub at: DateTime<Utc>,
    /// What, to be compared with what the next import tells.
    pub attributes: BTreeMap<AttributeName, Values>,
    /// How many times the target told something else afterwards.
    pub mismatches: u32,
}

impl Unconfirmed {
    /// So often a target may tell something else than was written before it goes to escrow: it is written again by the
    /// schedule for what failed then, and no longer at once.
    pub const MISMATCHES: u32 = 3;
}

/// That a space object belongs to an identity, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The identity.
    pub metaverse: MetaverseId,
    /// How the link was made.
    pub origin: LinkOrigin,
    /// Since when nothing asks for the object, where the rules remove it later; `None` while something does.
    pub released: Option<DateTime<Utc>>,
}

/// How a link was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LinkOrigin {
    /// An inbound rule made the identity from this object.
    Projected {
        /// The rule.
        rule: String,
    },
    /// The object was found by its values.
    Joined {
        /// The rule.
        rule: String,
        /// The attribute that matched.
        by: String,
    },
    /// An outbound rule made this object from the identity.
    Provisioned {
        /// The rule.
        rule: String,
    },
}

//! The metaverse: one object per identity, whatever systems know it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::attribute::by_name;
use crate::{AttributeName, MetaverseId, ObjectType, SpaceId, Values};

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaverseObject {
    /// Its row.
    pub id: MetaverseId,
    /// What it is.
    pub object_type: ObjectType,
    /// The reference attributes, each with the space object whose edges are the value. More than one object where the
    /// rules merge.
    pub references: BTreeMap<AttributeName, Vec<ReferenceSource>>,
    /// Whether it lives.
    pub life: Life,
    /// Its values, each with the object that it came from. Written last: an outline ends before them.
    #[serde(deserialize_with = "by_name")]
    pub attributes: BTreeMap<AttributeName, Contribution>,
}

/// An identity without its values.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct IdentityOutline {
    /// What it is.
    pub object_type: ObjectType,
    /// Its reference attributes.
    pub references: BTreeMap<AttributeName, Vec<ReferenceSource>>,
    /// Whether it lives.
    pub life: Life,
}

impl From<MetaverseObject> for IdentityOutline {
    fn from(identity: MetaverseObject) -> Self {
        let MetaverseObject { object_type, references, life, .. } = identity;
        Self { object_type, references, life }
    }
}

/// Values and where they came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contribution {
    /// The values.
    pub values: Values,
    /// The space objects that gave them; several where the rules merge.
    pub from: Vec<SpaceId>,
    /// The rule by which the first of them won.
    pub rule: String,
}

/// The edges that are the value of a reference attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceSource {
    /// Of this object,
    pub from: SpaceId,
    /// under this name in its space.
    pub attribute: AttributeName,
    /// The rule that says so.
    pub rule: String,
}

/// Whether an identity lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Life {
    /// A Provision or StickyJoin rule holds it.
    Held,
    /// None does any more; its objects in the targets are switched off or removed, as the rules say.
    Released {
        /// Why.
        cause: ReleaseCause,
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// Why nothing holds an identity any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseCause {
    /// The object that held it was deleted.
    Deleted,
    /// The object that held it is there and out of scope.
    OutOfScope,
}

//! What the cases are written with.

use chrono::{DateTime, TimeDelta, Utc};

use crate::connector::SourceScope;
use crate::metaverse::{Life, MetaverseObject};
use crate::space::{Link, LinkOrigin, PendingImport, SpaceKind, SpaceObject};
use crate::store::JoinKey;
use crate::{
    AttributeName, AttributeSet, ConnectorId, Dn, MetaverseId, SpaceId, StoreError, SyncStore,
};

#[must_use]
pub fn ad() -> ConnectorId {
    ConnectorId::new("ad")
}

#[must_use]
pub fn cloud() -> ConnectorId {
    ConnectorId::new("cloud")
}

#[must_use]
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

#[must_use]
pub fn name(name: &str) -> AttributeName {
    AttributeName::new(name)
}

#[must_use]
pub fn key(attribute: &str, value: &str) -> JoinKey {
    JoinKey { attribute: attribute.into(), value: value.into() }
}

/// A staged object with the anchor `text` and a name made of it.
#[must_use]
pub fn object(connector: &ConnectorId, text: &str) -> SpaceObject {
    SpaceObject {
        id: SpaceId(0),
        connector: connector.clone(),
        object_type: Some("user".into()),
        anchor: Some(text.into()),
        dn: Some(Dn::new(format!("CN={text},DC=x"))),
        kind: SpaceKind::Staged,
        scope: SourceScope::In,
        hologram: AttributeSet::new().with("cn", text),
        version: None,
        pending_import: PendingImport::None,
        pending_export: None,
        unconfirmed: None,
        link: None,
    }
}

#[must_use]
pub fn linked(object: SpaceObject, metaverse: MetaverseId) -> SpaceObject {
    let link =
        Link { metaverse, origin: LinkOrigin::Projected { rule: "in".to_owned() }, released: None };
    SpaceObject { link: Some(link), ..object }
}

#[must_use]
pub fn identity() -> MetaverseObject {
    MetaverseObject {
        id: MetaverseId(0),
        object_type: "person".into(),
        attributes: std::collections::BTreeMap::new(),
        references: std::collections::BTreeMap::new(),
        life: Life::Held,
    }
}

/// Adds an object to a store with a transaction under way.
pub fn add(store: &mut dyn SyncStore, connector: &ConnectorId, text: &str) -> SpaceId {
    store.insert_object(&object(connector, text)).unwrap()
}

pub fn is_conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Conflict(_)))
}

pub fn is_missing<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Missing(_)))
}

pub fn is_misuse<T: std::fmt::Debug>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Misuse(_)))
}

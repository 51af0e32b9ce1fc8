#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod connector;
pub mod expr;
mod id;
pub mod metaverse;
pub mod space;
pub mod store;

pub use attribute::{AttributeName, AttributeSet, AttributeValue, Values};
pub use connector::{Connector, ConnectorError};
pub use id::{Anchor, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};
pub use store::{StoreError, SyncStore};

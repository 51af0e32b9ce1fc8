#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod connector;
pub mod expr;
mod id;
pub mod import;
pub mod memory;
pub mod metaverse;
pub mod observer;
pub mod rules;
pub mod space;
pub mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod sync;
pub mod verify;

pub use attribute::{AttributeName, AttributeSet, AttributeValue, Values};
pub use connector::{Connector, ConnectorError};
pub use id::{Anchor, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};
pub use memory::MemoryStore;
pub use store::{StoreError, SyncStore};

#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod connector;
pub mod cycle;
pub mod escrow;
pub mod export;
pub mod expr;
pub mod guard;
mod id;
pub mod import;
pub mod memory;
pub mod metaverse;
pub mod observer;
pub mod plan;
pub mod preview;
pub mod rules;
pub mod run;
pub mod space;
pub mod stop;
pub mod store;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
pub mod sync;
pub mod undo;
pub mod verify;

pub use attribute::{AttributeName, AttributeSet, AttributeValue, Values};
pub use connector::{Connector, ConnectorError};
pub use id::{Anchor, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};
pub use memory::MemoryStore;
pub use store::{StoreError, SyncStore};

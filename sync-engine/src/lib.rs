#![doc = include_str!("../README.md")]

pub mod attribute;
mod id;

pub use attribute::{AttributeName, AttributeSet, AttributeValue, Values};
pub use id::{Anchor, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};

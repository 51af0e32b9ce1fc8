#![doc = include_str!("../README.md")]

pub mod attribute;
pub mod expr;
mod id;

pub use attribute::{AttributeName, AttributeSet, AttributeValue, Values};
pub use id::{Anchor, ConnectorId, Dn, MetaverseId, ObjectType, SpaceId};

#![doc = include_str!("../README.md")]

pub mod error;
pub mod filter;
mod id;
pub mod json;
mod limits;
pub mod media;
mod name;
mod profile;
pub mod resource;
pub mod schema;
pub mod text;
mod version;

pub use error::{Error, ErrorDocument};
pub use id::ResourceId;
pub use limits::Limits;
pub use name::{AttrName, AttrPath, NameError, SchemaUri, urn};
pub use profile::{Leniency, Profile, Tolerance, ToleranceInfo, Trace, UnknownTolerance};
pub use resource::{Object, Resource, Value};
pub use schema::{
    Attribute, AttributeType, Mutability, Registry, RegistryError, ResourceSchema, ResourceType,
    Returned, Schema, Target, Uniqueness,
};
pub use version::{EntityTag, TagList, Version};

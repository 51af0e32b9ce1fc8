#![doc = include_str!("../README.md")]

pub mod bulk;
pub mod check;
pub mod discovery;
pub mod error;
pub mod event;
pub mod filter;
mod id;
pub mod json;
mod limits;
pub mod media;
mod name;
pub mod patch;
mod profile;
pub mod project;
pub mod query;
pub mod resource;
pub mod schema;
pub mod text;
mod version;

pub use error::{Error, ErrorDocument};
pub use filter::{
    CompareOp, Comparison, Field, Filter, FilterError, Literal, TypedComparison, TypedFilter,
    TypedValue, attr,
};
pub use id::ResourceId;
pub use limits::Limits;
pub use name::{AttrName, AttrPath, NameError, SchemaUri, urn};
pub use patch::{
    Change, ChangeSet, MemberEdit, MemberOp, Op, Operation, Patch, PatchPath, ResolvedPatch,
};
pub use profile::{Leniency, Profile, Tolerance, ToleranceInfo, Trace, UnknownTolerance};
pub use project::{Projection, ResolvedProjection};
pub use query::ListQuery;
pub use resource::{
    Address, AddressType, Contact, ConvertError, Email, EmailType, EnterpriseUser, Entitlement,
    Extension, Group, GroupRef, GroupRefType, Im, ImType, Manager, Member, MemberType, Meta, Name,
    Object, OnPremises, PhoneNumber, PhoneNumberType, Photo, PhotoType, Resource, Role, User,
    Value, X509Certificate,
};
pub use schema::{
    Attribute, AttributeType, Mutability, Registry, RegistryError, ResourceSchema, ResourceType,
    Returned, Schema, Target, Uniqueness,
};
pub use version::{EntityTag, TagList, Version};

#![doc = include_str!("../README.md")]

#[cfg(feature = "beside")]
mod beside;
#[cfg(feature = "csv")]
pub mod csv;
#[cfg(feature = "ldap")]
pub mod ldap;
#[cfg(feature = "remote")]
pub mod remote;
#[cfg(feature = "scim")]
pub mod scim;

#[cfg(feature = "beside")]
pub use beside::Beside;

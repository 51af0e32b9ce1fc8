#![doc = include_str!("../README.md")]

#[cfg(feature = "ldap")]
pub mod ldap;

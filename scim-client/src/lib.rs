#![doc = include_str!("../README.md")]

pub mod transport;
#[cfg(feature = "reqwest")]
mod transport_reqwest;

pub use scim_core;
pub use transport::{Transport, TransportError, TransportErrorKind};

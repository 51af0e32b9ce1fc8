#![doc = include_str!("../README.md")]

pub mod auth;
mod builder;
mod bulk;
mod client;
pub mod clock;
mod discovery;
pub mod error;
#[cfg(feature = "in-process")]
mod in_process;
mod me;
mod pages;
pub mod request;
mod resources;
mod retry;
mod send;
pub mod target;
#[cfg(feature = "testing")]
pub mod testing;
pub mod transport;
#[cfg(feature = "hyper")]
mod transport_hyper;
#[cfg(feature = "reqwest")]
mod transport_reqwest;

pub use auth::{Auth, OAuth2};
pub use builder::ClientBuilder;
pub use bulk::{BulkOutcome, BulkReport, Fate};
pub use client::Client;
pub use discovery::Discovery;
pub use error::{Error, Rejected};
#[cfg(feature = "in-process")]
pub use in_process::InProcess;
pub use me::Me;
pub use pages::{Page, PagingError};
pub use request::Written;
pub use resources::{Resources, TypedResource, View};
pub use retry::RetryPolicy;
pub use scim_core;
pub use target::membership::MemberId;
pub use target::{Capabilities, TargetProfile};
pub use transport::{Transport, TransportError, TransportErrorKind};

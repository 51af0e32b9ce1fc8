#![doc = include_str!("../README.md")]

mod app;
mod assembled;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
mod http;
pub mod net;
mod references;
pub mod run;
mod server;
mod service;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod tls;

pub use http::{openapi, routes};
pub use scim_core::{Profile, Registry};
pub use server::{BuildError, Builder, ScimServer};

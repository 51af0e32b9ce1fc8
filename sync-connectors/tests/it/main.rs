//! The connectors against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod beside;
mod csv;
mod cycle;
mod ldap;
mod remote;
mod scim;

//! The agent's program between real directories and the real SCIM server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod bad_input;
mod bed;
mod broken_source;
mod domain;
mod domain_guard;
#[cfg(feature = "kerberos")]
mod kerberos;
mod managed;
mod openldap;
mod storms;

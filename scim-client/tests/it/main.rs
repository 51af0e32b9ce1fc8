//! The client against servers and scripts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod auth;
mod errors;
mod help;
mod live;
mod process;
mod real;
mod requests;
mod retry;
mod targets;
mod tls;

//! The client against servers and scripts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod auth;
mod bulk;
mod bulk_stops;
mod errors;
mod faults;
mod faulty;
mod foreign;
mod help;
mod liars;
mod live;
mod membership;
mod memory;
mod process;
mod real;
mod requests;
mod retry;
mod targets;
mod tls;
mod transports;

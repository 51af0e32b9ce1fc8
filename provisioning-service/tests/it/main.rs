//! The provisioning service against real directories and real targets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod bed;
mod demand;
mod jobs;
mod kill;
mod trouble;

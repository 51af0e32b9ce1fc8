//! The program `scim` against the real server, each in a process of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod careless;
mod commands;
mod directory;
mod help;
mod output;
mod settings;

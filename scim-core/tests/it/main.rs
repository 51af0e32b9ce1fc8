//! Integration tests of the core: one binary, one module a topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod check;
mod check_properties;
mod filter;
mod patch;
mod patch_lists;
mod patch_properties;
mod patch_rules;
mod patch_tolerances;
mod patch_vendors;
mod schema;
mod typed;

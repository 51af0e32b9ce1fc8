//! Integration tests of the core: one binary, one module a topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod bulk;
mod check;
mod check_properties;
mod discovery;
mod event;
mod filter;
mod fixtures;
mod patch;
mod patch_lists;
mod patch_properties;
mod patch_rules;
mod patch_tolerances;
mod patch_vendors;
mod project;
mod query;
mod schema;
mod smoke;
mod targets;
mod typed;

//! The engine from its outside: plans as text, guards, cycles against simulated systems that fail in every way.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says so by a panic, helpers of tests too"
)]

mod converge;
mod crashing;
mod cycle;
mod expr;
mod guard;
mod interrupted;
mod pipeline;
mod plan;
mod schemas;
mod simulated;
mod sources;
mod told;
mod undo;
mod world;

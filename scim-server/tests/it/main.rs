//! Integration tests: the router in memory, and where it matters the real program over a socket.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod canary;
mod concurrency;
mod coverage;
mod excess;
mod flows;
mod fuzz;
mod gate;
mod harness;
mod hostile;
mod injection;
mod isolation;
mod probe;
mod protocol;
mod rfc_examples;
mod shapes;
mod snapshots;
mod support;
mod tolerances;
mod vectors;

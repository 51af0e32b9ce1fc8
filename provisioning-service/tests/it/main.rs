//! The service over real sockets and against real directories and targets: who gets in, how, and who does not; what jobs
//! do, and what they do not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

mod bed;
mod channel;
mod demand;
mod enrolment;
mod harness;
mod identity;
mod jobs;
mod kill;
mod program;
mod proof;
mod replicas;
mod routes;
mod synchronization;
mod trouble;

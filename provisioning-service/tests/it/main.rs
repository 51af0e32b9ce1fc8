//! The service over real sockets and against real directories and targets: who gets in, how, and who does not; what jobs
//! do, and what they do not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by panicking, in helpers too"
)]

#[cfg(feature = "nats")]
mod backplane;
mod bed;
mod channel;
mod demand;
mod enrolment;
mod harness;
mod identity;
mod jobs;
mod kill;
mod notify;
mod openapi;
mod page;
mod polls;
mod program;
mod program_logs;
mod proof;
mod replicas;
mod routes;
mod synchronization;
mod topologies;
mod trouble;

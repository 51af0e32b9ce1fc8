//! The service over real sockets: who gets in, how, and who does not.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod channel;
mod enrolment;
mod harness;
mod identity;
mod program;
mod proof;
mod routes;

//! The service over real sockets: who gets in, how, and who does not.

mod channel;
mod enrolment;
mod harness;
mod identity;
mod program;
mod proof;
mod routes;

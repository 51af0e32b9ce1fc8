//! The suite against a real server on a real socket, and against servers that are broken on purpose.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test reports by failing")]

mod binary;
mod broken;
mod conditional;
mod ending;
mod framework;
mod limits;
mod ours;
mod program;
mod reports;
mod site;

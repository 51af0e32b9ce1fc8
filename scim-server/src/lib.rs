//! placeholder

pub mod cli;
pub mod config;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

//! placeholder

pub mod cli;
pub mod config;
pub mod net;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

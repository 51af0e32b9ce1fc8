#![doc = include_str!("../README.md")]

pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod net;
pub mod shutdown;
pub mod telemetry;
pub mod tls;

#![doc = include_str!("../README.md")]

pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod objects;
pub mod progress;
pub mod state;

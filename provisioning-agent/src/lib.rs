#![doc = include_str!("../README.md")]

pub mod check;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod connect;
pub mod exit;
pub mod files;
pub mod health;
pub mod objects;
pub mod progress;
pub mod session;
pub mod signals;
pub mod state;
pub mod template;

#![doc = include_str!("../README.md")]

pub mod api;
pub mod audit;
pub mod clock;
pub mod config;
pub mod job;
pub mod logs;
pub mod records;
pub mod seal;
pub mod tenant;
pub mod tokens;

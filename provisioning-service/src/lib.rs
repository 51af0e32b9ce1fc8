#![doc = include_str!("../README.md")]

pub mod clock;
pub mod config;
pub mod records;
pub mod seal;
pub mod tenant;

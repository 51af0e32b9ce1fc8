//! The administrators' API.

pub mod synchronization;

//! placeholder
pub mod auth;
pub mod clock;

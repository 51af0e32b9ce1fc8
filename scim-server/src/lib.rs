//! placeholder
pub mod auth;
pub mod clock;
pub mod store;

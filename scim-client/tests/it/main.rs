//! The client against servers and scripts.

mod auth;
mod errors;
mod help;
mod live;
mod requests;
mod retry;

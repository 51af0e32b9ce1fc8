//! The page of operators: who gets in, what is sent with every answer, that no text gets out of its place, and, in a real
//! browser, that it works.

mod bed;
mod browser;
pub(crate) mod client;
mod contents;
mod driver;
mod routes;
mod sessions;

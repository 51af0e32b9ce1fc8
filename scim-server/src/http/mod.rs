//! The HTTP surface: one dispatcher over the route table, and one place where results and failures become responses.

mod body;
mod bulk;
mod compress;
mod conditional;
mod discovery;
mod dispatch;
mod health;
pub mod openapi;
mod problem;
mod query;
mod representation;
mod resource;
pub mod routes;
mod trace;
mod view;

pub(crate) use bulk::failure_document;
pub(crate) use compress::compressed;
pub(crate) use dispatch::{Mount, serve};
pub(crate) use health::health_routes;
pub(crate) use representation::{Links, assemble, is_plain, opaque_version};
pub(crate) use trace::Secrets;

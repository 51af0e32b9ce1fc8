//! The HTTP surface: one dispatcher over the route table, and one place where results and failures become responses.

mod body;
mod bulk;
mod compress;
mod conditional;
mod discovery;
mod dispatch;
mod health;
pub mod openapi;
mod parts;
mod problem;
mod query;
mod representation;
mod resource;
pub mod routes;
mod trace;
mod view;

pub(crate) use compress::compressed;
pub(crate) use dispatch::{Mount, serve};
pub(crate) use health::health_routes;
pub(crate) use parts::Room;
pub(crate) use representation::is_plain;
pub(crate) use trace::Secrets;

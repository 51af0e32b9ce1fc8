//! Requests: one builder each, sent by `.await`.

mod create;
mod delete;
mod get;
mod options;
mod patch;
mod replace;
mod written;

pub use create::Create;
pub use delete::Delete;
pub use get::{Get, GetIfChanged};
pub(crate) use options::{Options, common_options};
pub use patch::PatchRequest;
pub use replace::Replace;
pub use written::Written;

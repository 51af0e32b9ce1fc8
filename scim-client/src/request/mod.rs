//! Requests: one builder each, sent by `.await`.

mod bulk;
mod create;
mod delete;
mod get;
mod list;
mod options;
mod patch;
mod replace;
mod search;
mod written;

pub use bulk::{BulkBuilder, Pushed};
pub use create::Create;
pub(crate) use create::unwritable;
pub use delete::Delete;
pub use get::{Get, GetIfChanged};
pub use list::List;
pub(crate) use list::{Exchange, Fetched};
pub(crate) use options::{Options, common_options};
pub use patch::PatchRequest;
pub(crate) use patch::is_idempotent;
pub use replace::Replace;
pub use written::Written;

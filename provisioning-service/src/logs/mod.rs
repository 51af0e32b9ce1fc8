//! The provisioning log: what was done to each object, with what outcome, in the JSON of Microsoft's provisioning log.

mod append;
mod entry;
mod observer;
mod query;

pub(crate) use append::append;
pub use entry::{
    ErrorInformation, Identity, Initiator, ModifiedProperty, ProvisioningObjectSummary,
    ProvisioningStep, StatusInfo, System,
};
pub(crate) use observer::joined;
pub use observer::{LogObserver, Names};
pub(crate) use query::told;
pub use query::{LogPage, lines, page};

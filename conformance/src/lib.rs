#![doc = include_str!("../README.md")]

mod capability;
pub mod check;
pub mod checks;
mod clock;
pub mod context;
mod evidence;
pub mod expect;
mod json;
mod ledger;
mod observer;
mod profile;
pub mod report;
mod requirement;
mod run;
mod runner;
mod served;
mod suite;
mod sweep;
mod target;

pub use capability::Capability;
pub use check::{Check, Level, Need, Peer, Stop, Topic, Verdict};
pub use context::Cx;
pub use evidence::Exchange;
pub use ledger::MARKER;
pub use observer::{Observer, Silent};
pub use profile::{Profile, UnknownProfile};
pub use report::console::{self, Console};
pub use report::{Conclusion, Ended, Outcome, Report};
pub use requirement::Requirement;
pub use runner::Interrupt;
pub use served::{Served, ServedAttribute, ServedSchema, ServedType};
pub use suite::Suite;
pub use sweep::{Swept, sweep};
pub use target::{Target, TargetError};

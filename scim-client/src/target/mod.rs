//! What is known about the server at the other end, and what it changes in what is sent.
//!
//! [`TargetProfile`] is the data, [`Capabilities`] what follows from it and from what the server announces,
//! [`membership`] changes the members of groups within its limits, and [`Budget`] keeps to its rates.

mod answer;
mod budget;
mod capabilities;
pub mod fields;
mod meaning;
pub mod membership;
mod profile;
mod quirks;
mod shipped;

pub use answer::{FilterIgnored, Lookup, check_matches, check_one};
pub use budget::{Budget, Permit, RequestClass};
pub use capabilities::{Capabilities, Fact, Origin};
pub use fields::{Action, Meaning};
pub use meaning::Refusal;
pub use profile::{ProfileError, TargetProfile};
pub(crate) use quirks::members_in;
pub use quirks::{Deactivation, ShapedBody, ShapedPatch};

/// Something that the target is known to refuse; it was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} does not take this: {what}")]
pub struct Unsupported {
    /// The name of the target's profile.
    pub target: String,
    /// What it refuses, and what to do instead.
    pub what: String,
}

impl TargetProfile {
    pub(crate) fn unsupported(&self, what: impl Into<String>) -> Unsupported {
        Unsupported { target: self.name().to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod documentation;
#[cfg(test)]
mod tests;

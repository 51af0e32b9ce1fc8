//! What is known about the peer.

mod budget;
mod capabilities;

use http::{HeaderValue, Method, StatusCode};
use scim_core::{Filter, Patch};

pub use budget::{Budget, RequestClass};
pub use capabilities::Capabilities;

use crate::error::Meaning;

/// What a target does differently from the RFCs, as data.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TargetProfile {
    name: String,
}

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
    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a request with this method may be sent to this endpoint ("Users", or "" for the root).
    pub(crate) fn admits_method(&self, _: &Method, _: &str) -> Result<(), Unsupported> {
        Ok(())
    }

    /// Whether the target understands this filter.
    ///
    /// # Errors
    /// [`Unsupported`] names the part that it does not.
    pub fn admits(&self, _: &Filter) -> Result<(), Unsupported> {
        Ok(())
    }

    /// The messages that do what this one does, in the style that the target takes.
    pub(crate) fn shape(&self, patch: Patch) -> Vec<Patch> {
        vec![patch]
    }

    /// The `Accept` header for this method; none where the target refuses one.
    pub(crate) fn accept(&self, _: &Method) -> Option<HeaderValue> {
        Some(HeaderValue::from_static("application/scim+json, application/json"))
    }

    /// The `Content-Type` of bodies.
    pub(crate) fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static(scim_core::media::SCIM_JSON)
    }

    /// What a refusal really means, by the rules of the profile; `None` where the status speaks for itself.
    pub(crate) fn meaning(&self, _: &Method, _: StatusCode, _: &str) -> Option<Meaning> {
        None
    }
}

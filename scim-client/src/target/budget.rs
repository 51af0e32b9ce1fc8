//! How fast the target may be asked.

use std::time::Duration;

use http::{Method, StatusCode};

use super::TargetProfile;

/// What kind of request asks for leave.
#[derive(Clone, Debug)]
pub struct RequestClass<'a> {
    /// Its method.
    pub method: &'a Method,
    /// The endpoint, such as "Users"; "" for the root.
    pub endpoint: &'a str,
    /// The size of its body.
    pub bytes: usize,
}

/// The rate that the target allows.
#[derive(Debug)]
pub struct Budget(());

impl Budget {
    /// The budget that a profile sets.
    #[must_use]
    pub fn new(_: &TargetProfile) -> Self {
        Self(())
    }

    /// Waits until a request of this class may go out.
    pub async fn acquire(&self, _: &RequestClass<'_>) {}

    /// Learns from an answer.
    pub fn observe(&self, _: &RequestClass<'_>, _: StatusCode, _: Option<Duration>) {}
}

//! What answers mean, and what may be sent twice.

use http::HeaderMap;
use scim_core::bulk::{BulkMethod, BulkResponse, OperationResult};
use scim_core::{Leniency, Object, Patch, Profile};
use secrecy::{ExposeSecret, SecretString};

use super::super::Prepared;
use crate::error::{Error, Rejected};
use crate::request::is_idempotent;
use crate::resources::Place;
use crate::send::Answer;

/// What a failed batch means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The target has no bulk.
    Missing,
    /// The target takes less at a time.
    TooLarge,
    /// The target does not take these operations together.
    Refused,
    /// The batch may have been done, in whole or in part.
    Unclear,
    /// Nothing was done, and nothing will be.
    Lasting,
}

pub(super) fn read(mut answer: Answer, place: &Place) -> Result<BulkResponse, Error> {
    let response = BulkResponse::from_object(answer.body.take().unwrap_or_default());
    response.map_err(|error| answer.undecodable(place, error.to_string()))
}

pub(super) fn read_patch(data: Object) -> Result<Patch, Error> {
    let limits = scim_core::Limits { patch_operations: usize::MAX, ..scim_core::Limits::default() };
    Patch::from_object(data, &limits, &mut Leniency::new(Profile::default()))
        .map_err(|error| Error::Request(error.to_string()))
}

/// The error of one operation, as if it had been a request of its own.
pub(super) fn refusal(
    operation: &Prepared,
    result: OperationResult,
    secrets: &[SecretString],
) -> Error {
    let document = result.response.as_ref().and_then(|response| response.as_object());
    let text = |name: &str| {
        let text = document?.get_str(name).filter(|text| !text.is_empty())?;
        let masked = secrets.iter().map(ExposeSecret::expose_secret).filter(|s| s.len() > 3);
        Some(masked.fold(text.to_owned(), |text, secret| text.replace(secret, "***")))
    };
    Error::from(Rejected {
        method: operation.method(),
        path: operation.place().to_path(),
        status: result.status,
        headers: HeaderMap::new(),
        scim_type: text("scimType"),
        detail: text("detail"),
        body_excerpt: None,
        is_scim: true,
        meaning: None,
        hint: None,
        confirmed_missing: false,
        after_lost_answer: false,
        attempts: 1,
        retry_after: None,
    })
}

/// Whether the target had no time for the operation in a batch. A 429 comes before the work; a 503 may come after it.
pub(super) fn is_busy(error: &Error) -> bool {
    error.status().is_some_and(|status| matches!(status.as_u16(), 425 | 429 | 503))
}

/// Whether the operation done twice comes to the same as done once.
pub(super) fn is_repeatable(operation: &Prepared) -> bool {
    let patch = || read_patch(operation.data.clone().unwrap_or_default());
    match operation.method {
        BulkMethod::Put | BulkMethod::Delete => true,
        BulkMethod::Post => false,
        BulkMethod::Patch => {
            operation.version.is_some()
                || patch().is_ok_and(|patch| patch.operations().iter().all(is_idempotent))
        }
    }
}

pub(super) fn verdict(error: &Error) -> Verdict {
    match error {
        Error::Target(_) => Verdict::Missing,
        Error::Scim(rejected) => match rejected.status.as_u16() {
            403 | 404 | 405 | 501 => Verdict::Missing,
            413 => Verdict::TooLarge,
            401 | 429 => Verdict::Lasting,
            _ if error.may_have_been_done() => Verdict::Unclear,
            400..=499 => Verdict::Refused,
            _ => Verdict::Lasting,
        },
        error if error.may_have_been_done() => Verdict::Unclear,
        _ => Verdict::Lasting,
    }
}

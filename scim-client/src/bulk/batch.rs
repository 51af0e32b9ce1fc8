//! One bulk request: what fits into it, its body, and which result belongs to which operation.

use bytes::Bytes;
use scim_core::bulk::{BulkMethod, OperationResult};
use scim_core::{Object, Value, urn};
use secrecy::SecretString;

use super::Prepared;
use crate::target::Capabilities;

/// More operations are not put into a request, whatever the target takes: what a lost answer leaves in doubt is looked
/// up one by one.
const MOST_OPERATIONS: usize = 1_000;

/// Where a target announces bulk and no size.
const PAYLOAD: usize = 1024 * 1024;

/// What one request may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) operations: usize,
    pub(super) bytes: usize,
}

impl Limits {
    /// The limits of a target; `None` where it has no bulk, or none that is worth it.
    pub(super) fn of(capabilities: &Capabilities, wanted: Option<usize>) -> Option<Self> {
        let operations = capabilities.bulk_max_operations.value;
        let operations = operations.unwrap_or(MOST_OPERATIONS).min(MOST_OPERATIONS);
        let operations = wanted.map_or(operations, |wanted| wanted.min(operations));
        let bytes = capabilities.bulk_max_bytes.value.unwrap_or(PAYLOAD);
        (capabilities.bulk.value && operations > 1).then_some(Self { operations, bytes })
    }
}

/// Operations that go out together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) operations: Vec<Prepared>,
    texts: Vec<String>,
    bytes: usize,
}

impl Batch {
    /// Takes an operation in, or gives it back where there is no room for it.
    pub(super) fn add(&mut self, operation: Prepared, limits: Limits) -> Option<Prepared> {
        // Numbers and texts of a parsed document can always be written.
        let text = serde_json::to_string(&operation.to_object()).unwrap_or_default();
        let bytes = if self.texts.is_empty() { envelope(Some(u64::MAX)).len() } else { self.bytes };
        let bytes = bytes + text.len() + 1;
        if self.operations.len() >= limits.operations || bytes > limits.bytes {
            return Some(operation);
        }
        self.bytes = bytes;
        self.operations.push(operation);
        self.texts.push(text);
        None
    }

    /// The body.
    pub(super) fn body(&self, fail_on_errors: Option<u64>) -> Bytes {
        let mut body = envelope(fail_on_errors);
        // The envelope ends with the closing of list and object.
        body.truncate(body.len() - 2);
        body.push_str(&self.texts.join(","));
        body.push_str("]}");
        Bytes::from(body)
    }

    /// What no error may show.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        let data = self.operations.iter().filter_map(|operation| operation.data.as_ref());
        data.flat_map(passwords).map(SecretString::from).collect()
    }

    /// Finds the operation of each result. Creates are told by their bulkId, others by their method and location, and
    /// where a target names none, by their order, which is that of the request (RFC 7644 section 3.7.3).
    pub(super) fn match_up(
        self,
        results: Vec<OperationResult>,
    ) -> Vec<(Prepared, Option<OperationResult>)> {
        let mut open: Vec<(Prepared, Option<OperationResult>)> =
            self.operations.into_iter().map(|operation| (operation, None)).collect();
        for result in results {
            let fits = |(operation, taken): &(Prepared, Option<OperationResult>)| {
                taken.is_none() && result.method.is_none_or(|method| method == operation.method)
            };
            let named = |(operation, _): &&mut (Prepared, Option<OperationResult>)| match (
                &operation.bulk_id,
                &result.bulk_id,
            ) {
                (Some(own), Some(bulk_id)) => own == bulk_id,
                (Some(_), None) => operation.method == BulkMethod::Post,
                (None, Some(_)) => false,
                (None, None) => match &result.location {
                    Some(location) => {
                        let path = operation.place().to_path();
                        location.split('?').next().unwrap_or_default().ends_with(&path)
                    }
                    None => true,
                },
            };
            if let Some(place) = open.iter_mut().filter(|pair| fits(pair)).find(named) {
                place.1 = Some(result);
            }
        }
        open
    }
}

/// The passwords in a resource or in a PATCH message.
fn passwords(data: &Object) -> Vec<&str> {
    let operations = data.get("Operations").map(Value::values).unwrap_or_default();
    let changed = operations.iter().filter_map(|operation| {
        let operation = operation.as_object()?;
        match (operation.get_str("path"), operation.get("value")?) {
            (Some(path), Value::String(text))
                if path.to_ascii_lowercase().ends_with("password") =>
            {
                Some(text.as_str())
            }
            (None, Value::Object(resource)) => resource.get_str("password"),
            _ => None,
        }
    });
    data.get_str("password").into_iter().chain(changed).collect()
}

/// A bulk request without operations.
fn envelope(fail_on_errors: Option<u64>) -> String {
    let fail = fail_on_errors.map(|n| format!(",\"failOnErrors\":{n}")).unwrap_or_default();
    format!("{{\"schemas\":[\"{}\"]{fail},\"Operations\":[]}}", urn::BULK_REQUEST)
}

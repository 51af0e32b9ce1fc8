//! Conditional headers (RFC 7644 section 3.14, RFC 9110 section 13).

use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use scim_core::{Error, TagList};

use crate::service::Guard;

/// Reads `If-Match` and `If-None-Match`.
///
/// # Errors
/// [`Error::InvalidValue`] for a malformed list: ignoring it would make a conditional write unconditional.
pub(crate) fn guard(headers: &HeaderMap) -> Result<Guard, Error> {
    Ok(Guard { if_match: tags(headers, &IF_MATCH)?, if_none_match: tags(headers, &IF_NONE_MATCH)? })
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<TagList>, Error> {
    let mut joined = String::new();
    for value in headers.get_all(name) {
        let text = value.to_str().map_err(|_| {
            Error::value(name, "expected * or a list of entity tags such as W/\"1\"")
        })?;
        if !joined.is_empty() {
            joined.push(',');
        }
        joined.push_str(text);
    }
    if !headers.contains_key(name) {
        return Ok(None);
    }
    joined.parse().map(Some).map_err(|error| match error {
        Error::InvalidValue { detail, .. } => Error::value(name, detail),
        other => other,
    })
}

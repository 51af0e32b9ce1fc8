//! The body of a POST to `.search` (RFC 7644 section 3.4.3, RFC 9865 section 3).

use std::borrow::Cow;

use super::page::{not_a_number, read_json_number};
use super::{ListQuery, Parameter, Parameters};
use crate::error::Error;
use crate::limits::Limits;
use crate::name::urn;
use crate::profile::{Leniency, Tolerance};
use crate::project::Projection;
use crate::resource::{Object, Value};

impl ListQuery {
    /// Reads a search request. Member names may be in any letter case; unknown ones are ignored, `null` is absence.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when `schemas` does not name the message; else as [`ListQuery::from_query`], and
    /// [`Error::InvalidValue`] when a member is not of its type.
    pub fn from_search(
        object: &Object,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<Self, Error> {
        check_message_schemas(object, urn::SEARCH_REQUEST, leniency)?;
        let parameters = Parameters {
            filter: text(object, "filter")?,
            sort_by: text(object, "sortBy")?,
            sort_order: text(object, "sortOrder")?,
            start_index: number(object, "startIndex")?,
            count: number(object, "count")?,
            cursor: text(object, "cursor")?,
        };
        let projection = Projection::from_names(
            names(object, "attributes")?.map(Vec::into_iter),
            names(object, "excludedAttributes")?.map(Vec::into_iter),
            limits,
        )?;
        parameters.into_query(projection, limits, leniency)
    }

    /// The search request that asks for this.
    pub fn to_search(&self) -> Object {
        let mut object = Object::new();
        object.insert("schemas", [urn::SEARCH_REQUEST]);
        self.write(|name, value| {
            let value = match value {
                Parameter::Text(text) => Value::from(text),
                Parameter::Number(number) => Value::Number(number.into()),
                Parameter::Names(names) => Value::from(names),
            };
            object.insert(name, value);
        });
        object
    }
}

fn text<'a>(object: &'a Object, name: &str) -> Result<Option<Cow<'a, str>>, Error> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(Cow::Borrowed(text))),
        Some(_) => Err(Error::value(name, "it must be a string")),
    }
}

fn number(object: &Object, name: &str) -> Result<Option<i64>, Error> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => read_json_number(name, number).map(Some),
        Some(_) => Err(not_a_number(name)),
    }
}

fn names<'a>(object: &'a Object, name: &str) -> Result<Option<Vec<&'a str>>, Error> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items
            .iter()
            .map(Value::as_str)
            .collect::<Option<_>>()
            .map(Some)
            .ok_or_else(|| Error::value(name, "each element must be a string")),
        Some(_) => Err(Error::value(name, "it must be an array of attribute names")),
    }
}

/// Checks that a message says what it is.
///
/// # Errors
/// [`Error::InvalidSyntax`] when `schemas` holds other URIs, or none and the profile does not tolerate that.
pub(crate) fn check_message_schemas(
    object: &Object,
    uri: &str,
    leniency: &mut Leniency,
) -> Result<(), Error> {
    let named = object.get("schemas").map(Value::values).unwrap_or_default();
    if named.iter().any(|s| s.as_str().is_some_and(|s| s.eq_ignore_ascii_case(uri))) {
        return Ok(());
    }
    if named.is_empty() && leniency.allows(Tolerance::MessageWithoutSchemas, "schemas") {
        return Ok(());
    }
    Err(Error::syntax(format!("schemas: it must be [\"{uri}\"]")))
}

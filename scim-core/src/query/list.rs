//! The list response (RFC 7644 section 3.4.2, RFC 9865 section 2).

use std::io::Write;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::page::read_json_number;
use crate::error::Error;
use crate::name::urn;
use crate::resource::{Object, Resource, Value};

/// What a list response says about its page.
///
/// ```
/// use scim_core::query::ListPage;
/// let page = ListPage { total_results: Some(2), items_per_page: Some(1), ..ListPage::default() };
/// let mut out = Vec::new();
/// page.write([br#"{"id":"1"}"#], &mut out);
/// assert_eq!(
///     String::from_utf8(out)?,
///     r#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":2,"itemsPerPage":1,"Resources":[{"id":"1"}]}"#
/// );
/// # Ok::<(), std::string::FromUtf8Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// All results of the query; a server that pages by cursor may not know it.
    pub total_results: Option<u64>,
    /// The results on this page.
    pub items_per_page: Option<u64>,
    /// The 1-based index of the first one, as it was asked for; with index paging only.
    pub start_index: Option<u64>,
    /// The cursor of the next page; absent on the last one and with index paging.
    pub next_cursor: Option<String>,
    /// The cursor of the page before. Optional in RFC 9865; this project's server sends none, its client reads it.
    pub previous_cursor: Option<String>,
}

/// What stands behind the resources.
const TAIL: &[u8] = b"]}";

impl ListPage {
    /// Appends the JSON of a list response whose resources are JSON texts already, such as a store keeps them.
    ///
    /// The texts are copied as they are: each must be one JSON value.
    pub fn write<R: AsRef<[u8]>>(&self, resources: impl IntoIterator<Item = R>, out: &mut Vec<u8>) {
        self.write_head(out);
        for (i, resource) in resources.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.extend_from_slice(resource.as_ref());
        }
        out.extend_from_slice(TAIL);
    }

    /// What stands before and behind the resources of a list response, for an answer that is too large to be put together
    /// in memory: head, resources with commas between them, tail.
    pub fn around(&self) -> (Vec<u8>, &'static [u8]) {
        let mut head = Vec::new();
        self.write_head(&mut head);
        (head, TAIL)
    }

    fn write_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"schemas\":[\"");
        out.extend_from_slice(urn::LIST_RESPONSE.as_bytes());
        out.extend_from_slice(b"\"]");
        for (name, number) in self.numbers() {
            // Writing to memory does not fail.
            let _ = write!(out, ",\"{name}\":{number}");
        }
        for (name, cursor) in self.cursors() {
            let _ = write!(out, ",\"{name}\":{}", Value::from(cursor));
        }
        out.extend_from_slice(b",\"Resources\":[");
    }

    fn numbers(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("totalResults", self.total_results),
            ("itemsPerPage", self.items_per_page),
            ("startIndex", self.start_index),
        ]
        .into_iter()
        .filter_map(|(name, number)| Some((name, number?)))
    }

    fn cursors(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("previousCursor", &self.previous_cursor), ("nextCursor", &self.next_cursor)]
            .into_iter()
            .filter_map(|(name, cursor)| Some((name, cursor.as_deref()?)))
    }
}

/// The answer to a query.
///
/// `Resources` is written even when there are none: the RFC lets it be absent then, many clients do not
/// (AMBIGUITIES 50).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListResponse {
    /// What is said about the page.
    pub page: ListPage,
    /// The resources of the page.
    pub resources: Vec<Resource>,
}

impl ListResponse {
    /// All results on one page, as discovery answers them.
    pub fn all(resources: Vec<Resource>) -> Self {
        let n = Some(resources.len() as u64);
        let page = ListPage {
            total_results: n,
            items_per_page: n,
            start_index: Some(1),
            ..ListPage::default()
        };
        Self { page, resources }
    }

    /// Reads what a server has answered; member names in any letter case, `Resources` may be absent.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when the object is no list response.
    pub fn from_object(mut object: Object) -> Result<Self, Error> {
        let right = object
            .get("schemas")
            .is_some_and(|s| s.values().iter().any(|uri| is_text(uri, urn::LIST_RESPONSE)));
        if !right {
            return Err(Error::syntax("schemas: a list response has the ListResponse URN there"));
        }
        let mut number = |name: &str| match object.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(n)) => match read_json_number(name, &n) {
                Ok(n) if n >= 0 => Ok(Some(n.unsigned_abs())),
                _ => Err(Error::syntax(format!("{name}: it must be a whole number, 0 or more"))),
            },
            Some(_) => Err(Error::syntax(format!("{name}: it must be a number"))),
        };
        let (total_results, items_per_page, start_index) =
            (number("totalResults")?, number("itemsPerPage")?, number("startIndex")?);
        let mut cursor = |name: &str| match object.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(String::from(text))),
            Some(_) => Err(Error::syntax(format!("{name}: it must be a string"))),
        };
        let (next_cursor, previous_cursor) = (cursor("nextCursor")?, cursor("previousCursor")?);
        let resources = match object.remove("Resources") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::Object(object) => Ok(Resource::from(object)),
                    _ => Err(Error::syntax("Resources: each must be an object")),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(Error::syntax("Resources: it must be an array")),
        };
        let page =
            ListPage { total_results, items_per_page, start_index, next_cursor, previous_cursor };
        Ok(Self { page, resources })
    }
}

fn is_text(value: &Value, text: &str) -> bool {
    value.as_str().is_some_and(|s| s.eq_ignore_ascii_case(text))
}

impl Serialize for ListResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schemas", &[urn::LIST_RESPONSE])?;
        for (name, number) in self.page.numbers() {
            map.serialize_entry(name, &number)?;
        }
        for (name, cursor) in self.page.cursors() {
            map.serialize_entry(name, cursor)?;
        }
        map.serialize_entry("Resources", &self.resources)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for ListResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_object(Object::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

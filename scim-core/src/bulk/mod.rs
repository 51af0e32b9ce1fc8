//! Bulk (RFC 7644 section 3.7): the request, the order of its operations, and the answer.
//!
//! [`BulkRequest`] reads the message, [`BulkRun`] hands out one ready operation after the other and collects what came
//! of it, [`BulkResponse`] is the answer. What an operation does is the caller's: the same as for a single request.

mod order;
mod response;
mod rewrite;
mod run;

use std::collections::BTreeMap;
use std::fmt;

use smol_str::SmolStr;

use crate::error::Error;
use crate::id::ResourceId;
use crate::limits::Limits;
use crate::name::urn;
use crate::profile::Leniency;
use crate::query::check_message_schemas;
use crate::resource::{Object, Value};
use crate::version::{EntityTag, TagList};

pub use order::{Step, plan};
pub use response::{BulkResponse, OperationResult};
pub use rewrite::{Withheld, link_patch, references, rewrite, withhold};
pub use run::{BulkRun, Outcome, Task};

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BulkMethod {
    /// Create a resource.
    Post,
    /// Replace a resource.
    Put,
    /// Change a resource.
    Patch,
    /// Delete a resource.
    Delete,
}

impl BulkMethod {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method of this name, in any letter case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Post, Self::Put, Self::Patch, Self::Delete]
            .into_iter()
            .find(|method| method.as_str().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for BulkMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which resource an operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkTarget {
    /// The resource type's endpoint itself: what POST creates in.
    Endpoint,
    /// The resource of this id.
    Id(ResourceId),
    /// The resource that the POST of this bulkId creates (AMBIGUITIES 81).
    BulkId(SmolStr),
}

/// A well-formed operation.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkOperation {
    /// What to do.
    pub method: BulkMethod,
    /// The endpoint as it was written, without slashes: `Users`. Whether there is one is the caller's to find out.
    pub endpoint: SmolStr,
    /// Which resource there.
    pub target: BulkTarget,
    /// The version that the resource must have; never with POST.
    pub version: Option<TagList>,
    /// The body: always with POST, PUT and PATCH, never with DELETE.
    pub data: Option<Object>,
}

/// One element of `Operations`: well-formed, or refused with the error that its result will show.
#[derive(Debug, Clone, PartialEq)]
pub struct BulkItem {
    /// The method, as far as it is one.
    pub method: Option<BulkMethod>,
    /// The bulkId, as far as it is a string; its result repeats it.
    pub bulk_id: Option<SmolStr>,
    /// The path of an existing resource, as far as it is one: `/Users/7`. Results of failures show it as location.
    pub path: Option<String>,
    /// The operation.
    pub operation: Result<BulkOperation, Error>,
}

impl BulkItem {
    /// The bulkId of the resource that this operation creates.
    fn creates(&self) -> Option<&SmolStr> {
        self.bulk_id.as_ref().filter(|_| self.method == Some(BulkMethod::Post))
    }

    /// The bulkIds that path and data refer to.
    pub fn references(&self) -> Vec<SmolStr> {
        let Ok(operation) = &self.operation else { return Vec::new() };
        let path = match &operation.target {
            BulkTarget::BulkId(id) => Some(id),
            BulkTarget::Endpoint | BulkTarget::Id(_) => None,
        };
        references(path, operation.data.iter().flat_map(Object::values))
    }
}

/// A bulk request (RFC 7644 section 3.7).
///
/// ```
/// use scim_core::bulk::BulkRequest;
/// use scim_core::{Leniency, Limits, Profile};
/// let body = br#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
///   "Operations":[{"method":"DELETE","path":"/Users/7"},{"method":"GET","path":"/Users/8"}]}"#;
/// let limits = Limits::default();
/// let object = scim_core::json::parse_object(body, &limits)?;
/// let request = BulkRequest::from_object(object, &limits, &mut Leniency::new(Profile::strict()))?;
/// assert!(request.items()[0].operation.is_ok());
/// assert!(request.items()[1].operation.is_err());
/// # Ok::<(), scim_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BulkRequest {
    fail_on_errors: Option<u64>,
    items: Vec<BulkItem>,
}

impl BulkRequest {
    /// The operations that are well-formed, in the order of the request: for work that can be done before the first one.
    pub fn operations(&self) -> impl Iterator<Item = &BulkOperation> {
        self.items.iter().filter_map(|item| item.operation.as_ref().ok())
    }

    /// Reads a request. Member names and methods may be in any letter case; unknown members are passed over.
    ///
    /// What is wrong with one operation is kept with it and becomes its result; only what is wrong with the message
    /// fails the job.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when `schemas` does not name the message or `Operations` is no list of objects;
    /// [`Error::InvalidValue`] when `failOnErrors` is not a whole number of 1 or more; [`Error::TooLarge`] when there
    /// are too many operations.
    pub fn from_object(
        mut object: Object,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<Self, Error> {
        check_message_schemas(&object, urn::BULK_REQUEST, leniency)?;
        let fail_on_errors = match object.get("failOnErrors") {
            None | Some(Value::Null) => None,
            Some(Value::Number(n)) if n.as_u64().is_some_and(|n| n > 0) => n.as_u64(),
            Some(_) => {
                return Err(Error::value("failOnErrors", "it must be a whole number of 1 or more"));
            }
        };
        let operations = match object.remove("Operations") {
            Some(Value::Array(operations)) if !operations.is_empty() => operations,
            Some(Value::Array(_)) => {
                return Err(Error::syntax("Operations: it must hold at least one operation"));
            }
            _ => return Err(Error::syntax("Operations: it must be an array of operations")),
        };
        if operations.len() > limits.bulk_operations {
            return Err(Error::TooLarge {
                detail: format!(
                    "the number of bulk operations exceeds maxOperations ({})",
                    limits.bulk_operations
                ),
            });
        }
        let mut items = Vec::with_capacity(operations.len());
        for (i, operation) in operations.into_iter().enumerate() {
            match operation {
                Value::Object(operation) => items.push(read_item(operation, i)),
                other => {
                    return Err(Error::syntax(format!(
                        "Operations[{i}]: it must be an object, not {}",
                        other.kind()
                    )));
                }
            }
        }
        refuse_repeated_bulk_ids(&mut items);
        Ok(Self { fail_on_errors, items })
    }

    /// The number of errors after which the job stops; `None` for never.
    pub fn fail_on_errors(&self) -> Option<u64> {
        self.fail_on_errors
    }

    /// The operations in the order of the request.
    pub fn items(&self) -> &[BulkItem] {
        &self.items
    }
}

fn read_item(mut object: Object, index: usize) -> BulkItem {
    let method = object.get_str("method").and_then(BulkMethod::from_name);
    let bulk_id = object.get_str("bulkId").map(SmolStr::new);
    let path = read_path(object.get("path"), index);
    let shown = match &path {
        Ok((endpoint, BulkTarget::Id(id))) => Some(format!("/{endpoint}/{id}")),
        _ => None,
    };
    let operation = read_operation(&mut object, method, bulk_id.as_deref(), path, index);
    BulkItem { method, bulk_id, path: shown, operation }
}

fn read_operation(
    object: &mut Object,
    method: Option<BulkMethod>,
    bulk_id: Option<&str>,
    path: Result<(SmolStr, BulkTarget), Error>,
    index: usize,
) -> Result<BulkOperation, Error> {
    let at = |member: &str| format!("Operations[{index}].{member}");
    let Some(method) = method else {
        return Err(Error::value(at("method"), "it must be POST, PUT, PATCH or DELETE"));
    };
    if bulk_id.is_none() && object.get("bulkId").is_some_and(|id| *id != Value::Null) {
        return Err(Error::value(at("bulkId"), "it must be a string"));
    }
    if method == BulkMethod::Post && bulk_id.is_none_or(str::is_empty) {
        return Err(Error::value(at("bulkId"), "a POST needs one, unique within the request"));
    }
    let (endpoint, target) = path?;
    match (method, &target) {
        (BulkMethod::Post, BulkTarget::Endpoint) => {}
        (BulkMethod::Post, _) => {
            return Err(Error::value(at("path"), "a POST goes to an endpoint such as /Users"));
        }
        (_, BulkTarget::Endpoint) => {
            return Err(Error::value(at("path"), "it must name a resource, as in /Users/{id}"));
        }
        _ => {}
    }
    let version = match object.get("version") {
        None | Some(Value::Null) => None,
        // RFC 7644 section 3.7 defines it for the other methods only.
        Some(_) if method == BulkMethod::Post => None,
        Some(Value::String(tag)) => {
            let tag: EntityTag = tag.parse().map_err(|_| {
                Error::value(at("version"), "an entity tag is written W/\"...\" or \"...\"")
            })?;
            Some(TagList::Tags(vec![tag]))
        }
        Some(_) => return Err(Error::value(at("version"), "it must be a string")),
    };
    let data = match (method, object.remove("data")) {
        (BulkMethod::Delete, _) => None,
        (_, Some(Value::Object(data))) => Some(data),
        (_, None | Some(Value::Null)) => {
            return Err(Error::value(at("data"), "it is missing; POST, PUT and PATCH need it"));
        }
        (_, Some(_)) => return Err(Error::value(at("data"), "it must be an object")),
    };
    Ok(BulkOperation { method, endpoint, target, version, data })
}

/// Reads `/Users`, `/Users/{id}` and `/Users/bulkId:{bulkId}`.
fn read_path(path: Option<&Value>, index: usize) -> Result<(SmolStr, BulkTarget), Error> {
    let bad = |problem: &str| Err(Error::value(format!("Operations[{index}].path"), problem));
    let Some(Value::String(path)) = path else {
        return bad("it must be a string such as /Users");
    };
    if path.contains(['?', '#']) {
        return bad("a path in a bulk request has no query");
    }
    if path.contains("://") || path.starts_with("//") {
        return bad("it must be relative to the base URL, as in /Users");
    }
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
    let endpoint = segments.next().unwrap_or_default();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if endpoint.is_empty() || !endpoint.bytes().all(plain) {
        return bad("it must begin with an endpoint, as in /Users");
    }
    if ["Bulk", "Me"].iter().any(|name| name.eq_ignore_ascii_case(endpoint)) {
        return bad("operations on /Bulk and /Me cannot be part of a bulk request");
    }
    let target = match segments.next() {
        None => BulkTarget::Endpoint,
        Some(segment) => match (rewrite::reference(segment), ResourceId::new(segment)) {
            (Some(bulk_id), _) => BulkTarget::BulkId(SmolStr::new(bulk_id)),
            (None, Some(id)) => BulkTarget::Id(id),
            // As for a single request: what cannot be an id is the id of nothing.
            (None, None) => {
                let what = format!("the resource of Operations[{index}].path");
                return Err(Error::NotFound { what });
            }
        },
    };
    if segments.next().is_some() {
        return bad("it must name a resource, as in /Users/{id}, and nothing below it");
    }
    Ok((SmolStr::new(endpoint), target))
}

/// The first POST of a bulkId stands, later ones are refused; which of them a reference means is not guessed, so
/// referring operations fail (see [`plan`]).
fn refuse_repeated_bulk_ids(items: &mut [BulkItem]) {
    let mut seen: BTreeMap<SmolStr, usize> = BTreeMap::new();
    for (index, item) in items.iter_mut().enumerate() {
        let Some(bulk_id) = item.creates().cloned() else { continue };
        match seen.get(&bulk_id) {
            Some(first) => {
                item.operation = Err(Error::value(
                    format!("Operations[{index}].bulkId"),
                    format!("Operations[{first}] has the same; each must be unique"),
                ));
            }
            None => {
                seen.insert(bulk_id, index);
            }
        }
    }
}

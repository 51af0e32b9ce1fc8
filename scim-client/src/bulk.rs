//! The course of many writes: which go out together, what became of each.

mod batch;
mod job;
mod report;

use http::Method;
use scim_core::bulk::BulkMethod;
use scim_core::{Object, Value};
use smol_str::SmolStr;

use crate::resources::Place;

pub(crate) use job::Job;
pub use report::{BulkOutcome, BulkReport, Fate};

/// An operation as it was asked for.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) method: BulkMethod,
    /// The endpoint.
    pub(crate) place: Place,
    pub(crate) target: Target,
    pub(crate) version: Option<String>,
    /// Absent with DELETE, and while the operation is under way.
    pub(crate) data: Option<Object>,
    pub(crate) bulk_id: SmolStr,
    /// The attributes that tell the resource from all others.
    pub(crate) lookup: &'static [&'static str],
}

/// Which resource an operation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// The one that it creates.
    Endpoint,
    /// The one of this id.
    Id(String),
    /// The one that the create of this bulkId makes.
    BulkId(SmolStr),
}

/// An operation on its way; before it goes out, ids stand in the place of its references.
#[derive(Debug)]
struct Prepared {
    index: usize,
    /// Whether it adds what was held back of that operation.
    link: bool,
    method: BulkMethod,
    place: Place,
    target: Target,
    version: Option<String>,
    data: Option<Object>,
    /// With creates only.
    bulk_id: Option<SmolStr>,
    lookup: &'static [&'static str],
}

impl Prepared {
    /// The place of the resource, or of the endpoint.
    fn place(&self) -> Place {
        match &self.target {
            Target::Id(id) => self.place.clone().child(id),
            Target::Endpoint | Target::BulkId(_) => self.place.clone(),
        }
    }

    fn method(&self) -> Method {
        match self.method {
            BulkMethod::Post => Method::POST,
            BulkMethod::Put => Method::PUT,
            BulkMethod::Patch => Method::PATCH,
            BulkMethod::Delete => Method::DELETE,
        }
    }

    /// The element of `Operations`.
    fn to_object(&self) -> Object {
        let mut object = Object::new();
        object.insert("method", self.method.as_str());
        if let Some(bulk_id) = &self.bulk_id {
            object.insert("bulkId", bulk_id.clone());
        }
        object.insert("path", self.place().to_path());
        if let Some(version) = &self.version {
            object.insert("version", version.as_str());
        }
        if let Some(data) = &self.data {
            object.insert("data", Value::Object(data.clone()));
        }
        object
    }
}

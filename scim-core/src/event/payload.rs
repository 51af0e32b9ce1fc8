//! What an event says about a resource.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::uri::{Contains, EventUri};
use crate::bulk::OperationResult;
use crate::error::Error;
use crate::resource::{Object, Value};

/// The payload of one event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Payload {
    /// The version of the resource after the event.
    pub version: Option<String>,
    /// What the event is about.
    pub content: Content,
    /// Members that RFC 9967 does not define.
    pub more: Object,
}

/// The part of a payload that depends on the event: exactly one of `data` and `attributes`, or neither.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Content {
    /// Nothing: feed events, deletion, activation.
    #[default]
    Nothing,
    /// `data`: the request as a bulk operation would have it (events that end in `full`).
    Data(Object),
    /// `attributes`: the paths of what changed (events that end in `notice`).
    Attributes(Vec<String>),
    /// The result of an operation (asynchronous responses); its version is in here.
    Result(Box<OperationResult>),
}

impl Payload {
    /// A payload without content, for deletion and the like.
    pub fn empty() -> Self {
        Self::default()
    }

    /// For an event that ends in `full`.
    pub fn data(data: Object) -> Self {
        Self { content: Content::Data(data), ..Self::default() }
    }

    /// For an event that ends in `notice`.
    pub fn attributes<S: Into<String>>(paths: impl IntoIterator<Item = S>) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self { content: Content::Attributes(paths), ..Self::default() }
    }

    /// For an asynchronous response.
    pub fn result(result: OperationResult) -> Self {
        Self { content: Content::Result(Box::new(result)), ..Self::default() }
    }

    /// The same with the version of the resource after the event.
    #[must_use]
    pub fn with_version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }

    pub(super) fn from_object(uri: &EventUri, mut object: Object) -> Result<Self, Error> {
        let contains = uri.content();
        let wrong = |problem: &str| Err(Error::syntax(format!("events.{uri}: {problem}")));
        if contains == Contains::Result {
            return OperationResult::from_object(object).map(Self::result);
        }
        let version = match object.remove("version") {
            None => None,
            Some(Value::String(version)) => Some(String::from(version)),
            Some(_) => return wrong("version must be a string"),
        };
        let content = match (object.remove("data"), object.remove("attributes")) {
            (None, None) => Content::Nothing,
            (Some(Value::Object(data)), None) => Content::Data(data),
            (None, Some(Value::Array(names))) => {
                let names: Option<_> =
                    names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                match names {
                    Some(names) => Content::Attributes(names),
                    None => return wrong("attributes must be strings"),
                }
            }
            (Some(_), Some(_)) => return wrong("it has both data and attributes"),
            (Some(_), None) => return wrong("data must be an object"),
            (None, Some(_)) => return wrong("attributes must be an array"),
        };
        let payload = Self { version, content, more: object };
        if payload.fits(contains) {
            Ok(payload)
        } else {
            wrong("it does not hold what this event has to hold")
        }
    }

    fn fits(&self, contains: Contains) -> bool {
        matches!(
            (contains, &self.content),
            (Contains::Anything, _)
                | (Contains::Nothing, Content::Nothing)
                | (Contains::Data, Content::Data(_))
                | (Contains::Attributes, Content::Attributes(_))
                | (Contains::Result, Content::Result(_))
        )
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Content::Result(result) = &self.content {
            return result.serialize(serializer);
        }
        let mut map = serializer.serialize_map(None)?;
        if let Some(version) = &self.version {
            map.serialize_entry("version", version)?;
        }
        match &self.content {
            Content::Nothing | Content::Result(_) => {}
            Content::Data(data) => map.serialize_entry("data", data)?,
            Content::Attributes(paths) => map.serialize_entry("attributes", paths)?,
        }
        for (name, value) in self.more.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

//! The bulk response (RFC 7644 section 3.7.3).

use http::StatusCode;
use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use smol_str::SmolStr;

use super::BulkMethod;
use crate::discovery::to_value;
use crate::error::{Error, ErrorDocument};
use crate::name::urn;
use crate::resource::{Object, Value};

/// What came of one operation. An asynchronous response event carries the same (RFC 9967 section 2.5.1.3).
#[derive(Debug, Clone, PartialEq)]
pub struct OperationResult {
    /// The method; absent only when the request had none.
    pub method: Option<BulkMethod>,
    /// The bulkId of the request.
    pub bulk_id: Option<SmolStr>,
    /// The URL of the resource; absent only for a POST that failed.
    pub location: Option<String>,
    /// The version of the resource after the operation, as entity tag.
    pub version: Option<String>,
    /// The status that a single request would have got. A string on the wire.
    pub status: StatusCode,
    /// The body: the error document of a failed operation; usually absent on success.
    pub response: Option<Value>,
}

impl OperationResult {
    /// The result of an operation that failed.
    pub fn failed(
        method: Option<BulkMethod>,
        bulk_id: Option<SmolStr>,
        location: Option<String>,
        status: StatusCode,
        document: &ErrorDocument,
    ) -> Self {
        let response = to_value(document);
        Self { method, bulk_id, location, version: None, status, response }
    }

    /// Reads a result. The status may also be a number, or an object with `code` as in RFC 7644 section 3.7.2
    /// (AMBIGUITIES 83).
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when a member is not of its type or there is no status.
    pub fn from_object(mut object: Object) -> Result<Self, Error> {
        let method = text(&mut object, "method")?
            .map(|name| {
                BulkMethod::from_name(&name)
                    .ok_or_else(|| Error::syntax("method: it must be POST, PUT, PATCH or DELETE"))
            })
            .transpose()?;
        let status = object.get("status").and_then(status).ok_or_else(|| {
            Error::syntax("status: it must be an HTTP status code, written as a string")
        })?;
        Ok(Self {
            method,
            bulk_id: text(&mut object, "bulkId")?,
            location: text(&mut object, "location")?.map(String::from),
            version: text(&mut object, "version")?.map(String::from),
            status,
            response: object.remove("response").filter(|value| *value != Value::Null),
        })
    }

    /// Whether the operation succeeded.
    pub fn is_success(&self) -> bool {
        self.status.is_success()
    }
}

fn text(object: &mut Object, name: &str) -> Result<Option<SmolStr>, Error> {
    match object.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::syntax(format!("{name}: it must be a string"))),
    }
}

fn status(value: &Value) -> Option<StatusCode> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => StatusCode::from_u16(number.as_u64()?.try_into().ok()?).ok(),
        Value::Object(object) => match object.get("code")? {
            Value::Object(_) => None,
            code => status(code),
        },
        _ => None,
    }
}

impl Serialize for OperationResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(location) = &self.location {
            map.serialize_entry("location", location)?;
        }
        if let Some(method) = self.method {
            map.serialize_entry("method", method.as_str())?;
        }
        if let Some(bulk_id) = &self.bulk_id {
            map.serialize_entry("bulkId", bulk_id)?;
        }
        if let Some(version) = &self.version {
            map.serialize_entry("version", version)?;
        }
        map.serialize_entry("status", self.status.as_str())?;
        if let Some(response) = &self.response {
            map.serialize_entry("response", response)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for OperationResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_object(Object::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The answer to a bulk request: what was processed, in the order of the request.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BulkResponse {
    /// The results.
    pub operations: Vec<OperationResult>,
}

impl BulkResponse {
    /// Reads what a server has answered.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`] when the object is no bulk response.
    pub fn from_object(mut object: Object) -> Result<Self, Error> {
        let named =
            object.get("schemas").map(Value::values).unwrap_or_default().iter().any(|uri| {
                uri.as_str().is_some_and(|uri| uri.eq_ignore_ascii_case(urn::BULK_RESPONSE))
            });
        if !named {
            return Err(Error::syntax("schemas: a bulk response has the BulkResponse URN there"));
        }
        let operations = match object.remove("Operations") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items
                .into_iter()
                .map(|item| match item {
                    Value::Object(object) => OperationResult::from_object(object),
                    _ => Err(Error::syntax("Operations: each must be an object")),
                })
                .collect::<Result<_, _>>()?,
            Some(_) => return Err(Error::syntax("Operations: it must be an array")),
        };
        Ok(Self { operations })
    }
}

impl Serialize for BulkResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("schemas", &[urn::BULK_RESPONSE])?;
        map.serialize_entry("Operations", &self.operations)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for BulkResponse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_object(Object::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

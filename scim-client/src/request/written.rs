//! The outcome of a write.

use http::StatusCode;
use http::header::{ETAG, LOCATION};
use scim_core::{Object, Resource, Value};
use url::Url;

use crate::error::Error;
use crate::resources::{Place, View};
use crate::send::Answer;

/// What a server says about a write that it has done, or has accepted to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Written<T> {
    resource: Option<T>,
    id: Option<String>,
    version: Option<String>,
    location: Option<String>,
    status: StatusCode,
    txn: Option<String>,
    dropped: Vec<String>,
}

impl<T: View> Written<T> {
    pub(crate) fn read(
        mut answer: Answer,
        place: &Place,
        id: Option<&str>,
        base: &Url,
    ) -> Result<Self, Error> {
        let header = |name| answer.headers.get(name).and_then(|v| v.to_str().ok());
        let meta = |name: &str| {
            let meta = answer.body.as_ref()?.get("meta")?.as_object()?;
            meta.get_str(name).map(str::to_owned)
        };
        let location = header(LOCATION).map(str::to_owned).or_else(|| meta("location"));
        let version = meta("version").or_else(|| header(ETAG).map(str::to_owned));
        let own = answer.body.as_ref().and_then(|body| body.get_str("id")).map(str::to_owned);
        // After 202 the location may be that of an event (RFC 9967 section 2.5.1.1).
        let told = location.as_deref().filter(|_| answer.status != StatusCode::ACCEPTED);
        let id = own.or_else(|| id.map(str::to_owned)).or_else(|| {
            let place = Place::from_url(base, told?).ok()?;
            place.id().map(str::to_owned)
        });
        let resource = match answer.body.take().filter(is_resource) {
            None => None,
            Some(body) => match T::from_resource(Resource::from(body)) {
                Ok(resource) => Some(resource),
                Err(error) => return Err(answer.undecodable(place, error.to_string())),
            },
        };
        Ok(Self {
            resource,
            id,
            version,
            location,
            status: answer.status,
            txn: answer.txn,
            dropped: Vec::new(),
        })
    }

    pub(crate) fn without(self, dropped: Vec<String>) -> Self {
        Self { dropped, ..self }
    }
}

/// Whether a body is a resource: some servers answer a write with an empty object.
fn is_resource(body: &Object) -> bool {
    body.get("id").is_some_and(|id| *id != Value::Null) || body.contains("schemas")
}

impl<T> Written<T> {
    /// The resource as it is now, where the server has sent it: after 204 and 202 it has not.
    pub fn resource(&self) -> Option<&T> {
        self.resource.as_ref()
    }

    /// The resource as it is now.
    ///
    /// # Errors
    /// [`Error::Request`] when the server has not sent it: read it with a get then.
    pub fn into_resource(self) -> Result<T, Error> {
        self.resource.ok_or_else(|| {
            Error::Request(format!(
                "the server has answered {} without the resource; read it with get",
                self.status
            ))
        })
    }

    /// The id.
    ///
    /// # Errors
    /// [`Error::Request`] when the server has named none: after 202, and after a create by a server that sends neither
    /// a body nor a `Location`.
    pub fn id(&self) -> Result<&str, Error> {
        self.id.as_deref().ok_or_else(|| {
            Error::Request(format!("the server has answered {} without an id", self.status))
        })
    }

    /// The version, for `if_match`.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The URL of the resource.
    pub fn location(&self) -> Option<&str> {
        self.location.as_deref()
    }

    /// The status: 200, 201, 202 or 204.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The attributes that were not sent, because the target's profile says that the server does not have them.
    pub fn dropped(&self) -> &[String] {
        &self.dropped
    }

    /// Whether the server has accepted the request and will do it later.
    pub fn is_pending(&self) -> bool {
        self.status == StatusCode::ACCEPTED
    }

    /// The transaction whose event will tell the outcome of a pending write (RFC 9967 section 3).
    pub fn txn(&self) -> Option<&str> {
        self.txn.as_deref()
    }
}

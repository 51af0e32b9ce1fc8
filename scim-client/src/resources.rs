//! The resources at one endpoint.

use std::marker::PhantomData;

use scim_core::resource::ConvertError;
use scim_core::{Contact, Group, Patch, Resource, User};
use url::Url;

use crate::client::Client;
use crate::error::Error;
use crate::request::{Create, Delete, Get, PatchRequest, Replace};
use crate::target::TargetProfile;

/// A Rust type that a resource can be read as and written from.
///
/// [`Resource`] itself is one, for types that are known at run time only. For a type of your own:
///
/// ```
/// use scim_client::scim_core::resource::{from_value, to_value};
/// use scim_client::scim_core::{ConvertError, Resource, Value};
/// use scim_client::{TypedResource, View};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(rename_all = "camelCase")]
/// struct Device { schemas: Vec<String>, id: Option<String>, serial_number: String }
///
/// impl View for Device {
///     fn from_resource(resource: Resource) -> Result<Self, ConvertError> {
///         from_value(Value::from(resource))
///     }
///     fn to_resource(&self) -> Result<Resource, ConvertError> {
///         from_value(to_value(self)?)
///     }
/// }
///
/// impl TypedResource for Device {
///     const ENDPOINT: &'static str = "Devices";
///     const LOOKUP: &'static [&'static str] = &["serialNumber"];
/// }
/// ```
pub trait View: Sized + Send + Sync + 'static {
    /// Reads a resource.
    ///
    /// # Errors
    /// [`ConvertError`] with the place that does not fit.
    fn from_resource(resource: Resource) -> Result<Self, ConvertError>;

    /// Writes a resource.
    ///
    /// # Errors
    /// [`ConvertError`] when the type cannot be written as one.
    fn to_resource(&self) -> Result<Resource, ConvertError>;
}

/// A view whose endpoint is known at compile time.
pub trait TypedResource: View {
    /// The endpoint, such as `"Users"`.
    const ENDPOINT: &'static str;

    /// The attributes that tell a resource from all others, the best first: a create whose answer was lost is looked up
    /// by the first of them that was sent. Without any, such a create is left to the caller.
    const LOOKUP: &'static [&'static str];
}

/// Where types are known at run time only, the attributes that tell a resource from others.
pub(crate) const UNTYPED_LOOKUP: &[&str] = &["externalId", "userName", "displayName"];

impl View for Resource {
    fn from_resource(resource: Resource) -> Result<Self, ConvertError> {
        Ok(resource)
    }

    fn to_resource(&self) -> Result<Resource, ConvertError> {
        Ok(self.clone())
    }
}

macro_rules! typed {
    ($($type:ty, $endpoint:literal, $lookup:expr;)*) => {$(
        impl View for $type {
            fn from_resource(resource: Resource) -> Result<Self, ConvertError> {
                resource.try_into()
            }

            fn to_resource(&self) -> Result<Resource, ConvertError> {
                Ok(self.to_object().into())
            }
        }

        impl TypedResource for $type {
            const ENDPOINT: &'static str = $endpoint;
            const LOOKUP: &'static [&'static str] = $lookup;
        }
    )*};
}

typed! {
    User, "Users", &["userName", "externalId"];
    Group, "Groups", &["externalId", "displayName"];
    Contact, "Contacts", &["externalId"];
}

/// The resources at one endpoint; made by [`Client::users`] and its like.
///
/// Each method returns a request that can be refined and is sent by `.await`.
#[derive(Debug)]
pub struct Resources<T> {
    pub(crate) client: Client,
    pub(crate) place: Place,
    pub(crate) lookup: &'static [&'static str],
    view: PhantomData<fn() -> T>,
}

impl<T> Clone for Resources<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            place: self.place.clone(),
            lookup: self.lookup,
            view: PhantomData,
        }
    }
}

impl<T: View> Resources<T> {
    pub(crate) fn new(client: Client, place: Place, lookup: &'static [&'static str]) -> Self {
        Self { client, place, lookup, view: PhantomData }
    }

    /// Reads one resource.
    pub fn get(&self, id: impl AsRef<str>) -> Get<T> {
        Get::new(self.client.clone(), self.place.clone().child(id.as_ref()))
    }

    /// Creates a resource.
    pub fn create(&self, resource: &T) -> Create<T> {
        Create::new(self.client.clone(), self.place.clone(), resource, self.lookup)
    }

    /// Puts this in the place of a resource: what is not there is gone afterwards, as far as the server lets the client
    /// change it (RFC 7644 section 3.5.1).
    pub fn replace(&self, id: impl AsRef<str>, resource: &T) -> Replace<T> {
        Replace::new(self.client.clone(), self.place.clone().child(id.as_ref()), resource)
    }

    /// Changes parts of a resource (RFC 7644 section 3.5.2).
    pub fn patch(&self, id: impl AsRef<str>, patch: Patch) -> PatchRequest<T> {
        PatchRequest::new(self.client.clone(), self.place.clone().child(id.as_ref()), patch)
    }

    /// Deletes a resource.
    pub fn delete(&self, id: impl AsRef<str>) -> Delete {
        Delete::new(self.client.clone(), self.place.clone().child(id.as_ref()))
    }

    /// Reads the same resources as another view.
    #[must_use]
    pub fn viewed_as<V: View>(&self) -> Resources<V> {
        Resources::new(self.client.clone(), self.place.clone(), self.lookup)
    }

    /// The endpoint, such as `Users`; empty for the root.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.place.endpoint_name()
    }
}

/// A place below the base URL: segments, not yet encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    segments: Vec<String>,
}

/// What stays as it is in a segment of a path (RFC 3986 section 3.3); `:` among it, as in `bulkId:`.
const SEGMENT: percent_encoding::AsciiSet = percent_encoding::NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@');

impl Place {
    /// An endpoint as `ResourceTypes` names it: `/Users`, `Users`; it may have several segments.
    pub(crate) fn endpoint(endpoint: &str) -> Self {
        let segments = endpoint.split('/').filter(|s| !s.is_empty()).map(str::to_owned);
        Self { segments: segments.collect() }
    }

    #[must_use]
    pub(crate) fn child(mut self, segment: &str) -> Self {
        self.segments.push(segment.to_owned());
        self
    }

    /// The name of the endpoint; empty for the root.
    pub(crate) fn endpoint_name(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }

    /// Another resource of the same endpoint.
    #[must_use]
    pub(crate) fn sibling(mut self, id: &str) -> Self {
        if self.is_resource() {
            self.segments.pop();
        }
        self.child(id)
    }

    /// Whether it is the place of one resource.
    pub(crate) fn is_resource(&self) -> bool {
        self.segments.len() > 1
    }

    /// The last segment.
    pub(crate) fn last(&self) -> Option<&str> {
        self.segments.last().map(String::as_str)
    }

    /// The id, where it is the place of a resource of some endpoint.
    pub(crate) fn id(&self) -> Option<&str> {
        self.segments.get(1..)?.last().map(String::as_str)
    }

    /// The path below the base URL, percent-encoded as in a URL.
    pub(crate) fn to_path(&self) -> String {
        let encoded = |segment: &String| {
            let segment = percent_encoding::utf8_percent_encode(segment, &SEGMENT);
            format!("/{segment}")
        };
        self.segments.iter().map(encoded).collect()
    }

    /// The place of a URL that the peer gave.
    pub(crate) fn from_url(base: &Url, url: &str) -> Result<Self, Error> {
        let foreign = || {
            Error::Request(
                "the URL leads away from the base URL of the service and is not followed"
                    .to_owned(),
            )
        };
        let mut below = base.clone();
        if let Ok(mut segments) = below.path_segments_mut() {
            segments.push("");
        }
        let url = below.join(url).map_err(|_| foreign())?;
        let apart = url.origin() != base.origin()
            || !url.username().is_empty()
            || url.password().is_some()
            || url.query().is_some();
        let path = url.path().strip_prefix(below.path()).filter(|rest| !rest.is_empty());
        let Some(path) = path.filter(|_| !apart) else { return Err(foreign()) };
        let decode = |segment: &str| {
            percent_encoding::percent_decode_str(segment).decode_utf8().map(String::from)
        };
        let segments =
            path.split('/').map(decode).collect::<Result<_, _>>().map_err(|_| foreign())?;
        Ok(Self { segments })
    }

    /// The URL of the place, its endpoint as the target spells it.
    pub(crate) fn url(&self, base: &Url, target: &TargetProfile) -> Result<Url, Error> {
        let mut url = base.clone();
        let Ok(mut path) = url.path_segments_mut() else {
            return Err(Error::Request("the base URL cannot have a path".to_owned()));
        };
        for (i, segment) in self.segments.iter().enumerate() {
            let segment = if i == 0 { target.endpoint(segment) } else { segment.as_str() };
            if matches!(segment, "" | "." | "..") {
                return Err(Error::Request(format!(
                    "{segment:?} is no id: it cannot stand in a URL"
                )));
            }
            path.push(segment);
        }
        drop(path);
        Ok(url)
    }
}

/// As a path below the base URL; ids are shown as they are.
impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.segments.is_empty() {
            return f.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

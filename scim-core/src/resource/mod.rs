//! Resources: the dynamic form that everything works on, and typed views of it.

mod canonical;
mod contact;
mod convert;
mod enterprise;
mod extension;
mod group;
mod meta;
mod multi_valued;
mod on_premises;
mod person;
mod user;
mod value;
mod view;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use canonical::{
    AddressType, EmailType, GroupRefType, ImType, MemberType, PhoneNumberType, PhotoType,
};
pub use contact::Contact;
pub use convert::{ConvertError, from_value, to_value};
pub use enterprise::{EnterpriseUser, Manager};
pub use extension::Extension;
pub use group::Group;
pub use meta::Meta;
pub use multi_valued::{
    Email, Entitlement, GroupRef, Im, Member, PhoneNumber, Photo, Role, X509Certificate,
};
pub use on_premises::OnPremises;
pub use person::{Address, Name};
pub use user::User;
pub(crate) use value::ValueSeed;
pub use value::{Object, Value};

use crate::error::Error;
use crate::limits::Limits;

/// A SCIM resource as it travels: an object that keeps every attribute, known or not, and finds names without regard
/// to letter case. `User`, `Group`, `Contact` are typed views of it.
///
/// ```
/// use scim_core::Resource;
/// let user: Resource = serde_json::from_str(r#"{"userName":"ada","x-unknown":[1]}"#)?;
/// assert_eq!(user.get_str("USERNAME"), Some("ada"));
/// assert_eq!(serde_json::to_string(&user)?, r#"{"userName":"ada","x-unknown":[1]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Resource {
    object: Object,
}

impl Resource {
    /// A resource without attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// [`Error::InvalidSyntax`], as [`crate::json::parse_object`].
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, Error> {
        crate::json::parse_object(bytes, limits).map(Self::from)
    }

    /// The attributes.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// The attributes to change.
    pub fn object_mut(&mut self) -> &mut Object {
        &mut self.object
    }

    /// The attributes, taken out.
    pub fn into_object(self) -> Object {
        self.object
    }

    /// A top-level attribute, or the object of an extension by its URI.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }

    /// The text of a top-level attribute.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.object.get_str(name)
    }

    /// Sets a top-level attribute.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.object.insert(name, value);
    }

    /// Takes a top-level attribute out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name)
    }

    /// The `id`, once the server has given one.
    pub fn id(&self) -> Option<&str> {
        self.get_str("id")
    }

    /// The `externalId`.
    pub fn external_id(&self) -> Option<&str> {
        self.get_str("externalId")
    }

    /// The `schemas`.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        self.get("schemas").map(Value::values).unwrap_or_default().iter().filter_map(Value::as_str)
    }

    /// The object of an extension.
    pub fn extension(&self, uri: &str) -> Option<&Object> {
        self.get(uri).and_then(Value::as_object)
    }
}

impl From<Object> for Resource {
    fn from(object: Object) -> Self {
        Self { object }
    }
}

impl From<Resource> for Value {
    fn from(resource: Resource) -> Self {
        Value::Object(resource.object)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.object, f)
    }
}

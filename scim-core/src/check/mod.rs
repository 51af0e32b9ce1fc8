//! The one gate for writes: whatever route a resource takes in, it becomes a [`Checked`] one here.
//!
//! [`create`] and [`replace`] take bodies of POST and PUT, [`patched`] the outcome of a PATCH whose values went through
//! [`value()`]. The passes run in this order: `schemas`, names, values (type, tolerance, content), mutability, required
//! attributes, defaults. What comes out is canonical: names in the schema's spelling, `schemas` derived from the data,
//! nothing unassigned, nothing that only the server may write.

mod at;
mod canonical;
mod content;
mod country;
mod mutability;
mod required;
mod schemas;
mod shape;
mod unique;
mod value;

use std::ops::Deref;

pub use canonical::element_key;
pub use unique::{UniqueValue, unique_values};
pub use value::{Owner, Place, element, value};

use crate::error::Error;
use crate::name::urn;
use crate::profile::Leniency;
use crate::resource::{Object, Resource, Value};
use crate::schema::ResourceSchema;

/// A resource that has passed the checks: the proof that stores ask for.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked(Resource);

impl Checked {
    /// The resource.
    pub fn into_inner(self) -> Resource {
        self.0
    }
}

impl Deref for Checked {
    type Target = Resource;

    fn deref(&self) -> &Resource {
        &self.0
    }
}

/// Checks the body of a POST.
///
/// readOnly attributes are dropped without a word, as RFC 7644 section 3.3 has it; a User without `active` gets `true`.
///
/// # Errors
/// [`Error::InvalidSyntax`] for names that the schema does not have; [`Error::InvalidValue`] for `schemas` without the
/// base schema, values of the wrong type or form, and missing required attributes.
///
/// ```
/// use scim_core::{Leniency, Profile, Registry, Resource, check};
/// let registry = Registry::rfc7643();
/// let body: Resource = serde_json::from_str(
///     r#"{"SCHEMAS":["urn:ietf:params:scim:schemas:core:2.0:User"],"USERNAME":"ada","id":"mine","active":"True"}"#,
/// )?;
/// let mut leniency = Leniency::new(Profile::default());
/// let user = check::create(body, registry.user(), &mut leniency)?;
/// assert_eq!(
///     serde_json::to_string(&*user)?,
///     r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ada","active":true}"#
/// );
/// assert_eq!(leniency.traces()[0].at, "active");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn create(
    resource: Resource,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
) -> Result<Checked, Error> {
    let mut object = shape::body(resource.into_object(), schema, leniency)?;
    required::check(&object, schema)?;
    // RFC 7644 section 3.3 lets the server assign defaults; it is echoed, so filters on it agree with what is shown.
    if schema.base().id == urn::USER && !object.contains("active") {
        object.insert("active", true);
    }
    Ok(finished(object, schema))
}

/// Checks the body of a PUT against what is stored.
///
/// What the body leaves out is cleared, except immutable attributes and those that are never returned, such as
/// `password`: a client cannot know them. Sources: RFC 7644 section 3.5.1, AMBIGUITIES 67.
///
/// # Errors
/// As [`create`], and [`Error::Mutability`] when an immutable attribute that has a value is given another one.
pub fn replace(
    resource: Resource,
    stored: &Resource,
    schema: &ResourceSchema,
    leniency: &mut Leniency,
) -> Result<Checked, Error> {
    let mut object = shape::body(resource.into_object(), schema, leniency)?;
    mutability::keep(&mut object, stored, schema)?;
    required::check(&object, schema)?;
    Ok(finished(object, schema))
}

/// Checks what a PATCH has made of a resource whose values were canonical before and went through [`value()`] since:
/// required attributes are there, no attribute has two primary values, and `schemas` is derived anew.
///
/// What the server itself keeps in the resource (`id`, `meta`, `groups`) stays.
///
/// # Errors
/// [`Error::InvalidValue`] with the attribute.
pub fn patched(after: Resource, schema: &ResourceSchema) -> Result<Checked, Error> {
    let mut object = after.into_object();
    shape::prune(&mut object, schema);
    for (name, value) in object.iter() {
        shape::one_primary(value, &at::At::ROOT.name(name))?;
    }
    for (extension, _) in schema.extensions() {
        if let Some(Value::Object(data)) = object.get(extension.id.as_str()) {
            for (name, value) in data.iter() {
                shape::one_primary(value, &at::At::Uri(extension.id.as_str()).name(name))?;
            }
        }
    }
    required::check(&object, schema)?;
    Ok(finished(object, schema))
}

/// Sets `schemas` to the base schema and the extensions that a resource has data of (RFC 7643 section 3).
pub fn derive_schemas(resource: &mut Resource, schema: &ResourceSchema) {
    schemas::derive(resource.object_mut(), schema);
}

fn finished(mut object: Object, schema: &ResourceSchema) -> Checked {
    schemas::derive(&mut object, schema);
    Checked(object.into())
}

//! Schemas as data (RFC 7643 section 2, 6 and 7): definitions, resource types, and the registry that resolves paths.

mod attribute;
mod builtin;
mod json_schema;
mod registry;
mod resource_type;

use serde::{Deserialize, Serialize};

pub use attribute::{Attribute, AttributeType, Mutability, Returned, Uniqueness};
pub use registry::{Registry, RegistryError};
pub use resource_type::{ResolveError, ResourceSchema, ResourceType, SchemaExtension, Target};

use crate::name::{SchemaUri, urn};
use crate::resource::Value;
use crate::text::TextRule;

/// The definition of the attributes that one schema URI stands for (RFC 7643 section 7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schema {
    /// The schema's URI.
    pub id: SchemaUri,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The attributes.
    #[serde(default)]
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.name == *name)
    }

    /// The enterprise extension of users (RFC 7643 section 4.3).
    pub fn enterprise_user() -> Self {
        builtin::ENTERPRISE_USER.as_ref().clone()
    }

    /// This project's OnPremises extension.
    pub fn on_premises() -> Self {
        builtin::ON_PREMISES.as_ref().clone()
    }

    /// Whether a member inside the data of this extension only repeats which extension it is: `schemas` with its URI.
    /// Clients that model an extension as a resource of its own (scim2-models does) send it; it says nothing new.
    pub(crate) fn names_itself(&self, name: &str, value: &Value) -> bool {
        name.eq_ignore_ascii_case("schemas")
            && !value.values().is_empty()
            && value.values().iter().all(|uri| uri.as_str().is_some_and(|uri| self.id == *uri))
    }

    /// Checks a definition and derives what is not on the wire.
    ///
    /// # Errors
    /// [`RegistryError`] when a name occurs twice, a complex attribute has no sub-attributes or nests another, or a
    /// simple attribute has sub-attributes (RFC 7643 section 2.3.8).
    pub(crate) fn prepared(mut self) -> Result<Self, RegistryError> {
        check_attributes(&self.id, &self.attributes, 0)?;
        let user_names = self.id == urn::USER;
        for attribute in &mut self.attributes {
            if user_names && attribute.name == "userName" && !attribute.case_exact {
                attribute.rule = Some(TextRule::UserName);
            }
        }
        Ok(self)
    }
}

/// Whether every resource has an attribute of this name, whatever its schema.
pub(crate) fn is_common(name: &str) -> bool {
    builtin::COMMON.iter().any(|a| a.name == *name)
}

fn check_attributes(
    schema: &SchemaUri,
    attributes: &[Attribute],
    level: usize,
) -> Result<(), RegistryError> {
    for (i, attribute) in attributes.iter().enumerate() {
        let bad = |problem: &'static str| RegistryError::Definition {
            schema: schema.to_string(),
            attribute: attribute.name.to_string(),
            problem,
        };
        if attributes[..i].iter().any(|a| a.name == attribute.name) {
            return Err(bad("is defined twice"));
        }
        if attribute.is_complex() {
            // The schema of schemas itself nests subAttributes in attributes (RFC 7643 section 8.7.2).
            if level > 0 && schema != urn::SCHEMA {
                return Err(bad("is complex inside a complex attribute"));
            }
            if attribute.sub_attributes.is_empty() {
                return Err(bad("is complex but has no sub-attributes"));
            }
            check_attributes(schema, &attribute.sub_attributes, level + 1)?;
        } else if !attribute.sub_attributes.is_empty() {
            return Err(bad("has sub-attributes but is not complex"));
        }
    }
    Ok(())
}

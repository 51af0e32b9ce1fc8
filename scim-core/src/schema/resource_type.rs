//! Resource types (RFC 7643 section 6), and a resource type together with its schemas.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::{Schema, builtin};
use crate::name::{AttrPath, SchemaUri};

/// A kind of resource and the endpoint where it lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceType {
    /// The name, as `meta.resourceType` shows it.
    pub name: String,
    /// The path under the base URL, such as `/Users`.
    pub endpoint: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The base schema.
    pub schema: SchemaUri,
    /// Extensions that its resources may or must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schema_extensions: Vec<SchemaExtension>,
}

/// An extension of a resource type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaExtension {
    /// The extension's schema.
    pub schema: SchemaUri,
    /// Whether every resource of the type must have it.
    #[serde(default)]
    pub required: bool,
}

/// A resource type with the schemas it refers to: what paths, filters, PATCH and checks are resolved against.
#[derive(Debug, Clone)]
pub struct ResourceSchema {
    resource_type: ResourceType,
    base: Arc<Schema>,
    extensions: Vec<(Arc<Schema>, bool)>,
}

/// What a path stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target<'a> {
    /// An attribute or sub-attribute.
    Attribute {
        /// The extension that it belongs to; `None` for the base schema and the common attributes.
        extension: Option<&'a Schema>,
        /// The attribute.
        attribute: &'a Attribute,
        /// The sub-attribute, when the path names one.
        sub: Option<&'a Attribute>,
        /// Whether a bare name was found in an extension: to be accepted by
        /// [`crate::Tolerance::BareExtensionName`] only.
        bare: bool,
    },
    /// All attributes of an extension: the path is its URI alone.
    Extension(&'a Schema),
    /// All attributes of the base schema: the path is its URI alone.
    Base(&'a Schema),
}

/// Why a path stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveError {
    /// No schema of the resource type has this URI.
    Schema(String),
    /// No schema has an attribute of this name.
    Attribute(String),
    /// Several extensions have an attribute of this bare name.
    Ambiguous(String),
    /// The attribute has no such sub-attribute.
    Sub {
        /// The attribute.
        attribute: String,
        /// The sub-attribute.
        sub: String,
    },
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(uri) => write!(f, "the resource type has no schema {uri}"),
            Self::Attribute(name) => write!(f, "there is no attribute {name}"),
            Self::Ambiguous(name) => {
                write!(
                    f,
                    "several extensions have an attribute {name}; put the schema URI in front"
                )
            }
            Self::Sub { attribute, sub } => write!(f, "{attribute} has no sub-attribute {sub}"),
        }
    }
}

impl ResourceSchema {
    pub(super) fn new(
        resource_type: ResourceType,
        base: Arc<Schema>,
        extensions: Vec<(Arc<Schema>, bool)>,
    ) -> Self {
        Self { resource_type, base, extensions }
    }

    /// The resource type.
    pub fn resource_type(&self) -> &ResourceType {
        &self.resource_type
    }

    /// Its name, such as `User`.
    pub fn name(&self) -> &str {
        &self.resource_type.name
    }

    /// The base schema.
    pub fn base(&self) -> &Schema {
        &self.base
    }

    /// The extensions, and whether each is required.
    pub fn extensions(&self) -> impl ExactSizeIterator<Item = (&Schema, bool)> {
        self.extensions.iter().map(|(schema, required)| (&**schema, *required))
    }

    /// The extension of this URI.
    pub fn extension(&self, uri: &str) -> Option<&Schema> {
        self.extensions.iter().map(|(schema, _)| &**schema).find(|schema| schema.id == *uri)
    }

    /// An attribute of the base schema, or one that all resources have.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.base.attribute(name).or_else(|| builtin::COMMON.iter().find(|a| a.name == *name))
    }

    /// The attributes that all resources have: `schemas`, `id`, `externalId`, `meta`.
    pub fn common(&self) -> &[Attribute] {
        &builtin::COMMON
    }

    /// Finds what a path stands for.
    ///
    /// A URI in front selects the base schema or an extension; without one the base schema and the common attributes
    /// are searched, then the extensions (then `bare` is set). A path that is the URI of a schema stands for all of
    /// its attributes. Source: RFC 7644 section 3.10; AMBIGUITIES 20, 23, 45.
    ///
    /// # Errors
    /// [`ResolveError`], which says what was not found.
    pub fn resolve(&self, path: &AttrPath) -> Result<Target<'_>, ResolveError> {
        let Some(uri) = path.uri() else {
            if let Some(attribute) = self.attribute(path.name().as_str()) {
                return with_sub(None, attribute, path, false);
            }
            let mut found = self.extensions.iter().filter_map(|(schema, _)| {
                Some((&**schema, schema.attribute(path.name().as_str())?))
            });
            return match (found.next(), found.next()) {
                (Some((schema, attribute)), None) => with_sub(Some(schema), attribute, path, true),
                (Some(_), Some(_)) => Err(ResolveError::Ambiguous(path.name().to_string())),
                (None, _) => Err(ResolveError::Attribute(path.name().to_string())),
            };
        };
        if *uri == self.base.id {
            return match self.attribute(path.name().as_str()) {
                Some(attribute) => with_sub(None, attribute, path, false),
                None => Err(ResolveError::Attribute(path.to_string())),
            };
        }
        if let Some(schema) = self.extension(uri.as_str()) {
            return match schema.attribute(path.name().as_str()) {
                Some(attribute) => with_sub(Some(schema), attribute, path, false),
                None => Err(ResolveError::Attribute(path.to_string())),
            };
        }
        let whole = path.to_string();
        if self.base.id == whole.as_str() {
            return Ok(Target::Base(&self.base));
        }
        match self.extension(&whole) {
            Some(schema) => Ok(Target::Extension(schema)),
            None => Err(ResolveError::Schema(uri.to_string())),
        }
    }
}

fn with_sub<'a>(
    extension: Option<&'a Schema>,
    attribute: &'a Attribute,
    path: &AttrPath,
    bare: bool,
) -> Result<Target<'a>, ResolveError> {
    let sub = match path.sub() {
        None => None,
        Some(name) => match attribute.sub(name.as_str()) {
            Some(sub) => Some(sub),
            None => {
                return Err(ResolveError::Sub {
                    attribute: attribute.name.to_string(),
                    sub: name.to_string(),
                });
            }
        },
    };
    Ok(Target::Attribute { extension, attribute, sub, bare })
}

//! The registry of schemas and resource types.

use std::sync::Arc;

use serde::Deserialize;

use super::{ResourceSchema, ResourceType, Schema, SchemaExtension, builtin};
use crate::name::{SchemaUri, urn};

/// All schemas and resource types that a server or client knows.
///
/// ```
/// use scim_core::Registry;
/// let mut registry = Registry::standard();
/// registry.add_json(r#"{
///   "schemas": [{ "id": "urn:example:scim:Badge", "name": "Badge",
///                 "attributes": [{ "name": "serial", "type": "string", "required": true }] }],
///   "resourceTypes": [{ "name": "Badge", "endpoint": "/Badges", "schema": "urn:example:scim:Badge" }]
/// }"#)?;
/// assert_eq!(registry.by_endpoint("/badges").unwrap().name(), "Badge");
/// # Ok::<(), scim_core::RegistryError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Registry {
    schemas: Vec<Arc<Schema>>,
    types: Vec<Arc<ResourceSchema>>,
}

/// Why a schema or resource type cannot be registered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The text is not the JSON of schemas and resource types.
    #[error("not a schema file: {0}")]
    Json(String),
    /// The file registers nothing.
    #[error("the file registers nothing: {0}")]
    Empty(&'static str),
    /// A definition contradicts itself.
    #[error("schema {schema}: attribute {attribute} {problem}")]
    Definition {
        /// The schema.
        schema: String,
        /// The attribute.
        attribute: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A schema of this URI, or a resource type of this name or endpoint, is there already.
    #[error("{0} is registered already")]
    Duplicate(String),
    /// A resource type refers to a schema that is not registered.
    #[error("resource type {resource_type} refers to the schema {schema}, which is not registered")]
    MissingSchema {
        /// The resource type.
        resource_type: String,
        /// The schema.
        schema: String,
    },
    /// There is no resource type of this name.
    #[error("there is no resource type {0}")]
    MissingType(String),
    /// A name or endpoint cannot be part of a URL or collides with a protocol endpoint.
    #[error("{0:?} cannot be the name or endpoint of a resource type")]
    BadName(String),
}

/// As text: whoever prints the chain of causes would read it twice otherwise.
impl From<serde_json::Error> for RegistryError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

/// The form of a schema file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SchemaFile {
    #[serde(default)]
    schemas: Vec<Schema>,
    #[serde(default)]
    resource_types: Vec<ResourceType>,
    /// Extensions to add to resource types that are there already: by type name.
    #[serde(default)]
    extensions: std::collections::BTreeMap<String, Vec<SchemaExtension>>,
}

impl SchemaFile {
    fn is_empty(&self) -> bool {
        self.schemas.is_empty()
            && self.resource_types.is_empty()
            && self.extensions.values().all(Vec::is_empty)
    }
}

impl Registry {
    /// User with the enterprise extension, and Group.
    pub fn rfc7643() -> Self {
        let mut registry = Self { schemas: Vec::new(), types: Vec::new() };
        registry.schemas.extend(
            [
                &builtin::USER,
                &builtin::GROUP,
                &builtin::ENTERPRISE_USER,
                &builtin::SERVICE_PROVIDER_CONFIG,
                &builtin::RESOURCE_TYPE,
                &builtin::SCHEMA,
            ]
            .map(|schema| Arc::clone(schema)),
        );
        registry.push_built_in(
            "User",
            "/Users",
            "User Account",
            urn::USER,
            &[urn::ENTERPRISE_USER],
        );
        registry.push_built_in("Group", "/Groups", "Group", urn::GROUP, &[]);
        registry
    }

    /// What the reference server serves: [`Registry::rfc7643`], Contact, and the OnPremises extension of all three.
    pub fn standard() -> Self {
        let mut registry = Self::rfc7643();
        registry.schemas.push(Arc::clone(&builtin::CONTACT));
        registry.schemas.push(Arc::clone(&builtin::ON_PREMISES));
        registry.let_groups_hold("Contact");
        registry.types.clear();
        let user = [urn::ENTERPRISE_USER, urn::ON_PREMISES];
        registry.push_built_in("User", "/Users", "User Account", urn::USER, &user);
        registry.push_built_in("Group", "/Groups", "Group", urn::GROUP, &[urn::ON_PREMISES]);
        let contact = "A person outside the organisation";
        registry.push_built_in("Contact", "/Contacts", contact, urn::CONTACT, &[urn::ON_PREMISES]);
        registry
    }

    /// What another server serves at `/Schemas` and `/ResourceTypes`.
    ///
    /// Schemas of RFC 7643 that it leaves out are taken from there, and so are the types User and Group: they are always
    /// there. The first of two schemas with the same URI counts.
    ///
    /// # Errors
    /// [`RegistryError`] when a schema is not well formed, a resource type refers to one that is not served, or two
    /// types contradict each other.
    pub fn served(
        schemas: Vec<Schema>,
        resource_types: Vec<ResourceType>,
    ) -> Result<Self, RegistryError> {
        let rfc = Self::rfc7643();
        let mut registry = Self { schemas: Vec::new(), types: Vec::new() };
        for schema in schemas {
            match registry.add_schema(schema) {
                Ok(()) | Err(RegistryError::Duplicate(_)) => {}
                Err(error) => return Err(error),
            }
        }
        for schema in rfc.schemas {
            if registry.schema(schema.id.as_str()).is_none() {
                registry.schemas.push(schema);
            }
        }
        let (mut first, mut others) = (Vec::new(), resource_types);
        for built_in in rfc.types {
            let served = others.iter().position(|t| t.name == built_in.name());
            first.push(
                served.map_or_else(|| built_in.resource_type().clone(), |at| others.remove(at)),
            );
        }
        for resource_type in first.into_iter().chain(others) {
            registry.add_resource_type(resource_type)?;
        }
        Ok(registry)
    }

    #[expect(
        clippy::expect_used,
        reason = "the built-in types refer to built-in schemas; a test makes both registries"
    )]
    fn push_built_in(
        &mut self,
        name: &str,
        endpoint: &str,
        about: &str,
        schema: &str,
        extensions: &[&str],
    ) {
        self.add_resource_type(ResourceType {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            description: Some(about.to_owned()),
            schema: SchemaUri::from_checked(schema),
            schema_extensions: extensions
                .iter()
                .map(|uri| SchemaExtension {
                    schema: SchemaUri::from_checked(uri),
                    required: false,
                })
                .collect(),
        })
        .expect("the built-in resource types fit together");
    }

    /// Says in the Group schema that members may be of this type too.
    fn let_groups_hold(&mut self, type_name: &str) {
        for schema in self.schemas.iter_mut().filter(|s| s.id == urn::GROUP) {
            let schema = Arc::make_mut(schema);
            for attribute in schema.attributes.iter_mut().filter(|a| a.name == "members") {
                for sub in &mut attribute.sub_attributes {
                    if sub.name == "$ref" {
                        sub.reference_types.push(type_name.to_owned());
                    } else if sub.name == "type" {
                        sub.canonical_values.push(type_name.to_owned());
                    }
                }
            }
        }
    }

    /// Registers a schema.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`], [`RegistryError::Definition`].
    pub fn add_schema(&mut self, schema: Schema) -> Result<(), RegistryError> {
        if self.schema(schema.id.as_str()).is_some() {
            return Err(RegistryError::Duplicate(schema.id.to_string()));
        }
        self.schemas.push(Arc::new(schema.prepared()?));
        Ok(())
    }

    /// Registers a resource type whose schemas are registered.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`], [`RegistryError::MissingSchema`], [`RegistryError::BadName`].
    pub fn add_resource_type(&mut self, resource_type: ResourceType) -> Result<(), RegistryError> {
        check_names(&resource_type)?;
        if self.get(&resource_type.name).is_some() {
            return Err(RegistryError::Duplicate(resource_type.name));
        }
        if self.by_endpoint(&resource_type.endpoint).is_some() {
            return Err(RegistryError::Duplicate(resource_type.endpoint));
        }
        let compiled = self.compile(resource_type)?;
        self.types.push(Arc::new(compiled));
        Ok(())
    }

    /// Adds a registered schema as extension to a resource type.
    ///
    /// # Errors
    /// [`RegistryError::MissingType`], [`RegistryError::MissingSchema`], [`RegistryError::Duplicate`].
    pub fn add_extension(
        &mut self,
        type_name: &str,
        extension: SchemaExtension,
    ) -> Result<(), RegistryError> {
        let Some(at) = self.types.iter().position(|t| t.name() == type_name) else {
            return Err(RegistryError::MissingType(type_name.to_owned()));
        };
        let mut resource_type = self.types[at].resource_type().clone();
        if resource_type.schema_extensions.iter().any(|e| e.schema == extension.schema) {
            return Err(RegistryError::Duplicate(extension.schema.to_string()));
        }
        resource_type.schema_extensions.push(extension);
        self.types[at] = Arc::new(self.compile(resource_type)?);
        Ok(())
    }

    /// Registers what a JSON file holds: `schemas` in the form of RFC 7643 section 7, `resourceTypes` in that of
    /// section 6, and `extensions`, which adds schemas to types that are there: `{"User": [{"schema": "urn:..."}]}`.
    ///
    /// # Errors
    /// Any [`RegistryError`]; nothing of the file is registered then. A file that would register nothing is an error
    /// too: whoever names it means something by it.
    pub fn add_json(&mut self, text: &str) -> Result<(), RegistryError> {
        // A list would be taken for the fields in their order.
        if text.trim_start().starts_with('[') {
            return Err(RegistryError::Empty(
                "it is a list; write an object with \"schemas\", \"resourceTypes\" or \"extensions\"",
            ));
        }
        let file: SchemaFile = serde_json::from_str(text)?;
        if file.is_empty() {
            return Err(RegistryError::Empty(
                "\"schemas\", \"resourceTypes\" and \"extensions\" are missing or empty",
            ));
        }
        let mut next = self.clone();
        for schema in file.schemas {
            next.add_schema(schema)?;
        }
        for resource_type in file.resource_types {
            next.add_resource_type(resource_type)?;
        }
        for (type_name, extensions) in file.extensions {
            for extension in extensions {
                next.add_extension(&type_name, extension)?;
            }
        }
        *self = next;
        Ok(())
    }

    fn compile(&self, resource_type: ResourceType) -> Result<ResourceSchema, RegistryError> {
        let find = |uri: &SchemaUri| {
            self.schemas.iter().find(|s| s.id == *uri).cloned().ok_or_else(|| {
                RegistryError::MissingSchema {
                    resource_type: resource_type.name.clone(),
                    schema: uri.to_string(),
                }
            })
        };
        let base = find(&resource_type.schema)?;
        let extensions = resource_type
            .schema_extensions
            .iter()
            .map(|e| Ok((find(&e.schema)?, e.required)))
            .collect::<Result<Vec<_>, RegistryError>>()?;
        Ok(ResourceSchema::new(resource_type, base, extensions))
    }

    /// The User resource type.
    pub fn user(&self) -> &ResourceSchema {
        &self.types[0]
    }

    /// The Group resource type.
    pub fn group(&self) -> &ResourceSchema {
        &self.types[1]
    }

    /// The resource type of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<ResourceSchema>> {
        self.types.iter().find(|t| t.name() == name)
    }

    /// The resource type at this endpoint; `/Users`, `Users` and `/users` are the same.
    pub fn by_endpoint(&self, endpoint: &str) -> Option<&Arc<ResourceSchema>> {
        let endpoint = endpoint.trim_start_matches('/');
        self.types.iter().find(|t| {
            t.resource_type().endpoint.trim_start_matches('/').eq_ignore_ascii_case(endpoint)
        })
    }

    /// All resource types, in the order of registration.
    pub fn resource_types(&self) -> impl ExactSizeIterator<Item = &Arc<ResourceSchema>> {
        self.types.iter()
    }

    /// The schema of this URI.
    pub fn schema(&self, uri: &str) -> Option<&Schema> {
        self.schemas.iter().map(|s| &**s).find(|s| s.id == *uri)
    }

    /// All schemas, in the order of registration.
    pub fn schemas(&self) -> impl ExactSizeIterator<Item = &Schema> {
        self.schemas.iter().map(|s| &**s)
    }
}

/// Endpoints of the protocol that no resource type may take (RFC 7644 section 3.2).
const RESERVED: [&str; 6] =
    ["Bulk", "Me", "Schemas", "ResourceTypes", "ServiceProviderConfig", "ServiceProviderConfigs"];

fn check_names(resource_type: &ResourceType) -> Result<(), RegistryError> {
    let plain = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.len() <= 64
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !RESERVED.iter().any(|r| r.eq_ignore_ascii_case(text))
    };
    if !plain(&resource_type.name) {
        return Err(RegistryError::BadName(resource_type.name.clone()));
    }
    match resource_type.endpoint.strip_prefix('/') {
        Some(endpoint) if plain(endpoint) => Ok(()),
        _ => Err(RegistryError::BadName(resource_type.endpoint.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ResolveError, Target};
    use super::*;
    use crate::name::AttrPath;

    fn resolve(path: &str) -> Result<String, ResolveError> {
        let registry = Registry::standard();
        let path: AttrPath = path.parse().unwrap();
        registry.user().resolve(&path).map(|target| match target {
            Target::Attribute { extension, attribute, sub, bare } => format!(
                "{}{}{}{}",
                extension.map(|e| format!("[{}]", e.name)).unwrap_or_default(),
                attribute.name,
                sub.map(|s| format!(".{}", s.name)).unwrap_or_default(),
                if bare { " bare" } else { "" }
            ),
            Target::Extension(schema) => format!("all of {}", schema.name),
            Target::Base(schema) => format!("base {}", schema.name),
        })
    }

    #[test]
    fn paths_resolve() {
        assert_eq!(resolve("USERNAME").unwrap(), "userName");
        assert_eq!(resolve("name.givenname").unwrap(), "name.givenName");
        assert_eq!(
            resolve("urn:ietf:params:scim:schemas:core:2.0:User:userName").unwrap(),
            "userName"
        );
        assert_eq!(
            resolve("URN:ietf:params:scim:schemas:core:2.0:user:meta.created").unwrap(),
            "meta.created"
        );
        let enterprise = urn::ENTERPRISE_USER;
        assert_eq!(
            resolve(&format!("{enterprise}:manager.value")).unwrap(),
            "[EnterpriseUser]manager.value"
        );
        assert_eq!(resolve(enterprise).unwrap(), "all of EnterpriseUser");
        assert_eq!(resolve(urn::USER).unwrap(), "base User");
        assert_eq!(resolve("manager").unwrap(), "[EnterpriseUser]manager bare");
        assert!(resolve("nothing").is_err());
        assert!(resolve("urn:example:none:attr").is_err());
        assert!(resolve("name.nothing").is_err());
        assert!(resolve("userName.x").is_err());
    }

    #[test]
    fn what_is_served_goes_before_the_rfc() {
        let standard = Registry::standard();
        let schemas: Vec<Schema> = standard.schemas().cloned().collect();
        let mut types: Vec<ResourceType> =
            standard.resource_types().map(|t| t.resource_type().clone()).collect();
        types.reverse();
        let served = Registry::served(schemas, types).unwrap();
        assert_eq!(served.user().name(), "User");
        assert_eq!(served.group().name(), "Group");
        assert!(served.user().extension(urn::ON_PREMISES).is_some());
        assert!(served.by_endpoint("Contacts").is_some());

        let user_only = standard.user().resource_type().clone();
        let missing = Registry::served(Vec::new(), vec![user_only]);
        assert!(matches!(missing, Err(RegistryError::MissingSchema { .. })));
        assert_eq!(Registry::served(Vec::new(), Vec::new()).unwrap().group().name(), "Group");
    }

    #[test]
    fn files_are_taken_whole_or_not_at_all() {
        let mut registry = Registry::standard();
        let before = registry.schemas().len();
        let bad = r#"{"schemas":[{"id":"urn:x:A","attributes":[{"name":"a"}]},{"id":"urn:x:B","attributes":[{"name":"a"},{"name":"A"}]}]}"#;
        assert!(matches!(registry.add_json(bad), Err(RegistryError::Definition { .. })));
        assert_eq!(registry.schemas().len(), before);
        let reserved = r#"{"schemas":[{"id":"urn:x:A"}],"resourceTypes":[{"name":"X","endpoint":"/Bulk","schema":"urn:x:A"}]}"#;
        assert!(matches!(registry.add_json(reserved), Err(RegistryError::BadName(_))));
        let missing = r#"{"resourceTypes":[{"name":"X","endpoint":"/Xs","schema":"urn:x:A"}]}"#;
        assert!(matches!(registry.add_json(missing), Err(RegistryError::MissingSchema { .. })));
        for nothing in ["[]", " [{}]", "{}", r#"{"schemas":[]}"#, r#"{"extensions":{"User":[]}}"#] {
            let refused = registry.add_json(nothing);
            assert!(matches!(refused, Err(RegistryError::Empty(_))), "{nothing}: {refused:?}");
        }
        let extension = r#"{"schemas":[{"id":"urn:x:A","attributes":[{"name":"a"}]}],"extensions":{"User":[{"schema":"urn:x:A"}]}}"#;
        registry.add_json(extension).unwrap();
        assert!(registry.user().extension("URN:X:A").is_some());
    }
}

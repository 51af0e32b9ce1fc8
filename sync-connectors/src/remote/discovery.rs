//! The documents that describe a directory, and the connector's schema in them.

use scim_core::discovery::{FilterSupport, ServiceProviderConfig};
use scim_core::json;
use scim_core::query::ListResponse;
use scim_core::resource::{Resource, Value, from_value};
use scim_core::schema::SchemaExtension;
use scim_core::{
    Attribute, AttributeType, Limits, Mutability, ResourceType, Returned, Schema, SchemaUri,
};
use scim_sync::ConnectorError;
use scim_sync::connector::{AttributeSchema, ConnectorSchema, TypeSchema, ValueKind};

use super::fault::protocol;
use super::{name, wire};

/// The schema of every resource.
const OBJECT: &str = include_str!("object.json");

const KINDS: [(ValueKind, AttributeType); 7] = [
    (ValueKind::Text, AttributeType::String),
    (ValueKind::Integer, AttributeType::Integer),
    (ValueKind::Boolean, AttributeType::Boolean),
    (ValueKind::DateTime, AttributeType::DateTime),
    (ValueKind::Binary, AttributeType::Binary),
    (ValueKind::Reference, AttributeType::Reference),
    (ValueKind::Complex, AttributeType::Complex),
];

/// The schemas of a directory: one of what there is to say of any object, and one of each type's attributes.
#[expect(
    clippy::expect_used,
    reason = "the schema is part of the program; every test of discovery reads it"
)]
pub(super) fn schemas(schema: &ConnectorSchema, base: &str) -> Vec<Resource> {
    let object: Schema = serde_json::from_str(OBJECT).expect("a schema");
    let types = schema.types.iter().map(|(object_type, known)| {
        let attributes = known.attributes.iter().map(|(name, known)| {
            let kind = KINDS.into_iter().find(|(kind, _)| *kind == known.kind);
            let kind = kind.map_or(AttributeType::String, |(_, kind)| kind);
            let mut attribute = Attribute::new(name::member(name), kind);
            attribute.multi_valued = known.multi_valued;
            attribute.mutability = Mutability::ReadOnly;
            attribute.returned = Returned::Request;
            attribute
        });
        Schema {
            id: name::urn(object_type),
            name: object_type.as_str().to_owned(),
            description: Some(format!("The attributes of {object_type} in the directory")),
            attributes: attributes.collect(),
        }
    });
    std::iter::once(object).chain(types).map(|schema| schema.to_resource(base)).collect()
}

/// The types of a directory.
pub(super) fn resource_types(schema: &ConnectorSchema, base: &str) -> Vec<Resource> {
    let types = schema.types.keys().filter_map(|object_type| {
        let resource_type = ResourceType {
            name: object_type.as_str().to_owned(),
            endpoint: format!("/{}", name::segment(object_type.as_str())),
            description: None,
            schema: SchemaUri::new(wire::OBJECT).ok()?,
            schema_extensions: vec![SchemaExtension {
                schema: name::urn(object_type),
                required: false,
            }],
        };
        Some(resource_type.to_resource(base))
    });
    types.collect()
}

/// What can be asked of a directory: filters, as far as a search takes them, and nothing else.
pub(super) fn service_provider_config(base: &str) -> Resource {
    let filter = FilterSupport { supported: true, max_results: u64::from(u32::MAX) };
    ServiceProviderConfig { filter, ..ServiceProviderConfig::new() }.to_resource(base)
}

/// Reads the schemas of a directory.
///
/// # Errors
/// [`ConnectorError::Protocol`] when they are none.
pub(super) fn read_schemas(body: &[u8]) -> Result<ConnectorSchema, ConnectorError> {
    let object = json::parse_object(body, &Limits::default()).map_err(protocol)?;
    let mut read = ConnectorSchema::default();
    for resource in ListResponse::from_object(object).map_err(protocol)?.resources {
        let Some(object_type) = resource.id().and_then(name::object_type) else { continue };
        let schema: Schema = from_value(Value::from(resource)).map_err(protocol)?;
        let attributes = schema.attributes.iter().map(|attribute| {
            let name = name::attribute(attribute.name.as_str());
            let kind = KINDS.into_iter().find(|(_, kind)| *kind == attribute.kind);
            let (kind, _) =
                kind.ok_or_else(|| protocol("an attribute is of a type that no directory has"))?;
            let known = AttributeSchema { kind, multi_valued: attribute.multi_valued };
            Ok((name.ok_or_else(|| protocol("the name of an attribute is none"))?, known))
        });
        let attributes = attributes.collect::<Result<_, ConnectorError>>()?;
        if read.types.insert(object_type, TypeSchema { attributes }).is_some() {
            return Err(protocol("a type is there twice"));
        }
    }
    Ok(read)
}

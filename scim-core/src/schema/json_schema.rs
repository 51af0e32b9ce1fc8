//! JSON Schema (2020-12) of what the registry holds, for OpenAPI documents and for validators of other languages.

use schemars::{Schema as JsonSchema, json_schema};
use serde_json::{Map, Value as Json, json};

use super::attribute::{Attribute, AttributeType};
use super::{ResourceSchema, Schema, builtin};

/// xsd:dateTime with date and time; the offset may be missing, so the format `date-time` would be too narrow.
const DATE_TIME: &str =
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?$";

/// Base64 with the standard alphabet, with or without padding.
const BASE64: &str = r"^[A-Za-z0-9+/]*={0,2}$";

impl Schema {
    /// The JSON Schema of a resource that has this base schema and no extensions: its attributes and those of every
    /// resource. Names are in the schema's spelling; other members are allowed.
    pub fn json_schema(&self) -> JsonSchema {
        resource(self, &[])
    }

    /// The JSON Schema of this schema's data as an extension inside a resource.
    pub fn extension_json_schema(&self) -> JsonSchema {
        let mut schema = object(&self.attributes);
        schema.insert("description".to_owned(), json!(self.description));
        JsonSchema::from(schema)
    }
}

impl ResourceSchema {
    /// The JSON Schema of the resources of this type, extensions included.
    ///
    /// Canonical values are examples, not an enumeration: other values are allowed (RFC 7643 section 7).
    ///
    /// ```
    /// use scim_core::Registry;
    /// let schema = Registry::standard().user().json_schema();
    /// assert_eq!(schema.get("title").unwrap(), "User");
    /// ```
    pub fn json_schema(&self) -> JsonSchema {
        let extensions: Vec<_> = self.extensions().collect();
        let mut schema = resource(self.base(), &extensions);
        schema.insert("title".to_owned(), self.name().into());
        schema
    }
}

fn resource(base: &Schema, extensions: &[(&Schema, bool)]) -> JsonSchema {
    // The schema of ServiceProviderConfig and its like may define a common name itself; the own definition holds.
    let common = builtin::COMMON.iter().filter(|c| base.attribute(c.name.as_str()).is_none());
    let attributes: Vec<Attribute> = common.chain(&base.attributes).cloned().collect();
    let mut schema = object(&attributes);
    for (extension, required) in extensions {
        let uri = extension.id.to_string();
        if let Some(Json::Object(properties)) = schema.get_mut("properties") {
            properties.insert(uri.clone(), extension.extension_json_schema().to_value());
        }
        if let (true, Some(Json::Array(names))) = (required, schema.get_mut("required")) {
            names.push(uri.into());
        }
    }
    schema.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    schema.insert("$id".to_owned(), base.id.as_str().into());
    schema.insert("title".to_owned(), base.name.as_str().into());
    schema.insert("description".to_owned(), json!(base.description));
    JsonSchema::from(schema)
}

fn object(attributes: &[Attribute]) -> Map<String, Json> {
    let properties: Map<_, _> =
        attributes.iter().map(|a| (a.name.to_string(), attribute(a))).collect();
    let required: Vec<_> =
        attributes.iter().filter(|a| a.required).map(|a| a.name.as_str()).collect();
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("required".to_owned(), json!(required));
    schema
}

fn attribute(attribute: &Attribute) -> Json {
    let mut value = match attribute.kind {
        AttributeType::String => json_schema!({ "type": "string" }),
        AttributeType::Boolean => json_schema!({ "type": "boolean" }),
        AttributeType::Decimal => json_schema!({ "type": "number" }),
        AttributeType::Integer => json_schema!({ "type": "integer", "format": "int64" }),
        AttributeType::DateTime => json_schema!({ "type": "string", "pattern": DATE_TIME }),
        AttributeType::Binary => {
            json_schema!({ "type": "string", "contentEncoding": "base64", "pattern": BASE64 })
        }
        AttributeType::Reference => json_schema!({ "type": "string", "format": "uri-reference" }),
        AttributeType::Complex => JsonSchema::from(object(&attribute.sub_attributes)),
    };
    if !attribute.canonical_values.is_empty() {
        value.insert("examples".to_owned(), json!(attribute.canonical_values));
    }
    let mut schema = match attribute.multi_valued {
        true => json_schema!({ "type": "array", "items": value }),
        false => value,
    };
    if let Some(description) = &attribute.description {
        schema.insert("description".to_owned(), description.as_str().into());
    }
    match attribute.mutability {
        super::Mutability::ReadOnly => schema.insert("readOnly".to_owned(), true.into()),
        super::Mutability::WriteOnly => schema.insert("writeOnly".to_owned(), true.into()),
        _ => None,
    };
    schema.to_value()
}

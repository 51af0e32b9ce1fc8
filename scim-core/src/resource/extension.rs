//! Extensions as Rust structs.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json, json};

use super::convert::{ConvertError, from_value, to_value};
use super::{Object, Value};
use crate::name::SchemaUri;
use crate::schema::{Attribute, Registry, RegistryError, ResourceType, Schema, SchemaExtension};

/// A schema extension (RFC 7643 section 3.3) given by a Rust struct.
///
/// The SCIM schema is derived from the struct's JSON Schema: `String` is a string, integers and floats are integer and
/// decimal, `chrono::DateTime` is dateTime, a list is multi-valued, a struct is complex, a field that is neither
/// `Option` nor has a serde default is required, and the variants of an enum are canonical values. Characteristics that
/// a Rust type cannot say stand in `#[schemars(extend("scim" = ..))]`, in the words of RFC 7643 section 7. Its
/// `Serialize` must not fail.
///
/// ```
/// use scim_core::{Extension, Registry, User};
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
///
/// /// The badge that opens doors.
/// #[derive(Serialize, Deserialize, JsonSchema)]
/// #[serde(rename_all = "camelCase")]
/// struct Badge {
///     /// The number on the card.
///     #[schemars(extend("scim" = {"caseExact": true, "uniqueness": "server"}))]
///     serial_number: String,
///     #[serde(default)]
///     doors: Vec<String>,
/// }
///
/// impl Extension for Badge {
///     const URN: &'static str = "urn:example:scim:schemas:extension:Badge";
/// }
///
/// let mut registry = Registry::standard();
/// registry.register_extension::<Badge>("User", false)?;
/// let schema = registry.user().extension(Badge::URN).unwrap();
/// assert!(schema.attribute("serialNumber").unwrap().required);
/// assert!(schema.attribute("doors").unwrap().multi_valued);
///
/// let ada = User::new("ada").with_extension(Badge { serial_number: "7".into(), doors: vec![] });
/// assert_eq!(ada.extension::<Badge>()?.unwrap().serial_number, "7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Extension: Serialize + DeserializeOwned + JsonSchema {
    /// The schema's URI.
    const URN: &'static str;

    /// The schema; by default derived from the struct.
    ///
    /// # Errors
    /// [`RegistryError`] when the struct has fields that no SCIM attribute can hold, such as nested complex ones.
    fn schema() -> Result<Schema, RegistryError> {
        derive_schema::<Self>(Self::URN)
    }
}

impl Registry {
    /// Registers an extension given by a Rust struct and adds it to a resource type. Its schema is registered once; to
    /// add the same extension to several types is fine.
    ///
    /// # Errors
    /// [`RegistryError`] when the schema cannot be derived, there is no such resource type, or it has the extension.
    pub fn register_extension<E: Extension>(
        &mut self,
        type_name: &str,
        required: bool,
    ) -> Result<(), RegistryError> {
        let mut next = self.clone();
        let schema = E::schema()?;
        let extension = SchemaExtension { schema: schema.id.clone(), required };
        if next.schema(E::URN).is_none() {
            next.add_schema(schema)?;
        }
        next.add_extension(type_name, extension)?;
        *self = next;
        Ok(())
    }

    /// Registers a resource type given by a Rust struct, whose schema is derived as that of an extension. The struct
    /// need not have the attributes of every resource (`id`, `externalId`, `meta`, `schemas`); they are skipped.
    ///
    /// # Errors
    /// [`RegistryError`] when the schema cannot be derived, or name, endpoint or URI are taken.
    pub fn register_resource_type<R: Extension>(
        &mut self,
        name: &str,
        endpoint: &str,
    ) -> Result<(), RegistryError> {
        let mut next = self.clone();
        let schema = R::schema()?;
        next.add_resource_type_of(schema, name, endpoint)?;
        *self = next;
        Ok(())
    }

    fn add_resource_type_of(
        &mut self,
        mut schema: Schema,
        name: &str,
        endpoint: &str,
    ) -> Result<(), RegistryError> {
        schema.attributes.retain(|a| !crate::schema::is_common(a.name.as_str()));
        let resource_type = ResourceType {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            description: schema.description.clone(),
            schema: schema.id.clone(),
            schema_extensions: Vec::new(),
        };
        self.add_schema(schema)?;
        self.add_resource_type(resource_type)
    }
}

/// The data of an extension as it stands in a resource.
#[expect(
    clippy::expect_used,
    reason = "Extension asks for a Serialize that does not fail; the callers document the panic"
)]
pub(super) fn into_object<E: Extension>(extension: &E) -> Object {
    match to_value(extension).expect("an extension can be serialised") {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// Reads an extension's data.
pub(super) fn read<E: Extension>(data: Option<&Value>) -> Result<Option<E>, ConvertError> {
    match data {
        None | Some(Value::Null) => Ok(None),
        Some(data) => from_value(data.clone()).map(Some).map_err(|e| e.inside(E::URN)),
    }
}

fn derive_schema<E: JsonSchema>(urn: &str) -> Result<Schema, RegistryError> {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .for_deserialize()
        .into_generator();
    let json: Json = generator.root_schema_for::<E>().to_value();
    let deriver = Deriver { urn };
    let id =
        SchemaUri::new(urn).map_err(|_| deriver.refuse("", "cannot have a schema of this URI"))?;
    let name = json["title"].as_str().unwrap_or_else(|| urn.rsplit(':').next().unwrap_or(urn));
    let schema = json!({
        "id": id.as_str(),
        "name": name,
        "description": json.get("description"),
        "attributes": deriver.attributes("", &json)?,
    });
    Ok(serde_json::from_value(schema)?)
}

struct Deriver<'a> {
    urn: &'a str,
}

impl Deriver<'_> {
    fn refuse(&self, attribute: &str, problem: &'static str) -> RegistryError {
        RegistryError::Definition {
            schema: self.urn.to_owned(),
            attribute: attribute.to_owned(),
            problem,
        }
    }

    /// The attributes of an object's JSON Schema.
    fn attributes(&self, parent: &str, object: &Json) -> Result<Vec<Json>, RegistryError> {
        let Some(properties) = object["properties"].as_object() else {
            return Err(self.refuse(parent, "is no struct with named fields"));
        };
        let required: Vec<_> =
            object["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let attribute = |(name, json): (&String, &Json)| {
            self.attribute(name, json, required.contains(&name.as_str()))
        };
        properties.iter().map(attribute).collect()
    }

    fn attribute(&self, name: &str, json: &Json, required: bool) -> Result<Json, RegistryError> {
        let outer = json.as_object().ok_or_else(|| self.refuse(name, "may hold anything"))?;
        let value = without_null(outer);
        let (value, multi_valued) = match type_of(value) {
            Some("array") => {
                let items = value.get("items").and_then(Json::as_object);
                let items = items.ok_or_else(|| self.refuse(name, "is a list of anything"))?;
                (without_null(items), true)
            }
            _ => (value, false),
        };
        let format = value.get("format").and_then(Json::as_str);
        let kind = match (type_of(value), format) {
            (Some("string"), Some("date-time")) => "dateTime",
            (Some("string"), Some("uri" | "uri-reference")) => "reference",
            (Some("string"), _) if value.get("contentEncoding") == Some(&json!("base64")) => {
                "binary"
            }
            (Some("string"), _) => "string",
            (Some("boolean"), _) => "boolean",
            (Some("integer"), _) => "integer",
            (Some("number"), _) => "decimal",
            (Some("object"), _) => "complex",
            _ => return Err(self.refuse(name, "has a type that no SCIM attribute has")),
        };
        let mut attribute = Map::new();
        attribute.insert("name".to_owned(), name.into());
        attribute.insert("type".to_owned(), kind.into());
        attribute.insert("multiValued".to_owned(), multi_valued.into());
        attribute.insert("required".to_owned(), required.into());
        let described = outer.get("description").or_else(|| value.get("description"));
        if let Some(description) = described {
            attribute.insert("description".to_owned(), description.clone());
        }
        if let Some(values) = value.get("enum").and_then(Json::as_array) {
            let texts = values.iter().filter(|v| v.is_string()).cloned().collect();
            attribute.insert("canonicalValues".to_owned(), Json::Array(texts));
        }
        if kind == "complex" {
            let subs = self.attributes(name, &Json::Object(value.clone()))?;
            attribute.insert("subAttributes".to_owned(), Json::Array(subs));
        }
        for (characteristic, value) in
            outer.get("scim").and_then(Json::as_object).into_iter().flatten()
        {
            attribute.insert(characteristic.clone(), value.clone());
        }
        // What cannot be read back is a characteristic that SCIM does not have, or a name that it does not allow.
        serde_json::from_value::<Attribute>(Json::Object(attribute.clone()))?;
        Ok(attribute.into())
    }
}

/// The schema of the value itself where `null` is an alternative, as it is for `Option`.
fn without_null(schema: &Map<String, Json>) -> &Map<String, Json> {
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array);
    let mut others = choices
        .into_iter()
        .flatten()
        .filter(|choice| choice["type"] != "null")
        .filter_map(Json::as_object);
    match (others.next(), others.next()) {
        (Some(only), None) => only,
        _ => schema,
    }
}

/// The one type besides `null`.
fn type_of(schema: &Map<String, Json>) -> Option<&str> {
    match schema.get("type")? {
        Json::String(one) => Some(one),
        Json::Array(several) => {
            let mut several = several.iter().filter_map(Json::as_str).filter(|t| *t != "null");
            several.next().filter(|_| several.next().is_none())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Utc};
    use serde::Deserialize;

    use super::*;
    use crate::schema::{AttributeType, Mutability, Returned, Uniqueness};

    /// A company car.
    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Car {
        /// The plate.
        #[schemars(extend("scim" = {"caseExact": true, "uniqueness": "server", "mutability": "immutable"}))]
        number_plate: String,
        seats: Option<u8>,
        weight: Option<f64>,
        #[serde(default)]
        leased: bool,
        since: Option<DateTime<Utc>>,
        fuel: Option<Fuel>,
        #[serde(default)]
        drivers: Vec<Driver>,
        engine: Option<Engine>,
        #[schemars(extend("scim" = {"type": "reference", "referenceTypes": ["external"]}))]
        manual: Option<String>,
        #[schemars(extend("scim" = {"returned": "never", "mutability": "writeOnly"}))]
        pin: Option<String>,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    enum Fuel {
        Diesel,
        Electric,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Driver {
        value: String,
    }

    #[derive(Debug, Serialize, Deserialize, JsonSchema)]
    struct Engine {
        power: Option<i64>,
    }

    impl Extension for Car {
        const URN: &'static str = "urn:example:scim:Car";
    }

    #[test]
    fn the_schema_follows_from_the_struct() {
        let schema = Car::schema().unwrap();
        let get = |name: &str| schema.attribute(name).unwrap();
        assert_eq!((schema.name.as_str(), schema.attributes.len()), ("Car", 10));
        assert_eq!(schema.description.as_deref(), Some("A company car."));
        let plate = get("numberPlate");
        assert!(plate.required && plate.case_exact);
        assert_eq!(
            (plate.uniqueness, plate.mutability),
            (Uniqueness::Server, Mutability::Immutable)
        );
        assert_eq!(plate.description.as_deref(), Some("The plate."));
        for (name, kind) in [
            ("seats", AttributeType::Integer),
            ("weight", AttributeType::Decimal),
            ("leased", AttributeType::Boolean),
            ("since", AttributeType::DateTime),
            ("fuel", AttributeType::String),
            ("drivers", AttributeType::Complex),
            ("engine", AttributeType::Complex),
            ("manual", AttributeType::Reference),
        ] {
            let attribute = get(name);
            assert_eq!((attribute.kind, attribute.required), (kind, false), "{name}");
            assert_eq!(attribute.multi_valued, name == "drivers", "{name}");
        }
        assert_eq!(get("fuel").canonical_values, ["diesel", "electric"]);
        assert!(get("drivers").sub("value").unwrap().required);
        assert_eq!(get("pin").returned, Returned::Never);
    }

    #[test]
    fn registering_is_all_or_nothing() {
        let mut registry = Registry::standard();
        assert!(registry.register_extension::<Car>("Nobody", false).is_err());
        assert!(registry.schema(Car::URN).is_none());
        registry.register_extension::<Car>("User", false).unwrap();
        registry.register_extension::<Car>("Contact", true).unwrap();
        assert!(registry.register_extension::<Car>("User", false).is_err());
        assert!(registry.user().extension(Car::URN).is_some());
        let mut cars = Registry::standard();
        cars.register_resource_type::<Car>("Car", "/Cars").unwrap();
        assert!(cars.get("Car").unwrap().attribute("numberPlate").is_some());
        assert!(cars.register_resource_type::<Car>("Car2", "/Bulk").is_err());
    }

    #[test]
    fn what_scim_cannot_say_is_refused() {
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Map {
            values: BTreeMap<String, String>,
        }
        impl Extension for Map {
            const URN: &'static str = "urn:example:scim:Map";
        }
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Nested {
            car: Option<Outer>,
        }
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Outer {
            engine: Option<Engine>,
        }
        impl Extension for Nested {
            const URN: &'static str = "urn:example:scim:Nested";
        }
        #[derive(Serialize, Deserialize, JsonSchema)]
        struct Odd {
            #[schemars(extend("scim" = {"mutability": "sometimes"}))]
            x: Option<String>,
        }
        impl Extension for Odd {
            const URN: &'static str = "urn:example:scim:Odd";
        }
        let mut registry = Registry::standard();
        assert!(registry.register_extension::<Map>("User", false).is_err());
        assert!(registry.register_extension::<Nested>("User", false).is_err());
        assert!(registry.register_extension::<Odd>("User", false).is_err());
    }
}

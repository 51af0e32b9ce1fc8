//! What the target says about itself (RFC 7643 section 5 to 7), read as far as it can be read.
//!
//! A broken definition must not end the run, because checks are there to report it. What is missing is recorded in
//! [`Served::problems`], and where there are no schemas at all those of RFC 7643 are assumed.

use scim_core::{Registry, urn};
use serde_json::{Map, Value};

use crate::json::{self, member};

/// The target's discovery documents.
#[derive(Clone, Debug, Default)]
pub struct Served {
    config: Value,
    types: Vec<ServedType>,
    schemas: Vec<ServedSchema>,
    types_are_assumed: bool,
    schemas_are_assumed: bool,
    problems: Vec<String>,
}

/// A resource type as served.
#[derive(Clone, Debug)]
pub struct ServedType {
    /// Its name: `User`.
    pub name: String,
    /// Its endpoint, with a slash in front: `/Users`.
    pub endpoint: String,
    /// The URI of its base schema.
    pub schema: String,
    /// Its extensions: URI, and whether each resource has to have it.
    pub extensions: Vec<(String, bool)>,
}

/// A schema as served.
#[derive(Clone, Debug)]
pub struct ServedSchema {
    /// Its URI.
    pub id: String,
    /// Its attributes.
    pub attributes: Vec<ServedAttribute>,
}

/// The definition of an attribute as served. Words are kept as they came; what is missing has the default of RFC 7643
/// section 2.2.
#[derive(Clone, Debug)]
pub struct ServedAttribute {
    /// Its name.
    pub name: String,
    /// `string`, `boolean`, `decimal`, `integer`, `dateTime`, `binary`, `reference` or `complex`.
    pub kind: String,
    /// Whether it has many values.
    pub multi_valued: bool,
    /// Whether each resource has to have it.
    pub required: bool,
    /// Whether letter case counts.
    pub case_exact: bool,
    /// `readOnly`, `readWrite`, `immutable` or `writeOnly`.
    pub mutability: String,
    /// `always`, `never`, `default` or `request`.
    pub returned: String,
    /// `none`, `server` or `global`.
    pub uniqueness: String,
    /// The suggested values.
    pub canonical_values: Vec<String>,
    /// The sub-attributes of a complex one.
    pub sub_attributes: Vec<ServedAttribute>,
}

impl ServedAttribute {
    /// Whether a client may set it.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        !self.mutability.eq_ignore_ascii_case("readOnly")
    }

    /// Whether it has sub-attributes.
    #[must_use]
    pub fn is_complex(&self) -> bool {
        self.kind.eq_ignore_ascii_case("complex")
    }

    /// The sub-attribute of this name.
    #[must_use]
    pub fn sub(&self, name: &str) -> Option<&Self> {
        self.sub_attributes.iter().find(|sub| sub.name.eq_ignore_ascii_case(name))
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |name: &str, default: &str| {
            member(value, name).and_then(Value::as_str).unwrap_or(default).to_owned()
        };
        let flag = |name: &str| member(value, name).and_then(Value::as_bool).unwrap_or(false);
        let strings = |name: &str| {
            let items = member(value, name).and_then(Value::as_array);
            items.into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
        };
        Some(Self {
            name: member(value, "name")?.as_str()?.to_owned(),
            kind: text("type", "string"),
            multi_valued: flag("multiValued"),
            required: flag("required"),
            case_exact: flag("caseExact"),
            mutability: text("mutability", "readWrite"),
            returned: text("returned", "default"),
            uniqueness: text("uniqueness", "none"),
            canonical_values: strings("canonicalValues"),
            sub_attributes: Self::read_all(member(value, "subAttributes")),
        })
    }

    fn read_all(value: Option<&Value>) -> Vec<Self> {
        value.and_then(Value::as_array).into_iter().flatten().filter_map(Self::read).collect()
    }
}

impl ServedSchema {
    /// The attribute of this name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&ServedAttribute> {
        self.attributes.iter().find(|a| a.name.eq_ignore_ascii_case(name))
    }
}

impl Served {
    /// Reads the bodies of `/ServiceProviderConfig`, `/ResourceTypes` and `/Schemas`; `None` for one that did not come
    /// as JSON with a 200.
    pub(crate) fn read(
        config: Option<&Value>,
        types: Option<&Value>,
        schemas: Option<&Value>,
    ) -> Self {
        let mut served = Self::default();
        match config {
            // Some servers put it into a list (AMBIGUITIES 86).
            Some(value) => served.config = json::resources(value).first().unwrap_or(value).clone(),
            None => served.problem("/ServiceProviderConfig gave no JSON object"),
        }
        served.types = types.map(read_types).unwrap_or_default();
        if served.types.is_empty() {
            served.problem("/ResourceTypes gave no resource types; /Users and /Groups are assumed");
            served.types_are_assumed = true;
            served.types = assumed_types();
        }
        served.schemas = schemas.map(read_schemas).unwrap_or_default();
        if served.schemas.is_empty() {
            served.problem("/Schemas gave no schemas; those of RFC 7643 are assumed");
            served.schemas_are_assumed = true;
            served.schemas = assumed_schemas();
        }
        for at in 0..served.types.len() {
            let schema = served.types[at].schema.clone();
            if served.schema(&schema).is_none() {
                let name = &served.types[at].name;
                let text = format!("the schema {schema} of resource type {name} is not served");
                served.problems.push(text);
            }
        }
        served
    }

    fn problem(&mut self, text: &str) {
        self.problems.push(text.to_owned());
    }

    /// The ServiceProviderConfig; null where there is none.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// Whether a feature is announced: the value of `{feature}.supported`, `None` where nothing is said.
    #[must_use]
    pub fn announces(&self, feature: &str) -> Option<bool> {
        let said = member(member(&self.config, feature)?, "supported")?;
        // A server that writes "true" means it; the check of the type says that it is wrong.
        said.as_bool().or_else(|| said.as_str()?.to_ascii_lowercase().parse().ok())
    }

    /// A number of the ServiceProviderConfig: `limit("bulk", "maxOperations")`.
    #[must_use]
    pub fn limit(&self, feature: &str, name: &str) -> Option<u64> {
        member(member(&self.config, feature)?, name)?.as_u64()
    }

    /// Every resource type.
    #[must_use]
    pub fn types(&self) -> &[ServedType] {
        &self.types
    }

    /// The resource type of this name or endpoint.
    #[must_use]
    pub fn type_of(&self, name_or_endpoint: &str) -> Option<&ServedType> {
        let wanted = name_or_endpoint.trim_start_matches('/');
        self.types.iter().find(|one| {
            one.name.eq_ignore_ascii_case(wanted)
                || one.endpoint.trim_start_matches('/').eq_ignore_ascii_case(wanted)
        })
    }

    /// The endpoint of users: that of the resource type `User`, else `/Users`.
    #[must_use]
    pub fn users(&self) -> &str {
        self.type_of("User").map_or("/Users", |one| &one.endpoint)
    }

    /// The endpoint of groups.
    #[must_use]
    pub fn groups(&self) -> &str {
        self.type_of("Group").map_or("/Groups", |one| &one.endpoint)
    }

    /// Every schema.
    #[must_use]
    pub fn schemas(&self) -> &[ServedSchema] {
        &self.schemas
    }

    /// The schema with this URI.
    #[must_use]
    pub fn schema(&self, uri: &str) -> Option<&ServedSchema> {
        self.schemas.iter().find(|schema| schema.id.eq_ignore_ascii_case(uri))
    }

    /// The definition of an attribute of a resource type, by path: `userName`, `name.familyName`, `emails.type`,
    /// `urn:…:User:manager.value`, `urn:…:User` for nothing but the extension itself is `None`.
    #[must_use]
    pub fn attribute(&self, kind: &ServedType, path: &str) -> Option<&ServedAttribute> {
        let uris = kind.extensions.iter().map(|(uri, _)| uri).chain([&kind.schema]);
        let mut names = path;
        let mut uri = kind.schema.as_str();
        for candidate in uris {
            if let Some(rest) = json::strip_ignoring_case(path, candidate)
                && let Some(rest) = rest.strip_prefix(':')
            {
                (uri, names) = (candidate, rest);
            }
        }
        let mut names = names.split('.');
        let first = self.schema(uri)?.attribute(names.next()?)?;
        names.try_fold(first, |attribute, name| attribute.sub(name))
    }

    /// Whether a client may send this attribute: the schemas define it, or it is `externalId`, which every resource
    /// has (RFC 7643 section 3.1). Read-only ones count, because sending them is ignored and not wrong.
    #[must_use]
    pub fn is_announced(&self, kind: &ServedType, path: &str) -> bool {
        let common = ["schemas", "id", "externalId", "meta"];
        let first = path.split('.').next().unwrap_or_default();
        self.attribute(kind, path).is_some()
            || common.iter().any(|name| name.eq_ignore_ascii_case(first))
            || self.has_extension(kind, path)
    }

    /// Whether a resource type has this extension.
    #[must_use]
    pub fn has_extension(&self, kind: &ServedType, uri: &str) -> bool {
        kind.extensions.iter().any(|(one, _)| one.eq_ignore_ascii_case(uri))
    }

    /// Whether users have the enterprise extension.
    #[must_use]
    pub fn has_enterprise(&self) -> bool {
        self.type_of("User").is_some_and(|kind| self.has_extension(kind, urn::ENTERPRISE_USER))
    }

    /// Whether the schemas are those of RFC 7643 because none were served.
    #[must_use]
    pub fn schemas_are_assumed(&self) -> bool {
        self.schemas_are_assumed
    }

    /// Whether the resource types are assumed because none were served.
    #[must_use]
    pub fn types_are_assumed(&self) -> bool {
        self.types_are_assumed
    }

    /// What could not be read.
    #[must_use]
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

fn read_types(body: &Value) -> Vec<ServedType> {
    let text = |value: &Value, name: &str| Some(member(value, name)?.as_str()?.to_owned());
    let read = |value: &Value| {
        let endpoint = text(value, "endpoint")?;
        // An absolute endpoint is against RFC 7643 section 6, and its last segment is what was meant.
        let last = endpoint.trim_end_matches('/').rsplit('/').next()?;
        let extension = |one: &Value| {
            let required = member(one, "required").and_then(Value::as_bool).unwrap_or(false);
            Some((text(one, "schema")?, required))
        };
        let extensions = member(value, "schemaExtensions").and_then(Value::as_array);
        Some(ServedType {
            name: text(value, "name").or_else(|| text(value, "id"))?,
            endpoint: format!("/{last}"),
            schema: text(value, "schema")?,
            extensions: extensions.into_iter().flatten().filter_map(extension).collect(),
        })
    };
    json::resources(body).iter().filter_map(read).collect()
}

fn read_schemas(body: &Value) -> Vec<ServedSchema> {
    let read = |value: &Value| {
        Some(ServedSchema {
            id: member(value, "id")?.as_str()?.to_owned(),
            attributes: ServedAttribute::read_all(member(value, "attributes")),
        })
    };
    json::resources(body).iter().filter_map(read).collect()
}

fn assumed_types() -> Vec<ServedType> {
    let plain = |name: &str, endpoint: &str, schema: &str| ServedType {
        name: name.to_owned(),
        endpoint: endpoint.to_owned(),
        schema: schema.to_owned(),
        extensions: Vec::new(),
    };
    vec![plain("User", "/Users", urn::USER), plain("Group", "/Groups", urn::GROUP)]
}

fn assumed_schemas() -> Vec<ServedSchema> {
    let registry = Registry::rfc7643();
    let wire = registry.schemas().map(|schema| {
        // Through the same reader as what a server sends.
        serde_json::to_value(schema).unwrap_or_else(|_| Value::Object(Map::new()))
    });
    read_schemas(&Value::Array(wire.collect()))
}

#[cfg(test)]
mod tests;

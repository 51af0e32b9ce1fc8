//! Attribute definitions and their characteristics (RFC 7643 section 2.2 and 7).

use serde::{Deserialize, Serialize};

use crate::name::AttrName;
use crate::text::TextRule;

/// The data type of an attribute (RFC 7643 section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AttributeType {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A real number.
    Decimal,
    /// A whole number.
    Integer,
    /// A date and time (xsd:dateTime).
    DateTime,
    /// Base64 text, always compared exactly.
    Binary,
    /// A URI, always compared exactly.
    Reference,
    /// An object with sub-attributes.
    Complex,
}

impl AttributeType {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Boolean => "boolean",
            Self::Decimal => "decimal",
            Self::Integer => "integer",
            Self::DateTime => "dateTime",
            Self::Binary => "binary",
            Self::Reference => "reference",
            Self::Complex => "complex",
        }
    }
}

/// When an attribute may be written (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// By the server only.
    ReadOnly,
    /// At any time.
    #[default]
    ReadWrite,
    /// Once.
    Immutable,
    /// At any time, but never read.
    WriteOnly,
}

/// When an attribute is returned (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// In every answer, whatever `attributes` says.
    Always,
    /// In no answer.
    Never,
    /// Unless `attributes` or `excludedAttributes` say otherwise.
    #[default]
    Default,
    /// When `attributes` names it, or when it was written by the same request.
    Request,
}

/// How far a value must be unique (RFC 7643 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// Not at all.
    #[default]
    None,
    /// Among the resources of one type and tenant.
    Server,
    /// Everywhere; this server enforces it like [`Uniqueness::Server`].
    Global,
}

/// The definition of an attribute or sub-attribute, with the defaults of RFC 7643 section 2.2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    /// The name, in the spelling that answers use.
    pub name: AttrName,
    /// The data type.
    #[serde(rename = "type", default = "default_type")]
    pub kind: AttributeType,
    /// Sub-attributes of a complex attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sub_attributes: Vec<Attribute>,
    /// Whether it holds a list.
    #[serde(default)]
    pub multi_valued: bool,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether a resource must have it.
    #[serde(default)]
    pub required: bool,
    /// Suggested values; others are accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// Whether letter case matters in comparisons.
    #[serde(default)]
    pub case_exact: bool,
    /// When it may be written.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is returned.
    #[serde(default)]
    pub returned: Returned,
    /// How far it must be unique.
    #[serde(default)]
    pub uniqueness: Uniqueness,
    /// What a reference may point at: resource type names, `uri`, `external`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// How its strings compare. Follows from `caseExact`, type and, for `userName`, the schema; not on the wire.
    #[serde(skip, default = "default_rule")]
    pub(crate) rule: Option<TextRule>,
}

const fn default_type() -> AttributeType {
    AttributeType::String
}

const fn default_rule() -> Option<TextRule> {
    None
}

impl Attribute {
    /// A single-valued, readWrite, not required attribute of this type that compares without regard to case.
    pub fn new(name: AttrName, kind: AttributeType) -> Self {
        Self {
            name,
            kind,
            sub_attributes: Vec::new(),
            multi_valued: false,
            description: None,
            required: false,
            canonical_values: Vec::new(),
            case_exact: false,
            mutability: Mutability::default(),
            returned: Returned::default(),
            uniqueness: Uniqueness::default(),
            reference_types: Vec::new(),
            rule: None,
        }
    }

    /// The sub-attribute of this name.
    pub fn sub(&self, name: &str) -> Option<&Attribute> {
        self.sub_attributes.iter().find(|a| a.name == *name)
    }

    /// Whether it has sub-attributes.
    pub fn is_complex(&self) -> bool {
        self.kind == AttributeType::Complex
    }

    /// Whether the element's `value` alone identifies it: its elements are references to resources, as in `members`,
    /// `groups` and `manager` (they have `value` and `$ref`).
    pub fn is_resource_reference(&self) -> bool {
        self.is_complex()
            && self.sub("value").is_some()
            && self
                .sub("$ref")
                .is_some_and(|r| r.reference_types.iter().any(|t| t != "uri" && t != "external"))
    }

    /// How its strings compare: binary and reference values always exactly (RFC 7643 section 2.3.6, 2.3.7).
    pub fn text_rule(&self) -> TextRule {
        self.rule.unwrap_or(match self.kind {
            AttributeType::Binary | AttributeType::Reference => TextRule::Exact,
            _ if self.case_exact => TextRule::Exact,
            _ => TextRule::Fold,
        })
    }

    /// Whether a peer may never see the value, so that filters on it would be an oracle.
    pub fn is_secret(&self) -> bool {
        self.returned == Returned::Never || self.mutability == Mutability::WriteOnly
    }
}

impl Serialize for AttrName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AttrName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = smol_str::SmolStr::deserialize(deserializer)?;
        AttrName::new(&text).map_err(serde::de::Error::custom)
    }
}

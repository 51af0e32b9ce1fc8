//! Values of fields that are more than a text or a number.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use scim_core::AttrPath;
use serde::{Deserialize, Deserializer, de};

/// An attribute path in a profile, such as `name.familyName`; compares without regard to letter case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(AttrPath);

impl Path {
    /// The path.
    #[must_use]
    pub fn as_attr_path(&self) -> &AttrPath {
        &self.0
    }

    /// Whether this is the attribute or one that it is a part of: `name` covers `name.givenName`.
    ///
    /// The URI of a core schema in front makes no difference, because it names the same attribute.
    #[must_use]
    pub fn covers(&self, other: &AttrPath) -> bool {
        self.0.name() == other.name()
            && extension(&self.0) == extension(other)
            && (self.0.sub().is_none() || self.0.sub() == other.sub())
    }

    /// Whether both name the same attribute.
    #[must_use]
    pub fn is(&self, other: &AttrPath) -> bool {
        self.covers(other) && self.0.sub() == other.sub()
    }
}

/// The URI in front, unless it is one of the core schemas, whose attributes have the same name without it.
pub(crate) fn extension(path: &AttrPath) -> Option<&scim_core::SchemaUri> {
    path.uri().filter(|uri| **uri != scim_core::urn::USER && **uri != scim_core::urn::GROUP)
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Path {
    type Err = scim_core::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An upper bound: a number from 1, or `"none"`, which lifts a bound that the extended profile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Limit(Option<NonZeroU32>);

impl Limit {
    /// No bound.
    pub const NONE: Self = Self(None);

    /// At most `n`; no bound when `n` is 0.
    #[must_use]
    pub const fn at(n: u32) -> Self {
        Self(NonZeroU32::new(n))
    }

    /// The bound, if there is one.
    #[must_use]
    pub fn get(self) -> Option<usize> {
        self.0.map(|n| usize::try_from(n.get()).unwrap_or(usize::MAX))
    }

    /// Whether `n` is within the bound.
    #[must_use]
    pub fn admits(self, n: usize) -> bool {
        self.get().is_none_or(|limit| n <= limit)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(n) => n.fmt(f),
            None => f.write_str("none"),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 1, or \"none\"")
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<Limit, E> {
                match u32::try_from(n).ok().and_then(NonZeroU32::new) {
                    Some(n) => Ok(Limit(Some(n))),
                    None => Err(E::invalid_value(de::Unexpected::Signed(n), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Limit, E> {
                match text {
                    "none" => Ok(Limit::NONE),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Limit, Path};

    impl JsonSchema for Path {
        fn schema_name() -> Cow<'static, str> {
            "attribute path".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "string", "format": "attribute path" })
        }
    }

    impl JsonSchema for Limit {
        fn schema_name() -> Cow<'static, str> {
            "limit".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": "integer", "format": "limit" })
        }
    }
}

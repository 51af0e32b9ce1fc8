//! Types, as far as they can be told before an object is seen.

use std::fmt;

use crate::AttributeName;

/// What kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Text.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Boolean,
    /// A moment.
    Date,
    /// Bytes.
    Binary,
    /// A reference to another object, seen as its DN.
    Reference,
    /// A value with parts.
    Complex,
    /// Known only when an object is there.
    Any,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Number => "a number",
            Self::Boolean => "True or False",
            Self::Date => "a date",
            Self::Binary => "bytes",
            Self::Reference => "a reference",
            Self::Complex => "a value with parts",
            Self::Any => "any value",
        })
    }
}

/// The type of an expression or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExprType {
    /// The kind of its values.
    pub kind: Kind,
    /// Whether there may be more than one.
    pub multi_valued: bool,
}

impl ExprType {
    pub(crate) const ANY: Self = Self { kind: Kind::Any, multi_valued: true };

    pub(crate) const fn one(kind: Kind) -> Self {
        Self { kind, multi_valued: false }
    }

    /// The type of something that is the one or the other.
    pub(crate) fn or(self, other: Self) -> Self {
        let kind = if self.kind == other.kind { self.kind } else { Kind::Any };
        Self { kind, multi_valued: self.multi_valued || other.multi_valued }
    }
}

impl fmt::Display for ExprType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.multi_valued { f.write_str(" (multi-valued)") } else { Ok(()) }
    }
}

/// The type of an attribute.
pub type AttributeType = ExprType;

/// What a connector knows about its attributes.
pub trait Schema {
    /// The type of the attribute, or nothing where the schema has none of that name.
    fn attribute(&self, name: &AttributeName) -> Option<AttributeType>;

    /// Names of attributes, for a suggestion where one is misspelt.
    fn names(&self) -> Vec<AttributeName> {
        Vec::new()
    }
}

impl Schema for std::collections::BTreeMap<AttributeName, AttributeType> {
    fn attribute(&self, name: &AttributeName) -> Option<AttributeType> {
        self.get(name).copied()
    }

    fn names(&self) -> Vec<AttributeName> {
        self.keys().cloned().collect()
    }
}

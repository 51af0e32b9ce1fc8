//! Filters (RFC 7644 section 3.4.2.2): from text to tree, from tree and schema to typed filter, from that to an answer.
//!
//! ```
//! use scim_core::{Filter, Leniency, Profile, Registry, Resource};
//!
//! let registry = Registry::standard();
//! let filter: Filter = r#"emails[type eq "work" and value ew "@example.org"]"#.parse()?;
//! let typed = filter.resolve(registry.user(), &mut Leniency::new(Profile::strict()))?;
//!
//! let ada: Resource = serde_json::from_str(r#"{"emails":[{"type":"Work","value":"ada@example.org"}]}"#)?;
//! assert!(typed.matches(&ada));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod compare;
mod display;
mod eval;
mod fault;
pub(crate) mod instant;
mod literal;
mod parse;
mod path;
pub(crate) mod resolve;
mod typed;

use std::str::FromStr;

use serde_json::Number;
use smol_str::SmolStr;

pub use build::{AttrTerm, attr};
pub use path::{PathForm, parse_path};
pub use typed::{Field, TypedComparison, TypedFilter, TypedValue};

use crate::limits::Limits;
use crate::name::AttrPath;
use crate::profile::{Leniency, Profile};

/// A filter expression as it was written, names not yet looked up.
///
/// `And` and `Or` are flat: `a and b and c` is one `And` of three. Parentheses that the writer put around terms of the
/// same operator stay a nested list. [`Display`](std::fmt::Display) writes text that reads back as the same tree.
///
/// ```
/// use scim_core::{Filter, attr};
/// let filter: Filter = r#"title pr or active eq true and userType sw "E""#.parse()?;
/// let built = attr("title").present().or(attr("active").eq(true).and(attr("userType").sw("E")));
/// assert_eq!(filter, built);
/// assert_eq!(filter.to_string().parse::<Filter>()?, filter);
/// # Ok::<(), scim_core::filter::FilterError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them match; two or more.
    And(Vec<Filter>),
    /// One of them matches; two or more.
    Or(Vec<Filter>),
    /// It does not match.
    Not(Box<Filter>),
    /// An attribute compared with a value.
    Compare(Comparison),
    /// The attribute has a value.
    Present(AttrPath),
    /// One value of the attribute matches the whole filter in brackets.
    ValuePath {
        /// The attribute in front of the bracket.
        path: AttrPath,
        /// A filter over its sub-attributes, without further brackets.
        filter: Box<Filter>,
    },
}

/// `path op value`.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The attribute.
    pub path: AttrPath,
    /// The operator.
    pub op: CompareOp,
    /// What it is compared with.
    pub value: Literal,
}

/// The comparison operators of RFC 7644 table 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal; also when there is no value.
    Ne,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Ends with.
    Ew,
    /// Greater than.
    Gt,
    /// Greater than or equal.
    Ge,
    /// Less than.
    Lt,
    /// Less than or equal.
    Le,
}

impl CompareOp {
    /// The operator as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Eq => "eq",
            Self::Ne => "ne",
            Self::Co => "co",
            Self::Sw => "sw",
            Self::Ew => "ew",
            Self::Gt => "gt",
            Self::Ge => "ge",
            Self::Lt => "lt",
            Self::Le => "le",
        }
    }

    /// Whether it asks for a part of a text: `co`, `sw`, `ew`.
    pub const fn is_substring(self) -> bool {
        matches!(self, Self::Co | Self::Sw | Self::Ew)
    }

    /// Whether it asks for an order: `gt`, `ge`, `lt`, `le`.
    pub const fn is_ordering(self) -> bool {
        matches!(self, Self::Gt | Self::Ge | Self::Lt | Self::Le)
    }
}

/// A comparison value: a JSON value that is neither array nor object.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `null`: `eq null` asks for no value, `ne null` for one.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text; also dates, references and base64.
    String(SmolStr),
}

impl Filter {
    /// Reads a filter.
    ///
    /// Operators and names are taken in any letter case, `not` with and without a space, and more spaces than the
    /// grammar has. Brackets do not nest (errata 4690, 7322). The limits hold while reading, before any descent.
    ///
    /// # Errors
    /// [`FilterError`] with the column and what was expected there.
    pub fn parse(
        text: &str,
        limits: &Limits,
        leniency: &mut Leniency,
    ) -> Result<Self, FilterError> {
        parse::parse(text, limits, leniency)
    }
}

/// Reads a filter with the default limits and no tolerances.
impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text, &Limits::default(), &mut Leniency::new(Profile::strict()))
    }
}

/// Why a filter is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filter, column {column}: {detail}")]
pub struct FilterError {
    /// The column, counted in characters from 1. Where the text is well-formed but does not fit the schema, it counts
    /// in the filter as its `Display` writes it.
    pub column: usize,
    /// What was expected, or what does not fit.
    pub detail: String,
}

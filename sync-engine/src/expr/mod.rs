//! The expression language of attribute flows, in the two dialects that Microsoft documents: the one of the provisioning
//! service and the one of the declarative provisioning of Connect.
//!
//! An [`Expression`] is parsed once, checked against a [`Schema`] when its rule is loaded, and evaluated for every object.
//! An evaluation asks nothing but its [`Context`]: time, random numbers, imported values and the question whether a value is
//! taken come from there, so that the same object gives the same outcome. It is bounded by a fuel and by the length of
//! what it makes; regular expressions take linear time.
//!
//! Every function, with its signature and examples, is in `docs/expressions.md`.
//!
//! ```
//! use scim_sync::expr::{Context, Dialect, Expression, NoRandom, Outcome};
//! use scim_sync::{AttributeSet, AttributeValue};
//!
//! let flow = Expression::parse(r#"ToLower(Join("@", [mailNickname], "example.com"))"#, Dialect::Provisioning)?;
//! let object = AttributeSet::new().with("mailNickname", "Zoe");
//! let now = chrono::DateTime::UNIX_EPOCH;
//! let outcome = flow.evaluate(&Context::new(&object, now, &NoRandom))?;
//! assert_eq!(outcome, Outcome::Values(vec![AttributeValue::from("zoe@example.com")]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod ast;
mod check;
mod context;
mod culture;
mod diacritics;
mod dotnet_date;
mod error;
mod eval;
mod functions;
mod operators;
mod parse;
mod reference;
mod regex;
mod resolve;
mod tree;
mod types;
mod value;
mod x509;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use context::{
    Attributes, Context, DEFAULT_FUEL, NoRandom, Outcome, Parameters, Random, UniqueProbe,
};
pub use error::{EvalError, EvalErrorKind, ExprError, Place};
pub use eval::Candidates;
pub use reference::{examples, reference};
pub use tree::{MappingParameter, MappingSource, MappingSourceType};
pub use types::{AttributeType, ExprType, Kind, Schema};

use crate::AttributeName;
use ast::{Node, NodeKind, Span};

/// The longest text of an expression, in bytes.
pub const MAX_TEXT: usize = 64 * 1024;

/// Which of the two languages an expression is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dialect {
    /// The provisioning service and cloud sync: functions only, comparison only as the condition of `IIF` and `CBool`,
    /// `\"` in strings, dates as text in UTC.
    #[default]
    Provisioning,
    /// Connect's declarative provisioning: operators, variables, parameters, `""` in strings, a type for dates.
    Connect,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provisioning => "provisioning",
            Self::Connect => "connect",
        })
    }
}

/// A parsed expression. Immutable and cheap to clone; shown in its canonical text, compared by what it says and not by its
/// white space.
///
/// As data it is its source text in the Provisioning dialect and `{ dialect = "connect", text = "..." }` in the other.
#[derive(Clone)]
pub struct Expression {
    inner: Arc<Inner>,
}

struct Inner {
    text: Arc<str>,
    dialect: Dialect,
    root: Node,
    redacts: bool,
}

impl Expression {
    /// Reads `text`.
    ///
    /// # Errors
    ///
    /// The text is no expression of the dialect, names a function it has not, gives a function the wrong number of
    /// arguments, or holds a regular expression that cannot be matched in linear time.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, ExprError> {
        let shared: Arc<str> = Arc::from(text);
        if text.len() > MAX_TEXT {
            let span = Span { start: 0, end: 1 };
            let message = format!("the expression is longer than {MAX_TEXT} bytes");
            return Err(ExprError::new(
                &Arc::from(&text[..text.floor_char_boundary(80)]),
                span,
                message,
                "",
            ));
        }
        let raw = parse::parse(text, dialect)
            .map_err(|(span, message, mend)| ExprError::new(&shared, span, message, mend))?;
        let root = resolve::resolve(raw, dialect, &shared)?;
        let mut redacts = false;
        root.walk(&mut |node| {
            if let NodeKind::Call(call) = &node.kind {
                redacts |= call.function.name == "Redact";
            }
        });
        Ok(Self { inner: Arc::new(Inner { text: shared, dialect, root, redacts }) })
    }

    /// The text it was read from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// The dialect it is written in.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// The attributes it reads, those of `ImportedValue` included.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<AttributeName> {
        let mut names = BTreeSet::new();
        self.inner.root.walk(&mut |node| match &node.kind {
            NodeKind::Attribute(name) => {
                names.insert(name.clone());
            }
            NodeKind::Call(call) if call.function.name == "ImportedValue" => {
                if let Some(NodeKind::Text(name)) = call.args.first().map(|arg| &arg.kind) {
                    names.insert(AttributeName::new(name));
                }
            }
            _ => {}
        });
        names
    }

    /// The parameters it names, such as `Domain.Netbios`, for the loader to hold against those that are set.
    #[must_use]
    pub fn parameters(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.inner.root.walk(&mut |node| {
            if let NodeKind::Parameter(name) = &node.kind {
                names.insert(name.to_string());
            }
        });
        names
    }

    /// Whether it is a `SelectUniqueValue`: fit for creating an object only, and never for a matching attribute.
    #[must_use]
    pub fn is_unique_candidate(&self) -> bool {
        self.unique_rules().is_some()
    }

    /// Whether its value must not be shown in logs, because `Redact` stands in it.
    #[must_use]
    pub fn redacts(&self) -> bool {
        self.inner.redacts
    }

    pub(crate) fn root(&self) -> &Node {
        &self.inner.root
    }

    fn unique_rules(&self) -> Option<&[Node]> {
        match &self.inner.root.kind {
            NodeKind::Call(call) if call.function.name == "SelectUniqueValue" => Some(&call.args),
            _ => None,
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = String::new();
        self.inner.root.write(self.inner.dialect, &mut out);
        f.write_str(&out)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expression({}: {self})", self.inner.dialect)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.inner.dialect == other.inner.dialect && self.inner.root == other.inner.root
    }
}

impl Eq for Expression {}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Plain(String),
    #[serde(rename_all = "camelCase")]
    Tagged {
        dialect: Dialect,
        text: String,
    },
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text().to_owned();
        match self.dialect() {
            Dialect::Provisioning => Written::Plain(text),
            dialect @ Dialect::Connect => Written::Tagged { dialect, text },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, dialect) = match Written::deserialize(deserializer)? {
            Written::Plain(text) => (text, Dialect::Provisioning),
            Written::Tagged { dialect, text } => (text, dialect),
        };
        Self::parse(&text, dialect).map_err(D::Error::custom)
    }
}

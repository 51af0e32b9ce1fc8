//! Sync rules: which objects belong to which identities, what flows where, and what happens when an object goes.
//!
//! Rules are data, in TOML or JSON, and are checked when they are loaded: a mistake is told with its line and column.
//! An inbound rule looks at objects of one connector's space and feeds the metaverse, an outbound rule looks at
//! identities and says what a target's objects must look like. Where two rules say something about one attribute, the
//! lower precedence number wins.
//!
//! ```
//! use scim_sync::rules::RuleSet;
//!
//! let error = RuleSet::from_toml("version = 1\n[[rule]]\nname = 7").unwrap_err();
//! assert_eq!((error.line, error.column), (3, 8));
//! ```

mod check;
mod constant;
pub mod defaults;
mod expression;
mod filter;
pub mod graph;
mod load;
mod locate;
mod model;
mod operator;
pub mod scope;
mod set;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

pub use constant::Constant;
pub use expression::{Compiled, Dialect};
pub(crate) use expression::{Evaluated, Surroundings};
pub use locate::RuleError;
pub use model::{
    Apply, Behavior, Flow, FlowSource, FlowType, JoinCondition, JoinGroup, Merge, Operation,
    Operations, Rule, RuleFile, RuleSource, Source,
};
pub use operator::Operator;
pub(crate) use operator::{boolean_of, integer_of, moment_of};
pub use set::RuleSet;

use crate::AttributeValue;

/// Whether a rule feeds the metaverse or a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From a space into the metaverse.
    Inbound,
    /// From the metaverse into a space.
    Outbound,
}

/// What a rule may do to link an object and an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkType {
    /// Joins where there is something to join, and makes the other side where there is not. Inbound, it holds the
    /// identity.
    Provision,
    /// Joins only, and does not hold the identity.
    Join,
    /// Joins only, and holds the identity.
    StickyJoin,
}

impl LinkType {
    /// Whether an inbound rule of this type keeps the identity alive.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Provision | Self::StickyJoin)
    }
}

/// What happens to an object of the target when nothing holds its identity any more, or no outbound rule takes it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// It is removed.
    Delete,
    /// It is switched off and stays linked, so that it is switched on again when the identity comes back.
    Disable,
    /// It is switched off now, and removed when it was off for as many days as the rule says.
    DisableThenDelete,
    /// It stays as it is and is let go of.
    Keep,
}

impl Release {
    /// Whether the object is switched off, for good or at first.
    #[must_use]
    pub const fn disables(self) -> bool {
        matches!(self, Self::Disable | Self::DisableThenDelete)
    }
}

/// A value as text: what comparison, joins and matching work with.
#[must_use]
pub fn text_of(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Text(text) => Cow::Borrowed(text),
        AttributeValue::Integer(number) => Cow::Owned(number.to_string()),
        AttributeValue::Boolean(true) => Cow::Borrowed("True"),
        AttributeValue::Boolean(false) => Cow::Borrowed("False"),
        AttributeValue::DateTime(moment) => {
            Cow::Owned(moment.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
        }
        AttributeValue::Binary(bytes) => Cow::Owned(STANDARD.encode(bytes)),
        AttributeValue::Complex(parts) => {
            let value = parts.iter().find(|(name, _)| name.as_str().eq_ignore_ascii_case("value"));
            value.map_or(Cow::Borrowed(""), |(_, value)| text_of(value))
        }
    }
}

#[cfg(test)]
mod tests;

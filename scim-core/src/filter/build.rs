//! Filters made in code: `attr("userName").eq("ada").or(attr("title").present())`.

use std::ops::Not;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Number;
use smol_str::SmolStr;

use super::{CompareOp, Comparison, Filter, Literal};
use crate::name::AttrPath;

/// Starts a term of a filter; the text is part of the program. Use `AttrTerm::from(path)` for paths that are data.
///
/// ```
/// use scim_core::attr;
/// let filter = attr("emails").matches(attr("type").eq("work")).and(!attr("title").present());
/// assert_eq!(filter.to_string(), r#"emails[type eq "work"] and not (title pr)"#);
/// ```
///
/// # Panics
/// When the text is not an attribute path.
#[expect(
    clippy::panic,
    reason = "a wrong literal is a mistake in the program, found by its first run"
)]
pub fn attr(path: &str) -> AttrTerm {
    match path.parse() {
        Ok(path) => AttrTerm { path },
        Err(error) => panic!("{error}"),
    }
}

/// An attribute that waits for its operator; made by [`attr`].
#[derive(Debug, Clone)]
#[must_use = "a term without operator does nothing"]
pub struct AttrTerm {
    path: AttrPath,
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $method:ident $op:ident;)*) => {
        impl AttrTerm {
            $(
                $(#[$doc])*
                pub fn $method(self, value: impl Into<Literal>) -> Filter {
                    self.compare(CompareOp::$op, value)
                }
            )*
        }
    };
}

comparisons! {
    /// `path eq value`
    eq Eq;
    /// `path ne value`
    ne Ne;
    /// `path co value`
    co Co;
    /// `path sw value`
    sw Sw;
    /// `path ew value`
    ew Ew;
    /// `path gt value`
    gt Gt;
    /// `path ge value`
    ge Ge;
    /// `path lt value`
    lt Lt;
    /// `path le value`
    le Le;
}

impl AttrTerm {
    /// `path op value`
    pub fn compare(self, op: CompareOp, value: impl Into<Literal>) -> Filter {
        Filter::Compare(Comparison { path: self.path, op, value: value.into() })
    }

    /// `path pr`
    pub fn present(self) -> Filter {
        Filter::Present(self.path)
    }

    /// `path[filter]`
    pub fn matches(self, filter: Filter) -> Filter {
        Filter::ValuePath { path: self.path, filter: Box::new(filter) }
    }
}

impl From<AttrPath> for AttrTerm {
    fn from(path: AttrPath) -> Self {
        Self { path }
    }
}

impl Filter {
    /// Both match. A chain of `and` makes one flat list.
    #[must_use]
    pub fn and(self, other: Filter) -> Filter {
        match self {
            Filter::And(mut terms) => {
                terms.push(other);
                Filter::And(terms)
            }
            first => Filter::And(vec![first, other]),
        }
    }

    /// One of the two matches. A chain of `or` makes one flat list.
    #[must_use]
    pub fn or(self, other: Filter) -> Filter {
        match self {
            Filter::Or(mut terms) => {
                terms.push(other);
                Filter::Or(terms)
            }
            first => Filter::Or(vec![first, other]),
        }
    }

    /// It does not match; `!filter` is the same.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "it is; the word reads like the filter")]
    pub fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }

    /// All of these match; nothing when there are none.
    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Option<Filter> {
        joined(filters, Filter::And)
    }

    /// One of these matches; nothing when there are none.
    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Option<Filter> {
        joined(filters, Filter::Or)
    }
}

fn joined(
    filters: impl IntoIterator<Item = Filter>,
    join: fn(Vec<Filter>) -> Filter,
) -> Option<Filter> {
    let mut filters: Vec<Filter> = filters.into_iter().collect();
    match filters.len() {
        0 | 1 => filters.pop(),
        _ => Some(join(filters)),
    }
}

impl Not for Filter {
    type Output = Filter;

    fn not(self) -> Filter {
        Filter::Not(Box::new(self))
    }
}

impl From<&str> for Literal {
    fn from(text: &str) -> Self {
        Literal::String(SmolStr::new(text))
    }
}

impl From<String> for Literal {
    fn from(text: String) -> Self {
        Literal::String(text.into())
    }
}

impl From<&String> for Literal {
    fn from(text: &String) -> Self {
        Literal::String(SmolStr::new(text))
    }
}

impl From<SmolStr> for Literal {
    fn from(text: SmolStr) -> Self {
        Literal::String(text)
    }
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Literal::Bool(value)
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Literal::Number(value.into())
    }
}

impl From<i32> for Literal {
    fn from(value: i32) -> Self {
        Literal::Number(value.into())
    }
}

impl From<Number> for Literal {
    fn from(value: Number) -> Self {
        Literal::Number(value)
    }
}

/// In UTC with as many digits after the second as it has.
impl From<DateTime<Utc>> for Literal {
    fn from(instant: DateTime<Utc>) -> Self {
        Literal::String(instant.to_rfc3339_opts(SecondsFormat::AutoSi, true).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_flat() {
        let and = attr("a").present().and(attr("b").eq(1)).and(attr("c").ne("x"));
        assert_eq!(and.to_string(), r#"a pr and b eq 1 and c ne "x""#);
        assert!(matches!(&and, Filter::And(terms) if terms.len() == 3));
        assert_eq!(and.to_string().parse::<Filter>().unwrap(), and);
        let right = attr("a").present().or(attr("b").present().or(attr("c").present()));
        assert_eq!(right.to_string(), "a pr or (b pr or c pr)");
        assert_eq!(right.to_string().parse::<Filter>().unwrap(), right);
    }

    #[test]
    fn lists_of_one_and_none() {
        assert_eq!(Filter::all([]), None);
        let one = attr("a").present();
        assert_eq!(Filter::any([one.clone()]), Some(one.clone()));
        assert_eq!(Filter::any([one.clone(), one]).unwrap().to_string(), "a pr or a pr");
    }

    #[test]
    fn instants_are_written_in_utc() {
        let instant = super::super::instant::parse_instant("2011-05-13T04:42:34+02:00").unwrap();
        assert_eq!(
            attr("meta.created").gt(instant).to_string(),
            r#"meta.created gt "2011-05-13T02:42:34Z""#
        );
    }

    #[test]
    #[should_panic(expected = "not a valid name")]
    fn a_wrong_literal_path_is_found() {
        let _ = attr("no path").present();
    }
}

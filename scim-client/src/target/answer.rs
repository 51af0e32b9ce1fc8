//! Whether the answer to a filter is an answer to that filter.
//!
//! There are servers that ignore filters that they do not understand, and answer with everybody. Who takes the first
//! row of such an answer writes to a stranger's account.

use scim_core::{AttrPath, CompareOp, Comparison, Filter, Literal, Object, Resource, Value};

use super::TargetProfile;
use super::fields::{EmptyMeans, extension};

/// The server ignored the filter: its answer holds what was not asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterIgnored {
    /// A resource does not match.
    #[error(
        "the server ignored the filter {filter}: its answer holds {id:?}, which does not match"
    )]
    Mismatch {
        /// The filter.
        filter: String,
        /// The `id` of the resource.
        id: String,
    },
    /// There is more than the one resource that there can be.
    #[error(
        "the server ignored the filter {filter}: it answered {found} resources where there is one at most"
    )]
    TooMany {
        /// The filter.
        filter: String,
        /// How many there are.
        found: usize,
    },
}

/// Checks that no resource contradicts the filter.
///
/// Only what a resource shows can contradict: an attribute that is absent may be one that the server does not return, and
/// texts that differ in letter case, or outside ASCII in their form, may be the same to it.
///
/// # Errors
/// [`FilterIgnored::Mismatch`] with the first resource that does.
pub fn check_matches(filter: &Filter, resources: &[Resource]) -> Result<(), FilterIgnored> {
    let stranger = resources.iter().find(|r| holds(filter, r.object()) == Some(false));
    match stranger {
        Some(resource) => Err(FilterIgnored::Mismatch {
            filter: filter.to_string(),
            id: resource.id().unwrap_or("?").to_owned(),
        }),
        None => Ok(()),
    }
}

/// The one resource that a filter on a unique attribute finds.
///
/// # Errors
/// As [`check_matches`], and [`FilterIgnored::TooMany`] when there is more than one.
pub fn check_one<'r>(
    filter: &Filter,
    resources: &'r [Resource],
) -> Result<Option<&'r Resource>, FilterIgnored> {
    check_matches(filter, resources)?;
    match resources {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        many => Err(FilterIgnored::TooMany { filter: filter.to_string(), found: many.len() }),
    }
}

/// What looking for one resource has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lookup<'r> {
    /// It is this one.
    Found(&'r Resource),
    /// There is none.
    Missing,
    /// The answer does not tell: this server answers filters that it does not understand with nothing.
    Unknown,
}

impl TargetProfile {
    /// Reads the answer to a filter that one resource at most can match.
    ///
    /// # Errors
    /// As [`check_one`].
    pub fn lookup<'r>(
        &self,
        endpoint: &str,
        filter: &Filter,
        resources: &'r [Resource],
    ) -> Result<Lookup<'r>, FilterIgnored> {
        Ok(match check_one(filter, resources)? {
            Some(resource) => Lookup::Found(resource),
            None => match self.rules(endpoint).filter.empty_means {
                EmptyMeans::NoMatch => Lookup::Missing,
                EmptyMeans::Unknown => Lookup::Unknown,
            },
        })
    }
}

/// Whether the filter holds; `None` where the object does not show it.
fn holds(filter: &Filter, object: &Object) -> Option<bool> {
    match filter {
        Filter::And(terms) => {
            let mut all = Some(true);
            for term in terms {
                match holds(term, object) {
                    Some(false) => return Some(false),
                    None => all = None,
                    Some(true) => {}
                }
            }
            all
        }
        Filter::Or(terms) => {
            let mut any = Some(false);
            for term in terms {
                match holds(term, object) {
                    Some(true) => return Some(true),
                    None => any = None,
                    Some(false) => {}
                }
            }
            any
        }
        Filter::Not(inner) => holds(inner, object).map(|held| !held),
        Filter::Compare(comparison) => compare(comparison, object),
        Filter::Present(path) => (!values(path, object).is_empty()).then_some(true),
        Filter::ValuePath { path, filter } => {
            let elements = values(path, object);
            let mut any = (!elements.is_empty()).then_some(false);
            for element in elements.iter().filter_map(|value| value.as_object()) {
                match holds(filter, element) {
                    Some(true) => return Some(true),
                    None => any = None,
                    Some(false) => {}
                }
            }
            any
        }
    }
}

fn compare(comparison: &Comparison, object: &Object) -> Option<bool> {
    let found = values(&comparison.path, object);
    if found.is_empty() {
        return None;
    }
    let same = |value: &&Value| same(value, &comparison.value, comparison.op);
    let held = |op: CompareOp| op == comparison.op;
    if held(CompareOp::Ne) {
        let equal = |value: &&Value| self::same(value, &comparison.value, CompareOp::Eq);
        let answers: Option<Vec<bool>> = found.iter().map(equal).collect();
        return answers.map(|answers| !answers.contains(&true));
    }
    let mut any = Some(false);
    for answer in found.iter().map(same) {
        match answer {
            Some(true) => return Some(true),
            None => any = None,
            Some(false) => {}
        }
    }
    any
}

/// Whether one value compares so; `None` where servers may see it differently.
fn same(value: &Value, wanted: &Literal, op: CompareOp) -> Option<bool> {
    let text = match (value, wanted) {
        (Value::Bool(is), Literal::Bool(wanted)) if op == CompareOp::Eq => {
            return Some(is == wanted);
        }
        (Value::Number(is), Literal::Number(wanted)) if op == CompareOp::Eq => {
            return Some(is.as_f64() == wanted.as_f64());
        }
        (Value::String(is), Literal::String(wanted)) => (is.to_lowercase(), wanted.to_lowercase()),
        // A complex value compares by its `value` (RFC 7643 section 2.4).
        (Value::Object(element), _) => {
            return element.get("value").and_then(|value| same(value, wanted, op));
        }
        _ => return None,
    };
    let (is, wanted) = (text.0.trim(), text.1.trim());
    let held = match op {
        CompareOp::Eq => is == wanted,
        CompareOp::Co => is.contains(wanted),
        CompareOp::Sw => is.starts_with(wanted),
        CompareOp::Ew => is.ends_with(wanted),
        _ => return None,
    };
    // Outside ASCII two spellings can be one name (Unicode normal forms), and no table for that is at hand here.
    (held || (is.is_ascii() && wanted.is_ascii())).then_some(held)
}

/// The values at a path, those of every element of a list.
fn values<'o>(path: &AttrPath, object: &'o Object) -> Vec<&'o Value> {
    let home = match extension(path) {
        Some(uri) => object.get(uri.as_str()).and_then(Value::as_object),
        None => Some(object),
    };
    let found = home.and_then(|home| home.get(path.name().as_str())).map(Value::values);
    let found = found.unwrap_or_default().iter();
    match path.sub() {
        None => found.filter(|value| !value.is_unassigned()).collect(),
        Some(sub) => found
            .filter_map(|value| value.as_object().and_then(|element| element.get(sub.as_str())))
            .filter(|value| !value.is_unassigned())
            .collect(),
    }
}

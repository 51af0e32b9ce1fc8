//! SCIM filters (RFC 7644 section 3.4.2.2) over the attributes of an object or an identity.
//!
//! There is no SCIM schema here, so values are compared by their own kind: texts by [`scim_core::text::fold`], numbers
//! and moments by size. `ne` holds where there is no value, as in the RFC.

use scim_core::Filter;
use scim_core::filter::{CompareOp, Literal};
use scim_core::text::fold;

use super::operator::{boolean_of, integer_of, moment_of};
use super::scope::Subject;
use super::text_of;
use crate::{AttributeName, AttributeValue};

/// Whether the filter takes the subject in.
pub(crate) fn holds(filter: &Filter, subject: &dyn Subject) -> bool {
    match filter {
        Filter::And(terms) => terms.iter().all(|term| holds(term, subject)),
        Filter::Or(terms) => terms.iter().any(|term| holds(term, subject)),
        Filter::Not(term) => !holds(term, subject),
        Filter::Present(path) => {
            subject.values(&name_of(path)).iter().any(|value| value.as_text() != Some(""))
        }
        Filter::Compare(comparison) => {
            let values = subject.values(&name_of(&comparison.path));
            compare_any(&values, comparison.op, &comparison.value)
        }
        Filter::ValuePath { path, filter } => {
            subject.values(&name_of(path)).iter().any(|value| holds_in(filter, value))
        }
    }
}

/// Whether the filter in brackets takes one value with parts.
fn holds_in(filter: &Filter, value: &AttributeValue) -> bool {
    let part = |name: &AttributeName| match value {
        AttributeValue::Complex(parts) => parts.get(name).cloned().into_iter().collect(),
        other if *name == AttributeName::new("value") => vec![other.clone()],
        _ => Vec::new(),
    };
    match filter {
        Filter::And(terms) => terms.iter().all(|term| holds_in(term, value)),
        Filter::Or(terms) => terms.iter().any(|term| holds_in(term, value)),
        Filter::Not(term) => !holds_in(term, value),
        Filter::Present(path) => !part(&name_of(path)).is_empty(),
        Filter::Compare(comparison) => {
            compare_any(&part(&name_of(&comparison.path)), comparison.op, &comparison.value)
        }
        // The grammar has no brackets within brackets.
        Filter::ValuePath { .. } => false,
    }
}

fn name_of(path: &scim_core::AttrPath) -> AttributeName {
    AttributeName::new(path.to_string())
}

/// The attributes that a filter asks for.
pub(crate) fn attributes(filter: &Filter) -> Vec<AttributeName> {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().flat_map(attributes).collect(),
        Filter::Not(term) => attributes(term),
        Filter::Present(path) | Filter::ValuePath { path, .. } => vec![name_of(path)],
        Filter::Compare(comparison) => vec![name_of(&comparison.path)],
    }
}

fn compare_any(values: &[AttributeValue], op: CompareOp, literal: &Literal) -> bool {
    match (op, literal) {
        (CompareOp::Eq, Literal::Null) => values.is_empty(),
        (CompareOp::Ne, Literal::Null) => !values.is_empty(),
        (CompareOp::Ne, _) => !values.iter().any(|value| compare(value, CompareOp::Eq, literal)),
        _ => values.iter().any(|value| compare(value, op, literal)),
    }
}

fn compare(value: &AttributeValue, op: CompareOp, literal: &Literal) -> bool {
    let ordering = match literal {
        Literal::Null => return false,
        Literal::Bool(right) => boolean_of(value).map(|left| left.cmp(right)),
        Literal::Number(right) => {
            integer_of(value).zip(right.as_i64()).map(|(left, right)| left.cmp(&right))
        }
        Literal::String(right) => {
            let operand = AttributeValue::Text(right.clone());
            match value {
                AttributeValue::DateTime(left) => moment_of(&operand).map(|right| left.cmp(&right)),
                AttributeValue::Boolean(left) => boolean_of(&operand).map(|right| left.cmp(&right)),
                _ => {
                    let text = text_of(value);
                    let (left, right) = (fold(&text), fold(right));
                    match op {
                        CompareOp::Co => return left.contains(&*right),
                        CompareOp::Sw => return left.starts_with(&*right),
                        CompareOp::Ew => return left.ends_with(&*right),
                        _ => Some(left.cmp(&right)),
                    }
                }
            }
        }
    };
    let Some(ordering) = ordering else { return false };
    match op {
        CompareOp::Eq => ordering.is_eq(),
        CompareOp::Ne => ordering.is_ne(),
        CompareOp::Gt => ordering.is_gt(),
        CompareOp::Ge => ordering.is_ge(),
        CompareOp::Lt => ordering.is_lt(),
        CompareOp::Le => ordering.is_le(),
        CompareOp::Co | CompareOp::Sw | CompareOp::Ew => false,
    }
}

//! Matching resources.

use super::CompareOp;
use super::typed::{Field, TypedFilter};
use crate::resource::{Object, Resource, Value};

impl TypedFilter {
    /// Whether the resource matches.
    ///
    /// A comparison holds when one of the attribute's values compares so; `pr` when one of them is not empty
    /// (AMBIGUITIES 33). Source: RFC 7644 section 3.4.2.2.
    pub fn matches(&self, resource: &Resource) -> bool {
        self.holds(Within::Resource(resource))
    }

    /// Whether a value of the attribute that the filter was resolved in matches: of an element filter, or of
    /// [`Filter::resolve_in`](super::Filter::resolve_in).
    pub fn matches_element(&self, element: &Value) -> bool {
        self.holds(Within::Element(element))
    }

    fn holds(&self, within: Within<'_>) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(|filter| filter.holds(within)),
            Self::Or(filters) => filters.iter().any(|filter| filter.holds(within)),
            Self::Not(filter) => !filter.holds(within),
            Self::Compare(comparison) => match comparison.op {
                CompareOp::Ne => {
                    !within.any(&comparison.field, &|value| comparison.holds(CompareOp::Eq, value))
                }
                op => within.any(&comparison.field, &|value| comparison.holds(op, value)),
            },
            Self::Present(field) => within.any(field, &has_value),
            Self::Element { field, filter } => {
                within.any(field, &|element| filter.matches_element(element))
            }
            Self::Constant(answer) => *answer,
        }
    }
}

/// What a filter is held against.
#[derive(Clone, Copy)]
enum Within<'v> {
    Resource(&'v Resource),
    Element(&'v Value),
}

impl Within<'_> {
    /// Whether one of the field's values passes the test.
    fn any(self, field: &Field, test: &dyn Fn(&Value) -> bool) -> bool {
        match (self, &field.extension) {
            (Self::Resource(resource), None) => any_in(resource.object(), field, test),
            (Self::Resource(resource), Some(uri)) => {
                resource.extension(uri.as_str()).is_some_and(|object| any_in(object, field, test))
            }
            (Self::Element(Value::Object(object)), _) => any_in(object, field, test),
            // A value without sub-attributes is its own `value`.
            (Self::Element(simple), _) => field.name == "value" && test(simple),
        }
    }
}

/// Whether one of the values that the field has in this object passes the test.
fn any_in(object: &Object, field: &Field, test: &dyn Fn(&Value) -> bool) -> bool {
    let Some(value) = object.get(field.name.as_str()) else { return false };
    let Some(sub) = &field.sub else { return value.values().iter().any(test) };
    value.values().iter().any(|element| {
        let value = element.as_object().and_then(|element| element.get(sub.as_str()));
        value.is_some_and(|value| value.values().iter().any(test))
    })
}

/// Whether a value is there and not empty: `false` and 0 are, `""`, `[]` and `{"a":null}` are not.
fn has_value(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(has_value),
        Value::Object(object) => object.values().any(has_value),
    }
}

//! Filters that fit a schema: what stores plan by and what resources are matched with.

use std::fmt;

use chrono::{DateTime, Utc};
use smol_str::SmolStr;

use super::CompareOp;
use crate::name::{AttrName, AttrPath, SchemaUri};
use crate::schema::AttributeType;
use crate::text::TextRule;

/// A filter whose attributes are known and whose values have the attributes' types; made by
/// [`Filter::resolve`](super::Filter::resolve).
///
/// `ne` and comparisons with `null` are gone: `ne` is `Not` of `eq`, `eq null` is `Not` of `Present`.
#[derive(Debug, Clone, PartialEq)]
pub enum TypedFilter {
    /// All of them match.
    And(Vec<TypedFilter>),
    /// One of them matches.
    Or(Vec<TypedFilter>),
    /// It does not match.
    Not(Box<TypedFilter>),
    /// One of the field's values compares like this.
    Compare(TypedComparison),
    /// The field has a value that is not empty.
    Present(Field),
    /// One value of the field matches; the filter's fields are sub-attributes of it. For a field without
    /// sub-attributes, the name `value` stands for the value itself.
    Element {
        /// The attribute in front of the bracket.
        field: Field,
        /// The filter in brackets.
        filter: Box<TypedFilter>,
    },
    /// Always or never: names that the resource type does not have, in a query over several types.
    Constant(bool),
}

/// `field op value`, the types checked.
#[derive(Debug, Clone, PartialEq)]
pub struct TypedComparison {
    /// What is compared.
    pub field: Field,
    /// How; never `ne`, which is resolved to `Not` of `eq`.
    pub op: CompareOp,
    /// With what.
    pub value: TypedValue,
}

/// An attribute or sub-attribute, as far as comparing it goes. Names are in the schema's spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The extension whose object holds the attribute; `None` for the base schema and the common attributes.
    pub extension: Option<SchemaUri>,
    /// The attribute; inside an element filter, the sub-attribute.
    pub name: AttrName,
    /// The sub-attribute.
    pub sub: Option<AttrName>,
    /// The type of the last of them.
    pub kind: AttributeType,
    /// How its texts compare.
    pub rule: TextRule,
    /// Whether there can be more than one value.
    pub multi_valued: bool,
}

impl Field {
    /// The same as a path.
    pub fn path(&self) -> AttrPath {
        AttrPath::new(self.extension.clone(), self.name.clone(), self.sub.clone())
    }
}

/// As a path.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(f)
    }
}

/// A comparison value of the attribute's type.
#[derive(Debug, Clone, PartialEq)]
pub enum TypedValue {
    /// For boolean attributes.
    Bool(bool),
    /// For integer and decimal attributes: whole numbers of 64 bits, exactly.
    Integer(i64),
    /// For integer and decimal attributes: other numbers, always finite.
    Decimal(f64),
    /// For string, reference and binary attributes.
    Text {
        /// As it was written.
        raw: SmolStr,
        /// The comparison key: [`TextRule::key`] of the field's rule. Values match by their keys.
        key: SmolStr,
    },
    /// For dateTime attributes.
    Instant(DateTime<Utc>),
}

impl TypedFilter {
    /// The attributes that the filter looks at, in reading order. For an element filter that is the attribute in
    /// front of the bracket only.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        let mut left = vec![self];
        std::iter::from_fn(move || {
            while let Some(filter) = left.pop() {
                match filter {
                    Self::And(filters) | Self::Or(filters) => left.extend(filters.iter().rev()),
                    Self::Not(filter) => left.push(filter),
                    Self::Compare(comparison) => return Some(&comparison.field),
                    Self::Present(field) | Self::Element { field, .. } => return Some(field),
                    Self::Constant(_) => {}
                }
            }
            None
        })
    }

    /// Lets `rewrite` put another text in the place of each that something is compared with by `eq`: for values that are
    /// the same in several spellings, such as references. It is given the field with, for a comparison in brackets, the
    /// attribute in front of them.
    pub fn rewrite_equal(&mut self, rewrite: &mut dyn FnMut(&Field, &str) -> Option<String>) {
        match self {
            Self::And(filters) | Self::Or(filters) => {
                for filter in filters {
                    filter.rewrite_equal(rewrite);
                }
            }
            Self::Not(filter) => filter.rewrite_equal(rewrite),
            Self::Compare(comparison) => {
                let TypedComparison { field, op: CompareOp::Eq, value } = comparison else {
                    return;
                };
                let TypedValue::Text { raw, key } = value else { return };
                if let Some(new) = rewrite(field, raw) {
                    *key = field.rule.key(&new).as_ref().into();
                    *raw = new.into();
                }
            }
            Self::Element { field, filter } => {
                let (extension, name) = (field.extension.clone(), field.name.clone());
                filter.rewrite_equal_in(extension.as_ref(), &name, rewrite);
            }
            Self::Present(_) | Self::Constant(_) => {}
        }
    }

    /// As [`rewrite_equal`](Self::rewrite_equal), for the filter in brackets behind an attribute.
    pub(crate) fn rewrite_equal_in(
        &mut self,
        extension: Option<&SchemaUri>,
        name: &AttrName,
        rewrite: &mut dyn FnMut(&Field, &str) -> Option<String>,
    ) {
        self.rewrite_equal(&mut |inner, text| {
            let field = Field {
                extension: extension.cloned(),
                name: name.clone(),
                sub: Some(inner.name.clone()),
                ..inner.clone()
            };
            rewrite(&field, text)
        });
    }
}

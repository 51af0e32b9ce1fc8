//! The order of results (RFC 7644 section 3.4.2.3).

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use smol_str::SmolStr;

use crate::filter::Field;
use crate::filter::instant::parse_instant;
use crate::name::AttrPath;
use crate::profile::{Leniency, Tolerance};
use crate::resource::{Object, Resource, Value};
use crate::schema::{AttributeType, ResourceSchema, Target};

/// What a query wants the results sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    /// The attribute.
    pub by: AttrPath,
    /// From last to first.
    pub descending: bool,
}

impl Sort {
    /// Finds the attribute to sort by; `None` when there is nothing to sort by and the results stay as they are.
    ///
    /// That is so for unknown attributes and for secret ones: an order would tell about their values. A complex
    /// attribute is sorted by its `value`, if it has one. Source: AMBIGUITIES 54; RFC 7643 section 7 `returned`.
    pub fn resolve(
        &self,
        schema: &ResourceSchema,
        leniency: &mut Leniency,
    ) -> Option<ResolvedSort> {
        let Ok(Target::Attribute { extension, attribute, sub, bare }) = schema.resolve(&self.by)
        else {
            return None;
        };
        if bare && !leniency.allows(Tolerance::BareExtensionName, &self.by) {
            return None;
        }
        let sub = match sub {
            None if attribute.is_complex() => Some(attribute.sub("value")?),
            sub => sub,
        };
        let leaf = sub.unwrap_or(attribute);
        if attribute.is_secret() || leaf.is_secret() || leaf.is_complex() {
            return None;
        }
        let field = Field {
            extension: extension.map(|schema| schema.id.clone()),
            name: attribute.name.clone(),
            sub: sub.map(|sub| sub.name.clone()),
            kind: leaf.kind,
            rule: leaf.text_rule(),
            multi_valued: attribute.multi_valued || leaf.multi_valued,
        };
        Some(ResolvedSort { field, descending: self.descending })
    }
}

/// A sort whose attribute is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSort {
    /// The attribute or sub-attribute, always of a simple type.
    pub field: Field,
    /// From last to first.
    pub descending: bool,
}

impl ResolvedSort {
    /// The key of a resource: of its one value, of the primary value, or else of the first.
    pub fn key(&self, resource: &Resource) -> SortKey {
        self.find(resource).and_then(|value| self.key_of(value)).unwrap_or(SortKey::Missing)
    }

    /// The order of two keys in the results. What is equal here is ordered by `id`, ascending, by whoever pages.
    pub fn compare(&self, a: &SortKey, b: &SortKey) -> Ordering {
        if self.descending { b.cmp(a) } else { a.cmp(b) }
    }

    fn find<'a>(&self, resource: &'a Resource) -> Option<&'a Value> {
        let object: &Object = match &self.field.extension {
            None => resource.object(),
            Some(uri) => resource.extension(uri.as_str())?,
        };
        let value = chosen(object.get(self.field.name.as_str())?)?;
        match &self.field.sub {
            None => Some(value),
            Some(sub) => chosen(value.as_object()?.get(sub.as_str())?),
        }
    }

    fn key_of(&self, value: &Value) -> Option<SortKey> {
        match (self.field.kind, value) {
            (AttributeType::Boolean, Value::Bool(b)) => Some(SortKey::Bool(*b)),
            (AttributeType::Integer | AttributeType::Decimal, Value::Number(number)) => {
                match number.as_i64() {
                    Some(n) => Some(SortKey::Integer(n)),
                    None => number.as_f64().map(SortKey::Decimal),
                }
            }
            (AttributeType::DateTime, Value::String(text)) => {
                parse_instant(text).map(SortKey::Instant)
            }
            (
                AttributeType::String | AttributeType::Reference | AttributeType::Binary,
                Value::String(text),
            ) => Some(SortKey::Text(SmolStr::new(self.field.rule.key(text)))),
            _ => None,
        }
    }
}

/// The primary value, or else the first.
fn chosen(value: &Value) -> Option<&Value> {
    let primary = |value: &&Value| {
        value.as_object().and_then(|object| object.get("primary")).and_then(Value::as_bool)
            == Some(true)
    };
    let values = value.values();
    values.iter().find(primary).or_else(|| values.first())
}

/// What a resource is sorted by, in ascending order: `false` before `true`, numbers by value, dates as instants, texts
/// by code points of their comparison key, and what has no value last.
#[derive(Debug, Clone)]
pub enum SortKey {
    /// Of a boolean.
    Bool(bool),
    /// Of a whole number of 64 bits.
    Integer(i64),
    /// Of another number; finite.
    Decimal(f64),
    /// Of a dateTime.
    Instant(DateTime<Utc>),
    /// Of a string, reference or binary: [`crate::text::TextRule::key`] of the value.
    Text(SmolStr),
    /// Of no value.
    Missing,
}

impl SortKey {
    const fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Integer(_) | Self::Decimal(_) => 1,
            Self::Instant(_) => 2,
            Self::Text(_) => 3,
            Self::Missing => 4,
        }
    }
}

impl Ord for SortKey {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Integer(a), Self::Integer(b)) => a.cmp(b),
            // Adding 0.0 makes one zero of the two.
            (Self::Decimal(a), Self::Decimal(b)) => (a + 0.0).total_cmp(&(b + 0.0)),
            (Self::Integer(a), Self::Decimal(b)) => cmp_mixed(*a, *b),
            (Self::Decimal(a), Self::Integer(b)) => cmp_mixed(*b, *a).reverse(),
            (Self::Instant(a), Self::Instant(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Exactly, where converting to `f64` would make different integers equal and the order inconsistent.
fn cmp_mixed(integer: i64, decimal: f64) -> Ordering {
    let whole = decimal.trunc() as i128;
    i128::from(integer).cmp(&whole).then_with(|| 0.0_f64.total_cmp(&(decimal.fract() + 0.0)))
}

impl PartialOrd for SortKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SortKey {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SortKey {}

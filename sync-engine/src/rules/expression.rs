//! The one place where rules touch the expression language.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::scope::Subject;
use crate::connector::{TypeSchema, ValueKind};
pub use crate::expr::Dialect;
use crate::expr::{
    AttributeType, Attributes, Context, Expression, Kind, NoRandom, Outcome, Random, Schema,
    UniqueProbe,
};
use crate::{AttributeName, AttributeValue, Values};

/// An expression that was parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled(Expression);

/// What an expression came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evaluated {
    Values(Values),
    Null,
    AuthoritativeNull,
    Ignore,
}

/// Whether another object of the target has a value.
type Probe<'a> = dyn Fn(&AttributeValue) -> Result<bool, String> + 'a;

/// What an evaluation may ask beside the object's values.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    now: DateTime<Utc>,
    parameters: &'a BTreeMap<String, String>,
    random: Option<&'a dyn Random>,
    imported: Option<&'a dyn Subject>,
    unique: Option<&'a Probe<'a>>,
}

impl<'a> Surroundings<'a> {
    pub(crate) fn new(
        now: DateTime<Utc>,
        parameters: &'a BTreeMap<String, String>,
        random: Option<&'a dyn Random>,
    ) -> Self {
        Self { now, parameters, random, imported: None, unique: None }
    }

    /// What the target was last known to have.
    pub(crate) fn imported(mut self, imported: &'a dyn Subject) -> Self {
        self.imported = Some(imported);
        self
    }

    /// Whom to ask whether a value is taken.
    pub(crate) fn unique(mut self, probe: &'a Probe<'a>) -> Self {
        self.unique = Some(probe);
        self
    }
}

impl Compiled {
    /// Parses `text`; the error says at which byte of it.
    pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Self, (usize, String)> {
        Expression::parse(text, dialect).map(Self).map_err(|error| {
            let offset = error.place().offset;
            (offset, in_a_sentence(error.message(), error.mend()))
        })
    }

    /// Checks the types against what the object's attributes are.
    pub(crate) fn check(&self, schema: &TypeSchema) -> Result<(), (usize, String)> {
        self.0.check(&Known(schema)).map(drop).map_err(|error| {
            let offset = error.place().offset;
            (offset, in_a_sentence(error.message(), error.mend()))
        })
    }

    /// The expression.
    #[must_use]
    pub fn expression(&self) -> &Expression {
        &self.0
    }

    /// The text that it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.text()
    }

    /// Whether it chooses among values by asking which are taken.
    #[must_use]
    pub fn is_unique_candidate(&self) -> bool {
        self.0.is_unique_candidate()
    }

    /// Whether what it gives must not be shown.
    #[must_use]
    pub fn redacts(&self) -> bool {
        self.0.redacts()
    }

    /// The attributes that it reads.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<AttributeName> {
        self.0.attributes()
    }

    pub(crate) fn evaluate(
        &self,
        subject: &dyn Subject,
        surroundings: &Surroundings<'_>,
    ) -> Result<Evaluated, String> {
        let values = View(subject);
        let random = surroundings.random.unwrap_or(&NoRandom);
        let mut context = Context::new(&values, surroundings.now, random);
        let parameters = surroundings.parameters;
        context = context.parameters(parameters);
        let imported = surroundings.imported.map(View);
        if let Some(imported) = &imported {
            context = context.imported(imported);
        }
        let taken = surroundings.unique.map(Taken);
        if let Some(taken) = &taken {
            context = context.unique(taken);
        }
        match self.0.evaluate(&context) {
            Ok(Outcome::Values(values) | Outcome::Redacted(values)) => {
                Ok(Evaluated::Values(values))
            }
            Ok(Outcome::Null) => Ok(Evaluated::Null),
            Ok(Outcome::AuthoritativeNull) => Ok(Evaluated::AuthoritativeNull),
            Ok(Outcome::Ignore) => Ok(Evaluated::Ignore),
            Err(error) => Err(error.message().to_owned()),
        }
    }
}

fn in_a_sentence(message: &str, mend: &str) -> String {
    if mend.is_empty() { message.to_owned() } else { format!("{message}; {mend}") }
}

/// An object as expressions see it.
struct View<'a>(&'a dyn Subject);

impl Attributes for View<'_> {
    fn get(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        self.0.values(name)
    }

    fn is_reference(&self, name: &AttributeName) -> bool {
        self.0.is_reference(name)
    }
}

/// The target as `SelectUniqueValue` sees it.
struct Taken<'a>(&'a Probe<'a>);

impl UniqueProbe for Taken<'_> {
    fn is_taken(&self, value: &AttributeValue) -> Result<bool, String> {
        (self.0)(value)
    }
}

/// A system's attributes as the type check sees them. One that the directory lacks is one without values.
struct Known<'a>(&'a TypeSchema);

impl Schema for Known<'_> {
    fn attribute(&self, name: &AttributeName) -> Option<AttributeType> {
        let text = AttributeType { kind: Kind::Text, multi_valued: false };
        if super::set::VIRTUAL.iter().any(|known| *name == AttributeName::new(known)) {
            return Some(text);
        }
        let any = AttributeType { kind: Kind::Any, multi_valued: true };
        Some(self.0.attribute(name).map_or(any, |known| AttributeType {
            kind: match known.kind {
                ValueKind::Text => Kind::Text,
                ValueKind::Integer => Kind::Number,
                ValueKind::Boolean => Kind::Boolean,
                ValueKind::DateTime => Kind::Date,
                ValueKind::Binary => Kind::Binary,
                ValueKind::Reference => Kind::Reference,
                ValueKind::Complex => Kind::Complex,
            },
            multi_valued: known.multi_valued,
        }))
    }
}

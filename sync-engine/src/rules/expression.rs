//! The one place where rules touch the expression language.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::scope::Subject;
use crate::{AttributeName, AttributeValue, Values};

/// The language that an expression is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dialect {
    /// That of the provisioning service.
    #[default]
    Provisioning,
    /// That of Connect.
    Connect,
}

/// An expression that was parsed.
#[derive(Clone, Debug)]
pub struct Compiled {
    text: String,
    attribute: AttributeName,
}

/// What an expression came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Evaluated {
    Values(Values),
    Null,
    AuthoritativeNull,
    Ignore,
}

/// What an evaluation may ask beside the object's values.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    now: DateTime<Utc>,
    parameters: &'a BTreeMap<String, String>,
    imported: Option<&'a dyn Subject>,
    unique: Option<&'a Probe<'a>>,
}

/// Whether another object of the target has a value.
type Probe<'a> = dyn Fn(&AttributeValue) -> Result<bool, String> + 'a;

impl<'a> Surroundings<'a> {
    pub(crate) fn new(now: DateTime<Utc>, parameters: &'a BTreeMap<String, String>) -> Self {
        Self { now, parameters, imported: None, unique: None }
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
    pub(crate) fn parse(text: &str, _dialect: Dialect) -> Result<Self, (usize, String)> {
        let attribute = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let attribute = attribute.ok_or((0, "not yet".to_owned()))?;
        Ok(Self { text: text.to_owned(), attribute: AttributeName::new(attribute) })
    }

    /// The text that it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it chooses among values by asking which are taken.
    #[must_use]
    pub fn is_unique_candidate(&self) -> bool {
        false
    }

    /// Whether what it gives must not be shown.
    #[must_use]
    pub fn redacts(&self) -> bool {
        false
    }

    /// The attributes that it reads.
    #[must_use]
    pub fn attributes(&self) -> BTreeSet<AttributeName> {
        BTreeSet::from([self.attribute.clone()])
    }

    pub(crate) fn evaluate(
        &self,
        subject: &dyn Subject,
        _surroundings: &Surroundings<'_>,
    ) -> Result<Evaluated, String> {
        let values: Cow<'_, _> = subject.values(&self.attribute);
        Ok(if values.is_empty() { Evaluated::Null } else { Evaluated::Values(values.into_owned()) })
    }
}

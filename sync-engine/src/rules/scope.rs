//! The scope of a rule: groups of clauses, or a SCIM filter.

use std::borrow::Cow;
use std::fmt;

use regex::Regex;
use scim_core::Filter;
use serde::de::{Error, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::constant::Constant;
use super::operator::{Operator, Test};
use crate::{AttributeName, AttributeValue, StoreError};

/// What a scope is asked about: an object of a space, or an identity.
pub trait Subject {
    /// The values of an attribute; none where there is no such attribute.
    fn values(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]>;

    /// Whether the values are references to other objects, shown as their names.
    fn is_reference(&self, name: &AttributeName) -> bool {
        let _ = name;
        false
    }

    /// Whether it is a direct member of the group with this name or anchor.
    ///
    /// # Errors
    /// [`StoreError`] where the state could not be read.
    fn is_member_of(&self, group: &str) -> Result<bool, StoreError>;
}

/// A scope as it is written.
#[derive(Clone, Debug, PartialEq)]
pub enum ScopeSource {
    /// Groups of clauses: all clauses of one group must hold. No groups at all take everything in.
    Groups(Vec<Vec<ClauseSource>>),
    /// A SCIM filter over the attributes.
    Filter(String),
}

impl ScopeSource {
    /// Whether it takes everything in.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Groups(groups) if groups.is_empty())
    }
}

impl Default for ScopeSource {
    fn default() -> Self {
        Self::Groups(Vec::new())
    }
}

/// One clause as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClauseSource {
    /// The attribute; for `ISMEMBEROF` it may be left out.
    #[serde(default = "no_attribute", skip_serializing_if = "is_no_attribute")]
    pub attribute: AttributeName,
    /// What is asked of it.
    pub operator: Operator,
    /// What it is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Constant>,
    /// Whether letter case counts; without it, as the operator's family has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_sensitive: Option<bool>,
}

fn no_attribute() -> AttributeName {
    AttributeName::new("")
}

fn is_no_attribute(name: &AttributeName) -> bool {
    name.as_str().is_empty()
}

/// A scope that was checked.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Groups of clauses.
    Groups(Vec<Vec<Clause>>),
    /// A SCIM filter.
    Filter(Box<Filter>),
}

/// A clause that was checked.
#[derive(Clone, Debug)]
pub struct Clause {
    /// The attribute.
    pub attribute: AttributeName,
    /// What is asked of it.
    pub operator: Operator,
    /// What it is compared with.
    pub operands: Vec<AttributeValue>,
    /// Whether letter case counts.
    pub case_sensitive: bool,
    regex: Option<Regex>,
}

impl Clause {
    /// Checks a clause.
    pub(crate) fn compile(source: &ClauseSource) -> Result<Self, String> {
        let operands = source.value.as_ref().map_or_else(Vec::new, |value| value.0.clone());
        let regex = source.operator.check(&operands)?;
        let by_attribute = source.operator.test != Test::MemberOf;
        if by_attribute && is_no_attribute(&source.attribute) {
            return Err(format!("{} needs an attribute", source.operator));
        }
        let case_sensitive =
            source.case_sensitive.unwrap_or_else(|| source.operator.is_case_sensitive());
        Ok(Self {
            attribute: source.attribute.clone(),
            operator: source.operator,
            operands,
            case_sensitive,
            regex,
        })
    }

    /// Whether it asks for membership in a group.
    #[must_use]
    pub fn asks_membership(&self) -> bool {
        self.operator.test == Test::MemberOf
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`StoreError`] where the state could not be read.
    pub fn holds(&self, subject: &dyn Subject) -> Result<bool, StoreError> {
        if self.asks_membership() {
            let mut member = false;
            for group in &self.operands {
                member = member || subject.is_member_of(&super::text_of(group))?;
            }
            return Ok(member != self.operator.negated);
        }
        let values = subject.values(&self.attribute);
        Ok(self.operator.holds(&values, &self.operands, self.regex.as_ref(), self.case_sensitive))
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.attribute, self.operator)?;
        for (at, operand) in self.operands.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { " " } else { ", " }, super::text_of(operand))?;
        }
        Ok(())
    }
}

impl Scope {
    /// Whether it takes everything in.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Groups(groups) if groups.is_empty())
    }

    /// Whether it takes the subject in.
    ///
    /// # Errors
    /// [`StoreError`] where the state could not be read.
    pub fn holds(&self, subject: &dyn Subject) -> Result<bool, StoreError> {
        match self {
            Self::Groups(groups) => {
                for group in groups {
                    if holds_all(group, subject)? {
                        return Ok(true);
                    }
                }
                Ok(groups.is_empty())
            }
            Self::Filter(filter) => Ok(super::filter::holds(filter, subject)),
        }
    }

    /// The attributes that it asks for.
    #[must_use]
    pub fn attributes(&self) -> Vec<AttributeName> {
        match self {
            Self::Groups(groups) => groups
                .iter()
                .flatten()
                .filter(|clause| !is_no_attribute(&clause.attribute))
                .map(|clause| clause.attribute.clone())
                .collect(),
            Self::Filter(filter) => super::filter::attributes(filter),
        }
    }

    /// Whether it asks for membership in a group.
    #[must_use]
    pub fn asks_membership(&self) -> bool {
        matches!(self, Self::Groups(groups) if groups.iter().flatten().any(Clause::asks_membership))
    }
}

impl Scope {
    /// The groups whose members it asks for.
    pub(crate) fn groups_asked(&self) -> Vec<String> {
        let Self::Groups(groups) = self else { return Vec::new() };
        let asking = groups.iter().flatten().filter(|clause| clause.asks_membership());
        asking
            .flat_map(|clause| &clause.operands)
            .map(|it| super::text_of(it).into_owned())
            .collect()
    }
}

fn holds_all(group: &[Clause], subject: &dyn Subject) -> Result<bool, StoreError> {
    for clause in group {
        if !clause.holds(subject)? {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Serialize for ScopeSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Groups(groups) => groups.serialize(serializer),
            Self::Filter(filter) => serializer.serialize_str(filter),
        }
    }
}

/// By hand and not `untagged`: so that a mistake within a clause is told as such, where it is.
impl<'de> Deserialize<'de> for ScopeSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScopeVisitor)
    }
}

struct ScopeVisitor;

impl<'de> Visitor<'de> for ScopeVisitor {
    type Value = ScopeSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("groups of clauses, as [[{ attribute = .., operator = .. }]], or a SCIM filter")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ScopeSource, E> {
        String::deserialize(text.into_deserializer()).map(ScopeSource::Filter)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ScopeSource, A::Error> {
        let mut groups = Vec::new();
        while let Some(group) = seq.next_element()? {
            groups.push(group);
        }
        Ok(ScopeSource::Groups(groups))
    }
}

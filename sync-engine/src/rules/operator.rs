//! The operators of scope clauses, in two families.
//!
//! The *provisioning* family (`EQUALS`, `IS NULL`, `REGEX MATCH`, ...) is that of Microsoft's scoping filters: letter
//! case counts, an attribute without a value makes every clause false but `IS NULL`, and so does one with several.
//! The *connect* family (`EQUAL`, `ISNOTNULL`, `ISBITSET`, ...) is that of its sync rules: letter case does not count, a
//! clause holds where one of the values fits, and a negated one (`NOTEQUAL`) is the opposite of its positive, so that it
//! holds where there is no value.

use std::cmp::Ordering;
use std::fmt;

use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::text_of;
use crate::AttributeValue;

/// What a clause asks of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator {
    pub(super) test: Test,
    pub(super) family: Family,
    pub(super) negated: bool,
}

/// Which rules about letter case and missing values hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Provisioning,
    Connect,
}

/// The test, without its negation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
    EndsWith,
    Null,
    True,
    False,
    In,
    Bits,
    Matches,
    MemberOf,
}

/// Every operator with the names that it is known by; the first is the one that is written.
const OPERATORS: &[(Test, Family, bool, &[&str])] = &[
    (Test::Bits, Family::Provisioning, false, &["&"]),
    (Test::Bits, Family::Provisioning, true, &["!&"]),
    (Test::EndsWith, Family::Provisioning, false, &["ENDS_WITH", "ENDS WITH"]),
    (Test::Equal, Family::Provisioning, false, &["EQUALS"]),
    (Test::Equal, Family::Provisioning, true, &["NOT EQUALS", "NOT_EQUALS"]),
    (Test::Greater, Family::Provisioning, false, &["Greater_Than"]),
    (Test::GreaterOrEqual, Family::Provisioning, false, &["Greater_Than_OR_EQUALS"]),
    (Test::Contains, Family::Provisioning, false, &["Includes"]),
    (Test::True, Family::Provisioning, false, &["IS TRUE", "IS_TRUE"]),
    (Test::False, Family::Provisioning, false, &["IS FALSE", "IS_FALSE"]),
    (Test::Null, Family::Provisioning, false, &["IS NULL", "IS_NULL"]),
    (Test::Null, Family::Provisioning, true, &["IS NOT NULL", "IS_NOT_NULL", "PRESENT"]),
    (Test::Matches, Family::Provisioning, false, &["REGEX MATCH", "REGEX_MATCH"]),
    (Test::Matches, Family::Provisioning, true, &["NOT REGEX MATCH", "NOT_REGEX_MATCH"]),
    (Test::MemberOf, Family::Provisioning, false, &["IS_MEMBER_OF", "IS MEMBER OF"]),
    (Test::Equal, Family::Connect, false, &["EQUAL"]),
    (Test::Equal, Family::Connect, true, &["NOTEQUAL"]),
    (Test::Less, Family::Connect, false, &["LESSTHAN"]),
    (Test::LessOrEqual, Family::Connect, false, &["LESSTHAN_OR_EQUAL"]),
    (Test::Contains, Family::Connect, false, &["CONTAINS"]),
    (Test::Contains, Family::Connect, true, &["NOTCONTAINS"]),
    (Test::StartsWith, Family::Connect, false, &["STARTSWITH"]),
    (Test::StartsWith, Family::Connect, true, &["NOTSTARTSWITH"]),
    (Test::EndsWith, Family::Connect, false, &["ENDSWITH"]),
    (Test::EndsWith, Family::Connect, true, &["NOTENDSWITH"]),
    (Test::Greater, Family::Connect, false, &["GREATERTHAN"]),
    (Test::GreaterOrEqual, Family::Connect, false, &["GREATERTHAN_OR_EQUAL"]),
    (Test::Null, Family::Connect, false, &["ISNULL"]),
    (Test::Null, Family::Connect, true, &["ISNOTNULL"]),
    (Test::In, Family::Connect, false, &["ISIN"]),
    (Test::In, Family::Connect, true, &["ISNOTIN"]),
    (Test::Bits, Family::Connect, false, &["ISBITSET"]),
    (Test::Bits, Family::Connect, true, &["ISNOTBITSET"]),
    (Test::MemberOf, Family::Connect, false, &["ISMEMBEROF"]),
    (Test::MemberOf, Family::Connect, true, &["ISNOTMEMBEROF"]),
];

impl Operator {
    /// The operator of that name, in any letter case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        OPERATORS
            .iter()
            .find(|(.., names)| names.iter().any(|known| known.eq_ignore_ascii_case(name.trim())))
            .map(|(test, family, negated, _)| Self {
                test: *test,
                family: *family,
                negated: *negated,
            })
    }

    /// Every operator by the name that it is written with.
    pub fn all() -> impl Iterator<Item = (Self, &'static str)> {
        OPERATORS.iter().map(|(test, family, negated, names)| {
            (Self { test: *test, family: *family, negated: *negated }, names[0])
        })
    }

    /// The name that it is written with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::all().find(|(operator, _)| *operator == self).map_or("", |(_, name)| name)
    }

    /// Whether it needs something to compare with.
    #[must_use]
    pub const fn takes_values(self) -> bool {
        !matches!(self.test, Test::Null | Test::True | Test::False)
    }

    /// Whether letter case counts where a clause does not say so.
    #[must_use]
    pub const fn is_case_sensitive(self) -> bool {
        matches!(self.family, Family::Provisioning)
    }

    /// What is wrong with these operands, if anything.
    pub(super) fn check(self, operands: &[AttributeValue]) -> Result<Option<Regex>, String> {
        let name = self.as_str();
        if !self.takes_values() {
            return if operands.is_empty() {
                Ok(None)
            } else {
                Err(format!("{name} takes no value"))
            };
        }
        if operands.is_empty() {
            return Err(format!("{name} needs a value to compare with"));
        }
        if operands.len() > 1 && !matches!(self.test, Test::In | Test::MemberOf) {
            return Err(format!("{name} takes one value; for several, use ISIN"));
        }
        match self.test {
            Test::Bits if integer_of(&operands[0]).is_none() => {
                Err(format!("{name} needs a whole number, such as 2 or 0x2"))
            }
            Test::Matches => compile(&text_of(&operands[0])).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the clause holds. `regex` is what [`Operator::check`] gave.
    pub(super) fn holds(
        self,
        values: &[AttributeValue],
        operands: &[AttributeValue],
        regex: Option<&Regex>,
        case_sensitive: bool,
    ) -> bool {
        let asks_for_presence = matches!(self.test, Test::Null);
        if self.family == Family::Provisioning && !asks_for_presence && values.len() != 1 {
            return false;
        }
        let found = match self.test {
            Test::Null => values.iter().all(is_empty_text),
            _ => values.iter().any(|value| self.test_one(value, operands, regex, case_sensitive)),
        };
        found != self.negated
    }

    fn test_one(
        self,
        value: &AttributeValue,
        operands: &[AttributeValue],
        regex: Option<&Regex>,
        case_sensitive: bool,
    ) -> bool {
        let fold = |value: &AttributeValue| -> String {
            let text = text_of(value);
            let exact = case_sensitive && !matches!(value, AttributeValue::Boolean(_));
            if exact { text.into_owned() } else { scim_core::text::fold(&text).into_owned() }
        };
        let one = |test: &dyn Fn(&str, &str) -> bool| {
            operands.first().is_some_and(|operand| test(&fold(value), &fold(operand)))
        };
        let ordered = |accept: &dyn Fn(Ordering) -> bool| {
            operands.first().and_then(|operand| compare(value, operand)).is_some_and(accept)
        };
        match self.test {
            Test::Equal | Test::In => operands.iter().any(|operand| {
                equal_kinds(value, operand).unwrap_or_else(|| fold(value) == fold(operand))
            }),
            Test::Contains => one(&|text, part| text.contains(part)),
            Test::StartsWith => one(&|text, part| text.starts_with(part)),
            Test::EndsWith => one(&|text, part| text.ends_with(part)),
            Test::Less => ordered(&Ordering::is_lt),
            Test::LessOrEqual => ordered(&Ordering::is_le),
            Test::Greater => ordered(&Ordering::is_gt),
            Test::GreaterOrEqual => ordered(&Ordering::is_ge),
            Test::True => boolean_of(value) == Some(true),
            Test::False => boolean_of(value) == Some(false),
            Test::Bits => match (integer_of(value), operands.first().and_then(integer_of)) {
                (Some(value), Some(mask)) => value & mask != 0,
                _ => false,
            },
            Test::Matches => regex.is_some_and(|regex| regex.is_match(&text_of(value))),
            // Asked of the space and not of the values: see `Scope::holds`. `Null` is answered before.
            Test::MemberOf | Test::Null => false,
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|error| {
        let reason = error.to_string();
        let last = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("the regular expression is refused: {last}; look-around and back-references are not supported")
    })
}

/// An attribute whose only value is the empty text is as good as one without a value.
fn is_empty_text(value: &AttributeValue) -> bool {
    value.as_text().is_some_and(str::is_empty)
}

/// Equality of values where at least one of them is no text, as far as they are of one kind.
fn equal_kinds(value: &AttributeValue, operand: &AttributeValue) -> Option<bool> {
    match value {
        AttributeValue::Integer(left) => integer_of(operand).map(|right| *left == right),
        AttributeValue::Boolean(left) => boolean_of(operand).map(|right| *left == right),
        AttributeValue::DateTime(left) => moment_of(operand).map(|right| *left == right),
        _ => None,
    }
}

/// The order of two values: numbers by size, moments by time; nothing else has one.
fn compare(value: &AttributeValue, operand: &AttributeValue) -> Option<Ordering> {
    match (integer_of(value), integer_of(operand)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => Some(moment_of(value)?.cmp(&moment_of(operand)?)),
    }
}

/// A whole number: as such, or written in decimal, as `0x1F` or as `&H1F`.
pub(crate) fn integer_of(value: &AttributeValue) -> Option<i64> {
    let text = match value {
        AttributeValue::Integer(number) => return Some(*number),
        AttributeValue::Text(text) => text.trim(),
        _ => return None,
    };
    let hex = ["0x", "0X", "&H", "&h"].iter().find_map(|prefix| text.strip_prefix(prefix));
    match hex {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A truth value: as such, or written as `true` or `false` in any letter case.
pub(crate) fn boolean_of(value: &AttributeValue) -> Option<bool> {
    match value {
        AttributeValue::Boolean(value) => Some(*value),
        AttributeValue::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        AttributeValue::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// A moment: as such, or in the form of RFC 3339.
pub(crate) fn moment_of(value: &AttributeValue) -> Option<chrono::DateTime<chrono::Utc>> {
    match value {
        AttributeValue::DateTime(moment) => Some(*moment),
        AttributeValue::Text(text) => {
            chrono::DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.to_utc())
        }
        _ => None,
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Operator {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Operator {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| {
            let known: Vec<&str> = Self::all().map(|(_, name)| name).collect();
            serde::de::Error::custom(format!(
                "there is no operator `{name}`; there are {}",
                known.join(", ")
            ))
        })
    }
}

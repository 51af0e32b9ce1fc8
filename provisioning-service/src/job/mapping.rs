//! The mapping of a job: Microsoft's job schema as it is kept and shown, and the rules that it says.

use std::collections::BTreeMap;

use scim_sync::expr::{Context, Dialect, Expression, NoRandom, Outcome};
use scim_sync::rules::graph::JobSchema;
use scim_sync::rules::{Direction, Release, RuleFile, RuleSet, text_of};
use scim_sync::{AttributeName, AttributeSet, AttributeValue, ConnectorId};
use serde::Serialize;
use serde_json::Value;

use super::record::Deprovision;
use super::wire::{ParseExpression, ParsedExpression, PublicError};

/// What a mapping says.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The rules.
    pub rules: RuleSet,
    /// The directory that is read.
    pub source: ConnectorId,
    /// The service that is written to.
    pub target: ConnectorId,
    /// What of the schema has no effect, in sentences.
    pub notes: Vec<String>,
}

/// Why a schema is no mapping.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A part of it makes no sense; with its place.
    #[error("{0}")]
    Schema(String),
    /// It reads or writes more than one system.
    #[error(
        "a job reads one directory and writes to one: the synchronization rules name {0}; make a job for each pair"
    )]
    Systems(String),
    /// It has no synchronization rule.
    #[error("the schema has no synchronizationRules")]
    Empty,
}

impl Mapping {
    /// Reads a schema.
    ///
    /// What becomes of objects that are no longer asked for is not in a schema: it is told by the settings of the job. What
    /// has no attribute `active` cannot be switched off and is removed instead.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn of(schema: &JobSchema, deprovision: &Deprovision) -> Result<Self, MappingError> {
        let mut pairs: Vec<(&str, &str)> = schema
            .synchronization_rules
            .iter()
            .map(|rule| (rule.source_directory_name.as_str(), rule.target_directory_name.as_str()))
            .collect();
        pairs.sort_unstable();
        pairs.dedup();
        let (source, target) = match pairs.as_slice() {
            [] => return Err(MappingError::Empty),
            [(source, target)] if source != target => (*source, *target),
            several => {
                let names = several.iter().map(|(from, to)| format!("{from:?} to {to:?}"));
                return Err(MappingError::Systems(names.collect::<Vec<_>>().join(", ")));
            }
        };
        let converted =
            schema.to_rules().map_err(|error| MappingError::Schema(error.to_string()))?;
        let mut file = converted.value;
        deprovisioned(&mut file, deprovision);
        let rules =
            RuleSet::from_file(file).map_err(|error| MappingError::Schema(error.message))?;
        Ok(Self {
            rules,
            source: ConnectorId::new(source),
            target: ConnectorId::new(target),
            notes: converted.notes,
        })
    }
}

fn deprovisioned(file: &mut RuleFile, deprovision: &Deprovision) {
    let active = AttributeName::new("active");
    for rule in file.rules.iter_mut().filter(|rule| rule.direction == Direction::Outbound) {
        let has_switch = rule.flow.iter().any(|flow| flow.to == active);
        let able = |release: Release| match release {
            release if release.disables() && !has_switch => Release::Delete,
            release => release,
        };
        rule.on_delete = Some(able(deprovision.on_delete));
        rule.on_out_of_scope = Some(able(deprovision.on_out_of_scope));
        let later =
            [rule.on_delete, rule.on_out_of_scope].contains(&Some(Release::DisableThenDelete));
        rule.delete_after_days = later.then_some(deprovision.delete_after_days);
    }
}

/// One difference of two schemas.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Where, as a path; lists are told by the names of their parts.
    pub path: String,
    /// What was there.
    pub old: Option<Value>,
    /// What is there.
    pub new: Option<Value>,
}

/// What is different between two schemas.
#[must_use]
pub fn differences(old: &JobSchema, new: &JobSchema) -> Vec<Difference> {
    let value = |schema: &JobSchema| serde_json::to_value(schema).unwrap_or_default();
    let mut found = Vec::new();
    compare("", Some(&value(old)), Some(&value(new)), &mut found);
    found
}

fn compare(path: &str, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    if old == new {
        return;
    }
    let (left, right) = match (old, new) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let map = |object: &serde_json::Map<String, Value>| {
                object.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
            };
            (map(left), map(right))
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            match (named(left), named(right)) {
                (Some(left), Some(right)) => (left, right),
                _ => {
                    found.push(difference(path, old, new));
                    return;
                }
            }
        }
        _ => {
            found.push(difference(path, old, new));
            return;
        }
    };
    let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let before = found.len();
    for name in names {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        compare(&inner, left.get(name), right.get(name), found);
    }
    // The parts are the same, so it is their order that is not.
    if found.len() == before {
        found.push(difference(path, old, new));
    }
}

fn difference(path: &str, old: Option<&Value>, new: Option<&Value>) -> Difference {
    Difference { path: path.to_owned(), old: old.cloned(), new: new.cloned() }
}

/// The parts of a list by the name that people know them by, where all have one and each another.
fn named(list: &[Value]) -> Option<BTreeMap<String, Value>> {
    let mut parts = BTreeMap::new();
    for part in list {
        let names = ["targetAttributeName", "key", "name", "sourceOperandName"];
        let name = names.iter().find_map(|name| part.get(*name)?.as_str())?;
        if parts.insert(format!("[{name}]"), part.clone()).is_some() {
            return None;
        }
    }
    Some(parts)
}

/// Reads an expression, and tries it where there is an object to try it with.
#[must_use]
pub fn parse(asked: &ParseExpression, now: chrono::DateTime<chrono::Utc>) -> ParsedExpression {
    let expression = match Expression::parse(&asked.expression, Dialect::Provisioning) {
        Ok(expression) => expression,
        Err(error) => return failed("ExpressionDoesNotParse", error.to_string()),
    };
    let parsed = ParsedExpression {
        parsed_expression: Some(expression.to_tree()),
        parsing_succeeded: true,
        ..ParsedExpression::default()
    };
    let Some(input) = &asked.test_input_object else { return parsed };
    let mut object = AttributeSet::new();
    for property in &input.properties {
        let values = match &property.value {
            Value::Array(values) => values.iter().filter_map(value_of).collect(),
            one => value_of(one).into_iter().collect(),
        };
        object.set(AttributeName::new(&property.key), values);
    }
    match expression.evaluate(&Context::new(&object, now, &NoRandom)) {
        Ok(outcome) => ParsedExpression {
            evaluation_succeeded: true,
            evaluation_result: match &outcome {
                Outcome::Redacted(_) => vec!["[Redact]".to_owned()],
                outcome => {
                    outcome.values().iter().map(|value| text_of(value).into_owned()).collect()
                }
            },
            ..parsed
        },
        Err(error) => ParsedExpression {
            error: failed("ExpressionFails", error.message().to_owned()).error,
            ..parsed
        },
    }
}

fn failed(code: &str, message: String) -> ParsedExpression {
    let error = Some(PublicError { code: code.to_owned(), message });
    ParsedExpression { error, ..ParsedExpression::default() }
}

/// A value as a directory would have it; the empty text and `null` are none.
fn value_of(value: &Value) -> Option<AttributeValue> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(AttributeValue::text(text)),
        Value::Bool(boolean) => Some(AttributeValue::Boolean(*boolean)),
        Value::Number(number) => Some(
            number
                .as_i64()
                .map_or_else(|| AttributeValue::text(number.to_string()), AttributeValue::Integer),
        ),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::templates;

    fn schema() -> JobSchema {
        templates::by_id("AD2CloudUsersGroups").unwrap().schema().unwrap()
    }

    fn mapping(deprovision: Deprovision) -> Mapping {
        Mapping::of(&schema(), &deprovision).unwrap()
    }

    #[test]
    fn what_is_no_longer_asked_for_is_told_by_the_settings() {
        let usual = mapping(Deprovision::default());
        let release = |mapping: &Mapping, name: &str| {
            let rules = mapping.rules.rules().iter();
            let rule = rules
                .clone()
                .find(|rule| {
                    rule.direction == Direction::Outbound && rule.object_type == name.into()
                })
                .unwrap();
            (rule.on_delete, rule.on_out_of_scope)
        };
        assert_eq!(release(&usual, "User"), (Release::Delete, Release::Disable));
        assert_eq!(release(&usual, "Group"), (Release::Delete, Release::Delete));
        let keep = mapping(Deprovision {
            on_delete: Release::Disable,
            on_out_of_scope: Release::Keep,
            ..Deprovision::default()
        });
        assert_eq!(release(&keep, "User"), (Release::Disable, Release::Keep));
        assert_eq!(release(&keep, "Group"), (Release::Delete, Release::Keep));
        let json = r#"{"onOutOfScope":"disable-then-delete","deleteAfterDays":14}"#;
        let later = mapping(serde_json::from_str(json).unwrap());
        assert_eq!(release(&later, "User"), (Release::Delete, Release::DisableThenDelete));
        assert_eq!(release(&later, "Group"), (Release::Delete, Release::Delete));
        let days = later.rules.rules().iter().filter(|rule| rule.object_type == "User".into());
        assert!(days.clone().any(|rule| rule.delete_after_days == 14));
    }

    #[test]
    fn one_pair_of_systems_is_a_job() {
        let mut two = schema();
        let mut other = two.synchronization_rules[0].clone();
        other.target_directory_name = "Elsewhere".to_owned();
        two.synchronization_rules.push(other);
        let error = Mapping::of(&two, &Deprovision::default()).unwrap_err();
        assert!(error.to_string().contains("Elsewhere"), "{error}");
        let none = JobSchema::default();
        assert_eq!(Mapping::of(&none, &Deprovision::default()).unwrap_err(), MappingError::Empty);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        let mut wrong = schema();
        let source = &mut wrong.synchronization_rules[0].object_mappings[0].attribute_mappings[0];
        source.source.as_mut().unwrap().expression = Some("Nope([mail])".to_owned());
        let error = Mapping::of(&wrong, &Deprovision::default()).unwrap_err().to_string();
        assert!(error.contains("attributeMappings[0].source"), "{error}");
    }

    #[test]
    fn differences_are_told_by_name() {
        let old = schema();
        assert_eq!(differences(&old, &old), []);
        let mut new = old.clone();
        let users = &mut new.synchronization_rules[0].object_mappings[0];
        let at = users
            .attribute_mappings
            .iter()
            .position(|mapping| mapping.target_attribute_name == "displayName")
            .unwrap();
        users.attribute_mappings[at].default_value = Some("nobody".to_owned());
        users.attribute_mappings.remove(0);
        let paths: Vec<String> =
            differences(&old, &new).into_iter().map(|difference| difference.path).collect();
        assert_eq!(paths.len(), 2, "{paths:?}");
        assert!(paths.iter().any(|path| path.ends_with("[displayName].defaultValue")), "{paths:?}");
        assert!(paths.iter().any(|path| path.ends_with("[externalId]")), "{paths:?}");
    }

    #[test]
    fn the_example_of_the_documents_is_parsed_and_tried() {
        let asked: ParseExpression = serde_json::from_str(
            r#"{"expression":"Replace([preferredLanguage], \"-\", , , \"_\", ,  )","targetAttributeDefinition":null,
                "testInputObject":{"definition":null,"properties":[
                    {"key":"preferredLanguage","value":"EN-US"},
                    {"key":"appRoleAssignments","value@odata.type":"Collection(String)","value":["Default"]}]}}"#,
        )
        .unwrap();
        let parsed = parse(&asked, chrono::DateTime::UNIX_EPOCH);
        assert_eq!(parsed.error, None);
        assert_eq!(parsed.evaluation_result, ["EN_US"]);
        assert!(parsed.parsing_succeeded && parsed.evaluation_succeeded);
        assert_eq!(parsed.parsed_expression.unwrap().name.as_deref(), Some("Replace"));

        let wrong = ParseExpression { expression: "Nope(".to_owned(), ..asked };
        let parsed = parse(&wrong, chrono::DateTime::UNIX_EPOCH);
        assert!(!parsed.parsing_succeeded && parsed.error.is_some());
    }
}

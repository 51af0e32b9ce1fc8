//! Rules against the schemas of the systems.

use std::collections::BTreeMap;

use super::locate::{Document, Path};
use super::{Direction, Rule, RuleError, Source};
use crate::ConnectorId;
use crate::connector::{ConnectorSchema, TypeSchema};

pub(super) fn check(
    rules: &[Rule],
    schemas: &BTreeMap<ConnectorId, ConnectorSchema>,
    all: bool,
    document: Document<'_>,
) -> Vec<RuleError> {
    let mut errors = Vec::new();
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.enabled) {
        let at = Path::default().key("rule").index(index);
        let Some(schema) = schemas.get(&rule.connector) else {
            if !all {
                continue;
            }
            let known: Vec<&str> = schemas.keys().map(ConnectorId::as_str).collect();
            let message = format!(
                "rule `{}`: there is no connector `{}`; there are: {}",
                rule.name,
                rule.connector,
                known.join(", ")
            );
            errors.push(document.error(&at.key("connector"), message));
            continue;
        };
        let Some(known) = schema.types.get(&rule.object_type) else {
            let types: Vec<&str> = schema.types.keys().map(crate::ObjectType::as_str).collect();
            let message = format!(
                "rule `{}`: `{}` has no objects of the type `{}`; it has: {}",
                rule.name,
                rule.connector,
                rule.object_type,
                types.join(", ")
            );
            errors.push(document.error(&at.key("object-type"), message));
            continue;
        };
        match rule.direction {
            Direction::Outbound => errors.extend(lacking(rule, known, &at, document)),
            Direction::Inbound => errors.extend(ill_typed(rule, known, &at, document)),
        }
    }
    errors
}

/// Flows into attributes that the target does not have.
fn lacking(rule: &Rule, known: &TypeSchema, at: &Path, document: Document<'_>) -> Vec<RuleError> {
    let mut errors = Vec::new();
    for (index, flow) in rule.flows.iter().enumerate() {
        if known.attribute(&flow.to).is_none() && !matches!(flow.source, Source::None) {
            let message = format!(
                "rule `{}`: `{}` of `{}` has no attribute `{}`; take the flow out or mend its name",
                rule.name, rule.object_type, rule.connector, flow.to
            );
            errors.push(document.error(&at.key("flow").index(index).key("to"), message));
        }
    }
    errors
}

/// Expressions whose types do not fit what the directory has.
fn ill_typed(rule: &Rule, known: &TypeSchema, at: &Path, document: Document<'_>) -> Vec<RuleError> {
    let mut errors = Vec::new();
    for (index, flow) in rule.flows.iter().enumerate() {
        if let Source::Expression(expression) = &flow.source
            && let Err((offset, message)) = expression.check(known)
        {
            let at = at.key("flow").index(index).key("expression");
            let message = format!("rule `{}`, flow to `{}`: {message}", rule.name, flow.to);
            errors.push(document.error_within(&at, expression.text(), offset, message));
        }
    }
    errors
}

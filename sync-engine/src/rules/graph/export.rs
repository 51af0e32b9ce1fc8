//! From rules to a job schema.

use std::collections::BTreeMap;

use serde_json::json;

use super::{
    AttributeMapping, Converted, FilterClause, FilterGroup, FilterOperand, JobRule, JobSchema,
    ObjectMapping, ScopeFilter,
};
use crate::expr::{Dialect, Expression, MappingSource, MappingSourceType};
use crate::rules::model::{FlowSource, RuleSource};
use crate::rules::scope::ScopeSource;
use crate::rules::{Apply, Direction, LinkType, Operation, RuleSet, text_of};
use crate::{AttributeName, AttributeValue, ConnectorId};

impl JobSchema {
    /// The job schema that says what these rules say, as far as it can.
    #[must_use]
    pub fn from_rules(rules: &RuleSet) -> Converted<Self> {
        let mut notes = Vec::new();
        let mut by_pair: BTreeMap<(u32, ConnectorId, ConnectorId), Vec<ObjectMapping>> =
            BTreeMap::new();
        let all = &rules.source().rules;
        let of = |direction| all.iter().filter(move |rule| rule.direction == direction);
        for outbound in of(Direction::Outbound) {
            let feeding: Vec<&RuleSource> = of(Direction::Inbound)
                .filter(|rule| {
                    rule.metaverse_type == outbound.metaverse_type
                        && rule.link == LinkType::Provision
                })
                .collect();
            // Of several rules that read one type, the one that was made together with this one is meant.
            let own = format!("In: {}", outbound.name);
            let own: Vec<&RuleSource> =
                feeding.iter().copied().filter(|rule| rule.name == own).collect();
            for inbound in if own.is_empty() { feeding } else { own } {
                let mapping = mapping(inbound, outbound, &mut notes);
                let pair =
                    (outbound.precedence, inbound.connector.clone(), outbound.connector.clone());
                by_pair.entry(pair).or_default().push(mapping);
            }
        }
        for rule in of(Direction::Inbound).filter(|rule| !rule.join.is_empty()) {
            notes.push(format!("rule `{}`: a job schema has no joins on the way in", rule.name));
        }
        let synchronization_rules = by_pair.into_iter().map(|((priority, from, to), mappings)| {
            let name = format!("{from} to {to}");
            let mut other = serde_json::Map::new();
            other.insert("editable".to_owned(), json!(true));
            other.insert("id".to_owned(), json!(name));
            JobRule {
                name,
                priority,
                source_directory_name: from.as_str().to_owned(),
                target_directory_name: to.as_str().to_owned(),
                object_mappings: mappings,
                other,
            }
        });
        let value = Self {
            directories: directories(rules),
            synchronization_rules: synchronization_rules.collect(),
            other: serde_json::Map::new(),
        };
        Converted { value, notes }
    }
}

fn directories(rules: &RuleSet) -> Vec<serde_json::Value> {
    let names = rules.sources().into_iter().chain(rules.targets());
    let names: std::collections::BTreeSet<ConnectorId> = names.collect();
    let directory = |name: ConnectorId| {
        let objects: Vec<serde_json::Value> = rules
            .shape(&name)
            .types
            .into_iter()
            .map(|(object_type, attributes)| {
                let attributes: Vec<serde_json::Value> = attributes
                    .iter()
                    .map(|attribute| json!({ "name": attribute.as_str(), "type": "String" }))
                    .collect();
                json!({ "name": object_type.as_str(), "attributes": attributes })
            })
            .collect();
        json!({ "name": name.as_str(), "objects": objects })
    };
    names.into_iter().map(directory).collect()
}

fn mapping(inbound: &RuleSource, outbound: &RuleSource, notes: &mut Vec<String>) -> ObjectMapping {
    let mut attribute_mappings = Vec::new();
    for flow in &outbound.flow {
        let source = match source(inbound, outbound, flow) {
            Ok(source) => source,
            Err(note) => {
                notes.push(format!("rule `{}`, flow to `{}`: {note}", outbound.name, flow.to));
                continue;
            }
        };
        let position = outbound.matching.iter().position(|name| *name == flow.to);
        let flow_type = match flow.apply {
            Apply::OnCreate => crate::rules::FlowType::ObjectAddOnly,
            Apply::Always => flow.flow_type,
        };
        attribute_mappings.push(AttributeMapping {
            default_value: default_of(flow, outbound, notes),
            export_missing_references: flow.export_missing_references,
            flow_behavior: flow.behavior,
            flow_type,
            matching_priority: position.map_or(0, |at| u32::try_from(at + 1).unwrap_or(u32::MAX)),
            source,
            target_attribute_name: flow.to.as_str().to_owned(),
            other: serde_json::Map::new(),
        });
    }
    let word = |operation: &Operation| match operation {
        Operation::Add => "Add",
        Operation::Update => "Update",
        Operation::Delete => "Delete",
    };
    let flow_types = outbound.operations.as_ref().map_or_else(super::all_flows, |operations| {
        operations.iter().map(word).collect::<Vec<_>>().join(", ")
    });
    ObjectMapping {
        attribute_mappings,
        enabled: outbound.enabled && inbound.enabled,
        flow_types,
        name: outbound.name.clone(),
        scope: scope(inbound, notes),
        source_object_name: inbound.object_type.as_str().to_owned(),
        target_object_name: outbound.object_type.as_str().to_owned(),
        other: serde_json::Map::new(),
    }
}

fn default_of(flow: &FlowSource, rule: &RuleSource, notes: &mut Vec<String>) -> Option<String> {
    let values = &flow.default.as_ref()?.0;
    if values.len() > 1 {
        notes.push(format!(
            "rule `{}`, flow to `{}`: a job schema has one default value; the first is kept",
            rule.name, flow.to
        ));
    }
    values.first().map(|value| text_of(value).into_owned())
}

fn scope(rule: &RuleSource, notes: &mut Vec<String>) -> Option<ScopeFilter> {
    let groups = match &rule.scope {
        ScopeSource::Groups(groups) if groups.is_empty() => return None,
        ScopeSource::Groups(groups) => groups,
        ScopeSource::Filter(filter) => {
            notes.push(format!(
                "rule `{}`: a job schema has no form for the filter {filter}; write it as clauses",
                rule.name
            ));
            return None;
        }
    };
    let groups = groups.iter().map(|group| {
        let clauses = group.iter().map(|clause| FilterClause {
            operator_name: clause.operator,
            source_operand_name: clause.attribute.as_str().to_owned(),
            target_operand: clause.value.as_ref().map(|value| FilterOperand {
                values: value.0.iter().map(|value| text_of(value).into_owned()).collect(),
            }),
        });
        FilterGroup { clauses: clauses.collect(), name: None }
    });
    Some(ScopeFilter { groups: groups.collect(), ..ScopeFilter::default() })
}

/// The source of a mapping: what the outbound flow takes, in terms of what the inbound flows take.
fn source(
    inbound: &RuleSource,
    outbound: &RuleSource,
    flow: &FlowSource,
) -> Result<Option<MappingSource>, String> {
    if outbound.dialect != Dialect::Provisioning || inbound.dialect != Dialect::Provisioning {
        return Err("a job schema has no form for the `connect` dialect".to_owned());
    }
    let text = match (&flow.from, &flow.constant, &flow.expression) {
        (Some(from), ..) => fed_by(inbound, from)?,
        (_, Some(constant), _) => return constant_source(&constant.0).map(Some),
        (_, _, Some(expression)) => substitute(inbound, expression)?,
        _ => return Ok(None),
    };
    let expression = Expression::parse(&text, Dialect::Provisioning).map_err(|e| e.to_string())?;
    Ok(Some(expression.to_tree()))
}

fn constant_source(values: &[AttributeValue]) -> Result<MappingSource, String> {
    let [value] = values else {
        return Err("a job schema has no form for a constant of several values".to_owned());
    };
    Ok(MappingSource {
        expression: Some(quoted(&text_of(value))),
        name: Some(text_of(value).into_owned()),
        parameters: Vec::new(),
        kind: MappingSourceType::Constant,
    })
}

/// What feeds an attribute of the metaverse, as an expression.
fn fed_by(inbound: &RuleSource, name: &AttributeName) -> Result<String, String> {
    let Some(flow) = inbound.flow.iter().find(|flow| flow.to == *name) else {
        return Err(format!("the rule `{}` gives no `{name}`", inbound.name));
    };
    if let Some(from) = &flow.from {
        return Ok(format!("[{from}]"));
    }
    if let Some(expression) = &flow.expression {
        return Ok(expression.clone());
    }
    match flow.constant.as_ref().map(|constant| constant.0.as_slice()) {
        Some([value]) => Ok(quoted(&text_of(value))),
        _ => Err(format!("what the rule `{}` gives as `{name}` has no form there", inbound.name)),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An expression over attributes of the metaverse, as one over those of the source.
fn substitute(inbound: &RuleSource, expression: &str) -> Result<String, String> {
    let mut out = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(at) = rest.find(['"', '[']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end =
            if rest.starts_with('"') { end_of_text(rest) } else { rest.find(']').map(|at| at + 1) };
        let end = end.unwrap_or(rest.len());
        if rest.starts_with('"') {
            out.push_str(&rest[..end]);
        } else {
            let name = rest[1..end].trim_end_matches(']').trim();
            out.push_str(&fed_by(inbound, &AttributeName::new(name))?);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the text in quotes at the beginning ends.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

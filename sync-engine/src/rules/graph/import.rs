//! From a job schema to rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    AttributeMapping, Converted, FilterGroup, GraphError, JobRule, JobSchema, ObjectMapping,
};
use crate::expr::{Dialect, Expression, MappingSourceType};
use crate::rules::model::{FlowSource, RuleFile, RuleSource};
use crate::rules::scope::{ClauseSource, ScopeSource};
use crate::rules::{Apply, Behavior, Constant, Direction, FlowType, LinkType, Merge, Operation};
use crate::{AttributeName, AttributeValue, ConnectorId};

impl JobSchema {
    /// The rules that this schema says. The connectors have the names of the directories.
    ///
    /// # Errors
    /// [`GraphError`] where something has no meaning here.
    pub fn to_rules(&self) -> Result<Converted<RuleFile>, GraphError> {
        let mut import = Import { notes: Vec::new(), rules: Vec::new(), shared: self.shared() };
        for (number, rule) in self.synchronization_rules.iter().enumerate() {
            for (at, mapping) in rule.object_mappings.iter().enumerate() {
                let place = format!("synchronizationRules[{number}].objectMappings[{at}]");
                import.mapping(rule, mapping, &place)?;
            }
        }
        let file = RuleFile { version: 1, parameters: BTreeMap::new(), rules: import.rules };
        Ok(Converted { value: file, notes: import.notes })
    }

    /// The source types that more than one mapping reads.
    fn shared(&self) -> BTreeSet<(String, String)> {
        let mut seen = BTreeSet::new();
        let mut shared = BTreeSet::new();
        for rule in &self.synchronization_rules {
            for mapping in &rule.object_mappings {
                let key = (rule.source_directory_name.clone(), mapping.source_object_name.clone());
                if !seen.insert(key.clone()) {
                    shared.insert(key);
                }
            }
        }
        shared
    }
}

struct Import {
    notes: Vec<String>,
    rules: Vec<RuleSource>,
    shared: BTreeSet<(String, String)>,
}

impl Import {
    fn mapping(
        &mut self,
        rule: &JobRule,
        mapping: &ObjectMapping,
        place: &str,
    ) -> Result<(), GraphError> {
        let name = if mapping.name.is_empty() {
            format!("{} to {}", mapping.source_object_name, mapping.target_object_name)
        } else {
            mapping.name.clone()
        };
        let key = (rule.source_directory_name.clone(), mapping.source_object_name.clone());
        let mut outbound = blank(Direction::Outbound, rule, mapping, name.clone());
        let mut inbound = blank(Direction::Inbound, rule, mapping, format!("In: {name}"));
        let groups = mapping.scope.as_ref().map_or(&[][..], |scope| &scope.groups);
        inbound.scope = scope(groups);
        if let Some(scope) = &mapping.scope
            && !(scope.category_filter_groups.is_empty() && scope.input_filter_groups.is_empty())
        {
            self.notes.push(format!(
                "{place}: categoryFilterGroups and inputFilterGroups are not carried over; say in the connector's scope what is read"
            ));
        }
        let mut read: BTreeSet<AttributeName> = BTreeSet::new();
        if self.shared.contains(&key) {
            // Otherwise one mapping would write what another one takes in.
            outbound.scope = scope(groups);
            let clauses = groups.iter().flat_map(|group| &group.clauses);
            read.extend(clauses.map(|clause| AttributeName::new(&clause.source_operand_name)));
        }
        let mut matching: Vec<(u32, AttributeName)> = Vec::new();
        for (number, attribute) in mapping.attribute_mappings.iter().enumerate() {
            let at = format!("{place}.attributeMappings[{number}]");
            let (flow, names) = flow(attribute, &at)?;
            read.extend(names);
            if attribute.matching_priority > 0 {
                matching.push((attribute.matching_priority, flow.to.clone()));
            }
            outbound.flow.push(flow);
        }
        matching.sort();
        outbound.matching = matching.into_iter().map(|(_, name)| name).collect();
        outbound.operations = operations(&mapping.flow_types, place)?;
        inbound.flow = read.into_iter().map(direct).collect();
        if !mapping.other.is_empty() {
            let names: Vec<&str> = mapping.other.keys().map(String::as_str).collect();
            self.notes.push(format!("{place}: {} are not carried over", names.join(", ")));
        }
        self.rules.extend([inbound, outbound]);
        Ok(())
    }
}

fn blank(
    direction: Direction,
    rule: &JobRule,
    mapping: &ObjectMapping,
    name: String,
) -> RuleSource {
    let (connector, object_type) = match direction {
        Direction::Inbound => (&rule.source_directory_name, &mapping.source_object_name),
        Direction::Outbound => (&rule.target_directory_name, &mapping.target_object_name),
    };
    RuleSource {
        name,
        direction,
        connector: ConnectorId::new(connector),
        object_type: object_type.as_str().into(),
        metaverse_type: mapping.source_object_name.as_str().into(),
        link: LinkType::Provision,
        precedence: rule.priority,
        enabled: mapping.enabled,
        dialect: Dialect::Provisioning,
        scope: ScopeSource::default(),
        join: Vec::new(),
        matching: Vec::new(),
        on_delete: None,
        on_out_of_scope: None,
        delete_after_days: None,
        operations: None,
        flow: Vec::new(),
        disable: Vec::new(),
    }
}

fn scope(groups: &[FilterGroup]) -> ScopeSource {
    let clause = |clause: &super::FilterClause| {
        let values = clause.target_operand.as_ref().map_or(&[][..], |operand| &operand.values);
        let value = (!values.is_empty())
            .then(|| Constant(values.iter().map(AttributeValue::text).collect()));
        ClauseSource {
            attribute: AttributeName::new(&clause.source_operand_name),
            operator: clause.operator_name,
            value,
            case_sensitive: None,
        }
    };
    let groups = groups.iter().map(|group| group.clauses.iter().map(clause).collect());
    ScopeSource::Groups(groups.collect())
}

fn operations(flow_types: &str, place: &str) -> Result<Option<Vec<Operation>>, GraphError> {
    let mut operations = Vec::new();
    for word in flow_types.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        operations.push(match word.to_ascii_lowercase().as_str() {
            "add" => Operation::Add,
            "update" => Operation::Update,
            "delete" => Operation::Delete,
            _ => {
                return Err(GraphError {
                    place: format!("{place}.flowTypes"),
                    message: format!("`{word}` is none of Add, Update and Delete"),
                });
            }
        });
    }
    operations.sort();
    operations.dedup();
    let all = [Operation::Add, Operation::Update, Operation::Delete];
    Ok((operations != all).then_some(operations))
}

/// The outbound flow of a mapping, and the attributes that it reads.
fn flow(
    mapping: &AttributeMapping,
    place: &str,
) -> Result<(FlowSource, BTreeSet<AttributeName>), GraphError> {
    let mut flow = FlowSource {
        to: AttributeName::new(&mapping.target_attribute_name),
        from: None,
        constant: None,
        expression: None,
        apply: Apply::Always,
        default: mapping.default_value.as_ref().map(|text| Constant(vec![text.as_str().into()])),
        merge: Merge::Update,
        behavior: mapping.flow_behavior,
        flow_type: mapping.flow_type,
        export_missing_references: mapping.export_missing_references,
    };
    let mut read = BTreeSet::new();
    let Some(source) = &mapping.source else { return Ok((flow, read)) };
    let expression = Expression::from_tree(source, Dialect::Provisioning).map_err(|error| {
        GraphError { place: format!("{place}.source"), message: error.to_string() }
    })?;
    let tree = expression.to_tree();
    match (tree.kind, tree.name) {
        (MappingSourceType::Attribute, Some(name)) => {
            flow.from = Some(AttributeName::new(name));
        }
        (MappingSourceType::Constant, Some(name)) => {
            flow.constant = Some(Constant(vec![name.as_str().into()]));
        }
        _ => flow.expression = Some(expression.text().to_owned()),
    }
    read.extend(expression.attributes());
    Ok((flow, read))
}

fn direct(name: AttributeName) -> FlowSource {
    FlowSource {
        to: name.clone(),
        from: Some(name),
        constant: None,
        expression: None,
        apply: Apply::Always,
        default: None,
        merge: Merge::Update,
        behavior: Behavior::FlowWhenChanged,
        flow_type: FlowType::Always,
        export_missing_references: false,
    }
}

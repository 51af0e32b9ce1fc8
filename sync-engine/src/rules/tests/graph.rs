//! The shape of Microsoft's job schema, there and back.

use crate::rules::graph::JobSchema;
use crate::rules::{Direction, Operation, RuleSet};

const SCHEMA: &str = include_str!("job-schema.json");

#[test]
fn a_job_schema_is_written_as_it_was_read() {
    let schema = JobSchema::from_json(SCHEMA).unwrap();
    let written = serde_json::to_value(&schema).unwrap();
    let read: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
    assert_eq!(written, read);
}

#[test]
fn a_job_schema_becomes_rules() {
    let schema = JobSchema::from_json(SCHEMA).unwrap();
    let converted = schema.to_rules().unwrap();
    assert_eq!(converted.notes.len(), 1, "{:?}", converted.notes);
    assert!(converted.notes[0].contains("metadata"), "{:?}", converted.notes);
    let rules = RuleSet::from_file(converted.value).unwrap();
    let outbound: Vec<_> =
        rules.rules().iter().filter(|rule| rule.direction == Direction::Outbound).collect();
    assert_eq!(outbound.len(), 2);
    // The lowest priority is tried first, whatever the order of the mappings.
    let matching: Vec<&str> = outbound[0].matching.iter().map(|name| name.as_str()).collect();
    assert_eq!(matching, ["externalId", "userName"]);
    assert_eq!(
        rules.source().rules[3].operations.as_deref(),
        Some(&[Operation::Add, Operation::Update][..])
    );
    let flows = &rules.source().rules[1].flow;
    let to = |name: &str| flows.iter().find(|flow| flow.to == name.into()).unwrap();
    assert_eq!(to("userName").from, Some("userPrincipalName".into()));
    assert_eq!(to("active").expression.as_deref(), Some("Not([isSoftDeleted])"));
    assert_eq!(to("active").default.as_ref().unwrap().0, ["True".into()]);
    // The text of an expression goes before its tree, and the tree stands in where there is no text.
    assert_eq!(to("nickName").expression.as_deref(), Some("Mid([userPrincipalName], 1, 8)"));
    assert_eq!(to("title").expression.as_deref(), Some("Left([jobTitle], 20)"));
    assert_eq!(to("locale").from, None);
    assert_eq!(to("userType").constant.as_ref().unwrap().0, ["Employee".into()]);
    assert_eq!(to("emails").flow_type, crate::rules::FlowType::MultiValueAddOnly);
    assert!(to("manager").export_missing_references);
}

#[test]
fn rules_that_came_from_a_job_schema_go_back_to_it() {
    let first = JobSchema::from_json(SCHEMA).unwrap().to_rules().unwrap().value;
    let rules = RuleSet::from_file(first.clone()).unwrap();
    let back = JobSchema::from_rules(&rules);
    assert_eq!(back.notes, [] as [String; 0]);
    let json = serde_json::to_string_pretty(&back.value).unwrap();
    let again = JobSchema::from_json(&json).unwrap().to_rules().unwrap();
    assert_eq!(again.value, first);
    assert_eq!(again.notes, [] as [String; 0]);
}

#[test]
fn what_the_inbound_rule_computes_is_put_into_the_mapping() {
    let rules = RuleSet::from_toml(crate::rules::defaults::AD_TO_SCIM).unwrap();
    let schema = JobSchema::from_rules(&rules).value;
    let users = &schema.synchronization_rules[0].object_mappings[0];
    let mapping = |name: &str| {
        let named = |it: &&crate::rules::graph::AttributeMapping| it.target_attribute_name == name;
        users.attribute_mappings.iter().find(named).unwrap()
    };
    let source = mapping("displayName").source.as_ref().unwrap();
    assert_eq!(source.expression.as_deref(), Some("Coalesce([displayName], [cn], [name])"));
    assert_eq!(source.parameters.len(), 3);
    assert_eq!(mapping("externalId").matching_priority, 1);
    assert_eq!(mapping("title").source.as_ref().unwrap().name.as_deref(), Some("title"));
    assert!(users.scope.as_ref().unwrap().groups[0].clauses.len() > 5);
}

#[test]
fn mistakes_are_told_with_their_path() {
    let error = JobSchema::from_json(&SCHEMA.replace("\"EQUALS\"", "\"LIKE\"")).unwrap_err();
    assert!(error.place.contains("scope.groups[0].clauses[0].operatorName"), "{error}");
    let wrong = SCHEMA.replace("Not([isSoftDeleted])", "Nope([isSoftDeleted])");
    let error = JobSchema::from_json(&wrong).unwrap().to_rules().unwrap_err();
    assert!(error.place.ends_with("attributeMappings[2].source"), "{error}");
    let wrong = SCHEMA.replace("\"Add, Update\"", "\"Add, Upset\"");
    let error = JobSchema::from_json(&wrong).unwrap().to_rules().unwrap_err();
    assert!(error.to_string().contains("`Upset` is none of"), "{error}");
}

//! Reading rules, and the places of mistakes.

use std::collections::BTreeMap;

use crate::connector::{AttributeSchema, ConnectorSchema, TypeSchema, ValueKind};
use crate::rules::{RuleError, RuleSet};
use crate::{AttributeName, ConnectorId};

const HEAD: &str = r#"version = 1
[[rule]]
name = "in"
direction = "inbound"
connector = "ad"
object-type = "user"
metaverse-type = "person"
link = "provision"
"#;

fn toml(rest: &str) -> RuleError {
    RuleSet::from_toml(&format!("{HEAD}{rest}")).unwrap_err()
}

#[test]
fn mistakes_in_toml_are_told_with_line_and_column() {
    let cases: &[(&str, usize, usize, &str)] = &[
        ("colour = 1\n", 9, 1, "unknown field"),
        ("precedence = \"x\"\n", 9, 14, "invalid type"),
        ("scope = [[{ attribute = \"a\", operator = \"LIKE\" }]]\n", 9, 41, "no operator `LIKE`"),
        ("scope = [[{ attribute = \"a\", operator = \"EQUAL\" }]]\n", 9, 11, "needs a value"),
        ("scope = [[]]\n", 9, 10, "a group without clauses"),
        ("scope = 'a eq'\n", 9, 14, "the filter is not right"),
        ("join = [[]]\n", 9, 9, "would join anything"),
        ("match = [\"x\"]\n", 9, 9, "belongs to outbound rules"),
        ("[[rule.flow]]\nto = \"a\"\nfrom = \"b\"\nconstant = 1\n", 9, 1, "one of `from`"),
        ("[[rule.flow]]\nto = \"a\"\nexpression = 'Left([b], 3'\n", 11, 19, "never closed"),
        ("[[rule.flow]]\nto = \"a\"\nexpression = 'Nope([b])'\n", 11, 15, "Nope"),
        ("[[rule.flow]]\nto = \"a\"\nbehavior = \"FlowAlways\"\n", 11, 12, "outbound"),
        ("flow = [{ to = \"a\" }, { to = \"A\" }]\n", 9, 30, "two flows"),
    ];
    for (rest, line, column, message) in cases {
        let error = toml(rest);
        assert!(error.message.contains(message), "{rest}{error}");
        assert_eq!((error.line, error.column), (*line, *column), "{rest}{error}");
    }
}

#[test]
fn mistakes_in_json_are_told_with_line_and_column() {
    let file = |scope: &str, expression: &str| {
        format!(
            "{{\"version\": 1, \"rule\": [\n {{\"name\": \"in\", \"direction\": \"inbound\",\n  \"connector\": \"ad\", \
             \"object-type\": \"user\", \"metaverse-type\": \"person\",\n  \"link\": \"provision\",\n  \"scope\": {scope},\n  \
             \"flow\": [{{\"to\": \"a\", \"expression\": {expression}}}]}}]}}"
        )
    };
    assert!(RuleSet::from_json(&file("[]", "\"[b]\"")).is_ok());
    let error = RuleSet::from_json(&file("\"a eq\"", "\"[b]\"")).unwrap_err();
    assert_eq!((error.line, error.column), (5, 17), "{error}");
    let error = RuleSet::from_json(&file("[]", "\"Nope([b])\"")).unwrap_err();
    assert_eq!((error.line, error.column), (6, 39), "{error}");
    let error = RuleSet::from_json(&file("[[{\"operator\": \"LIKE\"}]]", "\"[b]\"")).unwrap_err();
    assert_eq!(error.line, 5, "{error}");
    assert!(error.message.contains("rule[0].scope"), "{error}");
    let error = RuleSet::from_json("{\"version\": 2}").unwrap_err();
    assert_eq!((error.line, error.column), (1, 13), "{error}");
    let error = RuleSet::from_json("{\"version\": 1\n").unwrap_err();
    assert_eq!(error.line, 2, "{error}");
    let error = RuleSet::from_json("{\"version\": 1} x").unwrap_err();
    assert!(error.message.contains("after the end"), "{error}");
}

#[test]
fn rules_contradict_each_other_in_few_ways() {
    let two = format!("{HEAD}{}", HEAD.replace("version = 1\n", ""));
    let error = RuleSet::from_toml(&two).unwrap_err();
    assert!(error.message.contains("two rules with the name `in`"), "{error}");
    assert_eq!((error.line, error.column), (10, 8));
    let flow = |merge: &str| {
        format!("flow = [{{ to = \"mail\", from = \"mail\", merge = \"{merge}\" }}]\n")
    };
    let second = HEAD.replace("version = 1\n", "").replace("\"in\"", "\"in 2\"");
    let text = format!("{HEAD}{}{second}{}", flow("merge"), flow("update"));
    let error = RuleSet::from_toml(&text).unwrap_err();
    assert!(error.message.contains("must agree on `merge`"), "{error}");
    assert_eq!(error.line, 17, "{error}");
}

#[test]
fn outbound_rules_have_their_own_words() {
    let head = HEAD.replace("inbound", "outbound");
    let error = |rest: &str| RuleSet::from_toml(&format!("{head}{rest}")).unwrap_err().message;
    assert!(error("join = [[{ from = \"a\", to = \"b\" }]]\n").contains("`match`"));
    assert!(error("match = [\"x\"]\n").contains("nothing flows to `x`"));
    assert!(
        error("scope = [[{ operator = \"ISMEMBEROF\", value = \"g\" }]]\n").contains("inbound")
    );
    let unique =
        "match = [\"x\"]\nflow = [{ to = \"x\", expression = 'SelectUniqueValue([a], [b])' }]\n";
    assert!(error(unique).contains("chosen to be unique"));
    let sticky = RuleSet::from_toml(&head.replace("provision", "sticky-join")).unwrap_err();
    assert!(sticky.message.contains("`provision` or `join`"));
}

#[test]
fn rules_are_written_as_they_were_read() {
    let rules = RuleSet::from_toml(crate::rules::defaults::AD_TO_SCIM).unwrap();
    let again = RuleSet::from_json(&rules.to_json().unwrap()).unwrap();
    assert_eq!(again.source(), rules.source());
    let again = RuleSet::from_toml(&rules.to_toml().unwrap()).unwrap();
    assert_eq!(again.source(), rules.source());
    assert_eq!(again.digest(), rules.digest());
    let changed = crate::rules::defaults::AD_TO_SCIM.replace("AAD_", "AAE_");
    assert_ne!(RuleSet::from_toml(&changed).unwrap().digest(), rules.digest());
    let commented = format!("# a remark\n{}", crate::rules::defaults::AD_TO_SCIM);
    assert_eq!(RuleSet::from_toml(&commented).unwrap().digest(), rules.digest());
}

#[test]
fn a_configuration_may_hold_other_things() {
    let text = format!("{HEAD}\n[source]\nurl = \"ldap://x\"\n");
    assert!(RuleSet::from_toml(&text).is_err());
    assert_eq!(RuleSet::from_config(&text).unwrap().rules().len(), 1);
    let error = RuleSet::from_config(&text.replace("provision", "provide")).unwrap_err();
    assert_eq!(error.line, 8, "{error}");
}

fn schema(attributes: &[(&str, ValueKind)]) -> ConnectorSchema {
    let attributes = attributes.iter().map(|(name, kind)| {
        (AttributeName::new(name), AttributeSchema { kind: *kind, multi_valued: false })
    });
    let known = TypeSchema { attributes: attributes.collect() };
    ConnectorSchema { types: BTreeMap::from([("user".into(), known)]) }
}

#[test]
fn rules_are_held_against_the_schemas() {
    let text = format!(
        "{HEAD}flow = [{{ to = \"x\", expression = 'BitAnd([cn], 2)' }}, {{ to = \"y\", from = \"lacking\" }}]\n\
         [[rule]]\nname = \"out\"\ndirection = \"outbound\"\nconnector = \"cloud\"\nobject-type = \"user\"\n\
         metaverse-type = \"person\"\nlink = \"provision\"\nflow = [{{ to = \"active\", from = \"x\" }}]\n"
    );
    let rules = RuleSet::from_toml(&text).unwrap();
    let ad = || schema(&[("cn", ValueKind::Boolean)]);
    let schemas = BTreeMap::from([
        (ConnectorId::new("ad"), ad()),
        (ConnectorId::new("cloud"), schema(&[("userName", ValueKind::Text)])),
    ]);
    let errors = rules.check(&schemas).unwrap_err();
    let lines: Vec<usize> = errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [9, 17], "{errors:?}");
    assert!(errors[1].message.contains("no attribute `active`"), "{errors:?}");
    // What the directory lacks is no mistake, and is told when somebody asks.
    let missing = rules.missing(&schemas);
    assert_eq!(missing, [(ConnectorId::new("ad"), "user".into(), AttributeName::new("lacking"))]);
    let errors = rules.check(&BTreeMap::from([(ConnectorId::new("ad"), ad())])).unwrap_err();
    assert!(errors.iter().any(|it| it.message.contains("no connector `cloud`")), "{errors:?}");
    let known = rules.check_known(&BTreeMap::from([(ConnectorId::new("ad"), ad())]));
    let known = known.err().unwrap_or_default();
    assert!(!known.iter().any(|it| it.message.contains("no connector")), "{known:?}");
}

#[test]
fn the_shape_is_what_the_rules_ask_for() {
    let rules = RuleSet::from_toml(crate::rules::defaults::AD_TO_SCIM).unwrap();
    let shape = rules.shape(&ConnectorId::new("ad"));
    let user: Vec<&str> = shape.types[&"user".into()].iter().map(AttributeName::as_str).collect();
    for asked in ["userAccountControl", "manager", "msExchRecipientTypeDetails", "sn"] {
        assert!(user.contains(&asked), "{asked} is not in {user:?}");
    }
    assert!(!user.contains(&"dn") && !user.contains(&"anchor") && !user.contains(&"dn.domain"));
    let target = rules.shape(&ConnectorId::new("scim"));
    assert!(target.types[&"Group".into()].contains(&AttributeName::new("members")));
    assert_eq!(
        rules.matching(&ConnectorId::new("scim"), &"User".into()),
        [AttributeName::new("externalId"), AttributeName::new("userName")]
    );
}

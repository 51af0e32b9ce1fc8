//! Every operator against every kind of value, as a table.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::rules::Operator;
use crate::rules::constant::Constant;
use crate::rules::scope::{Clause, ClauseSource, Scope, Subject};
use crate::{AttributeName, AttributeSet, AttributeValue, StoreError};

struct Object(AttributeSet);

impl Subject for Object {
    fn values(&self, name: &AttributeName) -> Cow<'_, [AttributeValue]> {
        Cow::Borrowed(self.0.get(name))
    }

    fn is_member_of(&self, group: &str) -> Result<bool, StoreError> {
        Ok(group == "staff")
    }
}

fn clause(operator: &str, operands: Vec<AttributeValue>) -> Result<Clause, String> {
    Clause::compile(&ClauseSource {
        attribute: AttributeName::new("a"),
        operator: Operator::parse(operator).unwrap(),
        value: (!operands.is_empty()).then_some(Constant(operands)),
        case_sensitive: None,
    })
}

fn holds(values: &[AttributeValue], operator: &str, operands: Vec<AttributeValue>) -> bool {
    let mut set = AttributeSet::new();
    set.set(AttributeName::new("a"), values.to_vec());
    clause(operator, operands).unwrap().holds(&Object(set)).unwrap()
}

/// The values of the attribute, as the rows of the table.
fn subjects() -> Vec<(&'static str, Vec<AttributeValue>)> {
    vec![
        ("nothing", vec![]),
        ("\"\"", vec!["".into()]),
        ("Ada", vec!["Ada".into()]),
        ("ada", vec!["ada".into()]),
        ("Straße", vec!["Straße".into()]),
        ("5", vec![5.into()]),
        ("\"10\"", vec!["10".into()]),
        ("514", vec![514.into()]),
        ("True", vec![true.into()]),
        ("\"false\"", vec!["false".into()]),
        ("Ada+Bob", vec!["Ada".into(), "Bob".into()]),
    ]
}

#[test]
fn every_operator_of_both_families() {
    let asked: Vec<(&str, Vec<AttributeValue>)> = vec![
        ("EQUALS", vec!["Ada".into()]),
        ("NOT EQUALS", vec!["Ada".into()]),
        ("Includes", vec!["da".into()]),
        ("ENDS_WITH", vec!["a".into()]),
        ("Greater_Than", vec!["5".into()]),
        ("Greater_Than_OR_EQUALS", vec!["5".into()]),
        ("IS TRUE", vec![]),
        ("IS FALSE", vec![]),
        ("IS NULL", vec![]),
        ("IS NOT NULL", vec![]),
        ("REGEX MATCH", vec!["^A.a$".into()]),
        ("NOT REGEX MATCH", vec!["^A.a$".into()]),
        ("&", vec!["2".into()]),
        ("!&", vec!["0x2".into()]),
        ("IS_MEMBER_OF", vec!["staff".into()]),
        ("EQUAL", vec!["ADA".into()]),
        ("NOTEQUAL", vec!["ADA".into()]),
        ("EQUAL", vec!["STRASSE".into()]),
        ("EQUAL", vec![5.into()]),
        ("EQUAL", vec![true.into()]),
        ("CONTAINS", vec!["DA".into()]),
        ("NOTCONTAINS", vec!["DA".into()]),
        ("STARTSWITH", vec!["AD".into()]),
        ("NOTSTARTSWITH", vec!["AD".into()]),
        ("ENDSWITH", vec!["DA".into()]),
        ("NOTENDSWITH", vec!["DA".into()]),
        ("LESSTHAN", vec![10.into()]),
        ("LESSTHAN_OR_EQUAL", vec![10.into()]),
        ("GREATERTHAN", vec![10.into()]),
        ("GREATERTHAN_OR_EQUAL", vec![10.into()]),
        ("ISNULL", vec![]),
        ("ISNOTNULL", vec![]),
        ("ISIN", vec!["bob".into(), "ADA".into()]),
        ("ISNOTIN", vec!["bob".into(), "ADA".into()]),
        ("ISBITSET", vec![2.into()]),
        ("ISNOTBITSET", vec!["&H2".into()]),
        ("ISMEMBEROF", vec!["others".into(), "staff".into()]),
        ("ISNOTMEMBEROF", vec!["staff".into()]),
    ];
    let names: Vec<&str> = asked.iter().map(|(name, _)| *name).collect();
    for (_, name) in Operator::all() {
        assert!(names.contains(&name), "{name} is not in the table");
    }
    let mut table = String::new();
    for (operator, operands) in asked {
        let shown: Vec<_> =
            operands.iter().map(|it| crate::rules::text_of(it).into_owned()).collect();
        let yes: Vec<&str> = subjects()
            .into_iter()
            .filter(|(_, values)| holds(values, operator, operands.clone()))
            .map(|(name, _)| name)
            .collect();
        writeln!(table, "{operator} {}: {}", shown.join(", "), yes.join(" | ")).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn case_can_be_said_for_each_clause() {
    for (operator, case_sensitive, expected) in [
        ("EQUAL", true, false),
        ("EQUAL", false, true),
        ("EQUALS", false, true),
        ("EQUALS", true, false),
    ] {
        let clause = Clause::compile(&ClauseSource {
            attribute: AttributeName::new("a"),
            operator: Operator::parse(operator).unwrap(),
            value: Some(Constant(vec!["ADA".into()])),
            case_sensitive: Some(case_sensitive),
        });
        let object = Object(AttributeSet::new().with("A", "ada"));
        assert_eq!(clause.unwrap().holds(&object).unwrap(), expected, "{operator}");
    }
}

#[test]
fn wrong_operands_are_refused() {
    let refused =
        |operator: &str, operands: Vec<AttributeValue>| clause(operator, operands).unwrap_err();
    assert!(refused("EQUAL", vec![]).contains("needs a value"));
    assert!(refused("ISNULL", vec!["x".into()]).contains("takes no value"));
    assert!(refused("EQUAL", vec!["x".into(), "y".into()]).contains("use ISIN"));
    assert!(refused("ISBITSET", vec!["two".into()]).contains("whole number"));
    assert!(refused("REGEX MATCH", vec!["(?=x)".into()]).contains("look-around"));
    assert!(refused("REGEX MATCH", vec![r"(a)\1".into()]).contains("regular expression"));
}

#[test]
fn a_filter_is_a_scope() {
    let object = Object(
        AttributeSet::new()
            .with("title", "Countess")
            .with("level", 5_i64)
            .with("active", true)
            .with("mail", "a@x")
            .with("mail", "b@y"),
    );
    for (filter, expected) in [
        ("title eq \"COUNTESS\"", true),
        ("title sw \"count\" and level ge 5", true),
        ("level gt 5 or level lt 5", false),
        ("not (active eq false)", true),
        ("mail ew \"@y\"", true),
        ("nothing pr", false),
        ("nothing ne \"x\"", true),
        ("title ne \"countess\"", false),
        ("nothing eq null", true),
    ] {
        let scope = Scope::Filter(Box::new(filter.parse().unwrap()));
        assert_eq!(scope.holds(&object).unwrap(), expected, "{filter}");
    }
}

#[test]
fn groups_are_alternatives_and_clauses_are_not() {
    let yes = || clause("EQUAL", vec!["ada".into()]).unwrap();
    let no = || clause("EQUAL", vec!["bob".into()]).unwrap();
    let object = Object(AttributeSet::new().with("a", "ada"));
    for (groups, expected) in [
        (vec![], true),
        (vec![vec![yes(), no()]], false),
        (vec![vec![yes(), no()], vec![yes()]], true),
        (vec![vec![no()], vec![no()]], false),
    ] {
        assert_eq!(Scope::Groups(groups).holds(&object).unwrap(), expected);
    }
}

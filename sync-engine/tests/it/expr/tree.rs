//! The tree of Microsoft Graph.

use scim_sync::expr::{Dialect, Expression, MappingSource};
use serde_json::json;

const P: Dialect = Dialect::Provisioning;

#[test]
fn the_shape_is_that_of_attribute_mapping_source() {
    let expression = Expression::parse("Mid([userPrincipalName], 1, 8)", P).expect("an expression");
    let tree = serde_json::to_value(expression.to_tree()).expect("JSON");
    assert_eq!(
        tree,
        json!({
            "expression": "Mid([userPrincipalName], 1, 8)",
            "name": "Mid",
            "type": "Function",
            "parameters": [
                {"key": "source", "value": {
                    "expression": "[userPrincipalName]", "name": "userPrincipalName",
                    "parameters": [], "type": "Attribute"}},
                {"key": "start", "value": {
                    "expression": "1", "name": "1", "parameters": [], "type": "Constant"}},
                {"key": "length", "value": {
                    "expression": "8", "name": "8", "parameters": [], "type": "Constant"}}
            ]
        })
    );
}

#[test]
fn a_tree_without_text_is_read_from_its_parts() {
    let source: MappingSource = serde_json::from_value(json!({
        "name": "Replace", "type": "Function",
        "parameters": [
            {"key": "replacementValue", "value": {"name": "say \"x\"", "type": "Constant"}},
            {"key": "source", "value": {"name": "mail", "parameters": null}},
            {"key": "oldValue", "value": {"name": "b", "type": "Constant"}}
        ]
    }))
    .expect("a tree");
    let expression = Expression::from_tree(&source, P).expect("an expression");
    assert_eq!(expression.to_string(), r#"Replace([mail], "b", , , "say \"x\"")"#);
}

#[test]
fn repeated_parameters_are_numbered() {
    for (text, keys) in [
        ("SelectUniqueValue([a], [b], [c])", "uniqueValueRule1 uniqueValueRule2 uniqueValueRule3"),
        (r#"Switch([a], , "k", "v", "l", "w")"#, "source key1 value1 key2 value2"),
        (r#"Join(", ", [a], [b])"#, "separator source1 source2"),
    ] {
        let tree = Expression::parse(text, P).expect("an expression").to_tree();
        let found: Vec<&str> = tree.parameters.iter().map(|p| p.key.as_str()).collect();
        assert_eq!(found.join(" "), keys);
    }
}

#[test]
fn the_text_wins() {
    let source: MappingSource = serde_json::from_value(json!({
        "expression": "Trim([cn])", "name": "Mid", "type": "Function", "parameters": []
    }))
    .expect("a tree");
    let expression = Expression::from_tree(&source, P).expect("an expression");
    assert_eq!(expression.to_string(), "Trim([cn])");
}

fn without_text(source: &mut MappingSource, keep: &dyn Fn(&MappingSource) -> bool) {
    if !keep(source) {
        source.expression = None;
    }
    for parameter in &mut source.parameters {
        without_text(&mut parameter.value, keep);
    }
}

#[test]
fn there_and_back() {
    for (dialect, text) in [
        (P, r#"IIF([country] = "USA", [a], Switch([b], , "k", "v", "k2", "v2"))"#),
        (P, r#"Join(", ", [sn], Replace([a], , "(?<x>b)", "x", , [c]))"#),
        (P, "SelectUniqueValue([a], [b], [c])"),
        (Dialect::Connect, r#"IIF([a] & "x" & [b] = "y" || CBool([c]), NULL, 2 * (5 + 3))"#),
        (Dialect::Connect, "Select($i, [a], LCase($i)) & %Domain.FQDN%"),
    ] {
        let expression = Expression::parse(text, dialect).unwrap_or_else(|error| panic!("{error}"));
        let mut tree = expression.to_tree();
        let same = Expression::from_tree(&tree, dialect).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(same, expression);
        // The functions and attributes from their parts; constants keep their text, which tells numbers from texts.
        without_text(&mut tree, &|source| source.parameters.is_empty());
        let same = Expression::from_tree(&tree, dialect).unwrap_or_else(|error| panic!("{error}"));
        let evaluated = |expression: &Expression| expression.to_string().replace(['(', ')'], "");
        assert_eq!(evaluated(&same), evaluated(&expression));
    }
}

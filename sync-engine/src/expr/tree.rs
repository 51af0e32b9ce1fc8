//! An expression as a tree, in the shape of Microsoft Graph's `attributeMappingSource`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ast::{Node, NodeKind, Operator, quote};
use super::error::ExprError;
use super::functions;
use super::parse::MAX_DEPTH;
use super::{Dialect, Expression};

/// Where the value of a mapping comes from. The text in `expression` wins over the tree, where it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingSource {
    /// The same as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
    /// The name of the attribute or the function, or the constant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The arguments of a function.
    #[serde(default, deserialize_with = "nullable")]
    pub parameters: Vec<MappingParameter>,
    /// What it is.
    #[serde(rename = "type", default)]
    pub kind: MappingSourceType,
}

/// An argument with the name of its parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingParameter {
    /// The name of the parameter.
    pub key: String,
    /// The argument.
    pub value: MappingSource,
}

/// What a [`MappingSource`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingSourceType {
    /// The values of an attribute.
    #[default]
    Attribute,
    /// A constant.
    Constant,
    /// What a function gives; an operator is a function named by its sign.
    Function,
}

/// Graph writes null for no parameters.
fn nullable<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<MappingParameter>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Expression {
    /// The expression as a tree, each part of it with its text.
    #[must_use]
    pub fn to_tree(&self) -> MappingSource {
        tree(self.root(), self.dialect())
    }

    /// Reads a tree. Where it has a text, the text is what it says; otherwise the text is made of its parts, and a
    /// constant is text.
    ///
    /// # Errors
    ///
    /// As [`Expression::parse`], for the text of the tree.
    pub fn from_tree(source: &MappingSource, dialect: Dialect) -> Result<Self, ExprError> {
        let mut text = String::new();
        write(source, dialect, &mut text, 0);
        Self::parse(&text, dialect)
    }
}

fn tree(node: &Node, dialect: Dialect) -> MappingSource {
    let mut text = String::new();
    node.write(dialect, &mut text);
    let source = |kind, name: String, parameters| MappingSource {
        expression: Some(text.clone()),
        name: Some(name),
        parameters,
        kind,
    };
    let constant = |name: String| source(MappingSourceType::Constant, name, Vec::new());
    match &node.kind {
        NodeKind::Attribute(name) => {
            source(MappingSourceType::Attribute, name.as_str().to_owned(), Vec::new())
        }
        NodeKind::Text(value) => constant(value.to_string()),
        NodeKind::Call(call) => {
            let parameters = call
                .args
                .iter()
                .enumerate()
                .filter(|(_, arg)| !matches!(arg.kind, NodeKind::Empty))
                .map(|(at, arg)| MappingParameter {
                    key: key(call.function, at),
                    value: tree(arg, dialect),
                })
                .collect();
            source(MappingSourceType::Function, call.function.name.to_owned(), parameters)
        }
        NodeKind::Chain(chain) => {
            // From left to right: ((a - b) - c), as it is worked out.
            let mut left = tree(&chain.first, dialect);
            let mut before = left.expression.clone().unwrap_or_default();
            if matches!(chain.first.kind, NodeKind::Chain(_)) {
                before = format!("({before})");
            }
            for (at, (operator, right)) in chain.rest.iter().enumerate() {
                let right_tree = tree(right, dialect);
                let mut after = right_tree.expression.clone().unwrap_or_default();
                if matches!(right.kind, NodeKind::Chain(_)) {
                    after = format!("({after})");
                }
                let text = format!("{before} {} {after}", operator.sign());
                left = MappingSource {
                    expression: Some(text.clone()),
                    name: Some(operator.sign().to_owned()),
                    parameters: vec![
                        MappingParameter { key: "left".to_owned(), value: left },
                        MappingParameter { key: "right".to_owned(), value: right_tree },
                    ],
                    kind: MappingSourceType::Function,
                };
                before = if at + 1 < chain.rest.len() { format!("({text})") } else { text };
            }
            left
        }
        _ => constant(text.clone()),
    }
}

/// The name of a parameter; a repeated one with its number.
fn key(function: &functions::Function, at: usize) -> String {
    let name = function.param(at).map_or("", |param| param.name);
    let repeated = function.repeat > 0 && at + function.repeat >= function.params.len();
    if !repeated {
        return name.to_owned();
    }
    let group = (at + function.repeat - function.params.len()) / function.repeat;
    // `uniqueValueRule2` is the first of its group and has its number already.
    let base = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let first = name[base.len()..].parse::<usize>().unwrap_or(1);
    format!("{base}{}", first + group)
}

fn write(source: &MappingSource, dialect: Dialect, out: &mut String, depth: u32) {
    // Deeper than any expression may be, the parser says so; the text needs no more than that.
    if depth > MAX_DEPTH + 1 {
        return;
    }
    if let Some(text) = source.expression.as_deref().filter(|text| !text.trim().is_empty()) {
        out.push_str(text);
        return;
    }
    let name = source.name.as_deref().unwrap_or_default();
    match source.kind {
        MappingSourceType::Attribute => {
            out.push('[');
            out.push_str(name);
            out.push(']');
        }
        MappingSourceType::Constant => quote(name, dialect, out),
        MappingSourceType::Function => {
            let operator = Operator::ALL.into_iter().find(|operator| operator.sign() == name);
            if let (Some(operator), [left, right]) = (operator, source.parameters.as_slice()) {
                out.push('(');
                write(&left.value, dialect, out, depth + 1);
                out.push(' ');
                out.push_str(operator.sign());
                out.push(' ');
                write(&right.value, dialect, out, depth + 1);
                out.push(')');
                return;
            }
            out.push_str(name);
            out.push('(');
            for (at, argument) in arguments(source, dialect).into_iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                if let Some(argument) = argument {
                    write(argument, dialect, out, depth + 1);
                }
            }
            out.push(')');
        }
    }
}

/// The arguments at their places: by their keys where every key names a parameter, else in the order given.
fn arguments(source: &MappingSource, dialect: Dialect) -> Vec<Option<&MappingSource>> {
    let parameters = &source.parameters;
    let in_order = || parameters.iter().map(|parameter| Some(&parameter.value)).collect();
    let function = source.name.as_deref().and_then(|name| functions::find(dialect, name));
    let Some(function) = function else {
        return in_order();
    };
    // Of a repeated group there are at most as many as there are arguments.
    let most = function.params.len() + function.repeat * parameters.len();
    let keys: BTreeMap<String, usize> = (0..most)
        .filter(|at| function.param(*at).is_some())
        .map(|at| (key(function, at).to_ascii_lowercase(), at))
        .collect();
    let mut places = vec![None; most];
    for parameter in parameters {
        let place = keys.get(&parameter.key.to_ascii_lowercase());
        match place.and_then(|place| places.get_mut(*place)) {
            Some(place @ None) => *place = Some(&parameter.value),
            _ => return in_order(),
        }
    }
    // What is left out at the end needs no comma.
    while places.len() > function.least() && places.last().is_some_and(Option::is_none) {
        places.pop();
    }
    places
}

//! The type check of an expression against a schema.

use std::sync::Arc;

use smol_str::SmolStr;

use super::ast::{Call, Chain, Level, Literal, Node, NodeKind, Operator, Span};
use super::error::ExprError;
use super::functions::{Apply, Returns, Special, Want};
use super::resolve::nearest;
use super::types::{ExprType, Kind, Schema};
use super::{Dialect, Expression, dotnet_date, value};
use crate::AttributeName;

impl Expression {
    /// Holds the expression against the attributes of a connector and tells its type.
    ///
    /// The Connect dialect is strict, as Microsoft documents it: a number where text is wanted needs `CStr`. The other one
    /// converts. `Error` and `NULL` fit everywhere.
    ///
    /// # Errors
    ///
    /// The schema has not an attribute that is named, or a value has a type that cannot be used where it stands.
    pub fn check(&self, schema: &dyn Schema) -> Result<ExprType, ExprError> {
        let mut checker =
            Checker { schema, dialect: self.inner.dialect, text: &self.inner.text, scope: vec![] };
        checker.node(&self.inner.root)
    }
}

struct Checker<'a> {
    schema: &'a dyn Schema,
    dialect: Dialect,
    text: &'a Arc<str>,
    scope: Vec<(SmolStr, ExprType)>,
}

type Checked<T> = Result<T, ExprError>;

impl Checker<'_> {
    fn refuse<T>(
        &self,
        span: Span,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Checked<T> {
        Err(ExprError::new(self.text, span, message, mend))
    }

    fn node(&mut self, node: &Node) -> Checked<ExprType> {
        Ok(match &node.kind {
            NodeKind::Empty => ExprType::one(Kind::Any),
            NodeKind::Text(_) | NodeKind::Word(_) | NodeKind::Parameter(_) => {
                ExprType::one(Kind::Text)
            }
            NodeKind::Number { .. } => ExprType::one(Kind::Number),
            NodeKind::Boolean(_) => ExprType::one(Kind::Boolean),
            NodeKind::Literal(Literal::CrLf) => ExprType::one(Kind::Text),
            NodeKind::Literal(_) => ExprType::one(Kind::Any),
            NodeKind::Attribute(name) => self.attribute(name, node.span)?,
            NodeKind::Variable(name) => {
                let bound = self.scope.iter().rev().find(|(bound, _)| bound == name);
                bound.map_or(ExprType::ANY, |(_, kind)| *kind)
            }
            NodeKind::Call(call) => self.call(call)?,
            NodeKind::Chain(chain) => self.chain(chain)?,
        })
    }

    fn attribute(&self, name: &AttributeName, span: Span) -> Checked<ExprType> {
        if let Some(found) = self.schema.attribute(name) {
            return Ok(found);
        }
        let names = self.schema.names();
        let mend = nearest(name.as_str(), names.iter().map(AttributeName::as_str))
            .map_or_else(String::new, |near| format!("did you mean [{near}]?"));
        self.refuse(span, format!("the schema has no attribute `{name}`"), mend)
    }

    fn call(&mut self, call: &Call) -> Checked<ExprType> {
        let function = call.function;
        let scoped = self.scope.len();
        let mut types = Vec::with_capacity(call.args.len());
        for (at, arg) in call.args.iter().enumerate() {
            let want = function.param(at).map_or(Want::Any, |param| param.want);
            if want == Want::Variable {
                types.push(ExprType::ANY);
                continue;
            }
            if at == 2
                && let Some(Node { kind: NodeKind::Variable(name), .. }) = call.args.first()
                && function.params.first().is_some_and(|param| param.want == Want::Variable)
            {
                let source: ExprType = types.get(1).copied().unwrap_or(ExprType::ANY);
                let whole = matches!(function.apply, Apply::Special(Special::With));
                let bound = if whole { source } else { ExprType::one(source.kind) };
                self.scope.push((name.clone(), bound));
            }
            let found = self.node(arg)?;
            self.fits(arg, found, want, function.name)?;
            types.push(found);
        }
        self.scope.truncate(scoped);
        if let (Apply::Special(Special::ImportedValue), Some(name)) =
            (function.apply, call.args.first())
            && let NodeKind::Text(text) = &name.kind
        {
            return self.attribute(&AttributeName::new(text), name.span);
        }
        Ok(match function.returns {
            Returns::Each(kind) => {
                let each = |(at, found): (usize, &ExprType)| {
                    found.multi_valued && function.param(at).is_some_and(|p| p.want.each())
                };
                ExprType { kind, multi_valued: types.iter().enumerate().any(each) }
            }
            Returns::One(kind) => ExprType::one(kind),
            Returns::Many(kind) => ExprType { kind, multi_valued: true },
            Returns::Same(at) => types.get(at).copied().unwrap_or(ExprType::ANY),
            Returns::ItemOf(at) => {
                ExprType::one(types.get(at).map_or(Kind::Any, |found| found.kind))
            }
            Returns::Body => {
                let body = types.get(2).copied().unwrap_or(ExprType::ANY);
                // Select gives one value for each.
                let many = matches!(function.apply, Apply::Special(Special::Select));
                ExprType { kind: body.kind, multi_valued: body.multi_valued || many }
            }
            Returns::Among(first, step) => {
                let mut among = call.args.iter().zip(&types).skip(first).step_by(step);
                // A branch that gives nothing says nothing of the type.
                let mut found: Option<ExprType> = None;
                for (node, kind) in &mut among {
                    if !gives_nothing(node) {
                        found = Some(found.map_or(*kind, |found| found.or(*kind)));
                    }
                }
                let each = matches!(function.apply, Apply::Special(Special::Iif))
                    && types.first().is_some_and(|condition| condition.multi_valued);
                let found = found.unwrap_or(ExprType::one(Kind::Any));
                ExprType { kind: found.kind, multi_valued: found.multi_valued || each }
            }
        })
    }

    fn fits(&self, node: &Node, found: ExprType, want: Want, function: &str) -> Checked<()> {
        use Kind::{Any, Binary, Boolean, Date, Number, Reference, Text};
        let lenient = self.dialect == Dialect::Provisioning;
        let fits = match want {
            Want::Any | Want::List | Want::Scalar | Want::Variable => true,
            Want::Text
            | Want::OneOf(_)
            | Want::Culture
            | Want::Styles
            | Want::Pattern
            | Want::Name
            | Want::Word(_) => match found.kind {
                Text | Any => true,
                Number | Boolean | Date | Reference => lenient,
                _ => false,
            },
            Want::Number => matches!(found.kind, Number | Any) || (lenient && found.kind == Text),
            Want::Boolean => {
                matches!(found.kind, Boolean | Number | Any) || (lenient && found.kind == Text)
            }
            Want::Condition => matches!(found.kind, Boolean | Number | Text | Any),
            Want::Date => matches!(found.kind, Date | Any) || (lenient && found.kind == Text),
            Want::Binary => matches!(found.kind, Binary | Any),
            Want::Certificate => matches!(found.kind, Binary | Text | Any),
            Want::Reference => matches!(found.kind, Reference | Any),
        };
        if !fits {
            let message = format!("{function} wants {} here, this is {found}", want.describe());
            return self.refuse(node.span, message, converts(self.dialect, found.kind, want));
        }
        // A constant is read now, not once for each object.
        if let NodeKind::Text(text) = &node.kind {
            let wrong = match want {
                Want::Number => value::parse_number(text).is_none(),
                Want::Boolean => {
                    value::parse_boolean(text).is_none() && value::parse_number(text).is_none()
                }
                Want::Date => dotnet_date::parse_general(text).is_none(),
                _ => false,
            };
            if wrong {
                let message = format!("\"{text}\" is not {}", want.describe());
                return self.refuse(node.span, message, "");
            }
        }
        Ok(())
    }

    fn chain(&mut self, chain: &Chain) -> Checked<ExprType> {
        let mut left = self.node(&chain.first)?;
        let mut left_node = &chain.first;
        for (operator, right_node) in &chain.rest {
            let right = self.node(right_node)?;
            let multi_valued = left.multi_valued || right.multi_valued;
            let kind = match operator.level() {
                Level::Logical => {
                    for (node, found) in [(left_node, left), (right_node, right)] {
                        self.fits(node, found, Want::Condition, operator.sign())?;
                    }
                    Kind::Boolean
                }
                Level::Comparison => {
                    self.comparable(left, right, *operator, right_node)?;
                    Kind::Boolean
                }
                Level::Arithmetic if *operator == Operator::Concat => {
                    for (node, found) in [(left_node, left), (right_node, right)] {
                        let kind = match found.kind {
                            Kind::Number | Kind::Boolean | Kind::Reference => Kind::Text,
                            other => other,
                        };
                        self.fits(node, ExprType { kind, ..found }, Want::Text, "&")?;
                    }
                    Kind::Text
                }
                Level::Arithmetic => {
                    for (node, found) in [(left_node, left), (right_node, right)] {
                        self.fits(node, found, Want::Number, operator.sign())?;
                    }
                    Kind::Number
                }
            };
            left = ExprType { kind, multi_valued };
            left_node = right_node;
        }
        Ok(left)
    }

    fn comparable(
        &self,
        left: ExprType,
        right: ExprType,
        operator: Operator,
        node: &Node,
    ) -> Checked<()> {
        use Kind::{Any, Binary, Complex, Reference, Text};
        let (a, b) = (left.kind, right.kind);
        let orders = !matches!(operator, Operator::Equal | Operator::NotEqual);
        let fits = match (a, b) {
            (Complex, _) | (_, Complex) => false,
            (Any, _) | (_, Any) => true,
            (Binary, Binary) => !orders,
            (Binary, _) | (_, Binary) => false,
            (Text | Reference, Text | Reference) => true,
            _ => a == b || self.dialect == Dialect::Provisioning,
        };
        if fits {
            return Ok(());
        }
        let message = format!("`{}` cannot compare {a} with {b}", operator.sign());
        self.refuse(node.span, message, "convert one of the two")
    }
}

/// Whether a branch gives no value at all: NULL, IgnoreThisFlow, Error("...").
fn gives_nothing(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Empty => true,
        NodeKind::Literal(literal) => *literal != Literal::CrLf,
        NodeKind::Call(call) => call.function.name == "Error",
        _ => false,
    }
}

fn converts(dialect: Dialect, found: Kind, want: Want) -> &'static str {
    if dialect == Dialect::Provisioning {
        return match (found, want) {
            (Kind::Number, Want::Date) => "DateFromNum makes a date of a FILETIME",
            (Kind::Binary, _) => "ConvertToBase64 makes text of bytes",
            _ => "",
        };
    }
    match (found, want) {
        (Kind::Text, Want::Number) => "CNum makes a number of text",
        (Kind::Text, Want::Date) => "CDate makes a date of text",
        (Kind::Number, Want::Date) => "DateFromNum makes a date of a FILETIME",
        (Kind::Text, Want::Reference) => "CRef makes a reference of text",
        (Kind::Text, Want::Binary) => "CGuid makes bytes of the text of a GUID",
        (Kind::Binary, _) => "StringFromGuid, StringFromSid and ConvertToBase64 make text of bytes",
        (Kind::Date, Want::Text) => "FormatDateTime makes text of a date",
        (Kind::Date, Want::Number) => "NumFromDate makes a number of a date",
        (Kind::Number | Kind::Boolean | Kind::Reference, _) => "CStr makes text of it",
        _ => "",
    }
}

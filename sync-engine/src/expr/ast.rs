//! The parsed form of an expression, and its canonical text.

use std::fmt::{self, Write};
use std::sync::Arc;

use smol_str::SmolStr;

use super::Dialect;
use super::functions::Function;
use super::regex::{Pattern, Replacement};
use crate::AttributeName;

/// A stretch of the text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// One part of an expression. Equal nodes say the same thing, wherever they stand in a text.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: NodeKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// An argument left out: `Replace([a], , "x", , "", , )`.
    Empty,
    Text(SmolStr),
    Number {
        value: i64,
        hex: bool,
    },
    Boolean(bool),
    Literal(Literal),
    /// A word of an enumeration, such as `vbTextCompare`.
    Word(SmolStr),
    Attribute(AttributeName),
    Parameter(SmolStr),
    Variable(SmolStr),
    Call(Box<Call>),
    /// Operators of one level, worked from left to right.
    Chain(Box<Chain>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Literal {
    Null,
    AuthoritativeNull,
    IgnoreThisFlow,
    CrLf,
}

impl Literal {
    pub(crate) const ALL: [Self; 4] =
        [Self::Null, Self::AuthoritativeNull, Self::IgnoreThisFlow, Self::CrLf];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::AuthoritativeNull => "AuthoritativeNull",
            Self::IgnoreThisFlow => "IgnoreThisFlow",
            Self::CrLf => "CRLF",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: &'static Function,
    pub(crate) name_span: Span,
    pub(crate) args: Vec<Node>,
    /// What was worked out once when the expression was loaded.
    pub(crate) prepared: Prepared,
}

/// Constant arguments in the form the function uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) pattern: Option<Arc<Pattern>>,
    pub(crate) replacement: Option<Arc<Replacement>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) first: Node,
    pub(crate) rest: Vec<(Operator, Node)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    And,
    Or,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Concat,
}

/// How tightly an operator binds. Within a level everything is worked from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Logical,
    Comparison,
    Arithmetic,
}

impl Operator {
    /// Longer signs first, so that `<=` is not read as `<`.
    pub(crate) const ALL: [Self; 13] = [
        Self::And,
        Self::Or,
        Self::NotEqual,
        Self::LessOrEqual,
        Self::GreaterOrEqual,
        Self::Equal,
        Self::Less,
        Self::Greater,
        Self::Plus,
        Self::Minus,
        Self::Times,
        Self::Divide,
        Self::Concat,
    ];

    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Times => "*",
            Self::Divide => "/",
            Self::Concat => "&",
        }
    }

    pub(crate) fn level(self) -> Level {
        match self {
            Self::And | Self::Or => Level::Logical,
            Self::Equal
            | Self::NotEqual
            | Self::Less
            | Self::LessOrEqual
            | Self::Greater
            | Self::GreaterOrEqual => Level::Comparison,
            Self::Plus | Self::Minus | Self::Times | Self::Divide | Self::Concat => {
                Level::Arithmetic
            }
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

impl Eq for Node {}

impl PartialEq for NodeKind {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Empty, Self::Empty) => true,
            (Self::Text(a), Self::Text(b))
            | (Self::Word(a), Self::Word(b))
            | (Self::Parameter(a), Self::Parameter(b))
            | (Self::Variable(a), Self::Variable(b)) => a == b,
            (Self::Number { value: a, hex: ah }, Self::Number { value: b, hex: bh }) => {
                a == b && ah == bh
            }
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Literal(a), Self::Literal(b)) => a == b,
            (Self::Attribute(a), Self::Attribute(b)) => a == b,
            (Self::Call(a), Self::Call(b)) => {
                std::ptr::eq(a.function.name, b.function.name) && a.args == b.args
            }
            (Self::Chain(a), Self::Chain(b)) => a.first == b.first && a.rest == b.rest,
            _ => false,
        }
    }
}

impl Node {
    /// Calls `each` for this node and all within it, in the order of the text.
    pub(crate) fn walk<'n>(&'n self, each: &mut dyn FnMut(&'n Self)) {
        each(self);
        match &self.kind {
            NodeKind::Call(call) => call.args.iter().for_each(|arg| arg.walk(each)),
            NodeKind::Chain(chain) => {
                chain.first.walk(each);
                chain.rest.iter().for_each(|(_, node)| node.walk(each));
            }
            _ => {}
        }
    }

    /// Writes the canonical text: what [`super::Expression::parse`] reads as the same expression.
    pub(crate) fn write(&self, dialect: Dialect, out: &mut String) {
        match &self.kind {
            NodeKind::Empty => {}
            NodeKind::Text(text) => quote(text, dialect, out),
            NodeKind::Number { value, hex: true } => push(out, format_args!("&H{value:X}")),
            NodeKind::Number { value, hex: false } => push(out, format_args!("{value}")),
            NodeKind::Boolean(value) => out.push_str(if *value { "True" } else { "False" }),
            NodeKind::Literal(literal) => out.push_str(literal.name()),
            NodeKind::Word(word) => out.push_str(word),
            NodeKind::Attribute(name) => push(out, format_args!("[{name}]")),
            NodeKind::Parameter(name) => push(out, format_args!("%{name}%")),
            NodeKind::Variable(name) => push(out, format_args!("${name}")),
            NodeKind::Call(call) => {
                out.push_str(call.function.name);
                out.push('(');
                for (at, arg) in call.args.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    arg.write(dialect, out);
                }
                out.push(')');
            }
            NodeKind::Chain(chain) => {
                chain.first.write_operand(dialect, out);
                for (operator, node) in &chain.rest {
                    push(out, format_args!(" {} ", operator.sign()));
                    node.write_operand(dialect, out);
                }
            }
        }
    }

    fn write_operand(&self, dialect: Dialect, out: &mut String) {
        if matches!(self.kind, NodeKind::Chain(_)) {
            out.push('(');
            self.write(dialect, out);
            out.push(')');
        } else {
            self.write(dialect, out);
        }
    }
}

fn push(out: &mut String, args: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(args);
}

/// Writes `text` as a string constant of the dialect.
pub(crate) fn quote(text: &str, dialect: Dialect, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match (c, dialect) {
            ('"' | '\\', Dialect::Provisioning) => {
                out.push('\\');
                out.push(c);
            }
            ('"', Dialect::Connect) => out.push_str("\"\""),
            _ => out.push(c),
        }
    }
    out.push('"');
}

//! Names to functions, words and variables; what can be refused without a schema is refused here.

use std::sync::Arc;

use smol_str::SmolStr;

use super::Dialect;
use super::ast::{Call, Chain, Level, Literal, Node, NodeKind, Operator, Prepared, Span};
use super::error::ExprError;
use super::functions::{self, Apply, Function, Returns, Special, Want};
use super::parse::{Raw, RawKind};
use super::regex::{Pattern, Replacement};
use super::{culture, dotnet_date};
use crate::AttributeName;

pub(super) fn resolve(raw: Raw, dialect: Dialect, text: &Arc<str>) -> Result<Node, ExprError> {
    Resolver { dialect, text, scope: Vec::new() }.node(raw, Position::Top)
}

/// Where a node stands: the Provisioning dialect allows a comparison as a condition only.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Top,
    Condition,
    Inside,
}

struct Resolver<'t> {
    dialect: Dialect,
    text: &'t Arc<str>,
    scope: Vec<SmolStr>,
}

type Resolved<T> = Result<T, ExprError>;

impl Resolver<'_> {
    fn refuse<T>(
        &self,
        span: Span,
        message: impl Into<String>,
        mend: impl Into<String>,
    ) -> Resolved<T> {
        Err(ExprError::new(self.text, span, message, mend))
    }

    fn node(&mut self, raw: Raw, position: Position) -> Resolved<Node> {
        let span = raw.span;
        let connect = self.dialect == Dialect::Connect;
        let kind = match raw.kind {
            RawKind::Empty => NodeKind::Empty,
            RawKind::Text(text) => NodeKind::Text(text),
            RawKind::Number { value, hex } => NodeKind::Number { value, hex },
            RawKind::Attribute(name) => NodeKind::Attribute(AttributeName::new(name)),
            RawKind::Parameter(name) if connect => NodeKind::Parameter(name),
            RawKind::Parameter(_) => {
                return self.refuse(
                    span,
                    "parameters belong to the Connect dialect",
                    "write the value itself between quotes",
                );
            }
            RawKind::Variable(name) => self.variable(name, span)?,
            RawKind::Bare(name) => self.bare(name, span)?,
            RawKind::Call { name, name_span, args } => {
                self.call(&name, name_span, args, span, position)?
            }
            RawKind::Chain { first, rest } => self.chain(*first, rest, position)?,
        };
        Ok(Node { kind, span })
    }

    fn variable(&self, name: SmolStr, span: Span) -> Resolved<NodeKind> {
        if self.scope.contains(&name) {
            return Ok(NodeKind::Variable(name));
        }
        let mend = if self.dialect == Dialect::Connect {
            "With, Select and Where bring a variable in, as their first argument"
        } else {
            "variables belong to the Connect dialect"
        };
        self.refuse(span, format!("there is no variable ${name} here"), mend)
    }

    fn bare(&self, name: SmolStr, span: Span) -> Resolved<NodeKind> {
        match name.as_str() {
            "True" => return Ok(NodeKind::Boolean(true)),
            "False" => return Ok(NodeKind::Boolean(false)),
            _ => {}
        }
        let connect = self.dialect == Dialect::Connect;
        if let Some(literal) = Literal::ALL.into_iter().find(|literal| literal.name() == name)
            && (connect || literal == Literal::Null)
        {
            return Ok(NodeKind::Literal(literal));
        }
        if connect {
            let wrong_case = Literal::ALL.into_iter().map(Literal::name).chain(["True", "False"]);
            for right in wrong_case {
                if right.eq_ignore_ascii_case(&name) {
                    let message = format!("`{name}` is not written like this");
                    return self.refuse(span, message, format!("did you mean {right}?"));
                }
            }
            if self.scope.contains(&name) {
                return Ok(NodeKind::Variable(name));
            }
            return Ok(NodeKind::Attribute(AttributeName::new(name)));
        }
        self.refuse(
            span,
            format!("`{name}` alone means nothing"),
            format!("write [{name}] for an attribute, \"{name}\" for text"),
        )
    }

    fn chain(
        &mut self,
        first: Raw,
        rest: Vec<(Operator, Span, Raw)>,
        position: Position,
    ) -> Resolved<NodeKind> {
        if self.dialect == Dialect::Provisioning {
            for (at, (operator, sign, _)) in rest.iter().enumerate() {
                let mend = match operator.level() {
                    Level::Logical => "chain two IIF instead: the second inside of the first",
                    Level::Arithmetic if *operator == Operator::Concat => {
                        "join texts with Append or Join"
                    }
                    Level::Arithmetic => "this dialect does not calculate",
                    Level::Comparison if position == Position::Condition && at == 0 => continue,
                    Level::Comparison if at > 0 => "one condition compares two values",
                    Level::Comparison => {
                        "a comparison stands only as the condition of IIF or CBool"
                    }
                };
                let message = format!("`{}` cannot be used here", operator.sign());
                return self.refuse(*sign, message, mend);
            }
        }
        let first = self.node(first, Position::Inside)?;
        let mut resolved = Vec::with_capacity(rest.len());
        for (operator, _, raw) in rest {
            resolved.push((operator, self.node(raw, Position::Inside)?));
        }
        Ok(NodeKind::Chain(Box::new(Chain { first, rest: resolved })))
    }

    fn call(
        &mut self,
        name: &str,
        name_span: Span,
        raw_args: Vec<Raw>,
        span: Span,
        position: Position,
    ) -> Resolved<NodeKind> {
        let Some(function) = functions::find(self.dialect, name) else {
            return self.unknown_function(name, name_span);
        };
        if matches!(function.apply, Apply::Special(Special::SelectUnique))
            && position != Position::Top
        {
            return self.refuse(
                name_span,
                format!("{name} cannot stand inside of another function"),
                format!("make {name} the outermost function and nest the others in it"),
            );
        }
        self.count(function, &raw_args, span)?;
        let mut args = Vec::with_capacity(raw_args.len());
        let scoped = self.scope.len();
        for (at, raw) in raw_args.into_iter().enumerate() {
            let Some(param) = function.param(at) else { continue };
            let arg_span = raw.span;
            if matches!(raw.kind, RawKind::Empty) && param.required && at < function.least() {
                return self.refuse(
                    Span { start: arg_span.start, end: arg_span.end.max(arg_span.start + 1) },
                    format!("{name} needs a value for {}", param.name),
                    function.signature(),
                );
            }
            // The body sees the variable, the list it is taken from does not.
            let body = at == 2 && matches!(function.returns, Returns::Body | Returns::Same(1));
            let bind = body && function.params[0].want == Want::Variable;
            if bind && let Some(Node { kind: NodeKind::Variable(name), .. }) = args.first() {
                self.scope.push(SmolStr::clone(name));
            }
            let node = self.argument(raw, param.want)?;
            self.constant(&node, param.want)?;
            args.push(node);
        }
        self.scope.truncate(scoped);
        let prepared = self.prepare(function, &args)?;
        Ok(NodeKind::Call(Box::new(Call { function, name_span, args, prepared })))
    }

    fn argument(&mut self, raw: Raw, want: Want) -> Resolved<Node> {
        let span = raw.span;
        match (want, raw.kind) {
            (Want::Variable, RawKind::Variable(name) | RawKind::Bare(name)) => {
                Ok(Node { kind: NodeKind::Variable(name), span })
            }
            (Want::Variable, _) => self.refuse(span, "a variable is named here", "such as $item"),
            (Want::Word(words), RawKind::Bare(word) | RawKind::Text(word)) => {
                if words.contains(&word.as_str()) {
                    return Ok(Node { kind: NodeKind::Word(word), span });
                }
                let mend = format!("one of {}", words.join(", "));
                self.refuse(span, format!("`{word}` is not a word that can stand here"), mend)
            }
            (Want::Word(_), RawKind::Empty) => Ok(Node { kind: NodeKind::Empty, span }),
            (Want::Word(words), _) => {
                let mend = format!("one of {}", words.join(", "));
                self.refuse(span, "a word stands here, not an expression", mend)
            }
            (Want::Name, kind @ RawKind::Text(_)) => {
                self.node(Raw { kind, span }, Position::Inside)
            }
            (Want::Name, _) => {
                self.refuse(span, "the name is written as text", "such as \"proxyAddresses\"")
            }
            (Want::Condition, kind) => self.node(Raw { kind, span }, Position::Condition),
            (_, kind) => self.node(Raw { kind, span }, Position::Inside),
        }
    }

    fn unknown_function<T>(&self, name: &str, span: Span) -> Resolved<T> {
        let known: Vec<&str> = functions::all(self.dialect).map(|f| f.name).collect();
        let other = match self.dialect {
            Dialect::Provisioning => Dialect::Connect,
            Dialect::Connect => Dialect::Provisioning,
        };
        let mend = match nearest(name, known.iter().copied()) {
            Some(near) if near.eq_ignore_ascii_case(name) => {
                format!("names are case-sensitive: did you mean {near}?")
            }
            _ if functions::find(other, name).is_some() => {
                format!("it is a function of the {other} dialect")
            }
            Some(near) => format!("did you mean {near}?"),
            None => "docs/expressions.md lists the functions".to_owned(),
        };
        let message = format!("the {} dialect has no function `{name}`", self.dialect);
        self.refuse(span, message, mend)
    }

    fn count(&self, function: &Function, args: &[Raw], span: Span) -> Resolved<()> {
        let (least, most, got) = (function.least(), function.most(), args.len());
        let paired = match function.apply {
            Apply::Special(Special::SwitchKey | Special::SwitchCondition) => got.is_multiple_of(2),
            _ => true,
        };
        if got < least || got > most {
            let wanted = if most == usize::MAX {
                format!("at least {least}")
            } else if least == most {
                format!("{least}")
            } else {
                format!("{least} to {most}")
            };
            let message = format!("{} takes {wanted} arguments and gets {got}", function.name);
            // Too many: the first one too many; too few: the whole call.
            let span = args.get(most).map_or(span, |raw| Span {
                start: raw.span.start,
                end: raw.span.end.max(raw.span.start + 1),
            });
            return self.refuse(span, message, function.signature());
        }
        if !paired {
            let message = format!("{} takes an even number of arguments", function.name);
            return self.refuse(span, message, function.signature());
        }
        Ok(())
    }

    /// Holds a constant against what the parameter knows.
    fn constant(&self, node: &Node, want: Want) -> Resolved<()> {
        let NodeKind::Text(text) = &node.kind else { return Ok(()) };
        match want {
            Want::OneOf(words) if !words.contains(&text.as_str()) => self.refuse(
                node.span,
                format!("\"{text}\" is not known here"),
                format!("one of {}", words.join(", ")),
            ),
            Want::Culture => match culture::Culture::named(text) {
                Ok(_) => Ok(()),
                Err(sentence) => self.refuse(node.span, sentence, "such as tr-TR or en"),
            },
            Want::Styles => match dotnet_date::Styles::parse(text) {
                Ok(_) => Ok(()),
                Err(sentence) => self.refuse(node.span, sentence, "leave it empty for the usual"),
            },
            _ => Ok(()),
        }
    }

    /// Works out what does not change from object to object.
    fn prepare(&self, function: &Function, args: &[Node]) -> Resolved<Prepared> {
        let mut prepared = Prepared::default();
        let Some(at) = function.params.iter().position(|param| param.want == Want::Pattern) else {
            return Ok(prepared);
        };
        functions::replace_mode(args).map_err(|(argument, message, mend)| {
            let span = args.get(argument).map_or_else(Span::default, |node| node.span);
            ExprError::new(self.text, span, message, mend)
        })?;
        if let Some(Node { kind: NodeKind::Text(text), span }) = args.get(at) {
            let pattern = Pattern::new(text)
                .map_err(|sentence| ExprError::new(self.text, *span, sentence, ""))?;
            if let Some(Node { kind: NodeKind::Text(group), span }) = args.get(at + 1)
                && pattern.group(group).is_none()
            {
                let message = format!("the pattern has no group \"{group}\"");
                return self.refuse(*span, message, format!("name it: (?<{group}>...)"));
            }
            if let Some(Node { kind: NodeKind::Text(replacement), .. }) = args.get(at + 2) {
                let replacement = Replacement::new(replacement, &pattern);
                prepared.replacement = Some(Arc::new(replacement));
            }
            prepared.pattern = Some(Arc::new(pattern));
        }
        Ok(prepared)
    }
}

/// The name nearest to `name`: the same but for case, or within two changes.
pub(super) fn nearest<'n>(
    name: &str,
    known: impl Iterator<Item = &'n str> + Clone,
) -> Option<&'n str> {
    if let Some(same) = known.clone().find(|k| k.eq_ignore_ascii_case(name)) {
        return Some(same);
    }
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(far, candidate)| *far <= 2 && *far < candidate.len())
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.to_lowercase().chars().collect(), b.to_lowercase().chars().collect());
    if a.len().abs_diff(b.len()) > 2 || a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

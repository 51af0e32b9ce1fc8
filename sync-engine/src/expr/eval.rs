//! The evaluator: one walk over the tree for one object, within a fuel.

use std::borrow::Cow;

use smol_str::SmolStr;

use super::ast::{Call, Chain, Level, Literal, Node, NodeKind, Operator};
use super::context::{Context, Outcome};
use super::error::{EvalError, EvalErrorKind, Fault, Given};
use super::functions::{Apply, Args, Special};
use super::value::{self, Value};
use super::{Dialect, Expression, operators};
use crate::{AttributeName, AttributeValue};

/// The longest text or run of bytes that a function may make.
pub(crate) const MAX_MADE: usize = 1024 * 1024;

impl Expression {
    /// Works the expression out for one object.
    ///
    /// # Errors
    ///
    /// A value cannot be used where it stands, the fuel is used up, a result is too large, the expression raises an error
    /// of its own, or the context lacks something it asks for. Such an error concerns this object alone.
    pub fn evaluate(&self, cx: &Context<'_>) -> Result<Outcome, EvalError> {
        self.run(cx, self.root())
    }

    fn run(&self, cx: &Context<'_>, node: &Node) -> Result<Outcome, EvalError> {
        let mut env = Env {
            cx,
            dialect: self.inner.dialect,
            fuel: cx.fuel,
            redacted: false,
            variables: Vec::new(),
        };
        let value = env.eval(node).map_err(|fault| self.place(*fault, node))?;
        Ok(match value {
            Value::Null => Outcome::Null,
            Value::AuthoritativeNull => Outcome::AuthoritativeNull,
            Value::Ignore => Outcome::Ignore,
            values if env.redacted => Outcome::Redacted(values.into_values()),
            values => Outcome::Values(values.into_values()),
        })
    }

    fn place(&self, fault: Fault, node: &Node) -> EvalError {
        let mut message = fault.message;
        if let Some(value) = fault.value
            && !self.inner.redacts
        {
            message = format!("{message}: \"{value}\"");
        }
        EvalError::new(fault.kind, &self.inner.text, fault.span.unwrap_or(node.span), message)
    }

    /// The candidates of a `SelectUniqueValue` one by one, for an engine that asks the target itself; nothing where the
    /// expression is none. A rule that gives no value is passed over, and so is a value that was given before.
    #[must_use]
    pub fn candidates<'e>(&'e self, cx: &'e Context<'e>) -> Option<Candidates<'e>> {
        let rules = self.unique_rules()?;
        Some(Candidates { expression: self, cx, rules: rules.iter(), seen: Vec::new() })
    }
}

/// The candidates of a `SelectUniqueValue`, each worked out when it is asked for.
pub struct Candidates<'e> {
    expression: &'e Expression,
    cx: &'e Context<'e>,
    rules: std::slice::Iter<'e, Node>,
    seen: Vec<AttributeValue>,
}

impl Iterator for Candidates<'_> {
    type Item = Result<AttributeValue, EvalError>;

    fn next(&mut self) -> Option<Self::Item> {
        for rule in self.rules.by_ref() {
            let outcome = match self.expression.run(self.cx, rule) {
                Ok(outcome) => outcome,
                Err(error) => return Some(Err(error)),
            };
            match candidate(outcome.values()) {
                Ok(Some(value)) if !self.seen.contains(value) => {
                    self.seen.push(value.clone());
                    return Some(Ok(value.clone()));
                }
                Ok(_) => {}
                Err(fault) => return Some(Err(self.expression.place(*fault, rule))),
            }
        }
        None
    }
}

impl std::fmt::Debug for Candidates<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidates").field("left", &self.rules.len()).finish_non_exhaustive()
    }
}

/// The value to ask the target about; none where the rule gives nothing.
fn candidate(values: &[AttributeValue]) -> Given<Option<&AttributeValue>> {
    match values {
        [] => Ok(None),
        [AttributeValue::Text(text)] if text.is_empty() => Ok(None),
        [one] => Ok(Some(one)),
        many => Err(Fault::kind(format!("a rule gives one value and this gives {}", many.len()))),
    }
}

/// One evaluation under way.
pub(crate) struct Env<'a> {
    pub(crate) cx: &'a Context<'a>,
    pub(crate) dialect: Dialect,
    fuel: u64,
    pub(crate) redacted: bool,
    variables: Vec<(SmolStr, Value)>,
}

impl Env<'_> {
    /// Takes `amount` from the fuel.
    pub(crate) fn charge(&mut self, amount: usize) -> Given<()> {
        match self.fuel.checked_sub(amount as u64) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => {
                self.fuel = 0;
                Err(Fault::new(
                    EvalErrorKind::OutOfFuel,
                    "the evaluation takes more work than it may for one object",
                ))
            }
        }
    }

    /// Before so much is made: whether it may be, and its price.
    pub(crate) fn allow(&mut self, bytes: usize) -> Given<()> {
        if bytes > MAX_MADE {
            return Err(Fault::new(
                EvalErrorKind::TooLarge,
                format!("the value would be longer than {MAX_MADE} bytes"),
            ));
        }
        self.charge(bytes)
    }

    /// A text that was made.
    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> Given<Value> {
        let text = text.as_ref();
        self.allow(text.len())?;
        Ok(Value::text(text))
    }

    /// The next 64 random bits.
    pub(crate) fn random(&mut self) -> Given<u64> {
        self.charge(1)?;
        self.cx.random.next().ok_or_else(|| {
            Fault::new(EvalErrorKind::Missing, "there are no random numbers in this evaluation")
        })
    }

    /// A random number below `bound`, which is above 0.
    pub(crate) fn random_below(&mut self, bound: u64) -> Given<u64> {
        // The product's upper half: even to one part in 2^64 / bound, and always one draw.
        let product = u128::from(self.random()?) * u128::from(bound);
        Ok(u64::try_from(product >> 64).unwrap_or(0))
    }

    pub(crate) fn eval(&mut self, node: &Node) -> Given<Value> {
        self.charge(1).map_err(|fault| placed(fault, node, None))?;
        match &node.kind {
            NodeKind::Empty | NodeKind::Literal(Literal::Null) => Ok(Value::Null),
            NodeKind::Text(text) | NodeKind::Word(text) => {
                Ok(Value::One(AttributeValue::Text(text.clone())))
            }
            NodeKind::Number { value, .. } => Ok(Value::from(*value)),
            NodeKind::Boolean(value) => Ok(Value::from(*value)),
            NodeKind::Literal(Literal::AuthoritativeNull) => Ok(Value::AuthoritativeNull),
            NodeKind::Literal(Literal::IgnoreThisFlow) => Ok(Value::Ignore),
            NodeKind::Literal(Literal::CrLf) => Ok(Value::text("\r\n")),
            NodeKind::Attribute(name) => {
                self.attribute(name, false).map_err(|fault| placed(fault, node, None))
            }
            NodeKind::Parameter(name) => {
                let value = self.cx.parameters.and_then(|parameters| parameters.get(name));
                value.map(Value::text).ok_or_else(|| {
                    let message = format!("the parameter %{name}% has no value");
                    placed(Fault::new(EvalErrorKind::Missing, message), node, None)
                })
            }
            NodeKind::Variable(name) => {
                let bound = self.variables.iter().rev().find(|(bound, _)| bound == name);
                let value = bound.map(|(_, value)| value.clone());
                if let Some(value) = &value {
                    self.charge(value.values().len()).map_err(|fault| placed(fault, node, None))?;
                }
                value.ok_or_else(|| {
                    let message = format!("the variable ${name} is not bound");
                    placed(Fault::new(EvalErrorKind::Missing, message), node, None)
                })
            }
            NodeKind::Call(call) => {
                let result = match call.function.apply {
                    Apply::Plain(apply) => self.plain(call, apply),
                    Apply::Special(special) => self.special(call, special),
                };
                result.map_err(|fault| placed(fault, node, Some(call)))
            }
            NodeKind::Chain(chain) => self.chain(chain).map_err(|fault| placed(fault, node, None)),
        }
    }

    fn attribute(&mut self, name: &AttributeName, imported: bool) -> Given<Value> {
        let source = if imported {
            let missing = "there are no imported values in this evaluation";
            self.cx.imported.ok_or_else(|| Fault::new(EvalErrorKind::Missing, missing))?
        } else {
            self.cx.attributes
        };
        let values = source.get(name);
        self.charge(weight(&values))?;
        Ok(match values {
            Cow::Borrowed(values) => Value::from_slice(values),
            Cow::Owned(values) => Value::from_values(values),
        })
    }

    fn chain(&mut self, chain: &Chain) -> Given<Value> {
        let mut left = self.eval(&chain.first)?;
        for (operator, node) in &chain.rest {
            // What is decided asks no more; the rest of the chain still follows, from left to right.
            if operator.level() == Level::Logical
                && let Value::One(value) = &left
                && value::to_boolean(value)? == (*operator == Operator::Or)
            {
                left = Value::from(*operator == Operator::Or);
                continue;
            }
            let right = self.eval(node)?;
            left = operators::apply(self, *operator, &left, &right)?;
        }
        Ok(left)
    }

    fn plain(
        &mut self,
        call: &Call,
        apply: fn(&mut Env<'_>, &Args<'_>) -> Given<Value>,
    ) -> Given<Value> {
        let mut values = Vec::with_capacity(call.args.len());
        let mut count: Option<usize> = None;
        for (at, arg) in call.args.iter().enumerate() {
            let value = self.eval(arg)?;
            match &value {
                // What is to be left alone is left alone, whatever stands around it.
                Value::Ignore => return Ok(Value::Ignore),
                Value::Many(many) if call.function.param(at).is_some_and(|p| p.want.each()) => {
                    if count.is_some_and(|count| count != many.len()) {
                        return Err(Fault::kind(
                            "two arguments have several values, and not the same number of them",
                        )
                        .at(at));
                    }
                    count = Some(many.len());
                }
                _ => {}
            }
            values.push(value);
        }
        let Some(count) = count else { return apply(self, &Args { values: &values, call }) };
        // Several values: the function is applied to each of them.
        let mut out = Vec::with_capacity(count);
        let mut row: Vec<Value> = values.clone();
        for at in 0..count {
            self.charge(1)?;
            for (column, value) in values.iter().enumerate() {
                if let Value::Many(many) = value
                    && call.function.param(column).is_some_and(|p| p.want.each())
                    && let Some(one) = many.get(at)
                {
                    row[column] = Value::One(one.clone());
                }
            }
            match apply(self, &Args { values: &row, call })? {
                Value::Ignore => return Ok(Value::Ignore),
                value => out.extend(value.into_values()),
            }
        }
        Ok(Value::from_values(out))
    }

    fn special(&mut self, call: &Call, special: Special) -> Given<Value> {
        match special {
            Special::Iif => self.iif(call),
            Special::SwitchKey => self.switch_key(call),
            Special::SwitchCondition => self.switch_condition(call),
            Special::Coalesce => {
                for arg in &call.args {
                    let value = self.eval(arg)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                Ok(Value::Null)
            }
            Special::Select | Special::Where => self.each(call, special),
            Special::With => {
                let value = self.arg(call, 1)?;
                self.bound(call, value, |env| env.arg(call, 2))
            }
            Special::ImportedValue => match call.args.first().map(|arg| &arg.kind) {
                Some(NodeKind::Text(name)) => self.attribute(&AttributeName::new(name), true),
                _ => Ok(Value::Null),
            },
            Special::Contains => self.contains(call),
            Special::SelectUnique => self.select_unique(call),
        }
    }

    fn arg(&mut self, call: &Call, at: usize) -> Given<Value> {
        call.args.get(at).map_or(Ok(Value::Null), |arg| self.eval(arg))
    }

    fn truth(&mut self, value: &Value, at: usize) -> Given<bool> {
        match value {
            Value::One(value) => value::to_boolean(value).map_err(|fault| fault.at(at)),
            Value::Many(_) => Err(Fault::kind("a condition has one value").at(at)),
            Value::Null | Value::AuthoritativeNull | Value::Ignore => Ok(false),
        }
    }

    fn iif(&mut self, call: &Call) -> Given<Value> {
        let condition = self.arg(call, 0)?;
        let Value::Many(conditions) = condition else {
            let branch = if self.truth(&condition, 0)? { 1 } else { 2 };
            return self.arg(call, branch);
        };
        // One answer for each value: each takes its own from the branch.
        let branches = [self.arg(call, 1)?, self.arg(call, 2)?];
        let mut out = Vec::with_capacity(conditions.len());
        for (at, condition) in conditions.iter().enumerate() {
            self.charge(1)?;
            let argument = if value::to_boolean(condition)? { 1 } else { 2 };
            match &branches[argument - 1] {
                Value::Ignore => return Ok(Value::Ignore),
                Value::Null | Value::AuthoritativeNull => {}
                Value::One(value) => out.push(value.clone()),
                Value::Many(values) if values.len() == conditions.len() => {
                    out.extend(values.get(at).cloned());
                }
                Value::Many(values) => {
                    return Err(Fault::kind(format!(
                        "the condition has {} values and this branch {}",
                        conditions.len(),
                        values.len()
                    ))
                    .at(argument));
                }
            }
        }
        Ok(Value::from_values(out))
    }

    /// `Switch(source, default, key1, value1, ...)`.
    fn switch_key(&mut self, call: &Call) -> Given<Value> {
        let source = self.arg(call, 0)?;
        if matches!(source, Value::Ignore) {
            return Ok(Value::Ignore);
        }
        let source_text = one_text(&source, 0)?;
        for at in (2..call.args.len()).step_by(2) {
            let key = self.arg(call, at)?;
            if one_text(&key, at)? == source_text {
                return self.arg(call, at + 1);
            }
        }
        self.arg(call, 1)
    }

    /// `Switch(condition1, value1, ...)`: every condition is worked out, as documented, and only the value that is taken.
    fn switch_condition(&mut self, call: &Call) -> Given<Value> {
        let mut taken = None;
        for at in (0..call.args.len()).step_by(2) {
            let condition = self.arg(call, at)?;
            if self.truth(&condition, at)? && taken.is_none() {
                taken = Some(at + 1);
            }
        }
        taken.map_or(Ok(Value::Null), |at| self.arg(call, at))
    }

    fn bound(
        &mut self,
        call: &Call,
        value: Value,
        body: impl FnOnce(&mut Self) -> Given<Value>,
    ) -> Given<Value> {
        let Some(NodeKind::Variable(name)) = call.args.first().map(|arg| &arg.kind) else {
            return body(self);
        };
        self.variables.push((name.clone(), value));
        let result = body(self);
        self.variables.pop();
        result
    }

    /// `Select` and `Where`.
    fn each(&mut self, call: &Call, special: Special) -> Given<Value> {
        let source = self.arg(call, 1)?;
        if matches!(source, Value::Ignore) {
            return Ok(Value::Ignore);
        }
        let mut out = Vec::new();
        for item in source.into_values() {
            let result = self.bound(call, Value::One(item.clone()), |env| env.arg(call, 2))?;
            if special == Special::Where {
                if self.truth(&result, 2)? {
                    out.push(item);
                }
            } else if matches!(result, Value::Ignore) {
                return Ok(Value::Ignore);
            } else {
                out.extend(result.into_values());
            }
        }
        Ok(Value::from_values(out))
    }

    /// `Contains`: part of a text, but the whole of a reference.
    fn contains(&mut self, call: &Call) -> Given<Value> {
        let Some(source) = call.args.first() else { return Ok(Value::from(0)) };
        let whole = match &source.kind {
            NodeKind::Attribute(name) => self.cx.attributes.is_reference(name),
            NodeKind::Call(inner) => match (inner.function.name, &inner.args.first()) {
                ("CRef", _) => true,
                ("ImportedValue", Some(Node { kind: NodeKind::Text(name), .. })) => self
                    .cx
                    .imported
                    .is_some_and(|source| source.is_reference(&AttributeName::new(name))),
                _ => false,
            },
            _ => false,
        };
        let values = self.arg(call, 0)?;
        let search = self.arg(call, 1)?;
        let search = one_text(&search, 1)?.unwrap_or_default().into_owned();
        let insensitive = matches!(
            call.args.get(2).map(|arg| &arg.kind),
            Some(NodeKind::Word(word)) if word == "CaseInsensitive"
        );
        let fold = |text: &str| if insensitive { text.to_lowercase() } else { text.to_owned() };
        let search = fold(&search);
        for (at, value) in values.values().iter().enumerate() {
            let text = value::to_text(value).map_err(|fault| fault.at(0))?;
            self.charge(text.len())?;
            let text = fold(&text);
            if if whole { text == search } else { text.contains(&search) } {
                return Ok(Value::from(at as i64 + 1));
            }
        }
        Ok(Value::from(0))
    }

    fn select_unique(&mut self, call: &Call) -> Given<Value> {
        let Some(probe) = self.cx.unique else {
            return Err(Fault::new(
                EvalErrorKind::Missing,
                "there is no target to ask which value is free",
            ));
        };
        let mut tried = 0_usize;
        for (at, rule) in call.args.iter().enumerate() {
            let value = self.eval(rule)?;
            if matches!(value, Value::Ignore) {
                return Ok(Value::Ignore);
            }
            let Some(value) = candidate(value.values()).map_err(|fault| fault.at(at))? else {
                continue;
            };
            tried += 1;
            let taken = probe.is_taken(value).map_err(|sentence| {
                let message = format!("the target could not be asked: {sentence}");
                Fault::new(EvalErrorKind::Missing, message).at(at)
            })?;
            if !taken {
                return Ok(Value::One(value.clone()));
            }
        }
        if tried == 0 {
            return Ok(Value::Null);
        }
        let message = format!("every one of the {tried} candidates is taken in the target");
        Err(Fault::new(EvalErrorKind::AllTaken, message))
    }
}

/// What taking a copy of values costs: texts are shared, bytes are not.
fn weight(values: &[AttributeValue]) -> usize {
    let extra = |value: &AttributeValue| match value {
        AttributeValue::Binary(bytes) => bytes.len() / 64,
        AttributeValue::Complex(parts) => parts.len(),
        _ => 0,
    };
    values.iter().map(|value| 1 + extra(value)).sum()
}

/// The text of a single value, nothing and the empty text being the same.
fn one_text(value: &Value, at: usize) -> Given<Option<Cow<'_, str>>> {
    match value {
        Value::One(value) => {
            let text = value::to_text(value).map_err(|fault| fault.at(at))?;
            Ok(Some(text).filter(|text| !text.is_empty()))
        }
        Value::Many(values) => {
            let message = format!("one value is needed here and there are {}", values.len());
            Err(Fault::kind(message).at(at))
        }
        Value::Null | Value::AuthoritativeNull | Value::Ignore => Ok(None),
    }
}

/// The fault with its place: the argument concerned, the call, or the node. The innermost was there first.
fn placed(mut fault: Box<Fault>, node: &Node, call: Option<&Call>) -> Box<Fault> {
    if fault.span.is_none() {
        let argument = call.and_then(|call| call.args.get(fault.argument?));
        let call_name = call.map(|call| call.name_span);
        fault.span = Some(argument.map_or(call_name.unwrap_or(node.span), |arg| arg.span));
    }
    fault
}

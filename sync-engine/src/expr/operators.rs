//! What the operators do.

use std::cmp::Ordering;

use super::Dialect;
use super::ast::Operator;
use super::error::{Fault, Given};
use super::eval::Env;
use super::value::{self, Value};
use crate::AttributeValue;

/// Applies `operator`, to each value where a side has several.
pub(super) fn apply(
    env: &mut Env<'_>,
    operator: Operator,
    left: &Value,
    right: &Value,
) -> Given<Value> {
    if matches!(left, Value::Ignore) || matches!(right, Value::Ignore) {
        return Ok(Value::Ignore);
    }
    let count = match (left, right) {
        (Value::Many(a), Value::Many(b)) if a.len() != b.len() => {
            return Err(Fault::kind(format!(
                "`{}` has {} values on its left and {} on its right",
                operator.sign(),
                a.len(),
                b.len()
            )));
        }
        (Value::Many(values), _) | (_, Value::Many(values)) => values.len(),
        _ => return one(env, operator, left.values().first(), right.values().first()),
    };
    let side = |value: &'_ Value, at: usize| match value {
        Value::Many(values) => values.get(at).cloned(),
        other => other.values().first().cloned(),
    };
    let mut out = Vec::with_capacity(count);
    for at in 0..count {
        env.charge(1)?;
        let (a, b) = (side(left, at), side(right, at));
        out.extend(one(env, operator, a.as_ref(), b.as_ref())?.into_values());
    }
    Ok(Value::from_values(out))
}

fn one(
    env: &mut Env<'_>,
    operator: Operator,
    left: Option<&AttributeValue>,
    right: Option<&AttributeValue>,
) -> Given<Value> {
    let truth = |side: Option<&AttributeValue>| side.map_or(Ok(false), value::to_boolean);
    match operator {
        Operator::And => Ok(Value::from(truth(left)? & truth(right)?)),
        Operator::Or => Ok(Value::from(truth(left)? | truth(right)?)),
        Operator::Concat => {
            let mut text = String::new();
            for side in [left, right].into_iter().flatten() {
                text.push_str(&value::to_text(side)?);
            }
            env.text(text)
        }
        Operator::Plus | Operator::Minus | Operator::Times | Operator::Divide => {
            let (Some(left), Some(right)) = (left, right) else { return Ok(Value::Null) };
            calculate(operator, value::to_number(left)?, value::to_number(right)?)
        }
        _ => {
            let (left, right) = match env.dialect {
                Dialect::Connect => (left, right),
                // A condition over an absent or empty attribute fails, as documented for IIF.
                Dialect::Provisioning => (present(left), present(right)),
            };
            compare(env.dialect, operator, left, right).map(Value::from)
        }
    }
}

fn present(side: Option<&AttributeValue>) -> Option<&AttributeValue> {
    side.filter(|value| !matches!(value, AttributeValue::Text(text) if text.is_empty()))
}

fn calculate(operator: Operator, left: i64, right: i64) -> Given<Value> {
    let result = match operator {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        _ if right == 0 => return Err(Fault::value("a division by zero")),
        _ => left.checked_div(right),
    };
    result.map(Value::from).ok_or_else(|| Fault::value("the result has more than 64 bits"))
}

fn compare(
    dialect: Dialect,
    operator: Operator,
    left: Option<&AttributeValue>,
    right: Option<&AttributeValue>,
) -> Given<bool> {
    let (left, right) = match (left, right) {
        (Some(left), Some(right)) => (left, right),
        // Null equals null and nothing else; a condition of the Provisioning dialect it fails altogether.
        (None, None) if dialect == Dialect::Connect => return Ok(operator == Operator::Equal),
        _ => return Ok(dialect == Dialect::Connect && operator == Operator::NotEqual),
    };
    let order = order(left, right)?;
    Ok(match operator {
        Operator::Equal => order == Ordering::Equal,
        Operator::NotEqual => order != Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    })
}

/// Texts by their code points; a text beside another kind is read as that kind where it can be.
fn order(left: &AttributeValue, right: &AttributeValue) -> Given<Ordering> {
    use AttributeValue::{Binary, Boolean, Complex, DateTime, Integer, Text};
    Ok(match (left, right) {
        (Text(a), Text(b)) => a.cmp(b),
        (Integer(a), Integer(b)) => a.cmp(b),
        (Boolean(a), Boolean(b)) => a.cmp(b),
        (DateTime(a), DateTime(b)) => a.cmp(b),
        (Binary(a), Binary(b)) => a.cmp(b),
        (Complex(_) | Binary(_), other) | (other, Complex(_) | Binary(_)) => {
            let message =
                format!("bytes or parts cannot be compared with {}", value::name_of(other));
            return Err(Fault::kind(message));
        }
        (Integer(_), _) | (_, Integer(_)) => {
            match (value::to_number(left), value::to_number(right)) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => value::to_text(left)?.cmp(&value::to_text(right)?),
            }
        }
        (Boolean(_), _) | (_, Boolean(_)) => {
            match (value::to_boolean(left), value::to_boolean(right)) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                _ => value::to_text(left)?.cmp(&value::to_text(right)?),
            }
        }
        (DateTime(_), _) | (_, DateTime(_)) => value::to_date(left)?.cmp(&value::to_date(right)?),
    })
}

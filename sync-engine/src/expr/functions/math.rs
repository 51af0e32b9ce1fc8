//! Bits.

use super::Returns::Each;
use super::Want::Number;
use super::{Apply, Args, Function, req};
use crate::expr::error::Given;
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::Value;

const BIT_AND: Function = Function {
    name: "BitAnd",
    params: &[req("value1", Number), req("value2", Number)],
    repeat: 0,
    returns: Each(Kind::Number),
    apply: Apply::Plain(bit_and),
    summary: "The bits that are set in both.",
    examples: &[
        ("BitAnd(&HF, &HF7)", "7"),
        ("BitAnd([userAccountControl], 2)", "2"),
        ("BitAnd([country], 2)", "NULL"),
    ],
};

pub(super) const PROVISIONING: &[Function] = &[BIT_AND];

pub(super) const CONNECT: &[Function] = &[
    BIT_AND,
    Function {
        name: "BitOr",
        params: &[req("value1", Number), req("value2", Number)],
        repeat: 0,
        returns: Each(Kind::Number),
        apply: Apply::Plain(bit_or),
        summary: "The bits that are set in one or both.",
        examples: &[("BitOr(5, 2)", "7")],
    },
];

fn bit_and(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(args.number(0)?.zip(args.number(1)?).map_or(Value::Null, |(a, b)| Value::from(a & b)))
}

fn bit_or(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(args.number(0)?.zip(args.number(1)?).map_or(Value::Null, |(a, b)| Value::from(a | b)))
}

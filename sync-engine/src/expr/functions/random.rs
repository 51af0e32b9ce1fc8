//! What the context's source of random numbers gives.

use super::Returns::One;
use super::Want::{Number, Text};
use super::convert::guid_text;
use super::{Apply, Args, Function, opt, req};
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::Value;

/// The longest random string.
const LONGEST: i64 = 256;

const NUMBERS: &str = "0123456789";
const SPECIAL: &str = "~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/";
const CAPITALS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const SMALL: &str = "abcdefghijklmnopqrstuvwxyz";

const GUID: Function = Function {
    name: "Guid",
    params: &[],
    repeat: 0,
    returns: One(Kind::Text),
    apply: Apply::Plain(guid),
    summary: "A new random GUID.",
    examples: &[("Guid()", "(random)")],
};

pub(super) const PROVISIONING: &[Function] = &[
    GUID,
    Function {
        name: "RandomString",
        params: &[
            req("length", Number),
            req("minimumNumbers", Number),
            req("minimumSpecialCharacters", Number),
            req("minimumCapital", Number),
            req("minimumLowerCase", Number),
            opt("charactersToAvoid", Text),
        ],
        repeat: 0,
        returns: One(Kind::Text),
        apply: Apply::Plain(random_string),
        summary: "So many characters, at most 256, with at least so many of each class. Those beyond the least are of the classes \
                  that have one; where none has, letters and numbers.",
        examples: &[
            ("RandomString(6, 3, 0, 0, 3)", "(random)"),
            (r#"RandomString(10, 2, 2, 2, 1, "?,")"#, "(random)"),
        ],
    },
];

pub(super) const CONNECT: &[Function] = &[
    GUID,
    Function {
        name: "RandomNum",
        params: &[req("start", Number), req("end", Number)],
        repeat: 0,
        returns: One(Kind::Number),
        apply: Apply::Plain(random_num),
        summary: "A random number from start to end, both included.",
        examples: &[("RandomNum(100, 999)", "(random)"), ("RandomNum(7, 7)", "7")],
    },
];

fn guid(env: &mut Env<'_>, _: &Args<'_>) -> Given<Value> {
    let bits = u128::from(env.random()?) << 64 | u128::from(env.random()?);
    let mut bytes = bits.to_be_bytes();
    // RFC 9562: version 4, variant 10.
    bytes[6] = bytes[6] & 0x0F | 0x40;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    Ok(Value::text(guid_text(bytes)))
}

fn random_num(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let (start, end) = (args.need_number(0)?, args.need_number(1)?);
    if end < start {
        return Err(Fault::value("the end lies before the start").at(1));
    }
    // The whole range of 64 bits has one value more than fits.
    let Some(count) = end.wrapping_sub(start).cast_unsigned().checked_add(1) else {
        return Ok(Value::from(env.random()?.cast_signed()));
    };
    let offset = env.random_below(count)?;
    Ok(Value::from(start.wrapping_add(offset.cast_signed())))
}

fn random_string(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let length = args.need_number(0)?;
    if !(0..=LONGEST).contains(&length) {
        return Err(Fault::value(format!("the length is at most {LONGEST}")).at(0));
    }
    let avoid = args.text_or_empty(5)?;
    let mut text: Vec<char> = Vec::new();
    let mut rest: Vec<char> = Vec::new();
    let mut least = 0_i64;
    for (at, class) in [(1, NUMBERS), (2, SPECIAL), (3, CAPITALS), (4, SMALL)] {
        let minimum = args.need_number(at)?;
        if minimum < 0 {
            return Err(Fault::value("a least number is not negative").at(at));
        }
        least = least.saturating_add(minimum);
        if least > length {
            return Err(Fault::value("the least numbers together exceed the length").at(at));
        }
        let class: Vec<char> = class.chars().filter(|c| !avoid.contains(*c)).collect();
        if minimum > 0 {
            if class.is_empty() {
                return Err(Fault::value("all characters of a class are to be avoided").at(5));
            }
            for _ in 0..minimum {
                text.push(pick(env, &class)?);
            }
            rest.extend(class);
        }
    }
    if rest.is_empty() {
        let all = [NUMBERS, CAPITALS, SMALL].concat();
        rest = all.chars().filter(|c| !avoid.contains(*c)).collect();
    }
    for _ in least..length {
        if rest.is_empty() {
            return Err(Fault::value("all characters are to be avoided").at(5));
        }
        text.push(pick(env, &rest)?);
    }
    // Fisher-Yates: no class has its place.
    for at in (1..text.len()).rev() {
        let other = env.random_below(at as u64 + 1)?;
        text.swap(at, usize::try_from(other).unwrap_or(at));
    }
    env.text(text.into_iter().collect::<String>())
}

fn pick(env: &mut Env<'_>, from: &[char]) -> Given<char> {
    let at = usize::try_from(env.random_below(from.len() as u64)?).unwrap_or(0);
    from.get(at).copied().ok_or_else(|| Fault::value("there is nothing to pick from"))
}

//! `Replace` of the Provisioning dialect: five functions under one name, told apart by the arguments that are present.

use std::borrow::Cow;
use std::sync::Arc;

use super::Returns::Each;
use super::Want::{Pattern as PatternText, Text};
use super::text::replaced;
use super::{Apply, Args, Function, opt, req};
use crate::expr::ast::{Node, NodeKind};
use crate::expr::error::{EvalErrorKind, Fault, Given};
use crate::expr::eval::{Env, MAX_MADE};
use crate::expr::regex::{Pattern, Replacement};
use crate::expr::types::Kind;
use crate::expr::value::Value;

const OLD: usize = 1;
const PATTERN: usize = 2;
const GROUP: usize = 3;
const VALUE: usize = 4;
const ATTRIBUTE: usize = 5;
const TEMPLATE: usize = 6;

/// What compiling one byte of a pattern costs, where the pattern changes from object to object.
const COMPILE_PRICE: usize = 200;

pub(super) const PROVISIONING: &[Function] = &[Function {
    name: "Replace",
    params: &[
        req("source", Text),
        opt("oldValue", Text),
        opt("regexPattern", PatternText),
        opt("regexGroupName", Text),
        opt("replacementValue", Text),
        opt("replacementAttributeName", Text),
        opt("template", Text),
    ],
    repeat: 0,
    returns: Each(Kind::Text),
    apply: Apply::Plain(replace),
    summary: "By the arguments present: oldValue by replacementValue; oldValue within template by the source; the matches of \
              a pattern, or of one group of it, by replacementValue; or, where the source is empty, the group's match \
              in the replacement attribute. Case-sensitive; `${name}` in a replacement is a group.",
    examples: &[
        (
            r#"Replace("Product Developer", "Product Developer", , , "Software Engineer", , )"#,
            r#""Software Engineer""#,
        ),
        (
            r#"Replace("jsmith", "<username>", , , , , "<username>@contoso.com")"#,
            r#""jsmith@contoso.com""#,
        ),
        (
            r#"Replace("+91 9998887777", , "\\+(?<isdCode>\\d* )(?<phoneNumber>\\d{10})", , "${phoneNumber}", , )"#,
            r#""9998887777""#,
        ),
        (r#"Replace("+1 (999) 888-7777", , "[()\\s-]+", , "", , )"#, r#""+19998887777""#),
        (
            r#"Replace("545 Tremont Street", , "(?<streetNumber>^\\d*)", "streetNumber", "888", , )"#,
            r#""888 Tremont Street""#,
        ),
        (r#"Replace([mail], , "(?<Suffix>@(.)*)", "Suffix", "", , )"#, r#""zoe.smith""#),
        (
            r#"Replace([department], , "\\+(?<isdCode>\\d* )(?<phoneNumber>\\d{10})", "phoneNumber", , [mobile], )"#,
            r#""8887779999""#,
        ),
        (r#"Replace("john_doe72", , "[a-zA-Z_]*", , "", , )"#, r#""72""#),
        (r#"Replace([mail], "@contoso.com", , , "", ,)"#, r#""zoe.smith""#),
    ],
}];

/// Which of the five it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Plain,
    Template,
    Pattern,
    Group,
    Attribute,
}

/// The mode by the arguments present.
///
/// # Errors
///
/// The argument that does not fit, a sentence, and what to do.
pub(crate) fn mode(args: &[Node]) -> Result<Mode, (usize, String, String)> {
    let given = |at: usize| args.get(at).is_some_and(|node| !matches!(node.kind, NodeKind::Empty));
    let present: Vec<usize> = (OLD..=TEMPLATE).filter(|at| given(*at)).collect();
    match present.as_slice() {
        [OLD, VALUE] => Ok(Mode::Plain),
        [OLD, TEMPLATE] => Ok(Mode::Template),
        [PATTERN, VALUE] => Ok(Mode::Pattern),
        [PATTERN, GROUP, VALUE] => Ok(Mode::Group),
        [PATTERN, GROUP, ATTRIBUTE] => Ok(Mode::Attribute),
        other => Err((
            other.first().copied().unwrap_or(0),
            "these arguments of Replace do not go together".to_owned(),
            "oldValue with replacementValue or template; regexPattern with replacementValue, with regexGroupName and \
             replacementValue, or with regexGroupName and replacementAttributeName"
                .to_owned(),
        )),
    }
}

fn replace(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let mode = mode(&args.call.args).map_err(|(at, message, _)| Fault::value(message).at(at))?;
    let source = args.text(0)?;
    if mode == Mode::Attribute {
        if let Some(source) = source.filter(|source| !source.is_empty()) {
            return env.text(source);
        }
        let Some(other) = args.text(ATTRIBUTE)? else { return Ok(Value::Null) };
        let pattern = pattern(env, args)?;
        let group = group(args, &pattern)?;
        env.charge(other.len())?;
        return Ok(pattern.extract(&other, group).map_or(Value::Null, Value::text));
    }
    let Some(source) = source else { return Ok(Value::Null) };
    let value = args.text_or_empty(VALUE)?;
    let (old, template) = (args.text_or_empty(OLD)?, args.text_or_empty(TEMPLATE)?);
    match mode {
        Mode::Plain => return replaced(env, &source, &old, &value),
        Mode::Template => return replaced(env, &template, &old, &source),
        _ => {}
    }
    let pattern = pattern(env, args)?;
    env.charge(source.len())?;
    let paid = &mut |work: usize, made: usize| {
        env.charge(work)?;
        if made <= MAX_MADE {
            return Ok(());
        }
        let message = format!("the value would be longer than {MAX_MADE} bytes");
        Err(Fault::new(EvalErrorKind::TooLarge, message))
    };
    let made = if mode == Mode::Group {
        pattern.replace_group(&source, group(args, &pattern)?, &value, paid)?
    } else {
        let prepared = args.call.prepared.replacement.clone();
        let replacement = prepared.unwrap_or_else(|| Arc::new(Replacement::new(&value, &pattern)));
        pattern.replace(&source, &replacement, MAX_MADE, paid)?
    };
    env.text(made)
}

fn pattern(env: &mut Env<'_>, args: &Args<'_>) -> Given<Arc<Pattern>> {
    if let Some(prepared) = &args.call.prepared.pattern {
        return Ok(Arc::clone(prepared));
    }
    let text: Cow<'_, str> = args.text_or_empty(PATTERN)?;
    env.charge(text.len().saturating_add(20).saturating_mul(COMPILE_PRICE))?;
    let compiled = Pattern::new(&text);
    compiled.map(Arc::new).map_err(|sentence| Fault::value(sentence).at(PATTERN))
}

fn group(args: &Args<'_>, pattern: &Pattern) -> Given<usize> {
    let name = args.text_or_empty(GROUP)?;
    pattern
        .group(&name)
        .ok_or_else(|| Fault::value("the pattern has no group of that name").about(&name).at(GROUP))
}

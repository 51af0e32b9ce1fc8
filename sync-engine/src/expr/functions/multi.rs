//! Several values.

use std::collections::{BTreeMap, BTreeSet};

use super::Returns::{ItemOf, Many, One, Same};
use super::Want::{Any, List, Number, Text, Word};
use super::{Apply, Args, Function, Special, opt, req};
use crate::expr::error::{Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::{self, Value};
use crate::{AttributeName, AttributeValue};

const COUNT: Function = Function {
    name: "Count",
    params: &[req("attribute", List)],
    repeat: 0,
    returns: One(Kind::Number),
    apply: Apply::Plain(count),
    summary: "How many values there are; 0 where the attribute is absent.",
    examples: &[("Count([proxyAddresses])", "2"), ("Count([country])", "0")],
};

const REMOVE_DUPLICATES: Function = Function {
    name: "RemoveDuplicates",
    params: &[req("attribute", List)],
    repeat: 0,
    returns: Same(0),
    apply: Apply::Plain(remove_duplicates),
    summary: "Each value once, where it stood first. Values that differ by case are different.",
    examples: &[
        (r#"RemoveDuplicates(Split("a,b,a,A", ","))"#, r#"["a", "b", "A"]"#),
        ("RemoveDuplicates([country])", "NULL"),
    ],
};

pub(super) const PROVISIONING: &[Function] = &[
    Function {
        name: "AppRoleAssignmentsComplex",
        params: &[req("appRoleAssignments", List)],
        repeat: 0,
        returns: Many(Kind::Complex),
        apply: Apply::Plain(app_roles),
        summary: "Each role assignment as a value with the parts value, display, type and primary.",
        examples: &[(
            "AppRoleAssignmentsComplex([appRoleAssignments])",
            r#"{display: "Admin", primary: False, type: "WindowsAADRole", value: "admin"}"#,
        )],
    },
    COUNT,
    Function {
        name: "Item",
        params: &[req("attribute", List), req("index", Number)],
        repeat: 0,
        returns: ItemOf(0),
        apply: Apply::Plain(item_or_null_from_one),
        summary: "The nth value, from 1; null beyond the last.",
        examples: &[
            ("Item([proxyAddresses], 1)", r#""SMTP:zoe.smith@contoso.com""#),
            ("Item([proxyAddresses], 3)", "NULL"),
        ],
    },
    Function {
        name: "Join",
        params: &[req("separator", Text), req("source", Any)],
        repeat: 1,
        returns: One(Kind::Text),
        apply: Apply::Plain(join_sources),
        summary: "All values in one text, with the separator between. Null and empty ones are left out; none at all gives null.",
        examples: &[
            (r#"Join(", ", "", [sn], [givenName])"#, r#""Smith, Zoë""#),
            (r#"Join(" ", [givenName], [country], [sn])"#, r#""Zoë Smith""#),
            (
                r#"Join("; ", [proxyAddresses])"#,
                r#""SMTP:zoe.smith@contoso.com; smtp:zs@contoso.com""#,
            ),
            (r#"Join("", 1000, "x")"#, r#""1000x""#),
            (r#"Join("@", [country])"#, "NULL"),
        ],
    },
    REMOVE_DUPLICATES,
    Function {
        name: "SingleAppRoleAssignment",
        params: &[req("appRoleAssignments", List)],
        repeat: 0,
        returns: One(Kind::Text),
        apply: Apply::Plain(single_app_role),
        summary: "The value of the one role assignment; more than one is an error, for which of them is meant cannot be told.",
        examples: &[("SingleAppRoleAssignment([appRoleAssignments])", r#""admin""#)],
    },
    Function {
        name: "Split",
        params: &[req("source", Text), req("delimiter", Text)],
        repeat: 0,
        returns: Many(Kind::Text),
        apply: Apply::Plain(split_trimmed),
        summary: "The parts between the delimiters, without the white space around them; empty parts are left out.",
        examples: &[
            (
                r#"Split("PermissionSetOne, PermissionSetTwo", ",")"#,
                r#"["PermissionSetOne", "PermissionSetTwo"]"#,
            ),
            (r#"Split("a,,b", ",")"#, r#"["a", "b"]"#),
            (r#"Split([country], ",")"#, "NULL"),
        ],
    },
];

pub(super) const CONNECT: &[Function] = &[
    Function {
        name: "Contains",
        params: &[
            req("attribute", List),
            req("search", Text),
            opt("casetype", Word(&["CaseInsensitive", "CaseSensitive"])),
        ],
        repeat: 0,
        returns: One(Kind::Number),
        apply: Apply::Special(Special::Contains),
        summary: "The number of the first value that has the text in it, or 0. A reference must be the whole text.",
        examples: &[
            (r#"Contains([proxyAddresses], "SMTP:")"#, "1"),
            (r#"Contains([proxyAddresses], "smtp:")"#, "2"),
            (r#"Contains([proxyAddresses], "smtp:", CaseInsensitive)"#, "1"),
            (r#"Contains([proxyAddresses], "sip:")"#, "0"),
            (r#"Contains([country], "x")"#, "0"),
            (r#"Contains([manager], "CN=Joe")"#, "0"),
            (r#"Contains([manager], "CN=Joe,OU=Staff,DC=contoso,DC=com")"#, "1"),
        ],
    },
    COUNT,
    Function {
        name: "Item",
        params: &[req("attribute", List), req("index", Number)],
        repeat: 0,
        returns: ItemOf(0),
        apply: Apply::Plain(item),
        summary: "The nth value, from 1; an error where there is none.",
        examples: &[(
            r#"Mid(Item([proxyAddresses], Contains([proxyAddresses], "SMTP:")), 6, 99)"#,
            r#""zoe.smith@contoso.com""#,
        )],
    },
    Function {
        name: "ItemOrNull",
        params: &[req("attribute", List), req("index", Number)],
        repeat: 0,
        returns: ItemOf(0),
        apply: Apply::Plain(item_or_null),
        summary: "The nth value, from 1; null where there is none.",
        examples: &[
            ("ItemOrNull([proxyAddresses], 2)", r#""smtp:zs@contoso.com""#),
            ("ItemOrNull([proxyAddresses], 0)", "NULL"),
            ("ItemOrNull([proxyAddresses], 3)", "NULL"),
        ],
    },
    Function {
        name: "Join",
        params: &[req("attribute", List), opt("delimiter", Text)],
        repeat: 0,
        returns: One(Kind::Text),
        apply: Apply::Plain(join_values),
        summary: "All values in one text, with the delimiter between, a space where none is given.",
        examples: &[
            (
                r#"Join([proxyAddresses], ",")"#,
                r#""SMTP:zoe.smith@contoso.com,smtp:zs@contoso.com""#,
            ),
            (r#"Join(Split("a,b", ","))"#, r#""a b""#),
            (r#"Join(Split("a,b", ","), "")"#, r#""ab""#),
            ("Join([country])", "NULL"),
        ],
    },
    REMOVE_DUPLICATES,
    Function {
        name: "Split",
        params: &[req("value", Text), req("delimiter", Text), opt("limit", Number)],
        repeat: 0,
        returns: Many(Kind::Text),
        apply: Apply::Plain(split),
        summary: "The parts between the delimiter, one character. With a limit the last part is all that is left.",
        examples: &[
            (
                r#"Split("SMTP:john.doe@contoso.com,smtp:jd@contoso.com", ",")"#,
                r#"["SMTP:john.doe@contoso.com", "smtp:jd@contoso.com"]"#,
            ),
            (r#"Split("a,b,c", ",", 2)"#, r#"["a", "b,c"]"#),
        ],
    },
];

fn count(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(Value::from(args.value(0).values().len() as i64))
}

fn remove_duplicates(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let values = args.value(0).values();
    env.charge(values.len())?;
    let mut seen = BTreeSet::new();
    let once = values.iter().filter(|value| seen.insert(*value)).cloned().collect();
    Ok(Value::from_values(once))
}

fn nth(args: &Args<'_>) -> Given<(i64, Option<AttributeValue>)> {
    let number = args.need_number(1)?;
    let place = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
    Ok((number, place.and_then(|at| args.value(0).values().get(at)).cloned()))
}

fn item(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let (number, found) = nth(args)?;
    let count = args.value(0).values().len();
    let missing = || Fault::value(format!("there is no value {number} of {count}")).at(1);
    found.map(Value::One).ok_or_else(missing)
}

fn item_or_null(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(nth(args)?.1.map_or(Value::Null, Value::One))
}

fn item_or_null_from_one(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    if args.need_number(1)? < 1 {
        return Err(Fault::value("values are counted from 1").at(1));
    }
    item_or_null(env, args)
}

fn joined<'v>(
    env: &mut Env<'_>,
    values: impl Iterator<Item = &'v AttributeValue>,
    separator: &str,
    skip_empty: bool,
) -> Given<Value> {
    let mut out: Option<String> = None;
    for value in values {
        let text = value::to_text(value)?;
        if skip_empty && text.is_empty() {
            continue;
        }
        // Before it grows: a long separator and many values must not outrun the fuel.
        env.allow(text.len() + separator.len())?;
        match &mut out {
            Some(out) => {
                out.push_str(separator);
                out.push_str(&text);
            }
            None => out = Some(text.into_owned()),
        }
    }
    out.map_or(Ok(Value::Null), |out| env.text(out))
}

fn join_sources(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let separator = args.text_or_empty(0)?;
    let values = args.values.iter().skip(1).flat_map(Value::values);
    joined(env, values, &separator, true)
}

fn join_values(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let separator = if args.given(1) { args.text_or_empty(1)? } else { " ".into() };
    joined(env, args.value(0).values().iter(), &separator, false)
}

fn parts<'t>(env: &mut Env<'_>, parts: impl Iterator<Item = &'t str>) -> Given<Value> {
    let mut out = Vec::new();
    for part in parts {
        env.allow(part.len() + 1)?;
        out.push(AttributeValue::text(part));
    }
    Ok(Value::from_values(out))
}

fn split_trimmed(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let delimiter = args.text_or_empty(1)?;
    if delimiter.is_empty() {
        return Err(Fault::value("the delimiter is empty").at(1));
    }
    let all = text.split(delimiter.as_ref()).map(str::trim).filter(|part| !part.is_empty());
    parts(env, all)
}

fn split(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let Some(text) = args.text(0)? else { return Ok(Value::Null) };
    let delimiter = args.text_or_empty(1)?;
    let mut chars = delimiter.chars();
    let (Some(delimiter), None) = (chars.next(), chars.next()) else {
        return Err(Fault::value("the delimiter is exactly one character").at(1));
    };
    match args.number(2)? {
        None => parts(env, text.split(delimiter)),
        Some(limit @ 1..) => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            parts(env, text.splitn(limit, delimiter))
        }
        Some(_) => Err(Fault::value("the limit is 1 or more").at(2)),
    }
}

/// The value and the display name of a role assignment.
fn role(assignment: &AttributeValue) -> Given<(String, String)> {
    let part = |parts: &BTreeMap<AttributeName, AttributeValue>, names: [&str; 3]| {
        names.iter().find_map(|name| {
            let found = parts.get(&AttributeName::new(name))?;
            found.as_text().filter(|text| !text.is_empty()).map(str::to_owned)
        })
    };
    match assignment {
        AttributeValue::Text(text) => Ok((text.to_string(), text.to_string())),
        AttributeValue::Complex(parts) => {
            let value = part(parts, ["value", "displayName", "display"]);
            let display = part(parts, ["displayName", "display", "value"]);
            value.zip(display).ok_or_else(|| {
                Fault::value("a role assignment has neither a value nor a display name").at(0)
            })
        }
        other => {
            let message = format!("{} is not a role assignment", value::name_of(other));
            Err(Fault::kind(message).at(0))
        }
    }
}

fn app_roles(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let mut roles = Vec::new();
    for assignment in args.value(0).values() {
        let (value, display) = role(assignment)?;
        env.allow(value.len() + display.len())?;
        let parts = [
            ("primary", AttributeValue::Boolean(false)),
            ("type", AttributeValue::from("WindowsAADRole")),
            ("display", AttributeValue::text(display)),
            ("value", AttributeValue::text(value)),
        ];
        let parts = parts.into_iter().map(|(name, part)| (AttributeName::new(name), part));
        roles.push(AttributeValue::Complex(parts.collect()));
    }
    Ok(Value::from_values(roles))
}

fn single_app_role(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    match args.value(0).values() {
        [] => Ok(Value::Null),
        [one] => env.text(role(one)?.0),
        many => Err(Fault::value(format!(
            "there are {} role assignments and one is needed",
            many.len()
        ))
        .at(0)),
    }
}

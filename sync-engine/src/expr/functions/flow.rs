//! Which value flows, and tests of values.

use super::Returns::{Among, Body, One, Same};
use super::Want::{Any, Condition, List, Name, Number, Text, Variable};
use super::{Apply, Args, Function, Param, Special, opt, req};
use crate::AttributeValue;
use crate::expr::dotnet_date;
use crate::expr::error::{EvalErrorKind, Fault, Given};
use crate::expr::eval::Env;
use crate::expr::types::Kind;
use crate::expr::value::{self, Value};

const EXPRESSION: &[Param] = &[req("expression", Any)];

/// A function that tests its one argument.
const fn test(
    name: &'static str,
    apply: fn(&mut Env<'_>, &Args<'_>) -> Given<Value>,
    summary: &'static str,
    examples: &'static [(&'static str, &'static str)],
) -> Function {
    Function {
        name,
        params: EXPRESSION,
        repeat: 0,
        returns: One(Kind::Boolean),
        apply: Apply::Plain(apply),
        summary,
        examples,
    }
}

const IS_NULL: Function = test(
    "IsNull",
    is_null,
    "Whether there is no value: an absent attribute is null, an empty text is not.",
    &[("IsNull([country])", "True"), ("IsNull([department])", "False")],
);

const IS_NULL_OR_EMPTY: Function = test(
    "IsNullOrEmpty",
    is_null_or_empty,
    "Whether there is no value or only the empty text.",
    &[
        ("IsNullOrEmpty([country])", "True"),
        ("IsNullOrEmpty([department])", "True"),
        ("IsNullOrEmpty([mail])", "False"),
    ],
);

const IS_PRESENT: Function = test(
    "IsPresent",
    is_present,
    "The opposite of IsNullOrEmpty.",
    &[
        ("IsPresent([mail])", "True"),
        ("IsPresent([department])", "False"),
        ("IsPresent([country])", "False"),
    ],
);

const IS_STRING: Function = test(
    "IsString",
    is_string,
    "Whether the values can be used as text: not bytes, not values with parts, not null.",
    &[
        ("IsString([mail])", "True"),
        ("IsString([objectGUID])", "False"),
        ("IsString([country])", "False"),
    ],
);

pub(super) const PROVISIONING: &[Function] = &[
    Function {
        name: "Coalesce",
        params: &[req("source", Any)],
        repeat: 1,
        returns: Among(0, 1),
        apply: Apply::Special(Special::Coalesce),
        summary: "The first that is not null; the last may be a default.",
        examples: &[
            ("Coalesce([country], [mail])", r#""zoe.smith@contoso.com""#),
            (r#"Coalesce([country], "")"#, r#""""#),
            ("Coalesce([country], [mobilePhone])", "NULL"),
        ],
    },
    Function {
        name: "IgnoreFlowIfNullOrEmpty",
        params: &[req("expression", Any)],
        repeat: 0,
        returns: Same(0),
        apply: Apply::Plain(ignore_flow),
        summary: "The value; without one the flow is left out and the target keeps what it has.",
        examples: &[
            ("IgnoreFlowIfNullOrEmpty([mail])", r#""zoe.smith@contoso.com""#),
            ("IgnoreFlowIfNullOrEmpty([department])", "(ignored)"),
            (r#"IgnoreFlowIfNullOrEmpty(Switch([prefix], "", "3443", "Dr."))"#, "(ignored)"),
        ],
    },
    Function {
        name: "IIF",
        params: &[req("condition", Condition), req("valueIfTrue", Any), req("valueIfFalse", Any)],
        repeat: 0,
        returns: Among(1, 1),
        apply: Apply::Special(Special::Iif),
        summary: "One of two values by a condition with one of = <> > >= < <=. A comparison with a null or empty value fails, \
                  whatever its sign: use Switch for that.",
        examples: &[
            (r#"IIF([c]="USA", [mail], [sn])"#, r#""zoe.smith@contoso.com""#),
            (r#"IIF([country]="USA", "yes", "no")"#, r#""no""#),
            (r#"IIF([country]<>"USA", "yes", "no")"#, r#""no""#),
            (r#"IIF([country]="", "yes", "no")"#, r#""no""#),
            (r#"IIF(IsNullOrEmpty([country]), "yes", "no")"#, r#""yes""#),
            (r#"IIF([c]="USA", IIF([st]="CA", "True", "False"), "False")"#, r#""True""#),
            (r#"IIF(DateDiff("d", Now(), CDate([hireDate])) > 5, "False", "True")"#, r#""True""#),
        ],
    },
    IS_NULL,
    IS_NULL_OR_EMPTY,
    IS_PRESENT,
    IS_STRING,
    Function {
        name: "Not",
        params: &[req("source", super::Want::Boolean)],
        repeat: 0,
        returns: super::Returns::Each(Kind::Boolean),
        apply: Apply::Plain(not),
        summary: "False for True, and True for anything else.",
        examples: &[
            (r#"Not("True")"#, "False"),
            (r#"Not("False")"#, "True"),
            ("Not([country])", "True"),
            ("Not(IsPresent([mail]))", "False"),
        ],
    },
    Function {
        name: "Redact",
        params: &[req("value", Any)],
        repeat: 0,
        returns: Same(0),
        apply: Apply::Plain(redact),
        summary: "The value, which logs show as [Redact].",
        examples: &[("Redact([mail])", r#"[Redact] "zoe.smith@contoso.com""#)],
    },
    Function {
        name: "SelectUniqueValue",
        params: &[req("uniqueValueRule1", Any), req("uniqueValueRule2", Any)],
        repeat: 1,
        returns: Among(0, 1),
        apply: Apply::Special(Special::SelectUnique),
        summary: "The first rule's value that nobody has in the target. Outermost only, for creating objects only; when all \
                  are taken the object is set aside.",
        examples: &[(
            r#"SelectUniqueValue(Join("@", "taken", "contoso.com"), Join("@", "free", "contoso.com"))"#,
            r#""free@contoso.com""#,
        )],
    },
    Function {
        name: "Switch",
        params: &[req("source", Any), opt("defaultValue", Any), req("key", Any), req("value", Any)],
        repeat: 2,
        returns: Among(1, 2),
        apply: Apply::Special(Special::SwitchKey),
        summary: "The value beside the key that equals the source, else the default. Case-sensitive; the key \"\" is for a null \
                  or empty source.",
        examples: &[
            (
                r#"Switch("QLD", "Australia/Sydney", "NSW", "Australia/Sydney", "QLD", "Australia/Brisbane")"#,
                r#""Australia/Brisbane""#,
            ),
            (r#"Switch("qld", "other", "QLD", "x")"#, r#""other""#),
            (r#"Switch([country], [c], "", "Other")"#, r#""Other""#),
            (r#"Switch("a", , "b", "x")"#, "NULL"),
            (r#"Switch(IsPresent([mail]), "none", "True", [mail])"#, r#""zoe.smith@contoso.com""#),
        ],
    },
];

pub(super) const CONNECT: &[Function] = &[
    Function {
        name: "Error",
        params: &[req("errorMessage", Text)],
        repeat: 0,
        returns: One(Kind::Any),
        apply: Apply::Plain(error),
        summary: "Fails with this message for the object.",
        examples: &[(
            r#"IIF(IsPresent([mail]), [mail], Error("mail is required"))"#,
            r#""zoe.smith@contoso.com""#,
        )],
    },
    Function {
        name: "IIF",
        params: &[req("condition", Condition), req("valueIfTrue", Any), req("valueIfFalse", Any)],
        repeat: 0,
        returns: Among(1, 1),
        apply: Apply::Special(Special::Iif),
        summary: "One of two values by a condition. A condition over several values picks for each of them.",
        examples: &[
            (r#"IIF([c] = "USA" && IsPresent([mail]), "t-" & [sn], [sn])"#, r#""t-Smith""#),
            (
                r#"IIF(InStr([proxyAddresses], "smtp:") = 1, NULL, [proxyAddresses])"#,
                r#""SMTP:zoe.smith@contoso.com""#,
            ),
            (r#"IIF([country] <> "USA", IgnoreThisFlow, AuthoritativeNull)"#, "(ignored)"),
            (
                r#"IIF([country] = "USA", IgnoreThisFlow, AuthoritativeNull)"#,
                "(authoritative null)",
            ),
        ],
    },
    Function {
        name: "ImportedValue",
        params: &[req("attribute", Name)],
        repeat: 0,
        returns: One(Kind::Any),
        apply: Apply::Special(Special::ImportedValue),
        summary: "The values of the attribute as the connected system last confirmed them, not as they are about to be.",
        examples: &[(r#"ImportedValue("proxyAddresses")"#, r#""SMTP:old@contoso.com""#)],
    },
    Function {
        name: "IsBitSet",
        params: &[req("value", Number), req("flag", Number)],
        repeat: 0,
        returns: super::Returns::Each(Kind::Boolean),
        apply: Apply::Plain(is_bit_set),
        summary: "Whether any bit of the flag is set in the value.",
        examples: &[
            ("IsBitSet(&HF, 4)", "True"),
            ("IsBitSet([userAccountControl], 2)", "True"),
            ("IsBitSet([userAccountControl], 32)", "False"),
        ],
    },
    test(
        "IsDate",
        is_date,
        "Whether CDate can make a date of it.",
        &[
            (r#"IsDate("2013-01-10")"#, "True"),
            (r#"IsDate("soon")"#, "False"),
            ("IsDate([country])", "False"),
        ],
    ),
    test(
        "IsEmpty",
        is_empty,
        "Whether it is there and is the empty text.",
        &[
            ("IsEmpty([department])", "True"),
            ("IsEmpty([country])", "False"),
            ("IsEmpty([mail])", "False"),
        ],
    ),
    test(
        "IsGuid",
        is_guid,
        "Whether CGuid can make bytes of it.",
        &[
            (r#"IsGuid("00001111-aaaa-2222-bbbb-3333cccc4444")"#, "True"),
            (r#"IsGuid("{00001111-aaaa-2222-bbbb-3333cccc4444}")"#, "True"),
            (r#"IsGuid("00001111aaaa2222bbbb3333cccc4444")"#, "False"),
            (r#"IsGuid("{00001111-aaaa-2222-bbbb-3333cccc4444")"#, "False"),
        ],
    ),
    IS_NULL,
    IS_NULL_OR_EMPTY,
    test(
        "IsNumeric",
        is_numeric,
        "Whether CNum can make a number of it.",
        &[
            (r#"IsNumeric("42")"#, "True"),
            (r#"IsNumeric("4.2")"#, "False"),
            ("IsNumeric([country])", "False"),
        ],
    ),
    IS_PRESENT,
    IS_STRING,
    Function {
        name: "Select",
        params: &[req("item", Variable), req("attribute", List), req("function", Any)],
        repeat: 0,
        returns: Body,
        apply: Apply::Special(Special::Select),
        summary: "The function over each value, which it knows by the variable.",
        examples: &[(
            r#"Select($item, [otherPhone], Replace($item, "-", ""))"#,
            r#"["4255550100", "4255550101"]"#,
        )],
    },
    Function {
        name: "Switch",
        params: &[req("expression", Condition), req("value", Any)],
        repeat: 2,
        returns: Among(1, 2),
        apply: Apply::Special(Special::SwitchCondition),
        summary: "The value beside the first condition that is true. Every condition is worked out, the later ones too.",
        examples: &[
            (r#"Switch([c] = "UK", "English", [c] = "USA", "American")"#, r#""American""#),
            (r#"Switch([c] = "UK", "English")"#, "NULL"),
            (r#"Switch([c] = "USA", NULL, True, Error("Unknown"))"#, "NULL"),
        ],
    },
    Function {
        name: "Where",
        params: &[req("item", Variable), req("attribute", List), req("condition", Condition)],
        repeat: 0,
        returns: Same(1),
        apply: Apply::Special(Special::Where),
        summary: "The values for which the condition is true.",
        examples: &[
            (
                r#"Where($item, [proxyAddresses], Left($item, 5) = "smtp:")"#,
                r#""smtp:zs@contoso.com""#,
            ),
            (r#"Where($item, [proxyAddresses], False)"#, "NULL"),
        ],
    },
    Function {
        name: "With",
        params: &[
            req("variable", Variable),
            req("subExpression", Any),
            req("complexExpression", Any),
        ],
        repeat: 0,
        returns: Body,
        apply: Apply::Special(Special::With),
        summary: "The last expression, in which the variable stands for what the one before it gives, worked out once.",
        examples: &[(
            r#"With($all, [proxyAddresses], IIF(Count($all) > 1, Item($all, 2), NULL))"#,
            r#""smtp:zs@contoso.com""#,
        )],
    },
];

fn is_null(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(Value::from(args.value(0).is_null()))
}

fn is_null_or_empty(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(Value::from(args.value(0).is_null_or_empty()))
}

fn is_present(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(Value::from(!args.value(0).is_null_or_empty()))
}

fn is_empty(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let value = args.value(0);
    Ok(Value::from(!value.is_null() && value.is_null_or_empty()))
}

/// Whether there is a value and all pass.
fn all(args: &Args<'_>, pass: impl Fn(&AttributeValue) -> bool) -> Given<Value> {
    let values = args.value(0).values();
    Ok(Value::from(!values.is_empty() && values.iter().all(pass)))
}

fn is_string(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    all(args, |value| value::to_text(value).is_ok())
}

fn is_date(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    all(args, |value| match value {
        AttributeValue::DateTime(_) => true,
        AttributeValue::Text(text) => dotnet_date::parse_general(text).is_some(),
        _ => false,
    })
}

fn is_numeric(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    all(args, |value| value::to_number(value).is_ok())
}

fn is_guid(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    all(args, |value| {
        value.as_text().is_some_and(|text| super::convert::guid_bytes(text).is_some())
    })
}

fn is_bit_set(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Ok(Value::from(args.number(0)?.unwrap_or(0) & args.need_number(1)? != 0))
}

fn not(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let is_true = match args.one(0)? {
        Some(AttributeValue::Text(text)) => value::parse_boolean(text).unwrap_or(false),
        Some(value) => value::to_boolean(value).map_err(|fault| fault.at(0))?,
        None => false,
    };
    Ok(Value::from(!is_true))
}

fn ignore_flow(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    let value = args.value(0);
    Ok(if value.is_null_or_empty() { Value::Ignore } else { value.clone() })
}

fn redact(env: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    env.redacted = true;
    Ok(args.value(0).clone())
}

fn error(_: &mut Env<'_>, args: &Args<'_>) -> Given<Value> {
    Err(Fault::new(EvalErrorKind::Raised, args.text_or_empty(0)?))
}

//! What holds for every expression and every object.

use std::cell::RefCell;

use proptest::prelude::*;
use scim_sync::expr::{Context, Dialect, EvalErrorKind, Expression, Outcome, examples};
use scim_sync::{AttributeName, AttributeSet, AttributeValue};

use super::{Taken, now, sample, seeded};

const NAMES: &[&str] = &["a", "b", "mail", "emails[type eq \"work\"].value"];

fn dialect() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Dialect::Provisioning), Just(Dialect::Connect)]
}

/// A text as a constant of the dialect.
fn quoted(text: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Provisioning => {
            format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Dialect::Connect => format!("\"{}\"", text.replace('"', "\"\"")),
    }
}

fn leaf(dialect: Dialect) -> BoxedStrategy<String> {
    prop_oneof![
        3 => prop::sample::select(NAMES).prop_map(|name| format!("[{name}]")),
        3 => "[ -~äß€\\t]{0,8}".prop_map(move |text| quoted(&text, dialect)),
        2 => any::<i64>().prop_map(|number| number.to_string()),
        2 => (-3_i64..20).prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|bits| format!("&H{bits:X}")),
        1 => prop::sample::select(&["True", "False", "NULL"][..]).prop_map(str::to_owned),
        1 => prop::sample::select(&["\"d\"", "\"yyyy\"", "\",\"", "\"2020-01-31\"", "\"\""][..]).prop_map(str::to_owned),
    ]
    .boxed()
}

/// Texts of expressions: the names of all functions with whatever arguments, of which many are refused when they are read.
fn expression(dialect: Dialect) -> BoxedStrategy<String> {
    let mut names: Vec<&'static str> = examples()
        .filter(|(in_dialect, ..)| *in_dialect == dialect)
        .map(|(_, name, ..)| name)
        .collect();
    names.dedup();
    leaf(dialect)
        .prop_recursive(5, 60, 5, move |inner| {
            let call =
                (prop::sample::select(names.clone()), prop::collection::vec(inner.clone(), 0..5))
                    .prop_map(|(name, args)| format!("{name}({})", args.join(", ")));
            // Those that take one, two or three arguments, so that deep ones come about too.
            let texts = match dialect {
                Dialect::Provisioning => vec![
                    "Trim(@)",
                    "Append(@, @)",
                    "Join(@, @, @)",
                    "Left(@, 3)",
                    "Switch(@, @, @, @)",
                    "IIF(@ = @, @, @)",
                    "Coalesce(@, @)",
                    "Split(@, \"a\")",
                    "Replace(@, , \"(?<g>.)\", \"g\", @, , )",
                ],
                Dialect::Connect => vec![
                    "Trim(@)",
                    "IIF(@, @, @)",
                    "Where($v, @, @)",
                    "Select($v, @, $v & @)",
                    "With($v, @, @)",
                    "@ & @",
                    "@ + @ * @",
                    "(@ = @) && @",
                    "Replace(@, @, @)",
                    "PadLeft(@, @, \"x\")",
                    "Split(@, \"a\")",
                ],
            };
            let shaped = (prop::sample::select(texts), prop::collection::vec(inner, 4)).prop_map(
                |(shape, args)| {
                    let mut args = args.into_iter();
                    shape.split('@').enumerate().fold(String::new(), |out, (at, part)| {
                        if at == 0 {
                            part.to_owned()
                        } else {
                            format!(
                                "{out}({}){part}",
                                args.next().unwrap_or_else(|| "[a]".to_owned())
                            )
                        }
                    })
                },
            );
            prop_oneof![1 => call, 2 => shaped]
        })
        .boxed()
}

fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        4 => "[ -~äßİı€\\n]{0,12}".prop_map(AttributeValue::text),
        1 => any::<i64>().prop_map(AttributeValue::Integer),
        1 => any::<bool>().prop_map(AttributeValue::Boolean),
        1 => (-62_135_596_800_i64..253_402_300_800).prop_map(|s| chrono::DateTime::from_timestamp(s, 0).expect("in range").into()),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(AttributeValue::Binary),
    ]
}

fn object() -> impl Strategy<Value = AttributeSet> {
    prop::collection::btree_map(
        prop::sample::select(NAMES),
        prop::collection::vec(value(), 1..4),
        0..4,
    )
    .prop_map(|set| {
        set.into_iter().map(|(name, values)| (AttributeName::from(name), values)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    /// The canonical text says the same; and evaluating ends, within the fuel, with values of bounded size, and twice the same.
    #[test]
    fn read_back_and_bounded(
        (dialect, text) in dialect().prop_flat_map(|d| (Just(d), expression(d))),
        object in object(),
        fuel in 0_u64..20_000,
        seed in any::<u64>(),
    ) {
        if let Ok(expression) = Expression::parse(&text, dialect) {
            let canonical = expression.to_string();
            let again = Expression::parse(&canonical, dialect).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(&again, &expression);
            prop_assert_eq!(again.to_string(), canonical);
            let run = || {
                let random = RefCell::new(seeded(seed));
                expression.evaluate(&Context::new(&object, now(), &random).unique(&Taken).fuel(fuel))
            };
            let first = run();
            prop_assert_eq!(&first, &run());
            match first {
                Ok(outcome) => prop_assert!(!matches!(&outcome, Outcome::Values(v) if v.is_empty())),
                Err(error) => prop_assert!(error.place().offset <= text.len()),
            }
        }
    }

    #[test]
    fn no_text_makes_the_parser_fall(text in "\\PC{0,60}", dialect in dialect()) {
        if let Err(error) = Expression::parse(&text, dialect) {
            prop_assert!(error.place().offset <= text.len());
            let _ = error.to_string();
        }
    }

    /// The signs of the language in any order.
    #[test]
    fn no_signs_make_the_parser_fall(
        parts in prop::collection::vec(prop::sample::select(&[
            "(", ")", "[", "]", "\"", "\\", ",", "&", "&H", "&&", "||", "=", "<", ">", "%", "$", "-", "1", "a", "Trim", "IIF",
            "Replace", "Where", "é", "“", " ", "\n", "NULL", ".",
        ][..]), 0..30),
        dialect in dialect(),
    ) {
        let text = parts.concat();
        if let Err(error) = Expression::parse(&text, dialect) {
            let _ = error.to_string();
        }
    }

    /// Patterns and replacements of any text: refused or matched, never a fall.
    #[test]
    fn patterns(pattern in "[a-c()\\[\\]?<>!=:*+{}0-9,\\\\|^$.#k'n-]{0,16}", with in "[$a-z0-9{}&`'_+]{0,8}", over in "[a-c]{0,12}") {
        let quoted = |text: &str| quoted(text, Dialect::Provisioning);
        let text = format!("Replace({}, , {}, , {}, , )", quoted(&over), quoted(&pattern), quoted(&with));
        if let Ok(expression) = Expression::parse(&text, Dialect::Provisioning) {
            let object = sample();
            let random = RefCell::new(seeded(1));
            let _ = expression.evaluate(&Context::new(&object, now(), &random));
        }
    }

    /// A date in a format is read back from it.
    #[test]
    fn formats_read_what_they_write(seconds in -62_135_596_800_i64..253_402_300_800, format in prop::sample::select(&[
        "yyyy-MM-ddTHH:mm:ss", "M/d/yyyy h:mm:ss tt", "dddd, d MMMM yyyy HH:mm:ss", "yyyyMMddHHmmss.fZ", "R", "o", "u",
        "yyyy-MM-dd HH:mm:sszzz",
    ][..])) {
        let moment = chrono::DateTime::from_timestamp(seconds, 0).expect("in range");
        let object = AttributeSet::new().with("a", moment.format("%Y-%m-%dT%H:%M:%S").to_string().as_str());
        let text = format!("FormatDateTime(FormatDateTime([a], , \"s\", \"{format}\"), , \"{format}\", \"s\")");
        let expression = Expression::parse(&text, Dialect::Provisioning).expect("an expression");
        let random = RefCell::new(seeded(1));
        let outcome = expression.evaluate(&Context::new(&object, now(), &random)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(outcome.values(), object.get(&"a".into()));
    }

    /// Bytes that are nearly a certificate.
    #[test]
    fn no_bytes_make_the_certificate_functions_fall(
        changes in prop::collection::vec((0_usize..588, any::<u8>()), 0..6),
        length in 0_usize..=588,
        cut in any::<bool>(),
    ) {
        let mut bytes = include_bytes!("certificate.der").to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length);
        }
        let mut object = AttributeSet::new();
        object.set("c".into(), vec![AttributeValue::Binary(bytes)]);
        let random = RefCell::new(seeded(1));
        let cx = Context::new(&object, now(), &random);
        for (_, name, ..) in examples().filter(|(_, name, ..)| name.contains("Cert")) {
            let args = if name == "CertNameInfo" { ", \"UpnName\", False" } else { "" };
            let expression = Expression::parse(&format!("{name}([c]{args})"), Dialect::Connect).expect("an expression");
            let _ = expression.evaluate(&cx);
        }
    }

    /// FILETIME there and back.
    #[test]
    fn filetimes(number in 0_i64..2_650_467_743_990_000_000) {
        let text = format!("NumFromDate(DateFromNum({number}))");
        let expression = Expression::parse(&text, Dialect::Connect).expect("an expression");
        let (object, random) = (AttributeSet::new(), RefCell::new(seeded(1)));
        let outcome = expression.evaluate(&Context::new(&object, now(), &random)).expect("a number");
        prop_assert_eq!(outcome, Outcome::Values(vec![AttributeValue::Integer(number)]));
    }
}

/// As deep as an expression may be, on the stack of a test.
#[test]
fn the_deepest_expression_is_evaluated() {
    let object = AttributeSet::new().with("a", " x ");
    let random = RefCell::new(seeded(1));
    for (open, close) in [
        ("Trim(", ")"),
        ("With($x, 1, ", ")"),
        ("IIF(True, ", ", 1)"),
        ("Select($x, ", ", $x)"),
        ("(\"\" & (", "))"),
    ] {
        let levels = if open.starts_with('(') { 31 } else { 63 };
        let text = format!("{}Trim([a]){}", open.repeat(levels), close.repeat(levels));
        let expression =
            Expression::parse(&text, Dialect::Connect).unwrap_or_else(|e| panic!("{e}"));
        let outcome = expression.evaluate(&Context::new(&object, now(), &random));
        assert_eq!(outcome, Ok(Outcome::Values(vec!["x".into()])));
        let again = Expression::parse(&expression.to_string(), Dialect::Connect);
        assert_eq!(again.as_ref(), Ok(&expression));
    }
}

/// Formats and patterns that come from the object are bounded too.
#[test]
fn what_an_object_brings_is_bounded() {
    let object = AttributeSet::new()
        .with("letters", "y".repeat(70_000).as_str())
        .with("all", "$_".repeat(2_000).as_str())
        .with("long", "A".repeat(60_000).as_str())
        .with("slow", "[^B]*B|A");
    let random = RefCell::new(seeded(1));
    let cx = Context::new(&object, now(), &random);
    for (text, kind) in [
        ("FormatDateTime(\"2020\", , \"yyyy\", [letters])", EvalErrorKind::Value),
        ("Replace([long], , [slow], , \"\", , )", EvalErrorKind::OutOfFuel),
        ("Replace([long], , \"A+\", , [all], , )", EvalErrorKind::TooLarge),
        ("Word([long], 1, [long])", EvalErrorKind::OutOfFuel),
    ] {
        let expression = Expression::parse(text, Dialect::Provisioning).expect("an expression");
        let error = expression.evaluate(&cx).expect_err(text);
        assert_eq!(error.kind(), kind, "{text}: {error}");
    }
}

/// The texts that double at each level stop at the fuel, or at the largest value, and not at the memory.
#[test]
fn growth_is_stopped() {
    let object = AttributeSet::new().with("a", "0123456789".repeat(100).as_str());
    let random = RefCell::new(seeded(1));
    let mut text = "[a]".to_owned();
    for _ in 0..40 {
        text = format!("With($x, {text}, $x & $x)");
    }
    let expression = Expression::parse(&text, Dialect::Connect).expect("an expression");
    let cx = Context::new(&object, now(), &random);
    let error = expression.evaluate(&cx).expect_err("too much");
    assert!(matches!(error.kind(), EvalErrorKind::OutOfFuel | EvalErrorKind::TooLarge), "{error}");

    let mut text = "[a]".to_owned();
    for _ in 0..20 {
        text = format!(r#"Replace({text}, "0", "0000")"#);
    }
    let expression = Expression::parse(&text, Dialect::Connect).expect("an expression");
    let error = expression.evaluate(&cx.fuel(u64::MAX)).expect_err("too much");
    assert_eq!(error.kind(), EvalErrorKind::TooLarge, "{error}");
    let small = Expression::parse("Trim([a])", Dialect::Connect).expect("an expression");
    let error = small.evaluate(&cx.fuel(10)).expect_err("no fuel");
    assert_eq!(error.kind(), EvalErrorKind::OutOfFuel);
}

//! Comparison values: the JSON literals of RFC 8259 without arrays and objects.

use memchr::memchr2;
use nom::branch::alt;
use nom::bytes::complete::tag;
use nom::character::complete::{char, digit1, one_of};
use nom::combinator::{opt, recognize};
use nom::{IResult, Parser};
use serde_json::Number;
use smol_str::SmolStr;

use super::Literal;
use super::fault::{Expected, Fault, Parsed, fail};
use super::path::PathText;
use crate::profile::{Leniency, Tolerance};

/// A value as it stands in the text where it can be taken from there, see [`PathText`].
pub(super) enum LiteralText<'a> {
    /// What stands between the quotes, without escapes.
    Plain(&'a str),
    /// Anything else.
    Made(Literal),
}

impl LiteralText<'_> {
    #[inline]
    pub(super) fn into_literal(self) -> Literal {
        match self {
            Self::Plain(text) => Literal::String(SmolStr::new(text)),
            Self::Made(literal) => literal,
        }
    }
}

/// Reads a value; `at` is the attribute it is compared with, for the trace of a tolerance.
#[inline]
pub(super) fn literal<'a>(
    text: &'a str,
    at: PathText<'_>,
    leniency: &mut Leniency,
) -> Parsed<'a, LiteralText<'a>> {
    match text.as_bytes().first() {
        Some(b'"') => {
            let (rest, text) = string(&text[1..])?;
            end(rest, text)
        }
        Some(b'-' | b'0'..=b'9') => {
            let (rest, number) = number(text)?;
            end(rest, LiteralText::Made(Literal::Number(number)))
        }
        Some(b'a'..=b'z' | b'A'..=b'Z') => word(text, at, leniency),
        _ => fail(text, Expected::Value),
    }
}

/// A value ends where a term can: `nullx` and `1.` are no values.
#[inline]
fn end<'a>(rest: &'a str, literal: LiteralText<'a>) -> Parsed<'a, LiteralText<'a>> {
    match rest.as_bytes().first() {
        None | Some(b' ' | b')' | b']') => Ok((rest, literal)),
        Some(_) => fail(rest, Expected::ValueEnd),
    }
}

fn word<'a>(
    text: &'a str,
    at: PathText<'_>,
    leniency: &mut Leniency,
) -> Parsed<'a, LiteralText<'a>> {
    let len = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let (word, rest) = text.split_at(len);
    let literal = match word {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        "null" => Literal::Null,
        _ => {
            let value = word.eq_ignore_ascii_case("true");
            if !value && !word.eq_ignore_ascii_case("false") {
                let null = word.eq_ignore_ascii_case("null");
                return fail(text, if null { Expected::LowerCase } else { Expected::Value });
            }
            if !leniency.allows(Tolerance::BooleanLiteralCase, at) {
                return fail(text, Expected::LowerCase);
            }
            Literal::Bool(value)
        }
    };
    end(rest, LiteralText::Made(literal))
}

fn number(text: &str) -> Parsed<'_, Number> {
    // Most numbers are short and whole: no general parser, no copy.
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if (1..=18).contains(&digits)
        && (digits == 1 || text.as_bytes()[0] != b'0')
        && !matches!(text.as_bytes().get(digits), Some(b'.' | b'e' | b'E'))
    {
        let (digits, rest) = text.split_at(digits);
        let value = digits.bytes().fold(0u64, |n, b| n * 10 + u64::from(b - b'0'));
        return Ok((rest, Number::from(value)));
    }
    let (rest, digits) = number_text(text)?;
    match exact(digits) {
        Some(number) => Ok((rest, number)),
        None => fail(text, Expected::NumberRange),
    }
}

/// The number nearest to the text. Not `Number::from_str`: without its `float_roundtrip` feature, which is not ours to
/// demand from a program, serde_json may be off by the last digit.
fn exact(text: &str) -> Option<Number> {
    let whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if whole && text != "-0" {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    Number::from_f64(text.parse().ok()?)
}

/// `[ "-" ] int [ frac ] [ exp ]` of RFC 8259 section 6.
fn number_text(text: &str) -> IResult<&str, &str, Fault> {
    recognize((
        opt(char('-')),
        alt((tag("0"), digit1)),
        opt((char('.'), digit1)),
        opt((one_of("eE"), opt(one_of("+-")), digit1)),
    ))
    .parse(text)
}

/// The rest of a string after its opening quote.
#[inline]
fn string(text: &str) -> Parsed<'_, LiteralText<'_>> {
    let Some(at) = memchr2(b'"', b'\\', text.as_bytes()) else {
        let (rest, ()) = no_control(text, text.len())?;
        return fail(rest, Expected::Quote);
    };
    let (rest, ()) = no_control(text, at)?;
    if rest.as_bytes()[0] == b'"' {
        return Ok((&rest[1..], LiteralText::Plain(&text[..at])));
    }
    string_with_escapes(text, at)
}

/// Skips so many bytes, none of which may be a control character.
#[inline]
fn no_control(text: &str, len: usize) -> Parsed<'_, ()> {
    // Without an early exit, so that the compiler can look at many bytes at once.
    let lowest = text.as_bytes()[..len].iter().fold(u8::MAX, |lowest, b| lowest.min(*b));
    if lowest < 0x20 {
        let at = text.bytes().position(|b| b < 0x20).unwrap_or(len);
        return fail(&text[at..], Expected::NoControl);
    }
    Ok((&text[len..], ()))
}

fn string_with_escapes(text: &str, first: usize) -> Parsed<'_, LiteralText<'_>> {
    let mut read = String::with_capacity(text.len().min(first + 32));
    read.push_str(&text[..first]);
    let mut rest = &text[first..];
    loop {
        // `rest` starts with a quote or a backslash.
        if rest.as_bytes()[0] == b'"' {
            let read = Literal::String(SmolStr::from(read));
            return Ok((&rest[1..], LiteralText::Made(read)));
        }
        let (after, c) = escape(rest)?;
        read.push(c);
        let Some(at) = memchr2(b'"', b'\\', after.as_bytes()) else {
            let (end, ()) = no_control(after, after.len())?;
            return fail(end, Expected::Quote);
        };
        let (next, ()) = no_control(after, at)?;
        read.push_str(&after[..at]);
        rest = next;
    }
}

/// One escape, which the text starts with.
fn escape(text: &str) -> Parsed<'_, char> {
    let c = match text.as_bytes().get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(text),
        _ => return fail(text, Expected::Escape),
    };
    Ok((&text[2..], c))
}

/// `\uXXXX`, or two of them that make a surrogate pair.
fn unicode_escape(text: &str) -> Parsed<'_, char> {
    let Some(first) = hex4(text) else { return fail(text, Expected::HexDigits) };
    match first {
        0xd800..=0xdbff => {
            let Some(second) = text.get(6..).and_then(hex4) else {
                return fail(text, Expected::SurrogatePair);
            };
            match (second, second.wrapping_sub(0xdc00)) {
                (0xdc00..=0xdfff, low) => {
                    match char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + low) {
                        Some(c) => Ok((&text[12..], c)),
                        None => fail(text, Expected::SurrogatePair),
                    }
                }
                _ => fail(text, Expected::SurrogatePair),
            }
        }
        _ => match char::from_u32(first) {
            Some(c) => Ok((&text[6..], c)),
            None => fail(text, Expected::SurrogatePair),
        },
    }
}

/// The code unit of `\uXXXX`.
fn hex4(text: &str) -> Option<u32> {
    let digits = text.as_bytes().strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |n, b| Some(n * 16 + char::from(*b).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::super::Filter;
    use super::*;
    use crate::limits::Limits;
    use crate::profile::Profile;

    fn read(text: &str, profile: Profile) -> Result<Literal, (usize, String)> {
        let filter = format!("a eq {text}");
        let mut leniency = Leniency::new(profile);
        match Filter::parse(&filter, &Limits::default(), &mut leniency) {
            Ok(Filter::Compare(comparison)) => Ok(comparison.value),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err((error.column - 5, error.detail)),
        }
    }

    #[test]
    fn strings() {
        let strict = Profile::strict();
        for (text, value) in [
            (r#""""#, ""),
            (r#""a\"b""#, "a\"b"),
            (r#""\\\/\b\f\n\r\t""#, "\\/\u{8}\u{c}\n\r\t"),
            (r#""\u00e9\u00E9""#, "éé"),
            (r#""\ud83d\ude00 x""#, "😀 x"),
            (r#""\u0000""#, "\0"),
            ("\"\u{7f}漢\"", "\u{7f}漢"),
            (
                "\"a text that is longer than what fits in place\"",
                "a text that is longer than what fits in place",
            ),
        ] {
            assert_eq!(read(text, strict), Ok(Literal::String(value.into())), "{text}");
        }
        for (text, column, word) in [
            ("\"open", 6, "closing"),
            ("\"op\\\"en", 8, "closing"),
            (r#""a\x""#, 3, "backslash"),
            (r#""\"#, 2, "backslash"),
            (r#""\u12""#, 2, "hexadecimal"),
            (r#""\u+123""#, 2, "hexadecimal"),
            (r#""é\u12é4""#, 3, "hexadecimal"),
            (r#""\ud83d""#, 2, "surrogate"),
            (r#""\ud83dx""#, 2, "surrogate"),
            (r#""\ud83d\n""#, 2, "surrogate"),
            (r#""\ud83dA""#, 2, "surrogate"),
            (r#""\ude00""#, 2, "surrogate"),
            ("\"a\u{1}b\"", 3, "control"),
            ("\"a\\nb\tc\"", 6, "control"),
            ("\"\0", 2, "control"),
            ("'x'", 1, "double quotes"),
            ("\"x\"y", 4, "after the value"),
        ] {
            let (at, detail) = read(text, strict).unwrap_err();
            assert!(detail.contains(word), "{text}: {detail}");
            assert_eq!(at, column, "{text}: {detail}");
        }
    }

    #[test]
    fn numbers() {
        for text in [
            "0",
            "-0",
            "7",
            "-1",
            "1.5",
            "0.0",
            "1e3",
            "1E-7",
            "123456789012345678",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1111111111111111111111111111111111",
            "1.7976931348623157e308",
        ] {
            let expected: Number = text.parse().unwrap();
            assert_eq!(read(text, Profile::strict()), Ok(Literal::Number(expected)), "{text}");
        }
        for text in ["1.", ".5", "1e", "01", "-", "+1", "0x10", "1_000", "NaN", "Infinity", "1e999"]
        {
            assert!(read(text, Profile::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(read("true", Profile::strict()), Ok(Literal::Bool(true)));
        assert_eq!(read("null", Profile::strict()), Ok(Literal::Null));
        for text in ["TRUE", "True"] {
            assert_eq!(read(text, Profile::default()), Ok(Literal::Bool(true)));
            assert!(read(text, Profile::strict()).is_err());
        }
        for text in ["NULL", "nullx", "truefalse", "yes", "null2"] {
            assert!(read(text, Profile::default()).is_err(), "{text}");
        }
    }
}

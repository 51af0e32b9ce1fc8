//! What went wrong while reading, kept small until it is known that reading failed.

use std::fmt;

use nom::IResult;
use nom::error::{ErrorKind, ParseError};

use super::FilterError;

/// What a parser of this module answers: the rest of the text and what was read.
pub(super) type Parsed<'a, T> = IResult<&'a str, T, Fault>;

/// Where reading stopped, as the number of bytes left, and what should have been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    left: usize,
    expected: Expected,
}

/// What should have been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Term,
    Name,
    SubName,
    Uri,
    Operator,
    NameEnd,
    Parenthesis,
    ValueSpace,
    Value,
    LowerCase,
    ValueEnd,
    NumberRange,
    Quote,
    Escape,
    HexDigits,
    SurrogatePair,
    NoControl,
    MoreOrEnd,
    MoreOrParenthesis,
    MoreOrBracket,
    NoBracketInside,
    NoSubAfterBracket,
    PathEnd,
    PathSub,
    Shorter(usize),
    Flatter(usize),
    FewerTerms(usize),
}

/// Stops reading at this place.
#[cold]
pub(super) fn fail<T>(rest: &str, expected: Expected) -> Parsed<'_, T> {
    Err(nom::Err::Failure(Fault { left: rest.len(), expected }))
}

impl Fault {
    /// The error to show, with the column in characters of the text that was read.
    #[cold]
    pub(super) fn into_error(self, text: &str) -> FilterError {
        let offset = text.len().saturating_sub(self.left);
        let before = text.char_indices().take_while(|(at, _)| *at < offset).count();
        FilterError { column: before + 1, detail: self.expected.to_string() }
    }
}

/// The error of a parser that was given the whole text.
#[cold]
pub(super) fn to_error(error: nom::Err<Fault>, text: &str) -> FilterError {
    match error {
        nom::Err::Error(fault) | nom::Err::Failure(fault) => fault.into_error(text),
        nom::Err::Incomplete(_) => Fault { left: 0, expected: Expected::Term }.into_error(text),
    }
}

impl<'a> ParseError<&'a str> for Fault {
    fn from_error_kind(input: &'a str, _: ErrorKind) -> Self {
        Self { left: input.len(), expected: Expected::Value }
    }

    fn append(_: &'a str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Term => "expected an attribute name, `not (` or `(`",
            Self::Name => {
                "expected an attribute name: a letter or `$`, then letters, digits, `-` and `_`"
            }
            Self::SubName => "expected the name of a sub-attribute after the dot",
            Self::Uri => "expected a schema URI in front of the last colon",
            Self::Operator => {
                "expected an operator after the attribute: eq, ne, co, sw, ew, gt, ge, lt, le or pr"
            }
            Self::NameEnd => "expected a space and an operator after the attribute name",
            Self::Parenthesis => "expected `(`: what `not` negates stands in parentheses",
            Self::ValueSpace => "expected a space and a value after the operator",
            Self::Value => {
                "expected a value: a text in double quotes, a number, true, false or null"
            }
            Self::LowerCase => "expected true, false or null in lower case",
            Self::ValueEnd => "expected a space, `)`, `]` or the end after the value",
            Self::NumberRange => "expected a number that fits double precision",
            Self::Quote => "expected a closing double quote",
            Self::Escape => r#"expected one of " \ / b f n r t u after the backslash"#,
            Self::HexDigits => "expected four hexadecimal digits after `\\u`",
            Self::SurrogatePair => "expected a whole surrogate pair, not half of one",
            Self::NoControl => "expected no control characters; write them as `\\u` escapes",
            Self::MoreOrEnd => "expected `and`, `or` or the end",
            Self::MoreOrParenthesis => "expected `and`, `or` or `)`",
            Self::MoreOrBracket => "expected `and`, `or` or `]`",
            Self::NoBracketInside => "expected no brackets inside brackets",
            Self::NoSubAfterBracket => {
                "expected `and`, `or` or the end; put the comparison into the brackets"
            }
            Self::PathEnd => "expected the end of the path",
            Self::PathSub => "expected the end of the path, or `.` and a sub-attribute",
            Self::Shorter(limit) => {
                return write!(f, "expected at most {limit} bytes");
            }
            Self::Flatter(limit) => {
                return write!(f, "expected at most {limit} levels of parentheses and brackets");
            }
            Self::FewerTerms(limit) => {
                return write!(f, "expected at most {limit} comparisons; send several requests");
            }
        };
        f.write_str(text)
    }
}

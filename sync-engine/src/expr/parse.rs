//! Text to a tree of names and constants. What the names mean is found out in `resolve`.

use std::cell::Cell;

use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while_m_n, take_while1};
use nom::character::complete::{char, digit1, multispace0};
use nom::combinator::{opt, recognize};
use nom::error::{ErrorKind, ParseError};
use nom::{IResult, Parser};
use smol_str::SmolStr;

use super::Dialect;
use super::ast::{Level, Operator, Span};

/// The deepest nesting of calls and parentheses.
pub(crate) const MAX_DEPTH: u32 = 64;

/// A tree as written.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) kind: RawKind,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum RawKind {
    Empty,
    Text(SmolStr),
    Number { value: i64, hex: bool },
    Attribute(SmolStr),
    Parameter(SmolStr),
    Variable(SmolStr),
    Bare(SmolStr),
    Call { name: SmolStr, name_span: Span, args: Vec<Raw> },
    Chain { first: Box<Raw>, rest: Vec<(Operator, Span, Raw)> },
}

/// Why a text is no expression. `left` is what was left of the text there.
#[derive(Debug)]
pub(super) struct Refused {
    left: usize,
    length: usize,
    message: String,
    mend: String,
}

impl ParseError<&str> for Refused {
    fn from_error_kind(input: &str, _: ErrorKind) -> Self {
        Self { left: input.len(), length: 1, message: String::new(), mend: String::new() }
    }

    fn append(_: &str, _: ErrorKind, other: Self) -> Self {
        other
    }
}

type Step<'t, T> = IResult<&'t str, T, Refused>;

/// Ends the parse with a sentence about the next `length` bytes.
fn refuse<T>(
    at: &str,
    length: usize,
    message: impl Into<String>,
    mend: impl Into<String>,
) -> Step<'_, T> {
    Err(nom::Err::Failure(Refused {
        left: at.len(),
        length,
        message: message.into(),
        mend: mend.into(),
    }))
}

struct Grammar {
    dialect: Dialect,
    length: usize,
    depth: Cell<u32>,
}

/// Reads `text`.
pub(super) fn parse(text: &str, dialect: Dialect) -> Result<Raw, (Span, String, String)> {
    let grammar = Grammar { dialect, length: text.len(), depth: Cell::new(0) };
    match grammar.whole(text) {
        Ok((_, raw)) => Ok(raw),
        Err(nom::Err::Error(refused) | nom::Err::Failure(refused)) => {
            let start = text.len() - refused.left;
            let mut end = (start + refused.length).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            let message = if refused.message.is_empty() {
                "this cannot be read".to_owned()
            } else {
                refused.message
            };
            Err((Span { start, end }, message, refused.mend))
        }
        // The parsers are the complete ones, which never ask for more.
        Err(nom::Err::Incomplete(_)) => Err((
            Span { start: text.len(), end: text.len() },
            "the expression ends too early".to_owned(),
            String::new(),
        )),
    }
}

impl Grammar {
    fn at(&self, left: &str) -> usize {
        self.length - left.len()
    }

    fn span(&self, from: &str, to: &str) -> Span {
        Span { start: self.at(from), end: self.at(to) }
    }

    fn whole<'t>(&self, text: &'t str) -> Step<'t, Raw> {
        let (left, raw) = self.level(text, Level::Logical)?;
        let (left, _) = multispace0(left)?;
        match left.chars().next() {
            None => Ok((left, raw)),
            Some(')') => refuse(left, 1, "this parenthesis closes nothing", "remove it"),
            Some(',') => refuse(
                left,
                1,
                "a comma stands outside of a call",
                "only arguments are separated by commas",
            ),
            Some(_) => refuse(
                left,
                1,
                "the expression has ended before this",
                "join two values with Append, Join or, in the Connect dialect, with &",
            ),
        }
    }

    /// Operands of the next tighter level, joined by operators of this one.
    fn level<'t>(&self, text: &'t str, level: Level) -> Step<'t, Raw> {
        let operand = |text: &'t str| match level {
            Level::Logical => self.level(text, Level::Comparison),
            Level::Comparison => self.level(text, Level::Arithmetic),
            Level::Arithmetic => self.primary(text),
        };
        let (mut left, first) = operand(text)?;
        let mut rest = Vec::new();
        loop {
            let (sign_at, _) = multispace0(left)?;
            let Ok((after, operator)) = operator(sign_at) else { break };
            if operator.level() != level {
                break;
            }
            let (next, right) = operand(after)?;
            rest.push((operator, self.span(sign_at, after), right));
            left = next;
        }
        if rest.is_empty() {
            return Ok((left, first));
        }
        let end = rest.last().map_or(first.span.end, |(_, _, raw)| raw.span.end);
        let span = Span { start: first.span.start, end };
        Ok((left, Raw { kind: RawKind::Chain { first: Box::new(first), rest }, span }))
    }

    fn deeper<'t, T>(
        &self,
        text: &'t str,
        inner: impl FnOnce(&'t str) -> Step<'t, T>,
    ) -> Step<'t, T> {
        if self.depth.get() >= MAX_DEPTH {
            return refuse(
                text,
                1,
                format!("calls and parentheses are nested more than {MAX_DEPTH} deep"),
                "split the expression into two flows",
            );
        }
        self.depth.set(self.depth.get() + 1);
        let result = inner(text);
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn primary<'t>(&self, text: &'t str) -> Step<'t, Raw> {
        let (start, _) = multispace0(text)?;
        let raw =
            |left: &'t str, kind: RawKind| Ok((left, Raw { kind, span: self.span(start, left) }));
        let Some(c) = start.chars().next() else {
            return refuse(start, 0, "a value is missing at the end", "");
        };
        match c {
            '(' => {
                let (left, inner) =
                    self.deeper(&start[1..], |text| self.level(text, Level::Logical))?;
                let (left, _) = multispace0(left)?;
                match char::<_, Refused>(')').parse(left) {
                    // The value keeps its own place: the parentheses are no part of what it says.
                    Ok((left, _)) => Ok((left, inner)),
                    Err(_) => refuse(start, 1, "this parenthesis is never closed", "add )"),
                }
            }
            '"' => {
                let (left, text) = self.string(start)?;
                raw(left, RawKind::Text(text))
            }
            '[' => {
                let (left, name) = attribute(start)?;
                raw(left, RawKind::Attribute(SmolStr::new(name)))
            }
            '%' => {
                let (left, _) = char('%').parse(start)?;
                let (left, name) = take_while(|c: char| c != '%' && c != '\n').parse(left)?;
                match char::<_, Refused>('%').parse(left) {
                    Ok((left, _)) if !name.trim().is_empty() => {
                        raw(left, RawKind::Parameter(SmolStr::new(name.trim())))
                    }
                    _ => refuse(
                        start,
                        1,
                        "a parameter is written between two percent signs",
                        "such as %Domain.Netbios%",
                    ),
                }
            }
            '$' => match identifier(&start[1..]) {
                Ok((left, name)) => raw(left, RawKind::Variable(SmolStr::new(name))),
                Err(_) => refuse(start, 1, "a variable has a name after the $", "such as $item"),
            },
            '&' => {
                let (left, value) = hexadecimal(start)?;
                raw(left, RawKind::Number { value, hex: true })
            }
            '-' | '0'..='9' => {
                let (left, value) = decimal(start)?;
                raw(left, RawKind::Number { value, hex: false })
            }
            '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' | '\'' => refuse(
                start,
                c.len_utf8(),
                "text stands between straight double quotes",
                "replace the quotes by \"",
            ),
            ',' | ')' => refuse(start, 1, "a value is missing here", ""),
            _ => self.named(start),
        }
    }

    /// A call, or a bare word.
    fn named<'t>(&self, start: &'t str) -> Step<'t, Raw> {
        let Ok((after, name)) = identifier(start) else {
            let length = start.chars().next().map_or(0, char::len_utf8);
            return refuse(start, length, "no value begins with this sign", "");
        };
        let name_span = self.span(start, after);
        let name = SmolStr::new(name);
        let (open, _) = multispace0(after)?;
        let Some(inside) = open.strip_prefix('(') else {
            return Ok((after, Raw { kind: RawKind::Bare(name), span: name_span }));
        };
        let (left, args) = self.deeper(inside, |text| self.arguments(text, open))?;
        let span = self.span(start, left);
        Ok((left, Raw { kind: RawKind::Call { name, name_span, args }, span }))
    }

    fn arguments<'t>(&self, text: &'t str, open: &'t str) -> Step<'t, Vec<Raw>> {
        let (mut left, _) = multispace0(text)?;
        if let Some(left) = left.strip_prefix(')') {
            return Ok((left, Vec::new()));
        }
        let mut args = Vec::new();
        loop {
            let (here, _) = multispace0(left)?;
            if here.starts_with([',', ')']) {
                args.push(Raw { kind: RawKind::Empty, span: self.span(here, here) });
                left = here;
            } else if here.is_empty() {
                return refuse(open, 1, "this parenthesis is never closed", "add )");
            } else {
                let (after, arg) = self.level(here, Level::Logical)?;
                args.push(arg);
                (left, _) = multispace0(after)?;
            }
            match left.chars().next() {
                Some(',') => left = &left[1..],
                Some(')') => return Ok((&left[1..], args)),
                Some(c) => {
                    return refuse(
                        left,
                        c.len_utf8(),
                        "a comma or a closing parenthesis is missing before this",
                        "",
                    );
                }
                None => return refuse(open, 1, "this parenthesis is never closed", "add )"),
            }
        }
    }

    /// A string constant. Backslash escapes in the Provisioning dialect, doubled quotes in the other.
    fn string<'t>(&self, start: &'t str) -> Step<'t, SmolStr> {
        let mut text = String::new();
        let mut chars = start.char_indices().skip(1).peekable();
        while let Some((at, c)) = chars.next() {
            match (c, self.dialect) {
                ('"', Dialect::Connect) if matches!(chars.peek(), Some((_, '"'))) => {
                    chars.next();
                    text.push('"');
                }
                ('"', _) => return Ok((&start[at + 1..], SmolStr::new(text))),
                ('\\', Dialect::Provisioning) => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => {
                        return refuse(
                            &start[at..],
                            1 + other.len_utf8(),
                            format!("\\{other} is no escape: only \\\\ and \\\" are"),
                            format!("for a backslash itself write it twice, \\\\{other}"),
                        );
                    }
                    None => break,
                },
                _ => text.push(c),
            }
        }
        refuse(start, 1, "this text is never closed", "add \" at its end")
    }
}

fn operator(text: &str) -> IResult<&str, Operator, Refused> {
    for operator in Operator::ALL {
        if let Ok((left, _)) = tag::<_, _, Refused>(operator.sign()).parse(text) {
            return Ok((left, operator));
        }
    }
    Err(nom::Err::Error(Refused::from_error_kind(text, ErrorKind::Tag)))
}

fn identifier(text: &str) -> Step<'_, &str> {
    recognize((
        take_while_m_n(1, 1, |c: char| c.is_alphabetic() || c == '_'),
        take_while(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.')),
    ))
    .parse(text)
    .map(|(left, name): (&str, &str)| {
        // A minus at the end is an operator and a full stop at the end is a mistake for the next to find.
        let name = name.trim_end_matches(['-', '.']);
        let _ = left;
        (&text[name.len()..], name)
    })
}

fn hexadecimal(start: &str) -> Step<'_, i64> {
    let Ok((left, _)) = alt((tag::<_, _, Refused>("&H"), tag("&h"))).parse(start) else {
        return refuse(start, 1, "a value is missing before this sign", "&H begins a hex number");
    };
    let digits = |c: char| c.is_ascii_hexdigit();
    let Ok((left, digits)) = take_while1::<_, _, Refused>(digits).parse(left) else {
        return refuse(start, 2, "&H is followed by hexadecimal digits", "such as &HFF");
    };
    match u64::from_str_radix(digits, 16) {
        // The bits are meant, so that a mask of 64 bits can be written.
        Ok(bits) => Ok((left, bits.cast_signed())),
        Err(_) => refuse(start, digits.len() + 2, "the number has more than 64 bits", ""),
    }
}

fn decimal(start: &str) -> Step<'_, i64> {
    let number = recognize((opt(char('-')), digit1::<_, Refused>)).parse(start);
    let Ok((left, digits)) = number else {
        return refuse(start, 1, "a value is missing before this sign", "");
    };
    if left.starts_with('.') {
        return refuse(left, 1, "numbers are whole", "values of directories have no fractions");
    }
    match digits.parse() {
        Ok(value) => Ok((left, value)),
        Err(_) => refuse(start, digits.len(), "the number has more than 64 bits", ""),
    }
}

/// `[name]`; a SCIM path may have brackets and quoted text of its own inside.
fn attribute(start: &str) -> Step<'_, &str> {
    let mut depth = 0_u32;
    let mut quoted = false;
    for (at, c) in start.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    let name = start[1..at].trim();
                    if name.is_empty() {
                        return refuse(start, at + 1, "the attribute has no name", "");
                    }
                    return Ok((&start[at + 1..], name));
                }
            }
            '\n' => break,
            _ => {}
        }
    }
    refuse(start, 1, "this bracket is never closed", "write attributes as [name]")
}
